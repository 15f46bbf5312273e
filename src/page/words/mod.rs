//! Every sentence of the page.
//!
//! In: codes and arguments. Out: words a person reads, in the language in use.
//! Nothing else of the page holds a sentence: they stand in `www/language/`, a
//! file a language, under keys that begin with the view or the thing that says
//! them. [`t!`] says the sentence of a key; what has to choose among several
//! stands below.

mod language;
mod template;
#[cfg(test)]
mod tests;

pub(crate) use language::{LANGUAGES, choose, in_use, mark_document, preferred, speak};
pub(crate) use template::Argument;

use super::Counts;
use super::download::DownloadProblem;
use super::keeper::Keeping;
use super::microphone::MicrophoneProblem;
use super::store::StoreProblem;
use crate::classify::verdict::Doubt;
use crate::engine::pool::{Choice, EngineStatus, GpuStatus};
use crate::engine::protocol::{EngineProblem, ModelProblem, Role, SongInfo, SongNotice, SongProblem};
use crate::letters::{lowercase, uppercase};
use crate::network::card::{CARD_VERSION, Combine, ModelCard, Rejection, RejectionScore, Score};
use crate::sound::song::UNKNOWN_CODEC;

/// The page's name, the same in every language.
pub(crate) const NAME: &str = "Needledrop";

/// `t!("view.thing")`, `t!("view.thing", name = words, count = number)`: a
/// sentence in the language in use, as a `String`.
///
/// A view follows the language where this stands in a closure,
/// `{move || t!("view.thing")}`; where there is nothing to fill in,
/// [`sentence`] gives smaller code.
macro_rules! t {
    ($key:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::page::words::say(
            $key,
            &[$((stringify!($name), $crate::page::words::Argument::from($value))),*],
        )
    };
}
pub(crate) use t;

