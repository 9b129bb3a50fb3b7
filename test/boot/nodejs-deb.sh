#!/bin/sh
# Makes a Debian package `nodejs` of the Node that runs here, as NodeSource's is one: nodejs-deb.sh NODE FILE. Debian 12's own is too old.
set -eu
node=$1 file=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/DEBIAN"
install -D -m 755 "$node" "$tree/usr/bin/node"
cat >"$tree/DEBIAN/control" <<CONTROL
Package: nodejs
Version: $("$node" -p 'process.versions.node')
Architecture: $(dpkg --print-architecture)
Maintainer: tests <tests@localhost>
Depends: libc6, libstdc++6
Description: Node of the machine that the tests run on
CONTROL
dpkg-deb --root-owner-group -Znone --build "$tree" "$file" >/dev/null
