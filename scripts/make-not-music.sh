#!/usr/bin/env bash
# Synthesises sounds that are not music: what a threshold for refusing them is
# chosen on, and what it is judged by.
#
#   scripts/make-not-music.sh FOLDER
#
# FOLDER gets `calibration` and `test`, and in each `speech`, `noise`, `tones`,
# `clicks` and `silence`, about 200 files of 6 to 10 s. The two have no file in
# common but plain silence: other languages, voices, texts and rooms, and where both
# have noise or tones, in other bands or of another shape. Every third file is an MP3, the rest WAV. The same files on
# every call, but for what another version of espeak-ng or ffmpeg says otherwise;
# they come into FOLDER when all are made.
set -euo pipefail
folder=${1:?usage: scripts/make-not-music.sh FOLDER}
cd "$(dirname "$0")/.."
scripts/setup.sh sounds
source scripts/sounds.sh
case $folder in /*) ;; *) folder=$OLDPWD/$folder ;; esac

readonly RATE=22050
readonly KINDS='speech|noise|tones|clicks|silence'
for group in calibration test; do
  # What is there is replaced, if it is such sounds and nothing else.
  [ -e "$folder/$group" ] || continue
  others=$(find "$folder/$group" -mindepth 1 -maxdepth 1 -printf '%f\n' | sed -E "/^($KINDS)\$/d")
  if [ ! -d "$folder/$group" ] || [ -n "$others" ]; then
    echo "$folder/$group is, or has in it, something else than sounds that are not music; name another folder" >&2
    exit 1
  fi
done
mkdir -p "$folder"
made_in=$(mktemp -d "$folder/unfinished-XXXXXX")
work=$(mktemp -d)
trap 'rm -rf "$work" "$made_in"' EXIT
made=0

# keep IN GROUP KIND NAME: files a sound, every third as MP3.
keep() {
  local place=$made_in/$2/$3
  mkdir -p "$place"
  made=$((made + 1))
  if [ $((made % 3)) = 0 ]; then
    quiet_ffmpeg -i "$1" -ac 1 -ar 44100 -c:a libmp3lame -b:a 128k "$place/$4.mp3"
  else
    quiet_ffmpeg -i "$1" -ac 1 -ar "$RATE" -c:a pcm_s16le "$place/$4.wav"
  fi
}

# synth GROUP KIND NAME SOURCE: keeps what lavfi makes of a description.
synth() {
  quiet_ffmpeg -f lavfi -i "$4" -t 6.5 -ar "$RATE" -c:a pcm_f32le "$work/synth.wav"
  keep "$work/synth.wav" "$1" "$2" "$3"
}

# say GROUP LANGUAGE VARIANTS TEXT: each variant of a voice dry, in a room, and
# before noise. Speed and pitch differ from one to the next.
say() {
  local group=$1 language=$2 text=$4 variant name
  for variant in $3; do
    spoken=$((spoken + 1))
    name=$language-$variant
    espeak-ng -v "$language+$variant" -s $((125 + spoken * 37 % 75)) -p $((25 + spoken * 23 % 50)) \
      -w "$work/all.wav" "$text"
    quiet_ffmpeg -i "$work/all.wav" -t 9.5 -ar "$RATE" "$work/dry.wav"
    keep "$work/dry.wav" "$group" speech "$name-dry"
    in_room "$work/dry.wav" "$work/$group-room-$((spoken % 3)).wav" "$work/wet.wav"
    keep "$work/wet.wav" "$group" speech "$name-room"
    add_noise "$work/wet.wav" "$work/$group-noise-$((spoken % 2)).wav" $((8 + spoken * 5 % 15)) "$work/noisy.wav" -c:a pcm_f32le
    keep "$work/noisy.wav" "$group" speech "$name-noise"
    cp "$work/dry.wav" "$work/$group-voice-$spoken.wav"
  done
}

# crowd GROUP NAME FIRST VOICES: as many voices at once, in a room.
crowd() {
  local inputs=() voice
  for voice in $(seq "$3" $(($3 + $4 - 1))); do inputs+=(-stream_loop 1 -i "$work/$1-voice-$voice.wav"); done
  quiet_ffmpeg "${inputs[@]}" -filter_complex "amix=inputs=$4:normalize=0" -t 6.5 -c:a pcm_f32le "$work/voices.wav"
  in_room "$work/voices.wav" "$work/$1-room-2.wav" "$work/crowd.wav"
  keep "$work/crowd.wav" "$1" noise "$2"
}

calibration_group() {
  local group=calibration seed hertz
  for seed in 0 1 2; do room_response "$work/$group-room-$seed.wav" "0.$((3 + 2 * seed))" "$((seed + 1))"; done
  quiet_ffmpeg -f lavfi -i "anoisesrc=c=pink:d=4:r=$RATE:a=0.3:seed=11" "$work/$group-noise-0.wav"
  quiet_ffmpeg -f lavfi -i "anoisesrc=c=white:d=4:r=$RATE:a=0.3:seed=12" "$work/$group-noise-1.wav"

  local voices='m1 m3 f1 f3'
  spoken=0
  say $group en-us "$voices" 'All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.'
  say $group de "$voices" 'Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.'
  say $group fr "$voices" 'Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.'
  say $group it "$voices" 'Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di coscienza e devono agire gli uni verso gli altri in spirito di fratellanza.'
  say $group ru "$voices" 'Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.'
  say $group tr "$voices" 'Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler.'
  say $group id "$voices" 'Semua orang dilahirkan merdeka dan mempunyai martabat dan hak-hak yang sama. Mereka dikaruniai akal dan hati nurani dan hendaknya bergaul satu sama lain dalam semangat persaudaraan.'
  say $group ro "$voices" 'Toate ființele umane se nasc libere și egale în demnitate și în drepturi. Ele sunt înzestrate cu rațiune și conștiință și trebuie să se comporte unele față de altele în spiritul fraternității.'

  for seed in 1 2 3 4; do
    synth $group noise "white-$seed" "anoisesrc=c=white:r=$RATE:a=0.$((2 * seed)):seed=$seed"
    synth $group noise "pink-$seed" "anoisesrc=c=pink:r=$RATE:a=0.$((2 * seed)):seed=$((20 + seed))"
    synth $group noise "brown-$seed" "anoisesrc=c=brown:r=$RATE:a=0.$((2 * seed)):seed=$((30 + seed))"
    synth $group noise "white-below-$((seed * 1700))-hz" "anoisesrc=c=white:r=$RATE:a=0.5:seed=$((40 + seed)),lowpass=f=$((seed * 1700))"
    synth $group noise "white-above-$((seed * 900))-hz" "anoisesrc=c=white:r=$RATE:a=0.5:seed=$((50 + seed)),highpass=f=$((seed * 900))"
    # A motor's hum under the stream of air.
    synth $group noise "fan-$seed" "anoisesrc=c=brown:r=$RATE:a=0.6:seed=$((60 + seed)),aeval=val(0)+0.0$((seed + 1))*sin(2*PI*$((70 + 23 * seed))*t)+0.02*sin(2*PI*$((140 + 46 * seed))*t),tremolo=f=$((2 + seed)):d=0.2"
    # Drops before the rush of all the others.
    synth $group noise "rain-$seed" "anoisesrc=c=white:r=$RATE:a=0.5:seed=$((70 + seed)),aeval=0.15*val(0)+if(gt(abs(val(0))\,0.499$seed)\,1.6*val(0)\,0),highpass=f=$((500 * seed))"
    crowd $group "crowd-$seed" $((7 * seed - 6)) $((4 + seed))
    synth $group noise "engine-$seed" "anoisesrc=c=brown:r=$RATE:a=0.9:seed=$((80 + seed)),tremolo=f=$((11 + 4 * seed)):d=0.8"
    synth $group noise "breaker-$seed" "anoisesrc=c=pink:r=$RATE:a=0.7:seed=$((90 + seed)),aeval=val(0)*pow(abs(sin(PI*t/$((3 + seed))))\,2)"
  done

  for hertz in 62 110 175 233 330 440 587 740 1000 1400 2100 2900 4200 6500 9000; do
    synth $group tones "sine-$hertz-hz" "aevalsrc=0.4*sin(2*PI*$hertz*t):s=$RATE"
  done
  for seed in 1 2 3 4; do
    synth $group tones "chirp-up-$seed" "aevalsrc=0.4*sin(2*PI*($((100 * seed))*t+$((70 * seed))*t*t)):s=$RATE"
    synth $group tones "chirp-down-$seed" "aevalsrc=0.4*sin(2*PI*($((1500 * seed))*t-$((90 * seed))*t*t)):s=$RATE"
    synth $group tones "beep-$seed" "aevalsrc=0.4*sin(2*PI*$((500 + 450 * seed))*t)*lt(mod(t\,1.$seed)\,0.4):s=$RATE"
    synth $group tones "alarm-$seed" "aevalsrc=0.4*sin(2*PI*if(lt(mod(t\,0.$((4 + seed)))\,0.25)\,$((600 + 90 * seed))\,$((900 + 130 * seed)))*t):s=$RATE"
    synth $group tones "square-$seed" "aevalsrc=0.3*sgn(sin(2*PI*$((90 * seed * seed))*t)):s=$RATE"
    synth $group tones "hum-50-hz-$seed" "aevalsrc=0.4*sin(2*PI*50*t)+0.$seed*sin(2*PI*100*t)+0.1*sin(2*PI*150*t)+0.0$((2 * seed))*sin(2*PI*250*t):s=$RATE"
  done
  synth $group tones dial-tone-usa "aevalsrc=0.3*(sin(2*PI*350*t)+sin(2*PI*440*t)):s=$RATE"
  synth $group tones dial-tone-france "aevalsrc=0.4*sin(2*PI*440*t):s=8000"
  synth $group tones ringing-germany "aevalsrc=0.4*sin(2*PI*425*t)*lt(mod(t\,5)\,1):s=8000"
  synth $group tones busy-germany "aevalsrc=0.4*sin(2*PI*425*t)*lt(mod(t\,0.96)\,0.48):s=8000"

  for seed in 1 2 3 4; do
    synth $group clicks "clock-$seed" "aevalsrc=0.8*exp(-$((150 * seed))*mod(t\,1/$seed))*sin(2*PI*$((900 * seed))*t):s=$RATE"
    synth $group clicks "geiger-$seed" "anoisesrc=c=white:r=$RATE:a=0.5:seed=$((100 + seed)),aeval=if(gt(abs(val(0))\,0.499$((9 - seed)))\,2*val(0)\,0)"
    synth $group clicks "knocking-$seed" "anoisesrc=c=brown:r=$RATE:a=0.9:seed=$((110 + seed)),aeval=val(0)*exp(-25*mod(t\,0.$((3 + seed))))"
  done
  silences $group 0.1 0.0001 0.0004 0.002
}

test_group() {
  local group=test seed hertz
  for seed in 0 1 2; do room_response "$work/$group-room-$seed.wav" "0.$((4 + 2 * seed))" "$((seed + 301))"; done
  quiet_ffmpeg -f lavfi -i "anoisesrc=c=brown:d=4:r=$RATE:a=0.5:seed=311" "$work/$group-noise-0.wav"
  quiet_ffmpeg -f lavfi -i "anoisesrc=c=blue:d=4:r=$RATE:a=0.3:seed=312" "$work/$group-noise-1.wav"

  local voices='m2 m5 f2 f4'
  spoken=0
  say $group en-gb "$voices" 'Good evening. Tomorrow there will be rain in the north and sunshine along the coast. In the mountains the temperature falls to four degrees, and the wind comes from the west.'
  say $group es "$voices" 'Buenas noches. Mañana lloverá en el norte y hará sol en la costa. En las montañas la temperatura bajará a cuatro grados, y el viento soplará del oeste.'
  say $group pt "$voices" 'Boa noite. Amanhã vai chover no norte e haverá sol ao longo da costa. Nas montanhas a temperatura desce para quatro graus, e o vento sopra de oeste.'
  say $group nl "$voices" 'Goedenavond. Morgen regent het in het noorden en schijnt de zon langs de kust. In de bergen daalt de temperatuur tot vier graden, en de wind komt uit het westen.'
  say $group sv "$voices" 'God kväll. I morgon blir det regn i norr och sol längs kusten. I fjällen sjunker temperaturen till fyra grader, och vinden kommer från väster.'
  say $group pl "$voices" 'Dobry wieczór. Jutro będzie padać na północy, a na wybrzeżu zaświeci słońce. W górach temperatura spadnie do czterech stopni, a wiatr będzie wiał z zachodu.'
  say $group el "$voices" 'Καλησπέρα. Αύριο θα βρέξει στον βορρά και θα έχει ήλιο στις ακτές. Στα βουνά η θερμοκρασία θα πέσει στους τέσσερις βαθμούς, και ο άνεμος θα φυσά από τα δυτικά.'
  say $group fi "$voices" 'Hyvää iltaa. Huomenna sataa pohjoisessa ja rannikolla paistaa aurinko. Vuorilla lämpötila laskee neljään asteeseen, ja tuuli puhaltaa lännestä.'

  for seed in 1 2 3 4; do
    synth $group noise "blue-$seed" "anoisesrc=c=blue:r=$RATE:a=0.$((2 * seed)):seed=$((320 + seed))"
    synth $group noise "violet-$seed" "anoisesrc=c=violet:r=$RATE:a=0.$((2 * seed)):seed=$((330 + seed))"
    synth $group noise "velvet-$seed" "anoisesrc=c=velvet:r=$RATE:a=0.$((2 * seed)):seed=$((340 + seed))"
    synth $group noise "pink-around-$((seed * 800))-hz" "anoisesrc=c=pink:r=$RATE:a=0.9:seed=$((350 + seed)),bandpass=f=$((seed * 800)):width_type=h:w=$((seed * 700))"
    synth $group noise "white-without-$((seed * 1100))-hz" "anoisesrc=c=white:r=$RATE:a=0.4:seed=$((360 + seed)),bandreject=f=$((seed * 1100)):width_type=o:w=2"
    # Gusts: what is let through wanders with the loudness.
    synth $group noise "wind-$seed" "anoisesrc=c=brown:r=$RATE:a=0.9:seed=$((370 + seed)),aeval=val(0)*(0.3+0.7*pow(sin(PI*t/$((2 + seed))+$seed)\,2)),lowpass=f=$((400 * seed))"
    synth $group noise "shower-$seed" "anoisesrc=c=violet:r=$RATE:a=0.4:seed=$((380 + seed)),lowpass=f=$((2500 + 1500 * seed)),tremolo=f=0.$((3 + seed)):d=0.3"
    crowd $group "crowd-$seed" $((6 * seed - 4)) $((5 + seed))
    synth $group noise "vacuum-cleaner-$seed" "anoisesrc=c=pink:r=$RATE:a=0.7:seed=$((390 + seed)),aeval=val(0)+0.05*sin(2*PI*$((190 + 60 * seed))*t)+0.03*sin(2*PI*$((380 + 120 * seed))*t)+0.02*sin(2*PI*$((950 + 300 * seed))*t)"
    synth $group noise "helicopter-$seed" "anoisesrc=c=pink:r=$RATE:a=0.9:seed=$((400 + seed)),aeval=val(0)*exp(-$((3 + 2 * seed))*mod(t*$((9 + seed))\,1)),lowpass=f=1800"
  done

  for hertz in 55 98 140 207 277 392 523 660 880 1200 1800 2500 3600 5200 8000; do
    synth $group tones "triangle-$hertz-hz" "aevalsrc=0.25*asin(sin(2*PI*$hertz*t)):s=$RATE"
    synth $group tones "sawtooth-$((hertz + 31))-hz" "aevalsrc=0.2*(2*mod($((hertz + 31))*t\,1)-1):s=$RATE"
  done
  for seed in 1 2 3 4; do
    synth $group tones "siren-$seed" "aevalsrc=0.4*sin(2*PI*$((500 + 120 * seed))*t+$((90 * seed))*sin(2*PI*t/$((1 + seed)))):s=$RATE"
    synth $group tones "octaves-up-$seed" "aevalsrc=0.4*sin(2*PI*$((60 * seed))*4/log(2)*(pow(2\,t/4)-1)*2):s=$RATE"
    synth $group tones "smoke-alarm-$seed" "aevalsrc=0.4*sin(2*PI*$((2800 + 180 * seed))*t)*lt(mod(t\,1)\,0.5)*lt(mod(t\,4)\,3):s=$RATE"
    synth $group tones "hum-60-hz-$seed" "aevalsrc=0.4*sin(2*PI*60*t)+0.$((seed + 1))*sin(2*PI*120*t)+0.1*sin(2*PI*180*t)+0.0$((2 * seed))*sin(2*PI*300*t)+0.02*sin(2*PI*420*t):s=$RATE"
  done
  synth $group tones ringing-usa "aevalsrc=0.25*(sin(2*PI*440*t)+sin(2*PI*480*t))*lt(mod(t\,6)\,2):s=8000"
  synth $group tones busy-usa "aevalsrc=0.25*(sin(2*PI*480*t)+sin(2*PI*620*t))*lt(mod(t\,1)\,0.5):s=8000"
  synth $group tones ringing-britain "aevalsrc=0.25*(sin(2*PI*400*t)+sin(2*PI*450*t))*lt(mod(t\,3)\,1):s=8000"
  synth $group tones touch-tones "aevalsrc=0.25*(sin(2*PI*(697+76*mod(floor(t*4)\,4))*t)+sin(2*PI*(1209+130*mod(floor(t*7)\,3))*t))*lt(mod(t*4\,1)\,0.6):s=8000"

  for seed in 1 2 3 4; do
    synth $group clicks "typing-$seed" "anoisesrc=c=white:r=$RATE:a=0.8:seed=$((410 + seed)),aeval=val(0)*exp(-120*mod(t+0.07*sin(9*t)\,0.$((1 + seed)))),bandpass=f=$((1200 * seed)):width_type=o:w=2"
    synth $group clicks "needle-$seed" "anoisesrc=c=violet:r=$RATE:a=0.5:seed=$((420 + seed)),aeval=if(gt(abs(val(0))\,0.49$((9 - seed)))\,2*val(0)\,0.002*val(0))"
    synth $group clicks "turn-signal-$seed" "aevalsrc=0.7*exp(-400*mod(t\,0.$((3 + seed))))*sin(2*PI*$((1700 + 300 * seed))*t):s=$RATE"
  done
  silences $group -0.03 0.00005 0.0002 0.001
}

# silences GROUP OFFSET AMPLITUDE...: nothing, a voltage that stands still, and noise
# of these amplitudes.
silences() {
  local group=$1 offset=$2 amplitude
  shift 2
  synth "$group" silence nothing "anullsrc=r=$RATE"
  synth "$group" silence offset "aevalsrc=$offset:s=$RATE"
  for amplitude in "$@"; do
    synth "$group" silence "white-$amplitude" "anoisesrc=c=white:r=$RATE:a=$amplitude:seed=$made"
    synth "$group" silence "brown-$amplitude" "anoisesrc=c=brown:r=$RATE:a=$amplitude:seed=$made"
  done
}

calibration_group
test_group
for group in calibration test; do
  rm -rf "${folder:?}/$group"
  mv "$made_in/$group" "$folder/$group"
  for kind in "$folder/$group"/*; do
    printf '%-12s %-8s %4d files\n' "$group" "$(basename "$kind")" "$(find "$kind" -type f | wc -l)"
  done
done
