#!/bin/sh
# Shows one group with three coordinators, called sites, over three servers of NATS JetStream. Six
# participants talk without a pause, while a site is killed, then the leading server, and while
# both start again. In the end all message logs must have the same messages, in the same order, each
# of them once. Ends by itself in less than a minute; exits with 1, and says why, if anything is not
# as it should be.
#
#   sh tests/cluster_demo.sh [<site> [<participant> [<nats-server>]]]
#
# It waits for what it can see in the programs' output and message logs. The pauses between two
# looks only save work; nothing becomes right by waiting long enough.
set -eu

# shellcheck source=tests/demo_steps.sh
. "$(dirname "$0")/demo_steps.sh"
site=$(absolute "${1:-target/release/site}")
participant=$(absolute "${2:-target/release/participant}")
nats_server=$(absolute "${3:-target/engine/bin/nats-server}")
for program in "$site" "$participant" "$nats_server"; do
    [ -x "$program" ] || { echo "$program is missing: make engine cluster-demo" >&2; exit 1; }
done

servers="n1 n2 n3"
sites="oslo rome lima"
names="ann bob cyd dan eve fay"
# Messages that each participant must get before the next event: 20 of each of the others.
enough=100
begun=$(date +%s)
begin_demo 110

# start_server <name>: on its ports, with its store.
start_server() {
    start "$1" /dev/null "$nats_server" --config "$1.conf"
}

# configure_server <name> <port> <port for the others>
configure_server() {
    cat > "$1.conf" << END
server_name: $1
listen: 127.0.0.1:$2
jetstream { store_dir: "$directory/$1.store", max_file: 1G, sync_interval: always }
cluster { name: demo, listen: 127.0.0.1:$3, routes: [ $routes ] }
END
}

# start_servers <first port>: fails if one of six ports is in use.
start_servers() {
    host=nats://127.0.0.1
    engine="$host:$1,$host:$(($1 + 1)),$host:$(($1 + 2))"
    routes="$host:$(($1 + 3)), $host:$(($1 + 4)), $host:$(($1 + 5))"
    next=$1
    for server in $servers; do
        configure_server "$server" "$next" "$((next + 3))"
        start_server "$server"
        next=$((next + 1))
    done
    for server in $servers; do
        eventually "$server is ready" is_ready_or_ended "$server"
    done
    for server in $servers; do
        ! has_ended "$server" || return 1
    done
}

is_ready_or_ended() {
    says "$1" "Server is ready" || has_ended "$1"
}

stop_servers() {
    for server in $servers; do
        has_ended "$server" || kill_at_once "$server" > kills
    done
}

# leader: prints the server that became the leader of the list last.
leader() {
    for server in $servers; do
        sed -n "s/^\[[0-9]*\] \(.*\) \[INF\] .*new stream leader for .*GC_demo.*/\1 $server/p" \
            "$server.out"
    done | sort | tail -n 1 | grep -o '[^ ]*$'
}

# start_site <name> [<option> <value>]
start_site() {
    name=$1
    shift
    printf '$ site %s%s.txt\n' "${*:+$* }" "$name"
    start "$name" /dev/null "$site" "$@" "$name.txt"
}

# port <site>: it has named its port.
port() {
    port=$(sed -n 's/.*listening on 127\.0\.0\.1:\([1-9][0-9]*\).*/\1/p' "$1.out" | head -n 1)
    [ -n "$port" ] || ! has_ended "$1" || fail "$1 ended at once"
    [ -n "$port" ]
}

# serves <site> <times>: it has begun to serve that often.
serves() {
    ! has_ended "$1" || fail "$1 ended at once"
    [ "$(grep -c 'listening on' "$1.out")" = "$2" ]
}

# join <participant> <its sites, in turn>
join() {
    name=$1
    shift
    printf '%s\n%s.log\n' "$name" "$name" > "$name.txt"
    for each in "$@"; do
        printf '127.0.0.1 %s\n' "$(cat "$each.port")" >> "$name.txt"
    done
    mkfifo "$name.in"
    echo "\$ participant -f --join --outbox $name.outbox $name.txt    # $*"
    start "$name" "$name.in" "$participant" -f --join --outbox "$name.outbox" "$name.txt"
    talk "$name" &
    watchers="$watchers $!"
}

# talk <participant>: types a text about every tenth of a second, from the time at which the file
# `speech` is there until `silence` is.
talk() {
    {
        number=0
        until [ -f speech ]; do
            sleep 0.1
        done
        until [ -f silence ]; do
            number=$((number + 1))
            echo "msend $1 says $number"
            sleep 0.1
        done
    } > "$1.in"
    echo "$number" > "$1.count" && mv "$1.count" "$1.said"
}

# count <participant>: prints the number of messages in its log.
count() {
    grep -c '^[0-9]' "$1.log" 2>/dev/null || :
}

# mark: from here on messages count.
mark() {
    for name in $names; do
        count "$name" > "$name.mark"
    done
}

# goes_on: everybody has got enough since the mark.
goes_on() {
    for name in $names; do
        [ "$(count "$name")" -ge $(($(cat "$name.mark") + enough)) ] || return 1
    done
}

