#!/usr/bin/env bash
# Times the built page's networks, its own and the paper's, on one thread in headless
# Chromium beside onnxruntime-web and TF.js: the same weights, the same input, in turns.
#
#   scripts/bench-peers.sh [DIST [FOLDER [OUT]]]
#
# DIST is the built page (default: dist). FOLDER takes the peers' npm packages;
# they are brought where absent (default: .cache/peers). OUT gets the numbers as JSON.
set -euo pipefail
out=$(realpath -m "${3:-/dev/null}")
dist=$(realpath -m "${1:-$(dirname "$0")/../dist}")
peers=$(realpath -m "${2:-$(dirname "$0")/../.cache/peers}")
cd "$(dirname "$0")/.."
readonly PACKAGES=(onnxruntime-web@1.30.0 @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0)

fail() {
    echo "bench-peers: $*" >&2
    exit 1
}

[ -f "$dist/index.html" ] || fail "there is no built page in $dist: 'make dist' or 'make run' builds one"
{ command -v node && command -v npm; } >/dev/null || fail "Node.js with npm is needed: 'scripts/setup.sh bench' installs it"

# What was installed stands there last, so that half an installation is none.
if [ "$(cat "$peers/installed" 2>/dev/null)" != "${PACKAGES[*]}" ]; then
    echo "Installing ${PACKAGES[*]} into $peers ..." >&2
    mkdir -p "$peers"
    npm install --prefix "$peers" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
        "${PACKAGES[@]}" >&2
    echo "${PACKAGES[*]}" >"$peers/installed"
fi
exec node scripts/peers/run.mjs "$dist" "$peers/node_modules" "$out"
