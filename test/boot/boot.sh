#!/bin/sh
# Boots systemd of a Debian root in namespaces of its own, in the network namespace that it is started in: boot.sh LOWER STATE.
# LOWER stays as it is; what the machine writes is kept in STATE from one boot to the next. STATE/init gets the process id
# of the machine's init. Returns when the machine is down.
set -eu
lower=$(realpath "$1") state=$(realpath "$2")
mkdir -p "$state/upper" "$state/work" "$state/root" "$state/cgroups"

# Its control groups are a branch of their own, and a new cgroup namespace shows it as the root.
mount -t cgroup2 cgroup2 "$state/cgroups"
group=$state/cgroups/weft-machine-$$
remove_groups() {
  for each in "$state"/cgroups/weft-machine-*; do
    ! grep -qs '^populated 0' "$each/cgroup.events" || find "$each" -depth -type d -exec rmdir {} + || true
  done
}
remove_groups
mkdir "$group"

root=$state/root
mount -t overlay -o "lowerdir=$lower,upperdir=$state/upper,workdir=$state/work" overlay "$root"
cat >"$state/start.sh" <<'INSIDE'
set -eu
root=$1
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/net"
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200; do
  mknod -m 666 "$root/dev/${device%%:*}" c $(echo "${device#*:}" | tr : ' ')
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir -p "$root/old"
cd "$root"
pivot_root . old
umount -l /old
exec env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
INSIDE
sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" \
  unshare --mount --pid --uts --ipc --cgroup --fork --kill-child sh "$state/start.sh" "$root" &
unshare=$!
until init=$(cat "/proc/$unshare/task/$unshare/children") && [ -n "$init" ]; do sleep 0.02; done
echo "$init" >"$state/init"
wait "$unshare" || true
umount "$root"
until grep -qs '^populated 0' "$group/cgroup.events"; do sleep 0.02; done
remove_groups
umount "$state/cgroups"
rm -f "$state/init"
