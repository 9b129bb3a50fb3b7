#!/bin/sh
# Runs weft in a root made by rootfs.sh and the host's network namespace, without an engine.
# Usage, as root: run.sh FOLDER [ARGS]
# Of the host's files, weft has /run/flannel, /run/weft and three devices. The same with an engine:
#   docker run --network host --cap-drop ALL --cap-add NET_ADMIN --cap-add NET_RAW \
#   --device /dev/net/tun -v /run/flannel:/run/flannel -v /run/weft:/run/weft weft daemon ARGS
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
  # chroot keeps the working directory, which must be inside the new root.
  cd "$root"
  exec chroot . /usr/bin/setpriv --bounding-set=-all,+net_admin,+net_raw --inh-caps=-all /usr/bin/weft "$@"
' sh "$root" "${@:-daemon}"
