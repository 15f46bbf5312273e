"""How far off verdicts would be by chance alone, and what the biases are worth.

    python3 scripts/calibration-by-chance.py [-o OUT] runs/filtered-*/ears-phone runs/refit/ears-phone

Each run has been calibrated and evaluated: best.safetensors, embeddings.safetensors (of
the test clips) and result.json are read. Refusals are left aside. Of each run: tracks
that are right without the biases and with them; how sure the verdicts are in the mean;
their debiased calibration error; and what the same error would be if each verdict were
right just as often as it says: in the mean and in the twentieth part that is worst, of
2,000 draws, for all tracks and, where there are as many, for 197 of them. OUT gets the numbers as JSON.
"""

import argparse, array, datetime, json, math, random, struct

BINS, LEAST, DRAWS, VALIDATION = 15, 10, 2000, 197


def tensors(path, *names):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        for name in names:
            begin, end = header[name]["data_offsets"]
            file.seek(8 + length + begin)
            values = array.array("f" if header[name]["dtype"] == "F32" else "i")
            values.frombytes(file.read(end - begin))
            yield values


def softmax(logits):
    largest = max(logits)
    powers = [math.exp(logit - largest) for logit in logits]
    return [power / sum(powers) for power in powers]


def verdicts(run, biased):
    """How sure the network is of each track, and whether it is right."""
    calibration = json.load(open(f"{run}/result.json"))["calibration"]
    combine = calibration["combine"]
    correlation = None if combine == "mean_probability" else combine["log_pool"]["correlation"]
    embedding, genre, track = tensors(f"{run}/embeddings.safetensors", "embedding", "genre", "track")
    weight, bias = tensors(f"{run}/best.safetensors", "logits.weight", "logits.bias")
    length, added = len(weight) // len(bias), [0] * len(bias)
    if biased and calibration.get("bias"):
        added = calibration["bias"]
    clips, truth = {}, {}
    for clip, of in enumerate(track):
        seen = embedding[clip * length : (clip + 1) * length]
        row = lambda genre: weight[genre * length : (genre + 1) * length]
        logits = [
            (sum(map(float.__mul__, seen, row(genre))) + bias[genre]) / calibration["temperature"] + added[genre]
            for genre in range(len(bias))
        ]
        clips.setdefault(of, []).append([math.log(max(share, 1e-6)) for share in softmax(logits)])
        truth[of] = genre[clip]
    said = []
    for of, logs in clips.items():
        if correlation is None:
            pooled = [mean(map(math.exp, column)) for column in zip(*logs)]
            said.append((max(pooled), pooled.index(max(pooled)) == truth[of]))
            continue
        independent = len(logs) / (1 + (len(logs) - 1) * correlation)
        pooled = softmax([sum(column) / len(logs) * independent for column in zip(*logs)])
        said.append((max(pooled), pooled.index(max(pooled)) == truth[of]))
    return said


def debiased_error(said):
    """As `debiased_calibration_error` in src/training/evaluate.rs."""
    said, error = sorted(said, key=lambda one: one[0]), 0
    bins = min(max(len(said) // LEAST, 1), BINS)
    for bin in range(bins):
        part = said[bin * len(said) // bins : (bin + 1) * len(said) // bins]
        right = sum(one[1] for one in part) / len(part)
        gap = right - sum(one[0] for one in part) / len(part)
        deviation = math.sqrt(right * (1 - right) / len(part))
        expected = abs(gap)
        if deviation:
            ratio = gap / deviation
            expected = deviation * math.sqrt(2 / math.pi) * math.exp(-ratio * ratio / 2)
            expected += gap * math.erf(ratio / math.sqrt(2))
        error += len(part) / len(said) * (2 * abs(gap) - expected)
    return error


def by_chance(said, tracks):
    """The error of verdicts right just as often as they say: its mean, and what one in twenty exceeds."""
    draw = random.Random(0)
    drawn = lambda: [(sure, draw.random() < sure) for sure, _ in draw.sample(said, tracks)]
    errors = sorted(debiased_error(drawn()) for _ in range(DRAWS))
    return {"mean": mean(errors), "one_in_twenty": errors[DRAWS * 19 // 20]}


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def judged(run):
    bare, said = verdicts(run, False), verdicts(run, True)
    tracks = {"by_chance": len(said), f"by_chance_of_{VALIDATION}": VALIDATION}
    return {
        "run": run,
        "weights": json.load(open(f"{run}/result.json"))["weights"],
        "tracks": len(said),
        "right_without_biases": mean(right for _, right in bare),
        "right": mean(right for _, right in said),
        "sure": mean(sure for sure, _ in said),
        "debiased_error": debiased_error(said),
        **{name: by_chance(said, drawn) for name, drawn in tracks.items() if drawn <= len(said)},
    }


asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
asked.add_argument("-o", "--output", metavar="OUT", help="where the numbers go as JSON")
asked.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder")
asked = asked.parse_args()
report = {"format": "needledrop calibration by chance", "date": datetime.date.today().isoformat(), "runs": []}
for run in asked.runs:
    one = judged(run)
    report["runs"].append(one)
    chances = (
        f"{name.replace('_', ' ')} {chance['mean']:.3f}, {chance['one_in_twenty']:.3f}"
        for name, chance in one.items()
        if name.startswith("by_chance")
    )
    print(
        f"{run}: right {one['right_without_biases']:.1%} without biases, {one['right']:.1%} with; sure {one['sure']:.1%}; "
        f"error {one['debiased_error']:.3f}; {'; '.join(chances)}",
        flush=True,
    )
if asked.output:
    with open(asked.output, "w") as file:
        file.write(json.dumps(report, indent=2) + "\n")
