#!/usr/bin/env bash
# Whether our shell scripts can be parsed and, where there are Python and Node.js, our Python and
# JavaScript: a slip in one is else found by whoever runs it first.
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
if command -v python3 >/dev/null; then
  # Those within a shell script as well.
  python3 - scripts/*.py scripts/*.sh <<'PYTHON' || failed=true
import re, sys

for file in sys.argv[1:]:
    text = open(file, encoding="utf-8").read()
    programs = [text] if file.endswith(".py") else re.findall(r"<<'PYTHON'.*?\n(.*?)^PYTHON$", text, re.S | re.M)
    for program in programs:
        try:
            compile(program, file, "exec")
        except SyntaxError as error:
            sys.exit(f"check-scripts: {file} has Python that cannot be parsed: {error}")
PYTHON
fi
if command -v node >/dev/null; then
  for file in www/*.js scripts/peers/*.mjs; do
    parses "$file" || { echo "check-scripts: $file cannot be parsed" >&2 && failed=true; }
  done
fi
[ "$failed" = false ]
