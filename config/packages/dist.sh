#!/bin/sh
# Builds both programs without any library at run time, and packs them: sh dist.sh. The archive is
# target/groupcast-VERSION-ARCH.tar.gz, and target/dist/container is the context of the Dockerfile.
set -eu
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}
host=$(rustc -vV | sed -n 's/^host: //p')
arch=${host%%-*}
# musl is made for static programs. Where its target or its compiler is missing, glibc has to do.
musl=$arch-unknown-linux-musl
has_target() { test -d "$(rustc --print target-libdir --target "$1" 2> /dev/null)"; }
has_target "$musl" || timeout 120 rustup target add "$musl" > /dev/null 2>&1 || true
if command -v musl-gcc > /dev/null && has_target "$musl"; then
    target=$musl
else
    echo "make dist: no musl-gcc, or no Rust target $musl: linking with glibc instead" >&2
    target=$host
fi
"$cargo" build --release --locked --target "$target" \
    --config "target.$target.rustflags=['-C', 'target-feature=+crt-static']"
programs=${CARGO_TARGET_DIR:-target}/$target/release

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=groupcast-$version-$arch
rm -rf target/dist
DESTDIR="$PWD/target/dist" PREFIX=/usr/local sh config/packages/install.sh install "$programs"
tar -C target/dist/usr/local --owner=0 --group=0 --sort=name --transform "s|^\.|$name|" \
    -czf "target/$name.tar.gz" .
mkdir -p target/dist/container/data
cp "$programs/coordinator" target/dist/container/groupcast-coordinator
echo "target/$name.tar.gz"
