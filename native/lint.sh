#!/bin/sh
# Checks the C sources: format (.clang-format), width of comments, static analysis (gcc -fanalyzer),
# and that files do not call each other in a circle. Prints each finding; fails if there is one.
set -eu
cd "$(dirname "$0")/.."
out=.build/native-lint
sources=$(ls native/packet/*.c native/route/*.c native/bpf/*.c native/probe/*.c native/path/*.c native/cni/*.c native/src/*.c)
all=$(find native bench/micro -name '*.[ch]' ! -path '*/build/*' ! -path native/bpf/kernel/program.h)
failed=0
rm -rf "$out"
mkdir -p "$out"

# Versions format differently. Debian 12 has this one.
version=14
if clang-format --version | grep -q "version $version\."; then
  clang-format --dry-run -Werror $all || failed=1
else
  echo "native/lint.sh: format not checked: needs clang-format $version" >&2
fi

if LC_ALL=C.UTF-8 grep -nE '^.{101,}$' $all | grep -E '^[^:]*:[0-9]+: *(/\*|\*( |/|$))'; then
  echo 'native/lint.sh: comments wider than 100 columns' >&2
  failed=1
fi

# One object for each source; its name has the folder, as basenames may repeat.
analyse='object=$2/$(echo "$1" | tr / -).o
gcc -std=c11 -D_GNU_SOURCE -DNAPI_VERSION=8 -O1 -fanalyzer -Wall -Wextra -Wconversion -Werror \
  -Inative -Inode_modules/node-api-headers/include -c -o "$object" "$1"'
printf '%s\n' $sources | xargs -P "$(nproc)" -I{} sh -c "$analyse" sh {} "$out" || failed=1

# "A B" for each call or use of B's symbols in A. tsort names the files of a circle.
nm -A "$out"/*.o 2>/dev/null | awk '{
    file = $1; sub(/:.*/, "", file); sub(/.*\//, "", file); name = $NF; kind = $(NF - 1)
    if (kind ~ /^[TDBR]$/) owner[name] = file
    else if (kind == "U") used[file " " name] = 1
  }
  END {
    for (use in used) {
      split(use, part, " ")
      if (part[2] in owner && owner[part[2]] != part[1]) print part[1], owner[part[2]]
    }
  }' | sort -u >"$out/calls"
tsort "$out/calls" >/dev/null || failed=1
exit "$failed"
