#!/usr/bin/env bash
# Times a training step of row 8 (batch 64, Adam) on a GPU beside PyTorch: the same network,
# the same clips, drawn anew for each step from all that lie on the device as bytes and are
# coloured there, one after the other on one machine. Prints how many times PyTorch's step
# ours is, by precision, and what the steps of `plain` take by both: 24 epochs of 125. What is
# judged after each epoch is not in that, nor the checkpoints, nor what compiling takes.
#
#   scripts/bench-gpu.sh ARCHIVE [DEVICE [FOLDER]]
#
# ARCHIVE is a log-mel archive (`needledrop prepare`). DEVICE is what `train --device` is told
# (default: cuda); PyTorch takes the GPU that it finds, and the processor where it finds none.
# NEEDLEDROP names a binary that is built already, else one is built with the device's feature.
# FOLDER takes a Python environment with PyTorch, where the system's Python has none; it is
# made where absent (default: .cache/torch). Where PyTorch cannot be had, ours is not compared.
# What fails in one precision fails alone, and in the exit status where it is ours.
set -euo pipefail
archive=$(realpath -s "${1:?usage: scripts/bench-gpu.sh ARCHIVE [DEVICE [FOLDER]]}")
folder=$(realpath -m "${3:-$(dirname "$0")/../.cache/torch}")
cd "$(dirname "$0")/.."
source scripts/sounds.sh
device=${2:-cuda}
needledrop=$(needledrop_on "$device")
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT

date +%F
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null ||
    grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 || true
# The first steps may be slower: a second process takes more than the first, and what it takes
# longer is counted. On a GPU steps are counted in eights. In f32 burn's tuning may take tf32.
first=${BENCH_FIRST:-16} steps=${BENCH_STEPS:-96}
epochs=24 steps_of_epoch=125

# pace PRECISION: what a step takes us.
pace() {
    local options=() count
    [ "$1" = float32 ] || options=(--bf16)
    for count in "$first" $((first + steps)); do
        "$needledrop" train "$archive" --row 8 --recipe plain --device "$device" "${options[@]}" --max-steps "$count" \
            -o "$run/$1-$count" | { grep -E ' a step$|^Programs ' || true; } || break
    done | awk -v first="$first" -v steps="$steps" -v all=$((epochs * steps_of_epoch)) -v epochs="$epochs" \
        -v name="needledrop, $1 on $device" '
        / a step$/ { s[++n] = $4; taken = $1 }
        /^Programs / { warm = ", after " $(NF - 1) " s of compiling and tuning" }
        END {
            if (n != 2 || taken != first + steps) {
                print "bench-gpu: an epoch of this archive has fewer than " first + steps " steps, or " name " fails" >"/dev/stderr"
                exit 1
            }
            step = (s[2] - s[1]) / steps
            printf "%-40s %7.1f ms a step (%.1f s for the first %d%s)\n", name, 1000 * step, s[1], first, warm
            printf "  %d epochs: %.0f s, without validation and checkpoints\n", epochs, step * all
        }'
}

# Vulkan has no sums of bfloat16.
precisions=(float32)
case $device in cuda | flex) precisions+=(bfloat16) ;; esac
ours=() failed=false
for precision in "${precisions[@]}"; do
    if said=$(pace "$precision"); then
        echo "$said"
        ours+=("$precision=$(sed -nE 's/.* ([0-9.]+) ms a step.*/\1/p' <<<"$said")")
    else
        failed=true
    fi
done

has_torch() { "$1" -c 'import torch, numpy' 2>/dev/null; }
python=python3
if ! has_torch "$python"; then
    python=$folder/bin/python
    if ! has_torch "$python"; then
        echo "Installing PyTorch into $folder ..." >&2
        { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet torch numpy; } >&2 || true
    fi
fi
if ! has_torch "$python"; then
    echo "PyTorch is not here and cannot be installed: not compared"
    [ "$failed" = false ]
    exit
fi

"$python" - "$archive" "$first" "$steps" $((epochs * steps_of_epoch)) "${ours[@]}" <<'PYTHON' || echo "PyTorch failed: not compared" >&2
import contextlib
import json
import struct
import sys
import time

import numpy as np
import torch
from torch import nn

FIRST, STEPS = int(sys.argv[2]), int(sys.argv[3])
ALL_STEPS = int(sys.argv[4])
OURS = {name: float(ms) for name, ms in (pair.split("=") for pair in sys.argv[5:])}
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
theirs = {}


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
    theirs[precision] = 1000 * took / STEPS
    print(f"{name:<40} {theirs[precision]:7.1f} ms a step ({warm - begun:.1f} s for the first {FIRST})", flush=True)


for precision in ("float32", "tf32", "bfloat16") if device == "cuda" else ("float32", "bfloat16"):
    try:
        bench(precision)
    except RuntimeError as error:
        print(f"bench-gpu: PyTorch fails in {precision} on {device}: {error}", file=sys.stderr)
for mine, ms in OURS.items():
    for precision, of_torch in theirs.items():
        if mine == precision or {mine, precision} == {"float32", "tf32"}:
            print(
                f"needledrop, {mine}: {ms / of_torch:.2f} times PyTorch's step in {precision} "
                f"(its steps {of_torch * ALL_STEPS / 1000:.0f} s)"
            )
PYTHON
[ "$failed" = false ]
