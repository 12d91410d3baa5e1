# `make install` puts every file where it belongs, and `make uninstall` removes exactly these.
. tests/packages/common.sh

check_installed() {
    root=$1 prefix=$2
    for program in coordinator participant; do
        "$root$prefix/bin/groupcast-$program" --version | grep -q "^$program " ||
            fail "$program does not run"
        unit="$root$prefix/lib/systemd/system/groupcast-$program@.service"
        case $(value_of "$unit" ExecStart) in
            "$prefix/bin/groupcast-$program "*) ;;
            *) fail "$unit starts another program" ;;
        esac
        test -s "$root$prefix/share/bash-completion/completions/groupcast-$program" ||
            fail "no completion of $program"
        test -s "$root$prefix/share/man/man1/groupcast-$program.1" || fail "no page of $program"
    done
    for file in lib/sysusers.d/groupcast.conf share/doc/groupcast/third-party-licences.txt \
        share/doc/groupcast/LICENSE share/doc/groupcast/examples/coordinator.txt; do
        test -s "$root$prefix/$file" || fail "no $file"
    done
    # The pages of the program `site` are there only if it is.
    pages=$(find config/man -type f ! -name "groupcast-$(test -x site || echo site).*" | wc -l)
    test "$pages" = "$(find "$root$prefix/share/man" -name 'groupcast-*' | wc -l)" ||
        fail "pages are missing"
}

# Into a root of its own: nothing is left.
root=$scratch/root
make -s install "DESTDIR=$root" PREFIX=/usr
check_installed "$root" /usr
test -z "$(find "$root" ! -path "$root/usr*" ! -path "$root")" || fail "files outside of PREFIX"
make -s uninstall "DESTDIR=$root" PREFIX=/usr
test -z "$(find "$root" -mindepth 1)" || fail "left behind: $(find "$root")"

# Configs, data, and files of others stay.
make -s install "DESTDIR=$root"
check_installed "$root" /usr/local
mkdir -p "$root/etc/groupcast" "$root/var/lib/groupcast/home"
echo 5000 > "$root/etc/groupcast/home.txt"
echo x > "$root/var/lib/groupcast/home/data"
echo x > "$root/usr/local/bin/other"
echo x > "$root/usr/local/share/doc/groupcast/notes.txt"
make -s uninstall "DESTDIR=$root"
kept=$(cd "$root" && find . -type f | LC_ALL=C sort | tr '\n' ' ')
expected="./etc/groupcast/home.txt ./usr/local/bin/other ./usr/local/share/doc/groupcast/notes.txt"
expected="$expected ./var/lib/groupcast/home/data "
test "$kept" = "$expected" || fail "kept: $kept"

# Into the system itself: folders of others stay, also empty ones.
make -s install "PREFIX=$scratch/local"
check_installed "" "$scratch/local"
make -s uninstall "PREFIX=$scratch/local"
test -z "$(find "$scratch/local" -type f)" || fail "left behind: $(find "$scratch/local")"
test -d "$scratch/local/bin" || fail "bin is gone"
test ! -e "$scratch/local/share/doc/groupcast" || fail "the folder of the documents stays"
