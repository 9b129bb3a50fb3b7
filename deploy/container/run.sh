#!/bin/sh
# Runs weft of a root made by rootfs.sh in the network of this host, without an engine: run.sh FOLDER [WORDS], as root.
# It sees the host's /run/flannel and /run/weft, and of its devices what it needs; nothing else of the host's files.
# As an engine: docker run --network host --cap-drop ALL --cap-add NET_ADMIN --cap-add NET_RAW --device /dev/net/tun \
#   -v /run/flannel:/run/flannel -v /run/weft:/run/weft weft daemon WORDS
set -eu
root=$(realpath "$1")
shift
mkdir -p /run/flannel /run/weft
exec unshare --mount --propagation private sh -c '
  set -eu
  root=$1
  shift
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -t tmpfs tmpfs "$root/run"
  mount -t tmpfs tmpfs "$root/dev"
  mkdir "$root/run/flannel" "$root/run/weft" "$root/dev/net"
  mount --bind /run/flannel "$root/run/flannel"
  mount --bind /run/weft "$root/run/weft"
  for device in null urandom net/tun; do
    [ -e "/dev/$device" ] || continue
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  # The working directory must not be outside of the new root.
  cd "$root"
  exec chroot . /usr/bin/setpriv --bounding-set=-all,+net_admin,+net_raw --inh-caps=-all /usr/bin/weft "$@"
' sh "$root" "${@:-daemon}"
