# A systemd of its own starts the services of the package as a machine does: their start, reload,
# restart, watchdog, socket and limits, and that they are back after a boot. It is PID 1 of
# namespaces, over a copy-on-write view of this machine's files: nothing outside of them changes.
. tests/packages/common.sh
for tool in systemctl:systemd unshare:util-linux ip:iproute2 pkill:procps; do
    need "${tool%:*}" "${tool#*:}"
done
package=$PWD/target/groupcast.deb
test -s "$package" || fail "no $package: make deb"

# systemd needs a part of the second version of control groups for itself.
hierarchy=$(findmnt --noheadings --types cgroup2 --output TARGET | head -n 1)
group=$hierarchy/groupcast-test.$$
test -n "$hierarchy" && mkdir "$group" 2> /dev/null || {
    echo "SKIPPED: there is no cgroup2 that can be written" >&2
    exit 0
}

# Mounts the files of the machine, and boots it twice.
cat > "$scratch/machine" << 'END'
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1/layers"
mkdir "$1/layers/upper" "$1/layers/work"
mount -t overlay overlay "$1/root" \
    -o "lowerdir=/,upperdir=$1/layers/upper,workdir=$1/layers/work"
cd "$1/root"
# Services that this machine starts stay out.
rm -rf etc/systemd/system/*.wants var/lib/groupcast etc/groupcast
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    mknod -m 666 "dev/$device" c $(stat -c '0x%t 0x%T' "/dev/$device")
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ip link set lo up
mkdir -p var/outside
mount -t proc proc proc
pivot_root . var/outside
cd /
umount --lazy /var/outside
echo mounted
for boot in 1 2; do
    unshare --mount --pid --fork --kill-child sh -c "$2" || true
done
END
cat > "$scratch/system" << 'END'
set -eu
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
# Mounts of a service, as that of its credentials, reach it through a shared root.
mount --make-rshared /
exec env -i container=groupcast-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --log-target=journal
END
mkdir "$scratch/layers" "$scratch/root"
(
    echo 0 > "$group/cgroup.procs"
    exec unshare --mount --uts --ipc --net --cgroup --pid --fork --kill-child \
        sh "$scratch/machine" "$scratch" "$(cat "$scratch/system")"
) > "$scratch/console" 2>&1 < /dev/null &
outside=$!
trap 'kill -KILL "$outside" 2> /dev/null || true
    wait 2> /dev/null || true
    wait_for "the control group is empty" remove_group
    rm -rf --one-file-system "$scratch"' EXIT
remove_group() {
    find "$group" -depth -type d -exec rmdir {} +
}

# Runs a command on the machine, for at most a minute: on COMMAND...
on() {
    timeout --kill-after=5 60 nsenter --target "$manager" --all --root --wd -- "$@"
}

# Waits until systemd has started all that a boot starts.
is_booted() {
    manager=$(cat "$group/init.scope/cgroup.procs") &&
        case $(on systemctl is-system-running) in running | degraded) true ;; *) false ;; esac
}

# Prints a property of a service: show SERVICE PROPERTY
show() {
    on systemctl show --value --property "$2" "groupcast-$1"
}

# Prints what a service wrote.
log_of() {
    on journalctl --quiet --no-pager --output cat --unit "groupcast-$1"
}

# Returns true if a service wrote a line: wrote SERVICE PATTERN
wrote() {
    log_of "$1" > "$scratch/log" && grep -q "$2" "$scratch/log"
}

# Sends a text as a member that is there for this text only: send TEXT
send() {
    on groupcast-participant --id bob --no-history --coordinator 127.0.0.1:5000 \
        --send "$1" > "$scratch/sent" 2>&1 || fail "send: $(cat "$scratch/sent")"
}

# Waits until alice has a text: alice_gets TEXT
alice_gets() {
    wait_for "alice gets '$1'" on grep -q "	bob	$1\$" /var/lib/groupcast/alice/alice.log
}

# Runs a command on the machine, which must succeed: must COMMAND...
must() {
    on "$@" > "$scratch/output" 2>&1 || fail "$*: $(cat "$scratch/output")
$(on journalctl --no-pager --lines 30 2>&1)"
}

# Returns true when the machine is there, or cannot be.
is_decided() {
    grep -q '^mounted$' "$scratch/console" || ! kill -0 "$outside"
}
wait_for "the files are mounted" is_decided
grep -q '^mounted$' "$scratch/console" || {
    echo "SKIPPED: no namespaces with mounts of their own: $(cat "$scratch/console")" >&2
    exit 0
}
wait_for "systemd has started" is_booted
on sh -c 'cat > /var/groupcast.deb' < "$package"
must dpkg --install /var/groupcast.deb

# A group, as config/README.md, "Services", starts it. The start waits until the port answers.
examples=/usr/share/doc/groupcast/examples
must cp "$examples/coordinator.txt" /etc/groupcast/home.txt
must systemctl enable --now groupcast-coordinator@home
must groupcast-coordinator --health 127.0.0.1:5000
status=$(show coordinator@home StatusText)
case $status in *member*) ;; *) fail "systemctl status shows '$status'" ;; esac

# The limits of the unit are in force.
process=$(show coordinator@home MainPID)
for expected in 'NoNewPrivs:	1' 'Seccomp:	2' 'CapEff:	0000000000000000' 'CapBnd:	0000000000000000'; do
    on grep -q "^$expected\$" "/proc/$process/status" ||
        fail "not '$expected': $(on cat "/proc/$process/status")"
done
files=$(ulimit -H -n)
test "$files" != unlimited && test "$files" -lt 32768 || files=32768
on grep -q "^Max open files  *$files " "/proc/$process/limits" || fail "another LimitNOFILE"

on sh -c "printf 'alice\nalice.log\n127.0.0.1 5000\n' > /etc/groupcast/alice.txt"
must systemctl enable --now groupcast-participant@alice
wait_for "alice is a member" wrote coordinator@home 'alice: registered'
send "the first"
alice_gets "the first"
echo "started"

# A reload is over when systemctl returns, and a faulty config changes nothing and says so.
must sed -i 's/^60$/120/' /etc/groupcast/home.txt
must systemctl reload groupcast-coordinator@home
wait_for "the reload is in the log" wrote coordinator@home 'changed: ttl=120'
must sed -i 's/^120$/much/' /etc/groupcast/home.txt
on systemctl reload groupcast-coordinator@home || true
wait_for "the fault is in the log" wrote coordinator@home 'ttl: found "much"'
test "$(show coordinator@home MainPID)" = "$process" || fail "a faulty config ended it"
must sed -i 's/^much$/120/' /etc/groupcast/home.txt
send "after a reload"
alice_gets "after a reload"
echo "reloaded"

# systemd starts it again after a crash, and after a hang longer than WatchdogSec.
set_watchdog() {
    must mkdir -p /run/systemd/system/groupcast-coordinator@home.service.d
    on sh -c "printf '[Service]\nWatchdogSec=%s\nRestartSec=100ms\n' '$1' \
        > /run/systemd/system/groupcast-coordinator@home.service.d/test.conf"
    must systemctl daemon-reload
    must systemctl restart groupcast-coordinator@home
    process=$(show coordinator@home MainPID)
}
is_started_again() {
    test "$(show coordinator@home ActiveState)" = active &&
        test "$(show coordinator@home MainPID)" != "$process"
}
set_watchdog 30
must kill -KILL "$process"
wait_for "a new process after SIGKILL" is_started_again
send "after a crash"
alice_gets "after a crash"
set_watchdog 1
must kill -STOP "$process"
wait_for "a new process after a hang" is_started_again
wait_for "the hang is in the log" wrote coordinator@home 'Watchdog timeout'
set_watchdog 30
send "after a hang"
alice_gets "after a hang"
echo "restarted"

# With the socket a restart refuses nobody.
must systemctl stop groupcast-coordinator@home
must systemctl enable --now groupcast-coordinator@home.socket
must systemctl start groupcast-coordinator@home
cat > "$scratch/dial" << 'END'
while [ ! -e /run/dialed ]; do
    (exec 3<> /dev/tcp/127.0.0.1/5000) 2> /dev/null || echo refused
    echo dialed
done
END
on bash < "$scratch/dial" > "$scratch/dialed" &
dialing=$!
for _ in 1 2 3; do must systemctl restart groupcast-coordinator@home; done
must touch /run/dialed
wait "$dialing"
test "$(grep -c dialed "$scratch/dialed")" -gt 10 || fail "too few connections"
! grep -q refused "$scratch/dialed" || fail "a restart refuses connections"
send "through the socket"
alice_gets "through the socket"
echo "restarted with a socket"

# A wrong config is no reason to try again.
on sh -c "echo nonsense > /etc/groupcast/wrong.txt"
! on systemctl start groupcast-coordinator@wrong 2> /dev/null || fail "a wrong config starts"
test "$(show coordinator@wrong ExecMainStatus),$(show coordinator@wrong ActiveState)" = 2,failed ||
    fail "$(on systemctl show groupcast-coordinator@wrong)"

# A backup is put back by the commands of config/README.md.
data=/var/lib/groupcast/home
must cp -a "$data/journal" "$data/backup"
must systemctl stop groupcast-coordinator@home.socket groupcast-coordinator@home
must mv "$data/journal" "$data/journal.old"
must cp -a "$data/backup" "$data/journal"
on runuser -u groupcast -- groupcast-coordinator --new-epoch --data-dir "$data/journal" \
    /etc/groupcast/home.txt > "$scratch/restored" 2>&1 &
restoring=$!
wait_for "the coordinator has the backup" grep -q ' listening on ' "$scratch/restored"
must pkill --signal INT --full -- --new-epoch
wait "$restoring" || fail "$(cat "$scratch/restored")"
must systemctl start groupcast-coordinator@home.socket groupcast-coordinator@home
send "after a backup was put back"
alice_gets "after a backup was put back"
echo "restored"

# A group whose keys only root can read: the service has a copy as a credential.
on sh -c "printf '5002\n60\n' > /etc/groupcast/safe.txt"
must groupcast-coordinator --init-keys /etc/groupcast/safe.txt
must chmod g+r /etc/groupcast/access.txt
must mkdir -p /etc/systemd/system/groupcast-coordinator@safe.service.d
on sh -c 'cat > /etc/systemd/system/groupcast-coordinator@safe.service.d/keys.conf' << 'END'
[Service]
LoadCredential=coordinator.keys:/etc/groupcast/coordinator.keys
LoadCredential=coordinator.crt:/etc/groupcast/coordinator.crt
ExecStart=
ExecStart=/usr/bin/groupcast-coordinator --tls %d/coordinator.keys /etc/groupcast/safe.txt
END
must systemctl daemon-reload
must systemctl start groupcast-coordinator@safe
wait_for "the group has TLS" wrote coordinator@safe 'TLS, key sha256:'
must systemctl stop groupcast-coordinator@safe
echo "credentials"

# A site of a group of several coordinators, with a server of the engine on the same machine.
try_site() {
    on sh -c 'cat > /usr/bin/groupcast-site && chmod 755 /usr/bin/groupcast-site' < "$1"
    on sh -c 'cat > /usr/bin/nats-server && chmod 755 /usr/bin/nats-server' < "$2"
    on sh -c 'cat > /etc/systemd/system/groupcast-site@.service' \
        < config/systemd/groupcast-site@.service
    must systemd-run --unit nats /usr/bin/nats-server --addr 127.0.0.1 --jetstream --store_dir /var/nats
    on sh -c "printf '%s\n' 5001 60 engine=nats://127.0.0.1:4222 engine_replicas=1 group=class \
        site=oslo > /etc/groupcast/oslo.txt"
    must systemctl daemon-reload
    wait_for "the group is founded" on groupcast-site --found /etc/groupcast/oslo.txt
    must systemctl start groupcast-site@oslo
    must groupcast-coordinator --health 127.0.0.1:5001
    process=$(show site@oslo MainPID)
    on grep -q '^Seccomp:	2$' "/proc/$process/status" || fail "the site has no filter"
    must systemctl reload groupcast-site@oslo
    wait_for "the site has reloaded" wrote site@oslo "SIGHUP: "
    must systemctl stop groupcast-site@oslo
    test "$(show site@oslo Result)" = success || fail "$(log_of site@oslo)"
    must systemctl stop nats
    echo "a site"
}
site=${CARGO_TARGET_DIR:-target}/release/site
engine=${CARGO_TARGET_DIR:-target}/engine/bin/nats-server
if test -x "$site" && test -x "$engine"; then
    try_site "$site" "$engine"
else
    echo "SKIPPED the service of a site: make site engine" >&2
fi

# Both services are back after a boot, and alice has kept her place.
# The signal asks for a poweroff, as systemd(1) has it. No command of `on` may run meanwhile: a
# systemd that ends stops all processes for a moment, and nsenter then stops with its child for
# good.
env kill -s RTMIN+4 "$manager"
is_off() {
    ! kill -0 "$manager"
}
wait_for "the machine is off" is_off
wait_for "systemd has started again" is_booted
wait_for "the group is back" on groupcast-coordinator --health 127.0.0.1:5000
send "after a boot"
alice_gets "after a boot"
texts=$(on cut -s -f 4 /var/lib/groupcast/alice/alice.log | sort -u | wc -l)
test "$texts" = 7 || fail "alice has $(on cat /var/lib/groupcast/alice/alice.log)"
echo "booted"

# A purge stops what runs.
must dpkg --purge groupcast
test "$(show coordinator@home ActiveState)" != active || fail "the coordinator runs on"
echo "purged"
