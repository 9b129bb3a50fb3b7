#!/bin/sh
# Makes the tree of a kernel of Debian's in .build/kernels/NAME, unless it is there: fetch.sh NAME. The package is
# downloaded and unpacked, never installed. Afterwards .build/kernels/NAME has vmlinuz, lib/modules and initramfs.
# NAME: debian-12, or debian-12-backports.
set -eu
cd "$(dirname "$0")/../.."
name=${1:?name a kernel: debian-12 or debian-12-backports}
case $name in
  debian-12) suites='bookworm bookworm-updates' ;;
  debian-12-backports) suites=bookworm-backports ;;
  *) echo "$name: no such kernel; debian-12 and debian-12-backports are known" >&2; exit 2 ;;
esac
kernel=.build/kernels/$name
[ ! -e "$kernel/initramfs" ] || exit 0
rm -rf "$kernel"
mkdir -p "$kernel/apt/lists/partial" "$kernel/apt/archives/partial"
kernel=$(realpath "$kernel")

# A list of its own: the machine may know neither the backports nor amd64's newest kernel.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in $suites; do
  echo "deb [arch=amd64 signed-by=$keyring] http://deb.debian.org/debian $suite main"
done >"$kernel/apt/sources.list"
[ "$name" != debian-12 ] ||
  echo "deb [arch=amd64 signed-by=$keyring] http://deb.debian.org/debian-security bookworm-security main" >>"$kernel/apt/sources.list"
apt() {
  "$@" -qq -o Dir::Etc::sourcelist="$kernel/apt/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root \
    -o Dir::State::lists="$kernel/apt/lists" -o Dir::Cache="$kernel/apt" -o Dir::Cache::archives="$kernel/apt/archives"
}
echo "Fetching the kernel of $name"
apt apt-get update
package=$(apt apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
[ -n "$package" ] || { echo "$name: its suites have no linux-image-amd64" >&2; exit 1; }
(cd "$kernel/apt/archives" && apt apt-get download "$package")
dpkg-deb --fsys-tarfile "$kernel"/apt/archives/linux-image-*.deb |
  tar -x -C "$kernel" --wildcards './boot/vmlinuz-*' './lib/modules/*'
mv "$kernel"/boot/vmlinuz-* "$kernel/vmlinuz"
rm -rf "$kernel/apt" "$kernel/boot"
release=$(ls "$kernel/lib/modules")
depmod -b "$kernel" "$release"

# The first file system: busybox, and what mounts the machine's root.
first=$kernel/first
mkdir -p "$first/bin" "$first/dev" "$first/proc" "$first/root" "$first/modules"
cp "$(command -v busybox)" "$first/bin/busybox"
cp test/kernel/init.sh "$first/init"
chmod 755 "$first/init"
for module in virtio_pci 9pnet_virtio 9p overlay virtio_rng; do
  modprobe -d "$kernel" -S "$release" --show-depends "$module" | sed -n 's/^insmod //p'
done | awk '!seen[$1]++ { print $1 }' | while read -r file; do
  cp "$file" "$first/modules/"
  echo "${file##*/}" >>"$first/modules/order"
done
(cd "$first" && find . | cpio --quiet -o -H newc) | gzip -1 >"$kernel/initramfs.part"
rm -rf "$first"
mv "$kernel/initramfs.part" "$kernel/initramfs"
