#!/usr/bin/env bash
# Brings what a step needs and the machine lacks, and says so while it does it.
# Usage: scripts/setup.sh build|test|bench|sounds|dist ...
#
#   build  the wasm32 target, trunk, wasm-bindgen
#   test   Chromium, ChromeDriver, Firefox, ffmpeg, rustfmt, clippy, axe-core
#   bench  Node.js with npm, for the engines that ours is held against
#   sounds ffmpeg, espeak-ng, which speaks what is not music, and Python
#   dist   brotli
#
# Our own tools go to ~/.cache/needledrop/tools; nothing else is replaced.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/needledrop/tools"
readonly TARGET=wasm32-unknown-unknown
RUST_VERSION=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
readonly RUST_VERSION
# The newest that compiles with the Rust version of Cargo.toml.
readonly TRUNK_VERSION=0.21.14
readonly WASM_SPLIT_VERSION=0.2.4
# The rules of accessibility, and the digest of the one file of it that is used.
readonly AXE_VERSION=4.14.1
readonly AXE_SHA256=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
# rustup waits for a network that is not there; a slow one gets the target in this.
readonly RUSTUP_SECONDS=180
# A fresh machine renews its packages by itself, and apt-get would not wait for that.
readonly APT_GET=(apt-get -o DPkg::Lock::Timeout=600)

say() {
  echo "setup: $*"
}

# What failed, then what to do about it.
fail() {
  echo "setup: $1" >&2
  echo "       $2" >&2
  exit 1
}

have() {
  command -v "$1" >/dev/null
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    fail "'$*' needs root, and there is no sudo." "Please run it as root once, then this again."
  fi
}

# Brings apt-get's lists, once: a fresh machine has none, or old ones.
apt_update() {
  if [ -n "${apt_updated:-}" ]; then return; fi
  apt_updated=yes
  # Who may not renew them may not install either, which is said by then.
  if [ "$(id -u)" != 0 ] && ! have sudo; then return; fi
  as_root "${APT_GET[@]}" update -q || say "apt-get could not renew its lists; those that are there may do"
}

# Whether apt-get knows a package. To be asked only where something is missing.
apt_has() {
  apt_update
  [ -n "$(apt-cache show "$1" 2>/dev/null)" ]
}

# need_apt WHAT-FOR PACKAGE...: fails where there is no apt-get.
need_apt() {
  have apt-get || fail "$1 is missing, and this is no Debian or Ubuntu." "Please install what Debian calls: ${*:2}"
}

# apt_install WHAT-FOR PACKAGE...
apt_install() {
  need_apt "$@"
  local purpose=$1
  shift
  say "installing $purpose ($*) by apt-get"
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive "${APT_GET[@]}" install -q -y --no-install-recommends "$@" ||
    fail "apt-get could not install $purpose." "Its own message stands above; 'apt-get update' helps where lists are old."
}

# is_new_enough VERSION: whether that Rust compiles this crate.
is_new_enough() {
  printf '%s\n' "$RUST_VERSION" "$1" | sort -V -C
}

need_rust() {
  local found
  have cargo || fail "There is no cargo." "Please install Rust: https://rustup.rs"
  found=$(rustc --version | cut -d ' ' -f 2)
  is_new_enough "$found" || fail "Rust is $found here, but $RUST_VERSION is needed." "Please run 'rustup update'."
  have cc || apt_install "a C compiler" build-essential
}

# has_target RUSTC...: whether this compiler has the wasm32 target.
has_target() {
  local root
  root=$("$@" --print sysroot 2>/dev/null) && [ -n "$root" ] || return 1
  compgen -G "$root/lib/rustlib/$TARGET/lib/libcore-*.rlib" >/dev/null
}

need_target() {
  if has_target rustc || has_target env RUSTUP_TOOLCHAIN=distro rustc; then return; fi
  have rustup || fail "This Rust has no $TARGET target." "Please install Rust by https://rustup.rs, or the target by your distribution."
  say "adding the $TARGET target by rustup"
  if RUSTUP_MAX_RETRIES=0 timeout "$RUSTUP_SECONDS" rustup target add "$TARGET" && has_target rustc; then return; fi
  { have apt-get && apt_has rust-web-src; } ||
    fail "rustup could not download the $TARGET target." "Please run 'rustup target add $TARGET', then this again."
  say "rustup could not download it; building it from Debian's Rust instead (a minute)"
  build_target
}

