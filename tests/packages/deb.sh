# dpkg installs the package into fresh roots; its programs run there as the services start them; and
# a purge leaves nothing but configs and data.
. tests/packages/common.sh
need dpkg dpkg
package=$PWD/target/groupcast.deb
test -s "$package" || fail "no $package: make deb"

# Copies programs, and what they are linked with, to the same places of a root.
copy_programs() {
    to=$1
    shift
    for program in "$@"; do
        path=$(readlink -f "$(command -v "$program")")
        for file in "$path" $(ldd "$path" 2> /dev/null | grep -o '/[^ ]*'); do
            install -D "$file" "$to$file"
        done
        case $path in
            */"$program") ;;
            *) ln -sf "$path" "$to/usr/bin/$program" ;;
        esac
    done
}

# A root with the tools of the package's scripts and nothing else. dpkg knows the packages of the
# libraries that are there, so that it checks what the package depends on.
make_root() {
    mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib" "$1/usr/lib64" "$1/etc" "$1/dev" "$1/tmp" \
        "$1/var/lib/dpkg/info" "$1/var/lib/dpkg/updates" "$1/var/lib/logrotate"
    for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$1/$folder"; done
    copy_programs "$1" sh rm rmdir install getent useradd cat
    for known in libc6 libgcc-s1 libgcc1; do
        dpkg-query --status "$known" 2> /dev/null && echo
    done > "$1/var/lib/dpkg/status" || true
    ldd target/deb/usr/bin/* | grep -o '/[^ ]*[.]so[^ ]*' | sort -u | while read -r library; do
        install -D "$library" "$1$library"
    done
    echo root:x:0:0:root:/root:/bin/sh > "$1/etc/passwd"
    echo root:x:0: > "$1/etc/group"
    touch "$1/etc/shadow" "$1/etc/gshadow"
    mknod -m 666 "$1/dev/null" c 1 3 2> /dev/null || : > "$1/dev/null"
}

# Runs a command in a root, as a user of this root: as_user ROOT DIRECTORY COMMAND...
as_user() {
    user=$(sed -n 's/^groupcast:[^:]*:\([0-9]*\):\([0-9]*\):.*/\1:\2/p' "$1/etc/passwd")
    in=$1 directory=$2
    shift 2
    exec chroot --userspec="$user" "$in" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh \
        "$directory" "$@"
}

# Starts a unit's command for an instance: start ROOT PROGRAM INSTANCE. Its process is $!.
start() {
    unit=$1/usr/lib/systemd/system/groupcast-$2@.service
    chroot "$1" install -d -o groupcast -g groupcast -m 750 "/var/lib/groupcast/$3"
    command=$(value_of "$unit" ExecStart | sed "s/%i/$3/g")
    directory=$(value_of "$unit" WorkingDirectory | sed "s/%i/$3/g")
    # shellcheck disable=SC2086
    as_user "$1" "$directory" $command > "$scratch/$3.output" 2>&1 < /dev/null &
    children="$children $!"
}

port_of() {
    sed -n 's/^coordinator .* listening on [^ ]*:\([0-9]*\),.*/\1/p' "$scratch/home.output"
}

# Prints the status page of the coordinator.
page() {
    at=$(sed -n 's|.*status page and metrics on http://127.0.0.1:\([0-9]*\)/.*|\1|p' \
        "$scratch/home.output")
    bash -c 'exec 3<> "/dev/tcp/127.0.0.1/$1"
        printf "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" >&3
        cat <&3' sh "$at"
}

