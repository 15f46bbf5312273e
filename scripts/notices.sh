#!/usr/bin/env bash
# Writes, to standard output, whose work is compiled into the page and its engines and
# under which licences: every crate of the sets `page` and `gpu` (which has `engine`
# in it), and the licence text of each that is not under the Apache License 2.0, which
# our own LICENSE-APACHE is. Fails where a crate has no text that it asks for.
# In: Cargo.lock and the crates' own sources, which a build has fetched; for crates that
# were published without a text, docs/licences: CRATE, the text of that crate, and
# MPL-2.0, which is the same for all.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly REGISTRY="${CARGO_HOME:-$HOME/.cargo}/registry/src"
readonly KEPT=docs/licences

made=$(mktemp -d)
readonly made
trap 'rm -r "$made"' EXIT

fail() {
  echo "notices: $*" >&2
  exit 1
}

# Lines of NAME VERSION|LICENCE|REPOSITORY, without our own.
crates() {
  cargo tree --locked --offline --target wasm32-unknown-unknown --no-default-features --features page,gpu \
    --edges normal --prefix none --format '{p}|{l}|{r}' |
    sed -e 's/ (\*)$//' -e 's/ (proc-macro)//' -e 's/^\([^ ]*\) v/\1 /' -e '/^needledrop /d' | LC_ALL=C sort -u
}

# The folder of a crate's sources.
sources() {
  local folder
  for folder in "$REGISTRY"/*/"$1-$2"; do
    if [ -d "$folder" ]; then echo "$folder"; fi
  done | LC_ALL=C sort | head -n 1
}

# Whether the Apache License 2.0 does for a crate of that licence. Of what is joined by
# AND, it is a part only.
is_apache() {
  [[ $1 == *Apache-2.0* && $1 != *' AND '* ]]
}

# What stands in the crate's folder of its licence. Apache's own text stands here
# already; a crate that is used under it may have notices that have to go with it, and
# the licences of what it has from others.
licence_files() {
  local folder=$1 licence=$2 names=(-iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'unlicense*')
  if is_apache "$licence"; then names=(-iname 'notice*' -o -iname '*third-party*'); fi
  find "$folder" -maxdepth 1 -type f \( "${names[@]}" \) ! -iname '*apache*' | LC_ALL=C sort
}

# Who has a crate's copyright: its authors, else, where it names none, those of its
# repository.
holder() {
  local folder=$1 repository=$2 authors
  authors=$(awk '/^authors = \[/ { on = 1 } on { print } on && /\]/ { exit }' "$folder/Cargo.toml" |
    { grep -o '"[^"]*"' || true; } | sed -e 's/^"//' -e 's/"$//' -e 's/ *<[^>]*>//' | paste -s -d '/' - | sed 's|/|, |g')
  if [ -z "$authors" ] && [ -n "$repository" ]; then authors="the authors of $repository"; fi
  echo "$authors"
}

# The name of a file with the text of a crate that came without one.
text_without_file() {
  local name=$1 folder=$2 licence=$3 repository=$4 who
  if [ -f "$KEPT/$name" ]; then
    echo "$KEPT/$name"
    return
  fi
  case " ${licence//\// } " in
    *' AND '* | *' WITH '*) ;;
    *' MIT '*)
      who=$(holder "$folder" "$repository")
      [ -n "$who" ] || fail "$name names neither authors nor a repository: please put its licence into $KEPT/$name"
      # As our own licence has it, with their name.
      { printf 'MIT License\n\nCopyright (c) %s\n\n' "$who" && sed -n '/^Permission is/,$p' LICENSE-MIT; } >"$made/$name"
      echo "$made/$name"
      return
      ;;
    *' MPL-2.0 '*)
      echo "$KEPT/MPL-2.0"
      return
      ;;
  esac
  fail "$name ($licence) came without a licence's text: please put it into $KEPT/$name"
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
while IFS='|' read -r crate licence repository; do
  read -r name version <<<"$crate"
  folder=$(sources "$name" "$version")
  [ -n "$folder" ] || fail "the sources of $crate are not in $REGISTRY: a build fetches them"
  files=$(licence_files "$folder" "$licence")
  if [ -z "$files" ]; then
    if is_apache "$licence"; then continue; fi
    files=$(text_without_file "$name" "$folder" "$licence" "$repository")
  fi
  while read -r file; do
    digest=$(cksum <"$file")
    text_of[$digest]=$file
    crates_of[$digest]+="$crate ($licence)"$'\n'
  done <<<"$files"
done <<<"$list"

for digest in "${!text_of[@]}"; do
  printf '%s\t%s\n' "${crates_of[$digest]%%$'\n'*}" "$digest"
done | LC_ALL=C sort | cut -f 2 | while read -r digest; do
  printf '\n\n%s\n' "${crates_of[$digest]}"
  cat "${text_of[$digest]}"
done
