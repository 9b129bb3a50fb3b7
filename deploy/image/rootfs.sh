#!/bin/sh
# Makes the two trees of an image from packages that fetch-packages.sh has fetched, and the output
# of `make prebuild bundle`: rootfs.sh ARCH PACKAGES FOLDER, with ARCH as Debian names it. FOLDER gets
# base/ (Debian's files and Node) and weft/. Needs no root: owners are set when the trees are packed.
set -eu
umask 022
cd "$(dirname "$0")/../.."
arch=$1 packages=$2
case $arch in
  amd64) node_arch=x64 triplet=x86_64-linux-gnu loader=/lib64/ld-linux-x86-64.so.2 ;;
  arm64) node_arch=arm64 triplet=aarch64-linux-gnu loader=/lib/ld-linux-aarch64.so.1 ;;
  *) echo "No image for '$arch': give amd64 or arm64" >&2; exit 2 ;;
esac
for file in weft.mjs weft-client.cjs weft-daemon.cjs weft-cni.cjs "addons/linux-$node_arch/weft.node" "addons/linux-$node_arch/netlink.node" \
  "addons/linux-$node_arch/cni-launcher"; do
  [ -e "dist/$file" ] || { echo "dist/$file is missing: run make prebuild bundle" >&2; exit 1; }
done
rm -rf "$3"
mkdir -p "$3/base" "$3/weft"
root=$(realpath "$3/base") weft=$(realpath "$3/weft")

# As in Debian, where /usr has everything.
for folder in bin sbin lib lib64; do
  mkdir -p "$root/usr/$folder"
  ln -s "usr/$folder" "$root/$folder"
done
# Programs that find known faults in images read these control files.
mkdir -p "$root/var/lib/dpkg/status.d"
for package in "$packages"/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink --no-same-owner \
    --exclude='./usr/share/man' --exclude='./usr/share/locale' --exclude='./usr/share/bash-completion' \
    --exclude='./usr/share/lintian' --exclude='./usr/share/bug' --exclude='./usr/share/initramfs-tools' \
    --exclude='./lib/systemd' --exclude='./usr/lib/systemd' --exclude='./etc/init.d' --exclude='./etc/cron*' \
    --exclude='./usr/lib/*/gconv' --exclude='./lib/*/gconv' --exclude='./usr/lib/*/audit' --exclude='./usr/bin/iptables-xml'
  dpkg-deb -f "$package" >"$root/var/lib/dpkg/status.d/$(dpkg-deb -f "$package" Package)"
done
# Of documentation licenses stay, which must accompany the programs.
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root/usr/share/doc" -type l -delete
rm -rf "$root/var/cache" "$root/var/lib/apt" "$root/usr/share/doc-base" "$root/usr/sbin/iptables-apply" "$root/usr/sbin/nfnl_osf"
# Of iproute2 what doctor reads the kernel with.
for program in "$root"/usr/bin/* "$root"/usr/sbin/*; do
  case ${program##*/} in
    lnstat | nstat | rdma | routef | routel | ss | ctstat | rtstat | arpd | dcb | devlink | genl | rtacct | rtmon | tc | tipc | vdpa | ldd | getconf)
      rm "$program" ;;
  esac
done
rm -rf "$root/usr/lib/$triplet/tc" "$root/usr/lib/tc" "$root/lib/$triplet/tc"
# Of the standard plugins those that a conflist of weft needs.
for plugin in "$root/usr/lib/cni"/*; do
  case ${plugin##*/} in bridge | host-local | loopback | portmap) ;; *) rm "$plugin" ;; esac
done
# Debian makes these links when it installs the packages.
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -sf xtables-nft-multi "$root/usr/sbin/$name"
done
ln -sf dash "$root/usr/bin/sh"
for name in cat cp dirname env find grep less ls more mv ps readlink rm sleep tail top unshare vi wget; do
  [ -e "$root/usr/bin/$name" ] || ln -s busybox "$root/usr/bin/$name"
done
mkdir -p "$root/run" "$root/tmp" "$root/proc" "$root/sys" "$root/dev" "$root/etc" "$root/root"
chmod 1777 "$root/tmp"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

deploy/fetch-node.sh "$node_arch" >&2
install -D -m 755 ".build/node-$node_arch/bin/node" "$root/usr/lib/weft/bin/node"
ln -s ../lib/weft/bin/node "$root/usr/bin/node"
install -D -m 644 ".build/node-$node_arch/LICENSE" "$root/usr/share/doc/node/copyright"
cp ".build/node-$node_arch/version" "$root/usr/share/doc/node/version"

lib=$weft/usr/lib/weft
install -D -m 755 -t "$lib" dist/weft.mjs
install -D -m 644 -t "$lib" dist/weft-client.cjs dist/weft-daemon.cjs dist/weft-cni.cjs
install -D -m 755 -t "$lib/bin" bin/weft bin/flanneld bin/mk-docker-opts.sh
install -D -m 644 -t "$lib/addons/linux-$node_arch" "dist/addons/linux-$node_arch"/*.node
mkdir -p "$weft/usr/bin"
for name in weft flanneld mk-docker-opts.sh; do ln -s "../lib/weft/bin/$name" "$weft/usr/bin/$name"; done
install -D -m 644 -t "$weft/usr/share/doc/weft" LICENSE dist/THIRD-PARTY-LICENSES
install -m 755 "dist/addons/linux-$node_arch/cni-launcher" "$lib/cni-launcher"

# Libraries that a program needs and that the tree has, each once; fails for one that it has not.
libraries_of() {
  for file in "$@"; do readelf -d "$file" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; done | sort -u
}
find_library() {
  for folder in "usr/lib/$triplet" usr/lib "lib/$triplet"; do
    [ ! -e "$root/$folder/$1" ] || { echo "$folder/$1"; return; }
  done
}
closure() {
  pending=$(libraries_of "$@") known=''
  while [ -n "$pending" ]; do
    more=''
    for name in $pending; do
      case " $known " in *" $name "*) continue ;; esac
      known="$known $name"
      case $name in ld-linux*) continue ;; esac
      path=$(find_library "$name")
      [ -n "$path" ] || { echo "The image for $arch has no $name: add its package to fetch-packages.sh" >&2; return 1; }
      more="$more $(libraries_of "$root/$path")"
      echo "$path"
    done
    pending=$more
  done
}
programs=$(find "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib/cni" "$root/usr/lib/weft" "$root/usr/lib/$triplet" -type f)
closure $programs "$lib/addons/linux-$node_arch"/*.node >/dev/null
# What `weft cni copy` takes to a host.
{
  echo "{\"machine\":\"${triplet%%-*}\",\"launcher\":\"/usr/lib/weft/cni-launcher\",\"loader\":\"$loader\",\"libraries\":["
  closure "$root/usr/lib/weft/bin/node" "$root/usr/lib/cni"/* | sort -u | sed 's|.*|"/&"|' | paste -sd,
  echo '],"node":"/usr/lib/weft/bin/node","script":"/usr/lib/weft/weft-cni.cjs","plugins":['
  for plugin in "$root/usr/lib/cni"/*; do echo "\"/usr/lib/cni/${plugin##*/}\""; done | paste -sd,
  echo ']}'
} >"$lib/cni.json"
