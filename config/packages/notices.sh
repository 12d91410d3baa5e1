#!/bin/sh
# Prints the licences of the code of others in both default programs: sh notices.sh. With `site`, of
# what the program `site` has beside that. The crates are those of Cargo.lock, and their texts come
# from cargo's registry, where a build has put them.
set -eu
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}
of=${1:-both}
registry=${CARGO_HOME:-$HOME/.cargo}/registry/src

heading() { printf '%s\n\n' "==== $1"; }

# The crates of a build with these options, each with its version and licence.
crates() {
    "$cargo" tree --locked --edges normal --prefix none --no-dedupe --format '{p}|{l}' "$@" |
        sed 's/ v\([^ |]*\)[^|]*|/|\1|/' | LC_ALL=C sort -u | grep -v '^groupcast|'
}

case $of in
    both)
        echo "Both programs of groupcast contain code of others, under the licences below. \`make notices\`"
        list=$(crates) ;;
    site)
        echo "Beside the code of others in third-party-licences.txt, the program site contains code of others"
        echo "under the licences below. \`make notices\`"
        base=$(crates)
        list=$(crates --features engine | grep -vxF "$base") ;;
    *) echo "usage: notices.sh [site]" >&2; exit 2 ;;
esac
echo "makes this list: do not edit."
echo
printf '%s\n' "$list" |
    while IFS='|' read -r crate version licence; do
        source=$(ls -d "$registry"/*/"$crate-$version" 2> /dev/null | head -n 1)
        test -n "$source" || { echo "$crate $version is not in $registry: cargo fetch" >&2; exit 1; }
        # Where a crate may be used under one of several licences, MIT is the one.
        case $licence in
            *OR*MIT* | MIT*OR*) files=$(ls "$source"/*MIT* 2> /dev/null || true) ;;
            *) files= ;;
        esac
        test -n "$files" || files=$(find "$source" -maxdepth 1 -type f \( -iname 'licen[sc]e*' \
            -o -iname 'copying*' -o -iname 'unlicense*' \) | LC_ALL=C sort)
        # Some crates only name the licence. Its text is the same everywhere.
        case $files$licence in
            *Apache-2.0) files=${files:-$(ls "$registry"/*/rustls-[0-9]*/LICENSE-APACHE | head -n 1)} ;;
        esac
        test -n "$files" || { echo "$crate $version has no file with its licence" >&2; exit 1; }
        heading "$crate $version ($licence)"
        for file in $files; do tr -d '\r\f' < "$file"; echo; done
    done
test "$of" = both || exit 0
heading "the standard library of Rust (MIT OR Apache-2.0)"
echo "Copyright (c) The Rust Project Contributors. The text of the MIT licence stands below."
echo
heading "musl, in programs that are linked with it (MIT)"
echo "Copyright (c) 2005-2020 Rich Felker, et al."
echo
tail -n +5 LICENSE
