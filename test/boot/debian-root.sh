#!/bin/sh
# Makes the root of a small Debian 12 with systemd in .build/debian-12, unless it is there: debian-root.sh. Needs root.
set -eu
cd "$(dirname "$0")/../.."
root=.build/debian-12
[ ! -e "$root.done" ] || exit 0
rm -rf "$root"
mkdir -p "$root"
log=.build/debian-12.log
echo "Making a Debian root in $root"
debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,iputils-ping,nftables,iptables,procps bookworm "$root" >"$log" 2>&1 ||
  { tail -n 5 "$log" >&2; exit 1; }
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
touch "$root.done"
