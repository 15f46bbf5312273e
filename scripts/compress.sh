#!/usr/bin/env bash
# Makes a built page ready for any static host. In: the folder of `trunk build`.
# Out, in the same folder: .gz and .br copies beside what they make smaller, and
# the cache headers in the two forms that hosts read (_headers, .htaccess). Prints
# what a visitor downloads, and fails where that is more than we promise, or where a
# file is in none of the groups that are counted.
# Usage: scripts/compress.sh FOLDER
set -euo pipefail
cd "${1:?usage: scripts/compress.sh FOLDER}"

# In kB (1000 bytes) of brotli.
readonly PAGE_BUDGET=400
readonly VIEWS_BUDGET=250
readonly ENGINE_BUDGET=2500
readonly WEIGHTS_BUDGET=1200
readonly PAPERS_BUDGET=4400
readonly DATA_BUDGET=100
readonly REST_BUDGET=70
# A copy that saves less than this percentage is not worth its place.
readonly LEAST_SAVING=5

size() {
  wc -c <"$1" | tr -d ' '
}

keep_if_worth() {
  if [ $((100 * $(size "$2"))) -gt $(((100 - LEAST_SAVING) * $(size "$1"))) ]; then rm "$2"; fi
}

compress() {
  find . -name '*.gz' -delete -o -name '*.br' -delete
  find . -type f -size +1k \( -name '*.html' -o -name '*.css' -o -name '*.js' -o -name '*.wasm' -o -name '*.svg' \
    -o -name '*.webmanifest' -o -name '*.json' -o -name '*.txt' -o -name '*.safetensors' \) | while read -r file; do
    gzip -9 -n -k -f "$file"
    brotli -q 11 --lgwin=24 -k -f "$file"
    keep_if_worth "$file" "$file.gz"
    keep_if_worth "$file" "$file.br"
  done
}

addresses() {
  find . -type f ! -name '*.gz' ! -name '*.br' ! -name _headers ! -name .htaccess | sed 's|^\.||' | LC_ALL=C sort
}

# For hosts that read _headers (Netlify, Cloudflare Pages). They join rules that
# overlap, so every file has one of its own.
write_headers() {
  local file policy
  { echo /; addresses; } | while read -r file; do
    policy=no-cache
    [[ ! $file =~ -[0-9a-f]{8,16} ]] || policy='public, max-age=31536000, immutable'
    printf '%s\n  Cache-Control: %s\n' "$file" "$policy"
  done >_headers
}

# For Apache: types, caching, and the compressed copies where they are there.
write_htaccess() {
  cat >.htaccess <<'APACHE'
AddType application/wasm .wasm
AddType application/manifest+json .webmanifest
AddType application/octet-stream .safetensors
AddType text/javascript .js
AddEncoding br .br
AddEncoding gzip .gz

<IfModule mod_headers.c>
  Header set Cache-Control "no-cache"
  Header set Cache-Control "public, max-age=31536000, immutable" "expr=%{REQUEST_URI} =~ m#-[0-9a-f]{8,16}#"
  Header append Vary Accept-Encoding
</IfModule>

<IfModule mod_rewrite.c>
  RewriteEngine On
  RewriteCond %{HTTP:Accept-Encoding} \bbr\b
  RewriteCond %{REQUEST_FILENAME}.br -f
  RewriteRule ^(.+)$ $1.br [L,E=no-gzip:1]
  RewriteCond %{HTTP:Accept-Encoding} \bgzip\b
  RewriteCond %{REQUEST_FILENAME}.gz -f
  RewriteRule ^(.+)$ $1.gz [L,E=no-gzip:1]
</IfModule>
APACHE
  # A host may have a type of its own for what is compressed, and a browser would save it.
  local ending type
  while read -r ending type; do
    printf '<FilesMatch "\\.%s\\.(br|gz)$">\n  ForceType %s\n</FilesMatch>\n' "$ending" "$type"
  done >>.htaccess <<'TYPES'
html text/html
css text/css
js text/javascript
json application/json
svg image/svg+xml
txt text/plain
wasm application/wasm
webmanifest application/manifest+json
safetensors application/octet-stream
TYPES
}

# The bytes that a browser downloads of these files.
downloaded() {
  local total=0 file
  for file in "$@"; do
    [ ! -e "$file.br" ] || file=$file.br
    total=$((total + $(size "$file")))
  done
  echo "$total"
}

# The file that a tag of the page names.
named() {
  sed -n "s|.*<meta name=\"$1\" content=\"\([^\"]*\)\".*|\1|p" index.html
}

within=true
# The files that a report has counted.
declare -A counted

report() {
  local name=$1 budget=$2 bytes file
  bytes=$(downloaded "${@:3}")
  for file in "${@:3}"; do counted[${file#./}]=yes; done
  printf '%-8s %8d bytes of brotli, at most %d kB\n' "$name" "$bytes" "$budget"
  [ "$bytes" -le $((budget * 1000)) ] || within=false
}

compress
write_headers
write_htaccess
report page "$PAGE_BUDGET" index.html ./*.css boot-*.js language-*/*.json page-*.js page-*.wasm manifest.webmanifest icons/icon.svg
# Kept for offline use at the first visit, and else downloaded by who opens a heavy view.
report views "$VIEWS_BUDGET" views-*.wasm
report engine "$ENGINE_BUDGET" engine-*/engine*.js engine-*/engine*.wasm engine-*/capture-worklet.js
# Only who has a GPU downloads it, beside the engine.
report gpu "$ENGINE_BUDGET" engine-*/gpu*.js engine-*/gpu*.wasm
report weights "$WEIGHTS_BUDGET" "$(named needledrop-model)"
# Only who asks for the paper's network downloads it.
report papers "$PAPERS_BUDGET" "$(named needledrop-papers)"
# What map, experiments and lesson show: likewise.
report data "$DATA_BUDGET" data-*/*.json data-*/*.html
# Kept for offline use too, and shown by few: the licences, and what stands on a home screen.
report rest "$REST_BUDGET" sw.js THIRD-PARTY.txt icons/*.png
# Whatever is there the service worker lists, and every visitor downloads.
all_counted=true
while read -r file; do
  [ -z "${counted[${file#/}]:-}" ] || continue
  echo "compress: $file is in no group: please count it in scripts/compress.sh" >&2
  all_counted=false
done < <(addresses)
[ "$all_counted" = true ] || exit 1
if [ "$within" = false ]; then
  echo "compress: more than a visitor should have to download" >&2
  exit 1
fi
