#!/usr/bin/env bash
# Times a training step of row 8 (batch 64, Adam) on a GPU beside PyTorch: the same network,
# the same clips, drawn anew for each step from all that lie on the device as bytes and are
# coloured there, one after the other on one machine. Prints how many times PyTorch's step
# ours is, by precision, and what `plain` takes by both: 24 epochs of 125 steps, without what
# is judged after each.
#
#   scripts/bench-gpu.sh ARCHIVE [DEVICE [FOLDER]]
#
# ARCHIVE is a log-mel archive (`needledrop prepare`). DEVICE is what `train --device` is told
# (default: cuda); PyTorch takes the GPU that it finds, and the processor where it finds none.
# NEEDLEDROP names a binary that is built already, else one is built with the device's feature.
# FOLDER takes a Python environment with PyTorch, where the system's Python has none; it is
# made where absent (default: .cache/torch).
set -euo pipefail
archive=$(realpath -s "${1:?usage: scripts/bench-gpu.sh ARCHIVE [DEVICE [FOLDER]]}")
cd "$(dirname "$0")/.."
source scripts/sounds.sh
device=${2:-cuda}
python=python3
if ! python3 -c 'import torch, numpy' 2>/dev/null; then
    folder=${3:-.cache/torch}
    python=$folder/bin/python
    if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
        echo "Installing PyTorch into $folder ..." >&2
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet torch numpy
    fi
fi

features=()
case $device in cuda | wgpu) features=(--features "$device") ;; esac
needledrop=$(needledrop_program "${features[@]}")
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT

date +%F
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null ||
    grep -m1 'model name' /proc/cpuinfo | cut -d: -f2
# The first steps may be slower: a second process takes more than the first, and what it takes
# longer is counted. On a GPU steps are counted in eights. In f32 burn's tuning may take tf32.
first=${BENCH_FIRST:-16} steps=${BENCH_STEPS:-96}
# Vulkan has no sums of bfloat16.
precisions=(float32)
ours=()
case $device in cuda | flex) precisions+=(bfloat16) ;; esac
for precision in "${precisions[@]}"; do
    options=()
    [ "$precision" = float32 ] || options=(--bf16)
    line=$(for count in "$first" $((first + steps)); do
        "$needledrop" train "$archive" --row 8 --recipe plain --device "$device" "${options[@]}" --max-steps "$count" \
            -o "$run/$precision-$count" | { grep -E ' a step$|^Programs ' || true; }
    done | awk -v first="$first" -v steps="$steps" -v name="needledrop, $precision on $device" '
        / a step$/ { s[++n] = $4; taken = $1 }
        /^Programs / { warm = ", after " $(NF - 1) " s of compiling and tuning" }
        END {
            if (n != 2 || taken != first + steps) {
                print "bench-gpu: an epoch of this archive has fewer than " first + steps " steps, or " name " fails" >"/dev/stderr"
                exit 1
            }
            printf "%-40s %7.1f ms a step (%.1f s for the first %d%s)\n", name, 1000 * (s[2] - s[1]) / steps, s[1], first, warm
        }')
    echo "$line"
    ours+=("$precision=$(sed -E 's/.* ([0-9.]+) ms a step.*/\1/' <<<"$line")")
done

"$python" - "$archive" "$first" "$steps" "${ours[@]}" <<'PYTHON'
import contextlib
import json
import struct
import sys
import time

import numpy as np
import torch
from torch import nn

FIRST, STEPS = int(sys.argv[2]), int(sys.argv[3])
OURS = {name: float(ms) for name, ms in (pair.split("=") for pair in sys.argv[4:])}
BATCH, EPOCHS, STEPS_OF_EPOCH = 64, 24, 125
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
theirs = {}
for precision in ("float32", "tf32", "bfloat16") if device == "cuda" else ("float32", "bfloat16"):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.manual_seed(0)
    model = network().to(device)
    assert sum(p.numel() for p in model.parameters()) == 2_125_322, "row 8 has other parameters"
    adam = torch.optim.Adam(model.parameters(), lr=5e-4)
    half = torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()

    def step():
        batch = torch.randint(len(pictures), (BATCH,), device=device)
        seen = colours[pictures[batch].int()].permute(0, 3, 1, 2)
        adam.zero_grad(set_to_none=True)
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
    theirs[precision] = 1000 * took / STEPS
    print(f"{name:<40} {theirs[precision]:7.1f} ms a step ({warm - begun:.1f} s for the first {FIRST})")
for mine, ms in OURS.items():
    steps = EPOCHS * STEPS_OF_EPOCH / 1000
    print(f"needledrop, {mine}: {EPOCHS} epochs {ms * steps:.0f} s")
    for precision, of_torch in theirs.items():
        if mine == precision or {mine, precision} == {"float32", "tf32"}:
            print(f"  {ms / of_torch:.2f} times PyTorch's step in {precision} ({of_torch * steps:.0f} s)")
PYTHON
