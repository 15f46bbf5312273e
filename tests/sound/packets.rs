//! What is not decoded here comes out as packets for the browser.

use std::{io::Cursor, ops::Range};

use needledrop::sound::{
    clips::SongReader,
    decode::{Opened, open},
    packets::{EncodedPacket, PacketConfig, PacketReader},
    song::{ClipFormat, SongNotice, SongProblem},
};

use crate::{
    decode,
    fixtures::{SECONDS, Signal, encode_with},
    webm,
};

const STEREO: Signal = Signal { sample_rate: 48_000, channels: 2 };

fn open_packets(file: Vec<u8>) -> Box<PacketReader> {
    match open(Box::new(Cursor::new(file))).unwrap() {
        Opened::Packets(reader) => reader,
        Opened::Ours(decoder) => panic!("{} was decoded", decoder.info().codec),
    }
}

fn read(reader: &mut PacketReader) -> Vec<EncodedPacket> {
    std::iter::from_fn(|| reader.next_packet().unwrap()).collect()
}

fn check_opus(extension: &str, options: &[&str]) {
    let options = [&["-c:a", "libopus"], options].concat();
    let mut reader = open_packets(encode_with("opus", extension, &options, STEREO));
    let config = reader.config().clone();
    assert_eq!((config.codec.as_str(), config.sample_rate, config.channels), ("opus", 48_000, 2));
    assert!(config.description.starts_with(b"OpusHead"));
    assert_eq!(config.lead_in, 312);
    assert_eq!((reader.info().codec.as_str(), reader.info().channels), ("opus", 2));
    let packets = read(&mut reader);
    for (index, packet) in packets.iter().enumerate() {
        assert_eq!((packet.timestamp, packet.duration), (20_000 * index as i64, 20_000), "{extension}");
        assert!(!packet.data.is_empty());
    }
    let decoded = packets.len() as f64 * 0.02 - 312.0 / 48_000.0;
    assert!((0.0..0.021).contains(&(decoded - SECONDS)), "{extension}: {decoded} s");
    assert_eq!(reader.notices(SECONDS), [], "{extension}");
    assert_eq!(reader.progress(), Some(1.0), "{extension}");
}

#[test]
fn opus_comes_from_ogg() {
    check_opus("opus", &[]);
    let reader = open_packets(encode_with("opus", "opus", &["-c:a", "libopus"], STEREO));
    assert_eq!(reader.config().length, Some((SECONDS * 48_000.0) as u64));
}

/// What a recorder of a stream keeps begins somewhere in it.
#[test]
fn a_piece_of_a_longer_opus_is_as_long_as_it_is() {
    let options = ["-c:a", "libopus", "-output_ts_offset", "120"];
    let mut reader = open_packets(encode_with("opus-piece", "opus", &options, STEREO));
    assert_eq!(reader.config().length, Some((SECONDS * 48_000.0) as u64));
    assert!((reader.info().seconds.unwrap() - SECONDS).abs() < 0.02, "{:?}", reader.info().seconds);
    assert!(!read(&mut reader).is_empty());
    assert_eq!(reader.notices(SECONDS), []);
}

/// A page of an Ogg that is damaged is passed over without a word.
#[test]
fn what_an_opus_lost_is_silent_and_said() {
    for (channels, head) in [(1, 0xf8), (2, 0xfc)] {
        let signal = Signal { channels, ..STEREO };
        let options = ["-c:a", "libopus", "-page_duration", "200000"];
        let mut file = encode_with("opus-pages", "opus", &options, signal);
        let length = |packets: &[EncodedPacket]| packets.iter().map(|packet| packet.duration).sum::<u64>();
        let whole = length(&read(&mut open_packets(file.clone())));
        let middle = file.len() / 2;
        file[middle] ^= 0xff;
        let mut reader = open_packets(file);
        let packets = read(&mut reader);
        assert!(length(&packets).abs_diff(whole) <= 20_000, "{} of {whole}", length(&packets));
        assert!(packets.iter().any(|packet| packet.data[..] == [head, 0xff, 0xfe]));
        assert_eq!(reader.notices(SECONDS), [SongNotice::CorruptPackets { packets: 1 }]);
    }
}

