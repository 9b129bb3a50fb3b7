#!/bin/sh
# Fuzzes the parts of the packet path that see bytes of others: run.sh [SECONDS for each target, default 60] [TARGET...]
# Corpora stay in .build/fuzz/corpus and are carried on with; an input that breaks a target is left in .build/fuzz.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
out=.build/fuzz
parts='checksum packet segment coalesce ecn encap fragment icmp route'
if ! command -v clang >/dev/null; then
  echo "native/fuzz/run.sh: needs clang (Debian: apt-get install clang)" >&2
  exit 1
fi
mkdir -p "$out"

sources=''
for part in $parts; do sources="$sources native/path/$part.c"; done
if [ $# -eq 0 ]; then
  for file in native/fuzz/fuzz-*.c; do set -- "$@" "$(basename "$file" .c)"; done
fi

failed=0
for target in "$@"; do
  mkdir -p "$out/corpus/$target"
  if ! clang -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -g -O1 -pthread -Inative/path -Inative/test \
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$out/$target" "native/fuzz/$target.c" $sources; then
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
