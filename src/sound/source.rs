//! The bytes of a file.
//!
//! In: a [`MediaSource`]. Out: the same bytes, with the lengths in their headers
//! set right; and, to be asked while a demuxer has them, how far they have been
//! read and whether reading has failed.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use symphonia::core::io::MediaSource;

use super::{
    headers::{Correction, Headers},
    song::SongProblem,
};

/// What becomes of a [`Source`] that was given away.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    position: Arc<AtomicU64>,
    failure: Arc<OnceLock<SongProblem>>,
    length: Option<u64>,
}

impl Watch {
    /// Share of the bytes read, 0 to 1, where the length is known.
    pub(super) fn progress(&self) -> Option<f32> {
        let length = self.length.filter(|&length| length > 0)?;
        Some((self.position.load(Ordering::Relaxed) as f64 / length as f64).min(1.0) as f32)
    }

    /// Why the file could not be read, if so. symphonia takes some failures for
    /// the end of the file.
    pub(super) fn failure(&self) -> Option<SongProblem> {
        self.failure.get().cloned()
    }
}

/// A file that is read through to a demuxer.
pub(super) struct Source {
    inner: Box<dyn MediaSource>,
    position: u64,
    watch: Watch,
    corrections: Vec<Correction>,
}

impl Source {
    /// Takes a file from its first byte on, and looks at its headers.
    ///
    /// # Errors
    /// What reading them gives, but not the end of the file.
    pub(super) fn new(mut inner: Box<dyn MediaSource>) -> io::Result<(Self, Headers)> {
        let length = inner.byte_len();
        let headers = match length {
            Some(length) if inner.is_seekable() => {
                let headers = Headers::read(inner.as_mut(), length)?;
                inner.seek(SeekFrom::Start(0))?;
                headers
            }
            _ => Headers::default(),
        };
        let watch = Watch { position: Arc::default(), failure: Arc::default(), length };
        let corrections = headers.corrections.clone();
        Ok((Self { inner, position: 0, watch, corrections }, headers))
    }

    /// How to ask for its state when it is given away.
    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    fn move_to(&mut self, position: u64) {
        self.position = position;
        self.watch.position.store(position, Ordering::Relaxed);
    }

    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome
            && error.kind() != io::ErrorKind::Interrupted
        {
            // The first failure tells most.
            let _ = self.watch.failure.set(from_io(error));
        }
        outcome
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let outcome = self.inner.read(buffer);
        let read = self.note(outcome)?;
        for correction in &self.corrections {
            correct(&mut buffer[..read], self.position, correction);
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
        self.watch.length
    }
}

/// Overwrites what of a correction lies in `bytes`, which start at `start`.
fn correct(bytes: &mut [u8], start: u64, correction: &Correction) {
    for (position, &byte) in (correction.position..).zip(&correction.bytes) {
        let place = position.checked_sub(start).and_then(|place| usize::try_from(place).ok());
        if let Some(target) = place.and_then(|place| bytes.get_mut(place)) {
            *target = byte;
        }
    }
}

/// What a listener is told of a failed read.
pub(super) fn from_io(error: &io::Error) -> SongProblem {
    match error.kind() {
        io::ErrorKind::IsADirectory => SongProblem::Folder,
        _ => SongProblem::Unreadable { detail: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV that says it has no samples, and has four bytes of them.
    const WAV: &[u8] =
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0abcd";

    #[test]
    fn corrections_reach_across_reads() {
        for length in [1, 3, 7, 48] {
            let (mut source, _) = Source::new(Box::new(io::Cursor::new(WAV))).unwrap();
            let mut bytes = vec![0; WAV.len()];
            for piece in bytes.chunks_mut(length) {
                source.read_exact(piece).unwrap();
            }
            assert_eq!(bytes[..4], *b"RIFF");
            assert_eq!(bytes[4..8], u32::MAX.to_le_bytes());
            assert_eq!(bytes[8..40], WAV[8..40]);
            assert_eq!(bytes[40..], *b"\x04\0\0\0abcd");
        }
    }

    #[test]
    fn progress_is_the_place_in_the_file() {
        let (mut source, _) = Source::new(Box::new(io::Cursor::new(WAV))).unwrap();
        let watch = source.watch();
        assert_eq!(watch.progress(), Some(0.0));
        source.read_exact(&mut [0; 12]).unwrap();
        assert_eq!(watch.progress(), Some(0.25));
        source.seek(SeekFrom::End(0)).unwrap();
        assert_eq!(watch.progress(), Some(1.0));
    }
}