/// Damages blocks of a WebM, each of which is a packet: they are of a track that there is not.
fn lose_blocks(file: &mut [u8], lost: Range<usize>) {
    for block in &webm::blocks(file)[lost] {
        file[block.start] = 0x82;
    }
}

/// Few WebMs say how long their packets are.
#[test]
fn what_an_opus_in_a_webm_lost_is_silent_and_said() {
    for lost in [40..45, 100..101] {
        let mut file = encode_with("opus", "webm", &["-c:a", "libopus"], STEREO);
        let whole = read(&mut open_packets(file.clone()));
        lose_blocks(&mut file, lost.clone());
        let mut reader = open_packets(file);
        let packets = read(&mut reader);
        assert_eq!(packets.len(), whole.len(), "{lost:?}");
        for (index, (packet, whole)) in packets.iter().zip(&whole).enumerate() {
            if lost.contains(&index) {
                assert_eq!(packet.data[..], [0xfc, 0xff, 0xfe], "packet {index}");
            } else {
                assert_eq!(packet, whole, "packet {index}");
            }
        }
        let packets = lost.len() as u64;
        assert_eq!(reader.notices(SECONDS), [SongNotice::CorruptPackets { packets }]);
    }
}

/// What is decoded here and does not say so either: Vorbis.
#[test]
fn what_a_vorbis_in_a_webm_lost_is_silent_for_as_long() {
    let file = encode_with("vorbis", "webm", &["-c:a", "libvorbis", "-q:a", "4"], STEREO);
    let whole = decode(file.clone()).unwrap().mono;
    let last = 10_000;
    for lost in [40..41, 60..65] {
        let mut file = file.clone();
        lose_blocks(&mut file, lost.clone());
        let heard = decode(file).unwrap().mono;
        assert!(heard.len().abs_diff(whole.len()) < 128, "{lost:?}: {} of {}", heard.len(), whole.len());
        assert_eq!(heard[heard.len() - last..], whole[whole.len() - last..], "{lost:?}");
    }
}

/// Where the browser's decoder fails, another goes on behind it.
#[test]
fn in_the_middle_of_a_song_no_lead_in_is_left_out() {
    let mut opus = open_packets(encode_with("opus", "opus", &["-c:a", "libopus"], STEREO));
    let midway = opus.config().midway();
    let mut expected = PacketConfig { lead_in: 0, ..opus.config().clone() };
    assert_eq!(expected.description[10..12], 312_u16.to_le_bytes());
    expected.description[10..12].fill(0);
    assert_eq!(midway, expected);
    opus.count_damage();
    opus.count_damage();
    assert_eq!(opus.notices(SECONDS), [SongNotice::CorruptPackets { packets: 2 }]);

    let aac = open_packets(aac_with_extension(22_050, 0x80 | 4 << 3));
    assert_eq!(aac.config().midway(), *aac.config());
}

#[test]
fn opus_comes_from_webm() {
    check_opus("webm", &[]);
    // Of unknown length, as a browser records.
    check_opus("webm", &["-live", "1"]);
}

#[test]
fn opus_comes_from_mp4() {
    check_opus("mp4", &["-strict", "experimental"]);
}

/// Of those, symphonia knows the length of the first, or none.
#[test]
fn an_opus_in_fragments_is_as_long_as_all_of_them() {
    for flags in ["+dash", "+frag_keyframe+empty_moov"] {
        let fragments = ["-movflags", flags, "-frag_duration", "500000"];
        let options = [&["-c:a", "libopus", "-strict", "experimental"][..], &fragments].concat();
        let file = encode_with("opus-fragments", "mp4", &options, STEREO);
        assert!(file.windows(4).filter(|name| *name == b"moof").count() > 4, "{flags}");
        let mut reader = open_packets(file);
        assert_eq!(reader.config().length, None, "{flags}");
        let seconds = read(&mut reader).iter().map(|packet| packet.duration as f64 / 1e6).sum::<f64>();
        assert!((SECONDS..SECONDS + 0.05).contains(&seconds), "{flags}: {seconds} s");
        assert_eq!(reader.notices(SECONDS), [], "{flags}");
    }
}