# Debian's Rust with the sources of its library, which make the target; rustup
# then knows it as the toolchain "distro".
build_target() {
  apt_install "Debian's Rust" rustc-web cargo-web rust-web-src rust-web-clippy lld-19
  local found
  found=$(/usr/bin/rustc --version | cut -d ' ' -f 2)
  is_new_enough "$found" ||
    fail "Debian's Rust is $found, but $RUST_VERSION is needed." "Please run 'rustup target add $TARGET' where there is a network."

  local crate host library=/usr/lib/rustlib/$TARGET/lib
  crate=$(mktemp -d)
  mkdir "$crate/src"
  touch "$crate/src/lib.rs"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n' >"$crate/Cargo.toml"
  (
    cd "$crate"
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR=target \
      /usr/bin/cargo build --release -Zbuild-std=std,panic_abort,proc_macro,test --target "$TARGET"
  ) || fail "The wasm32 library could not be built from Debian's sources." "The compiler's own message stands above."
  rm -f "$crate/target/$TARGET"/release/deps/libempty*
  host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
  as_root mkdir -p "$library" "/usr/lib/rustlib/$host/bin"
  as_root cp "$crate/target/$TARGET"/release/deps/*.rlib "$library/"
  [ -e "/usr/lib/rustlib/$host/bin/rust-lld" ] || as_root ln -s /usr/bin/lld-19 "/usr/lib/rustlib/$host/bin/rust-lld"
  rm -r "$crate"
  rustup toolchain link distro /usr
}

# install_tool PROGRAM CRATE VERSION MINUTES [CARGO-ARGUMENT...]
install_tool() {
  local program=$1 crate=$2 version=$3 minutes=$4
  shift 4
  if [ -x "$TOOLS/bin/$program" ] && grep -qs "^\"$crate $version " "$TOOLS/.crates.toml"; then return; fi
  say "compiling $crate $version into $TOOLS (about $minutes minutes on 2 cores, once)"
  # These run for seconds: quick to compile counts for more than quick to run.
  CARGO_TARGET_DIR="$TOOLS/target" CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    cargo install "$crate" --version "$version" --root "$TOOLS" --force "$@" 9>&- ||
    fail "$crate $version could not be compiled." "cargo's own message stands above; without a network it needs one for this, once."
  rm -rf "$TOOLS/target"
}

need_tools() {
  # Of two first runs at once the second waits, and finds what the first has made.
  mkdir -p "$TOOLS"
  if have flock; then
    exec 9>"$TOOLS/lock"
    flock -n 9 || { say "waiting for another setup that is under way" && flock 9; }
  fi
  install_tool trunk trunk "$TRUNK_VERSION" 6 --locked --no-default-features --features rustls
  # The program must be the very version of the library. Its own lock file names
  # a withdrawn crate (of 0.2.130: webpki-roots 1.0.11), so not --locked.
  local version
  version=$(grep -A 1 '^name = "wasm-bindgen"$' Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p')
  install_tool wasm-bindgen wasm-bindgen-cli "$version" 4
  install_tool wasm-split-cli wasm_split_cli_support "$WASM_SPLIT_VERSION" 1 --locked --features build-binary
  if have flock; then exec 9>&-; fi
}

need_component() {
  "$1" --version >/dev/null 2>&1 || rustup component add "$2" ||
    fail "$2 is missing, and rustup could not download it." "Please install it beside your Rust."
}

# Whether a program is a snap: a link to its starter, or, as Ubuntu's packages have it,
# a script that calls it.
is_snap() {
  local path
  path=$(command -v "$1") || return 1
  case $path:$(readlink -f "$path") in */snap/* | */snap) return 0 ;; esac
  head -c 4096 "$path" | grep -aq '/snap/bin/'
}

