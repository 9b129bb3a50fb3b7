#!/bin/sh
# Builds the programs that make test-kube needs, where that is possible. Exit status: 0 if they are there; 75 if this
# machine or its network cannot build them, with the reason; any other if the build itself is wrong.
set -u
cd "$(dirname "$0")" || exit 1
PATH=$PATH:/usr/local/go/bin
not_run() {
  echo "NOT RUN: make test-kube: $1"
  exit 75
}
[ "$(id -u)" -eq 0 ] || not_run 'it needs root'
command -v go >/dev/null || not_run 'Go is not installed (https://go.dev/dl/)'
wanted=$(sed -n 's/^go //p' go.mod)
present=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')
oldest=$(printf '%s\n%s\n' "$wanted" "$present" | sort -V | head -1)
[ "$oldest" = "$wanted" ] || not_run "it needs Go $wanted, and $present is installed"
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
for program in kube-apiserver $([ ! -d helm ] || echo helm); do
  # A cold build takes some eight minutes on two processors.
  timeout 2400 sh build.sh "$program" 2>"$errors" >/dev/null
  status=$?
  cat "$errors" >&2
  [ $status -ne 124 ] || not_run "$program is not built within 40 minutes"
  [ $status -eq 0 ] && continue
  # What the go command says of a proxy that does not answer. A wrong checksum is none of that.
  if ! grep -q 'checksum mismatch\|SECURITY ERROR' "$errors" &&
    grep -q 'dial tcp\|lookup .*: \|i/o timeout\|TLS handshake\|connection re\|unexpected EOF\|no such host\|: 50[0-9] \|: 429 \|deadline exceeded\|no route to host\|network is unreachable' "$errors"; then
    not_run "the Go module proxy does not answer: $(tail -1 "$errors")"
  fi
  exit 1
done
