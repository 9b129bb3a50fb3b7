#!/bin/sh
# Runs a command as root in a virtual machine with another kernel: run.sh KERNEL COMMAND [ARGUMENT]...
# KERNEL is a name that fetch.sh knows. The machine is this one, read-only; what the command writes is gone with it. It is
# emulated, and its clock counts instructions: one is a nanosecond, however busy this machine is. WEFT_TIME_SCALE there
# multiplies deadlines of tests. Exit code as the command's.
# KERNEL_CONSOLE=FILE keeps what the kernel says.
set -eu
cd "$(dirname "$0")/../.."
name=${1:?name a kernel}
kernel=.build/kernels/$name
shift
job=$(mktemp -d)
qemu=
cleanup() {
  [ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true
  [ -z "${KERNEL_CONSOLE:-}" ] || cp "$job/console" "$KERNEL_CONSOLE" || true
  rm -rf "$job"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

pwd -P >"$job/project"
: >"$job/output"
# Each argument in quotes, as the shell of the machine reads it.
for argument in "$@"; do
  printf " '%s'" "$(printf %s "$argument" | sed "s/'/'\\\\''/g")"
done >"$job/command"
cat >"$job/start" <<INSIDE
mount -t devpts -o ptmxmode=0666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
ln -sf /proc/self/fd /dev/fd
for name in 0:stdin 1:stdout 2:stderr; do ln -sf "/proc/self/fd/\${name%:*}" "/dev/\${name#*:}"; done
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export WEFT_TEST_KERNEL=$name WEFT_TIME_SCALE=${WEFT_TIME_SCALE:-4}
modprobe tun
ip link set lo up
cd "\$(cat /job/project)"
sh /job/command >>/job/output 2>&1
echo \$? >/job/code.part
mv /job/code.part /job/code
sync
echo o >/proc/sysrq-trigger
sleep 60
INSIDE

# A clock that the kernel need not doubt, and nothing that costs an emulated processor time. Without no_timer_check the
# kernel panics at boot where the machine is so busy that the emulated timer's interrupts come late.
append='console=ttyS0 quiet loglevel=4 panic=-1 tsc=reliable clocksource=tsc no_timer_check nowatchdog mitigations=off random.trust_cpu=on'
# It ends with this shell, however that ends.
setpriv --pdeathsig KILL qemu-system-x86_64 -accel tcg,thread=single -icount shift=0,align=off,sleep=on -machine q35 -cpu max -smp 1 -m "${KERNEL_MEMORY:-4G}" \
  -no-reboot -nodefaults -display none -serial "file:$job/console" -device virtio-rng-pci -net none \
  -kernel "$kernel/vmlinuz" -initrd "$kernel/initramfs" -append "$append" \
  -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
  -virtfs "local,path=$kernel/lib/modules,mount_tag=modules,security_model=none,readonly=on" \
  -virtfs "local,path=$job,mount_tag=job,security_model=none" </dev/null &
qemu=$!
tail -n +1 -f --pid="$qemu" "$job/output" &
wait "$qemu" || true
qemu=
wait
[ -e "$job/code" ] || { echo "The virtual machine ended before the command did:" >&2; tail -n 20 "$job/console" >&2; exit 1; }
exit "$(cat "$job/code")"
