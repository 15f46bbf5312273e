//! Files for the tests, made when they run: a signal that is known by its
//! formula, written by ffmpeg in the format that is wanted.

use std::{
    f64::consts::TAU,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use needledrop::sound::wav;

/// Length of a fixture, in seconds.
pub(crate) const SECONDS: f64 = 3.5;

/// Sound of which every sample is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signal {
    pub(crate) sample_rate: u32,
    pub(crate) channels: u16,
}

impl Signal {
    pub(crate) fn frames(self) -> usize {
        (SECONDS * f64::from(self.sample_rate)).round() as usize
    }

    /// Five tones under 3 kHz that swell at different speeds, so that no
    /// stretch of it is like another; the channels differ in their loudness.
    fn sample(self, frame: usize, channel: u16) -> f64 {
        const TONES: [(f64, f64); 5] =
            [(196.0, 0.31), (523.3, 0.53), (880.0, 0.71), (1479.0, 1.13), (2793.8, 1.7)];
        let seconds = frame as f64 / f64::from(self.sample_rate);
        let sound: f64 = TONES
            .iter()
            .map(|&(frequency, swell)| {
                let loudness = 0.6 - 0.4 * (TAU * swell * seconds).cos();
                0.13 * loudness * (TAU * frequency * seconds).sin()
            })
            .sum();
        sound * (1.0 - 0.5 * f64::from(channel) / f64::from(self.channels))
    }

    /// The mean of the channels.
    pub(crate) fn mono(self) -> Vec<f32> {
        let mean = |frame| (0..self.channels).map(|channel| self.sample(frame, channel)).sum::<f64>();
        (0..self.frames()).map(|frame| (mean(frame) / f64::from(self.channels)) as f32).collect()
    }

    /// A 32-bit float WAV: the raw material that ffmpeg encodes.
    fn write(self, path: &Path) {
        let frames = self.frames() as u64;
        let mut header = wav::header(self.sample_rate, self.channels, frames);
        let data_length = (frames * u64::from(self.channels) * 4) as u32;
        header[4..8].copy_from_slice(&(data_length + 36).to_le_bytes());
        header[20..22].copy_from_slice(&3_u16.to_le_bytes());
        header[28..32].copy_from_slice(&(self.sample_rate * u32::from(self.channels) * 4).to_le_bytes());
        header[32..34].copy_from_slice(&(self.channels * 4).to_le_bytes());
        header[34..36].copy_from_slice(&32_u16.to_le_bytes());
        header[40..44].copy_from_slice(&data_length.to_le_bytes());
        let mut bytes = header.to_vec();
        for frame in 0..self.frames() {
            for channel in 0..self.channels {
                bytes.extend((self.sample(frame, channel) as f32).to_le_bytes());
            }
        }
        fs::write(path, bytes).unwrap();
    }
}

/// A way to store sound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// What tests call it; no two are the same.
    pub(crate) name: &'static str,
    pub(crate) extension: &'static str,
    /// What ffmpeg is told, between input and output.
    pub(crate) options: &'static [&'static str],
    /// Decoded samples before the first of the original.
    pub(crate) delay: usize,
    /// Signal to noise that the decoded sound must have, in dB.
    pub(crate) least_ratio: f64,
    /// Highest rate it has, in Hz.
    pub(crate) highest_rate: u32,
    /// Most channels it has here.
    pub(crate) most_channels: u16,
}

const fn lossless(
    name: &'static str,
    extension: &'static str,
    options: &'static [&'static str],
    least_ratio: f64,
) -> Format {
    Format { name, extension, options, delay: 0, least_ratio, highest_rate: 192_000, most_channels: 6 }
}

/// A frame of AAC that its encoder puts in front; neither ADTS nor symphonia's
/// reader of MP4 says so.
const AAC_DELAY: usize = 1024;

