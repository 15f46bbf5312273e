//! Any bytes as a sound file.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use needledrop::sound::{
    clips::SongReader,
    decode::{Opened, open},
    song::{ClipFormat, SongProblem},
};

/// Clips that are read of a file: enough to be past its headers, and few enough
/// to go on to the next.
const MOST_CLIPS: usize = 200;

/// Short clips, so that short files have some.
const FORMAT: ClipFormat = ClipFormat { sample_rate: 22_050, samples: 4_096 };

fn read(bytes: &[u8]) -> Result<(), SongProblem> {
    match open(Box::new(Cursor::new(bytes.to_vec())))? {
        Opened::Ours(decoder) => {
            let mut song = SongReader::new(decoder, FORMAT)?;
            for _ in 0..MOST_CLIPS {
                let Some(clip) = song.next_clip()? else { break };
                assert!(clip.samples.iter().all(|sample| sample.is_finite()));
            }
            song.notices();
        }
        Opened::Packets(mut reader) => {
            while reader.next_packet()?.is_some() {}
            reader.notices(0.0);
        }
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    // A problem is an answer too.
    let _ = read(bytes);
});
