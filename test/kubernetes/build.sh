#!/bin/sh
# Builds kube-apiserver from the Go module proxy, once for each version, outside of the tree.
# Prints its path. A cold build takes some eight minutes of processor time and 4 GB of caches.
set -eu
cd "$(dirname "$0")"
PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || {
  echo "make test-kube needs Go: install it from https://go.dev/dl/ (version $(sed -n 's/^go //p' go.mod) or newer)" >&2
  exit 1
}
version=$(sed -n 's/^require k8s.io\/kubernetes //p; s/^\tk8s.io\/kubernetes \(v[^ ]*\).*/\1/p' go.mod | head -1)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weft-kubernetes/$version
binary=$cache/kube-apiserver
if [ ! -x "$binary" ]; then
  mkdir -p "$cache"
  echo "Building kube-apiserver $version, which takes minutes" >&2
  part=k8s.io/component-base/version
  minor=$(echo "$version" | cut -d. -f2)
  CGO_ENABLED=0 go build -trimpath -o "$binary.new" \
    -ldflags "-s -w -X $part.gitVersion=$version -X $part.gitMajor=1 -X $part.gitMinor=$minor" \
    k8s.io/kubernetes/cmd/kube-apiserver >&2
  mv "$binary.new" "$binary"
fi
echo "$binary"
