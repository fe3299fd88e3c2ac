# What serve.sh and tests/run.sh need, installed where it is missing. Sourced by
# both, which have changed to the top folder:
#
#     . scripts/setup.sh
#     setup_machine serve|tests
#
# On Debian and its relatives packages come through apt-get; elsewhere a sentence
# says what to install. A second run finds everything and takes no time.

# Node for the tools (Vite wants 20.19 or newer; Debian 12 has 18).
NODE_VERSION=22.23.2

say() { printf '%s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

# The first argument is the command that shows whether the package is there.
packages=
want() {
  if ! command -v "$1" >/dev/null 2>&1; then packages="$packages $2"; fi
}
want_file() {
  for file in $1; do
    if [ -e "$file" ]; then return; fi
  done
  packages="$packages $2"
}

# Emscripten before 3.1.30 has no relaxed SIMD: another clang makes those objects.
want_relaxed() {
  if command -v emcc >/dev/null 2>&1; then
    version=$(emcc -dumpversion 2>/dev/null || echo 0)
  else
    version=$(apt-cache policy emscripten 2>/dev/null |
      sed -n 's/^ *Candidate: *\([0-9.]*\).*/\1/p')
  fi
  oldest=$(printf '%s\n3.1.30\n' "$version" | sort -V | head -n 1)
  if [ "$oldest" = 3.1.30 ]; then return; fi
  for clang in clang-19 clang-20 clang-21 clang-22; do
    if command -v "$clang" >/dev/null 2>&1; then return; fi
  done
  if apt-cache show clang-19 >/dev/null 2>&1; then
    packages="$packages clang-19"
  fi
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  if [ -z "$packages" ]; then return; fi
  if ! command -v apt-get >/dev/null 2>&1; then
    die "Please install:$packages (names of Debian's packages; on macOS" \
      "'brew install emscripten cmake ninja node cmocka llvm' has them)." \
      "Then run this again."
  fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
    die "Please install as root:$packages. Then run this again."
  fi
  say "setup: installing$packages"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $packages >build/apt.log 2>&1 ||
    die "apt-get could not install them; its words are in build/apt.log"
}

# Lists of packages that were never fetched know nothing.
update_lists() {
  if command -v apt-get >/dev/null 2>&1 &&
    ! apt-cache show emscripten >/dev/null 2>&1; then
    say "setup: fetching the lists of packages"
    as_root apt-get update -qq >build/apt.log 2>&1 ||
      die "apt-get update failed; its words are in build/apt.log"
  fi
}

setup_packages() {
  if ! command -v emcc >/dev/null 2>&1; then update_lists; fi
  want emcc emscripten
  want cmake cmake
  want ninja ninja-build
  want npm npm
  want git git
  want_relaxed
  if [ "$1" = tests ]; then
    want gcc gcc
    want_file '/usr/include/stdlib.h /usr/local/include /Library' libc6-dev
    want clang clang
    want_file "/usr/include/cmocka.h /usr/local/include/cmocka.h \
      /opt/homebrew/include/cmocka.h" libcmocka-dev
    want_file "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a \
      /usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.fuzzer* /Library" \
      libclang-rt-dev
    if [ -z "${CHROMIUM:-}" ]; then want chromium chromium; fi
  fi
  if [ -n "$packages" ]; then update_lists; fi
  install_packages
}

node_is_new_enough() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) ||
      (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null
}

# Node's own packages on npm hold the plain program.
setup_node() {
  case "$(uname -m)" in
    aarch64 | arm64) cpu=arm64 ;;
    *) cpu=x64 ;;
  esac
  tool=.tools/node-$NODE_VERSION
  program=$PWD/$tool/node_modules/node-linux-$cpu/bin
  if [ -x "$program/node" ]; then PATH=$program:$PATH; fi
  if node_is_new_enough; then return; fi
  if [ "$(uname -s)" != Linux ]; then die "Please install Node 22 or newer."; fi
  say "setup: fetching Node $NODE_VERSION"
  mkdir -p "$tool"
  npm install --prefix "$tool" --no-save --no-audit --no-fund --loglevel=error \
    "node-linux-$cpu@$NODE_VERSION" >build/npm.log 2>&1 ||
    die "npm could not fetch Node; its words are in build/npm.log"
  PATH=$program:$PATH
  node_is_new_enough || die "Node $NODE_VERSION does not run here."
}

setup_modules() {
  if [ node_modules/.package-lock.json -nt package-lock.json ]; then return; fi
  say "setup: fetching the JavaScript packages"
  npm ci --no-audit --no-fund --loglevel=error >build/npm.log 2>&1 ||
    die "npm ci failed; its words are in build/npm.log"
}

setup_machine() {
  mkdir -p build
  setup_packages "$1"
  setup_node
  setup_modules
}

# The engine, the data and, when anything of it changed, the site.
build_site() {
  say "build: the four wasm builds of the engine"
  node scripts/engine.mjs
  say "build: the data"
  node data/make-shards.mjs >build/data.log || { cat build/data.log; exit 1; }
  node scripts/site.mjs
  newer=$(find web vite.config.js package-lock.json build/public \
    -newer dist/index.html 2>/dev/null | head -n 1)
  if [ -f dist/index.html ] && [ -z "$newer" ]; then return; fi
  say "build: the site"
  node_modules/.bin/vite build --logLevel warn
}
