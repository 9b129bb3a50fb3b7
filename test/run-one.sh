#!/bin/sh
# Runs one spec or suite after an incremental build: run-one.sh FILE [MOCHA OPTION]...
# FILE is a spec beside its module (daemon/reconciler/diff.spec.ts) or a suite (test/lab-repair.spec.ts, or lab-repair). A
# suite runs in namespaces of its own, as root if it lies in test/root, test/boot or test/page.
set -eu
file=${1:?name a spec, for example FILE=daemon/reconciler/diff.spec.ts}
shift
[ -e "$file" ] || file=test/$file.spec.ts
[ -e "$file" ] || { echo "$1: no such spec or suite" >&2; exit 2; }
spec=dist/${file%.ts}.js
case $file in
  test/root/* | test/boot/* | test/page/*) AS_ROOT=1; export AS_ROOT ;;
esac
case $file in
  test/lint/* | test/mutants/* | test/imports.spec.ts | test/import-cycles.spec.ts) ;;
  test/*)
    make -s --no-print-directory bundle native/build/weft-oracle.node
    exec sh test/in-namespaces.sh node_modules/.bin/mocha --timeout 180000 "$@" "$spec" ;;
esac
make -s --no-print-directory dist/.built
exec node_modules/.bin/mocha "$@" "$spec"
