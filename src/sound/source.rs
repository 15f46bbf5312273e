//! The bytes of a file.
//!
//! In: a [`MediaSource`]. Out: the same bytes, with how far they have been read
//! (for a progress bar) and with the lengths in a WAV header set right.
//!
//! Reference for the chunks: Microsoft and IBM, *Multimedia Programming
//! Interface and Data Specifications 1.0* (1991), "Resource Interchange File
//! Format".

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use symphonia::core::io::MediaSource;

/// Chunks looked at before the samples of a WAV have to come.
const MOST_CHUNKS: usize = 256;

/// How far a [`Source`] has been read; stays behind when the source is given
/// away.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    position: Arc<AtomicU64>,
    length: Option<u64>,
}

impl Reach {
    /// Share of the bytes read, 0 to 1, where the length is known.
    pub(super) fn share(&self) -> Option<f32> {
        let length = self.length.filter(|&length| length > 0)?;
        Some((self.position.load(Ordering::Relaxed) as f64 / length as f64).min(1.0) as f32)
    }
}

/// Four bytes of a header that are read as others than the file has.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Correction {
    position: u64,
    bytes: [u8; 4],
}

/// A file that counts what is read of it.
pub(super) struct Source {
    inner: Box<dyn MediaSource>,
    position: u64,
    reach: Reach,
    corrections: Vec<Correction>,
}

impl Source {
    /// Takes a file from its first byte on.
    ///
    /// # Errors
    /// What reading the header of a WAV gives, if not the end of the file.
    pub(super) fn new(mut inner: Box<dyn MediaSource>) -> io::Result<Self> {
        let length = inner.byte_len();
        let corrections = match length {
            Some(length) if inner.is_seekable() => {
                let corrections = wav_corrections(inner.as_mut(), length)?;
                inner.seek(SeekFrom::Start(0))?;
                corrections
            }
            _ => Vec::new(),
        };
        let reach = Reach { position: Arc::new(AtomicU64::new(0)), length };
        Ok(Self { inner, position: 0, reach, corrections })
    }

    /// How far it has been read, to be asked when the source is given away.
    pub(super) fn reach(&self) -> Reach {
        self.reach.clone()
    }

    fn move_to(&mut self, position: u64) {
        self.position = position;
        self.reach.position.store(position, Ordering::Relaxed);
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for correction in &self.corrections {
            correction.apply(self.position, &mut buffer[..read]);
        }
        self.move_to(self.position + read as u64);
        Ok(read)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.inner.seek(to)?;
        self.move_to(position);
        Ok(position)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        self.inner.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.reach.length
    }
}

impl Correction {
    /// Overwrites what of its bytes lies in `bytes`, which start at `start`.
    fn apply(&self, start: u64, bytes: &mut [u8]) {
        for (position, &byte) in (self.position..).zip(&self.bytes) {
            let place = position.checked_sub(start).and_then(|place| usize::try_from(place).ok());
            if let Some(target) = place.and_then(|place| bytes.get_mut(place)) {
                *target = byte;
            }
        }
    }
}

/// Finds the lengths in a WAV header that are not those of the file.
///
/// A recorder that was interrupted, or that wrote to a pipe, leaves 0 or
/// 0xFFFFFFFF in them, and ends where the file does. A `data` chunk that is
/// longer than the file is left as it is: the file was cut off, and the
/// declared length tells by how much.
fn wav_corrections(source: &mut dyn MediaSource, length: u64) -> io::Result<Vec<Correction>> {
    let mut corrections = Vec::new();
    let Some([riff, riff_length, form]) = words(source, 0)? else { return Ok(corrections) };
    if (&riff, &form) != (b"RIFF", b"WAVE") {
        return Ok(corrections);
    }
    if u64::from(u32::from_le_bytes(riff_length)) != length - 8 {
        // To symphonia's reader this says "as long as the file".
        corrections.push(Correction { position: 4, bytes: u32::MAX.to_le_bytes() });
    }
    let mut position = 12;
    for _ in 0..MOST_CHUNKS {
        let Some([id, chunk_length]) = words(source, position)? else { break };
        let chunk_length = u32::from_le_bytes(chunk_length);
        let start = position + 8;
        if &id == b"data" {
            let rest = length - start;
            if is_data_length_wrong(source, start, chunk_length, rest)? {
                let rest = u32::try_from(rest).unwrap_or(u32::MAX);
                corrections.push(Correction { position: position + 4, bytes: rest.to_le_bytes() });
            }
            break;
        }
        position = after(start, chunk_length);
    }
    Ok(corrections)
}

