#!/bin/sh
# Build Soma and serve it:
#
#     ./serve.sh [--port N] [--host ADDRESS] [--no-headers] [--build-only]
#
#   --port N       the port (default: $PORT, or else 4173 or the next free one)
#   --host ADDRESS where to listen (default: $HOST or 127.0.0.1, this machine only)
#   --no-headers   without the isolation headers, as a plain static host serves it
#   --build-only   leave the site in dist/ and stop
#
# Installs what is missing (scripts/setup.sh). Quick the second time.
set -eu
cd "$(dirname "$0")"
. scripts/setup.sh

build_only=
while [ $# -gt 0 ]; do
  case "$1" in
    --port) [ $# -gt 1 ] || die "--port needs a number"; PORT=$2; shift ;;
    --port=*) PORT=${1#--port=} ;;
    --host) [ $# -gt 1 ] || die "--host needs an address"; export HOST="$2"; shift ;;
    --host=*) export HOST="${1#--host=}" ;;
    --no-headers) export SOMA_ISOLATED=0 ;;
    --build-only) build_only=1 ;;
    --help | -h) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "I do not know $1; see ./serve.sh --help" ;;
  esac
  shift
done

setup_machine serve
build_site
if [ -n "$build_only" ]; then
  say "The site is in dist/"
  exit 0
fi
exec node scripts/serve.mjs ${PORT:+"$PORT"}
