#!/usr/bin/env bash
# Times a training step of row 8 (batch 64, Adam) on a GPU beside PyTorch: the same network,
# the same clips, drawn anew for each step from all that lie on the device as bytes and are
# coloured there, one after the other on one machine. Prints how many times PyTorch's step
# ours is, by precision, and what the steps of `plain` take by both: 24 epochs of 125. What is
# judged after each epoch is not in that, nor the checkpoints, nor what compiling takes. On cuda
# our f32 may be tf32, where burn's tuning finds that faster: it is held against PyTorch's tf32
# alone. At the end 20 epochs of row 8 are trained as they are used, on cuda with --bf16: they
# should take 60 s at most, what is judged after each of them included.
#
#   scripts/bench-gpu.sh ARCHIVE [DEVICE [FOLDER]]
#
# ARCHIVE is a log-mel archive (`needledrop prepare`) of 112 steps an epoch at least. DEVICE is what
# `train --device` is told (default: cuda); PyTorch takes the GPU that it finds, and the processor
# where it finds none. FOLDER takes a Python environment with PyTorch, where the system's Python has
# none; it is made where absent (default: .cache/torch). Where PyTorch cannot be had, ours is not
# compared. What fails in one precision fails alone, and in the exit status where it is ours.
# BENCH_STEPS takes another number of steps than 112 (eights of them on a GPU), BENCH_EPOCHS another
# number of epochs than 20, or 0 for none.
#
# NEEDLEDROP names a binary that is built already, else one is built with the device's feature.
# That of cuda needs a C++17 compiler and, the first time, GitHub, from where burn's LLVM comes
# (kept in $XDG_DATA_HOME/tracel, or ~/.local/share/tracel). Where the machine with the GPU has no
# network, build on another of the same kind of system, `strip` the binary, carry it there, and
# name it by NEEDLEDROP. To run, cuda needs NVIDIA's driver and the CUDA toolkit's nvvm/libdevice.
set -euo pipefail
archive=$(realpath -s "${1:?usage: scripts/bench-gpu.sh ARCHIVE [DEVICE [FOLDER]]}")
folder=$(realpath -m "${3:-$(dirname "$0")/../.cache/torch}")
cd "$(dirname "$0")/.."
source scripts/sounds.sh
device=${2:-cuda}
# As cubecl looks for it: where CUDA_PATH is set, nowhere else. Only a warning, since a binary of
# another version may look elsewhere.
if [ "$device" = cuda ]; then
    places=(/usr/local/cuda /opt/cuda /usr/lib/cuda /usr)
    [ -z "${CUDA_PATH:-}" ] || places=("$CUDA_PATH")
    if [ -z "$(ls "${places[@]/%//nvvm/libdevice/libdevice.10.bc}" 2>/dev/null)" ]; then
        echo "bench-gpu: no nvvm/libdevice/libdevice.10.bc under ${places[*]}: cuda will fail; let CUDA_PATH name a CUDA toolkit" >&2
    fi
fi
needledrop=$(needledrop_on "$device")
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT

date +%F
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null ||
    grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 || true
# The first steps may be slower, also after tuning. `train` tells what the last three quarters
# took; a GPU is looked at after every eighth step.
steps=${BENCH_STEPS:-112}
first=$((steps / 4))
case $device in cuda | wgpu) first=$(((first + 7) / 8 * 8)) ;; esac
if [ "$steps" -le "$first" ]; then
    echo "bench-gpu: of $steps steps none is left to be timed: let BENCH_STEPS be 16 at least" >&2
    exit 2
fi
# A processor takes PyTorch some seconds a step.
limit=300
command -v nvidia-smi >/dev/null || limit=3600
epochs=24 steps_of_epoch=125

# PyTorch is timed first, in seconds: what time there is may end while ours is tuned. Nothing of
# it may take for ever.
has_torch() { timeout --foreground 120 "$1" -c 'import torch, numpy' 2>/dev/null; }
python=python3
if ! command -v python3 >/dev/null; then
    echo "bench-gpu: there is no python3, and so no PyTorch to compare with: install it" >&2
elif ! has_torch "$python"; then
    python=$folder/bin/python
    if ! has_torch "$python"; then
        echo "Installing PyTorch into $folder ..." >&2
        { python3 -m venv "$folder" && timeout --foreground 600 "$folder/bin/pip" install --quiet --retries 1 torch numpy; } >&2 || true
    fi
fi
if ! has_torch "$python"; then
    echo "PyTorch is not here and cannot be installed: not compared"
else
    timeout --foreground "$limit" "$python" - "$archive" "$first" $((steps - first)) "$run/theirs" <<'PYTHON' ||
import contextlib
import json
import struct
import sys
import time

import numpy as np
import torch
from torch import nn

FIRST, STEPS = int(sys.argv[2]), int(sys.argv[3])
BATCH = 64
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.backends.cudnn.benchmark = True


def clips(path):
    """Every three-second clip as the indices of its picture's colours, [clips, 128, 128]."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        begin, end = header["mel"]["data_offsets"]
        file.seek(8 + length + begin)
        mel = np.frombuffer(file.read(end - begin), np.uint8).reshape(header["mel"]["shape"])
    frames = int(3 * int(header["__metadata__"]["sample_rate"]) / int(header["__metadata__"]["hop_length"]))
    frames = min(frames, mel.shape[2])
    columns = np.arange(128) * frames // 128
    bands = np.arange(128) * mel.shape[1] // 128
    # Ten of a track, where the archive has tracks; of a clip, the clip.
    starts = np.unique(np.linspace(0, mel.shape[2] - frames, 10).astype(int))
    return torch.from_numpy(np.concatenate([mel[:, bands][:, :, start + columns] for start in starts]))


def network():
    layers, channels = [], 3
    for _ in range(6):
        layers += [nn.Conv2d(channels, 128, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3)]
        channels = 128
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10))


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


pictures = clips(sys.argv[1]).to(device)
genres = torch.arange(len(pictures), device=device) % 10
# As many as viridis has.
colours = torch.rand(256, 3, device=device)


def bench(precision):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.manual_seed(0)
    model = network().to(device)
    assert sum(p.numel() for p in model.parameters()) == 2_125_322, "row 8 has other parameters"
    adam = torch.optim.Adam(model.parameters(), lr=5e-4)

    def step():
        batch = torch.randint(len(pictures), (BATCH,), device=device)
        seen = colours[pictures[batch].int()].permute(0, 3, 1, 2)
        adam.zero_grad(set_to_none=True)
        half = torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
        with half:
            loss = nn.functional.cross_entropy(model(seen), genres[batch])
        loss.backward()
        adam.step()

    begun = time.perf_counter()
    for _ in range(FIRST):
        step()
    wait()
    warm = time.perf_counter()
    for _ in range(STEPS):
        step()
    wait()
    took = time.perf_counter() - warm
    name = f"PyTorch {torch.__version__}, {precision} on {device}"
    step_ms = 1000 * took / STEPS
    print(f"{name:<40} {step_ms:7.1f} ms a step ({warm - begun:.1f} s for the first {FIRST})", flush=True)
    # What is here when time is up, counts.
    with open(sys.argv[4], "a") as file:
        print(precision, step_ms, file=file)


for precision in ("float32", "tf32", "bfloat16") if device == "cuda" else ("float32", "bfloat16"):
    try:
        bench(precision)
    except RuntimeError as error:
        print(f"bench-gpu: PyTorch fails in {precision} on {device}: {error}", file=sys.stderr)
PYTHON
        echo "PyTorch failed, or took more than $limit s: what it has not told is not compared" >&2
fi

# pace PRECISION: what a step takes us, beside PyTorch's of the same precision.
pace() {
    local options=() name=f32 peer=float32
    # No other device of ours rounds to tf32.
    [ "$device" != cuda ] || name="f32 or tf32" peer=tf32
    [ "$1" = float32 ] || options=(--bf16) name=bfloat16 peer=bfloat16
    "$needledrop" train "$archive" --row 8 --recipe plain --device "$device" "${options[@]}" --max-steps "$steps" \
        -o "$run/$1" | { grep -E ' a step$|^Programs |^The last ' || true; } |
        awk -v steps="$steps" -v all=$((epochs * steps_of_epoch)) -v epochs="$epochs" -v peer="$peer" \
            -v name="$name" -v device="$device" -v theirs="$run/theirs" '
        / a step$/ { taken = $1; in_all = $4 }
        /^The last / { last = $3; took = $(NF - 1) }
        /^Programs / { warm = ", after " $(NF - 1) " s of compiling and tuning" }
        END {
            if (taken != steps || !(last > 0)) {
                print "bench-gpu: an epoch of this archive has fewer than " steps " steps, or needledrop fails in " name " on " device >"/dev/stderr"
                exit 1
            }
            step = took / last
            printf "%-40s %7.1f ms a step (%.1f s for the first %d%s)\n", "needledrop, " name " on " device, 1000 * step, in_all - took, steps - last, warm
            printf "  %d epochs: %.0f s, without validation and checkpoints\n", epochs, step * all
            while ((getline line <theirs) > 0) {
                split(line, told, " ")
                if (told[1] == peer)
                    printf "  %.2f times PyTorch'"'"'s step in %s (its steps %.0f s)\n", 1000 * step / told[2], peer, told[2] * all / 1000
            }
        }'
}

# Vulkan has no sums of bfloat16.
precisions=(float32)
case $device in cuda | flex) precisions+=(bfloat16) ;; esac
failed=false timed=
for precision in "${precisions[@]}"; do
    if pace "$precision"; then timed=$precision; else failed=true; fi
done

# told KEY: what a training's checkpoint has under a key of its history or its calls.
told() {
    head -c 1000000 "$run/epochs/checkpoint.safetensors" | LC_ALL=C grep -aoE "\\\\\"$1\\\\\":[0-9.e-]+" | cut -d: -f2 || true
}
wanted=${BENCH_EPOCHS:-20}
if [ "$device $timed" = "cuda bfloat16" ] && [ "$wanted" -gt 0 ]; then
    began=$(date +%s)
    # Stopped, it leaves a checkpoint of what it has done.
    timeout --foreground -k 30 -s INT 300 "$needledrop" train "$archive" --row 8 --split clips --recipe plain --epochs "$wanted" \
        --device cuda --bf16 -o "$run/epochs" >"$run/told" || failed=true
    in_all=$(($(date +%s) - began))
    grep '^Epoch ' "$run/told" | tail -n 1 || true
    if [ -e "$run/epochs/checkpoint.safetensors" ]; then
        told seconds | awk -v wanted="$wanted" -v warm="$(told warm_up_seconds)" -v all="$in_all" '
            { sum += $1 }
            END {
                printf "row 8, plain, bfloat16 on cuda: %d of %d epochs in %.1f s, with validation and without checkpoints, ", NR, wanted, sum
                printf "after %.1f s of compiling and tuning; %d s from start to end\n", warm, all
            }'
    else
        echo "bench-gpu: the training of $wanted epochs left no checkpoint; what it said stands above" >&2
        failed=true
    fi
fi
[ "$failed" = false ]
