#!/bin/sh
# Shows what a group does, in the programs' own words: first three participants at their prompts,
# then two that run unattended while the coordinator and one of them are killed, then two with keys
# that talk encrypted. Ends by itself; exits with 1, and says why, if anything is not as it should
# be.
#
#   sh tests/demo.sh [<coordinator> [<participant>]]
#
# It waits for what it can see in the programs' output and message logs. The pauses between two
# looks only save work; nothing becomes right by waiting long enough.
set -eu

# shellcheck source=tests/demo_steps.sh
. "$(dirname "$0")/demo_steps.sh"
coordinator=$(absolute "${1:-./coordinator}")
participant=$(absolute "${2:-./participant}")

ttl=5
names="alice bob carol"
begin_demo 60

say() {
    printf '%s > %s\n' "$1" "$2"
    case $1 in
        alice) printf '%s\n' "$2" >&4 ;;
        bob) printf '%s\n' "$2" >&5 ;;
        carol) printf '%s\n' "$2" >&6 ;;
        dave) printf '%s\n' "$2" >&7 ;;
        erin) printf '%s\n' "$2" >&8 ;;
        fay) printf '%s\n' "$2" >&5 ;;
        gus) printf '%s\n' "$2" >&6 ;;
    esac || fail "$1 takes no commands any more"
}

# members <pattern>: the coordinator's list of members matches. The observer is no member.
members() {
    printf 'members\n' | timeout 5 "$participant" observer.txt > observer.out 2>&1 &&
        grep -q "^ *$1" observer.out
}

without_bob() {
    members 'alice ' && ! grep -q '^ *bob ' observer.out
}

# start_hub and start_unattended <name> <options>: the commands of a service.
start_hub() {
    echo '$ coordinator --data-dir data --presence yes --presence-delay 1 hub.txt'
    start hub /dev/null "$coordinator" --bind 127.0.0.1 --data-dir data --presence yes \
        --presence-delay 1 hub.txt
}
start_unattended() {
    name=$1
    shift
    printf '$ participant -f --join %s%s.txt\n' "${*:+$* }" "$name"
    start "$name" "$name.in" "$participant" -f --join "$@" "$name.txt"
}

# port <coordinator>: it has named its port.
port() {
    port=$(sed -n 's/.*127\.0\.0\.1:\([1-9][0-9]*\).*/\1/p' "$1.out" | head -n 1)
    [ -n "$port" ] || ! has_ended "$1" || fail "the coordinator ended at once"
    [ -n "$port" ]
}

# log_is <name>: standard input is its message log, with spaces for tabs, without times and epochs.
log_is() {
    awk -F '\t' '/^# (epoch|last)/ { next } /^#/ { print; next } { print $1, $3, $4 }' \
        "$1.log" > "$1.is"
    cat > "$1.expected"
    cmp -s "$1.is" "$1.expected" || fail "$1.log should be: $(cat "$1.expected")"
}

title "a coordinator on a free port; a message lives $ttl seconds"
printf '0\n%s\n' "$ttl" > coordinator.txt
start coordinator /dev/null "$coordinator" --bind 127.0.0.1 coordinator.txt
eventually "the coordinator names its port" port coordinator
show coordinator

title "three participants register, each on a free port"
for name in $names observer; do
    printf '%s\n%s.log\n127.0.0.1 %s\n' "$name" "$name" "$port" > "$name.txt"
done
for name in $names; do
    mkfifo "$name.in"
    start "$name" "$name.in" "$participant" "$name.txt"
done
exec 4> alice.in 5> bob.in 6> carol.in
for name in $names; do
    say "$name" "register 0"
    eventually "$name is online" members "$name online "
done
show $names

title "what one sends, all others get"
say alice "msend hello everybody"
eventually "bob hears alice" received bob "hello everybody"
eventually "carol hears alice" received carol "hello everybody"
say bob "msend hello alice"
eventually "alice hears bob" received alice "hello alice"
eventually "carol hears bob" received carol "hello alice"
show $names

title "who is away for a while gets what was missed"
say bob "disconnect"
eventually "bob is offline" members "bob offline "
say alice "msend bob can read this later"
eventually "carol hears alice" received carol "bob can read this later"
! received bob "bob can read this later" || fail "bob hears while offline"
say bob "reconnect 0"
eventually "bob gets what was missed" received bob "bob can read this later"
show $names

title "who is away for longer than $ttl seconds is told of a gap"
say carol "disconnect"
eventually "carol is offline" members "carol offline "
say alice "msend carol comes too late for this"
eventually "bob hears alice" received bob "carol comes too late for this"
eventually "the message expires" members "carol offline .* pending=0 "
say carol "reconnect 0"
eventually "carol is told of the gap" grep -q "^# gap 1 4 4$" carol.log
show $names

title "who deregisters is forgotten"
say bob "deregister"
eventually "bob is no member" without_bob
say alice "msend bob is gone"
eventually "carol hears alice" received carol "bob is gone"
show $names

title "all quit, the coordinator too"
for name in $names; do
    say "$name" "quit"
    eventually "$name ends" has_ended "$name"
    [ "$(cat "$name.exit")" = 0 ] || fail "$name exits with $(cat "$name.exit")"
