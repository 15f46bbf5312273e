//! Every sentence of the page.
//!
//! In: codes and arguments. Out: words a person reads, in English. Nothing else
//! of the page holds a sentence, so that another language is another one of
//! these files.

use crate::engine::pool::{Choice, EngineStatus, GpuStatus};
use crate::engine::protocol::{EngineProblem, Role, SongInfo, SongNotice, SongProblem};
use crate::network::card::{ModelCard, Score};

pub(crate) const NAME: &str = "Needledrop";
pub(crate) const TAGLINE: &str = "Drop a song. See what it is made of.";
pub(crate) const PROMISE: &str =
    "Your music stays here: it is heard inside this page, and nothing is sent anywhere.";
pub(crate) const DROP_HERE: &str = "Drop songs or folders anywhere on this page";
pub(crate) const LET_GO: &str = "Let go to hear it";
pub(crate) const CHOOSE_FILES: &str = "Choose songs";
pub(crate) const CHOOSE_FOLDER: &str = "A folder";
pub(crate) const FORMATS: &str = "MP3, M4A, FLAC, Ogg, Opus, WAV, AIFF and what else your browser can play";
pub(crate) const LISTEN: &str = "Listen to the room";
pub(crate) const STOP_LISTENING: &str = "Stop and keep it";
pub(crate) const LISTENING: &str = "Listening";
pub(crate) const ASKING: &str = "Waiting for the microphone …";
pub(crate) const KEEPING: &str = "Keeping the recording …";
pub(crate) const LIVE_PICTURE: &str = "Spectrogram of what the microphone hears now";
pub(crate) const LIVE_VERDICT: &str = "Genre of the last three seconds";
pub(crate) const NOTHING_YET: &str = "The first verdict comes after three seconds.";
pub(crate) const SONGS: &str = "Songs";
pub(crate) const NO_SONGS: &str = "Nothing on the turntable yet";
pub(crate) const HOW_IT_GOES: [&str; 3] = [
    "Drop a song on this page, or choose one. A whole folder is fine too.",
    "Every three seconds of it become a picture of the sound, and a network that has only ever seen such pictures says which of ten genres it looks like.",
    "The coloured band under the picture is what it said, moment by moment. The verdict is the mean of them all.",
];
pub(crate) const STOP_ALL: &str = "Stop all";
pub(crate) const CLEAR: &str = "Clear the list";
pub(crate) const STOP: &str = "Stop";
pub(crate) const REMOVE: &str = "Remove";
pub(crate) const AGAIN: &str = "Hear again";
pub(crate) const ALL_GENRES: &str = "All genres";
pub(crate) const SILENCE: &str = "Silence";
pub(crate) const ENGINE: &str = "Engine";
pub(crate) const RUN_ON: &str = "Run on";
pub(crate) const AUTO: &str = "Auto";
pub(crate) const GPU: &str = "GPU";
pub(crate) const CPU: &str = "CPU";
pub(crate) const RETRY: &str = "Try again";
pub(crate) const MODEL: &str = "Model";
pub(crate) const MODEL_FOR_NEXT: &str = "Used for the songs you add next";
pub(crate) const OWN_MODEL: &str =
    "Own weights? Drop a .safetensors file with a model card anywhere on this page.";
pub(crate) const PAGES_OWN: &str = "The page’s own";
pub(crate) const CHOOSE_MODEL: &str = "Choose a weights file";
pub(crate) const ABOUT_MODEL: &str = "What this model knows, and what it does not";
pub(crate) const TRAINED_ON: &str = "Trained on";
pub(crate) const SPLIT: &str = "Split";
pub(crate) const RECIPE: &str = "Recipe";
pub(crate) const SCORES: &str = "Scores";
pub(crate) const NO_SCORES: &str = "The file names none.";
pub(crate) const LICENCE: &str = "Licence";
pub(crate) const DATE: &str = "Date";
pub(crate) const SOUND_IN: &str = "Hears";
pub(crate) const GENRES: &str = "Genres";
pub(crate) const NOT_SAID: &str = "not said";
pub(crate) const OFFLINE: &str = "You are offline. Everything here goes on working.";
pub(crate) const OFFLINE_UNLOADED: &str =
    "You are offline, and the engine has not been loaded yet. It will be when you are back.";
