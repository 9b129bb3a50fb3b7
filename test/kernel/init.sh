#!/bin/busybox sh
# First process of the virtual machine: the machine's root, read-only by 9p, under an overlay; this kernel's modules; then
# the command line that the share `job` holds. Ends by switching the machine off.
busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t devtmpfs dev /dev
for module in $($busybox cat /modules/order); do $busybox insmod "/modules/$module" || exit 1; done

share() { $busybox mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,cache=$1,$2" "$3" "$4"; }
$busybox mkdir -p /lower /upper /job /modules-of
share loose ro root /lower || exit 1
share none rw job /job || exit 1
share loose ro modules /modules-of || exit 1
$busybox mount -t tmpfs -o size=75% upper /upper
$busybox mkdir /upper/changes /upper/work
$busybox mount -t overlay -o lowerdir=/lower,upperdir=/upper/changes,workdir=/upper/work overlay /root || exit 1

# The project may lie below a folder that gets a file system of its own here.
read -r project </job/project
$busybox mkdir -p /project
$busybox mount --bind "/root$project" /project
for folder in tmp run; do $busybox mount -t tmpfs tmpfs "/root/$folder"; done
$busybox mkdir -p "/root$project"
$busybox mount --move /project "/root$project"

$busybox mkdir -p /root/lib/modules /root/job
$busybox mount --bind /modules-of /root/lib/modules
$busybox mount --move /job /root/job
$busybox mount --move /proc /root/proc
$busybox mount --move /dev /root/dev
$busybox mkdir -p /root/dev/pts /root/dev/shm
exec $busybox switch_root /root /bin/sh /job/start
