"""How far off verdicts would be by chance alone, and what the biases are worth.

    python3 scripts/calibration-by-chance.py runs/filtered-*/ears-phone runs/refit/ears-phone

Each run has been calibrated and evaluated: best.safetensors, embeddings.safetensors (of
the test clips) and result.json are read. Refusals are left aside. Of each run: tracks
that are right without the biases and with them; how sure the verdicts are in the mean;
their debiased calibration error; and what the same error would be if each verdict were
right just as often as it says: in the mean and in the twentieth part that is worst, of
2,000 draws, for all tracks and for 197 of them.
"""

import array, json, math, random, struct, sys

BINS, DRAWS, VALIDATION = 15, 2000, 197


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
    for bin in range(BINS):
        part = said[bin * len(said) // BINS : (bin + 1) * len(said) // BINS]
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
    drawn = lambda: [(sure, random.random() < sure) for sure, _ in random.sample(said, tracks)]
    errors = sorted(debiased_error(drawn()) for _ in range(DRAWS))
    return f"{sum(errors) / DRAWS:.3f}, {errors[DRAWS * 19 // 20]:.3f}"


def mean(values):
    values = list(values)
    return sum(values) / len(values)


random.seed(0)
for run in sys.argv[1:]:
    bare, said = verdicts(run, False), verdicts(run, True)
    print(
        f"{run}: right {mean(right for _, right in bare):.1%} without biases, {mean(right for _, right in said):.1%} "
        f"with; sure {mean(sure for sure, _ in said):.1%}; error {debiased_error(said):.3f}; by chance "
        f"{by_chance(said, len(said))}; of {VALIDATION} {by_chance(said, VALIDATION)}"
    )
