#!/bin/sh
# Runs a check unless it has passed here with the same inputs: unless-passed.sh 'TOOL...' 'FILE OR FOLDER...' COMMAND...
# For checks whose result is a function of the contents of files and of tools. Inputs are the command, the contents and names
# of all files, the version that each tool prints, and the kernel's. CHECK_ALL=1 runs the check in any case.
set -eu
tools=$1 files=$2
shift 2
stamps=.build/passed
stamp=$stamps/$({
  printf '%s\n' "$*" "${CC:-}"
  uname -srm
  for tool in $tools; do "$tool" --version; done
  # shellcheck disable=SC2086
  find $files -name node_modules -prune -o -path native/build -prune -o -path native/prebuilds -prune -o -type f -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum
} | sha256sum | cut -c1-40)
if [ -e "$stamp" ] && [ "${CHECK_ALL:-}" != 1 ]; then
  echo "unchanged since it passed: $*"
  exit 0
fi
"$@"
mkdir -p "$stamps"
: >"$stamp"
# Stamps of old inputs.
find "$stamps" -type f -mtime +14 -delete
