#!/usr/bin/env bash
# Runs a command with the tools of scripts/setup.sh on the path and a toolchain
# that can build WebAssembly: the one in use, else Debian's, under the name that
# scripts/setup.sh linked it by. Usage: scripts/with-tools.sh COMMAND [ARGUMENT...]
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/tools" && pwd)
export PATH="$tools:${XDG_CACHE_HOME:-$HOME/.cache}/needledrop/tools/bin:$PATH"
# The pinned Trunk takes true and false alone (its issue 1065), others any value (no-color.org).
[ -z "${NO_COLOR:-}" ] || export NO_COLOR=true
# Trunk need not ask whether there is a newer Trunk.
export TRUNK_SKIP_VERSION_CHECK=true

# They would take the place of the flags in .cargo/config.toml, without which the page is
# another one, or none.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS

has_wasm() {
  local root
  root=$("$@" --print sysroot 2>/dev/null) && [ -n "$root" ] || return 1
  compgen -G "$root/lib/rustlib/wasm32-unknown-unknown/lib/libcore-*.rlib" >/dev/null
}

if ! has_wasm rustc && has_wasm env RUSTUP_TOOLCHAIN=distro rustc; then
  export RUSTUP_TOOLCHAIN=distro
fi
exec "$@"
