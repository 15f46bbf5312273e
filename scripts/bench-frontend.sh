#!/usr/bin/env bash
# Times the front end and librosa on the same work, one after the other, one
# thread each, and prints both as multiples of real time.
#
#   scripts/bench-frontend.sh [FOLDER]
#
# FOLDER takes the Python environment with librosa; it is made where absent
# (default: .cache/librosa).
set -euo pipefail
python_home=$(realpath -m "${1:-$(dirname "$0")/../.cache/librosa}")
cd "$(dirname "$0")/.."

if [ ! -x "$python_home/bin/python" ] || ! "$python_home/bin/python" -c 'import librosa' 2>/dev/null; then
    echo "Installing librosa into $python_home ..." >&2
    python3 -m venv "$python_home"
    "$python_home/bin/pip" install --quiet librosa==0.11.0
fi

echo "Building and timing the front end (criterion, about a minute once built) ..." >&2
export RAYON_NUM_THREADS=1
ours=$(cargo bench --no-default-features --features sound --bench spectrogram -- --noplot --color never)

echo "Timing librosa ..." >&2
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
OURS="$ours" "$python_home/bin/python" - <<'PYTHON'
import datetime, os, platform, re, timeit
import librosa
import numpy as np

SECONDS, RATE = 3.0, 22050
UNITS = {"ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def criterion_times(report):
    """Seconds a clip by the name of the benchmark: criterion's middle estimate."""
    pattern = r"^(hop \d+/[^\n]*?)\s+time:\s+\[\S+ \S+ (\S+) (\S+) \S+ \S+\]"
    return {name: float(value) * UNITS[unit] for name, value, unit in re.findall(pattern, report, re.M)}


def librosa_times():
    """The same, as (as it is called, with its filter bank kept): the median of
    50 clips after a warm-up. Called in the ordinary way, librosa computes its
    filter bank anew for every clip."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, int(SECONDS * RATE)).astype(np.float32)
    bank = librosa.filters.mel(sr=RATE, n_fft=2048)
    for hop, center in ((512, True), (1920, False)):
        frames = dict(n_fft=2048, hop_length=hop, center=center, pad_mode="reflect")

        def power():
            return librosa.feature.melspectrogram(y=noise, sr=RATE, **frames)

        def power_with_bank():
            return bank @ np.abs(librosa.stft(noise, **frames)) ** 2

        def median(work):
            work()
            return float(np.median(timeit.repeat(work, number=1, repeat=50)))

        yield f"hop {hop}/mel power", (median(power), median(power_with_bank))
        yield f"hop {hop}/decibels", tuple(
            median(lambda: librosa.power_to_db(mel(), ref=np.max)) for mel in (power, power_with_bank))


def processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


ours, theirs = criterion_times(os.environ["OURS"]), dict(librosa_times())
load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
print(f"{datetime.date.today()}, {processor()}, {os.cpu_count()} cores, load {load:.1f}; one thread each,")
print(f"3-s clips at 22 050 Hz, n_fft 2048, 128 mels; librosa {librosa.__version__}, numpy {np.__version__}\n")
print(f"{'work':30} {'needledrop':>22} {'librosa':>22} {'librosa, bank kept':>22}")


def cell(seconds):
    return f"{seconds * 1e3:8.3f} ms {SECONDS / seconds:8.0f} x" if seconds else f"{'-':>22}"


for name, seconds in ours.items():
    peers = " ".join(cell(peer) for peer in theirs.get(name, (None, None)))
    print(f"{name.replace('/', ', '):30} {cell(seconds)} {peers}")
print("\nx: seconds of sound in one second. Ours is criterion's estimate, librosa's the median of 50 clips.")
PYTHON
