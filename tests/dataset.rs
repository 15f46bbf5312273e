//! The data set: recordings to an archive, the archive's file, and its splits.
//!
//! Where the published data is at hand (`../shared/data`, or
//! `$NEEDLEDROP_SHARED/data`), archive and pictures are held to it; the rest
//! runs on sound that is made here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what is not as it should be"
)]

#[path = "common/shared.rs"]
mod shared;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use needledrop::{
    dataset::{
        archive::{ArchiveError, Clip, Item, MelArchive, Track},
        artists::Artists,
        choice::SplitChoice,
        folders::{Recording, Skipped, find_recordings},
        prepare::{PrepareError, Prepared, prepare},
        split::{Part, Split, SplitError},
    },
    sound::{song::SongNotice, wav},
    spectrogram::{
        MelSpectrogram,
        config::{PadMode, SpectrogramConfig},
        decibel::power_to_db,
        picture::Picture,
    },
};
use proptest::{prelude::*, sample::Index};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

// ---------------------------------------------------------------- shared data

fn gtzan() -> Option<&'static MelArchive> {
    static ARCHIVE: OnceLock<Option<MelArchive>> = OnceLock::new();
    let archive = ARCHIVE.get_or_init(|| {
        let bytes = fs::read(shared::path("data/gtzan-mel.safetensors")?).unwrap();
        Some(MelArchive::from_bytes(&bytes).unwrap())
    });
    archive.as_ref()
}

#[test]
fn gtzan_loads_as_it_is_published() {
    let Some(archive) = gtzan() else { return };
    let genres =
        ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"];
    assert_eq!(archive.genres, genres);
    assert_eq!(archive.tracks.len(), 1000);
    let settings = SpectrogramConfig { hop_length: 1920, center: false, ..SpectrogramConfig::default() };
    assert_eq!(archive.spectrogram, settings);
    let clips = archive.clips(3.0);
    let expected: Vec<[usize; 3]> = (0..10_000).map(|at| [at / 10, at / 1000, at % 10]).collect();
    let found: Vec<[usize; 3]> = clips.iter().map(|clip| [clip.track, clip.genre, clip.position]).collect();
    assert_eq!(found, expected);
    assert_eq!(archive.clip_frames(3.0), 34);
    assert_eq!(MelArchive::from_bytes(&archive.to_bytes().unwrap()).unwrap(), *archive);
}

/// Of the 60 clips that the reference was given, the same frames and the same
/// pictures: every pixel but a few in a million, which are one shade off where
/// NumPy's doubles round to the other side.
#[test]
fn pictures_of_gtzan_are_those_of_the_reference() {
    let (Some(archive), Some(golden)) = (gtzan(), shared::path("reference/row8-golden.safetensors")) else {
        return;
    };
    let golden = fs::read(golden).unwrap();
    let golden = SafeTensors::deserialize(&golden).unwrap();
    let integers = |name: &str| -> Vec<usize> {
        let view = golden.tensor(name).unwrap();
        let width = view.data().len() / view.shape().iter().product::<usize>();
        let integer = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        view.data().chunks_exact(width).map(integer).collect()
    };
    let (tracks, starts) = (integers("track"), integers("start_frame"));
    let pictures = golden.tensor("picture").unwrap();
    assert_eq!(pictures.shape(), [60, 128, 128]);

    let clips: HashMap<(usize, usize), Clip> =
        archive.clips(3.0).into_iter().map(|clip| ((clip.track, clip.start_frame), clip)).collect();
    let frames = archive.clip_frames(3.0);
    let mut maker = Picture::new([128, frames], [128, 128]);
    let (mut decibels, mut picture) = (Vec::new(), Vec::new());
    let (mut different, mut most) = (0, 0);
    for (at, expected) in pictures.data().chunks_exact(128 * 128).enumerate() {
        let clip = clips.get(&(tracks[at], starts[at])).expect("a clip begins there");
        archive.decibels(clip, frames, 80.0, &mut decibels);
        maker.indices(&decibels, &mut picture).unwrap();
        for (row, pixels) in picture.chunks_exact(128).enumerate() {
            for (column, &pixel) in pixels.iter().enumerate() {
                // The file has columns first.
                let off = pixel.abs_diff(expected[column * 128 + row]);
                different += usize::from(off > 0);
                most = most.max(off);
            }
        }
    }
    println!("{different} of {} pixels differ, by at most {most}", 60 * 128 * 128);
    assert!(different <= 20 && most <= 1, "{different} pixels differ, by up to {most} shades");
}

/// GTZAN's published archive was made of pictures of spectrograms, ours is of
/// the sound itself: 0.8 dB apart on average over 109 tracks, says its README.
#[test]
fn preparing_gtzan_gives_the_published_archive() {
    let (Some(published), Some(folder)) = (gtzan(), shared::path("data/audio")) else { return };
    let Prepared { archive, skipped, remarkable, seconds, .. } =
        prepare(&find_recordings(&folder).unwrap().recordings, &published.spectrogram, Some(30.0), &|| ())
            .unwrap();
    // All of GTZAN may lie there, or some of it: one track is damaged in every copy.
    let damaged = |skipped: &Skipped| skipped.path.ends_with("jazz.00054.wav");
    assert!(skipped.iter().all(damaged) && remarkable.is_empty(), "{skipped:?} {remarkable:?}");
    assert_eq!(archive.genres, published.genres);
    assert!(archive.tracks.len() >= 50);
    assert!((29.9..=30.0).contains(&(seconds / archive.tracks.len() as f64)));
    let by_name: HashMap<&str, usize> =
        published.tracks.iter().enumerate().map(|(at, track)| (&*track.name, at)).collect();
    let (clips, published_clips) = (archive.clips(3.0), published.clips(3.0));
    assert_eq!(clips.len(), 10 * archive.tracks.len());

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    let mut least_correlation = 1.0_f64;
    // Whole tracks, as the range is that of the track.
    for (track, &Track { ref name, genre }) in archive.tracks.iter().enumerate() {
        let same = by_name[&**name];
        assert_eq!(genre, published.tracks[same].genre);
        archive.decibels(&clips[10 * track], 343, 100.0, &mut ours);
        published.decibels(&published_clips[10 * same], 343, 100.0, &mut theirs);
        let pairs = || ours.iter().zip(&theirs).map(|(&a, &b)| (f64::from(a), f64::from(b)));
        for (a, b) in pairs() {
            sum += (a - b).abs();
            squares += (a - b).powi(2);
            count += 1.0;
        }
        least_correlation = least_correlation.min(correlation(pairs()));
    }
    let (mean, root_mean_square) = (sum / count, f64::sqrt(squares / count));
    println!(
        "{mean:.2} dB apart on average, {root_mean_square:.2} dB rms, least correlation {least_correlation:.3}"
    );
    // On 109 tracks, before our own 8 bits, it was 0.8 dB and 1.2 dB.
    assert!(mean < 1.3 && root_mean_square < 1.7 && least_correlation > 0.98);
}

