#!/usr/bin/env bash
# Whether a GPU trains as the processor does: row 8's network without dropout, whose masks each
# device draws in its own way, is trained for eight steps of 16 clips on burn's Flex and on the
# GPU, from the same weights, with the same clips. (A GPU stops at every eighth step only.)
# Prints for each tensor how far apart the two are, as a share of the longest way that Adam goes in
# so many steps, and fails where that is above a quarter. Adam's first steps go by the signs of the
# gradients, so that the last digit of one near 0 decides a step: between our own convolutions and
# Flex it is up to 0.11; of biases from other weights and other clips, 0.41 to 0.61 (2026-11-30).
#
# On cuda, f32 may be tf32, whose factors have ten bits after the point, and more signs change. There
# a tensor may be as far off as rounding to seven bits has it, if that is more than a quarter: Flex is
# trained with --bf16, too, and so is the GPU, which then may be one and a half times as far off as
# Flex is, for each rounds the maps between its convolutions in places of its own. A limit of 0.41
# or more tells little, being what has nothing in common is apart, and is marked as such.
#
#   scripts/check-gpu.sh ARCHIVE [DEVICE]
#
# ARCHIVE is a log-mel archive (`needledrop prepare`) of 200 clips at least. DEVICE is what
# `train --device` is told (default: cuda); with cpu the check is one of our own convolutions.
# On 2 cores Flex takes half a minute; with --bf16 it is slower. It computes beside the GPU.
#
# NEEDLEDROP names a binary that is built already, else one is built with the device's feature.
# That of cuda needs a C++17 compiler and, the first time, GitHub, from where burn's LLVM comes
# (kept in $XDG_DATA_HOME/tracel, or ~/.local/share/tracel). Where the machine with the GPU has no
# network, build on another of the same kind of system, `strip` the binary, carry it there, and
# name it by NEEDLEDROP. To run, cuda needs NVIDIA's driver and the CUDA toolkit's nvvm/libdevice.
set -euo pipefail
archive=$(realpath -s "${1:?usage: scripts/check-gpu.sh ARCHIVE [DEVICE]}")
cd "$(dirname "$0")/.."
source scripts/sounds.sh
device=${2:-cuda}
if ! command -v python3 >/dev/null; then
    echo "check-gpu: there is no python3, which compares the weights: install it (it needs no packages)" >&2
    exit 1
fi
# As cubecl looks for it: where CUDA_PATH is set, nowhere else. Only a warning, since a binary of
# another version may look elsewhere.
if [ "$device" = cuda ]; then
    places=(/usr/local/cuda /opt/cuda /usr/lib/cuda /usr)
    [ -z "${CUDA_PATH:-}" ] || places=("$CUDA_PATH")
    if [ -z "$(ls "${places[@]/%//nvvm/libdevice/libdevice.10.bc}" 2>/dev/null)" ]; then
        echo "check-gpu: no nvvm/libdevice/libdevice.10.bc under ${places[*]}: cuda will fail; let CUDA_PATH name a CUDA toolkit" >&2
    fi
fi
needledrop=$(needledrop_on "$device")
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT

python3 - "$archive" "$device" "$needledrop" "$run" <<'PYTHON'
import array, json, math, struct, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

archive, device, needledrop, run = sys.argv[1:]
STEPS, RATE = 8, 5e-4
QUARTER, UNRELATED = 0.25, 0.41


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


at_work = []


def trained(on, to, *options):
    """The weights after a training on this device."""
    words = ["train", archive, "--design", f"{run}/design.json", "--device", on, "--max-steps", str(STEPS)]
    call = subprocess.Popen([needledrop, *words, *options, "-o", f"{run}/{to}"], stdout=subprocess.DEVNULL)
    at_work.append(call)
    if call.wait() != 0:
        sys.exit(f"check-gpu: the training on {' '.join([on, *options])} failed; what it said stands above")
    tensors, data = read(f"{run}/{to}/checkpoint.safetensors")
    state = json.loads(tensors.pop("__metadata__")["checkpoint"])
    if (state["epoch"], state["step"]) != (0, STEPS):
        stands = f"{state['epoch']} epochs and {state['step']} steps"
        sys.exit(f"check-gpu: {on} is {stands} on, not {STEPS} steps: the archive has too few clips")
    places = {name: tensor["data_offsets"] for name, tensor in tensors.items() if name.startswith("now.")}
    return {name: array.array("f", data[begin:end]) for name, (begin, end) in places.items()}


def shares(those, exact):
    """How far each tensor is off, of the way that Adam goes."""
    shares = {}
    for name in sorted(exact):
        apart = math.sqrt(sum((a - b) ** 2 for a, b in zip(exact[name], those[name], strict=True)))
        shares[name] = apart / (STEPS * RATE * math.sqrt(len(exact[name])))
    return shares


failed = False


def judge(what, found, limits):
    """Prints what is off by how much, and which is too far."""
    global failed
    print(f"{what}, beside flex in f32:")
    for name, share in found.items():
        told = "" if limits[name] < UNRELATED else "  (tells little)"
        print(f"  {name:<20} {share:.2f}  of at most {limits[name]:.2f}{told}", flush=True)
    # What is no number is not within a limit.
    far = [name for name, share in found.items() if not share <= limits[name]]
    if far:
        failed = True
        print(f"check-gpu: {what} and flex are too far apart in {', '.join(far)}", file=sys.stderr)


# One after the other on the processor, and on the GPU beside it.
processor, gpu = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
calls = [processor.submit(trained, "flex", "flex"), gpu.submit(trained, device, "other")]
if device == "cuda":
    calls.append(processor.submit(trained, "flex", "flex-bf16", "--bf16"))
    calls.append(gpu.submit(trained, device, "other-bf16", "--bf16"))
try:
    other, exact = calls[1].result(), calls[0].result()
    found = shares(other, exact)
    if device != "cuda":
        judge(device, found, dict.fromkeys(exact, QUARTER))
    else:
        rounded = shares(calls[2].result(), exact)
        print("flex --bf16 is off by at most", f"{max(rounded.values()):.2f}", flush=True)
        judge("cuda in f32 or tf32", found, {name: max(QUARTER, share) for name, share in rounded.items()})
        found = shares(calls[3].result(), exact)
        judge("cuda --bf16", found, {name: max(QUARTER, 1.5 * share) for name, share in rounded.items()})
finally:
    # Where one has failed, nobody waits for the others.
    for pool in (processor, gpu):
        pool.shutdown(wait=False, cancel_futures=True)
    for call in at_work:
        call.kill()
sys.exit(failed)
PYTHON
