#!/usr/bin/env bash
# Trunk's post-build hook. In: the staged page in $TRUNK_STAGING_DIR, the sources
# in $TRUNK_SOURCE_DIR. Out, in the staged page: the page's own code, the engine and the
# weights under names that change with their content, index.html that names them and holds what
# boot.js says, the licences of all that is in it, and a service worker that lists
# every file with its digest.
set -euo pipefail

source_dir=${TRUNK_SOURCE_DIR:?is set by trunk}
cd "${TRUNK_STAGING_DIR:?is set by trunk}"

# Digits of a digest that stand in a name; Trunk takes as many, less leading zeros.
readonly DIGITS=16

fail() {
  echo "postbuild: $*" >&2
  exit 1
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

size() {
  wc -c <"$1" | tr -d ' '
}

# The digest as browsers write it: base64 of the bytes, not of the digits.
integrity() {
  local digits
  digits=$(sha256 <"$1")
  # shellcheck disable=SC2059 # the digits are the format: \x12\x34...
  printf 'sha256-%s' "$(printf "$(sed 's/../\\x&/g' <<<"$digits")" | base64)"
}

meta() {
  sed -n "s|.*<meta name=\"$1\" content=\"\([^\"]*\)\".*|\1|p" index.html
}

set_meta() {
  [ -n "$(meta "$1")" ] || fail "index.html has no <meta name=\"$1\">"
  sed "s|\(<meta name=\"$1\" content=\"\)[^\"]*|\1$2|" index.html >index.html.new
  mv index.html.new index.html
}

# Trunk's name for it is of what was compiled, before wasm-bindgen, wasm-split and our own
# tool had their hands in it.
version_page() {
  local old new file
  old=$(meta needledrop-page)
  old=$(basename "$old" .js)
  new=page-$(cat "$old.js" "${old}_bg.wasm" | sha256 | cut -c "1-$DIGITS")
  for file in "$old"*; do
    [ "$file" = "$new${file#"$old"}" ] || mv "$file" "$new${file#"$old"}"
  done
  sed "s|$old|$new|g" index.html >index.html.new
  mv index.html.new index.html
}

version_engine() {
  local files=(engine.js engine_bg.wasm engine-loader.js gpu.js gpu_bg.wasm gpu-loader.js capture-worklet.js) folder
  cp "$source_dir"/www/engine-loader.js "$source_dir"/www/capture-worklet.js .
  # A worker may import statically only, so each engine has a loader.
  sed 's|\./engine\.js|./gpu.js|' engine-loader.js >gpu-loader.js
  # A file that engine.js imports by a relative address would have to move with it.
  if grep -q "from './" engine.js gpu.js; then fail "engine.js imports a snippet, which would be left behind"; fi
  folder=engine-$(cat "${files[@]}" | sha256 | cut -c "1-$DIGITS")
  mkdir "$folder"
  mv "${files[@]}" "$folder/"
  set_meta needledrop-engine "$folder/"
  set_meta needledrop-engine-bytes "$(size "$folder/engine_bg.wasm")"
}

# What `scripts/tools/wasm-bindgen` took out of the page, by the name that page.js has for it.
add_views() {
  local views target
  views=$(sed -n 's|.*"\./\(views-[0-9a-f]*\.wasm\)".*|\1|p' page-*.js)
  [ -n "$views" ] || fail "page.js names no module of views"
  target=$(cargo metadata --format-version 1 --no-deps --offline --manifest-path "$source_dir/Cargo.toml" |
    sed -n 's|.*"target_directory":"\([^"]*\)".*|\1|p')
  cp "$target/wasm-bindgen/${TRUNK_PROFILE:-release}/$views" .
}

# One style of all, in the order of index.html, without comments and indents: nothing is seen
# before the last of them is there, and what is alike in them is compressed together.
join_styles() {
  local name style link
  { grep -o 'href="\./[^"]*\.css"' index.html || true; } | sed 's|^href="\./||; s|"$||' >styles
  [ -s styles ] || fail "index.html names no styles"
  # No text in them looks like a comment. No file has the letter that would end a record.
  while read -r name; do cat "$name"; done <styles | awk 'BEGIN { RS = "\001" }
    { gsub("/[*]([^*]|[*]+[^*/])*[*]+/", ""); gsub("\n[ \n]+", "\n"); printf "%s", $0 }' >joined
  while read -r name; do rm "$name"; done <styles
  style=style-$(sha256 <joined | cut -c "1-$DIGITS").css
  mv joined "$style"
  rm styles
  link="<link rel=\"stylesheet\" href=\"./$style\" integrity=\"$(integrity "$style")\">"
  # In the place of the first; the others go.
  awk -v link="$link" '{
    line = ""
    while (match($0, /<link [^>]*href="\.\/[^"]*\.css"[^>]*>/)) {
      line = line substr($0, 1, RSTART - 1) link
      $0 = substr($0, RSTART + RLENGTH)
      link = ""
    }
    print line $0
  }' index.html >index.html.new
  mv index.html.new index.html
}

