#!/usr/bin/env bash
# What a split lets through, without any network: names each clip of 3 s of the test part
# by the training clip whose mean spectrum is nearest, and by support vectors on the same
# 128 numbers, on the three splits. No rhythm, no harmony, no melody is in them: what they
# get right where they have heard the recording, and not where they have not, is leakage.
#
#   scripts/bench-leakage.sh ARCHIVE [FOLDER [OUT]]
#
# ARCHIVE is a log-mel archive of whole tracks (`needledrop prepare --no-center`) with the
# lists of `filtered` in splits/ beside it. FOLDER takes the Python environment with
# scikit-learn; it is made where absent (default: .cache/leakage). OUT gets the numbers as JSON.
set -euo pipefail
archive=$(realpath -s "${1:?usage: scripts/bench-leakage.sh ARCHIVE [FOLDER [OUT]]}")
out=$(realpath -m "${3:-/dev/null}")
[ -d "$(dirname "$out")" ] || { echo "there is no folder $(dirname "$out") for $out" >&2; exit 1; }
python_home=$(realpath -m "${2:-$(dirname "$0")/../.cache/leakage}")
cd "$(dirname "$0")/.."

if ! "$python_home/bin/python" -c 'import sklearn, safetensors' 2>/dev/null; then
    echo "Installing scikit-learn into $python_home ..." >&2
    python3 -m venv "$python_home"
    "$python_home/bin/pip" install --quiet scikit-learn safetensors numpy
fi

"$python_home/bin/python" - "$archive" "$out" <<'PYTHON'
import datetime
import json
import os
import sys

import numpy as np
from safetensors import safe_open
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

with safe_open(sys.argv[1], "numpy") as file:
    about, mel, frames = file.metadata(), file.get_tensor("mel"), file.get_tensor("frames")
tracks, genres = json.loads(about["tracks"]), np.array(json.loads(about["genres"]))
length = int(3 * int(about["sample_rate"]) / int(about["hop_length"]))

# Ten clips of a track, evenly spaced, in decibels below their loudest cell, 80 at most.
spectra, track = [], []
for at, of_track in enumerate(mel):
    for start in np.rint(np.linspace(0, frames[at] - length, 10)).astype(int):
        decibels = of_track[:, start : start + length].astype(np.float32) * (100 / 255)
        spectra.append(np.maximum(decibels - decibels.max(), -80).mean(1))
        track.append(at)
spectra, track = np.array(spectra), np.array(track)
genre = genres[track]

rng = np.random.default_rng(0)
clip = rng.permutation(len(spectra))
splits = {"clips": (clip[: len(clip) * 8 // 10], clip[-(len(clip) // 10) :])}
learned, judged = [], []
for name in np.unique(genres):
    of_genre = rng.permutation(np.flatnonzero(genres == name))
    learned.extend(of_genre[: len(of_genre) * 8 // 10])
    judged.extend(of_genre[-(len(of_genre) // 10) :])
splits["tracks"] = tuple(np.flatnonzero(np.isin(track, some)) for some in (learned, judged))
place = {name: at for at, name in enumerate(tracks)}


def name_of(line):
    """A list's name without folders and ending: a track's number is none."""
    name = os.path.basename(line.strip())
    stem, ending = os.path.splitext(name)
    return name if ending[1:].isdigit() else stem


lists = []
for part in ("train", "test"):
    path = os.path.join(os.path.dirname(sys.argv[1]), "splits", f"{part}_filtered.txt")
    names = [name_of(line) for line in open(path) if line.strip()]
    lists.append(np.flatnonzero(np.isin(track, [place[name] for name in names if name in place])))
splits["filtered"] = tuple(lists)

methods = {
    "nearest mean spectrum": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(1)),
    "support vectors": lambda: make_pipeline(
        StandardScaler(), PCA(64, whiten=True, random_state=0), SVC(C=10, gamma=1 / 64)
    ),
}
found = {}
for split, (train, test) in splits.items():
    if not len(test):
        sys.exit(f"no name in the lists of {split} is a track's of the archive")
    found[split] = {"train_clips": len(train), "test_clips": len(test)}
    for method, make in methods.items():
        right = make().fit(spectra[train], genre[train]).score(spectra[test], genre[test])
        found[split][method] = right
        print(f"{split:9} {method:22} {100 * right:.1f} % of {len(test)} test clips", flush=True)
report = {"format": "needledrop leakage", "date": datetime.date.today().isoformat(), "splits": found}
with open(sys.argv[2], "w") as file:
    file.write(json.dumps(report, indent=2) + "\n")
PYTHON
