#!/bin/sh
# Line coverage of the C sources of the packet path by its C tests: a line for each file, then the sum.
# Suites in test/ that run the addon in namespaces (path-live, path-wire) are not counted.
set -eu
cd "$(dirname "$0")/../.."
folder=.build/native-test/coverage-gcc
rm -f "$folder"/*.gcda
sh native/test/run.sh coverage | grep -v '^ok' || true
gcov -n "$folder"/*.gcno 2>/dev/null | awk -F"[':% ]+" '
  /^File/ { file = $2 }
  /^Lines executed/ && file ~ /^native\/(packet|route|bpf|path)\/[^\/]*\.c$/ {
    if (file in lines) next
    lines[file] = $5; covered += $3 * $5 / 100; all += $5
    printf "%6.1f %%  %4d lines  %s\n", $3, $5, file | "sort -k4"
  }
  END { close("sort -k4"); printf "%6.1f %%  %4d lines  all\n", all ? 100 * covered / all : 0, all }'
