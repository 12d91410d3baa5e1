# The programs of the archive run in a root with nothing else: no library, no shell, no /dev, no /proc.
. tests/packages/common.sh
archive=$(ls target/groupcast-*.tar.gz 2> /dev/null) || fail "no archive: make dist"
test "$(echo "$archive" | wc -l)" = 1 || fail "several archives: $archive"

mkdir -p "$scratch/archive" "$scratch/root/data"
tar -C "$scratch/archive" --strip-components=1 -xzf "$archive"
for file in share/man/man1/groupcast-coordinator.1 share/doc/groupcast/LICENSE \
    share/doc/groupcast/third-party-licences.txt lib/systemd/system/groupcast-coordinator@.service; do
    test -s "$scratch/archive/$file" || fail "no $file in $archive"
done
for program in coordinator participant; do
    cp "$scratch/archive/bin/groupcast-$program" "$scratch/root/$program"
done
printf '0\n60\ndata_dir=/data/journal\n' > "$scratch/root/coordinator.txt"
# Names need this file, or a name server in resolv.conf, and no library that looks them up.
mkdir "$scratch/root/etc"
echo 127.0.0.1 hub > "$scratch/root/etc/hosts"
chown -R 65532:65532 "$scratch/root/data"

run() {
    exec chroot --userspec=65532:65532 "$scratch/root" "$@"
}

run /coordinator /coordinator.txt > "$scratch/coordinator" 2>&1 &
coordinator=$!
children=$coordinator
wait_for "the coordinator listens" grep -q ' listening on ' "$scratch/coordinator"
# README names this figure. At most 3 MB, of which the kernel counts 1024 bytes as a kB.
memory=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$coordinator/status")
test "$memory" -le $((3000000 / 1024)) || fail "an idle coordinator has $memory kB of memory"
port=$(sed -n 's/^coordinator .* listening on [^ ]*:\([0-9]*\),.*/\1/p' "$scratch/coordinator")
run /participant --id alice --coordinator "127.0.0.1:$port" --no-log --no-history --count 1 \
    > "$scratch/alice" 2>&1 &
alice=$!
children="$children $alice"
wait_for "alice is a member" grep -q 'alice: registered' "$scratch/coordinator"
(run /participant --id bob --coordinator "hub:$port" --no-log --no-history \
    --send "hello from nothing") > "$scratch/bob" 2>&1 || fail "bob: $(cat "$scratch/bob")"
wait "$alice" || fail "alice: $(cat "$scratch/alice")"
grep -q 'bob: hello from nothing' "$scratch/alice" || fail "alice: $(cat "$scratch/alice")"
kill "$coordinator"
wait "$coordinator" || fail "the coordinator: $(cat "$scratch/coordinator")"
echo "$archive ran in an empty root: $(wc -c < "$scratch/root/coordinator") bytes, $memory kB of memory idle"
