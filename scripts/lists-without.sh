#!/usr/bin/env bash
# The lists of a split without some songs: to train a model that has learned nothing of
# them and that nothing of them has chosen.
#
#   scripts/lists-without.sh [MUSIC [SPLITS [OUT]]]
#
# MUSIC is a folder of songs, at any depth, named as in the lists (default:
# ../shared/data/audio). SPLITS has the lists train_filtered.txt, valid_filtered.txt and
# test_filtered.txt (default: ../shared/data/splits). OUT gets lists of the same names
# (default: lists). Then
#
#   scripts/train-ears.sh ARCHIVE FOLDER lists 0 --lists OUT/{train,valid,test}_filtered.txt
#   scripts/bench-robustness.sh MODEL MUSIC OUT
set -euo pipefail
music=$(realpath -m "${1:-$(dirname "$0")/../../shared/data/audio}")
splits=$(realpath -m "${2:-$(dirname "$0")/../../shared/data/splits}")
out=$(realpath -m "${3:-lists}")
for place in "$music" "$splits"; do
  [ -d "$place" ] || { echo "$place is not here; name a folder" >&2; exit 1; }
done
[ "$out" != "$splits" ] || { echo "$out has the whole lists, which would be lost; name another folder for OUT" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
names=$work/names
# A track's number is no ending.
find "$music" -type f -printf '%f\n' | sed -E '/\.[0-9]+$/! s/\.[^.]*$//' | sort -u >"$names"
[ -s "$names" ] || { echo "there is no file in $music; name a folder with songs in it" >&2; exit 1; }
for part in train valid test; do
  list=$splits/${part}_filtered.txt
  : >"$work/${part}_filtered.txt"
  # By the file's name without folder and ending, as songs are named in MUSIC.
  awk -v left="$work/${part}_filtered.txt" -v name_of_list="$list" -v counts="$work/taken" '
    NR == FNR { without[$0]; next }
    { name = $0 }
    # A mark that some editors begin a file with.
    FNR == 1 { sub(/^\357\273\277/, "", name) }
    { sub(/[[:space:]]*$/, "", name); sub(/#[0-9]+$/, "", name); sub(/.*\//, "", name) }
    # Without an ending, what follows a dot is part of the name.
    name in without { taken++; next }
    name !~ /\.[0-9]+$/ { sub(/\.[^.]*$/, "", name) }
    name in without { taken++; next }
    { print >> left }
    END {
      printf "%s: %d of %d taken out\n", name_of_list, taken, FNR
      print taken + 0 >> counts
    }
  ' "$names" "$list"
done
if [ "$(awk '{ sum += $1 } END { print sum }' "$work/taken")" -eq 0 ]; then
  echo "no song in $music is in these lists by its name: nothing was taken out" >&2
  exit 1
fi
mkdir -p "$out"
mv "$work"/*_filtered.txt "$out/"
