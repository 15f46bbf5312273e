#!/usr/bin/env bash
# Whether a GPU trains as the processor does: row 8's network without dropout, whose masks each
# device draws in its own way, is trained for eight steps of 16 clips on burn's Flex and on the
# GPU, from the same weights, with the same clips. (A GPU stops at every eighth step only.)
# Prints for each tensor how far apart the two are, as a share of the longest way that Adam goes in
# so many steps, and fails where that is above a quarter. Adam's first steps go by the signs of the
# gradients, so that the last digit of one near 0 decides a step: between our own convolutions and
# Flex it is up to 0.11; of biases from other weights and other clips, 0.41 to 0.61 (2026-11-30).
#
#   scripts/check-gpu.sh ARCHIVE [DEVICE]
#
# ARCHIVE is a log-mel archive (`needledrop prepare`) of 200 clips at least. DEVICE is what
# `train --device` is told (default: cuda); with cpu the check is one of our own convolutions.
# NEEDLEDROP names a binary that is built already, else one is built with the device's feature.
# On 2 cores Flex takes half a minute.
set -euo pipefail
archive=$(realpath -s "${1:?usage: scripts/check-gpu.sh ARCHIVE [DEVICE]}")
cd "$(dirname "$0")/.."
source scripts/sounds.sh
device=${2:-cuda}
needledrop=$(needledrop_on "$device")
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT

python3 - "$archive" "$device" "$needledrop" "$run" <<'PYTHON'
import array, json, math, struct, subprocess, sys

archive, device, needledrop, run = sys.argv[1:]
STEPS, RATE = 8, 5e-4


def read(path):
    """Names, shapes and places of a file's tensors, and what lies there."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length)), file.read()


genres = set(json.loads(read(archive)[0]["__metadata__"]["genres"]))
block = {"filters": 128, "kernel": 5, "padding": "same", "pool": [2, 2], "dropout": 0.0}
network = {"input": [3, 128, 128], "blocks": [block] * 6, "dense": [128], "classes": len(genres)}
recipe = {"name": "check", "learning_rate": RATE, "schedule": "constant", "batch_size": 16, "epochs": 1}
design = {"name": "Check", "input": {"kind": "viridis", "height": 128, "width": 128}, "network": network}
with open(f"{run}/design.json", "w") as file:
    json.dump(design | {"recipe": recipe | {"patience": None, "l2": 0.0}}, file)


def trained(on, to):
    """Where a training on this device stands, and its weights."""
    words = ["train", archive, "--design", f"{run}/design.json", "--device", on, "--max-steps", str(STEPS)]
    subprocess.run([needledrop, *words, "-o", to], check=True, stdout=subprocess.DEVNULL)
    tensors, data = read(f"{to}/checkpoint.safetensors")
    state = json.loads(tensors.pop("__metadata__")["checkpoint"])
    places = {name: tensor["data_offsets"] for name, tensor in tensors.items() if name.startswith("now.")}
    weights = {name: array.array("f", data[begin:end]) for name, (begin, end) in places.items()}
    return (state["epoch"], state["step"]), weights


(stood, exact), (stands, other) = trained("flex", f"{run}/flex"), trained(device, f"{run}/other")
if (stood, stands) != ((0, STEPS), (0, STEPS)):
    sys.exit(f"check-gpu: flex is {stood} epochs and steps on, {device} {stands}: the archive has too few clips")
failed = []
for name in sorted(exact):
    apart = math.sqrt(sum((a - b) ** 2 for a, b in zip(exact[name], other[name], strict=True)))
    share = apart / (STEPS * RATE * math.sqrt(len(exact[name])))
    print(f"{name:<20} {share:.2f}")
    # What is no number is not within it.
    if not share <= 0.25:
        failed.append(name)
if failed:
    why = " (factors rounded to tf32 may be the cause, which docs/training.md tells of)" if device == "cuda" else ""
    sys.exit(f"check-gpu: {device} and flex are too far apart in {', '.join(failed)}{why}")
PYTHON
