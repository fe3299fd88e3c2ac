#!/bin/sh
# Run the tests; the last line is `N passed, N failed`.
#
#     tests/run.sh [--only=static,native,wasm,browser]
#
# Installs what is missing (scripts/setup.sh) and builds what is tested.
set -eu
cd "$(dirname "$0")/.."
. scripts/setup.sh

suites='static native wasm browser'
for argument in "$@"; do
  case "$argument" in
    --only=*) suites=$(printf '%s' "${argument#--only=}" | tr ',' ' ') ;;
    *) die "I do not know $argument; try --only=static,native,wasm,browser" ;;
  esac
done
for suite in $suites; do
  case "$suite" in
    static | native | wasm | browser) ;;
    *) die "There is no suite $suite; there are static, native, wasm, browser" ;;
  esac
done

setup_machine tests
case " $suites " in
  *\ wasm\ * | *\ browser\ *) build_site ;;
esac
exec node tests/run.mjs $suites