fn correlation(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let [n, x, y, xx, yy, xy] = pairs.fold([0.0; 6], |[n, x, y, xx, yy, xy], (a, b)| {
        [n + 1.0, x + a, y + b, xx + a * a, yy + b * b, xy + a * b]
    });
    (n * xy - x * y) / ((n * xx - x * x) * (n * yy - y * y)).sqrt()
}

#[test]
fn gtzan_splits_as_published() {
    let (Some(archive), Some(folder)) = (gtzan(), shared::path("data/splits")) else { return };
    let clips = archive.clips(3.0);
    let lists = ["train", "valid", "test"]
        .map(|part| fs::read_to_string(folder.join(format!("{part}_filtered.txt"))).unwrap());
    let lists = lists.each_ref().map(String::as_str);
    let (split, absent) = Split::filtered(archive, &clips, lists).unwrap();
    assert!(absent.is_empty());
    assert_eq!(Part::ALL.map(|part| tracks_of(&clips, &split, part).len()), [443, 197, 290]);
    assert_eq!(Part::ALL.map(|part| split.part(part).len()), [4430, 1970, 2900]);
    check_tracks_apart(&clips, &split);
    // `prepare` leaves out jazz.00054, which is damaged in every copy and named by a list.
    let damaged = archive.tracks.iter().position(|track| track.name == "jazz.00054").unwrap();
    let mut without = archive.clone();
    without.tracks[damaged].name = "another".into();
    let (split, absent) = Split::filtered(&without, &clips, lists).unwrap();
    assert_eq!(absent, ["jazz/jazz.00054.wav"]);
    assert_eq!(Part::ALL.map(|part| tracks_of(&clips, &split, part).len()), [442, 197, 290]);
    let split = Split::over_clips(archive, &clips, 0).unwrap();
    assert_eq!(Part::ALL.map(|part| split.part(part).len()), [8000, 1000, 1000]);
    let split = Split::over_tracks(archive, &clips, 0).unwrap();
    assert_eq!(Part::ALL.map(|part| tracks_of(&clips, &split, part).len()), [800, 100, 100]);
    check_tracks_apart(&clips, &split);
}

// -------------------------------------------------------------------- folders

/// Sound that is never twice the same.
fn noise(samples: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    (0..samples).map(|_| next()).collect()
}

fn write_wav(path: &Path, sample_rate: u32, samples: &[f32]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = wav::header(sample_rate, 1, samples.len() as u64).to_vec();
    wav::append(samples, &mut bytes);
    fs::write(path, bytes).unwrap();
}

fn recordings(folder: &Path) -> Vec<Recording> {
    find_recordings(folder).unwrap().recordings
}

fn tracks_layout() -> SpectrogramConfig {
    SpectrogramConfig { hop_length: 1920, center: false, ..SpectrogramConfig::default() }
}

#[test]
fn clips_are_those_that_the_page_would_hear() {
    let folder = tempfile::tempdir().unwrap();
    // 7.5 s, of which the last 1.5 make no clip; and 5.9, which lack 0.1 of two.
    let (long, short) = (noise(165_375, 1), noise(130_095, 2));
    write_wav(&folder.path().join("a/long.wav"), 22_050, &long);
    write_wav(&folder.path().join("b/short.wav"), 22_050, &short);
    let settings = SpectrogramConfig::default();
    let prepared = prepare(&recordings(folder.path()), &settings, None, &|| ()).unwrap();
    let clips = prepared.archive.clips(3.0);
    let starts = [&long[..66_150], &long[66_150..132_300], &short[..66_150], &short[130_095 - 66_150..]];
    assert_eq!(
        clips.iter().map(|clip| [clip.track, clip.position]).collect::<Vec<_>>(),
        [[0, 0], [0, 1], [1, 0], [1, 1]]
    );
    let mut spectrogram = MelSpectrogram::new(&settings).unwrap();
    let mut decibels = Vec::new();
    for (clip, samples) in clips.iter().zip(starts) {
        // What 16 bits of a sample leave of it.
        let samples: Vec<f32> = samples.iter().map(|sample| (sample * 32_768.0).round() / 32_768.0).collect();
        let mut expected = spectrogram.power(&samples).to_vec();
        power_to_db(&mut expected, 80.0);
        prepared.archive.decibels(clip, 130, 80.0, &mut decibels);
        let most = decibels.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most <= 100.0 / 255.0 / 2.0 + 1e-3, "{most} dB");
    }
}