/// What [`t!`] gives; for keys that are not written out. A key that no language
/// has is shown as it is.
pub(crate) fn say(key: &str, arguments: &[(&str, Argument<'_>)]) -> String {
    language::say(key, arguments).unwrap_or_else(|| key.to_owned())
}

/// A sentence without gaps that follows the language. All of them are of one
/// type, so that a view of many is not much code.
pub(crate) fn sentence(key: &'static str) -> impl Fn() -> String + Copy + Send + Sync + 'static {
    move || say(key, &[])
}

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

/// A number with so many decimals, the language's way.
pub(crate) fn decimal(number: f64, decimals: u32) -> String {
    let scale = 10_u64.saturating_pow(decimals);
    let scaled = (number.abs() * scale as f64).round() as u64;
    let sign = if number < 0.0 && scaled > 0 { "−" } else { "" };
    if decimals == 0 {
        return format!("{sign}{scaled}");
    }
    let width = decimals as usize;
    format!("{sign}{}{}{:0width$}", scaled / scale, t!("number.decimal"), scaled % scale)
}

/// A probability as whole percent.
pub(crate) fn percent(probability: f32) -> String {
    t!("number.percent", number = (probability * 100.0).round() as u32)
}

/// A probability with one decimal, for scores.
pub(crate) fn percent_exact(share: f64) -> String {
    t!("number.percent", number = decimal(share * 100.0, 1))
}

/// A size in megabytes with one decimal.
pub(crate) fn megabytes(bytes: f64) -> String {
    format!("{}\u{a0}MB", decimal(bytes / 1e6, 1))
}

/// A time in milliseconds as a person would say it.
pub(crate) fn duration(milliseconds: f64) -> String {
    if milliseconds < 1000.0 {
        format!("{}\u{a0}ms", milliseconds.round() as u32)
    } else {
        format!("{}\u{a0}s", decimal(milliseconds / 1000.0, 1))
    }
}

/// A genre as a heading. One that the language has no word for is shown as its
/// model calls it.
pub(crate) fn genre(name: &str) -> String {
    language::say(&format!("genre.{}", lowercase(name)), &[]).unwrap_or_else(|| capitalised(name))
}

/// The genre at `index`, as a heading; nothing where there is none.
pub(crate) fn genre_at(genres: &[String], index: usize) -> String {
    genres.get(index).map(|name| genre(name)).unwrap_or_default()
}

/// A word with a capital: `polka` becomes `Polka`.
pub(crate) fn capitalised(word: &str) -> String {
    let first = word.chars().next().map_or(0, char::len_utf8);
    uppercase(&word[..first]) + &word[first..]
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
    let kilohertz = decimal(f64::from(info.sample_rate) / 1000.0, 1);
    t!("song.sound", codec = &info.codec, rate = kilohertz, channels = info.channels)
}

/// How far the verdict reaches while a song is being heard.
pub(crate) fn so_far(heard: f64) -> String {
    t!("song.so_far", time = clock(heard))
}

/// What the verdict of a whole song rests on.
pub(crate) fn heard_in(clips: usize, milliseconds: f64) -> String {
    t!("song.heard_in", clips = clips, time = duration(milliseconds))
}

/// What a screen reader says of one place in a song.
pub(crate) fn place(seconds: f64, total: f64, genre: Option<(&str, f32)>) -> String {
    let (time, length) = (clock(seconds), clock(total));
    match genre {
        Some((name, probability)) => t!(
            "song.place_genre",
            time = time,
            length = length,
            genre = self::genre(name),
            share = percent(probability)
        ),
        None => t!("song.place", time = time, length = length),
    }
}

/// The same where the sound is not music.
pub(crate) fn place_not_music(second: f64, length: f64) -> String {
    t!("song.place_not_music", time = clock(second), length = clock(length))
}

/// Name of a song's play button.
pub(crate) fn play(title: &str, playing: bool) -> String {
    if playing { t!("song.pause", title = title) } else { t!("song.play", title = title) }
}

/// A button's name with the song it belongs to.
pub(crate) fn of_song(action: &'static str, title: &str) -> String {
    t!("song.action", action = say(action, &[]), title = title)
}

/// Said once a song has its verdict.
pub(crate) fn announce_verdict(title: &str, top: Option<(&str, f32)>, doubt: Option<Doubt>) -> String {
    match (top, doubt) {
        (Some(_), Some(Doubt::NotMusic)) => t!("song.said_not_music", title = title),
        (Some((name, probability)), Some(Doubt::NotSure)) => {
            t!("song.said_not_sure", title = title, genre = genre(name), share = percent(probability))
        }
        (Some((name, probability)), None) => {
            t!("song.said", title = title, genre = genre(name), share = percent(probability))
        }
        (None, _) => t!("song.said_silence", title = title),
    }
}

/// Said once a song has failed.
pub(crate) fn announce_problem(title: &str, problem: &SongProblem) -> String {
    t!("song.said_problem", title = title, problem = self::problem(problem))
}

/// What is with the store where it does not keep.
pub(crate) fn keeping(keeping: &Keeping) -> Option<String> {
    match keeping {
        Keeping::Refused(StoreProblem::Absent) => Some(t!("library.not_kept_absent")),
        Keeping::Refused(StoreProblem::Full) => Some(t!("library.not_kept_full")),
        Keeping::Refused(StoreProblem::Failed(detail)) => {
            Some(t!("library.not_kept_failed", detail = detail))
        }
        Keeping::NoRoomForSound => Some(t!("library.no_room_for_sound")),
        Keeping::Opening | Keeping::Kept => None,
    }
}

/// The count above the list, said when several songs end together.
pub(crate) fn summary(Counts { heard, left, failed, stopped }: Counts) -> String {
    let mut parts = Vec::new();
    if heard > 0 {
        parts.push(t!("songs.heard", count = heard));
    }
    if left > 0 {
        parts.push(t!("songs.to_go", count = left));
    }
    if failed > 0 {
        parts.push(t!("songs.failed", count = failed));
    }
    if stopped > 0 {
        parts.push(t!("songs.stopped", count = stopped));
    }
    parts.join(", ")
}

/// The question before songs are removed, of which some may have no other copy.
pub(crate) fn remove_surely(count: usize, is_recorded: bool) -> String {
    let question = t!("library.remove_surely", count = count);
    if is_recorded { question + " " + &t!("library.no_copy") } else { question }
}

/// Parts of a recipe as `needledrop train` writes them, in its name and in a card, and
/// their sentences. `#` is a number, a second one a name.
const RECIPE: [(&str, &str); 47] = [
    ("learning rate #", "recipe.learning_rate"),
    ("constant", "recipe.constant"),
    ("cosine", "recipe.cosine"),
    ("batch #", "recipe.batch"),
    ("# epochs", "recipe.epochs"),
    ("at most # epochs", "recipe.most_epochs"),
    ("patience 0", "recipe.no_patience"),
    ("patience #", "recipe.patience"),
    ("l2 0", "recipe.no_l2"),
    ("l2 of all", "recipe.l2_of_all"),
    ("l2 of all but last", "recipe.l2_of_all_but_last"),
    ("l2 of hidden", "recipe.l2_of_hidden"),
    ("by accuracy", "recipe.by_accuracy"),
    ("by loss", "recipe.by_loss"),
    ("l2 #", "recipe.l2"),
    ("L2 #", "recipe.l2"),
    ("L2 # of all but the last layer", "recipe.l2_all_but_last"),
    ("L2 # of hidden dense layers", "recipe.l2_hidden"),
    ("begun with another's weights", "recipe.begun_with"),
    ("begun with the weights # of #", "recipe.begun_with_these"),
    ("taught by the weights #", "recipe.taught"),
    ("weight decay #", "recipe.weight_decay"),
    ("standardised kernels", "recipe.standardised"),
    ("mean of weights #", "recipe.averaging"),
    ("label smoothing #", "recipe.label_smoothing"),
    ("distillation #", "recipe.distillation"),
    ("teachers hear clearly", "recipe.clear_teachers"),
    ("clips from elsewhere in the song", "recipe.elsewhere"),
    ("mixup #", "recipe.mixup"),
    ("speed ±#", "recipe.speed"),
    ("shift ±# bands", "recipe.shift"),
    ("equaliser ±# dB", "recipe.equaliser"),
    ("room #", "recipe.room"),
    ("rooms uneven by # dB", "recipe.uneven"),
    ("noise #", "recipe.noise"),
    ("telephone #", "recipe.telephone"),
    ("codec #", "recipe.codec"),
    ("all of a phone #", "recipe.phone"),
    ("# masks", "recipe.masks"),
    ("a channel blank #", "recipe.blank"),
    ("the epoch with most clips right", "recipe.by_accuracy"),
    ("from its #th epoch on the one with most clips right", "recipe.late_by_accuracy"),
    ("frames are centred", "recipe.centred"),
    ("clips begin where they began", "recipe.not_moved"),
    ("and are slowed only", "recipe.slowed"),
    ("training and validation part together", "recipe.refitted"),
    ("the last epoch", "recipe.last_epoch"),
];

/// A recipe by its name, of which what was changed of it is a part, or as a card has it.
pub(crate) fn recipe(written: &str) -> String {
    let part = |written: &str| {
        let part = written.trim_matches([' ', ',', ':', ';', '(', ')']);
        part_of_recipe(part).map_or_else(|| written.to_owned(), |said| written.replace(part, &said))
    };
    written.split_inclusive([',', ':', ';', '(', ')']).map(part).collect()
}

/// `None` for what is not of [`RECIPE`]: names, and what another program wrote.
fn part_of_recipe(part: &str) -> Option<String> {
    RECIPE.iter().find_map(|(written, key)| {
        let mut pieces = written.split('#');
        let mut rest = part.strip_prefix(pieces.next()?)?;
        let mut gaps = Vec::new();
        for (piece, name) in pieces.zip(["number", "name"]) {
            let end = if piece.is_empty() { rest.len() } else { rest.find(piece)? };
            let (gap, after) = rest.split_at(end);
            let gap = match name {
                "number" if gap.contains(' ') || !gap.contains(|digit: char| digit.is_ascii_digit()) => {
                    return None;
                }
                "number" => Argument::from(gap.replace('.', &t!("number.decimal"))),
                _ => Argument::from(gap),
            };
            gaps.push((name, gap));
            rest = after.strip_prefix(piece)?;
        }
        rest.is_empty().then(|| say(key, &gaps))
    })
}

/// Why a song has no verdict.
pub(crate) fn problem(problem: &SongProblem) -> String {
    match problem {
        SongProblem::Empty => t!("problem.empty"),
        SongProblem::Folder => t!("problem.folder"),
        SongProblem::NotAudio => t!("problem.not_audio"),
        SongProblem::NoTrack => t!("problem.no_track"),
        SongProblem::Codec { codec } if codec == UNKNOWN_CODEC => t!("problem.codec_unknown"),
        SongProblem::Codec { codec } => t!("problem.codec", codec = codec),
        SongProblem::TooLong { codec, seconds, limit } if *seconds <= 0.0 => {
            t!("problem.too_large", codec = codec, minutes = minutes(*limit))
        }
        SongProblem::TooLong { codec, seconds, limit } => {
            t!("problem.too_long", codec = codec, length = clock(*seconds), minutes = minutes(*limit))
        }
        SongProblem::TooShort { seconds, least } => {
            t!("problem.too_short", length = duration(seconds * 1000.0), least = duration(least * 1000.0))
        }
        SongProblem::SampleRate { sample_rate } => t!("problem.sample_rate", rate = *sample_rate),
        SongProblem::NotFinite => t!("problem.not_finite"),
        SongProblem::Damaged { detail } => t!("problem.damaged", detail = detail),
        SongProblem::Unreadable { detail } => t!("problem.unreadable", detail = detail),
        SongProblem::ModelRefused => t!("problem.model_refused"),
        SongProblem::Engine { detail } => t!("problem.engine", detail = detail),
    }
}

/// What was not as it should be, though there is a verdict.
pub(crate) fn notice(notice: &SongNotice) -> String {
    match notice {
        SongNotice::Truncated { heard, declared: Some(declared) } => {
            t!("notice.truncated", heard = clock(*heard), declared = clock(*declared))
        }
        SongNotice::Truncated { heard, declared: None } => t!("notice.breaks_off", heard = clock(*heard)),
        SongNotice::CorruptPackets { packets } => t!("notice.corrupt", count = *packets),
        SongNotice::NonFinite { samples } => t!("notice.not_finite", count = *samples),
        SongNotice::Repeated { seconds } => t!("notice.repeated", length = duration(seconds * 1000.0)),
    }
}

/// Why a file of weights is no model, as the end of a sentence.
pub(crate) fn model_problem(problem: &ModelProblem) -> String {
    let shape = |shape: &[usize]| {
        let sides: Vec<_> = shape.iter().map(usize::to_string).collect();
        sides.join(" × ")
    };
    match problem {
        ModelProblem::NotWhole => t!("model.not_whole"),
        ModelProblem::NoCard => t!("model.no_card"),
        ModelProblem::Version { found } => t!("model.version", found = *found, known = CARD_VERSION),
        ModelProblem::Card { detail } => t!("model.bad_card", detail = detail),
        ModelProblem::Missing { tensor } => t!("model.missing", tensor = tensor),
        ModelProblem::Unexpected { tensor } => t!("model.unexpected", tensor = tensor),
        ModelProblem::Shape { tensor, found, expected } => {
            t!("model.shape", tensor = tensor, found = shape(found), expected = shape(expected))
        }
        ModelProblem::Type { tensor, found } => t!("model.type", tensor = tensor, found = found),
        ModelProblem::NotFinite { tensor } => t!("model.not_finite", tensor = tensor),
        ModelProblem::Gone => t!("model.gone"),
        ModelProblem::Engine { detail } => t!("model.engine", detail = detail),
    }
}

/// Why a worker cannot be used.
pub(crate) fn engine_problem(problem: &EngineProblem) -> String {
    match problem {
        EngineProblem::Protocol { .. } => t!("engine.protocol"),
        EngineProblem::NoWebGpu => t!("engine.no_webgpu"),
        EngineProblem::NoAdapter => t!("engine.no_adapter"),
        EngineProblem::Software { adapter } => t!("engine.software", adapter = adapter),
        EngineProblem::Unreachable => t!("engine.unreachable"),
        EngineProblem::Failed { detail } => t!("engine.failed", detail = detail),
        EngineProblem::Silent { seconds } => t!("engine.silent", time = duration(seconds * 1000.0)),
        EngineProblem::Slower { gpu, cpu } => {
            t!("engine.slower", gpu = decimal(*gpu, 1), cpu = decimal(*cpu, 1))
        }
    }
}

/// What runs and how long a clip takes it.
pub(crate) fn runs(status: &EngineStatus) -> String {
    if let Some(problem) = &status.problem {
        return t!("engine.does_not_run", problem = engine_problem(problem));
    }
    match status.running {
        None => t!("engine.getting_ready"),
        Some(Role::Gpu) => match status.gpu_milliseconds {
            Some(time) => t!("engine.on_gpu_in", device = &status.device, time = duration(time)),
            None => t!("engine.on_gpu", device = &status.device),
        },
        Some(_) => {
            let (workers, number) = (status.cpu_workers, number(status.cpu_workers));
            match status.cpu_milliseconds {
                Some(time) => {
                    t!("engine.on_cpu_in", workers = workers, number = number, time = duration(time))
                }
                None => t!("engine.on_cpu", workers = workers, number = number),
            }
        }
    }
}

/// What is with the GPU where it is not what runs.
pub(crate) fn gpu(status: &EngineStatus) -> String {
    match (&status.gpu, status.choice) {
        (GpuStatus::Off, Choice::Cpu) => t!("engine.gpu_off"),
        (GpuStatus::Off, _) => t!("engine.gpu_unasked"),
        (GpuStatus::Starting, _) => t!("engine.gpu_starting"),
        (GpuStatus::Running, _) => match status.cpu_milliseconds {
            Some(time) => t!("engine.cpu_would_take", time = duration(time)),
            None => t!("engine.gpu_faster"),
        },
        (GpuStatus::Unused(problem), _) => t!("engine.not_on_gpu", problem = engine_problem(problem)),
    }
}

/// Why something of the page itself, by the key of its name, could not be
/// loaded.
pub(crate) fn load_problem(what: &'static str, problem: &DownloadProblem) -> String {
    let what = say(what, &[]);
    match problem {
        DownloadProblem::Offline => t!("download.offline", what = what),
        DownloadProblem::Refused(status) => {
            t!("download.refused", what = what, status = u32::from(*status))
        }
        DownloadProblem::Unusable(detail) => t!("download.unusable", what = what, detail = detail),
    }
}

/// A download on its way, by the key of its name.
pub(crate) fn loading(what: &'static str, received: f64, total: Option<f64>) -> String {
    let (what, received) = (say(what, &[]), megabytes(received));
    match total {
        Some(total) => t!("download.coming_of", what = what, received = received, total = megabytes(total)),
        None => t!("download.coming", what = what, received = received),
    }
}

/// Why the microphone is not heard.
pub(crate) fn microphone_problem(problem: &MicrophoneProblem) -> String {
    match problem {
        MicrophoneProblem::Insecure => t!("microphone.insecure"),
        MicrophoneProblem::Unsupported => t!("microphone.unsupported"),
        MicrophoneProblem::Denied => t!("microphone.denied"),
        MicrophoneProblem::Absent => t!("microphone.absent"),
        MicrophoneProblem::Busy => t!("microphone.busy"),
        MicrophoneProblem::NotShared => t!("microphone.shared_denied"),
        MicrophoneProblem::SharedSilent => t!("microphone.shared_silent"),
        MicrophoneProblem::SharedFailed(detail) => t!("microphone.shared_failed", detail = detail),
        MicrophoneProblem::NotStarted => t!("microphone.not_started"),
        MicrophoneProblem::NoEngine => t!("microphone.no_engine"),
        MicrophoneProblem::Failed(detail) => t!("microphone.failed", detail = detail),
    }
}

/// What this model's verdicts are worth, said before any number.
pub(crate) fn limits(genres: &[String], refuses: bool) -> String {
    let (count, number) = (genres.len(), number(genres.len()));
    if refuses {
        t!("model.limits_refusing", count = count, number = number)
    } else {
        t!("model.limits", count = count, number = number)
    }
}

/// How clips are scored and become the song's verdict.
pub(crate) fn combined(card: &ModelCard) -> String {
    let named = || card.genres.iter().zip(&card.bias);
    let least = named().min_by(|a, b| a.1.total_cmp(b.1));
    let most = named().max_by(|a, b| a.1.total_cmp(b.1));
    let biased = least.zip(most).map(|((low, least), (high, most))| {
        let shift = |bias: &f32| decimal(f64::from(*bias), 2);
        t!("model.biased", least = shift(least), low = genre(low), most = shift(most), high = genre(high))
    });
    let combined = match card.combine {
        Combine::MeanProbability => t!("model.mean_probability"),
        Combine::LogPool { correlation } => {
            t!("model.log_pool", correlation = decimal(f64::from(correlation), 2))
        }
    };
    let sure = card.least_confidence.map(|least| t!("model.not_sure_below", share = percent(least)));
    [biased, Some(combined), sure].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// What is refused as not music.
pub(crate) fn refused(card: &ModelCard) -> String {
    let Some(Rejection { score, threshold }) = card.rejection else { return t!("model.refuses_nothing") };
    let score = match score {
        RejectionScore::MaxProbability => t!("model.score_max_probability"),
        RejectionScore::MaxLogit => t!("model.score_max_logit"),
        RejectionScore::Energy => t!("model.score_energy"),
        RejectionScore::Mahalanobis => t!("model.score_mahalanobis"),
        RejectionScore::Probe => t!("model.score_probe"),
    };
    t!("model.refuses_below", score = score, threshold = decimal(f64::from(threshold), 2))
}

/// A number with its thousands apart, as every language reads it (ISO 80000-1);
/// four digits stay together.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// A small number as a word.
fn number(count: usize) -> String {
    t!("number.word", number = count)
}

/// A split by its code in the card.
pub(crate) fn split(code: &str) -> String {
    match code {
        "clips" => t!("model.split_clips"),
        "tracks" => t!("model.split_tracks"),
        "filtered" => t!("model.split_filtered"),
        "" => t!("model.not_said"),
        other => other.to_owned(),
    }
}

/// One score of the card.
pub(crate) fn score(score: &Score) -> String {
    let per = match score.per.as_str() {
        "clip" => t!("model.per_clip"),
        "track" => t!("model.per_track"),
        other => other.to_owned(),
    };
    let part = match score.part.as_str() {
        "test" => t!("model.part_test"),
        "validation" => t!("model.part_validation"),
        "train" => t!("model.part_train"),
        other => other.to_owned(),
    };
    let share = match score.interval {
        Some([low, high]) => t!(
            "model.share_interval",
            share = percent_exact(score.accuracy.into()),
            low = percent_exact(low.into()),
            high = percent_exact(high.into())
        ),
        None => percent_exact(score.accuracy.into()),
    };
    match score.trainings {
        Some(trainings) => t!(
            "model.score_trainings",
            share = share,
            per = per,
            part = part,
            split = &score.split,
            trainings = trainings
        ),
        None => t!("model.score", share = share, per = per, part = part, split = &score.split),
    }
}

/// The front end of a model in a line.
pub(crate) fn hears(card: &ModelCard) -> String {
    let spectrogram = &card.spectrogram;
    let step = f64::from(spectrogram.hop_length as u32) * 1000.0 / f64::from(spectrogram.sample_rate.max(1));
    t!(
        "model.front_end",
        length = duration(f64::from(spectrogram.clip_seconds) * 1000.0),
        rate = spectrogram.sample_rate,
        bands = spectrogram.n_mels,
        step = duration(step)
    )
}
