#!/bin/sh
# Runs a command, and removes the control groups of clusters when it has ended, however it ends:
# nothing else of a cluster outlives its processes. Usage: run.sh COMMAND…
# Each run has groups of its own, and removes those of runs that were killed with their wrapper.
set -eu
WEFT_E2E_GROUP=weft-e2e-$$
export WEFT_E2E_GROUP

# The kernel refuses to remove a group that still has a process.
clean() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    find /sys/fs/cgroup -depth -type d -path "*/$1*" -exec rmdir {} + 2>/dev/null || true
    [ -n "$(find /sys/fs/cgroup -maxdepth 2 -type d -name "$1" 2>/dev/null)" ] || return 0
    sleep 0.5
  done
}

for group in $(find /sys/fs/cgroup -maxdepth 2 -type d -name 'weft-e2e-*' | sed 's|.*/||' | sort -u); do
  kill -0 "${group##*-}" 2>/dev/null || clean "$group"
done
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'clean "$WEFT_E2E_GROUP"' EXIT
"$@"
