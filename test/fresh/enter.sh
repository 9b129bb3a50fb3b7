#!/bin/sh
# Runs a shell command as root in a copy of a Debian root: enter.sh LOWER STATE COMMAND. LOWER stays as it is, STATE keeps what
# commands write, from one to the next. They have PID and mount namespaces of their own and this machine's network, with its
# name servers, proxies, npm registry and additional certificate authority, for apt and npm.
set -eu
if [ "${4-}" != inside ]; then
  exec unshare --mount --pid --uts --ipc --fork --kill-child sh "$0" "$1" "$2" "$3" inside
fi
lower=$(realpath "$1") state=$(realpath "$2") command=$3
root=$state/root
mkdir -p "$state/upper" "$state/work" "$root"
mount -t overlay -o "lowerdir=$lower,upperdir=$state/upper,workdir=$state/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/net" "$root/run/lock"
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200; do
  mknod -m 666 "$root/dev/${device%%:*}" c $(echo "${device#*:}" | tr : ' ')
done
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
# Hundreds of packages: without a sync of each file.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"

set -- HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
for name in http_proxy https_proxy no_proxy npm_config_registry; do
  value=$(printenv $name) && set -- "$@" "$name=$value" || true
done
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  install -m 644 "$NODE_EXTRA_CA_CERTS" "$root/etc/extra-authority.pem"
  set -- "$@" NODE_EXTRA_CA_CERTS=/etc/extra-authority.pem
fi
cd "$root"
# Not chroot: a process in one may not make user namespaces.
mkdir -p old
pivot_root . old
umount -l /old
exec env -i "$@" sh -c "cd /root && $command"
