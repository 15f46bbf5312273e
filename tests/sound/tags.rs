//! Title, artist and album from every container that has them.

use crate::{
    decode,
    fixtures::{Signal, encode_with},
};

const SIGNAL: Signal = Signal { sample_rate: 22_050, channels: 1 };

const TAGS: [&str; 6] =
    ["-metadata", "title=Die Nähe \u{266b}", "-metadata", "artist=A. B. & C.", "-metadata", "album=Zwölf"];

fn tags(name: &str, extension: &str, options: &[&str]) -> [Option<String>; 3] {
    let options = [options, &TAGS].concat();
    let info = decode(encode_with(&format!("tags-{name}"), extension, &options, SIGNAL)).unwrap().info;
    [info.title, info.artist, info.album]
}

#[test]
fn tags_are_read_from_every_container() {
    let expected = ["Die Nähe \u{266b}", "A. B. & C.", "Zwölf"].map(|text| Some(text.to_owned()));
    for (name, extension, options) in [
        ("mp3", "mp3", &["-c:a", "libmp3lame", "-write_id3v1", "1"][..]),
        ("flac", "flac", &[]),
        ("vorbis", "ogg", &["-c:a", "libvorbis"]),
        ("mp4", "m4a", &["-c:a", "aac"]),
        ("wav", "wav", &[]),
        ("aiff", "aiff", &["-write_id3v2", "1"]),
    ] {
        assert_eq!(tags(name, extension, options), expected, "{name}");
    }
}

#[test]
fn a_file_with_an_old_tag_only_has_what_that_says() {
    let options = [&["-c:a", "libmp3lame", "-write_id3v1", "1"], &TAGS[..]].concat();
    let mut file = encode_with("tags-mp3", "mp3", &options, SIGNAL);
    // The length of the new tag stands in its header, 7 bits a byte.
    let length = file[6..10].iter().fold(0, |length, &byte| length << 7 | usize::from(byte));
    file.drain(..10 + length);
    assert_eq!(decode(file).unwrap().info.artist.as_deref(), Some("A. B. & C."));
}

#[test]
fn a_file_without_tags_has_none() {
    let info = decode(encode_with("tags-none", "wav", &["-bitexact"], SIGNAL)).unwrap().info;
    assert_eq!((info.title, info.artist, info.album), (None, None, None));
}
