#!/usr/bin/env bash
# How much of what is not music a model refuses, and how much of music.
#
#   scripts/bench-rejection.sh [SOUNDS [MUSIC [OUT [MODEL ...]]]]
#
# SOUNDS takes what is not music and is filled by scripts/make-not-music.sh where absent
# (default: .cache/not-music); its group `test` is heard, of which no calibration knows.
# MUSIC is a folder of songs (default: ../shared/data/audio). OUT gets the numbers as JSON.
# Each MODEL has been calibrated (default: the page's). A share of clips has a 95 % interval
# by a bootstrap over recordings (files whose names differ only after their last hyphen are
# one, as `needledrop calibrate` has it), Wilson's where all are refused whole or none at all; of several models, ten at most, the seeds of one recipe, the mean has
# Student's interval over them as well (`Estimate::mean` in src/report/result.rs).
set -euo pipefail
sounds=$(realpath -m "${1:-$(dirname "$0")/../.cache/not-music}")
music=$(realpath -m "${2:-$(dirname "$0")/../../shared/data/audio}")
out=$(realpath -m "${3:-/dev/null}")
models=("${@:4}")
[ "${#models[@]}" -gt 0 ] || models=("$(dirname "$0")/../www/model/ears.safetensors")
[ "${#models[@]}" -le 10 ] || { echo "ten models at most" >&2; exit 2; }
[ -d "$(dirname "$out")" ] || { echo "there is no folder $(dirname "$out") for $out" >&2; exit 1; }
for at in "${!models[@]}"; do models[at]=$(realpath -e "${models[at]}"); done
cd "$(dirname "$0")/.."
source scripts/sounds.sh
[ -d "$music" ] || { echo "$music is not here; name a folder of songs" >&2; exit 1; }
scripts/setup.sh sounds >&2
[ -d "$sounds/test" ] || scripts/make-not-music.sh "$sounds" >&2
program=$(needledrop_program)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for at in "${!models[@]}"; do
  verdicts "$program" "${models[at]}" "$sounds/test" >"$work/sounds-$at.json"
  verdicts "$program" "${models[at]}" "$music" >"$work/music-$at.json"
done
python3 - "$work" "$out" "${models[@]}" <<'PYTHON'
import collections, datetime, hashlib, json, math, pathlib, random, statistics, struct, sys

work, out, *models = sys.argv[1:]
RESAMPLINGS = 2000
# 97.5th percentile of Student's t by degrees of freedom, from 1.
STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]


def read(path):
    files = [json.loads(line) for line in open(path)]
    for file in files:
        if "error" in file:
            print(f"{file['file']} is left out: {file['error']}", file=sys.stderr)
    return [file for file in files if file.get("clips")]


def is_refused(clip):
    """Silence has no genre either."""
    return clip["refused"] or not clip["probabilities"]


def recording(file):
    """Of what a file is: one voice may stand in several, dry, in a room and in noise."""
    path = pathlib.Path(file["file"])
    stem, _, rest = path.stem.rpartition("-")
    return path.with_name(stem or rest)


def wilson(right, of):
    """Wilson's 95 % interval, as `wilson` in src/training/evaluate.rs."""
    share, z = right / of, 1.959964
    middle, half = share + z * z / (2 * of), z * math.sqrt((share * (1 - share) + z * z / (4 * of)) / of)
    low, high = ((middle + side) / (1 + z * z / of) for side in (-half, half))
    return max(0.0, min(low, share)), min(1.0, max(high, share))


def interval(recordings):
    """Of the share of clips that are refused, with recordings drawn anew: `recordings` has of
    each its clips and how many of them are refused."""
    whole = [refused == clips for clips, refused in recordings]
    # A bootstrap knows no error where there is nothing but one answer.
    if all(whole) or not any(refused for _, refused in recordings):
        return wilson(sum(whole), len(whole))
    draw = random.Random(0)
    shares = []
    for _ in range(RESAMPLINGS):
        drawn = draw.choices(recordings, k=len(recordings))
        shares.append(sum(refused for _, refused in drawn) / sum(clips for clips, _ in drawn))
    shares.sort()
    return shares[round(0.025 * (RESAMPLINGS - 1))], shares[round(0.975 * (RESAMPLINGS - 1))]


