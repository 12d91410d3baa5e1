# The OpenRC scripts start what they say, and refuse a service without a name. OpenRC itself would
# replace the init system of this machine, so its functions and programs are replaced here.
. tests/packages/common.sh

mkdir -p "$scratch/bin"
for program in su supervise-daemon checkpath; do
    printf '#!/bin/sh\necho %s "$@"\n' "$program" > "$scratch/bin/$program"
    chmod 755 "$scratch/bin/$program"
done
cat > "$scratch/functions" << 'END'
eerror() { echo "error: $*"; }
ebegin() { :; }
eend() { return "$1"; }
END

# Runs lines of a service with this name: in_service PROGRAM NAME LINES.
in_service() {
    script=". $scratch/functions; RC_SVCNAME=$2; . config/openrc/$1; $3"
    PATH="$scratch/bin:$PATH" sh -uc "$script" 2>&1 || echo "status $?"
}

check() {
    program=$1 service=$1.$2 directory=$3 start=$4
    found=$(in_service "$program" "$service" 'start_pre; echo "$command $command_args"; reload
        echo "$command_user in $directory with $required_files"')
    expected="checkpath --directory --owner groupcast:groupcast --mode 0750 /var/lib/groupcast \
/var/lib/groupcast/$2
$start
supervise-daemon $service --signal HUP
groupcast:groupcast in $directory with /etc/groupcast/$2.txt"
    test "$found" = "$expected" || fail "$service: $found"
    found=$(in_service "$program" "$program" start_pre)
    test "${found#error: Make a link with the name of a }" != "$found" || fail "$program: $found"
    test "${found%status 1}" != "$found" || fail "$program starts without a name"
}

check groupcast-coordinator home /etc/groupcast "/usr/bin/groupcast-coordinator --data-dir \
/var/lib/groupcast/home/journal /etc/groupcast/home.txt"
check groupcast-participant alice /var/lib/groupcast/alice "/usr/bin/groupcast-participant -f -q \
--join --outbox outbox /etc/groupcast/alice.txt"
