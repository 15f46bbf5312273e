//! Every format against the signal that it was made of.

use needledrop::sound::song::SongNotice;

use crate::{
    decode,
    fixtures::{FORMATS, Format, SECONDS, Signal, encode, encode_with, format},
};

const RATES: [u32; 6] = [8_000, 22_050, 44_100, 48_000, 96_000, 192_000];

/// Encoders pad the end with at most this many samples.
const MOST_PADDING: usize = 2048;

/// Signal to noise of what was decoded, in dB, `delay` samples in. The edges
/// are left out, where lossy codecs fade.
fn ratio(decoded: &[f32], original: &[f32], delay: usize) -> f64 {
    let range = 2000..original.len() - 2000;
    let signal: f64 = original[range.clone()].iter().map(|&x| f64::from(x).powi(2)).sum();
    let noise: f64 = range.map(|k| (f64::from(decoded[k + delay]) - f64::from(original[k])).powi(2)).sum();
    10.0 * (signal / noise).log10()
}

fn check(format: Format, signal: Signal) {
    let what = format!("{} at {} Hz, {} channels", format.name, signal.sample_rate, signal.channels);
    let original = signal.mono();
    let decoded = decode(encode(format, signal)).unwrap_or_else(|problem| panic!("{what}: {problem}"));
    assert_eq!(decoded.sample_rate, signal.sample_rate, "{what}");
    assert_eq!(decoded.info.sample_rate, signal.sample_rate, "{what}");
    assert_eq!(decoded.info.channels, usize::from(signal.channels), "{what}");
    assert_eq!(decoded.notices, [], "{what}");
    let padding = (decoded.mono.len() - format.delay).checked_sub(original.len());
    let most_padding = if format.delay == 0 { 0 } else { MOST_PADDING };
    assert!(padding.is_some_and(|padding| padding <= most_padding), "{what}: {padding:?} samples too many");
    let seconds = decoded.mono.len() as f64 / f64::from(signal.sample_rate);
    assert!((decoded.seconds - seconds).abs() < 1e-6, "{what}: {} s", decoded.seconds);
    let ratio = ratio(&decoded.mono, &original, format.delay);
    assert!(ratio > format.least_ratio, "{what}: {ratio:.1} dB");
}

/// Every rate of a format, in mono and stereo by turns, and every channel count
/// at 44.1 kHz.
fn check_all(name: &str) {
    let format = format(name);
    for (index, sample_rate) in RATES.into_iter().enumerate() {
        if sample_rate <= format.highest_rate {
            check(format, Signal { sample_rate, channels: 1 + index as u16 % 2 });
        }
    }
    for channels in [1, 2, 6] {
        if channels <= format.most_channels {
            check(format, Signal { sample_rate: 44_100, channels });
        }
    }
}

macro_rules! formats {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            check_all($name);
        })*

        #[test]
        fn no_format_is_left_out() {
            let tested = [$($name),*];
            for format in FORMATS {
                assert!(tested.contains(&format.name), "{}", format.name);
            }
        }
    };
}

#[test]
fn songs_that_follow_one_another_in_an_ogg_are_one() {
    let first = Signal { sample_rate: 44_100, channels: 2 };
    let second = Signal { sample_rate: 22_050, channels: 1 };
    let vorbis = format("vorbis");
    let chain = [encode(vorbis, first), encode(vorbis, second)].concat();
    let song = decode(chain).unwrap();
    assert_eq!(song.mono.len(), first.frames() + second.frames());
    assert_eq!((song.sample_rate, song.info.sample_rate), (22_050, 44_100));
    assert!((song.seconds - 2.0 * SECONDS).abs() < 1e-6);
}

/// An MP3 whose length nobody wrote down, and whose first frames are ten times as long as the
/// others: what symphonia guesses of them is a fraction of it.
#[test]
fn an_mp3_without_a_length_is_heard_to_its_end() {
    let options =
        ["-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0", "-af", "volume=0:enable='gte(t,0.8)'"];
    let signal = Signal { sample_rate: 44_100, channels: 2 };
    let song = decode(encode_with("mp3-without-length", "mp3", &options, signal)).unwrap();
    assert!(song.info.seconds.is_some_and(|guess| guess < SECONDS - 1.0), "{:?}", song.info.seconds);
    assert!((SECONDS..SECONDS + 0.1).contains(&song.seconds), "{} s", song.seconds);
    assert_eq!(song.notices, []);
}

#[test]
fn mp3s_that_follow_one_another_are_one() {
    let signal = Signal { sample_rate: 44_100, channels: 2 };
    let chain = [encode(format("mp3"), signal), encode(format("mp3"), signal)].concat();
    let song = decode(chain).unwrap();
    // The second's delay and padding are heard.
    assert!((2.0 * SECONDS..2.0 * SECONDS + 0.1).contains(&song.seconds), "{} s", song.seconds);
    assert_eq!(song.notices, []);
}

