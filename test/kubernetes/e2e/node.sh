#!/bin/sh
# Files of one node of a cluster, private to a mount namespace, and its containerd in that namespace.
# Usage, in the network namespace of the node: node.sh FOLDER CGROUPS CONTAINERD-CONFIG
# FOLDER is below /run; CGROUPS is where /sys/fs/cgroup of the machine is to be seen. The machine
# keeps its files: what the node changes in /etc and /opt goes into FOLDER, and /var/lib, /var/log,
# /var/cache and /run are empty.
set -eu
folder=$1 cgroups=$2 config=$3
mount --make-rprivate /
for name in etc opt; do
  mkdir -p "/$name" "$folder/$name/upper" "$folder/$name/work"
  mount -t overlay -o "lowerdir=/$name,upperdir=$folder/$name/upper,workdir=$folder/$name/work" overlay "/$name"
done
# Filesystems of their own: kubelet finds the one of /var/lib by its device.
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /var/log
mount -t tmpfs tmpfs /var/cache
# kubelet wants these values and sets them for the whole machine unless it reads them.
printf '1\n' >"$folder/1"
printf '10\n' >"$folder/10"
mount --bind "$folder/1" /proc/sys/vm/overcommit_memory
mount --bind "$folder/10" /proc/sys/kernel/panic
mount --bind "$folder/1" /proc/sys/kernel/panic_on_oops
# `ip netns exec` mounts a new /sys, without control groups. kubelet takes the mount that
# /proc/self/mountinfo lists first, so this one has to be the only one.
mount --rbind "$cgroups" /sys/fs/cgroup
umount -R -l "$cgroups"
mkdir -p "$folder/run/lab"
mount --rbind /run "$folder/run/lab"
mount --rbind "$folder/run" /run
# The namespace that containers' mounts propagate in.
mount --make-rshared /
exec containerd --config "/run/lab${config#/run}"
