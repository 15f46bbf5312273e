#!/usr/bin/env bash
# How often the verdict on a song stays what it was, once the song has been an MP3,
# an Ogg Vorbis file, or a telephone has heard it in a room; and how often through each
# part of that telephone alone.
#
#   scripts/bench-robustness.sh [MODEL [MUSIC [SPLITS [OUT]]]]
#
# MODEL is weights with a card (default: the page's). MUSIC is a folder of songs
# (default: ../shared/data/audio). SPLITS has the lists of the split `filtered`
# (default: ../shared/data/splits), or those by which a model of the split `lists` was
# trained (scripts/lists-without.sh), to say which of the songs it was trained on. OUT
# gets the numbers as JSON.
#
# The telephone: an echo that is 60 dB down after 0.4 s (room), 150 to 7000 Hz (band),
# pink noise 20 dB below (noise), 16 kHz, AAC at 32 kbit/s (codec). Its microphone is the
# same without the codec, as a page hears it.
set -euo pipefail
model=$(realpath -e "${1:-$(dirname "$0")/../www/model/ears.safetensors}")
music=$(realpath -m "${2:-$(dirname "$0")/../../shared/data/audio}")
splits=$(realpath -m "${3:-$(dirname "$0")/../../shared/data/splits}")
out=$(realpath -m "${4:-/dev/null}")
cd "$(dirname "$0")/.."
source scripts/sounds.sh
[ -d "$music" ] || { echo "$music is not here; name a folder of songs" >&2; exit 1; }
[ -d "$(dirname "$out")" ] || { echo "there is no folder $(dirname "$out") for $out" >&2; exit 1; }
scripts/setup.sh sounds >&2
program=$(needledrop_program)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

room_response "$work/room.wav" 0.4 1
quiet_ffmpeg -f lavfi -i "anoisesrc=c=pink:d=10:r=22050:a=0.5:seed=2" "$work/noise.wav"
ways=(mp3 ogg telephone microphone room band noise codec)
mkdir "${ways[@]/#/$work/}"
declare -A seen
band='highpass=f=150,lowpass=f=7000'
# A cover is none of the sound, and ffmpeg would take it for a film.
codec=(-vn -ar 16000 -c:a aac -b:a 32k)
while IFS= read -r -d '' song; do
  name=$(basename "${song%.*}")
  if [ -n "${seen[$name]:-}" ]; then
    echo "$song is called as ${seen[$name]} is, and would be taken for it; rename one" >&2
    exit 1
  fi
  seen[$name]=$song
  if ! quiet_ffmpeg -i "$song" -vn -ar 44100 -c:a libmp3lame -b:a 128k "$work/mp3/$name.mp3"; then
    echo "$song is left out: ffmpeg cannot read it" >&2
    continue
  fi
  quiet_ffmpeg -i "$song" -vn -ar 44100 -c:a libvorbis -b:a 64k "$work/ogg/$name.ogg"
  in_room "$song" "$work/room.wav" "$work/room-song.wav" "$band"
  add_noise "$work/room-song.wav" "$work/noise.wav" 20 "$work/telephone/$name.m4a" "${codec[@]}"
  add_noise "$work/room-song.wav" "$work/noise.wav" 20 "$work/microphone/$name.wav"
  in_room "$song" "$work/room.wav" "$work/room/$name.wav"
  quiet_ffmpeg -i "$song" -af "$band" "$work/band/$name.wav"
  add_noise "$song" "$work/noise.wav" 20 "$work/noise/$name.wav"
  quiet_ffmpeg -i "$song" "${codec[@]}" "$work/codec/$name.m4a"
done < <(find "$music" -type f -regextype posix-extended -iregex ".*[.]($SOUNDS)" -print0 | sort -z)

verdicts "$program" "$model" "$music" >"$work/as_is.json"
for way in "${ways[@]}"; do
  verdicts "$program" "$model" "$work/$way" >"$work/$way.json"
done
python3 - "$model" "$work" "$splits/train_filtered.txt" "$out" "${ways[@]}" <<'PYTHON'
import datetime, hashlib, json, pathlib, re, struct, sys

model, work, trained, out, *ways = sys.argv[1:]
data = pathlib.Path(model).read_bytes()
(length,) = struct.unpack("<Q", data[:8])
card = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["card"])


def read(way):
    songs = {}
    for song in map(json.loads, open(f"{work}/{way}.json")):
        if "error" in song:
            print(f"{song['file']} is left out: {song['error']}", file=sys.stderr)
        else:
            songs[pathlib.Path(song["file"]).stem] = song
    return songs


def track(line):
    """A list's name without clip and folders, and, if no song is called so, without ending: a
    track's number is none."""
    name = pathlib.PurePosixPath(re.sub(r"#\d+$", "", line.strip())).name
    stem, _, ending = name.rpartition(".")
    return stem if stem and not ending.isdigit() and name not in as_is else name


def top(song):
    probabilities = song["song"].get("probabilities", [])
    return max(range(len(probabilities)), key=probabilities.__getitem__) if probabilities else None


def said(song):
    return song["genre"] or song["song"]["verdict"]


as_is = read("as_is")
if not as_is:
    sys.exit("not one song could be heard")
report = {
    "format": "needledrop robustness",
    "model": {key: card.get(key) for key in ("name", "date", "training")},
    # Of the tensors alone: a card may be renewed.
    "tensors_sha256": hashlib.sha256(data[8 + length :]).hexdigest(),
    "date": datetime.date.today().isoformat(),
    "songs": len(as_is),
    "ways": {},
}
split = card.get("training", {}).get("split", "")
print(f"{card['name']}, split {split or 'not said'}: ", end="")
if split in ("filtered", "lists") and pathlib.Path(trained).exists():
    names = lambda path: {track(line) for line in open(path, encoding="utf-8-sig") if line.strip()}
    learned = len(names(trained) & as_is.keys())
    validation = pathlib.Path(trained).with_name("valid_filtered.txt")
    chosen = len(names(validation) & as_is.keys()) if validation.exists() else None
    report["learned_from"], report["chosen_on"] = learned, chosen
    print(f"{learned} of the {len(as_is)} songs are in its training part, {chosen if chosen is not None else '?'} in its validation part")
elif split == "clips":
    print(f"clips of all {len(as_is)} songs may be in its training part")
else:
    print(f"whether the {len(as_is)} songs are in its training part is not known")
for way in ways:
    songs = read(way)
    both = sorted(as_is.keys() & songs.keys())
    count = lambda same: sum(same(as_is[name], songs[name]) for name in both)
    verdict = count(lambda a, b: said(a) == said(b))
    genre = count(lambda a, b: top(a) == top(b))
    now = lambda code: sum(songs[name]["song"]["verdict"] == code for name in both)
    report["ways"][way] = {
        "songs": len(both),
        "verdict_unchanged": verdict,
        "most_probable_genre_unchanged": genre,
        "not_sure": now("not_sure"),
        "not_music": now("not_music"),
    }
    share = lambda part: f"{part} of {len(both)} ({100 * part / max(len(both), 1):.0f} %)"
    print(
        f"{way:<10} verdict unchanged {share(verdict)}, most probable genre unchanged {share(genre)}; "
        f"not sure {now('not_sure')}, not music {now('not_music')}"
    )
known = [song["song"]["verdict"] for song in as_is.values()]
print(f"as they are: not sure {known.count('not_sure')}, not music {known.count('not_music')}")
report["as_they_are"] = {code: known.count(code) for code in ("not_sure", "not_music")}
pathlib.Path(out).write_text(json.dumps(report, indent=2) + "\n")
PYTHON
