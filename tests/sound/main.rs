//! Sound, from the bytes of a file to clips.
#![cfg(feature = "sound")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows them in tests, but not in what tests call"
)]

mod clips;
mod fixtures;
mod formats;
mod mutations;
mod packets;
mod problems;
#[path = "../common/shared.rs"]
mod shared;
mod tags;
#[path = "../common/webm.rs"]
mod webm;

use std::io::Cursor;

use needledrop::sound::{
    decode::{Decoder, Opened, open},
    song::{SongInfo, SongNotice, SongProblem},
};

/// A song, decoded to its end.
#[derive(Debug)]
struct Decoded {
    mono: Vec<f32>,
    sample_rate: u32,
    info: SongInfo,
    notices: Vec<SongNotice>,
    seconds: f64,
}

fn open_ours(file: Vec<u8>) -> Result<Box<Decoder>, SongProblem> {
    match open(Box::new(Cursor::new(file)))? {
        Opened::Ours(decoder) => Ok(decoder),
        Opened::Packets(reader) => panic!("{} was not decoded", reader.info().codec),
    }
}

fn decode(file: Vec<u8>) -> Result<Decoded, SongProblem> {
    let mut decoder = open_ours(file)?;
    let mut mono = Vec::new();
    while let Some(block) = decoder.next_block()? {
        mono.extend_from_slice(block.samples);
    }
    Ok(Decoded {
        mono,
        sample_rate: decoder.sample_rate(),
        info: decoder.info().clone(),
        notices: decoder.notices(),
        seconds: decoder.seconds(),
    })
}
