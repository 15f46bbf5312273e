#!/usr/bin/env bash
# Whether our shell scripts can be parsed and, where there is Node.js, our JavaScript:
# a slip in one is else found by whoever runs it first.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=false

# With node --check alone, a module is one by its ending only.
parses() {
  if [[ $1 != *.mjs ]] && grep -q '^\(import\|export\)\b' "$1"; then
    node --check --input-type=module - <"$1"
  else
    node --check "$1"
  fi
}

for file in scripts/*.sh scripts/tools/* .ci/run; do
  bash -n "$file" || failed=true
done
if command -v node >/dev/null; then
  for file in www/*.js scripts/peers/*.mjs; do
    parses "$file" || { echo "check-scripts: $file cannot be parsed" >&2 && failed=true; }
  done
fi
[ "$failed" = false ]
