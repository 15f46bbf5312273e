#!/usr/bin/env python3
"""Makes what tests/golden.rs holds the front end against, and the colour table.

    python3 -m venv venv
    venv/bin/pip install librosa==0.11.0 matplotlib==3.11.2 safetensors==0.8.0
    venv/bin/python tests/golden/make.py

Out: tests/golden/spectrogram.safetensors and src/spectrogram/viridis.rs.
librosa 0.8.1, the paper's, no longer installs; what differs since then, the
padding of centred frames, is given explicitly.

The signals follow from `signals` below, which tests/golden.rs repeats, so that
only outputs are stored: for each case the filter bank (its weights that are not
zero), and of some frames mel power and decibels. The decibels of a frame are
relative to the whole clip.
"""

import json
import pathlib

import librosa
import matplotlib
import numpy as np
from safetensors.numpy import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]

# name: (signal, seconds, settings); what a case does not set is the paper's.
PAPER = dict(
    sample_rate=22050, n_fft=2048, hop_length=512, center=True, pad_mode="reflect",
    n_mels=128, fmin=0.0, fmax=11025.0, top_db=80.0,
)
CASES = {
    "paper": ("chord", 3.0, {}),
    "paper_sweep": ("sweep", 3.0, {}),
    "paper_tone": ("tone", 3.0, {}),
    "librosa_since_0_9": ("chord", 3.0, dict(pad_mode="constant")),
    "archive": ("chord", 3.0, dict(center=False, hop_length=1920)),
    "uncentred_sweep": ("sweep", 1.0, dict(center=False)),
    "n_fft_1024": ("sweep", 1.0, dict(n_fft=1024, hop_length=256, n_mels=64)),
    "n_fft_1000": ("noise", 1.0, dict(n_fft=1000, hop_length=333, n_mels=40, pad_mode="constant")),
    "n_fft_odd": ("noise", 1.0, dict(n_fft=1001, hop_length=500, n_mels=40)),
    "n_fft_large": ("sweep", 1.0, dict(n_fft=8192, hop_length=4000, n_mels=128)),
    "shorter_than_a_frame": ("chord", 0.06, dict()),
    "band_limited": ("noise", 1.0, dict(fmin=60.0, fmax=8000.0, n_mels=96, top_db=40.0)),
    "rate_16000": ("chord", 1.0, dict(sample_rate=16000, n_fft=400, hop_length=160, n_mels=80, fmax=8000.0)),
    "rate_44100": ("sweep", 1.0, dict(sample_rate=44100, n_fft=4096, hop_length=1024, fmax=22050.0)),
    "rate_8000": ("chord", 1.0, dict(sample_rate=8000, n_fft=512, hop_length=512, n_mels=200, fmax=4000.0)),
}


def noise(count):
    """Uniform in [-1, 1): the upper 24 bits of a linear congruential generator."""
    state, values = 1, np.empty(count, np.float32)
    for index in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values[index] = (state >> 8) / 2.0**23 - 1.0
    return values


def signals(name, count, rate):
    """`count` samples at `rate` Hz, computed in f64 and rounded to f32 once."""
    t = np.arange(count) / rate
    tau = 2 * np.pi
    if name == "noise":
        return noise(count)
    if name == "tone":
        return (0.9 * np.sin(tau * 440.0 * t)).astype(np.float32)
    if name == "chord":
        notes = sum(np.sin(tau * hz * t) for hz in (220.0, 554.365, 1318.51)) / 4
        return (notes * np.exp(-2 * t) + 0.01 * noise(count)).astype(np.float32)
    if name == "sweep":
        # From 50 Hz to 9/10 of the Nyquist frequency over the clip.
        low, high = 50.0, 0.45 * rate
        phase = tau * (low * t + (high - low) * t * t / (2 * count / rate))
        return (0.5 * np.sin(phase) + 0.001 * noise(count)).astype(np.float32)
    raise ValueError(name)


def some_frames(frames):
    """Both ends, where padding shows, and every seventh between."""
    ends = [*range(min(3, frames)), *range(max(frames - 3, 0), frames)]
    return np.array(sorted({*ends, *range(0, frames, 7)}), np.int32)


def case(signal, seconds, settings):
    """Outputs of one case, by name."""
    s = PAPER | settings
    y = signals(signal, round(seconds * s["sample_rate"]), s["sample_rate"])
    bank = librosa.filters.mel(
        sr=s["sample_rate"], n_fft=s["n_fft"], n_mels=s["n_mels"], fmin=s["fmin"], fmax=s["fmax"],
        htk=False, norm="slaney",
    )
    power = librosa.feature.melspectrogram(
        y=y, sr=s["sample_rate"], n_fft=s["n_fft"], hop_length=s["hop_length"], window="hann",
        center=s["center"], pad_mode=s["pad_mode"], power=2.0,
        n_mels=s["n_mels"], fmin=s["fmin"], fmax=s["fmax"], htk=False, norm="slaney",
    )
    db = librosa.power_to_db(power, ref=np.max, amin=1e-10, top_db=s["top_db"])
    band, bin_ = np.nonzero(bank)
    frames = some_frames(power.shape[1])
    return {
        "bank.band": band.astype(np.uint16),
        "bank.bin": bin_.astype(np.uint16),
        "bank.weight": bank[band, bin_],
        "shape": np.array(power.shape, np.int32),
        "frames": frames,
        "power": np.ascontiguousarray(power[:, frames]),
        "db": np.ascontiguousarray(db[:, frames]),
    }


def main():
    tensors, cases = {}, {}
    for name, (signal, seconds, settings) in CASES.items():
        cases[name] = dict(signal=signal, seconds=seconds, settings=PAPER | settings | dict(clip_seconds=3.0))
        tensors |= {f"{name}.{key}": value for key, value in case(signal, seconds, settings).items()}
    made_with = {"librosa": librosa.__version__, "numpy": np.__version__}
    save_file(
        tensors, ROOT / "tests/golden/spectrogram.safetensors",
        metadata={"cases": json.dumps(cases), "made_with": json.dumps(made_with)},
    )

    table = matplotlib.colormaps["viridis"](np.arange(256), bytes=True)[:, :3]
    rows = "".join(f"    [{r}, {g}, {b}],\n" for r, g, b in table.tolist())
    (ROOT / "src/spectrogram/viridis.rs").write_text(
        "//! matplotlib's viridis, written by `tests/golden/make.py`.\n\n"
        "/// Red, green and blue of each index: `matplotlib.colormaps[\"viridis\"](index, bytes=True)`.\n"
        f"pub const VIRIDIS: [[u8; 3]; 256] = [\n{rows}];\n"
    )


if __name__ == "__main__":
    main()
