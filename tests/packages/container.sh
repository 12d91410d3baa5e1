# The Dockerfile builds an image, without a registry, and the program of the image runs in its root.
. tests/packages/common.sh
need buildah buildah
test -d target/dist/container || fail "no target/dist/container: make dist"
store="--root $scratch/store --runroot $scratch/run --storage-driver vfs"
# shellcheck disable=SC2086
buildah $store build --isolation chroot --format docker --tag groupcast \
    -f config/container/Dockerfile target/dist/container > "$scratch/build" 2>&1 ||
    fail "$(cat "$scratch/build")"
# shellcheck disable=SC2086
container=$(buildah $store from groupcast)
# shellcheck disable=SC2086
root=$(buildah $store mount "$container")
# shellcheck disable=SC2086
buildah $store inspect --type image groupcast > "$scratch/image"
grep -q '"65532:65532"' "$scratch/image" || fail "the image has another user"
grep -q '"--health"' "$scratch/image" || fail "the image has no check of its health"
test "$(find "$root" -type f)" = "$root/groupcast-coordinator" ||
    fail "the image has other files: $(find "$root" -type f)"

run() {
    exec chroot --userspec=65532:65532 "$root" /groupcast-coordinator "$@"
}

run --port 0 --ttl 60 --data-dir /data/journal > "$scratch/coordinator" 2>&1 &
coordinator=$!
children=$coordinator
wait_for "the coordinator listens" grep -q ' listening on ' "$scratch/coordinator"
port=$(sed -n 's/^coordinator .* listening on [^ ]*:\([0-9]*\),.*/\1/p' "$scratch/coordinator")
(run --health "127.0.0.1:$port") || fail "the coordinator does not look healthy"
kill "$coordinator"
wait "$coordinator" || fail "$(cat "$scratch/coordinator")"
! (run --health "127.0.0.1:$port") 2> /dev/null || fail "a coordinator that ended looks healthy"
# shellcheck disable=SC2086
buildah $store umount "$container" > /dev/null
echo "an image was built, and its program ran in its root"
