#!/bin/sh
# Makes the root of a Debian 12 in .build/NAME, unless it is there: debian-root.sh NAME PACKAGES, with PACKAGES separated by
# commas beside the required ones. Needs root and debootstrap.
set -eu
cd "$(dirname "$0")/../.."
root=.build/$1
[ ! -e "$root.done" ] || exit 0
rm -rf "$root"
mkdir -p "$root"
log=$root.log
echo "Making a Debian root in $root"
debootstrap --variant=minbase --include="$2" bookworm "$root" >"$log" 2>&1 || { tail -n 5 "$log" >&2; exit 1; }
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
touch "$root.done"
