# The program `site` is no default program. If it is built, an install puts it with all that belongs
# to it, and nothing of it otherwise.
. tests/packages/common.sh
built=${CARGO_TARGET_DIR:-target}/release/site
test -x "$built" || { echo "SKIPPED the site of packages: no $built: make site" >&2; exit 0; }

# Runs install.sh on a root: install_into ROOT ACTION PROGRAMS
install_into() {
    DESTDIR=$1 PREFIX=/usr sh config/packages/install.sh "$2" "$3"
}

without=$scratch/without with=$scratch/with root=$scratch/root
mkdir "$without" "$with"
cp coordinator participant "$without"
cp coordinator participant "$built" "$with"

install_into "$root" install "$without"
of_site=$(find "$root" -name '*site*' ! -name site-functions)
test -z "$of_site" || fail "$of_site"
install_into "$root" uninstall "$without"

install_into "$root" install "$with"
"$root/usr/bin/groupcast-site" --version | grep -q '^site ' || fail "the site does not run"
unit=$root/usr/lib/systemd/system/groupcast-site@.service
test "$(value_of "$unit" ExecStart)" = "/usr/bin/groupcast-site /etc/groupcast/%i.txt" ||
    fail "$unit starts another program"
doc=$root/usr/share/doc/groupcast
for file in "$root/usr/share/man/man1/groupcast-site.1" "$root/usr/share/man/man5/groupcast-site.5" \
    "$root/usr/share/bash-completion/completions/groupcast-site" \
    "$doc/third-party-licences-site.txt" "$doc/examples/nats.conf"; do
    test -s "$file" || fail "no $file"
done
# The sample is whole but for its secrets.
grep -v '^engine_c' "$doc/examples/site1.txt" > "$scratch/site1.txt"
"$root/usr/bin/groupcast-site" --check "$scratch/site1.txt" > "$scratch/checked" 2>&1 ||
    fail "$(cat "$scratch/checked")"
install_into "$root" uninstall "$with"
test -z "$(find "$root" -mindepth 1)" || fail "left behind: $(find "$root")"