# pause <participant>: prints the longest time between two of its messages, since the mark.
pause() {
    grep '^[0-9]' "$1.log" | tail -n "+$(cat "$1.mark")" | cut -f 2 |
        awk -F '[T:Z]' '
            { time = $2 * 3600 + $3 * 60 + $4 }
            NR > 1 { pause = (time - last + 86400) % 86400; if (pause > most) most = pause }
            { last = time }
            END { printf "%.1f", most }'
}

# report <participant...>: how long they got nothing.
report() {
    for name in "$@"; do
        echo "$name got no message for at most $(pause "$name") s"
    done
}

# moved <participant> <site>: it is connected to the site.
moved() {
    grep '^\* connected to ' "$1.out" | tail -n 1 | grep -q ":$(cat "$2.port")\$"
}

# show_moves <participant...>: what they said about their coordinators.
show_moves() {
    for name in "$@"; do
        grep -E '^\* (coordinator|connected|reconnect|message socket)' "$name.out" |
            tail -n 4 | sed "s/^/$name | /"
    done
}

has_said() {
    [ -f "$1.said" ]
}

# has_all <participant>: as many messages as the others have said.
has_all() {
    [ "$(count "$1")" -ge $((total - $(cat "$1.said"))) ]
}

title "the engine: three servers of NATS JetStream; each entry is on two disks before it counts"
first=$((20000 + $$ % 1000 * 12))
until start_servers "$first"; do
    stop_servers
    rm -rf n?.out n?.store
    first=$((20000 + (first - 20000 + 6) % 12000))
done
echo "$engine"

title "the group is founded once; then its three sites start"
for each in $sites; do
    printf '%s\n' 0 600 bind=127.0.0.1 "engine=$engine" engine_bytes=256m group=demo "site=$each" \
        > "$each.txt"
done
echo '$ site --found oslo.txt'
"$site" --found oslo.txt || fail "the group is not founded"
for each in $sites; do
    start_site "$each"
done
for each in $sites; do
    eventually "$each names its port" port "$each"
    echo "$port" > "$each.port"
    grep 'listening on' "$each.out" | cut -c 1-90 | sed "s/^/$each | /"
done

title "six participants, two at each site; each knows all three, and all talk without a pause"
join ann oslo rome lima
join bob oslo lima rome
join cyd rome lima oslo
join dan rome oslo lima
join eve lima oslo rome
join fay lima rome oslo
for name in $names; do
    eventually "$name is a member" says "$name" "OK register"
done
: > speech
mark
eventually "everybody hears the others" goes_on
for name in $names; do
    head -n 5 "$name.log" | tail -n 1 | sed "s/^/$name.log | /"
done

title "a site is killed: its members go to other sites, and go on where they were"
mark
kill_at_once oslo
eventually "ann goes to rome" moved ann rome
eventually "bob goes to lima" moved bob lima
eventually "everybody hears the others" goes_on
show_moves ann bob
report ann fay

title "the leader of the engine is killed: the two other servers elect a new one"
mark
old=$(leader)
kill_at_once "$old"
eventually "everybody hears the others" goes_on
echo "$(leader) leads now"
report ann fay

title "both start again"
mark
start_server "$old"
start_site oslo --port "$(cat oslo.port)"
eventually "oslo serves" serves oslo 2
eventually "everybody hears the others" goes_on
grep -E 'listening on|list read' oslo.out | tail -n 2 | cut -c 1-90 | sed 's/^/oslo | /'

title "SIGTERM ends another site: its members are told, and one of them goes to the new oslo"
mark
kill -TERM "$(cat rome.pid)"
eventually "rome ends" has_ended rome
[ "$(cat rome.exit)" = 0 ] || fail "rome exits with $(cat rome.exit)"
eventually "dan goes to oslo" moved dan oslo
eventually "everybody hears the others" goes_on
show_moves dan
report dan fay

title "all stop talking; the message logs are compared"
: > silence
total=0
for name in $names; do
    eventually "$name has said all" has_said "$name"
    total=$((total + $(cat "$name.said")))
done
for name in $names; do
    eventually "$name has all $((total - $(cat "$name.said"))) messages" has_all "$name"
done
for name in $names; do
    kill -TERM "$(cat "$name.pid")"
    eventually "$name ends" has_ended "$name"
    [ "$(cat "$name.exit")" = 0 ] || fail "$name exits with $(cat "$name.exit")"
done

# The list, as the logs have it together: number, sender, text.
for name in $names; do
    grep '^[0-9]' "$name.log" | cut -f 1,3,4 > "$name.is"
    [ "$(grep -c '^# epoch' "$name.log")" = 1 ] || fail "$name was told of another epoch"
    ! grep '^# gap' "$name.log" || fail "$name has a gap"
done
sort -n -u ./*.is > all
for name in $names; do
    grep -v "	$name	" all > "$name.expected"
    cmp "$name.is" "$name.expected" || fail "$name.log differs from the others"
    seq -f "$name says %.0f" 1 "$(cat "$name.said")" > "$name.texts"
    grep "	$name	" all | cut -f 3 | cmp - "$name.texts" || fail "texts of $name differ"
    echo "$name.log: $(count "$name") messages, and $(cat "$name.said") own ones at the others"
done
[ "$(wc -l < all)" -eq "$total" ] || fail "$(wc -l < all) messages for $total texts"
end_all oslo lima
title "$total texts in $(($(date +%s) - begun)) s: none is lost, doubled or out of order"
