#!/bin/sh
# Builds and runs the C tests of the packet path: run.sh [arm64 | coverage]. They need no privileges and
# no network. Without arguments they run under sanitizers, with `arm64` under qemu-aarch64, with
# `coverage` for native/test/coverage.sh.
set -eu
cd "$(dirname "$0")/../.."
target=${1:-native}
case $target in
  native)
    if [ -z "${CC:-}" ]; then
      if command -v gcc >/dev/null; then CC=gcc; else CC=clang; fi
    fi
    ;;
  arm64) CC=aarch64-linux-gnu-gcc ;;
  coverage) CC=gcc ;;
  *)
    echo "usage: $0 [arm64 | coverage]" >&2
    exit 2
    ;;
esac
flags='-std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -g -pthread -Inative'
# Of the CNI plugin all but its main and what it starts.
cni='native/cni/frame.c native/cni/files.c native/cni/run.c native/cni/rights.c native/cni/step.c native/cni/session.c'
# Of the addon what takes nothing of Node.
addon=native/src/smaps.c
failed=0

# build_library FOLDER FLAGS: an archive, of which each test links what it uses
build_library() {
  library=$1/libpath.a
  mkdir -p "$1"
  if [ -e "$library" ] && [ -z "$(find native/packet native/route native/bpf native/probe native/path native/cni native/src native/test/run.sh -newer "$library")" ]; then return 0; fi
  rm -f "$library"
  for source in native/packet/*.c native/route/*.c native/bpf/*.c native/probe/*.c native/path/*.c $cni $addon; do
    "$CC" $flags -Wconversion $2 -c -o "$1/$(basename "$source" .c).o" "$source"
  done
  ar rcs "$library" "$1"/*.o
}

# run_test FILE FOLDER FLAGS [COMMAND...]: COMMAND runs the program
run_test() {
  file=$1 name=$(basename "$1" .c) folder=$2 test_flags=$3
  shift 3
  # A test with the fake kernel wraps the system calls of the path.
  if grep -q 'fake-kernel.h"' "$file"; then
    for call in $(grep -o '__wrap_[a-z0-9_]*' native/test/support/fake-kernel.h | sort -u); do
      test_flags="$test_flags -Wl,--wrap=${call#__wrap_}"
    done
  fi
  if "$CC" $flags $test_flags -Inative/test -o "$folder/$name" "$file" "$folder/libpath.a" && "$@" "$folder/$name"; then
    echo "ok      $name ($(basename "$folder"))"
  else
    echo "FAILED  $name ($(basename "$folder"))"
    failed=1
  fi
}

# run_tests LABEL PATTERN FLAGS [COMMAND...]
run_tests() {
  folder=.build/native-test/$1-$(basename "$CC") pattern=$2 build_flags=$3
  shift 3
  build_library "$folder" "$build_flags"
  for file in $(ls native/test/$pattern native/test/cni/$pattern 2>/dev/null); do
    run_test "$file" "$folder" "$build_flags" "$@"
  done
}

if [ "$target" = arm64 ]; then
  run_tests arm64 'test-*.c' '-O2 -static' qemu-aarch64
elif [ "$target" = coverage ]; then
  run_tests coverage 'test-*.c' '-O0 --coverage'
else
  common='-O1 -fno-omit-frame-pointer -fno-sanitize-recover=all'
  run_tests asan 'test-*.c' "$common -fsanitize=address,undefined"
  # ThreadSanitizer needs a fixed address space layout.
  run_tests tsan 'test-*-threads.c' "$common -fsanitize=thread" setarch "$(uname -m)" -R
fi
exit "$failed"
