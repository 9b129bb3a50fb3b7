#!/bin/sh
# Unpacks the Node that weft's build and its larger Debian package use: fetch-node.sh ARCH, with
# ARCH as Node names it. .build/node-ARCH/ gets bin/node and LICENSE from the npm registry's package
# node-linux-ARCH, which has the files of nodejs.org. npm checks the archive against the registry,
# and this script against the sums below. Needs npm with any Node.
set -eu
cd "$(dirname "$0")/.."
# A release with long-term support until April 2028.
version=24.22.3
case $1 in
  x64) sum=287b286fe16ff587ab013bd8ba331b8b226a9d10af2edadcaff79336a46a88e486a7dec43a244fd723f8efe9271a043fc677375d8f31ce45b9f3b76567336a44 ;;
  arm64) sum=219c74279dbfd4d0f002c6368b2591f6794f218b98be24d67ad8e3f3e125bd8421dbe5d184b7c27e46c5105ff63b9bc623685c51bc8f34757e9f3df8d856c95f ;;
  *) echo "The npm registry has no Node for '$1' that weft knows: install Node 20.19 or later" >&2; exit 1 ;;
esac
folder=.build/node-$1
[ "$(cat "$folder/version" 2>/dev/null)" != $version ] || exit 0

archive=node-linux-$1-$version.tgz
mkdir -p .build
rm -rf "$folder" "$folder.new"
mkdir "$folder.new"
trap 'rm -rf "$folder.new"' EXIT
echo "Fetching Node $version for $1 from the npm registry"
npm pack --loglevel=error --pack-destination "$folder.new" "node-linux-$1@$version" >/dev/null || {
  echo "Cannot fetch node-linux-$1@$version from the npm registry: install Node 20.19 or later, or see npm's error above" >&2
  exit 1
}
echo "$sum  $folder.new/$archive" | sha512sum --check --quiet || {
  echo "$archive from the npm registry is not the one that weft knows: check npm's registry setting" >&2
  exit 1
}
tar -xzf "$folder.new/$archive" -C "$folder.new" --strip-components=1 package/bin/node package/LICENSE
rm "$folder.new/$archive"
echo $version >"$folder.new/version"
mv "$folder.new" "$folder"
