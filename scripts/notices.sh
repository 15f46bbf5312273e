#!/usr/bin/env bash
# Writes, to standard output, whose work is compiled into the page and its engines and
# under which licences: every crate of the sets `page` and `gpu` (which has `engine`
# in it), and the licence text of each that is not under the Apache License 2.0, which
# our own LICENSE-APACHE is.
# In: Cargo.lock and the crates' own sources, which a build has fetched.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly REGISTRY="${CARGO_HOME:-$HOME/.cargo}/registry/src"

# Lines of NAME VERSION|LICENCE|REPOSITORY, without our own.
crates() {
  cargo tree --locked --offline --target wasm32-unknown-unknown --no-default-features --features page,gpu \
    --edges normal --prefix none --format '{p}|{l}|{r}' |
    sed -e 's/ (\*)$//' -e 's/ (proc-macro)//' -e 's/^\([^ ]*\) v/\1 /' -e '/^needledrop /d' | LC_ALL=C sort -u
}

licence_files() {
  find "$REGISTRY"/*/"$1-$2" -maxdepth 1 -type f \
    \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'unlicense*' \) 2>/dev/null | LC_ALL=C sort
}

cat <<'TEXT'
Needledrop is under the MIT licence or the Apache License 2.0, at your choice.
The files of this page contain, in compiled form, the crates that follow, and the
standard library of Rust (MIT OR Apache-2.0, https://github.com/rust-lang/rust).
Each one's source, unchanged, is in the registry of Rust packages, by its name and version.

TEXT
list=$(crates)
while IFS='|' read -r crate licence repository; do
  printf '%s\n    %s\n    %s\n' "$crate" "$licence" "$repository"
done <<<"$list"

printf '\n\nWhere a crate leaves the choice, it is used under the Apache License 2.0:\n\n'
cat LICENSE-APACHE

# Many share a text to the letter: it stands once, under all their names.
declare -A text_of crates_of
while IFS='|' read -r crate licence _; do
  case $licence in *Apache-2.0*) continue ;; esac
  read -r name version <<<"$crate"
  while read -r file; do
    digest=$(cksum <"$file")
    text_of[$digest]=$file
    crates_of[$digest]+="$crate ($licence)"$'\n'
  done < <(licence_files "$name" "$version")
done <<<"$list"

for digest in "${!text_of[@]}"; do
  printf '%s\t%s\n' "${crates_of[$digest]%%$'\n'*}" "$digest"
done | LC_ALL=C sort | cut -f 2 | while read -r digest; do
  printf '\n\n%s\n' "${crates_of[$digest]}"
  cat "${text_of[$digest]}"
done
