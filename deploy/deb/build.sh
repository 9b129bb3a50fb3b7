#!/bin/sh
# Builds dist/weft_VERSION_ARCH.deb from the output of `make prebuild bundle`. Usage: build.sh
# [--with-node] ARCH [VERSION], with ARCH as Debian names it. With its own Node the package installs
# where Debian's is too old; its version, VERSION+node, is newer than VERSION and older than the
# next one, so that either replaces the other. Needs dpkg-deb and no root.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PWD/.build/node/bin:$PATH
with_node=no depends='nodejs (>= 20.19)'
if [ "$1" = --with-node ]; then
  # Node's minimum of libc6 is lower than that of the addons.
  with_node=yes depends='libgcc-s1'
  shift
fi
arch=$1
version=${2:-$(node -p 'require("./package.json").version')}
case $arch in
  amd64) node_arch=x64 ;;
  arm64) node_arch=arm64 ;;
  *) echo "No addons for '$arch': give amd64 or arm64" >&2; exit 2 ;;
esac
[ $with_node = no ] || version=$version+node
for addon in weft.node netlink.node cni-client; do
  [ -e "dist/addons/linux-$node_arch/$addon" ] || {
    echo "dist/addons/linux-$node_arch/$addon is missing: run make prebuild bundle" >&2
    exit 1
  }
done

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
lib=$tree/usr/lib/weft doc=$tree/usr/share/doc/weft
install -d "$lib/bin" "$doc" "$tree/DEBIAN" "$tree/usr/bin"
install -m 755 dist/weft.mjs "$lib/weft.mjs"
install -m 644 -t "$lib" dist/weft-client.cjs dist/weft-daemon.cjs
install -m 755 bin/weft bin/flanneld bin/mk-docker-opts.sh "$lib/bin"
install -D -m 644 -t "$lib/addons/linux-$node_arch" "dist/addons/linux-$node_arch"/*.node
for name in weft flanneld mk-docker-opts.sh; do ln -s "../lib/weft/bin/$name" "$tree/usr/bin/$name"; done
interpreter='#!/usr/bin/env node'
if [ $with_node = yes ]; then
  deploy/fetch-node.sh "$node_arch" >&2
  install -m 755 ".build/node-$node_arch/bin/node" "$lib/bin/node"
  interpreter='#!/usr/lib/weft/bin/node'
fi
plugin=$tree/usr/lib/cni/weft-cni
install -D -m 755 "dist/addons/linux-$node_arch/cni-client" "$plugin"
sed "1s|.*|$interpreter|" dist/weft-cni.cjs >>"$plugin"
install -D -m 644 -t "$tree/usr/lib/systemd/system" deploy/systemd/weft.service
install -D -m 644 deploy/deb/weft.default "$tree/etc/default/weft"
install -m 644 README.md "$doc"
for shelf in . tutorial how-to reference explanation; do
  install -D -m 644 -t "$doc/docs/$shelf" docs/"$shelf"/*.md
done
# An example only: as Docker's drop-in it delays every engine until weft has a subnet.
install -D -m 644 deploy/docker/weft.conf "$doc/examples/docker.service.d/weft.conf"

share=$tree/usr/share
install -d "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
node dist/weft.mjs man | gzip -9n >"$share/man/man1/weft.1.gz"
node dist/weft.mjs completion bash >"$share/bash-completion/completions/weft"
node dist/weft.mjs completion zsh >"$share/zsh/vendor-completions/_weft"
node dist/weft.mjs completion fish >"$share/fish/vendor_completions.d/weft.fish"
{
  cat LICENSE dist/THIRD-PARTY-LICENSES
  [ $with_node = no ] || { printf '\nNode\n\n' && cat ".build/node-$node_arch/LICENSE"; }
} >"$doc/copyright"
chmod 644 "$doc/copyright"

install -m 755 deploy/deb/postinst deploy/deb/prerm deploy/deb/postrm "$tree/DEBIAN"
echo /etc/default/weft >"$tree/DEBIAN/conffiles"
size=$(du -sk --exclude=DEBIAN "$tree" | cut -f1)
sed "s/@VERSION@/$version/; s/@ARCHITECTURE@/$arch/; s/@NODE@/$depends/; s/@SIZE@/$size/" deploy/deb/control >"$tree/DEBIAN/control"
(cd "$tree" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
dpkg-deb --root-owner-group -Zxz --build "$tree" "dist/weft_${version}_$arch.deb" >/dev/null
echo "dist/weft_${version}_$arch.deb"