/// Whether a `data` chunk of `chunk_length` bytes at `start` ends too early:
/// at once, or where neither the file ends nor another chunk begins. `rest` is
/// what the file has from `start` on.
fn is_data_length_wrong(
    source: &mut dyn MediaSource,
    start: u64,
    chunk_length: u32,
    rest: u64,
) -> io::Result<bool> {
    if chunk_length == 0 || chunk_length == u32::MAX {
        return Ok(rest > 0);
    }
    if u64::from(chunk_length) >= rest {
        return Ok(false);
    }
    let next = after(start, chunk_length);
    let Some([id, next_length]) = words(source, next)? else { return Ok(false) };
    let is_name = id.iter().all(|byte| (b' '..=b'~').contains(byte));
    let fits = next + 8 + u64::from(u32::from_le_bytes(next_length)) <= start + rest;
    Ok(!(is_name && fits))
}

/// Where the chunk after one of `length` bytes at `start` begins: chunks are
/// padded to an even length.
fn after(start: u64, length: u32) -> u64 {
    start + u64::from(length) + u64::from(length & 1)
}

/// Reads `N` words of four bytes, or `None` where the file ends before.
fn words<const N: usize>(source: &mut dyn MediaSource, position: u64) -> io::Result<Option<[[u8; 4]; N]>> {
    source.seek(SeekFrom::Start(position))?;
    let mut words = [[0; 4]; N];
    for word in &mut words {
        match source.read_exact(word) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            outcome => outcome?,
        }
    }
    Ok(Some(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 16-bit mono WAV with the lengths as given and `samples` bytes of
    /// samples, then `tail`.
    fn wav(riff: u32, data: u32, samples: usize, tail: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF".to_vec();
        file.extend(riff.to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
        file.extend(data.to_le_bytes());
        file.extend((0..samples).map(|sample| 128 + (sample % 100) as u8));
        file.extend(tail);
        file
    }

    fn corrected(file: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut source = Source::new(Box::new(io::Cursor::new(file.to_vec()))).unwrap();
        source.read_to_end(&mut bytes).unwrap();
        assert_eq!(source.reach().share(), (!file.is_empty()).then_some(1.0));
        bytes
    }

    #[test]
    fn right_lengths_stay() {
        let list = b"LIST\x04\0\0\0INFO";
        for file in [wav(36 + 100, 100, 100, b""), wav(36 + 112, 100, 100, list), b"RIFX".to_vec(), vec![]] {
            assert_eq!(corrected(&file), file);
        }
    }

    #[test]
    fn lengths_of_an_unfinished_recording_are_those_of_the_file() {
        for length in [0, u32::MAX] {
            let bytes = corrected(&wav(length, length, 100, b""));
            assert_eq!(bytes[40..44], 100_u32.to_le_bytes());
            assert_eq!(bytes[4..8], u32::MAX.to_le_bytes());
        }
    }

    #[test]
    fn a_data_chunk_that_ends_among_samples_goes_on_to_the_end() {
        assert_eq!(corrected(&wav(36 + 100, 30, 100, b""))[40..44], 100_u32.to_le_bytes());
    }

    #[test]
    fn a_data_chunk_longer_than_the_file_keeps_its_length() {
        assert_eq!(corrected(&wav(36 + 500, 500, 100, b""))[40..44], 500_u32.to_le_bytes());
    }

    #[test]
    fn corrections_reach_across_reads() {
        let file = wav(0, 0, 100, b"");
        let mut source = Source::new(Box::new(io::Cursor::new(file.clone()))).unwrap();
        let mut bytes = vec![0; file.len()];
        for piece in bytes.chunks_mut(3) {
            source.read_exact(piece).unwrap();
        }
        assert_eq!(bytes, corrected(&file));
    }
}
