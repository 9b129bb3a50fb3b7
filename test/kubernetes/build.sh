#!/bin/sh
# Builds a program of Kubernetes, or helm, from the Go module proxy, once for each version, outside
# of the tree. Usage: build.sh [kube-apiserver | kubelet | … | e2e.test | agnhost | helm]. Prints its
# path. A cold build of kube-apiserver takes some eight minutes of processor time and 4 GB of caches,
# helm two minutes, all other programs of a cluster four minutes, e2e.test as much again.
set -eu
cd "$(dirname "$0")"
PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || {
  echo "Programs of Kubernetes are built with Go: install it from https://go.dev/dl/ (version $(sed -n 's/^go //p' go.mod) or newer)" >&2
  exit 1
}
program=${1:-kube-apiserver}
build='go build'
# A module of its own: helm and kube-apiserver need different versions of the same modules.
case $program in
  helm)
    cd helm
    module=helm.sh/helm/v3 package=helm.sh/helm/v3/cmd/helm
    ;;
  e2e.test)
    module=k8s.io/kubernetes package=k8s.io/kubernetes/test/e2e
    build='go test -c -vet=off'
    ;;
  agnhost) module=k8s.io/kubernetes package=k8s.io/kubernetes/test/images/agnhost ;;
  *) module=k8s.io/kubernetes package=k8s.io/kubernetes/cmd/$program ;;
esac
version=$(awk -v module=$module '$1 == module { print $2; exit } $2 == module { print $3; exit }' go.mod)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weft-kubernetes/$version
binary=$cache/$program
if [ ! -x "$binary" ]; then
  mkdir -p "$cache"
  echo "Building $program $version, which takes minutes" >&2
  flags="-s -w"
  if [ "$program" = helm ]; then
    # The version of Kubernetes that helm template assumes; without it an old one.
    for part in chartutil lint/rules; do
      minor=$(awk '$1 == "k8s.io/client-go" { split($2, part, "."); print part[2] }' go.mod)
      flags="$flags -X helm.sh/helm/v3/pkg/$part.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$part.k8sVersionMinor=$minor"
    done
  else
    part=k8s.io/component-base/version
    minor=$(echo "$version" | cut -d. -f2)
    flags="$flags -X $part.gitVersion=$version -X $part.gitMajor=1 -X $part.gitMinor=$minor"
  fi
  CGO_ENABLED=0 $build -trimpath -o "$binary.new" -ldflags "$flags" "$package" >&2
  mv "$binary.new" "$binary"
fi
echo "$binary"
