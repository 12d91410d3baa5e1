# Steps of the demos: programs in the background, with what they print and write. Read by `.`.

watchers=

absolute() {
    echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
}

# begin_demo <seconds>: works in a directory of its own, and fails after this time.
begin_demo() {
    deadline=$(($(date +%s) + $1))
    directory=$(mktemp -d)
    cd "$directory"
    trap clean_up EXIT
    trap 'exit 1' HUP INT TERM
    trap '' PIPE
}

# Whatever happened, no program and no file is left behind.
clean_up() {
    for watcher in $watchers; do
        kill -KILL "$watcher" 2>/dev/null || :
    done
    for pid in *.pid; do
        [ ! -f "$pid" ] || [ -f "${pid%.pid}.exit" ] || kill -KILL "$(cat "$pid")" 2>/dev/null || :
    done
    wait
    cd / && rm -rf "$directory"
}

title() {
    printf '\n== %s\n' "$1"
}

# Prints what the programs named have written since they were last shown.
show() {
    for name in "$@"; do
        shown=$(cat "$name.shown" 2>/dev/null || echo 0)
        lines=$(wc -l < "$name.out")
        sed -n "$((shown + 1)),${lines}s/^/$name | /p" "$name.out"
        echo "$lines" > "$name.shown"
    done
}

fail() {
    title "FAILED: $1"
    for file in *.out *.log *.exit; do
        [ ! -f "$file" ] || sed "s/^/$file | /" "$file"
    done
    exit 1
}

# eventually <what> <command...>: the command succeeds before the deadline.
eventually() {
    what=$1
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "$what"
        sleep 0.1
    done
}

# start <name> <input> <program and arguments>: its output follows that of an earlier start.
start() {
    name=$1
    input=$2
    shift 2
    rm -f "$name.exit"
    {
        code=0
        sh -c 'echo $$ > "$0.pid" && exec "$@"' "$name" "$@" >> "$name.out" 2>&1 || code=$?
        echo "$code" > "$name.ended" && mv "$name.ended" "$name.exit"
    } < "$input" &
    watchers="$watchers $!"
}

# received <name> <text>: it stands in the message log, as the last field of its line.
received() {
    cut -f 4 "$1.log" | grep -qx "$2"
}

# says <name> <text>: the program has printed it.
says() {
    grep -qF "$2" "$1.out"
}

# kill_at_once <name>: as a crash would, without a moment to tidy up.
kill_at_once() {
    kill -KILL "$(cat "$1.pid")"
    eventually "$1 is killed" has_ended "$1"
    printf '%s is killed with -9\n' "$1"
}

has_ended() {
    [ -f "$1.exit" ]
}

# end_all <name...>: SIGTERM ends each of them, with exit code 0.
end_all() {
    title "SIGTERM ends all"
    for name in "$@"; do
        kill -TERM "$(cat "$name.pid")"
        eventually "$name ends" has_ended "$name"
        [ "$(cat "$name.exit")" = 0 ] || fail "$name exits with $(cat "$name.exit")"
    done
}
