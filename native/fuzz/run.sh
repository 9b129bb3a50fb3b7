#!/bin/sh
# Fuzzes the parts of the packet path and of the probes that see bytes of others: run.sh [SECONDS for each target, default 60] [TARGET...]
# Corpora stay in .build/fuzz/corpus and are carried on with; an input that breaks a target is left in .build/fuzz.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
out=.build/fuzz
flags='-std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -g -O1 -pthread -Inative -fno-sanitize-recover=all'
if ! command -v clang >/dev/null; then
  echo "native/fuzz/run.sh: needs clang (Debian: apt-get install clang)" >&2
  exit 1
fi
if [ $# -eq 0 ]; then
  for file in native/fuzz/fuzz-*.c; do set -- "$@" "$(basename "$file" .c)"; done
fi

# Of the CNI plugin all but its main and what it starts.
cni='native/cni/frame.c native/cni/files.c native/cni/run.c native/cni/rights.c native/cni/step.c native/cni/session.c'
# All parts of them; a target takes what it needs.
library=$out/libpath.a
mkdir -p "$out/path"
if [ ! -e "$library" ] || [ -n "$(find native -name '*.[ch]' -newer "$library")" ] || [ native/fuzz/run.sh -nt "$library" ]; then
  rm -f "$library" "$out"/path/*.o
  for source in native/packet/*.c native/route/*.c native/bpf/*.c native/probe/*.c native/path/*.c $cni; do
    clang $flags -fsanitize=fuzzer-no-link,address,undefined -c -o "$out/path/$(basename "$source" .c).o" "$source"
  done
  ar rcs "$library" "$out"/path/*.o
fi

failed=0
for target in "$@"; do
  mkdir -p "$out/corpus/$target"
  wraps=''
  # A target that plays the kernel has the system calls of the path come to its own functions.
  if grep -q 'fake-kernel.h"' "native/fuzz/$target.c"; then
    for call in $(grep -o '__wrap_[a-z0-9_]*' native/test/support/fake-kernel.h | sort -u); do
      wraps="$wraps -Wl,--wrap=${call#__wrap_}"
    done
  fi
  if ! clang $flags -fsanitize=fuzzer,address,undefined $wraps -o "$out/$target" "native/fuzz/$target.c" \
    "$out/libpath.a"; then
    failed=1
    continue
  fi
  # Of what libFuzzer says only the end is of interest, and all of it if something is wrong.
  if "$out/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$out/$target-" "$out/corpus/$target" >"$out/$target.log" 2>&1; then
    echo "ok      $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log") inputs," \
      "$(ls "$out/corpus/$target" | wc -l) in corpus"
  else
    echo "FAILED  $target:"
    grep -v '^#' "$out/$target.log" | head -n 40
    failed=1
  fi
done
exit "$failed"