#[test]
fn a_track_in_pieces_is_the_track_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // More than a million samples, which are transformed at once.
    let samples: Vec<f32> =
        noise(2_300_000, 3).iter().map(|sample| (sample * 32_768.0).round() / 32_768.0).collect();
    write_wav(&folder.path().join("a/long.wav"), 22_050, &samples);
    // The frame longer than the hop, and shorter.
    for (n_fft, hop_length) in [(2048, 1920), (512, 1000)] {
        let settings = SpectrogramConfig { n_fft, hop_length, n_mels: 40, ..tracks_layout() };
        let archive = prepare(&recordings(folder.path()), &settings, None, &|| ()).unwrap().archive;
        let clip = archive.clips(3.0)[0];
        let frames = settings.frames(samples.len());
        let mut expected = MelSpectrogram::new(&settings).unwrap().power(&samples).to_vec();
        power_to_db(&mut expected, 100.0);
        let mut decibels = Vec::new();
        archive.decibels(&clip, frames, 100.0, &mut decibels);
        let most = decibels.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most <= 100.0 / 255.0 / 2.0 + 1e-3, "{most} dB");
        archive.decibels(&clip, frames + 1, 100.0, &mut decibels);
        assert!(decibels[frames] == -100.0 && decibels[frames - 1] > -100.0, "there is no frame more");
    }
}

#[test]
fn tracks_of_30_seconds_give_ten_clips_in_both_layouts() {
    let folder = tempfile::tempdir().unwrap();
    // GTZAN's shortest, exactly 30 s, GTZAN's longest; and one at another rate.
    for (name, samples) in [("a.0", 660_000), ("a.1", 661_500), ("a.2", 675_808)] {
        write_wav(&folder.path().join(format!("a/{name}.wav")), 22_050, &noise(samples, 4));
    }
    write_wav(&folder.path().join("b/b.0.wav"), 44_100, &noise(1_323_000, 5));
    let heard = AtomicUsize::new(0);
    for settings in [SpectrogramConfig::default(), tracks_layout()] {
        let count = || {
            heard.fetch_add(1, Ordering::Relaxed);
        };
        let prepared = prepare(&recordings(folder.path()), &settings, Some(30.0), &count).unwrap();
        assert_eq!(prepared.archive.clips(3.0).len(), 40);
        assert_eq!((prepared.skipped, prepared.remarkable), (vec![], vec![]));
    }
    assert_eq!(heard.into_inner(), 8);
}

#[test]
fn short_recordings_are_repeated_and_shorter_ones_left_out() {
    let folder = tempfile::tempdir().unwrap();
    write_wav(&folder.path().join("a/two.wav"), 22_050, &noise(44_100, 6));
    write_wav(&folder.path().join("a/half.wav"), 22_050, &noise(11_025, 7));
    fs::write(folder.path().join("a/letter.wav"), "Dear reader, this is no song.").unwrap();
    fs::write(folder.path().join("a/nothing.wav"), "").unwrap();
    for settings in [SpectrogramConfig::default(), tracks_layout()] {
        let prepared = prepare(&recordings(folder.path()), &settings, Some(30.0), &|| ()).unwrap();
        assert_eq!(prepared.archive.clips(3.0).len(), 1);
        assert_eq!(prepared.archive.tracks, [Track { name: "two".into(), genre: 0 }]);
        let notices = vec![SongNotice::Repeated { seconds: 2.0 }];
        assert_eq!(prepared.remarkable, [(folder.path().join("a/two.wav"), notices)]);
        let reasons: Vec<&str> = prepared.skipped.iter().map(|skipped| &*skipped.reason).collect();
        assert!(reasons[0].contains("0.50 s long"), "{reasons:?}");
        assert!(reasons[1].contains("not audio") && reasons[2].contains("empty"), "{reasons:?}");
    }
    fs::remove_file(folder.path().join("a/two.wav")).unwrap();
    let refused = prepare(&recordings(folder.path()), &tracks_layout(), None, &|| ()).unwrap_err();
    assert!(matches!(refused, PrepareError::Nothing(skipped) if skipped.len() == 3));
}

#[test]
fn what_is_too_short_is_so_for_shorter_clips_too() {
    let folder = tempfile::tempdir().unwrap();
    write_wav(&folder.path().join("a/most.wav"), 22_050, &noise(20_000, 10));
    write_wav(&folder.path().join("a/whole.wav"), 22_050, &noise(22_050, 11));
    for settings in [SpectrogramConfig::default(), tracks_layout()] {
        let settings = SpectrogramConfig { clip_seconds: 0.5, ..settings };
        let prepared = prepare(&recordings(folder.path()), &settings, None, &|| ()).unwrap();
        assert_eq!(prepared.archive.tracks, [Track { name: "whole".into(), genre: 0 }]);
        assert!(prepared.skipped[0].reason.contains("0.91 s long"), "{:?}", prepared.skipped);
        assert!(prepared.remarkable.is_empty(), "two clips are in it");
        assert_eq!(prepared.archive.clips(0.5).len(), 2);
    }
}

#[test]
fn recordings_that_are_the_same_are_known_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (song, other) = (noise(70_000, 12), noise(70_000, 13));
    for (name, samples) in
        [("a/song.wav", &song), ("b/again.wav", &song), ("b/other.wav", &other), ("c/once more.wav", &song)]
    {
        write_wav(&path(name), 22_050, samples);
    }
    for settings in [SpectrogramConfig::default(), tracks_layout()] {
        let prepared = prepare(&recordings(folder.path()), &settings, None, &|| ()).unwrap();
        assert_eq!(prepared.archive.tracks.len(), 4);
        let same = [["a/song.wav", "b/again.wav"], ["a/song.wav", "c/once more.wav"]];
        assert_eq!(prepared.same, same.map(|names| names.map(path)));
    }
}

