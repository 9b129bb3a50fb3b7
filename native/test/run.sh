#!/bin/sh
# Builds and runs the C tests of the packet path's parts that need no kernel: run.sh [arm64]
# Without arguments for this machine, under sanitizers; with `arm64` for that machine, under qemu-aarch64.
set -eu
cd "$(dirname "$0")/../.."
target=${1:-native}
out=.build/native-test/$target
parts='checksum packet segment coalesce ecn encap fragment icmp route'
flags='-std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -g -pthread -Inative/path -Inative/test'
mkdir -p "$out"

case $target in
  native)
    if [ -z "${CC:-}" ]; then
      if command -v gcc >/dev/null; then CC=gcc; else CC=clang; fi
    fi
    flags="$flags -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all"
    emulator=''
    ;;
  arm64)
    CC=aarch64-linux-gnu-gcc
    flags="$flags -O2 -static"
    emulator=qemu-aarch64
    ;;
  *)
    echo "usage: $0 [arm64]" >&2
    exit 2
    ;;
esac

sources=''
for part in $parts; do sources="$sources native/path/$part.c"; done

failed=0
# run NAME FLAGS LABEL
run() {
  program=$out/$1$3
  begin=$(date +%s)
  if "$CC" $flags $2 -o "$program" "native/test/$1.c" $sources && $prefix $emulator "$program"; then
    echo "ok      $1$3 ($target, $(($(date +%s) - begin)) s)"
  else
    echo "FAILED  $1$3 ($target)"
    failed=1
  fi
}

for test in native/test/test-*.c; do
  name=$(basename "$test" .c)
  prefix=''
  if [ "$target" = arm64 ]; then
    run "$name" '' ''
    continue
  fi
  run "$name" '-fsanitize=address,undefined' ''
  # Threads a second time, for races. ThreadSanitizer cannot place its memory where addresses are very random.
  case $name in
    *-threads)
      prefix="setarch $(uname -m) -R"
      run "$name" '-fsanitize=thread' '-tsan'
      ;;
  esac
done
exit "$failed"
