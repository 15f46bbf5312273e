#!/usr/bin/env bash
# Times `needledrop prepare` on 30,000 s of sound as WAV at hop 512, and prints
# its peak memory.
#
#   scripts/bench-prepare.sh [FOLDER]
#
# FOLDER holds recordings in folders of genres (default: ../shared/data/audio).
# They are decoded by ffmpeg to mono 16-bit WAV at 22,050 Hz, and repeated until
# there are 30,000 s, 1.3 GB, in a temporary folder. NEEDLEDROP names a release build that
# is there already.
set -euo pipefail
folder=$(realpath -m "${1:-$(dirname "$0")/../../shared/data/audio}")
cd "$(dirname "$0")/.."
seconds_wanted=30000
[ -d "$folder" ] || { echo "$folder is not here; name a folder of genres" >&2; exit 1; }
[ -x /usr/bin/time ] || { echo "/usr/bin/time is not here, which knows peak memory; install the package time" >&2; exit 1; }

source scripts/sounds.sh
needledrop=$(needledrop_program)
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT

echo "Decoding $folder ..." >&2
# What 30 s take as 16-bit WAV.
bytes_wanted=$((seconds_wanted * 22050 * 2))
recordings=0
while IFS= read -r -d '' file; do
    genre=$(basename "$(dirname "$file")")
    mkdir -p "$corpus/0/$genre"
    # Two may have one name.
    recordings=$((recordings + 1))
    wav=$corpus/0/$genre/$recordings-$(basename "${file%.*}").wav
    # jazz.00054 of GTZAN is damaged in every copy.
    if ! ffmpeg -nostdin -v error -i "$file" -ac 1 -ar 22050 -t 30 -c:a pcm_s16le "$wav"; then
        echo "$file is left out: ffmpeg cannot read it" >&2
        rm -f "$wav"
    fi
done < <(find "$folder" -type f -regextype posix-extended -iregex ".*[.]($SOUNDS)" -print0)
bytes=$(find "$corpus/0" -name '*.wav' -printf '%s\n' | awk '{ sum += $1 } END { printf "%.0f\n", sum }')
[ "$bytes" -gt 0 ] || { echo "there is no sound in $folder" >&2; exit 1; }
for copy in $(seq 1 $(((bytes_wanted + bytes - 1) / bytes - 1))); do
    cp -r "$corpus/0" "$corpus/$copy"
done

this_machine
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg)"
/usr/bin/time -f '%e s elapsed, %U s user, %S s system, %M kB at most' \
    "$needledrop" prepare "$corpus" --output "$corpus/archive.safetensors" --hop-length 512 \
    2> >(grep -v '^Warning: ' >&2) # of copies, which these are meant to be