# Whether all that apt-get has by that name is a snap, as on Ubuntu.
brings_snap() {
  case $(apt-cache show "$1" 2>/dev/null) in *Transitional*snap* | *Version:*1snap1-*) ;; *) return 1 ;; esac
}

refuse_chromium() {
  fail "$1 is a snap here, which may not read /tmp and ~/.cache, where the tests keep its files." \
    "Please remove it ('sudo snap remove chromium', 'sudo apt-get remove chromium-browser') and install Chrome by Google's own package, with the ChromeDriver of its version on the path; then run this again."
}

refuse_firefox() {
  fail "$1 is a snap here, which may not read /tmp, where the tests keep its profile." \
    "Please install Firefox by Mozilla's own package, or put the folder of Mozilla's archive first on the path; then run this again."
}

need_browser() {
  local name
  # In the order in which the tests look for it (tests/browser/driver.rs).
  for name in chromium chromium-browser google-chrome; do
    if ! have "$name"; then continue; fi
    if is_snap "$name"; then refuse_chromium "$name"; fi
    break
  done
  if is_snap chromedriver; then refuse_chromium chromedriver; fi
  if have "$name" && have chromedriver; then return; fi
  need_apt "Chromium" chromium chromium-driver
  # Ubuntu calls them by these names; only what is made from it has more than snaps there.
  if ! apt_has chromium-driver && apt_has chromium-chromedriver; then
    if brings_snap chromium-browser || brings_snap chromium-chromedriver; then refuse_chromium "Chromium"; fi
    apt_install "Chromium" chromium-browser chromium-chromedriver
  else
    apt_install "Chromium" chromium-driver chromium
  fi
}

need_firefox() {
  local name
  # In the order in which the tests look for it (tests/browser/marionette.rs).
  for name in firefox-esr firefox; do
    if ! have "$name"; then continue; fi
    if is_snap "$name"; then refuse_firefox "$name"; fi
    return
  done
  need_apt "Firefox" firefox
  # Debian calls it by the first name, Ubuntu by the second.
  if apt_has firefox-esr || ! apt_has firefox; then
    apt_install "Firefox" firefox-esr
  else
    if brings_snap firefox; then refuse_firefox "Firefox"; fi
    apt_install "Firefox" firefox
  fi
}

need_node() {
  { have node && have npm; } || apt_install "Node.js" nodejs npm
}

is_axe() {
  echo "$AXE_SHA256  $1" | sha256sum --check --status 2>/dev/null
}

need_axe() {
  local file=$TOOLS/axe.min.js folder
  if is_axe "$file"; then return; fi
  need_node
  say "bringing axe-core $AXE_VERSION into $TOOLS by npm"
  folder=$(mktemp -d)
  npm install --prefix "$folder" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
    "axe-core@$AXE_VERSION" || fail "npm could not bring axe-core." "Its own message stands above; it needs a network for this, once."
  is_axe "$folder/node_modules/axe-core/axe.min.js" ||
    fail "axe-core $AXE_VERSION is not the file that it was." "If this version was published anew, please put its digest into scripts/setup.sh."
  mkdir -p "$TOOLS"
  cp "$folder/node_modules/axe-core/axe.min.js" "$file"
  rm -r "$folder"
}

((BASH_VERSINFO[0] >= 4)) || fail "This is bash $BASH_VERSION, but 4 is needed." "Please install a newer one and put it first on the path."

for step in "$@"; do
  case $step in
    build)
      need_rust
      need_target
      need_tools
      ;;
    test)
      need_rust
      need_component rustfmt rustfmt
      need_component clippy-driver clippy
      need_browser
      need_firefox
      need_axe
      have ffmpeg || apt_install "ffmpeg" ffmpeg
      ;;
    bench) need_node ;;
    sounds)
      have ffmpeg || apt_install "ffmpeg" ffmpeg
      have espeak-ng || apt_install "a speech synthesiser" espeak-ng
      have python3 || apt_install "Python" python3
      ;;
    dist) have brotli || apt_install "brotli" brotli ;;
    *) fail "There is no step '$step'." "Usage: scripts/setup.sh build|test|bench|sounds|dist ..." ;;
  esac
done
