#!/bin/sh
# Prepares Node and npm for the build: Debian's where they are missing, and in .build/node/ a newer
# Node where the one in PATH is older than 20.19, as Debian 12's is. The Makefile and bin/weft
# search .build/node/bin/ first.
set -eu
cd "$(dirname "$0")/.."
deploy/install-tools.sh node npm
! node bin/check-node.mjs 2>/dev/null || exit 0
case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) arch=$(uname -m) ;;
esac
deploy/fetch-node.sh "$arch"
ln -sfn "node-$arch" .build/node
