//! Clips: which, how long, and the same by every way.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

use needledrop::sound::{
    clips::{Clip, ClipStream, SongReader},
    song::{ClipFormat, SongNotice, SongProblem},
};

use crate::{
    fixtures::{FORMATS, SECONDS, Signal, encode, format},
    shared,
};

const FORMAT: ClipFormat = ClipFormat { sample_rate: 22_050, samples: 66_150 };

fn open(file: Vec<u8>) -> SongReader {
    SongReader::open(Box::new(Cursor::new(file)), FORMAT).unwrap()
}

fn read(song: &mut SongReader) -> Vec<Clip> {
    std::iter::from_fn(|| song.next_clip().unwrap()).collect()
}

fn ramp(length: usize) -> Vec<f32> {
    (0..length).map(|k| k as f32 * 1e-6).collect()
}

fn cut(stream: &mut ClipStream) -> Vec<Clip> {
    std::iter::from_fn(|| stream.next_clip()).collect()
}

#[test]
fn a_song_ends_with_its_last_full_clip() {
    let mut stream = ClipStream::new(FORMAT, 22_050).unwrap();
    let sound = ramp(66_150 * 2 + 66_149);
    sound.chunks(1_000).for_each(|block| stream.push(block).unwrap());
    let clips = cut(&mut stream);
    stream.finish().unwrap();
    assert_eq!(stream.next_clip(), None);
    assert_eq!(clips.len(), 2);
    for (index, clip) in clips.iter().enumerate() {
        assert_eq!((clip.index, clip.end_seconds), (index, 3.0 * (index + 1) as f64));
        assert_eq!(clip.samples, sound[66_150 * index..][..66_150]);
    }
}

#[test]
fn a_song_shorter_than_a_clip_is_repeated() {
    let mut stream = ClipStream::new(FORMAT, 22_050).unwrap();
    let sound = ramp(30_000);
    stream.push(&sound).unwrap();
    assert_eq!(stream.next_clip(), None);
    stream.finish().unwrap();
    let clip = stream.next_clip().unwrap();
    let expected: Vec<f32> = sound.iter().copied().cycle().take(66_150).collect();
    assert_eq!((clip.samples, clip.index), (expected, 0));
    assert_eq!(stream.next_clip(), None);
    let seconds = 30_000.0 / 22_050.0;
    assert_eq!(clip.end_seconds, seconds);
    assert_eq!(stream.notice(), Some(&SongNotice::Repeated { seconds }));
}

#[test]
fn a_song_of_exactly_a_clip_is_not_repeated() {
    let mut stream = ClipStream::new(FORMAT, 44_100).unwrap();
    stream.push(&ramp(132_300)).unwrap();
    stream.finish().unwrap();
    assert_eq!(cut(&mut stream).len(), 1);
    assert_eq!(stream.notice(), None);
}

#[test]
fn less_than_a_second_is_too_short() {
    let mut stream = ClipStream::new(FORMAT, 48_000).unwrap();
    stream.push(&ramp(24_000)).unwrap();
    assert_eq!(stream.finish(), Err(SongProblem::TooShort { seconds: 0.5, least: 1.0 }));
}

#[test]
fn clips_do_not_depend_on_the_blocks() {
    let sound = ramp(400_000);
    let by_blocks = |length: usize| {
        let mut stream = ClipStream::new(FORMAT, 44_100).unwrap();
        let mut clips = Vec::new();
        for block in sound.chunks(length) {
            stream.push(block).unwrap();
            clips.extend(cut(&mut stream));
        }
        stream.finish().unwrap();
        clips.extend(cut(&mut stream));
        clips
    };
    let whole = by_blocks(400_000);
    assert_eq!(whole.len(), 3);
    for length in [77, 1_152, 66_151] {
        assert!(by_blocks(length) == whole, "blocks of {length}");
    }
}

#[test]
fn overlapping_clips_begin_a_hop_apart() {
    let mut stream = ClipStream::with_hop(FORMAT, 22_050, 11_025).unwrap();
    let sound = ramp(66_150 + 5 * 11_025);
    stream.push(&sound).unwrap();
    let clips = cut(&mut stream);
    assert_eq!(clips.len(), 6);
    for (index, clip) in clips.iter().enumerate() {
        assert_eq!(clip.samples, sound[11_025 * index..][..66_150]);
        assert_eq!(clip.end_seconds, 3.0 + 0.5 * index as f64);
    }
}

