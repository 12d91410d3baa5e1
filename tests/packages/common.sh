# What the parts share. A part begins with `. tests/packages/common.sh`.
set -eu
scratch=$(mktemp -d)
children=
# Ends what the part started, and removes its folder, also when the part fails.
trap 'for child in $children; do kill "$child" 2> /dev/null || true; done
    wait 2> /dev/null || true
    rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 1' INT TERM

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Ends the part if a tool is missing: need TOOL PACKAGE.
need() {
    command -v "$1" > /dev/null || {
        echo "SKIPPED: $1 is missing (Debian: $2)" >&2
        exit 0
    }
}

# Waits until a command succeeds, for at most 30 seconds: wait_for WORDS COMMAND...
wait_for() {
    what=$1 end=$(($(date +%s) + 30))
    shift
    until "$@" > /dev/null 2>&1; do
        test "$(date +%s)" -lt "$end" || fail "$what: not within 30 s"
        sleep 0.1
    done
}

# The value of a key of a unit.
value_of() {
    sed -n "s/^$2=//p" "$1" | head -n 1
}
