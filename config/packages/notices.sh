#!/bin/sh
# Prints the licences of the code of others in both programs: sh notices.sh. The crates are those of
# Cargo.lock, and their texts come from cargo's registry, where a build has put them.
set -eu
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}
registry=${CARGO_HOME:-$HOME/.cargo}/registry/src

heading() { printf '%s\n\n' "==== $1"; }

echo "Both programs of groupcast contain code of others, under the licences below. \`make notices\`"
echo "makes this list: do not edit."
echo
"$cargo" tree --locked --edges normal --prefix none --no-dedupe --format '{p}|{l}' |
    sed 's/ v\([^ |]*\)[^|]*|/|\1|/' | LC_ALL=C sort -u | grep -v '^groupcast|' |
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
        test -n "$files" || { echo "$crate $version has no file with its licence" >&2; exit 1; }
        heading "$crate $version ($licence)"
        for file in $files; do tr -d '\r\f' < "$file"; echo; done
    done
heading "the standard library of Rust (MIT OR Apache-2.0)"
echo "Copyright (c) The Rust Project Contributors. The text of the MIT licence stands below."
echo
heading "musl, in programs that are linked with it (MIT)"
echo "Copyright (c) 2005-2020 Rich Felker, et al."
echo
tail -n +5 LICENSE
