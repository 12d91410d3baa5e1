#!/bin/sh
# A participant of groupcast, written from PROTOCOL.md alone: POSIX sh and OpenBSD's netcat.
#
#   participant.sh ID IP PORT COORDINATOR_IP COORDINATOR_PORT
#
# Listens at IP:PORT, joins, prints messages, and sends each line of standard input as a text. It
# stores nothing. The coordinator keeps the last acknowledged number, so a message can come twice.
set -eu
if [ $# -ne 5 ]; then
    echo "usage: participant.sh ID IP PORT COORDINATOR_IP COORDINATOR_PORT" >&2
    exit 2
fi
id=$1 ip=$2 port=$3 coordinator="$4 $5" listener=
directory=$(mktemp -d)
acks=$directory/acks messages=$directory/messages
mkfifo "$acks" "$messages"
trap 'kill $listener 2> /dev/null || :; rm -r "$directory"' EXIT
trap 'exit 1' HUP INT TERM

# request COMMAND: prints the reply; nothing, if there is none.
request() {
    printf '%s#%s#%s\n' "$id" "$1" "$ip" | nc -N -w 30 $coordinator || :
}

# take NONCE: reads the message socket; prints messages to 3 and acknowledgements to 1.
take() {
    IFS= read -r line && [ "${line%#*}" = "hello#$1" ] || return 0
    while IFS= read -r line; do
        number=${line%%#*} text=${line#*#*#*#} sender=${line#*#}
        case $line in
            bye#*) echo "* offline: ${line#bye#}" >&3 ;;
            gap#*) echo "* lost: ${line#gap#}" >&3 && echo "ack ${line##*#}" ;;
            *) printf '%s: %s\n' "${sender%%#*}" "$text" >&3 && echo "ack $number" ;;
        esac
    done
}

# Listens in the background, and asks until the coordinator is there and reaches the listener.
join() {
    kill $listener 2> /dev/null || :
    nonce=$(od -A n -N 16 -t x1 /dev/urandom | tr -d ' \n')
    nc -l "$ip" "$port" < "$acks" > "$messages" & listener=$!
    take "$nonce" 3>&1 > "$acks" < "$messages" &
    command=reconnect
    until reply=$(request "$command $port acks=1 nonce=$nonce") && [ "${reply#OK}" != "$reply" ]; do
        case $reply in
            "ERR 404"*) command=register ;;
            "ERR 502"* | "") sleep 1 ;;
            *) echo "$reply" && exit 1 ;;
        esac
    done
    echo "$reply"
}

join
while IFS= read -r text; do
    reply=$(request "msend $text")
    case $reply in
        "ERR 404"* | "ERR 409"*) join && reply=$(request "msend $text") ;; # It was not sent.
    esac
    echo "${reply:-unknown whether it was sent: $text}"
done
request disconnect