def scored(files, recording=recording):
    """What a model makes of the files of one kind."""
    counts = collections.defaultdict(lambda: [0, 0])
    for file in files:
        counts[recording(file)][0] += len(file["clips"])
        counts[recording(file)][1] += sum(map(is_refused, file["clips"]))
    clips, refused = map(sum, zip(*counts.values()))
    low, high = interval(list(counts.values()))
    return {
        "clips": clips,
        "clips_refused": refused,
        "share": {"value": refused / clips, "low": low, "high": high},
        "files": len(files),
        "recordings": len(counts),
        "files_refused": sum(file["song"]["verdict"] in ("not_music", "silence") for file in files),
        "called": dict(collections.Counter(file["genre"] for file in files if file["genre"])),
    }


def mean(shares):
    """`Estimate::mean`."""
    value, low, high = (statistics.fmean(share[key] for share in shares) for key in ("value", "low", "high"))
    of_seeds = STUDENT[len(shares) - 2] * statistics.stdev(share["value"] for share in shares) / math.sqrt(len(shares))
    below, above = math.hypot(value - low, of_seeds), math.hypot(high - value, of_seeds)
    return {"value": value, "low": max(0, value - below), "high": min(1, value + above)}


def percent(share):
    return f"{100 * share['value']:.1f} % ({100 * share['low']:.1f} to {100 * share['high']:.1f})"


reports = []
for at, model in enumerate(models):
    data = pathlib.Path(model).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    card = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["card"])
    kinds = collections.defaultdict(list)
    for file in read(f"{work}/sounds-{at}.json"):
        kinds[pathlib.Path(file["file"]).parent.name].append(file)
    kinds = dict(sorted(kinds.items()))
    songs = read(f"{work}/music-{at}.json")
    if not kinds or not songs:
        sys.exit("there is nothing to hear in one of the two folders")
    every = [file for files in kinds.values() for file in files]
    report = {
        **{key: card.get(key) for key in ("name", "date", "training", "rejection")},
        # Of the tensors alone: a card may be renewed.
        "tensors_sha256": hashlib.sha256(data[8 + length :]).hexdigest(),
        "kinds": {
            **{kind: scored(files) for kind, files in [*kinds.items(), ("not music", every)]},
            "music": scored(songs, recording=lambda song: song["file"]),
        },
        "not_sure_of_songs": sum(song["song"]["verdict"] == "not_sure" for song in songs),
    }
    reports.append(report)
    print(f"{card['name']}, seed {card.get('training', {}).get('seed')}: {json.dumps(card.get('rejection'))}")
    for kind, row in report["kinds"].items():
        print(
            f"  {kind:<10} clips refused {row['clips_refused']:4d} of {row['clips']:4d}: {percent(row['share']):<26}"
            f" files {row['files_refused']:4d} of {row['files']:4d}"
        )
    called = report["kinds"]["not music"]["called"].items()
    print("  what is not music was called:", ", ".join(f"{genre} {count}" for genre, count in called) or "nothing")
    print(f"  not sure of {report['not_sure_of_songs']} of {len(songs)} songs")
document = {"format": "needledrop rejection", "date": datetime.date.today().isoformat(), "models": reports}
if len(reports) > 1:
    shares = lambda kind: [report["kinds"][kind]["share"] for report in reports]
    document["mean"] = {kind: mean(shares(kind)) for kind in reports[0]["kinds"]}
    print(f"mean of {len(reports)}")
    for kind, share in document["mean"].items():
        print(f"  {kind:<10} clips refused {percent(share)}")
pathlib.Path(out).write_text(json.dumps(document, indent=2) + "\n")
PYTHON
