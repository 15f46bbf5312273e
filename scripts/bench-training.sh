#!/usr/bin/env bash
# Times a training step of row 8 (batch 64) on the processor: our own convolutions, the
# same on its matrix unit where it has one, burn's backends Flex and ndarray, and Keras, one
# after the other, on clips as they are; before Keras a step of the smallest of the page's
# teachers. (burn's two others for processors are not built here: cpu brings an LLVM of its
# own from the network, tch wants PyTorch's libraries.)
#
#   scripts/bench-training.sh ARCHIVE [FOLDER]
#
# ARCHIVE is a log-mel archive of 56 steps an epoch at least; the smallest teacher's clips
# have 34 frames (`needledrop prepare --no-center --hop-length 1920`), and it is left out where the archive's have
# others. FOLDER takes the Python
# environment with Keras; it is made where absent (default: .cache/keras). NEEDLEDROP names a
# release build with the feature `ndarray` that is there already.
set -euo pipefail
shopt -s inherit_errexit
archive=$(realpath -s "${1:?usage: scripts/bench-training.sh ARCHIVE [FOLDER]}")
python_home=$(realpath -m "${2:-$(dirname "$0")/../.cache/keras}")
cd "$(dirname "$0")/.."
source scripts/sounds.sh

if [ ! -x "$python_home/bin/python" ] || ! "$python_home/bin/python" -c 'import keras' 2>/dev/null; then
    echo "Installing Keras into $python_home ..." >&2
    python3 -m venv "$python_home"
    "$python_home/bin/pip" install --quiet keras tensorflow-cpu
fi

needledrop=$(needledrop_program --features ndarray)
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT

this_machine
echo "load before: $(cut -d' ' -f1-3 /proc/loadavg)"
devices=(cpu flex ndarray)
if grep -qw amx_bf16 /proc/cpuinfo; then devices=(cpu amx flex ndarray); fi
# pace DEVICE FIRST STEPS OPTION ...: seconds a step. The FIRST of a process are slower, as
# the first step of Keras is: a second process takes STEPS more than they are, and what it
# takes longer is counted. With STEPS 0 it is the FIRST alone.
pace() {
    local device=$1 first=$2 steps=$3 out=$run/$1
    shift 3
    rm -rf "$out-first" "$out-all"
    "$needledrop" train "$archive" "$@" --device "$device" --max-steps "$first" -o "$out-first" >"$run/first" || return
    if [ "$steps" -eq 0 ]; then
        awk -v first="$first" '
            / a step$/ { counted = $1; s = $4 }
            END {
                if (counted != first) {
                    print "the training took other steps than were asked for" > "/dev/stderr"
                    exit 1
                }
                printf "%.3f s a step, the first %d of a process\n", s / first, first
            }' "$run/first"
        return
    fi
    "$needledrop" train "$archive" "$@" --device "$device" --max-steps $((first + steps)) -o "$out-all" >"$run/all" || return
    cat "$run/first" "$run/all" | awk -v first="$first" -v steps="$steps" '
        / a step$/ { counted[++i] = $1; s[i] = $4 }
        END {
            if (i != 2 || counted[1] != first || counted[2] != first + steps) {
                print "the training took other steps than were asked for: an epoch has too few" > "/dev/stderr"
                exit 1
            }
            printf "%.3f s a step (%.3f in the first %d)\n", (s[2] - s[1]) / steps, s[1] / first, first
        }'
}
for device in "${devices[@]}"; do
    # Flex takes a quarter of a minute for each, ndarray seven.
    counts=(8 16)
    case $device in
        flex) counts=(1 2) ;;
        ndarray) counts=(1 0) ;;
    esac
    pace=$(pace "$device" "${counts[@]}" --row 8 --recipe plain)
    printf 'row 8, --device %-7s %s\n' "$device" "$pace"
done
for device in "${devices[@]}"; do
    counts=(8 48)
    case $device in flex | ndarray) counts=(2 8) ;; esac
    if ! pace=$(pace "$device" "${counts[@]}" --design docs/designs/small.json); then
        echo "small is left out with --device $device" >&2
        continue
    fi
    printf 'small, --device %-7s %s\n' "$device" "$pace"
done

TF_CPP_MIN_LOG_LEVEL=3 "$python_home/bin/python" - <<'PYTHON'
import time

import keras
import numpy as np

STEPS = 6
rng = np.random.default_rng(0)
pictures = rng.random((64, 128, 128, 3), dtype=np.float32)
genres = rng.integers(0, 10, 64)

for policy in ("float32", "mixed_bfloat16"):
    keras.mixed_precision.set_global_policy(policy)
    layers = [keras.Input((128, 128, 3))]
    for _ in range(6):
        layers += [
            keras.layers.Conv2D(128, 5, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Dropout(0.3),
        ]
    layers += [
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(10, activation="softmax", dtype="float32"),
    ]
    network = keras.Sequential(layers)
    network.compile("adam", "sparse_categorical_crossentropy")
    network.train_on_batch(pictures, genres)
    start = time.perf_counter()
    for _ in range(STEPS):
        network.train_on_batch(pictures, genres)
    print(f"row 8, Keras {keras.__version__}, {policy:<15} {(time.perf_counter() - start) / STEPS:.2f} s a step")
PYTHON
