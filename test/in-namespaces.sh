#!/bin/sh
# Runs a command in user, mount, network and PID namespaces of its own, so that it needs no root and whatever it makes
# (devices, routes, processes) goes with it. Where user namespaces are forbidden, root does without them.
set -eu
# Temporary files are private, too: labs of two runs have the same names and process numbers. Not below /run, which labs hide.
# This shell stays the first process of the PID namespace: it reaps orphans, which a lab that is killed would wait for without end.
# With PRINT_TIMES=1 its last lines on standard output are the processor time of itself and of all processes inside.
inside='mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev/shm && ip link set lo up || exit 1
"$@"; status=$?; [ "${PRINT_TIMES:-}" != 1 ] || times; exit $status'
export TMPDIR=/dev/shm
export WEFT_TEST_NETNS=1
# Node reads these at every start, for a third of its time, and nothing outside is reached from here.
unset NODE_EXTRA_CA_CERTS
unshare='unshare --net --mount --pid --fork --kill-child --mount-proc'
# Real root may have socket buffers beyond the host's limits, as a daemon has: benchmarks ask for it with AS_ROOT=1.
if [ "${AS_ROOT:-}" = 1 ] && [ "$(id -u)" -eq 0 ]; then
  exec $unshare sh -c "$inside" sh "$@"
elif unshare --user --map-root-user true 2>/dev/null; then
  exec $unshare --user --map-root-user sh -c "$inside" sh "$@"
elif [ "$(id -u)" -eq 0 ]; then
  exec $unshare sh -c "$inside" sh "$@"
fi
echo 'Cannot make namespaces: run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)' >&2
exit 1