done
kill -TERM "$(cat coordinator.pid)"
eventually "the coordinator ends" has_ended coordinator
[ "$(cat coordinator.exit)" = 0 ] || fail "the coordinator exits with $(cat coordinator.exit)"
show $names coordinator

for name in $names; do
    title "$name.log"
    cat "$name.log"
done
log_is alice << END
# id alice
2 bob hello alice
END
log_is bob << END
# id bob
1 alice hello everybody
3 alice bob can read this later
4 alice carol comes too late for this
END
log_is carol << END
# id carol
1 alice hello everybody
2 bob hello alice
3 alice bob can read this later
# gap 1 4 4
5 alice bob is gone
END

title "unattended: dave starts before the coordinator is up, and keeps trying"
printf '%s\n60\n' "$port" > hub.txt
for name in dave erin; do
    printf '%s\n%s.log\n127.0.0.1 %s\n' "$name" "$name" "$port" > "$name.txt"
    mkfifo "$name.in"
done
start_unattended dave --outbox dave.outbox
exec 7> dave.in
eventually "dave says that nobody answers" says dave "trying again"
show dave

title "a coordinator with a journal and presence: it tells all who comes and goes"
start_hub
eventually "dave has joined by himself" received dave "dave registered"
start_unattended erin
exec 8> erin.in
eventually "dave is told of erin" received dave "erin registered"
say dave "msend good morning erin"
eventually "erin hears dave" received erin "good morning erin"
say erin "disconnect"
eventually "dave is told that erin is away" received dave "erin offline"
say erin "join"
eventually "dave is told that erin is back" received dave "erin online"
show hub dave erin

title "an outage: what dave sends waits in a file"
kill_at_once hub
eventually "dave is offline" says dave "* reconnecting in"
say dave "msend one: nobody answers"
say dave "msend two: it waits on the disk"
eventually "both wait" says dave "* queued, 2 waiting"
kill_at_once dave
show dave

title "dave and the coordinator start again: each text arrives once, and in order"
start_unattended dave --outbox dave.outbox
exec 7> dave.in
say dave "msend three: after the start"
eventually "three texts wait" says dave "3 waiting"
start_hub
eventually "erin hears dave" received erin "three: after the start"
show hub dave erin

end_all dave erin hub

title "erin.log"
cat erin.log
awk -F '\t' '/^[0-9]/ && $3 != "@" { print $3, $4 }' erin.log > erin.is
printf 'dave %s\n' "good morning erin" "one: nobody answers" "two: it waits on the disk" \
    "three: after the start" > erin.expected
cmp -s erin.is erin.expected || fail "erin.log should have: $(cat erin.expected)"
title "encrypted: one command makes the keys, and prints an invitation"
printf '0\n60\n' > safe.txt
echo '$ coordinator --init-keys safe.txt > invitation'
"$coordinator" --init-keys safe.txt > invitation || fail "no keys were made"
sed 's/^/invitation | /' invitation
start safe /dev/null "$coordinator" --bind 127.0.0.1 safe.txt
eventually "the coordinator names its port" port safe
show safe

title "two participants paste the invitation; each makes a key of its own"
for name in fay gus mallory; do
    printf '%s\n%s.log\n127.0.0.1 %s\n' "$name" "$name" "$port" > "$name.txt"
    (umask 077 && cp invitation "$name.keys")
    mkfifo "$name.in"
done
for name in fay gus; do
    echo "\$ participant --keys $name.keys $name.txt"
    start "$name" "$name.in" "$participant" --keys "$name.keys" "$name.txt"
done
exec 5> fay.in 6> gus.in
for name in fay gus; do
    say "$name" "register 0"
    eventually "$name is online" says "$name" "OK register"
done
say fay "msend nobody else can read this"
eventually "gus hears fay" received gus "nobody else can read this"
show fay gus

title "a stranger who guesses the secret is refused"
sed -i.invited 's/:[0-9a-f]*$/:00000000000000000000000000000000/' mallory.keys
start mallory /dev/null "$participant" --keys mallory.keys --exit-on-error -e "register 0" mallory.txt
eventually "the stranger ends" has_ended mallory
says mallory "ERR 401 secret" || fail "the stranger is not refused"
[ "$(cat mallory.exit)" = 1 ] || fail "the stranger exits with $(cat mallory.exit)"
show mallory

title "the operator replaces the access file: only the key of fay may go on; SIGHUP"
fay_key=$(sed -n 's/.*own key \(sha256:[0-9a-f]*\).*/\1/p' fay.out | head -n 1)
printf 'fay key=%s\n' "$fay_key" > access.txt
sed 's/^/access.txt | /' access.txt
kill -HUP "$(cat safe.pid)"
eventually "gus is told" says gus "the coordinator no longer lets this id in"
eventually "gus comes back and is refused" says gus "ERR 401 key"
say fay "msend gus is gone"
eventually "fay goes on" says fay "OK msend seq=2"
! received gus "gus is gone" || fail "gus hears without a right"
show fay gus safe

end_all fay gus safe
title "everything was as it should be"