# What starts the page, without comments and indents, under a name that is of what is left: a
# browser keeps what it has of a name.
slim_boot() {
  local file new
  file=$(echo boot-*.js)
  # Comments have lines of their own, and no text goes over several.
  sed -e '/^ *\/\*\*.*\*\/ *$/d' -e '/^ *\/\*\*/,/\*\/ *$/d' -e '/^ *\/\//d' -e 's/^ *//' "$file" >slim
  new=boot-$(sha256 <slim | cut -c "1-$DIGITS").js
  mv slim "$new"
  [ "$new" = "$file" ] || rm "$file"
  sed "s|\"./$file\" integrity=\"[^\"]*\"|\"./$new\" integrity=\"$(integrity "$new")\"|" index.html >index.html.new
  mv index.html.new index.html
  grep -q "\"./$new\" integrity=\"sha256-" index.html || fail "index.html does not name $new"
}

# English is compiled into the page; what boot.js says stands in index.html.
version_language() {
  local folder file
  folder=language-$(cat "$source_dir"/www/language/*.json | sha256 | cut -c "1-$DIGITS")
  mkdir "$folder"
  for file in "$source_dir"/www/language/*.json; do
    [ "${file##*/}" = en.json ] || grep -v '^ *"boot\.' "$file" >"$folder/${file##*/}"
  done
  set_meta needledrop-language "$folder/"
}

# What boot.js says, in every language: data, which no Content-Security-Policy takes for a script.
add_boot_sentences() {
  local file html language table='' marker='id="boot-sentences">'
  html=$(<index.html)
  [[ $html == *"$marker"* ]] || fail "index.html has no place for what boot.js says"
  for file in "$source_dir"/www/language/*.json; do
    language=${file##*/}
    # A sentence a line, the last without its comma.
    table+="\"${language%.json}\":{$(sed -n 's|^ *"boot\.|"|p' "$file" | sed '$ s|,$||')},"
  done
  printf '%s\n' "${html%%"$marker"*}$marker{${table%,}}${html#*"$marker"}" >index.html
}

# Numbers that views show, and the lessons.
version_data() {
  local folder
  folder=data-$(cat "$source_dir"/www/data/* | sha256 | cut -c "1-$DIGITS")
  mkdir "$folder"
  cp "$source_dir"/www/data/* "$folder/"
  set_meta needledrop-data "$folder/"
}

# The weights whose address stands in a tag: the page's own, or the paper's.
version_model() {
  local model from versioned tag=$1
  model=$(meta "$tag")
  from=$source_dir/www/$model
  [ -f "$from" ] || fail "index.html names the weights $model, but there is no www/$model"
  versioned=${model%.safetensors}-$(sha256 <"$from" | cut -c "1-$DIGITS").safetensors
  mkdir -p "$(dirname "$versioned")"
  cp "$from" "$versioned"
  set_meta "$tag" "$versioned"
  set_meta "$tag-bytes" "$(size "$versioned")"
}

# Every staged file as a line of the service worker's FILES; what only a GPU needs
# and the paper's network are kept once they were asked for. index.html goes by
# the folder's own address, which no host redirects.
list_files() {
  local file address versioned on_demand papers
  papers=$(meta needledrop-papers)
  find . -type f ! -name sw.js | sed 's|^\./||' | LC_ALL=C sort | while read -r file; do
    address=$file
    [ "$file" != index.html ] || address=./
    versioned=false
    [[ ! $file =~ -[0-9a-f]{8,16} ]] || versioned=true
    on_demand=false
    [[ $file != */gpu[._-]* && $file != "$papers" ]] || on_demand=true
    printf '  ["%s", "%s", %s, %s],\n' "$address" "$(integrity "$file")" "$versioned" "$on_demand"
  done
}

# Its version is of what it does too: a version that cannot be installed is cleared away,
# and must not be the one that is in use.
write_service_worker() {
  local list
  list=$(mktemp)
  list_files >"$list"
  awk -v list="$list" -v version="$(cat "$list" "$source_dir/www/sw.js" | sha256 | cut -c "1-$DIGITS")" '
    /^const FILES = / { print "const FILES = ["; while ((getline line < list) > 0) print line; print "];"; next }
    /^const VERSION = / { print "const VERSION = \"" version "\";"; next }
    { print }
  ' "$source_dir/www/sw.js" >sw.js
  rm "$list"
  grep -q '"\./", "sha256-' sw.js || fail "the service worker does not list the page"
}

version_page
version_engine
add_views
join_styles
slim_boot
version_language
add_boot_sentences
version_data
version_model needledrop-model
version_model needledrop-papers
"$source_dir/scripts/notices.sh" >THIRD-PARTY.txt
grep -q "^wgpu " THIRD-PARTY.txt || fail "the notices leave out what the GPU's engine is made of"
write_service_worker
