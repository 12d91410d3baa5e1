# lintian finds no error in the package.
. tests/packages/common.sh
need lintian lintian
lintian --allow-root --fail-on error target/groupcast.deb
