#!/bin/sh
# The matrix of all backends on another kernel, within the time that .ci/run has: core.sh KERNEL. Two virtual machines run
# side by side, each with some of the backends. What fails in one runs once more, alone on the machine, and counts.
set -eu
cd "$(dirname "$0")/../.."
kernel=${1:?name a kernel}
first='wireguard|vxlan|host-gw'
second='ipip|ipsec|extension|udp'
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
trap 'kill "$one" "$other" 2>/dev/null || true; exit 143' HUP INT TERM

matrix() { # matrix BACKENDS: an expression of their names
  exec sh test/kernel/run.sh "$kernel" env AS_ROOT=1 sh test/in-namespaces.sh node_modules/.bin/mocha --timeout 720000 \
    --reporter spec --fail-zero dist/test/kernel/lab-matrix.spec.js -g "^backend ($1)"
}
matrix "$first" >"$logs/first" 2>&1 &
one=$!
matrix "$second" >"$logs/second" 2>&1 &
other=$!
failed=
wait "$one" || failed=$first
wait "$other" || failed="${failed:+$failed|}$second"
cat "$logs/first" "$logs/second"
[ -n "$failed" ] || exit 0
echo "Once more, alone: $failed"
matrix "$failed" &
one=$!
wait "$one"
