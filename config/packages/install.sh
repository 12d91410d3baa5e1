#!/bin/sh
# Installs groupcast, or removes what an install put: sh install.sh install|uninstall PROGRAMS
# PROGRAMS is the folder with the built programs.
# From the environment: DESTDIR (a root to install into), PREFIX, ZSH_COMPLETIONS (below PREFIX).
set -eu
cd "$(dirname "$0")/../.."
action=$1 programs=$2
prefix=${PREFIX:-/usr/local}
zsh=${ZSH_COMPLETIONS:-share/zsh/site-functions}
doc=share/doc/groupcast

# The program `site` has the feature `engine` (`make site`): it is put only if it was built.
optional=
test "$action" = install -a ! -x "$programs/site" || optional=site

# Each file: its mode, its source, and its path below PREFIX.
list() {
    for program in coordinator participant $optional; do
        echo "755 $programs/$program bin/groupcast-$program"
        echo "644 config/completions/groupcast-$program share/bash-completion/completions/groupcast-$program"
        echo "644 config/completions/_groupcast-$program $zsh/_groupcast-$program"
        echo "644 config/completions/groupcast-$program.fish share/fish/vendor_completions.d/groupcast-$program.fish"
    done
    for page in config/man/*; do
        case $page in */groupcast-site.*) test -n "$optional" || continue ;; esac
        echo "644 $page share/man/man${page##*.}/${page##*/}"
    done
    for unit in config/systemd/*.service config/systemd/*.socket; do
        case $unit in */groupcast-site@*) test -n "$optional" || continue ;; esac
        test ! -e "$unit" || echo "644 $unit lib/systemd/system/${unit##*/}"
    done
    echo "644 config/systemd/groupcast.sysusers lib/sysusers.d/groupcast.conf"
    # The documents keep their places, because they refer to each other.
    for document in README.md CHANGELOG.md SECURITY.md LICENSE config/README.md \
        src/protocol/PROTOCOL.md; do
        echo "644 $document $doc/$document"
    done
    for licences in third-party-licences ${optional:+third-party-licences-site}; do
        echo "644 config/packages/$licences.txt $doc/$licences.txt"
    done
    for sample in config/coordinator.txt config/participant*.txt ${optional:+config/site1.txt config/nats.conf} config/*.json config/*.yml config/logrotate config/openrc/*; do
        test ! -e "$sample" || echo "644 $sample $doc/examples/${sample#config/}"
    done
}

# The units name the programs by their path.
put() {
    mkdir -p "$(dirname "$3")"
    case $2 in
        config/systemd/*.service) sed "s|=/usr/bin/|=$prefix/bin/|" "$2" > "$3" ;;
        *) cp "$2" "$3" ;;
    esac
    chmod "$1" "$3"
}

case $action in
    install)
        for program in coordinator participant; do
            test -x "$programs/$program" || {
                echo "make install: $programs/$program is missing: run make first" >&2
                exit 1
            }
        done
        list | while read -r mode source path; do
            put "$mode" "$source" "${DESTDIR:-}$prefix/$path"
        done ;;
    uninstall)
        list | while read -r mode source path; do
            rm -f "${DESTDIR:-}$prefix/$path"
            # Folders of ours. In a root of its own (DESTDIR), all that are empty.
            (
                cd "${DESTDIR:-}/" && folder=$(dirname "${prefix#/}/$path")
                case ${DESTDIR:+staged}$path in
                    staged*) rmdir -p --ignore-fail-on-non-empty "$folder" ;;
                    "$doc"/*)
                        cd "${prefix#/}/share/doc" &&
                            rmdir -p --ignore-fail-on-non-empty "${folder#*/share/doc/}" ;;
                esac
            ) 2> /dev/null || true
        done ;;
    *) echo "usage: install.sh install|uninstall PROGRAMS" >&2; exit 2 ;;
esac
