#!/usr/bin/env bash
# Trains the page's own network by the settled recipe (docs/experiments.md): three small
# teachers, which hear clips in different ways, and the pupil that they teach.
#
#   scripts/train-ears.sh ARCHIVE FOLDER [SPLIT [SEED [OPTION ...]]]
#
# ARCHIVE is gtzan-mel.safetensors or one like it (docs/training.md; hop 1920, frames not
# centred), beside it the folder `splits` where the split is `filtered`.
# FOLDER gets a run's folder for each of the four, SPLIT (default: filtered) and SEED
# (default: 0) say how; but for `filtered` and `lists`, which are fixed, SEED draws the
# split too. More options go to `needledrop train`: --refit, --device cuda, and --lists
# TRAIN VALIDATION TEST where the split is `lists`. The program is built for that device;
# $NEEDLEDROP names one that is there already. What was interrupted
# goes on where it was by the same command. Half an hour and more on 2 cores.
set -euo pipefail
usage="usage: scripts/train-ears.sh ARCHIVE FOLDER [SPLIT [SEED [OPTION ...]]]"
archive=$(realpath -s "${1:?$usage}")
runs=$(realpath -m "${2:?$usage}")
split=${3:-filtered}
seed=${4:-0}
options=("${@:5}")
device=
for at in "${!options[@]}"; do
  case ${options[at]} in
    --device) device=${options[at + 1]:-} ;;
    --device=*) device=${options[at]#*=} ;;
  esac
  [ ! -f "${options[at]}" ] || options[at]=$(realpath -s "${options[at]}")
  case ${options[at]} in
    --max-*)
      echo "train-ears.sh takes no ${options[at]}: a teacher that is not done would teach; stop it by Ctrl-C" >&2
      exit 2
      ;;
  esac
done
cd "$(dirname "$0")/.."
source scripts/sounds.sh
program=$(needledrop_on "$device")
case $split in
  filtered | lists) ;;
  *) options+=(--split-seed "$seed") ;;
esac

# train DESIGN [OPTION ...]: into the folder of that name, or on from its checkpoint.
train() {
  local run=$runs/$1 resume=()
  [ ! -e "$run/checkpoint.safetensors" ] || resume=(--resume)
  "$program" train "$archive" --design "docs/designs/$1.json" --split "$split" --seed "$seed" \
    "${options[@]}" "${@:2}" "${resume[@]}" -o "$run"
}

teachers=()
for teacher in small-decay centred centred-late-pools-decay; do
  train "$teacher"
  teachers+=("$runs/$teacher")
done
train ears-phone --teachers "${teachers[@]}"
