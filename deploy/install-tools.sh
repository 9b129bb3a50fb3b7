#!/bin/sh
# Installs the Debian packages of missing commands for demo, tests and benchmarks. Starts no service.
# Usage: install-tools.sh [--print] COMMAND...
# A command may be a path; libfuzzer means clang with its fuzzer runtime. --print lists packages only.
set -eu

package_of() {
  case $1 in
    etcd) echo etcd-server ;;
    etcdctl) echo etcd-client ;;
    ip | bridge | tc) echo iproute2 ;;
    nft) echo nftables ;;
    sysctl) echo procps ;;
    ping) echo iputils-ping ;;
    nsenter | unshare | setpriv) echo util-linux ;;
    cc) echo gcc libc6-dev ;;
    node) echo nodejs ;;
    ovsdb-server | ovsdb-tool | ovs-vswitchd | ovs-vsctl) echo openvswitch-switch ;;
    tincd) echo tinc ;;
    vtund) echo vtun ;;
    wg) echo wireguard-tools ;;
    /usr/lib/ipsec/charon) echo strongswan-charon strongswan-swanctl libstrongswan-standard-plugins ;;
    dpkg-deb) echo dpkg ;;
    readelf) echo binutils ;;
    perf) echo linux-perf ;;
    /usr/lib/cni/*) echo containernetworking-plugins ;;
    busybox) echo busybox-static ;;
    nc.openbsd) echo netcat-openbsd ;;
    dockerd) echo docker.io ;;
    libfuzzer) echo clang libclang-rt-dev ;;
    promtool) echo prometheus ;;
    qemu-aarch64) echo qemu-user ;;
    qemu-system-x86_64) echo qemu-system-x86 ;;
    modprobe | depmod) echo kmod ;;
    aarch64-linux-gnu-gcc) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;;
    *) echo "$1" ;;
  esac
}

# Whether a command exists. For clang without its runtime, --print-file-name prints no folder.
is_there() {
  case $1 in
    libfuzzer) command -v clang >/dev/null 2>&1 && [ -e "$(clang --print-file-name="libclang_rt.fuzzer-$(uname -m).a")" ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

PATH=$PATH:/usr/sbin:/sbin
print=no
if [ "${1:-}" = --print ]; then
  print=yes
  shift
fi
missing=''
for command in "$@"; do
  is_there "$command" || missing="$missing $(package_of "$command")"
done
[ -n "$missing" ] || exit 0
if [ "$print" = yes ]; then
  echo "${missing# }"
  exit 0
fi

if [ "$(id -u)" -eq 0 ]; then sudo=''; else sudo='sudo -n'; fi
# Before anything that sudo does: without it the first command would end this script in silence.
if [ -n "$sudo" ] && ! $sudo true 2>/dev/null; then
  echo "Packages are missing, and sudo asks for a password or is not there; run as root: apt-get update && apt-get install$missing" >&2
  exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "Packages are missing, and there is no apt-get; install by Debian's names or your system's:$missing" >&2
  exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Prevents packages from starting their services during the installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$log"; $sudo rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
  $sudo chmod 755 "$policy"
fi
echo "Installing Debian packages:$missing"
if ! { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  echo "Cannot install packages; run as root: apt-get update && apt-get install$missing" >&2
  exit 1
fi

# Disables the services at boot: an etcd on 127.0.0.1:2379, a Docker engine, a Prometheus.
case $missing in
  *docker.io*) [ ! -d /run/systemd/system ] || $sudo systemctl disable --now docker.socket docker containerd >/dev/null 2>&1 || true ;;
esac
case $missing in
  *' containerd'*) [ ! -d /run/systemd/system ] || $sudo systemctl disable --now containerd >/dev/null 2>&1 || true ;;
esac
case $missing in
  *openvswitch*) [ ! -d /run/systemd/system ] || $sudo systemctl disable --now openvswitch-switch >/dev/null 2>&1 || true ;;
esac
case $missing in
  *etcd-server*) [ ! -d /run/systemd/system ] || $sudo systemctl disable --now etcd >/dev/null 2>&1 || true ;;
esac
case $missing in
  *prometheus*) [ ! -d /run/systemd/system ] || $sudo systemctl disable --now prometheus >/dev/null 2>&1 || true ;;
esac
