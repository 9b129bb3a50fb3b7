#!/bin/sh
# Fetches the Debian packages of the image: fetch-packages.sh ARCH FOLDER, with ARCH as Debian names
# it. apt checks signatures, with lists and state of its own, so that this machine's stay as they are
# and any architecture can be fetched. Needs no root.
set -eu
cd "$(dirname "$0")/../.."
arch=$1
mkdir -p "$2"
folder=$(realpath "$2")
# rootfs.sh names a library that is missing.
packages='base-files busybox-static containernetworking-plugins dash iproute2 iptables libbpf1 libbsd0 libc6 libcap2
  libedit2 libelf1 libgcc-s1 libgmp10 libip4tc2 libip6tc2 libjansson4 libmd0 libmnl0 libnetfilter-conntrack3
  libnfnetlink0 libnftables1 libnftnl11 libpcre2-8-0 libselinux1 libstdc++6 libtinfo6 libxtables12 nftables zlib1g'
state=$(realpath .build)/image-apt-$arch
mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in bookworm bookworm-updates; do
  echo "deb [signed-by=$keys] http://deb.debian.org/debian $suite main"
done >"$state/sources.list"
echo "deb [signed-by=$keys] http://deb.debian.org/debian-security bookworm-security main" >>"$state/sources.list"

apt() {
  apt-get -qq -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State="$state" -o Dir::State::lists="$state/lists" \
    -o Dir::State::status=/dev/null -o Dir::Cache="$state/cache" -o Dir::Etc::sourcelist="$state/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}
apt update
rm -f "$folder"/*.deb
cd "$folder"
# shellcheck disable=SC2086
apt download $packages