/// Every format of the promise, each with the quality that it can have.
pub(crate) const FORMATS: [Format; 24] = [
    lossless("wav-8", "wav", &["-c:a", "pcm_u8"], 28.0),
    lossless("wav-16", "wav", &["-c:a", "pcm_s16le"], 75.0),
    lossless("wav-24", "wav", &["-c:a", "pcm_s24le"], 120.0),
    lossless("wav-32", "wav", &["-c:a", "pcm_s32le"], 120.0),
    lossless("wav-float", "wav", &["-c:a", "pcm_f32le"], 120.0),
    lossless("wav-double", "wav", &["-c:a", "pcm_f64le"], 120.0),
    lossless("aiff-16", "aiff", &["-c:a", "pcm_s16be"], 75.0),
    lossless("aiff-24", "aiff", &["-c:a", "pcm_s24be"], 120.0),
    lossless("au-8", "au", &["-c:a", "pcm_s8"], 28.0),
    lossless("au-16", "au", &["-c:a", "pcm_s16be"], 75.0),
    lossless("au-24", "au", &["-c:a", "pcm_s24be"], 120.0),
    lossless("au-32", "au", &["-c:a", "pcm_s32be"], 120.0),
    lossless("au-float", "au", &["-c:a", "pcm_f32be"], 120.0),
    lossless("au-mulaw", "au", &["-c:a", "pcm_mulaw"], 30.0),
    lossless("au-alaw", "au", &["-c:a", "pcm_alaw"], 30.0),
    lossless("flac-16", "flac", &["-c:a", "flac", "-sample_fmt", "s16"], 75.0),
    lossless("flac-24", "flac", &["-c:a", "flac", "-sample_fmt", "s32"], 120.0),
    lossless("alac", "m4a", &["-c:a", "alac", "-sample_fmt", "s16p"], 75.0),
    Format {
        name: "mp3",
        extension: "mp3",
        options: &["-c:a", "libmp3lame", "-q:a", "2"],
        delay: 0,
        least_ratio: 20.0,
        highest_rate: 48_000,
        most_channels: 2,
    },
    Format {
        name: "vorbis",
        extension: "ogg",
        options: &["-c:a", "libvorbis", "-q:a", "7"],
        delay: 0,
        least_ratio: 15.0,
        highest_rate: 192_000,
        most_channels: 6,
    },
    Format {
        name: "aac-mp4",
        extension: "m4a",
        options: &["-c:a", "aac", "-b:a", "192k"],
        delay: AAC_DELAY,
        least_ratio: 20.0,
        highest_rate: 96_000,
        most_channels: 2,
    },
    Format {
        name: "aac-adts",
        extension: "aac",
        options: &["-c:a", "aac", "-b:a", "192k"],
        delay: AAC_DELAY,
        least_ratio: 20.0,
        highest_rate: 96_000,
        most_channels: 2,
    },
    lossless("wav-rf64", "wav", &["-c:a", "pcm_s16le", "-rf64", "always"], 75.0),
    lossless("flac-mkv", "mkv", &["-c:a", "flac", "-sample_fmt", "s16"], 75.0),
];

/// The format of that name.
pub(crate) fn format(name: &str) -> Format {
    FORMATS.into_iter().find(|format| format.name == name).unwrap()
}

/// The bytes of `signal` in `format`.
pub(crate) fn encode(format: Format, signal: Signal) -> Vec<u8> {
    encode_with(format.name, format.extension, format.options, signal)
}

/// The bytes of `signal` as ffmpeg writes them with `options`. The file is kept for
/// the next run, under a name that goes with both.
pub(crate) fn encode_with(name: &str, extension: &str, options: &[&str], signal: Signal) -> Vec<u8> {
    let Signal { sample_rate, channels } = signal;
    let digest = digest(options, signal);
    let path = folder().join(format!("{name}-{sample_rate}-{channels}-{digest}.{extension}"));
    if !path.exists() {
        let raw = unique("raw", "wav");
        signal.write(&raw);
        let encoded = unique(name, extension);
        ffmpeg(&raw, options, &encoded);
        fs::remove_file(raw).unwrap();
        // Whole or not at all, also with tests side by side.
        fs::rename(encoded, &path).unwrap();
    }
    fs::read(path).unwrap()
}

/// Another one where the options are others, or the signal; of that, one sample in
/// a thousand tells.
fn digest(options: &[&str], signal: Signal) -> String {
    let mut hasher = DefaultHasher::new();
    options.hash(&mut hasher);
    signal.frames().hash(&mut hasher);
    for frame in (0..signal.frames()).step_by(997) {
        (0..signal.channels).for_each(|channel| signal.sample(frame, channel).to_bits().hash(&mut hasher));
    }
    format!("{:08x}", hasher.finish() >> 32)
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sound");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A path that no other test and no other process uses.
fn unique(name: &str, extension: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder().join(format!("{name}-{}-{count}.part.{extension}", std::process::id()))
}

fn ffmpeg(input: &Path, options: &[&str], output: &Path) {
    let outcome = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-i"])
        .arg(input)
        .args(options)
        .arg(output)
        .output()
        .unwrap_or_else(|error| panic!("ffmpeg does not start ({error}); `make test` installs it"));
    assert!(outcome.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&outcome.stderr));
}