/// As a jingle before a show: the decoder of the first knows neither the rate nor the channels of
/// the second.
#[test]
fn an_mp3_that_changes_its_rate_and_channels_is_heard_to_its_end() {
    let parts = [(22_050, 1), (44_100, 2)].map(|(sample_rate, channels)| {
        let signal = Signal { sample_rate, channels };
        encode_with(&format!("jingle-{channels}"), "mp3", &["-c:a", "libmp3lame", "-write_xing", "0"], signal)
    });
    let song = decode(parts.concat()).unwrap();
    assert!((2.0 * SECONDS..2.0 * SECONDS + 0.3).contains(&song.seconds), "{} s", song.seconds);
    // The packet at which it was found out.
    assert!(
        matches!(song.notices[..], [SongNotice::CorruptPackets { packets: 1..=2 }]),
        "{:?}",
        song.notices
    );
}

/// symphonia makes room for as many as a header announces, before there is one.
#[test]
fn a_header_that_announces_gigabytes_takes_none() {
    let mut caf = b"caff\0\x01\0\0desc".to_vec();
    caf.extend(32_u64.to_be_bytes());
    caf.extend(44_100_f64.to_be_bytes());
    caf.extend(b"lpcm");
    // Little-endian integers; bytes and frames a packet, channels, bits.
    for number in [2, 2, u32::MAX, 1, 16_u32] {
        caf.extend(number.to_be_bytes());
    }
    caf.extend(b"data");
    caf.extend(8_u64.to_be_bytes());
    caf.extend([0; 8]);
    let song = decode(caf);
    assert!(song.as_ref().is_ok_and(|song| song.mono.len() <= 4), "{:?}", song.map(|song| song.mono.len()));
}

/// WebM has times in whole milliseconds, and an Ogg that was made of one has them too: they jump
/// by some samples from page to page, and nothing is missing.
#[test]
fn an_ogg_made_of_webm_has_no_holes() {
    let signal = Signal { sample_rate: 44_100, channels: 2 };
    let webm = encode_with("rounded", "webm", &["-c:a", "libvorbis", "-q:a", "4"], signal);
    let folder = tempfile::tempdir().unwrap();
    let [from, to] = ["rounded.webm", "rounded.ogg"].map(|name| folder.path().join(name));
    std::fs::write(&from, webm).unwrap();
    let copied = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&from)
        .args(["-c", "copy"])
        .arg(&to)
        .status();
    assert!(copied.unwrap().success());
    let song = decode(std::fs::read(&to).unwrap()).unwrap();
    assert!((SECONDS - 0.05..SECONDS + 0.05).contains(&song.seconds), "{} s", song.seconds);
    assert_eq!(song.notices, []);
}

/// Broadcasters' recordings. Of the delay of its filter banks no file says anything, and
/// ffmpeg's encoder leaves out as much at the end.
#[test]
fn mp2_is_heard() {
    const DELAY: usize = 481;
    let signal = Signal { sample_rate: 44_100, channels: 2 };
    let song = decode(encode_with("second-layer", "mp2", &["-c:a", "mp2", "-b:a", "192k"], signal)).unwrap();
    assert_eq!((song.info.codec.as_str(), song.notices), ("mp2", vec![]));
    let frames = signal.frames();
    assert!((frames..frames + 1152).contains(&song.mono.len()), "{} samples", song.mono.len());
    let ratio = ratio(&song.mono, &signal.mono()[..frames - DELAY], DELAY);
    assert!(ratio > 20.0, "{ratio:.1} dB");
}

/// Of a long one symphonia guesses the length from its first frames, and too great.
#[test]
fn a_whole_adts_is_not_said_to_be_cut_off() {
    let options = ["-c:a", "aac", "-b:a", "128k", "-af", "aloop=loop=19:size=154350"];
    let song =
        decode(encode_with("long", "aac", &options, Signal { sample_rate: 44_100, channels: 2 })).unwrap();
    assert!((20.0 * SECONDS..20.0 * SECONDS + 0.1).contains(&song.seconds), "{} s", song.seconds);
    assert_eq!(song.notices, []);
}

formats! {
    wav_of_8_bits: "wav-8",
    wav_of_16_bits: "wav-16",
    wav_of_24_bits: "wav-24",
    wav_of_32_bits: "wav-32",
    wav_of_floats: "wav-float",
    wav_of_doubles: "wav-double",
    aiff_of_16_bits: "aiff-16",
    aiff_of_24_bits: "aiff-24",
    au_of_8_bits: "au-8",
    au_of_16_bits: "au-16",
    au_of_24_bits: "au-24",
    au_of_32_bits: "au-32",
    au_of_floats: "au-float",
    au_of_mu_law: "au-mulaw",
    au_of_a_law: "au-alaw",
    flac_of_16_bits: "flac-16",
    flac_of_24_bits: "flac-24",
    alac: "alac",
    mp3: "mp3",
    vorbis: "vorbis",
    aac_in_mp4: "aac-mp4",
    aac_in_adts: "aac-adts",
    wav_of_64_bit_lengths: "wav-rf64",
    flac_in_matroska: "flac-mkv",
}
