#!/bin/sh
# Makes a Debian package of programs that are built: sh deb.sh PROGRAMS. The package is
# target/groupcast.deb.
set -eu
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}
# The version that `make deb` installs where cargo-deb is missing; its debug build takes less time.
version=3.8.0
"$cargo" deb --version > /dev/null 2>&1 ||
    "$cargo" install --quiet --locked --debug cargo-deb --version "$version"

rm -rf target/deb
DESTDIR="$PWD/target/deb" PREFIX=/usr ZSH_COMPLETIONS=share/zsh/vendor-completions \
    sh config/packages/install.sh install "$1"
mkdir -p target/deb/etc/logrotate.d
install -m 644 config/logrotate target/deb/etc/logrotate.d/groupcast
# A package has a changelog of its own, in Debian's form.
package=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)-1
date=$(date -u -R -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || date +%s)}")
maintainer=$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)
{
    printf 'groupcast (%s) unstable; urgency=medium\n\n' "$package"
    printf '  * Version %s: see CHANGELOG.md.\n\n' "${package%-1}"
    printf ' -- %s  %s\n' "$maintainer" "$date"
} > target/deb/changelog
"$cargo" deb --quiet --no-build --no-strip --output target/groupcast.deb
echo target/groupcast.deb