#[test]
fn a_change_of_rate_goes_on_at_the_same_place() {
    let mut stream = ClipStream::new(FORMAT, 44_100).unwrap();
    stream.push(&vec![0.5; 44_100 * 2]).unwrap();
    stream.set_sample_rate(48_000).unwrap();
    stream.push(&vec![-0.5; 48_000]).unwrap();
    stream.finish().unwrap();
    let clip = stream.next_clip().unwrap();
    assert!((clip.samples[22_050] - 0.5).abs() < 1e-3);
    assert!((clip.samples[2 * 22_050 + 11_025] + 0.5).abs() < 1e-3);
    assert_eq!(stream.next_clip(), None);
    assert_eq!(stream.notice(), None);
}

#[test]
fn a_reader_that_skips_gives_the_same_clips() {
    let format_of_song = ClipFormat { sample_rate: 16_000, samples: 4_000 };
    let open = || {
        let file = encode(format("mp3"), Signal { sample_rate: 44_100, channels: 2 });
        SongReader::open(Box::new(Cursor::new(file)), format_of_song).unwrap()
    };
    let all = read(&mut open());
    assert_eq!(all.len(), 14);
    for start in [0, 1, 9, 13] {
        let mut song = open();
        song.skip_to(start).unwrap();
        assert!(read(&mut song) == all[start..], "from {start}");
    }
    let mut song = open();
    song.skip_to(1_000).unwrap();
    assert_eq!(song.next_clip(), Ok(None));
}

#[test]
fn every_format_gives_the_clip_of_the_original() {
    let signal = Signal { sample_rate: 44_100, channels: 2 };
    let original = Signal { sample_rate: 22_050, channels: 2 }.mono();
    for format in FORMATS {
        let mut song = open(encode(format, signal));
        let clips = read(&mut song);
        assert_eq!(clips.len(), 1, "{}", format.name);
        assert!((song.seconds() - SECONDS).abs() < 0.05, "{}: {} s", format.name, song.seconds());
        assert_eq!(song.progress(), Some(1.0), "{}", format.name);
        let delay = format.delay / 2;
        let (mut signal, mut noise) = (0.0, 0.0);
        for (&heard, &sample) in clips[0].samples[delay..].iter().zip(&original).skip(1_000).take(60_000) {
            signal += f64::from(sample).powi(2);
            noise += f64::from(heard - sample).powi(2);
        }
        let ratio = 10.0 * f64::log10(signal / noise);
        assert!(ratio > format.least_ratio - 1.0, "{}: {ratio:.1} dB", format.name);
    }
}

/// Holds that clips are ffmpeg's samples of the file, from its start.
fn assert_to_the_bit(song: &Path, clips: &[Clip]) {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(song)
        .args(["-f", "s16le", "-"])
        .output()
        .unwrap_or_else(|error| panic!("ffmpeg does not start ({error}); `make test` installs it"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wanted = output.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    let wanted: Vec<f32> = wanted.map(|sample| f32::from(sample) / 32_768.0).collect();
    let heard: Vec<f32> = clips.iter().flat_map(|clip| clip.samples.iter().copied()).collect();
    assert!(!heard.is_empty() && wanted.starts_with(&heard), "{}", song.display());
}

#[test]
fn songs_of_the_data_set_are_ten_clips_to_the_bit() {
    let Some(audio) = shared::path("data/audio") else {
        println!("no data set beside the project: one generated FLAC is checked instead");
        let folder = tempfile::tempdir().unwrap();
        let song = folder.path().join("song.flac");
        let signal = Signal { sample_rate: 22_050, channels: 1 };
        fs::write(&song, encode(format("flac-16"), signal)).unwrap();
        let clips = read(&mut open(fs::read(&song).unwrap()));
        assert_eq!(clips.len(), 1);
        return assert_to_the_bit(&song, &clips);
    };
    for genre in fs::read_dir(audio).unwrap() {
        let mut songs: Vec<PathBuf> =
            fs::read_dir(genre.unwrap().path()).unwrap().map(|song| song.unwrap().path()).collect();
        songs.sort();
        let song = &songs[0];
        let clips = read(&mut open(fs::read(song).unwrap()));
        assert_eq!(clips.len(), 10, "{}", song.display());
        assert_to_the_bit(song, &clips);
    }
}
