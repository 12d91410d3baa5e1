#!/bin/sh
# Tries what `make install`, `make deb` and `make dist` made, in empty roots: sh run.sh [PART...]
# A part that needs a missing tool says SKIPPED, and why.
set -eu
cd "$(dirname "$0")/../.."
test "$(id -u)" = 0 || { echo "SKIPPED make test-packages: needs root" >&2; exit 0; }
for part in ${*:-install site units boot openrc lintian deb dist container}; do
    echo "== $part"
    sh "tests/packages/$part.sh"
done
