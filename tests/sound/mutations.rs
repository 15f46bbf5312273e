//! Real files of every format, damaged in every way: an answer or an error,
//! and never more memory, reading or sound than the file's length allows.
//!
//! `PROPTEST_CASES` sets how many damaged files of each format there are; the
//! targets in `fuzz/` go on for as long as one likes.

use std::{
    io::{self, Cursor, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use needledrop::sound::{
    MediaSource,
    clips::ClipStream,
    decode::{Opened, open},
    song::{ClipFormat, SongProblem},
};
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::fixtures::{FORMATS, Signal, encode, encode_with};

const SIGNAL: Signal = Signal { sample_rate: 16_000, channels: 2 };

/// Damaged files of each format, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 100;

/// Memory that opening and decoding may take at any time, besides a multiple of
/// the file: codebooks, tables and one packet of 8 channels.
const MOST_MEMORY: u64 = 24 << 20;

/// How often every byte may be read: the search for tags, for the container and
/// for the length goes over a file several times.
const MOST_READS: u64 = 16;

/// Samples of a byte: a FLAC frame of one value has 65535 in 14 bytes.
const MOST_SAMPLES: u64 = 5_000;

/// Length of the clips, in samples: short, so that there are some.
const FORMAT: ClipFormat = ClipFormat { sample_rate: 22_050, samples: 4_096 };

/// A place in a file. Headers and indices, where damage does most, lie at its
/// ends.
#[derive(Clone, Debug)]
enum Place {
    Start(Index),
    End(Index),
    Anywhere(Index),
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(Place, u8),
    Set(Place, u8),
    Number(Place, u32),
    Cut(Place),
    Remove(Place, usize),
    Repeat(Place, usize),
    Splice { file: Index, from: Place, to: Place, length: usize },
}

impl Place {
    fn of(&self, length: usize) -> usize {
        let edge = length.clamp(1, 600);
        match self {
            Self::Start(index) => index.index(edge),
            Self::End(index) => length.saturating_sub(1 + index.index(edge)),
            Self::Anywhere(index) => index.index(length.max(1)),
        }
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        3 => any::<Index>().prop_map(Place::Start),
        1 => any::<Index>().prop_map(Place::End),
        2 => any::<Index>().prop_map(Place::Anywhere),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let numbers = prop::sample::select(vec![0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]);
    prop_oneof![
        4 => (place(), 0..8_u8).prop_map(|(place, bit)| Damage::Flip(place, bit)),
        3 => (place(), any::<u8>()).prop_map(|(place, value)| Damage::Set(place, value)),
        3 => (place(), numbers).prop_map(|(place, value)| Damage::Number(place, value)),
        1 => place().prop_map(Damage::Cut),
        1 => (place(), 1..300_usize).prop_map(|(place, length)| Damage::Remove(place, length)),
        1 => (place(), 1..300_usize).prop_map(|(place, length)| Damage::Repeat(place, length)),
        2 => (any::<Index>(), place(), place(), 1..4_000_usize)
            .prop_map(|(file, from, to, length)| Damage::Splice { file, from, to, length }),
    ]
}

/// `bytes[start..start + length]`, as far as there is that much.
fn piece(bytes: &[u8], start: usize, length: usize) -> Vec<u8> {
    bytes.iter().skip(start).take(length).copied().collect()
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>, files: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match damage {
        Damage::Flip(place, bit) => bytes[place.of(length)] ^= 1 << bit,
        Damage::Set(place, value) => bytes[place.of(length)] = *value,
        Damage::Number(place, value) => {
            let start = place.of(length);
            // As it stands in big-endian containers; 0 and the greatest are so
            // in both orders.
            bytes.iter_mut().skip(start).zip(value.to_be_bytes()).for_each(|(byte, new)| *byte = new);
        }
        Damage::Cut(place) => bytes.truncate(place.of(length)),
        Damage::Remove(place, count) => {
            let start = place.of(length);
            bytes.drain(start..(start + count).min(length));
        }
        Damage::Repeat(place, count) => {
            let start = place.of(length);
            let repeated = piece(bytes, start, *count);
            bytes.splice(start..start, repeated);
        }
        Damage::Splice { file, from, to, length: count } => {
            let other = file.get(files);
            let start = to.of(length);
            let end = (start + count).min(length);
            bytes.splice(start..end, piece(other, from.of(other.len()), *count));
        }
    }
}

/// Counts the bytes that are read.
struct Counting {
    file: Cursor<Vec<u8>>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Counting {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl MediaSource for Counting {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.file.get_ref().len() as u64)
    }
}

/// Reads a file to its end, or to more samples than it can have; says how many
/// there were.
fn hear(file: Box<dyn MediaSource>, most_samples: u64) -> Result<u64, SongProblem> {
    let mut samples = 0;
    match open(file)? {
        Opened::Ours(mut decoder) => {
            let mut clips = None;
            let channels = decoder.info().channels as u64;
            while let Some(block) = decoder.next_block()? {
                assert!(!block.samples.is_empty());
                assert!(block.samples.iter().all(|sample| sample.is_finite()));
                samples += block.samples.len() as u64 * channels;
                if samples > most_samples {
                    break;
                }
                let clips = match &mut clips {
                    None => clips.insert(ClipStream::new(FORMAT, block.sample_rate)?),
                    Some(clips) => clips,
                };
                clips.set_sample_rate(block.sample_rate)?;
                clips.push(block.samples)?;
                while let Some(clip) = clips.next_clip() {
                    assert_eq!(clip.samples.len(), FORMAT.samples);
                }
            }
            decoder.notices();
        }
        Opened::Packets(mut reader) => {
            while let Some(packet) = reader.next_packet()? {
                assert!(!packet.data.is_empty());
            }
            reader.notices(0.0);
        }
    }
    Ok(samples)
}

fn check(file: Vec<u8>) -> Result<(), TestCaseError> {
    let length = file.len() as u64;
    let read = Arc::new(AtomicU64::new(0));
    let source = Box::new(Counting { file: Cursor::new(file), read: Arc::clone(&read) });
    let most_samples = MOST_SAMPLES * (length + 1_000);
    let mut outcome = None;
    let memory = allocation_counter::measure(|| {
        // The counter does not survive a panic that passes through it.
        outcome = Some(catch_unwind(AssertUnwindSafe(|| hear(source, most_samples))));
    });
    let Some(Ok(outcome)) = outcome else { return Err(TestCaseError::fail("panicked")) };
    let samples = outcome.unwrap_or(0);
    prop_assert!(samples <= most_samples, "{samples} samples");
    prop_assert!(memory.bytes_max < MOST_MEMORY + 8 * length, "{} bytes of memory", memory.bytes_max);
    let read = read.load(Ordering::Relaxed);
    prop_assert!(read < MOST_READS * (length + (1 << 16)), "{read} bytes read of {length}");
    Ok(())
}

fn files() -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = FORMATS.into_iter().map(|format| encode(format, SIGNAL)).collect();
    for (name, extension, options) in [
        ("opus", "opus", &["-c:a", "libopus"][..]),
        ("opus", "webm", &["-c:a", "libopus"]),
        ("aac", "mkv", &["-c:a", "aac"]),
        ("faststart", "m4a", &["-c:a", "aac", "-movflags", "+faststart"]),
        ("fragments", "mp4", &["-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"]),
        ("pcm", "caf", &["-c:a", "pcm_s16be"]),
        ("flac", "ogg", &["-c:a", "flac"]),
    ] {
        files.push(encode_with(name, extension, options, SIGNAL));
    }
    files
}

#[test]
fn a_damaged_file_is_an_answer_or_an_error() {
    let files = files();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    for (index, file) in files.iter().enumerate() {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        // The same files every time: what fails here fails for everyone.
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[index as u8; 32]);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let outcome = runner.run(&prop::collection::vec(damage(), 1..6), |damages| {
            let mut bytes = file.clone();
            damages.iter().for_each(|damage| apply(damage, &mut bytes, &files));
            check(bytes)
        });
        if let Err(failure) = outcome {
            panic!("file {index}: {failure}");
        }
    }
}

#[test]
fn an_undamaged_file_is_heard_within_the_bounds() {
    for (index, file) in files().into_iter().enumerate() {
        let heard = hear(Box::new(Cursor::new(file.clone())), u64::MAX);
        assert!(heard.is_ok(), "file {index}: {heard:?}");
        check(file).unwrap();
    }
}