/// The second song may need another configuration.
#[test]
fn of_opuses_one_behind_the_other_the_first_is_heard_and_said_to_be_a_part() {
    let one = encode_with("opus", "opus", &["-c:a", "libopus"], STEREO);
    let alone = read(&mut open_packets(one.clone())).len();
    let mut reader = open_packets([one.clone(), one].concat());
    assert_eq!(read(&mut reader).len(), alone);
    assert!(matches!(reader.notices(SECONDS)[..], [SongNotice::Truncated { heard: SECONDS, .. }]));
}

#[test]
fn the_command_line_says_which_codec_it_lacks() {
    let file = encode_with("opus", "opus", &["-c:a", "libopus"], STEREO);
    let format = ClipFormat { sample_rate: 22_050, samples: 66_150 };
    let problem = SongReader::open(Box::new(Cursor::new(file)), format).err();
    assert_eq!(problem, Some(SongProblem::Codec { codec: "opus".to_owned() }));
}

#[test]
fn a_codec_that_nobody_has_is_named() {
    let file = encode_with("ac3", "mp4", &["-c:a", "ac3"], STEREO);
    let problem = open(Box::new(Cursor::new(file))).err();
    assert_eq!(problem, Some(SongProblem::Codec { codec: "ac-3".to_owned() }));
}

#[test]
fn surround_aac_is_left_to_the_browser() {
    let signal = Signal { sample_rate: 44_100, channels: 6 };
    for extension in ["m4a", "aac"] {
        let mut reader = open_packets(encode_with("surround", extension, &["-c:a", "aac"], signal));
        let config = reader.config().clone();
        assert_eq!((config.codec.as_str(), config.sample_rate, config.channels), ("mp4a.40.2", 44_100, 6));
        // AudioSpecificConfig: low complexity, 44.1 kHz, six channels.
        assert_eq!(config.description[..2], [0x12, 0x30]);
        let packets = read(&mut reader);
        let seconds = packets.iter().map(|packet| packet.duration as f64 / 1e6).sum::<f64>();
        assert!((0.0..0.1).contains(&(seconds - SECONDS)), "{extension}: {seconds} s");
    }
}

/// An M4A whose configuration has, or is made to have, SBR in its extension.
fn aac_with_extension(sample_rate: u32, present: u8) -> Vec<u8> {
    let signal = Signal { sample_rate, channels: 2 };
    let mut file = encode_with("extension", "m4a", &["-c:a", "aac"], signal);
    let extension = file.windows(3).position(|bytes| bytes == [0x56, 0xe5, 0x00]).unwrap();
    file[extension + 2] = present;
    file
}

#[test]
fn aac_that_announces_replication_is_left_to_the_browser() {
    // Present, and 44.1 kHz with it.
    let reader = open_packets(aac_with_extension(22_050, 0x80 | 4 << 3));
    let config = reader.config();
    assert_eq!((config.codec.as_str(), config.sample_rate), ("mp4a.40.5", 44_100));
    assert_eq!((reader.info().codec.as_str(), reader.info().sample_rate), ("he-aac", 44_100));
}

#[test]
fn aac_at_half_the_declared_rate_is_left_to_the_browser() {
    let mut file = aac_with_extension(22_050, 0);
    // The sample entry of the track, where the rate stands 28 bytes after the name.
    let entry = file.windows(4).position(|bytes| bytes == b"mp4a").unwrap();
    assert_eq!(file[entry + 28..entry + 30], 22_050_u16.to_be_bytes());
    file[entry + 28..entry + 30].copy_from_slice(&44_100_u16.to_be_bytes());
    let reader = open_packets(file);
    assert_eq!((reader.config().codec.as_str(), reader.config().sample_rate), ("mp4a.40.5", 44_100));
}

#[test]
fn packets_of_a_file_that_was_cut_off_say_so() {
    for extension in ["opus", "webm"] {
        let mut file = encode_with("opus", extension, &["-c:a", "libopus"], STEREO);
        file.truncate(file.len() * 2 / 3);
        let mut reader = open_packets(file);
        assert!(read(&mut reader).len() > 80, "{extension}");
        let cut = SongNotice::Truncated { heard: 2.0, declared: None };
        assert_eq!(reader.notices(2.0), [cut], "{extension}");
    }
}