pub(crate) const UPDATE: &str = "A new version of this page is ready.";
pub(crate) const TAKE_UPDATE: &str = "Use it now";
pub(crate) const UNPLAYABLE: &str =
    "Your browser cannot play this song, and it could not be made playable either.";
pub(crate) const NOT_KEPT: &str = "What the microphone heard was too short, or could not be kept.";
pub(crate) const DISMISS: &str = "Dismiss";

/// Whole minutes.
fn minutes(seconds: f64) -> u32 {
    (seconds / 60.0).round() as u32
}

/// `m:ss`, or `h:mm:ss` from an hour on.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = if seconds.is_finite() { seconds.max(0.0) as u64 } else { 0 };
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A probability as whole percent.
pub(crate) fn percent(probability: f32) -> String {
    format!("{} %", (probability * 100.0).round() as u32)
}

/// A probability with one decimal, for scores.
fn percent_exact(share: f32) -> String {
    let tenths = (share * 1000.0).round() as u32;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// A number with one decimal.
fn tenths(number: f64) -> String {
    let tenths = (number * 10.0).round() as u64;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A size in megabytes with one decimal.
pub(crate) fn megabytes(bytes: f64) -> String {
    let tenths = (bytes / 100_000.0).round() as u64;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// A time in milliseconds as a person would say it.
pub(crate) fn duration(milliseconds: f64) -> String {
    if milliseconds < 1000.0 {
        format!("{} ms", milliseconds.round() as u32)
    } else {
        let tenths = (milliseconds / 100.0).round() as u32;
        format!("{}.{} s", tenths / 10, tenths % 10)
    }
}

/// A genre as a heading: `hiphop` becomes `Hiphop`.
pub(crate) fn genre(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The line under a song's title: artist, album, length, codec.
pub(crate) fn song_facts(info: &SongInfo, seconds: Option<f64>) -> String {
    let length = seconds.or(info.seconds).map(clock);
    let sound = (!info.codec.is_empty()).then(|| sound_of(info));
    [info.artist.clone(), info.album.clone(), length, sound]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" · ")
}

fn sound_of(info: &SongInfo) -> String {
    let tenths = (info.sample_rate + 50) / 100;
    let channels = match info.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        channels => format!("{channels} channels"),
    };
    format!("{}, {}.{} kHz, {channels}", info.codec, tenths / 10, tenths % 10)
}

pub(crate) const WAITING: &str = "Waiting …";
pub(crate) const OPENING: &str = "Opening …";
pub(crate) const NO_VERDICT: &str = "No verdict";
pub(crate) const CANCELLED: &str = "Stopped";
pub(crate) const FAILED: &str = "Could not be heard";
pub(crate) const CANCELLED_EARLY: &str = "Stopped before it had heard anything.";

/// How far the verdict reaches while a song is being heard.
pub(crate) fn so_far(heard: f64) -> String {
    format!("after {}", clock(heard))
}

/// What the verdict of a whole song rests on.
pub(crate) fn heard_in(clips: usize, milliseconds: f64) -> String {
    match clips {
        1 => format!("1 clip, {}", duration(milliseconds)),
        clips => format!("{clips} clips, {} each", duration(milliseconds)),
    }
}

/// What a screen reader says of one place in a song.
pub(crate) fn place(seconds: f64, total: f64, genre: Option<(&str, f32)>) -> String {
    let at = format!("{} of {}", clock(seconds), clock(total));
    match genre {
        Some((name, probability)) => format!("{at}, {} {}", self::genre(name), percent(probability)),
        None => at,
    }
}

/// Name of a song's position slider.
pub(crate) fn position_in(title: &str) -> String {
    format!("Position in {title}")
}

/// Name of a song's play button.
pub(crate) fn play(title: &str, playing: bool) -> String {
    if playing { format!("Pause {title}") } else { format!("Play {title}") }
}

/// A button's name with the song it belongs to.
pub(crate) fn of_song(action: &str, title: &str) -> String {
    format!("{action}: {title}")
}

/// Said once a song has its verdict.
pub(crate) fn announce_verdict(title: &str, top: Option<(&str, f32)>) -> String {
    match top {
        Some((name, probability)) => format!("{title}: {}, {}", genre(name), percent(probability)),
        None => format!("{title}: {SILENCE}"),
    }
}

/// Said once a song has failed.
pub(crate) fn announce_problem(title: &str, problem: &SongProblem) -> String {
    format!("{title}: {}", self::problem(problem))
}

/// Said instead when several songs end together.
pub(crate) fn announce_many(ended: usize, left: usize) -> String {
    if left == 0 { format!("{ended} songs done.") } else { format!("{ended} songs done, {left} to go.") }
}

/// The count above the list.
pub(crate) fn summary(heard: usize, failed: usize, left: usize) -> String {
    let mut parts = Vec::new();
    if heard > 0 {
        parts.push(format!("{heard} heard"));
    }
    if left > 0 {
        parts.push(format!("{left} to go"));
    }
    if failed > 0 {
        parts.push(format!("{failed} could not be heard"));
    }
    parts.join(", ")
}

/// Why a song has no verdict.
pub(crate) fn problem(problem: &SongProblem) -> String {
    match problem {
        SongProblem::Empty => "This file is empty: there is nothing in it to hear.".into(),
        SongProblem::Folder => "This is a folder. Drop it again, or choose it with the folder button.".into(),
        SongProblem::NotAudio => "This is not sound in any format known here, whatever its name says.".into(),
        SongProblem::NoTrack => "There is no sound track in this file.".into(),
        SongProblem::Codec { codec } => {
            format!("Its sound is coded as {codec}, which neither this page nor your browser can decode.")
        }
        SongProblem::TooLong { codec, seconds, limit } if *seconds <= 0.0 => format!(
            "Only your browser can decode its codec ({codec}), all at once, and the file is too large for that: \
             at most {} minutes can be heard so.",
            minutes(*limit)
        ),
        SongProblem::TooLong { codec, seconds, limit } => format!(
            "Only your browser can decode its codec ({codec}), all at once, and for that {} is too long: \
             at most {} minutes.",
            clock(*seconds),
            minutes(*limit)
        ),
        SongProblem::TooShort { seconds, least } => {
            format!(
                "It holds {} of sound; at least {} are needed.",
                duration(seconds * 1000.0),
                duration(least * 1000.0)
            )
        }
        SongProblem::SampleRate { sample_rate } => {
            format!("Its sample rate of {sample_rate} Hz is outside 8000 to 192000 Hz.")
        }
        SongProblem::NotFinite => "None of its samples is a number.".into(),
        SongProblem::Damaged { detail } => format!("The file is damaged and cannot be decoded ({detail})."),
        SongProblem::Unreadable { detail } => {
            format!("The file cannot be read. Was it moved, changed or unplugged? ({detail})")
        }
        SongProblem::Engine { detail } => {
            format!("The engine failed on it again and again, and was restarted ({detail}).")
        }
    }
}

/// What was not as it should be, though there is a verdict.
pub(crate) fn notice(notice: &SongNotice) -> String {
    match notice {
        SongNotice::Truncated { heard, declared: Some(declared) } => {
            format!("The file ends after {}, though it says {}.", clock(*heard), clock(*declared))
        }
        SongNotice::Truncated { heard, declared: None } => {
            format!("The file breaks off after {}.", clock(*heard))
        }
        SongNotice::CorruptPackets { packets: 1 } => "One damaged piece was left out.".into(),
        SongNotice::CorruptPackets { packets } => format!("{packets} damaged pieces were left out."),
        SongNotice::NonFinite { samples: 1 } => "One sample is no number and was taken as silence.".into(),
        SongNotice::NonFinite { samples } => {
            format!("{samples} samples are no numbers and were taken as silence.")
        }
        SongNotice::Repeated { seconds } => {
            format!("Its {} were repeated to fill three seconds.", duration(seconds * 1000.0))
        }
    }
}

/// Why a worker cannot be used.
pub(crate) fn engine_problem(problem: &EngineProblem) -> String {
    match problem {
        EngineProblem::Protocol { .. } => {
            "Page and engine are of different versions. Reload the page to get both anew.".into()
        }
        EngineProblem::NoWebGpu => "this browser has no WebGPU here".into(),
        EngineProblem::NoAdapter => "WebGPU found no graphics adapter".into(),
        EngineProblem::Software { adapter } => {
            format!("WebGPU has only a software adapter ({adapter}), and the CPU is faster than that")
        }
        EngineProblem::Unreachable => "its part of the engine could not be loaded".into(),
        EngineProblem::Failed { detail } => format!("the GPU failed ({detail})"),
        EngineProblem::Silent { seconds } => {
            format!("the GPU gave no answer for {}", duration(seconds * 1000.0))
        }
        EngineProblem::Slower { gpu, cpu } => {
            format!("it does {} clips a second, and the CPU {}", tenths(*gpu), tenths(*cpu))
        }
    }
}

/// What runs and how long a clip takes it.
pub(crate) fn runs(status: &EngineStatus) -> String {
    if let Some(problem) = &status.problem {
        return format!("It does not run: {}.", engine_problem(problem));
    }
    match status.running {
        None => "Getting ready …".into(),
        Some(Role::Gpu) => match status.gpu_milliseconds {
            Some(time) => format!("Runs on the GPU ({}): {} a clip of sound", status.device, duration(time)),
            None => format!("Runs on the GPU ({})", status.device),
        },
        Some(_) => {
            let workers = match status.cpu_workers {
                1 => "one worker".to_owned(),
                workers => format!("{} workers", number(workers)),
            };
            match status.cpu_milliseconds {
                Some(time) => format!("Runs on the CPU, {workers}: {} a clip of sound", duration(time)),
                None => format!("Runs on the CPU, {workers}"),
            }
        }
    }
}

/// What is with the GPU where it is not what runs.
pub(crate) fn gpu(status: &EngineStatus) -> String {
    match (&status.gpu, status.choice) {
        (GpuStatus::Off, Choice::Cpu) => "The GPU is left alone, as you chose.".into(),
        (GpuStatus::Off, _) => "The GPU has not been asked yet.".into(),
        (GpuStatus::Starting, _) => "The GPU is getting ready; the CPU goes ahead meanwhile.".into(),
        (GpuStatus::Running, _) => match status.cpu_milliseconds {
            Some(time) => format!("The CPU would take {} a clip and worker.", duration(time)),
            None => "It was measured against the CPU and is faster.".into(),
        },
        (GpuStatus::Unused(problem), _) => format!("Not on the GPU: {}.", engine_problem(problem)),
    }
}

/// Why something of the page itself could not be loaded.
pub(crate) fn load_problem(what: &str, problem: &super::download::DownloadProblem) -> String {
    use super::download::DownloadProblem::{Offline, Refused, Unusable};
    match problem {
        Offline => format!("{what} could not be loaded: there is no connection."),
        Refused(status) => format!("{what} could not be loaded: the server answered {status}."),
        Unusable(detail) => format!("{what} could not be loaded: {detail}"),
    }
}

pub(crate) const THE_ENGINE: &str = "The engine";
pub(crate) const THE_MODEL: &str = "The model";
pub(crate) const NO_ADDRESS: &str = "this page was put together without it";

/// A download on its way.
pub(crate) fn loading(what: &str, received: f64, total: Option<f64>) -> String {
    match total {
        Some(total) => format!("{what}: {} of {}", megabytes(received), megabytes(total)),
        None => format!("{what}: {}", megabytes(received)),
    }
}

/// A weights file that is no model.
pub(crate) fn model_refused(file: &str, reason: &str) -> String {
    format!("{file} is no model this page can run: {reason}")
}

/// A weights file too large to be tried.
pub(crate) fn model_too_large(limit: f64) -> String {
    format!("it is larger than {}", megabytes(limit))
}

/// Said when a model can be chosen.
pub(crate) fn model_ready(name: &str) -> String {
    format!("Model ready: {name}")
}

/// Files of a folder that were passed over.
pub(crate) fn left_out(files: usize) -> String {
    match files {
        1 => "One file of the folder is no sound and was left out.".into(),
        files => format!("{files} files in the folders are no sound and were left out."),
    }
}

/// A drop that held no file at all.
pub(crate) const NOTHING_DROPPED: &str = "There was no file in what you dropped.";

/// More files than the page takes at once.
pub(crate) fn too_many(limit: usize) -> String {
    format!("That is more than {limit} files: the first {limit} were taken.")
}

/// Why the microphone is not heard.
pub(crate) fn microphone_problem(problem: &super::microphone::MicrophoneProblem) -> String {
    use super::microphone::MicrophoneProblem::{Absent, Busy, Denied, Failed, Insecure, Unsupported};
    match problem {
        Insecure => {
            "Browsers lend the microphone only to pages that come by https or from this very computer. \
                     Open this page that way to use it."
                .into()
        }
        Unsupported => "This browser lends no microphone to pages.".into(),
        Denied => {
            "The microphone was not allowed. You can allow it in the browser's settings for this page, \
                   beside the address, and try again."
                .into()
        }
        Absent => "No microphone was found. Plug one in and try again.".into(),
        Busy => "The microphone is in use by something else, or the system holds it back.".into(),
        Failed(detail) => format!("The microphone could not be used ({detail})."),
    }
}

/// What this model's verdicts are worth, said before any number.
pub(crate) fn limits(genres: &[String]) -> String {
    format!(
        "It knows {} genres and no others, and it will name one of them for anything: a speech, \
         a vacuum cleaner, a genre it has never met. A high percentage means that the sound looks like what it \
         learned, not that it is right.",
        number(genres.len())
    )
}

fn number(count: usize) -> String {
    const SMALL: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    SMALL.get(count).map_or_else(|| count.to_string(), |&word| word.to_owned())
}

/// A split by its code in the card.
pub(crate) fn split(code: &str) -> String {
    match code {
        "clips" => "by clips: clips of one recording stand on both sides, so scores flatter".into(),
        "tracks" => "by tracks: no recording stands on both sides".into(),
        "filtered" => "fault-filtered, by artists (Kereliuk and Sturm)".into(),
        "" => NOT_SAID.into(),
        other => other.to_owned(),
    }
}

/// One score of the card.
pub(crate) fn score(score: &Score) -> String {
    let per = match score.per.as_str() {
        "clip" => "of clips",
        "track" => "of whole tracks",
        other => other,
    };
    format!("{} {per} ({} part of the split “{}”)", percent_exact(score.accuracy), score.part, score.split)
}

/// The front end of a model in a line.
pub(crate) fn hears(card: &ModelCard) -> String {
    let spectrogram = &card.spectrogram;
    format!(
        "{} at {} Hz, {} mel bands, a column every {}",
        duration(f64::from(spectrogram.clip_seconds) * 1000.0),
        spectrogram.sample_rate,
        spectrogram.n_mels,
        duration(
            f64::from(spectrogram.hop_length as u32) * 1000.0 / f64::from(spectrogram.sample_rate.max(1))
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_have_hours_only_when_needed() {
        assert_eq!(clock(0.0), "0:00");
        assert_eq!(clock(61.9), "1:01");
        assert_eq!(clock(3_725.0), "1:02:05");
        assert_eq!(clock(f64::NAN), "0:00");
        assert_eq!(clock(-4.0), "0:00");
    }

    #[test]
    fn numbers_are_rounded_not_cut() {
        assert_eq!(percent(0.645), "65 %");
        assert_eq!(megabytes(2_449_999.0), "2.4 MB");
        assert_eq!(duration(186.6), "187 ms");
        assert_eq!(duration(1_950.0), "2.0 s");
    }

    #[test]
    fn a_song_without_tags_shows_what_is_known() {
        let info = SongInfo { codec: "flac".into(), sample_rate: 22_050, channels: 1, ..SongInfo::default() };
        assert_eq!(song_facts(&info, Some(30.0)), "0:30 · flac, 22.1 kHz, mono");
        assert_eq!(song_facts(&SongInfo::default(), None), "");
    }
}
