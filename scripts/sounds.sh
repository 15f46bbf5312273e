# What the scripts that make sounds and measure have in common; to be sourced in the checkout,
# into which a script has gone from where it was called.

# A number is written with a point, and files are in one order, whatever the caller's language.
export LC_ALL=C.UTF-8
case ${NEEDLEDROP:-/} in /*) ;; *) NEEDLEDROP=$OLDPWD/$NEEDLEDROP ;; esac

# Gentle with the machine, and silent but for what goes wrong.
quiet_ffmpeg() {
  ffmpeg -nostdin -v error -y -threads 1 "$@"
}

# room_response OUT SECONDS SEED: the impulse response of a room, the direct
# sound and an echo of noise that is 60 dB down after SECONDS (J. A. Moorer,
# "About This Reverberation Business", 1979).
room_response() {
  quiet_ffmpeg -f lavfi -i "anoisesrc=d=$2:r=22050:a=1:seed=$3,aeval=val(0)*0.15*exp(-6.908*t/$2)+if(eq(n\,0)\,1\,0)" \
    -c:a pcm_f32le "$1"
}

# mean_volume FILE: root mean square, in dB of full scale.
mean_volume() {
  ffmpeg -nostdin -hide_banner -i "$1" -af volumedetect -f null - 2>&1 | sed -n 's/.*mean_volume: \(.*\) dB/\1/p'
}

# in_room IN ROOM OUT [FILTERS]: IN as it sounds in a room, as loud as speech is
# recorded. `afir` alone would leave it very quiet.
in_room() {
  quiet_ffmpeg -i "$1" -i "$2" -lavfi "[0]aformat=sample_rates=22050:channel_layouts=mono[dry];[dry][1]afir${4:+,$4}" \
    -c:a pcm_f32le "$3.quiet.wav"
  local gain
  gain=$(awk -v v="$(mean_volume "$3.quiet.wav")" 'BEGIN { print -23 - v }')
  quiet_ffmpeg -i "$3.quiet.wav" -af "volume=${gain}dB" -c:a pcm_f32le "$3"
  rm "$3.quiet.wav"
}

# add_noise IN NOISE DECIBELS OUT [ffmpeg's options for OUT]: IN before as much of
# NOISE, so loud that IN is DECIBELS above it.
add_noise() {
  local in=$1 noise=$2 decibels=$3 out=$4 gain
  shift 4
  gain=$(awk -v i="$(mean_volume "$in")" -v n="$(mean_volume "$noise")" -v d="$decibels" 'BEGIN { print i - n - d }')
  quiet_ffmpeg -i "$in" -stream_loop -1 -i "$noise" \
    -filter_complex "[1]volume=${gain}dB[n];[0][n]amix=inputs=2:duration=first:normalize=0" "$@" "$out"
}

# needledrop_program [OPTION ...]: the path of a release build, made if need be, with these
# options of cargo's; $NEEDLEDROP names another.
needledrop_program() {
  if [ -z "${NEEDLEDROP:-}" ]; then
    cargo build --locked --release --bin needledrop "$@" >&2 || return
    # A setting of cargo's may have it elsewhere than in the checkout.
    local target
    target=$(cargo metadata --format-version 1 --no-deps --offline |
      sed -n 's|.*"target_directory":"\([^"]*\)".*|\1|p') || return
    NEEDLEDROP=$target/release/needledrop
  fi
  realpath -e "$NEEDLEDROP"
}

# needledrop_on DEVICE: the same, of a build that knows the device of `--device`.
needledrop_on() {
  case $1 in
    cuda | wgpu | ndarray) needledrop_program --features "$1" ;;
    *) needledrop_program ;;
  esac
}

# this_machine: the day, the processor and how many cores of it there are, in a line. On ARM,
# Linux says no more of a processor than its kind.
this_machine() {
  local processor
  processor=$(sed -n '/^model name/ { s/^[^:]*: *//p; q; }' /proc/cpuinfo)
  echo "$(date +%F), ${processor:-$(uname -m)}, $(nproc) cores"
}

# Endings of what is taken for sound, as in src/dataset/folders.rs.
readonly SOUNDS='aac|aif|aifc|aiff|alac|au|caf|flac|m4a|mka|mkv|mp2|mp3|mp4|mpga|oga|ogg|opus|snd|wav|wave|weba|webm'

# verdicts PROGRAM MODEL FOLDER: of every file in it that is sound, one JSON object a line;
# of one that could not be heard, what was wrong stands in it as `error`.
verdicts() {
  local status=0
  find "$3" -type f -regextype posix-extended -iregex ".*[.]($SOUNDS)" -print0 |
    sort -z | xargs -0 -r "$1" classify --json --model "$2" || status=$?
  # So xargs ends where one of its calls failed.
  [ "$status" -eq 0 ] || [ "$status" -eq 123 ]
}
