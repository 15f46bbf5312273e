//! Files that are not as they should be: each gets its own word, and none more
//! than that.

use std::{
    fs,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use needledrop::sound::{
    MediaSource,
    clips::SongReader,
    decode::open,
    song::{ClipFormat, SongNotice, SongProblem},
    wav,
};

use crate::{
    decode,
    fixtures::{FORMATS, SECONDS, Signal, encode, encode_with, format},
};

const FORMAT: ClipFormat = ClipFormat { sample_rate: 22_050, samples: 66_150 };
const STEREO: Signal = Signal { sample_rate: 44_100, channels: 2 };

/// A 16-bit WAV of `frames` frames that count up.
fn counting(sample_rate: u32, channels: u16, frames: u64) -> Vec<u8> {
    let mut file = wav::header(sample_rate, channels, frames).to_vec();
    let samples = frames * u64::from(channels);
    let samples: Vec<f32> = (0..samples).map(|k| (k % 20_000) as f32 / 32_768.0).collect();
    wav::append(&samples, &mut file);
    file
}

/// A float WAV of one channel at 8 kHz.
fn floats(samples: &[f32]) -> Vec<u8> {
    let mut file = wav::header(8_000, 1, 2 * samples.len() as u64).to_vec();
    file[20] = 3;
    file[28..32].copy_from_slice(&32_000_u32.to_le_bytes());
    (file[32], file[34]) = (4, 32);
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

fn read_song(file: Vec<u8>) -> Result<usize, SongProblem> {
    let mut song = SongReader::open(Box::new(Cursor::new(file)), FORMAT)?;
    let mut clips = 0;
    while song.next_clip()?.is_some() {
        clips += 1;
    }
    Ok(clips)
}

#[test]
fn an_empty_file_is_empty() {
    assert_eq!(read_song(Vec::new()), Err(SongProblem::Empty));
}

#[test]
fn a_folder_is_a_folder() {
    let folder = fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert_eq!(SongReader::open(Box::new(folder), FORMAT).err(), Some(SongProblem::Folder));
}

#[test]
fn what_is_no_audio_is_not() {
    let text = "It was a dark and stormy night. ".repeat(400).into_bytes();
    let picture = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[7; 3000]].concat();
    for file in [text, picture, vec![0; 10_000], b"x".to_vec()] {
        assert_eq!(read_song(file), Err(SongProblem::NotAudio));
    }
}

#[test]
fn a_video_without_sound_has_no_track() {
    let options = ["-filter_complex", "[0:a]showwaves=s=64x48[v]", "-map", "[v]", "-c:v", "mpeg4"];
    for extension in ["mp4", "mkv"] {
        let file = encode_with("video", extension, &options, STEREO);
        assert_eq!(read_song(file), Err(SongProblem::NoTrack), "{extension}");
    }
}

fn unknown_codec() -> SongProblem {
    SongProblem::Codec { codec: "unknown".to_owned() }
}

#[test]
fn an_mp4_of_an_unknown_codec_has_a_track() {
    // Speech of old telephones, and what a shop has locked.
    for entry in [b"samr", b"drms"] {
        let mut file = encode_with("unknown", "m4a", &["-c:a", "aac"], STEREO);
        let place = file.windows(4).position(|name| name == b"mp4a").unwrap();
        file[place..place + 4].copy_from_slice(entry);
        assert_eq!(read_song(file), Err(unknown_codec()));
    }
}

#[test]
fn a_wav_or_aiff_of_an_unknown_codec_is_not_damaged() {
    // GSM and MP3.
    for number in [0x31, 0x55] {
        let mut file = counting(8_000, 1, 32_000);
        file[20] = number;
        assert_eq!(read_song(file), Err(unknown_codec()), "{number}");
    }
    // The long way to write it.
    let mut file = encode(format("wav-16"), Signal { channels: 6, ..STEREO });
    assert_eq!((&file[20..22], file[44]), (&[0xfe, 0xff][..], 1));
    file[44] = 0x55;
    assert_eq!(read_song(file), Err(unknown_codec()));
    let aiff = encode_with("ima4", "aiff", &["-c:a", "adpcm_ima_qt"], STEREO);
    assert_eq!(read_song(aiff), Err(unknown_codec()));
}

#[test]
fn an_ogg_of_speex_names_its_codec() {
    let signal = Signal { sample_rate: 16_000, channels: 1 };
    let file = encode_with("speex", "ogg", &["-c:a", "libspeex"], signal);
    assert_eq!(read_song(file), Err(SongProblem::Codec { codec: "speex".to_owned() }));
}

#[test]
fn a_song_of_less_than_a_second_is_too_short() {
    let too_short = |seconds| Err(SongProblem::TooShort { seconds, least: 1.0 });
    assert_eq!(read_song(counting(8_000, 1, 4_000)), too_short(0.5));
    assert_eq!(read_song(counting(8_000, 1, 0)), too_short(0.0));
    assert_eq!(read_song(counting(8_000, 1, 8_000)), Ok(1));
}

#[test]
fn rates_that_nobody_hears_are_refused() {
    for sample_rate in [1, 4_000, 7_999, 192_001, 384_000, u32::MAX] {
        let problem = SongProblem::SampleRate { sample_rate };
        assert_eq!(read_song(counting(sample_rate, 1, 10_000)), Err(problem));
    }
    assert!(read_song(counting(0, 1, 10_000)).is_err());
    assert_eq!(read_song(counting(192_000, 1, 600_000)), Ok(1));
}

#[test]
fn eight_channels_are_one() {
    let song = decode(counting(48_000, 8, 10_000)).unwrap();
    assert_eq!((song.mono.len(), song.info.channels), (10_000, 8));
    let expected = |k: usize| (8 * k..8 * k + 8).map(|k| (k % 20_000) as f32 / 32_768.0).sum::<f32>() / 8.0;
    assert!(song.mono.iter().enumerate().all(|(k, &sample)| sample == expected(k)));
}

#[test]
fn silence_is_a_song() {
    assert_eq!(read_song(floats(&vec![0.0; 24_000])), Ok(1));
}

#[test]
fn a_wav_that_is_shorter_than_it_says_is_truncated() {
    let mut file = counting(8_000, 1, 32_000);
    file.truncate(44 + 40_000);
    let song = decode(file).unwrap();
    assert_eq!(song.mono.len(), 20_000);
    assert_eq!(song.notices, [SongNotice::Truncated { heard: 2.5, declared: Some(4.0) }]);
}

#[test]
fn a_wav_whose_header_was_never_finished_is_read_to_its_end() {
    for length in [0, 1_000, u32::MAX] {
        let mut file = counting(8_000, 1, 32_000);
        file[4..8].copy_from_slice(&length.to_le_bytes());
        file[40..44].copy_from_slice(&length.to_le_bytes());
        let song = decode(file).unwrap();
        assert_eq!((song.mono.len(), song.info.seconds), (32_000, Some(4.0)), "{length}");
        assert_eq!(song.notices, [], "{length}");
    }
}

/// What other players play: tags behind an AIFF, before a WAV's samples a list that is not
/// padded or a longer `fact`, lengths of which one is too great.
#[test]
fn lengths_that_are_a_little_wrong_refuse_no_file() {
    let signal = Signal { sample_rate: 44_100, channels: 1 };
    let aiff = encode(format("aiff-16"), signal);
    let whole = decode(aiff.clone()).unwrap();
    let mut tag = b"TAGa title".to_vec();
    tag.resize(128, b' ');
    let tagged = decode([aiff, tag].concat()).unwrap();
    assert_eq!((tagged.mono.len(), &tagged.notices[..]), (whole.mono.len(), &[][..]));

    let wav = counting(8_000, 1, 32_000);
    for chunk in [
        &b"LIST\x0f\0\0\0INFOINAM\x03\0\0\0abc\0"[..],
        b"LIST\x18\0\0\0INFOINAM\x03\0\0\0abcIART\x01\0\0\0d",
        b"fact\x0c\0\0\0\0\x7d\0\0and more",
    ] {
        let mut longer = wav.clone();
        longer.splice(12..12, chunk.iter().copied());
        let riff = longer.len() as u32 - 8;
        longer[4..8].copy_from_slice(&riff.to_le_bytes());
        let song = decode(longer).unwrap();
        assert_eq!((song.mono.len(), &song.notices[..]), (32_000, &[][..]), "{chunk:?}");
    }
    let mut twice = wav;
    let length = twice.len() as u32 - 8;
    twice[40..44].copy_from_slice(&length.to_le_bytes());
    let song = decode(twice).unwrap();
    assert_eq!((song.mono.len(), &song.notices[..]), (32_000, &[][..]));
}

/// What a recorder of a stream keeps begins somewhere in it.
#[test]
fn a_piece_of_a_longer_ogg_is_as_long_as_it_is() {
    let signal = Signal { sample_rate: 44_100, channels: 1 };
    let options = ["-c:a", "libvorbis", "-output_ts_offset", "120"];
    let song = decode(encode_with("vorbis-piece", "ogg", &options, signal)).unwrap();
    assert!((song.info.seconds.unwrap() - SECONDS).abs() < 0.1, "{:?}", song.info.seconds);
    assert_eq!(song.notices, []);
}

/// An `.au` of 16-bit samples at 8 kHz that says it has `length` bytes of them.
fn au(length: u32, encoding: u32, channels: u32, samples: &[u8]) -> Vec<u8> {
    let mut file = b".snd".to_vec();
    file.extend([32, length, encoding, 8_000, channels].map(u32::to_be_bytes).concat());
    file.extend(b"a text\0\0");
    file.extend(samples);
    file
}

#[test]
fn an_au_ends_where_it_says_or_with_its_file() {
    let samples = [64; 40_000];
    // The length unknown, right, and followed by something else.
    for (length, heard) in [(u32::MAX, 20_000), (40_000, 20_000), (20_001, 10_000)] {
        let song = decode(au(length, 3, 1, &samples)).unwrap();
        assert_eq!((song.mono.len(), &song.notices[..]), (heard, &[][..]), "{length}");
        assert!(song.mono.iter().all(|&sample| sample == f32::from(0x4040_i16) / 32_768.0));
    }
    let cut = decode(au(64_000, 3, 1, &samples)).unwrap();
    assert_eq!(cut.notices, [SongNotice::Truncated { heard: 2.5, declared: Some(4.0) }]);
}

#[test]
fn an_au_of_another_kind_is_refused() {
    // ADPCM, no channels, too many, and samples that begin within the header.
    let mut early = au(40_000, 3, 1, &[0; 40_000]);
    early[7] = 16;
    for file in [au(100, 23, 1, &[0; 100]), au(100, 3, 0, &[0; 100]), au(100, 3, u32::MAX, &[0; 100]), early]
    {
        assert!(matches!(decode(file), Err(SongProblem::Damaged { .. } | SongProblem::NotAudio)));
    }
}

#[test]
fn samples_that_are_no_numbers_are_silent() {
    let mut samples = vec![0.5; 24_000];
    samples[100] = f32::NAN;
    samples[200] = f32::INFINITY;
    samples[300] = f32::NEG_INFINITY;
    let song = decode(floats(&samples)).unwrap();
    assert_eq!(song.notices, [SongNotice::NonFinite { samples: 3 }]);
    let zeros: Vec<usize> = (0..24_000).filter(|&k| song.mono[k] == 0.0).collect();
    assert_eq!(zeros, [100, 200, 300]);
}

#[test]
fn a_song_without_a_number_is_none() {
    assert_eq!(read_song(floats(&vec![f32::NAN; 24_000])), Err(SongProblem::NotFinite));
}

#[test]
fn every_format_that_is_cut_off_is_heard_up_to_there() {
    for format in FORMATS {
        let mut file = encode(format, STEREO);
        file.truncate(file.len() * 6 / 10);
        let outcome = decode(file);
        match format.name {
            // The index that these need is at their end.
            "alac" | "aac-mp4" => {
                assert!(matches!(outcome, Err(SongProblem::Damaged { .. })), "{}: {outcome:?}", format.name);
            }
            // Of its length there is only a guess.
            "aac-adts" => assert!((1.5..3.0).contains(&outcome.unwrap().seconds)),
            name => {
                let song = outcome.unwrap_or_else(|problem| panic!("{name}: {problem}"));
                assert!((1.0..3.0).contains(&song.seconds), "{name}: {} s", song.seconds);
                let is_truncated = |notice: &SongNotice| matches!(notice, SongNotice::Truncated { .. });
                assert!(song.notices.iter().any(is_truncated), "{name}: {:?}", song.notices);
            }
        }
    }
}

#[test]
fn a_streamable_mp4_that_is_cut_off_is_heard_up_to_there() {
    for options in
        [&["-c:a", "aac", "-movflags", "+faststart"][..], &["-c:a", "alac", "-movflags", "+faststart"]]
    {
        let mut file = encode_with(&format!("faststart-{}", options[1]), "m4a", options, STEREO);
        file.truncate(file.len() * 6 / 10);
        let song = decode(file).unwrap();
        assert!((1.2..3.0).contains(&song.seconds), "{}", song.seconds);
        assert!(
            matches!(song.notices[..], [SongNotice::Truncated { declared: Some(_), .. }]),
            "{:?}",
            song.notices
        );
    }
}

#[test]
fn a_webm_that_is_cut_off_is_heard_up_to_there() {
    for live in ["0", "1"] {
        let options = ["-c:a", "libvorbis", "-q:a", "4", "-live", live];
        let mut file = encode_with("vorbis", "webm", &options, STEREO);
        file.truncate(file.len() * 6 / 10);
        let song = decode(file).unwrap();
        assert!((1.0..3.0).contains(&song.seconds), "live {live}: {} s", song.seconds);
        let said = &song.notices[..];
        assert!(matches!(said, [SongNotice::Truncated { declared: None, .. }]), "live {live}: {said:?}");
    }
}

/// As a browser records it, and ffmpeg writes it into a pipe.
#[test]
fn a_webm_of_unknown_length_ends_with_its_file() {
    let options = ["-c:a", "libvorbis", "-q:a", "4", "-live", "1"];
    let file = encode_with("live", "webm", &options, STEREO);
    let segment = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff";
    assert!(file.windows(segment.len()).any(|bytes| bytes == segment));
    let song = decode(file).unwrap();
    assert!((SECONDS - 0.05..SECONDS + 0.1).contains(&song.seconds), "{} s", song.seconds);
    assert_eq!(song.notices, []);
}

/// What was not known when a recording was begun is the greatest number there is.
#[test]
fn a_length_that_no_song_has_is_none() {
    let options = ["-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"];
    let mut file = encode_with("endless", "mp4", &options, STEREO);
    let header = file.windows(4).position(|name| name == b"mdhd").unwrap();
    let length = header + 20..header + 24;
    assert_eq!(file[length.clone()], [0; 4]);
    file[length].fill(0xff);
    let song = decode(file).unwrap();
    assert_eq!((song.info.seconds, &song.notices[..]), (None, &[][..]));
    assert!((SECONDS..SECONDS + 0.1).contains(&song.seconds), "{} s", song.seconds);
}

#[test]
fn damage_in_the_middle_costs_what_it_hits() {
    // What of the length may be wanting: where frames have no times of their own, those that are
    // not found again have none, and in an MP3 nobody says so.
    for (name, wanting, is_said) in [
        ("mp3", 0.25, false),
        ("vorbis", 0.0, true),
        ("flac-16", 0.0, true),
        ("aac-adts", 0.12, true),
        ("aac-mp4", 0.0, true),
    ] {
        let whole = decode(encode(format(name), STEREO)).unwrap().seconds;
        let mut file = encode(format(name), STEREO);
        let middle = file.len() / 2;
        for (k, byte) in file[middle..middle + 3_000].iter_mut().enumerate() {
            *byte = ((k * 7919) >> 3) as u8;
        }
        let song = decode(file).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let expected = whole - wanting - 1e-6..whole + 1e-6;
        assert!(expected.contains(&song.seconds), "{name}: {} of {whole} s", song.seconds);
        let is_damage = |notice: &SongNotice| matches!(notice, SongNotice::CorruptPackets { .. });
        assert_eq!(song.notices.iter().any(is_damage), is_said, "{name}: {:?}", song.notices);
        // It goes on behind the damage, and to its end.
        let is_cut = |notice: &SongNotice| matches!(notice, SongNotice::Truncated { .. });
        assert!(!song.notices.iter().any(is_cut), "{name}: {:?}", song.notices);
    }
}

/// Fails after some bytes, as a file on a stick that is pulled out.
struct Failing {
    file: Cursor<Vec<u8>>,
    good: usize,
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.good = self.good.checked_sub(read).ok_or_else(|| io::Error::other("the stick is gone"))?;
        Ok(read)
    }
}

impl Seek for Failing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl MediaSource for Failing {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.file.get_ref().len() as u64)
    }
}

#[test]
fn a_file_that_goes_away_is_unreadable() {
    let gone = SongProblem::Unreadable { detail: "the stick is gone".to_owned() };
    let file = |good| Box::new(Failing { file: Cursor::new(counting(8_000, 1, 320_000)), good });
    let mut song = SongReader::open(file(300_000), FORMAT).unwrap();
    assert!(song.next_clip().unwrap().is_some());
    let problem = std::iter::from_fn(|| Some(song.next_clip())).find_map(Result::err);
    assert_eq!(problem, Some(gone));
    assert!(matches!(open(file(0)).err(), Some(SongProblem::Unreadable { .. })));
}