#[test]
fn genres_without_a_whole_recording_are_none() {
    let folder = tempfile::tempdir().unwrap();
    write_wav(&folder.path().join("b/b.wav"), 22_050, &noise(66_150, 8));
    write_wav(&folder.path().join("c/c.wav"), 22_050, &noise(66_150, 9));
    fs::create_dir(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a/a.wav"), "").unwrap();
    let archive =
        prepare(&recordings(folder.path()), &SpectrogramConfig::default(), None, &|| ()).unwrap().archive;
    assert_eq!(archive.genres, ["b", "c"]);
    assert_eq!(archive.tracks.iter().map(|track| track.genre).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn settings_that_make_no_archive_are_refused_at_once() {
    let none = |settings| prepare(&[], &settings, None, &|| ()).unwrap_err();
    let settings = SpectrogramConfig { hop_length: 0, ..SpectrogramConfig::default() };
    assert!(matches!(none(settings), PrepareError::Spectrogram(_)));
    let settings = SpectrogramConfig { top_db: 101.0, ..SpectrogramConfig::default() };
    let refused = none(settings).to_string();
    assert!(refused.contains("top_db") && refused.contains("100 dB"), "{refused}");
    let settings = SpectrogramConfig { sample_rate: 200_000, fmax: 11_025.0, ..SpectrogramConfig::default() };
    assert!(matches!(none(settings), PrepareError::Spectrogram(_)));
    assert!(matches!(none(SpectrogramConfig::default()), PrepareError::Nothing(_)));
}

// -------------------------------------------------------------------- archive

/// A small archive of `[tracks of each genre]`, 30 s each, or three clips each
/// where frames are centred.
fn archive(tracks_of: &[usize], center: bool) -> MelArchive {
    let settings = SpectrogramConfig { n_mels: 4, hop_length: 6000, center, ..SpectrogramConfig::default() };
    let genres = (0..tracks_of.len()).map(|genre| format!("genre {genre}")).collect();
    let tracks: Vec<Track> = tracks_of
        .iter()
        .enumerate()
        .flat_map(|(genre, &count)| {
            (0..count).map(move |at| Track { name: format!("g{genre}.{at:05}"), genre })
        })
        .collect();
    let (frames, each) = if center { (settings.clip_frames(), 3) } else { (settings.frames(30 * 22_050), 1) };
    let items: Vec<Item> = (0..tracks.len() * each).map(|item| Item { track: item / each, frames }).collect();
    let mel = (0..items.len() * 4 * frames).map(|cell| (cell * 37 % 251) as u8).collect();
    MelArchive::new(genres, tracks, settings, items, mel).unwrap()
}

#[test]
fn an_archive_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for center in [true, false] {
        let mut archive = archive(&[2, 3], center);
        archive.spectrogram.pad_mode = if center { PadMode::Constant } else { PadMode::Reflect };
        archive.spectrogram.top_db = 60.0;
        if !center {
            archive.spectrogram.clip_seconds = 4.5;
        }
        let path = folder.path().join("a.safetensors");
        archive.save(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        // Entries of the metadata have no order.
        assert_eq!(MelArchive::from_bytes(&archive.to_bytes().unwrap()).unwrap(), archive);
        assert_eq!(MelArchive::from_bytes(&bytes).unwrap(), archive);
        assert_eq!(archive.clips(3.0).len(), if center { 15 } else { 50 });
        // Nothing is left beside it, and it can be written over.
        archive.save(&path).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
    let absent = folder.path().join("absent/a.safetensors");
    assert!(matches!(archive(&[2], true).save(&absent), Err(ArchiveError::Written(_))));
}

#[test]
fn clips_of_no_length_are_none() {
    for seconds in [0.0, -1.0, f32::NAN, 1e-9, 1e9, f32::INFINITY] {
        assert_eq!(archive(&[1, 1], false).clips(seconds), []);
    }
}

/// An archive's file, to be damaged.
struct Forgery {
    metadata: HashMap<String, String>,
    tensors: BTreeMap<&'static str, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Forgery {
    fn of(archive: &MelArchive) -> Self {
        let bytes = archive.to_bytes().unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = ["mel", "frames", "track"]
            .into_iter()
            .filter_map(|name| {
                let view = file.tensor(name).ok()?;
                Some((name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
            })
            .collect();
        Self { metadata: header.metadata().clone().unwrap(), tensors }
    }

    fn with(mut self, setting: &str, value: &str) -> Self {
        self.metadata.insert(setting.into(), value.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.metadata.remove(name);
        self.tensors.remove(name);
        self
    }

    fn numbers(mut self, name: &'static str, numbers: &[i32]) -> Self {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.tensors.insert(name, (Dtype::I32, vec![numbers.len()], bytes));
        self
    }

    fn shaped(mut self, shape: [usize; 3]) -> Self {
        let mel = vec![7; shape.iter().product()];
        self.tensors.insert("mel", (Dtype::U8, shape.to_vec(), mel));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, Some(self.metadata.clone())).unwrap()
    }

    fn error(&self) -> ArchiveError {
        MelArchive::from_bytes(&self.bytes()).unwrap_err()
    }
}

#[test]
fn files_that_are_no_archive_are_refused() {
    let whole = archive(&[2, 1], true).to_bytes().unwrap();
    for length in [0, 7, 8, 100, whole.len() - 1] {
        assert!(matches!(MelArchive::from_bytes(&whole[..length]), Err(ArchiveError::File(_))), "{length}");
    }
    let forgery = || Forgery::of(&archive(&[2, 1], true));
    let format = forgery().with("format", "log-mel archive 2").error();
    assert!(matches!(format, ArchiveError::Format { found: Some(found) } if found.ends_with('2')));
    assert!(matches!(forgery().without("format").error(), ArchiveError::Format { found: None }));
    for setting in ["tracks", "genres", "center", "sample_rate", "fmax", "clip_seconds", "pad_mode"] {
        for forgery in [forgery().without(setting), forgery().with(setting, "many")] {
            let error = forgery.error();
            assert!(
                matches!(error, ArchiveError::Metadata { setting: found } if found == setting),
                "{error}"
            );
        }
    }
    // The published archive says neither, and others only what they are.
    let older = || Forgery::of(&archive(&[2, 1], false)).without("top_db").without("clip_seconds");
    assert_eq!(MelArchive::from_bytes(&older().bytes()).unwrap(), archive(&[2, 1], false));
    for setting in ["top_db", "clip_seconds"] {
        let error = older().with(setting, "many").error();
        assert!(matches!(error, ArchiveError::Metadata { setting: found } if found == setting), "{error}");
    }
    let fewer = forgery().with("genres", r#"["a", "b"]"#).error();
    assert!(matches!(fewer, ArchiveError::Metadata { setting: "genres" }));
    for (setting, value) in [
        ("n_fft", "0"),
        ("hop_length", "1"),
        ("top_db", "101"),
        ("fmax", "NaN"),
        ("sample_rate", "4294967295"),
    ] {
        assert!(matches!(forgery().with(setting, value).error(), ArchiveError::Spectrogram(_)), "{setting}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let settings = archive(&[2, 1], true).spectrogram;
    let frames = settings.clip_frames();
    let centred = || Forgery::of(&archive(&[2, 1], true));
    let whole = || Forgery::of(&archive(&[2, 1], false));
    let cases = [
        (centred().without("mel"), "mel"),
        (centred().without("frames"), "frames"),
        (centred().without("track"), "track"),
        (centred().with("n_mels", "5"), "mel"),
        // The settings make clips of another length.
        (centred().with("clip_seconds", "2"), "mel"),
        (centred().shaped([9, 4, frames + 1]), "mel"),
        (centred().shaped([8, 4, frames]), "mel"),
        (centred().shaped([0, 4, frames]).numbers("frames", &[]).numbers("track", &[]), "mel"),
        (whole().shaped([3, 4, 0]), "mel"),
        (whole().shaped([4, 4, 110]).numbers("frames", &[1; 4]), "mel"),
        (centred().numbers("frames", &[-1; 9]), "frames"),
        (centred().numbers("frames", &[i32::MAX; 9]), "frames"),
        (centred().numbers("track", &[3; 9]), "track"),
        (centred().numbers("track", &[i32::MIN; 9]), "track"),
    ];
    for (at, (forgery, expected)) in cases.iter().enumerate() {
        let error = forgery.error();
        assert!(matches!(error, ArchiveError::Tensor { tensor, .. } if tensor == *expected), "{at}: {error}");
    }
    let mut typed = centred();
    typed.tensors.insert("frames", (Dtype::F32, vec![9], vec![0; 36]));
    assert!(matches!(typed.error(), ArchiveError::Tensor { tensor: "frames", .. }));
}

/// Does with what was read all that a training does.
fn use_up(bytes: &[u8]) {
    let Ok(archive) = MelArchive::from_bytes(bytes) else { return };
    let clips = archive.clips(3.0);
    let frames = archive.clip_frames(3.0);
    assert!(frames * archive.spectrogram.n_mels <= 4_000_000);
    let mut decibels = Vec::new();
    for clip in clips.iter().take(3) {
        archive.decibels(clip, frames, 80.0, &mut decibels);
        assert_eq!(decibels.len(), frames * archive.spectrogram.n_mels);
        assert!(decibels.iter().all(|cell| (-80.0..=0.0).contains(cell)));
    }
    let _ = Split::over_clips(&archive, &clips, 0);
    let _ = Split::over_tracks(&archive, &clips, 0);
}

/// A number as a hostile file would choose it.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f32>().prop_map(|number| number.to_string()),
        (0..70_000_u32).prop_map(|number| number.to_string()),
        Just("18446744073709551615".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_archive_is_an_answer_or_an_error(
        center: bool,
        bytes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..20),
        // Most of a header is in its first kilobyte.
        in_header: bool,
        cut in prop::option::of(any::<Index>()),
    ) {
        let mut file = archive(&[3, 4], center).to_bytes().unwrap();
        let length = if in_header { 1200 } else { file.len() };
        for (place, byte) in bytes {
            file[place.index(length)] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        use_up(&file);
    }

    #[test]
    fn an_archive_with_other_settings_is_an_answer_or_an_error(
        center: bool,
        settings in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "sample_rate", "n_fft", "hop_length", "n_mels", "fmin", "fmax", "clip_seconds",
                ]),
                number(),
            ),
            1..4,
        ),
        frames in prop::option::of(prop::collection::vec(any::<i32>(), 7)),
    ) {
        let mut forgery = Forgery::of(&archive(&[3, 4], center));
        for (setting, value) in settings {
            forgery = forgery.with(setting, &value);
        }
        if let Some(frames) = frames {
            forgery = forgery.numbers("frames", &frames);
        }
        use_up(&forgery.bytes());
    }
}

#[test]
fn sizes_beyond_all_memory_are_refused() {
    // Headers that speak of more bytes than there are, or than can be counted.
    for shape in ["[4611686018427387904,4,4]", "[18446744073709551615,4,11]", "[1,4,1000000000000]"] {
        let header = format!(
            r#"{{"__metadata__":{{"format":"log-mel archive 1"}},"mel":{{"dtype":"U8","shape":{shape},"data_offsets":[0,16]}}}}"#
        );
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend([0; 16]);
        assert!(matches!(MelArchive::from_bytes(&file), Err(ArchiveError::File(_))), "{shape}");
    }
    assert!(matches!(MelArchive::from_bytes(&u64::MAX.to_le_bytes()), Err(ArchiveError::File(_))));
}

// --------------------------------------------------------------------- splits

fn tracks_of(clips: &[Clip], split: &Split, part: Part) -> BTreeSet<usize> {
    split.part(part).iter().map(|&clip| clips[clip].track).collect()
}

fn check_tracks_apart(clips: &[Clip], split: &Split) {
    let [train, validation, test] = Part::ALL.map(|part| tracks_of(clips, split, part));
    assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
}

/// No clip twice.
fn check_clips_apart(clips: &[Clip], split: &Split) {
    let mut all: Vec<usize> = Part::ALL.iter().flat_map(|&part| split.part(part)).copied().collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    assert!(all.iter().all(|&clip| clip < clips.len()));
}

#[test]
fn clips_are_split_eight_to_one_to_one() {
    let archive = archive(&[30, 20, 10], false);
    let clips = archive.clips(3.0);
    let split = Split::over_clips(&archive, &clips, 7).unwrap();
    assert_eq!((split.name.as_str(), split.seed), ("clips", Some(7)));
    assert_eq!(Part::ALL.map(|part| split.part(part).len()), [480, 60, 60]);
    check_clips_apart(&clips, &split);
    let [train, _, test] = Part::ALL.map(|part| tracks_of(&clips, &split, part));
    assert!(!train.is_disjoint(&test), "clips of one track stand on both sides");
}

#[test]
fn tracks_are_split_in_each_genre_and_never_torn() {
    let archive = archive(&[30, 20, 3], false);
    let clips = archive.clips(3.0);
    for seed in 0..20 {
        let split = Split::over_tracks(&archive, &clips, seed).unwrap();
        check_clips_apart(&clips, &split);
        check_tracks_apart(&clips, &split);
        let parts = Part::ALL.map(|part| {
            let mut tracks = [0; 3];
            for track in tracks_of(&clips, &split, part) {
                tracks[archive.tracks[track].genre] += 1;
            }
            tracks
        });
        assert_eq!(parts, [[24, 16, 1], [3, 2, 1], [3, 2, 1]]);
    }
}

#[test]
fn a_split_is_that_of_its_seed() {
    let archive = archive(&[30, 20], false);
    let clips = archive.clips(3.0);
    for draw in [Split::over_clips, Split::over_tracks] {
        let [first, again, other] = [1, 1, 2].map(|seed| draw(&archive, &clips, seed).unwrap());
        assert_eq!(first, again);
        assert_ne!(first.part(Part::Test), other.part(Part::Test));
    }
    // On every machine and in every version: a card that names a seed must stay true.
    let split = Split::over_tracks(&archive, &clips, 1).unwrap();
    let names: Vec<&str> =
        tracks_of(&clips, &split, Part::Test).into_iter().map(|track| &*archive.tracks[track].name).collect();
    assert_eq!(names, SEED_1);
}

/// The test tracks of seed 1, as they were first drawn: published scores rest on
/// the draw never changing.
const SEED_1: [&str; 5] = ["g0.00006", "g0.00015", "g0.00016", "g1.00011", "g1.00012"];

#[test]
fn lists_may_have_folders_extensions_and_windows_ends_of_line() {
    let archive = archive(&[2, 2], true);
    let clips = archive.clips(3.0);
    let lists = ["\u{feff}genre 0/g0.00000.wav\r\n\r\ng1.00000", "C:\\x\\g0.00001.au", "g1.00001\n"];
    let split = Split::by_names(&archive, &clips, "mine", lists).unwrap();
    assert_eq!((split.name.as_str(), split.seed), ("mine", None));
    assert_eq!(
        Part::ALL.map(|part| tracks_of(&clips, &split, part)),
        [BTreeSet::from([0, 2]), BTreeSet::from([1]), BTreeSet::from([3])]
    );
}

#[test]
fn lists_may_have_names_with_dots_and_no_extension() {
    let mut archive = archive(&[2, 2], true);
    archive.tracks[0].name = "Mr. Brightside".into();
    archive.tracks[2].name = "Mr".into();
    let clips = archive.clips(3.0);
    let lists = ["rock/Mr. Brightside\nMr", "rock/g0.00001.wav", "g1.00001"];
    let split = Split::by_names(&archive, &clips, "mine", lists).unwrap();
    assert_eq!(
        Part::ALL.map(|part| tracks_of(&clips, &split, part)),
        [BTreeSet::from([0, 2]), BTreeSet::from([1]), BTreeSet::from([3])]
    );
    let lists = ["rock/Mr. Brightside.mp3\nMr.mp3", "g0.00001", "g1.00001"];
    assert_eq!(Split::by_names(&archive, &clips, "mine", lists).unwrap(), split);
}

#[test]
fn lists_may_name_single_clips() {
    let archive = archive(&[2, 2], false);
    let clips = archive.clips(3.0);
    let lists = ["g0.00000#0\ng0.00000#2\ng1.00000", "g0.00000.au#1", "g1.00001#9"];
    let split = Split::by_names(&archive, &clips, "mine", lists).unwrap();
    let [train, validation, test] = Part::ALL.map(|part| split.part(part));
    let at = |track: usize, position: usize| {
        clips.iter().enumerate().filter(|(_, clip)| clip.track == track).nth(position).unwrap().0
    };
    assert_eq!(train[..2], [at(0, 0), at(0, 2)]);
    assert_eq!((train.len(), validation, test), (12, &[at(0, 1)][..], &[at(3, 9)][..]));
    for (train, name) in [("g0.00000\ng1.00000", "g0.00000"), ("g0.00000#1\ng1.00000", "g0.00000")] {
        let refused =
            Split::by_names(&archive, &clips, "mine", [train, "g0.00000#1", "g1.00001"]).unwrap_err();
        assert!(matches!(refused, SplitError::Twice(twice) if twice == name));
    }
    for line in ["g0.00000#10", "g0.00000#x", "g9.00000#1"] {
        let refused = Split::by_names(&archive, &clips, "mine", [line, "g0.00001", "g1.00001"]).unwrap_err();
        assert!(matches!(refused, SplitError::UnknownTrack { name, .. } if name == line));
    }
}

#[test]
fn published_lists_may_name_a_few_tracks_that_are_not_there() {
    let archive = archive(&[30, 30], false);
    let clips = archive.clips(3.0);
    let list = |tracks: std::ops::Range<usize>| -> String {
        tracks.flat_map(|track| (0..2).map(move |genre| format!("x/g{genre}.{track:05}.wav\n"))).collect()
    };
    let (train, validation, test) = (list(0..18), list(18..20), list(20..30));
    let filtered = |absent: &str| {
        let test = test.clone() + absent;
        Split::filtered(&archive, &clips, [&train, &validation, &test])
    };
    let (split, absent) = filtered("").unwrap();
    assert_eq!((split.name.as_str(), absent), ("filtered", vec![]));
    let (same, absent) = filtered("g0.00099\n\ng1.00098\n").unwrap();
    assert_eq!((same, absent), (split, vec!["g0.00099".into(), "g1.00098".into()]));
    // Lists of another collection are no split of this one.
    let refused = filtered("a\nb\nc\nd\n").unwrap_err();
    assert!(matches!(refused, SplitError::UnknownTrack { part: "test", name } if name == "d"));
}

#[test]
fn lists_that_tear_tracks_are_known() {
    let archive = archive(&[2, 2], false);
    let clips = archive.clips(3.0);
    let tears = |train, validation, test| {
        Split::by_names(&archive, &clips, "lists", [train, validation, test]).unwrap().tears_tracks(&clips)
    };
    assert!(!tears("g0.00000#0\ng0.00000#1\ng1.00000", "g0.00001#3", "g1.00001"));
    assert!(tears("g0.00000#0\ng1.00000", "g0.00000#1", "g1.00001"));
    assert!(tears("g0.00000\ng1.00000", "g0.00001#3", "g0.00001#4"));
}

#[test]
fn recordings_of_one_name_are_called_by_their_paths() {
    let mut archive = archive(&[2, 2], true);
    archive.tracks[0].name = "rock/01 Intro.mp3".into();
    archive.tracks[2].name = "jazz/01 Intro.mp3".into();
    let clips = archive.clips(3.0);
    let lists = ["rock/01 Intro.mp3\ng1.00001", "jazz/01 Intro.mp3", "g0.00001"];
    let split = Split::by_names(&archive, &clips, "mine", lists).unwrap();
    assert_eq!(tracks_of(&clips, &split, Part::Train), BTreeSet::from([0, 3]));
    let lists = ["01 Intro.mp3", "g0.00001", "g1.00001"];
    let refused = Split::by_names(&archive, &clips, "mine", lists).unwrap_err();
    assert!(matches!(refused, SplitError::UnknownTrack { part: "train", .. }));

    archive.tracks[2].name = "rock/01 Intro.mp3".into();
    let lists = ["g0.00001\ng1.00001", "rock/01 Intro.mp3", ""];
    let refused = Split::by_names(&archive, &clips, "mine", lists).unwrap_err();
    assert!(matches!(refused, SplitError::Ambiguous(name) if name == "rock/01 Intro.mp3"));
}

#[test]
fn splits_that_cannot_be_are_refused() {
    let (one, few) = (archive(&[5], false), archive(&[3, 2], false));
    let (of_one, of_few) = (one.clips(3.0), few.clips(3.0));
    for draw in [Split::over_clips, Split::over_tracks] {
        assert!(matches!(draw(&one, &of_one, 0), Err(SplitError::Genres(1))));
        assert!(matches!(
            draw(&few, &of_few[..2], 0),
            Err(SplitError::Empty(_) | SplitError::FewTracks { .. })
        ));
        assert!(draw(&few, &[], 0).is_err());
    }
    let refused = Split::over_tracks(&few, &of_few, 0).unwrap_err();
    assert!(matches!(refused, SplitError::FewTracks { genre, tracks: 2 } if genre == "genre 1"));
    let by_names = |lists| Split::by_names(&few, &of_few, "mine", lists).unwrap_err();
    let unknown = by_names(["g0.00000", "g0.00001", "g0.00009"]);
    assert!(matches!(unknown, SplitError::UnknownTrack { part: "test", name } if name == "g0.00009"));
    let twice = by_names(["g0.00000", "g0.00001", "g0.00000"]);
    assert!(matches!(twice, SplitError::Twice(name) if name == "g0.00000"));
    assert!(matches!(by_names(["g0.00000", "", "g1.00000"]), SplitError::Empty("validation")));
    let unlearned = by_names(["g0.00000\ng0.00001", "g0.00002", "g1.00000"]);
    assert!(matches!(unlearned, SplitError::Unlearned(genre) if genre == "genre 1"));
}

#[test]
fn a_refitted_split_learns_from_validation_too_and_its_test_part_stays() {
    let archive = archive(&[10, 10], false);
    let clips = archive.clips(3.0);
    let split = Split::over_tracks(&archive, &clips, 0).unwrap();
    let refitted = split.clone().refitted();
    let parts = |split: &Split, parts: &[Part]| -> BTreeSet<usize> {
        parts.iter().flat_map(|&part| split.part(part).iter().copied()).collect()
    };
    let learned = refitted.part(Part::Train);
    assert!(learned.is_sorted());
    assert_eq!(parts(&refitted, &[Part::Train]), parts(&split, &[Part::Train, Part::Validation]));
    assert_eq!(learned.len(), split.part(Part::Train).len() + split.part(Part::Validation).len());
    assert_eq!(refitted.part(Part::Test), split.part(Part::Test));
    let [choice, other] = [&split, &refitted].map(|split| split.choice(&archive, &clips));
    assert!(!choice.refitted && other.refitted && choice.fingerprint != other.fingerprint);
    assert!(!serde_json::to_string(&choice).unwrap().contains("refitted"), "it is as it always was");
}

// -------------------------------------------------------------------- artists

#[test]
fn only_known_artists_that_were_not_learned_from_are_apart() {
    let index = "## an index\n\ng0.00000.wav ::: John Lee Hooker ::: Boom Boom\n\
        g0.00001.wav ::: Robert Johnson\ng0.00002.wav ::: JOHN LEE HOOKER::: Dimples\n\
        g1.00000.wav ::: ::: Unknown\ng1.00001.wav ::: Queen ::: Bicycle Race\n\
        g1.00002.wav ::: Sting ::: Russians\ng1.00003.wav ::: Nas; queen ::: Together\n\
        g1.00004.wav ::: Robert Johnson ::: Crossroads\n";
    let artists = Artists::parse(index);
    assert_eq!(artists.len(), 7);
    let archive = archive(&[3, 5], false);
    let clips = archive.clips(3.0);
    let lists = ["g0.00000\ng1.00001", "g0.00001", "g0.00002\ng1.00000\ng1.00002\ng1.00003\ng1.00004"];
    let split = Split::by_names(&archive, &clips, "lists", lists).unwrap();
    let apart = |part| artists.apart(&archive, &clips, &split, part);
    assert_eq!(apart(Part::Validation), [true; 10]);
    // Of the last two one is by somebody who was learned from too, one by somebody whom the
    // epoch was chosen by.
    let expected = [false, false, true, false, false].into_iter().flat_map(|apart| [apart; 10]);
    assert_eq!(apart(Part::Test), expected.collect::<Vec<bool>>());
    assert!(apart(Part::Train).iter().all(|apart| !apart));
}

#[test]
fn tracks_that_share_an_artist_are_one_group() {
    let archive = archive(&[3, 5], false);
    // The first two come together by the last; of the others two have an artist in common.
    let index = "g0.00000 ::: Nina\ng0.00001 ::: Bessie\ng0.00002 ::: Odetta\ng1.00001 ::: ODETTA\n\
        g1.00004 ::: Bessie; Nina\n";
    assert_eq!(Artists::parse(index).groups(&archive), [0, 0, 2, 3, 2, 5, 6, 0]);
    assert_eq!(Artists::default().groups(&archive), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_name_with_a_dot_has_artists_of_its_own() {
    let mut archive = archive(&[3, 1], false);
    let names = ["Mr. Brightside", "Mr. Jones", "When You Were Young", "Mr. Blue Sky"];
    for (track, name) in archive.tracks.iter_mut().zip(names) {
        track.name = name.into();
    }
    let killers = "rock/Mr. Brightside ::: The Killers\nrock/When You Were Young.mp3 ::: The Killers\n";
    assert_eq!(Artists::parse(killers).groups(&archive), [0, 1, 0, 3]);
    let more = killers.to_owned() + "pop/Mr. Blue Sky.mp3 ::: ELO\nMr. Jones ::: ELO\n";
    assert_eq!(Artists::parse(&more).groups(&archive), [0, 1, 0, 1]);
}

#[test]
fn recordings_of_one_name_have_artists_of_their_own() {
    let mut archive = archive(&[3, 3], false);
    for (track, name) in archive.tracks.iter_mut().zip(["a/1.mp3", "b/1.mp3", "c/1.mp3", "x", "y", "z"]) {
        track.name = name.into();
    }
    // The third is named by its file alone, which might be any of the three.
    let artists = Artists::parse("a/1.mp3 ::: Nina\nb/1.mp3 ::: Bessie\n1.mp3 ::: Odetta\nz.mp3 ::: Nina\n");
    let clips = archive.clips(3.0);
    let split =
        Split::by_names(&archive, &clips, "lists", ["a/1.mp3\nx", "y", "b/1.mp3\nc/1.mp3\nz"]).unwrap();
    let apart = artists.apart(&archive, &clips, &split, Part::Test);
    let expected: Vec<bool> = [true, false, false].into_iter().flat_map(|apart| [apart; 10]).collect();
    assert_eq!(apart, expected);
}

/// Whoever has GTZAN's recordings draws the splits again that the results were scored by.
#[test]
fn published_splits_are_drawn_from_names_and_seed_alone() {
    let genres =
        ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"];
    let mut archive = archive(&[100; 10], false);
    for (at, track) in archive.tracks.iter_mut().enumerate() {
        track.name = format!("{}.{:05}", genres[at / 100], at % 100);
    }
    archive.genres = genres.map(String::from).to_vec();
    let clips = archive.clips(3.0);
    let mut drawn = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/results")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let result: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let choice: SplitChoice = serde_json::from_value(result["split"].clone()).unwrap();
        let draw: fn(&MelArchive, &[Clip], u64) -> Result<Split, SplitError> = match choice.name.as_str() {
            "clips" => Split::over_clips,
            "tracks" => Split::over_tracks,
            _ => continue,
        };
        let split = draw(&archive, &clips, choice.seed.unwrap()).unwrap();
        let split = if choice.refitted { split.refitted() } else { split };
        assert_eq!(split.choice(&archive, &clips), choice, "{}", path.display());
        drawn += 1;
    }
    assert!(drawn > 10, "{drawn}");
}

/// Whoever reads an archive elsewhere has docs/training.md alone.
#[test]
fn an_archives_file_is_as_the_documents_say() {
    let folder = tempfile::tempdir().unwrap();
    // A low tone that fades: bands and frames cannot be taken for each other.
    let tone: Vec<f32> = (0..66_150)
        .map(|at| at as f32 / 22_050.0)
        .map(|time| 0.5 * (-time).exp() * (200.0 * time * std::f32::consts::TAU).sin())
        .map(|sample| (sample * 32_768.0).round() / 32_768.0)
        .collect();
    write_wav(&folder.path().join("a/tone.wav"), 22_050, &tone);
    for settings in [SpectrogramConfig::default(), tracks_layout()] {
        let archive = prepare(&recordings(folder.path()), &settings, None, &|| ()).unwrap().archive;
        let bytes = archive.to_bytes().unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let about = header.metadata().as_ref().unwrap();
        let said = ["format", "tracks", "genres"].map(|key| about[key].as_str());
        assert_eq!(said, ["log-mel archive 1", r#"["tone"]"#, r#"["a"]"#]);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (mel, frames) = (file.tensor("mel").unwrap(), settings.frames(tone.len()));
        assert_eq!((mel.dtype(), mel.shape()), (Dtype::U8, &[1, settings.n_mels, frames][..]));
        let mut expected = MelSpectrogram::new(&settings).unwrap().power(&tone).to_vec();
        power_to_db(&mut expected, 100.0);
        assert_eq!(mel.data().len(), expected.len());
        for (byte, expected) in mel.data().iter().zip(&expected) {
            let decibels = f32::from(*byte) * (100.0 / 255.0) - 100.0;
            assert!((decibels - expected).abs() <= 100.0 / 255.0 / 2.0 + 1e-3, "{decibels} for {expected}");
        }
        let filled = file.tensor("frames").unwrap();
        assert_eq!((filled.dtype(), filled.data()), (Dtype::I32, &(frames as i32).to_le_bytes()[..]));
        assert_eq!(file.tensor("track").is_ok(), settings.center);
    }
}
