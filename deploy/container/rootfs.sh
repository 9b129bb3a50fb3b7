#!/bin/sh
# Creates a minimal root filesystem for weft: Node, a shell, the programs that weft calls, and their
# libraries, all from this machine. Usage, after make bundle: rootfs.sh FOLDER, which must not
# exist. Needs no engine, network or root. Pack it with:
#   tar -C FOLDER -c . | docker import -c 'ENTRYPOINT ["/usr/bin/weft"]' - weft
set -eu
root=$1
cd "$(dirname "$0")/../.."
[ ! -e "$root" ] || { echo "$root exists: give a new folder" >&2; exit 1; }
for file in dist/weft.mjs dist/weft-client.cjs dist/weft-daemon.cjs dist/weft-cni; do
  [ -e "$file" ] || { echo "$file is missing: run make bundle" >&2; exit 1; }
done
PATH=$PWD/.build/node/bin:$PATH:/usr/sbin:/sbin
mkdir -p "$root"
root=$(realpath "$root")

# Copies a program and its shared libraries to the paths of the loader.
add_program() {
  found=$(command -v "$1") || return 1
  install -D -m 755 "$found" "$root$2"
  for library in $(ldd "$found" 2>/dev/null | grep -o '/[^ ]*' || true); do
    [ -e "$root$library" ] || install -D -m 755 "$library" "$root$library"
  done
}

add_program "${WEFT_NODE:-node}" /usr/bin/node
add_program sh /bin/sh
for tool in env dirname readlink setpriv; do add_program $tool /usr/bin/$tool; done
for tool in nft iptables-restore iptables-save ip6tables-restore ip6tables-save; do
  add_program $tool /usr/sbin/$tool || echo "Omitting $tool: missing on this machine"
done
# Extensions that iptables loads at run time.
for folder in /usr/lib/*/xtables; do
  [ ! -d "$folder" ] || { mkdir -p "$root$folder" && cp -a "$folder/." "$root$folder/"; }
done

lib=$root/usr/lib/weft
install -D -m 755 -t "$lib" dist/weft.mjs dist/weft-client.cjs dist/weft-daemon.cjs
install -D -m 755 -t "$lib/bin" bin/weft bin/flanneld bin/mk-docker-opts.sh
install -D -m 644 -t "$lib/addons/linux-$(node -p process.arch)" "dist/addons/linux-$(node -p process.arch)"/*.node
install -D -m 755 dist/weft-cni "$root/usr/lib/cni/weft-cni"
install -D -m 644 -t "$root/usr/share/doc/weft" LICENSE dist/THIRD-PARTY-LICENSES
ln -s ../lib/weft/bin/weft ../lib/weft/bin/flanneld ../lib/weft/bin/mk-docker-opts.sh "$root/usr/bin"
mkdir -p "$root/run" "$root/tmp" "$root/proc" "$root/sys" "$root/dev" "$root/etc"
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
