# systemd finds no fault in the units, and calls their exposure 1.5 or less.
. tests/packages/common.sh
need systemd-analyze systemd

root=$scratch/root
make -s install "DESTDIR=$root" PREFIX=/usr
# The unit of the program `site`, which is not always built: another program stands in for it.
cp config/systemd/groupcast-site@.service "$root/usr/lib/systemd/system/"
cp "$root/usr/bin/groupcast-coordinator" "$root/usr/bin/groupcast-site"
mkdir -p "$root/bin" "$root/etc"
cp -L /bin/kill "$root/bin/kill"
# The targets that the units name.
for target in basic multi-user network network-online shutdown sockets sysinit; do
    cp "$(systemd-analyze unit-paths | while read -r path; do
        ls "$path/$target.target" 2> /dev/null || true
    done | head -n 1)" "$root/usr/lib/systemd/system/"
done
for unit in "$root"/usr/lib/systemd/system/groupcast-*; do
    name=$(basename "$unit" | sed 's/@/@x/')
    faults=$(systemd-analyze verify --man=no --root="$root" "$name" 2>&1) || true
    test -z "$faults" || fail "$name: $faults"
    case $name in *.socket) continue ;; esac
    systemd-analyze security --offline=true --threshold=15 --no-pager "$unit" > "$scratch/report" ||
        { cat "$scratch/report" >&2; fail "$name is more exposed than 1.5"; }
    tail -n 1 "$scratch/report"
done

# The user of the services can be made.
systemd-sysusers --root="$root" "$root/usr/lib/sysusers.d/groupcast.conf"
grep -q '^groupcast:.*:/var/lib/groupcast:/usr/sbin/nologin$' "$root/etc/passwd" ||
    fail "no user groupcast"
