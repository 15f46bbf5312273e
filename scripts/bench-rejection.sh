#!/usr/bin/env bash
# How much of what is not music a model refuses, and how much of music.
#
#   scripts/bench-rejection.sh [MODEL [SOUNDS [MUSIC [OUT]]]]
#
# MODEL has been calibrated (default: the page's). SOUNDS takes what is not music
# and is filled by scripts/make-not-music.sh where absent (default:
# .cache/not-music); its group `test` is heard, of which no calibration knows. MUSIC
# is a folder of songs (default: ../shared/data/audio). OUT gets the numbers as JSON.
set -euo pipefail
model=$(realpath -e "${1:-$(dirname "$0")/../www/model/ears.safetensors}")
sounds=$(realpath -m "${2:-$(dirname "$0")/../.cache/not-music}")
music=$(realpath -m "${3:-$(dirname "$0")/../../shared/data/audio}")
out=$(realpath -m "${4:-/dev/null}")
cd "$(dirname "$0")/.."
source scripts/sounds.sh
[ -d "$music" ] || { echo "$music is not here; name a folder of songs" >&2; exit 1; }
scripts/setup.sh sounds >&2
[ -d "$sounds/test" ] || scripts/make-not-music.sh "$sounds" >&2
program=$(needledrop_program)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

verdicts "$program" "$model" "$sounds/test" >"$work/sounds.json"
verdicts "$program" "$model" "$music" >"$work/music.json"
python3 - "$model" "$work/sounds.json" "$work/music.json" "$out" <<'PYTHON'
import collections, datetime, json, pathlib, struct, sys

model, sounds, music, out = sys.argv[1:]
with open(model, "rb") as file:
    (length,) = struct.unpack("<Q", file.read(8))
    card = json.loads(json.loads(file.read(length))["__metadata__"]["card"])
print(f"{card['name']}: {json.dumps(card.get('rejection', card.get('rejection_threshold')))}")


report = {
    "format": "needledrop rejection",
    "model": {key: card.get(key) for key in ("name", "date", "training", "rejection")},
    "date": datetime.date.today().isoformat(),
    "kinds": {},
}


def read(path):
    return [json.loads(line) for line in open(path)]


def is_refused(clip):
    """Silence has no genre either."""
    return clip["refused"] or not clip["probabilities"]


def row(name, files):
    clips = [is_refused(clip) for file in files for clip in file["clips"]]
    whole = [file["song"]["verdict"] in ("not_music", "silence") for file in files]
    report["kinds"][name] = {
        "clips": len(clips),
        "clips_refused": sum(clips),
        "files": len(whole),
        "files_refused": sum(whole),
    }
    share = lambda flags: f"{sum(flags):4d} of {len(flags):4d} ({100 * sum(flags) / max(len(flags), 1):5.1f} %)"
    print(f"{name:<18} clips refused {share(clips)}   files {share(whole)}")


kinds = collections.defaultdict(list)
for file in read(sounds):
    kinds[pathlib.Path(file["file"]).parent.name].append(file)
for kind, files in sorted(kinds.items()):
    row(kind, files)
row("not music", [file for files in kinds.values() for file in files])
songs = read(music)
row("music", songs)
unsure = sum(song["song"]["verdict"] == "not_sure" for song in songs)
print(f"not sure of {unsure} of {len(songs)} songs")
called = collections.Counter(file["genre"] for files in kinds.values() for file in files if file["genre"])
print("what is not music was called:", ", ".join(f"{genre} {count}" for genre, count in called.most_common()) or "nothing")
report["not_sure_of_songs"], report["called"] = unsure, dict(called)
pathlib.Path(out).write_text(json.dumps(report, indent=2) + "\n")
PYTHON