# The steps of README.md, without systemd: a group with a page, a member that stays, and one that
# sends. Then a Prometheus reads the samples of the package.
try_group() {
    root=$1
    examples=$root/usr/share/doc/groupcast/examples
    sed 's/^5000$/0/' "$examples/coordinator.txt" > "$root/etc/groupcast/home.txt"
    echo http=0 >> "$root/etc/groupcast/home.txt"
    start "$root" coordinator home
    coordinator=$!
    wait_for "the coordinator listens" grep -q ' listening on ' "$scratch/home.output"
    page > "$scratch/page" || fail "no page: $(cat "$scratch/home.output")"
    grep -q '<title>' "$scratch/page" || fail "no page: $(cat "$scratch/page")"
    if command -v promtool > /dev/null; then
        mkdir -p "$scratch/prometheus"
        cp "$examples/prometheus.yml" "$examples/alerts.yml" "$scratch/prometheus/"
        promtool check config "$scratch/prometheus/prometheus.yml" > "$scratch/promtool" 2>&1 ||
            fail "$(cat "$scratch/promtool")"
    else
        echo "SKIPPED prometheus.yml of the package: promtool is missing" >&2
    fi
    printf 'alice\nalice.log\n127.0.0.1 %s\n' "$(port_of)" > "$root/etc/groupcast/alice.txt"
    start "$root" participant alice
    participant=$!
    log=$root/var/lib/groupcast/alice/alice.log
    wait_for "alice is a member" grep -q 'alice: registered' "$scratch/home.output"
    send() {
        (as_user "$root" /tmp /usr/bin/groupcast-participant --id bob --no-history \
            --coordinator "127.0.0.1:$(port_of)" --send "$1")
    }
    send "before the rotation" > "$scratch/bob.output" 2>&1 || fail "$(cat "$scratch/bob.output")"
    wait_for "alice gets the message" grep -q 'before the rotation' "$log"
    try_rotation
    kill "$participant"
    wait "$participant" || fail "alice: $(cat "$scratch/alice.output")"
    kill "$coordinator"
    wait "$coordinator" || fail "home: $(cat "$scratch/home.output")"
    ls "$root"/var/lib/groupcast/home/journal/*.journal > /dev/null || fail "no journal"
}

# A group with keys, made and read by the commands of config/README.md.
try_keys() {
    printf '0\n60\n' > "$1/etc/groupcast/safe.txt"
    chroot "$1" /usr/bin/groupcast-coordinator --init-keys /etc/groupcast/safe.txt \
        > "$scratch/invitation" 2> "$scratch/init" || fail "$(cat "$scratch/init")"
    chmod g+r "$1/etc/groupcast/coordinator.keys" "$1/etc/groupcast/access.txt"
    start "$1" coordinator safe
    coordinator=$!
    wait_for "the coordinator with keys listens" grep -q ' listening on ' "$scratch/safe.output"
    grep -q 'TLS, key sha256:' "$scratch/safe.output" || fail "$(cat "$scratch/safe.output")"
    cp "$scratch/invitation" "$1/tmp/invitation"
    chroot "$1" install -D -o groupcast -g groupcast -m 600 /tmp/invitation \
        /var/lib/groupcast/erin/erin.keys
    port=$(sed -n 's/.* listening on [^ ]*:\([0-9]*\),.*/\1/p' "$scratch/safe.output")
    printf 'erin\nerin.log\n127.0.0.1 %s\nkeys=erin.keys\n' "$port" > "$1/etc/groupcast/erin.txt"
    start "$1" participant erin
    participant=$!
    wait_for "erin is a member by her invitation" grep -q 'erin: registered' "$scratch/safe.output"
    kill "$participant"
    wait "$participant" || fail "erin: $(cat "$scratch/erin.output")"
    kill "$coordinator"
    wait "$coordinator" || fail "safe: $(cat "$scratch/safe.output")"
}

# logrotate moves the message log of the running participant, which goes on in a new file.
try_rotation() {
    command -v logrotate > /dev/null || {
        echo "SKIPPED rotation of message logs: logrotate is missing" >&2
        return 0
    }
    copy_programs "$root" logrotate gzip
    mkdir -p "$root/run/systemd/system"
    printf '#!/bin/sh\necho "$@" >> /run/signals\nkill -HUP %s\n' "$participant" \
        > "$root/usr/bin/systemctl"
    chmod 755 "$root/usr/bin/systemctl"
    chroot "$root" logrotate --force --state /var/lib/logrotate/status /etc/logrotate.d/groupcast
    rm -r "$root/run/systemd" "$root/usr/bin/systemctl"
    grep -qxF 'kill -s HUP groupcast-participant@*.service' "$root/run/signals" ||
        fail "logrotate sent no signal"
    wait_for "a new message log begins" grep -q '^# last [1-9]' "$log"
    grep -q 'before the rotation' "$log.1" || fail "the old message log has no message"
    send "after the rotation" > "$scratch/bob.output" 2>&1 || fail "$(cat "$scratch/bob.output")"
    wait_for "alice gets a further message" grep -q 'after the rotation' "$log"
}

for way in useradd systemd-sysusers; do
    command -v "$way" > /dev/null || { echo "SKIPPED users by $way: missing" >&2; continue; }
    root=$scratch/$way
    make_root "$root"
    test "$way" = useradd || copy_programs "$root" "$way"
    dpkg --root="$root" --install "$package" > "$scratch/dpkg" 2>&1 ||
        fail "dpkg --install: $(cat "$scratch/dpkg")"
    grep -q '^groupcast:' "$root/etc/passwd" || fail "$way: no user groupcast"
    test "$(stat -c %a "$root/etc/groupcast")" = 2750 || fail "/etc/groupcast has another mode"
    (as_user "$root" / /usr/bin/groupcast-coordinator --version) | grep -q '^coordinator ' ||
        fail "$way: the coordinator does not run"
    if [ "$way" = useradd ]; then
        try_group "$root"
        try_keys "$root"
    fi
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    ln -s /usr/lib/systemd/system/groupcast-coordinator@.service \
        "$root/etc/systemd/system/multi-user.target.wants/groupcast-coordinator@home.service"
    dpkg --root="$root" --remove groupcast > "$scratch/dpkg" 2>&1 || fail "$(cat "$scratch/dpkg")"
    test -e "$root/etc/logrotate.d/groupcast" || fail "a removal takes a file of /etc along"
    dpkg --root="$root" --purge groupcast > "$scratch/dpkg" 2>&1 || fail "$(cat "$scratch/dpkg")"
    left=$(cd "$root" && find . -name '*groupcast*' ! -path './var/lib/groupcast*' \
        ! -path './etc/groupcast*')
    test -z "$left" || fail "a purge leaves $left"
    test "$way" != useradd || test -s "$root/etc/groupcast/home.txt" || fail "the config is gone"
    test "$way" != useradd || test -s "$root/var/lib/groupcast/alice/alice.log" ||
        fail "the message log is gone"
    echo "installed, started and purged, with a user by $way"
done
