//! A WAV file of 16-bit samples, in pieces.
//!
//! In: samples from -1 to 1. Out: the header, and bytes to put behind it; a
//! writer that seeks back to its header (hound) would have to hold the whole
//! recording.
//!
//! Reference: Microsoft and IBM, *Multimedia Programming Interface and Data
//! Specifications 1.0* (1991), "Waveform Audio File Format".

use std::collections::VecDeque;

/// Bytes of a [`header`].
pub const HEADER_LENGTH: usize = 44;

/// Bytes of one sample.
const SAMPLE_LENGTH: u16 = 2;

/// The header of a file with `frames` samples in each of `channels` channels.
///
/// A file of 4 GiB or more says that it goes on to its end (0xFFFFFFFF), as
/// one that was written to a pipe does.
pub fn header(sample_rate: u32, channels: u16, frames: u64) -> [u8; HEADER_LENGTH] {
    let frame_length = channels.saturating_mul(SAMPLE_LENGTH);
    let data_length = frames
        .checked_mul(u64::from(frame_length))
        .and_then(|length| u32::try_from(length).ok())
        .unwrap_or(u32::MAX);
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &data_length.saturating_add(36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &sample_rate.to_le_bytes(),
        &sample_rate.saturating_mul(u32::from(frame_length)).to_le_bytes(),
        &frame_length.to_le_bytes(),
        &(8 * SAMPLE_LENGTH).to_le_bytes(),
        b"data",
        &data_length.to_le_bytes(),
    ];
    let mut header = [0; HEADER_LENGTH];
    for (target, &byte) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *target = byte;
    }
    header
}

/// Appends samples (interleaved where there are several channels) as 16-bit
/// integers. What is louder than full scale is cut off, what is no number is 0.
pub fn append(samples: &[f32], bytes: &mut Vec<u8>) {
    bytes.reserve(samples.len() * usize::from(SAMPLE_LENGTH));
    for sample in samples {
        // `as` saturates, and makes 0 of what is no number.
        bytes.extend(((sample * 32_768.0).round() as i16).to_le_bytes());
    }
}

/// The pieces of a recording, of which only the last are kept.
pub struct Tail<P> {
    pieces: VecDeque<(P, u64)>,
    samples: u64,
    wanted: u64,
}

impl<P> Tail<P> {
    /// No pieces yet, of which the last `wanted` samples shall be kept, and no whole
    /// piece before them.
    pub fn new(wanted: u64) -> Self {
        Self { pieces: VecDeque::new(), samples: 0, wanted }
    }

    /// Adds a piece of `samples` samples, and lets go what is older than is wanted.
    pub fn push(&mut self, piece: P, samples: u64) {
        self.pieces.push_back((piece, samples));
        self.samples += samples;
        while let Some((_, oldest)) = self.pieces.front()
            && self.samples - oldest >= self.wanted
        {
            self.samples -= oldest;
            self.pieces.pop_front();
        }
    }

    /// Samples in all that is kept.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// What is kept, oldest first.
    pub fn into_pieces(self) -> impl Iterator<Item = P> {
        self.pieces.into_iter().map(|(piece, _)| piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pieces_are_kept_that_have_all_that_is_wanted() {
        let kept = |wanted, lengths: &[u64]| {
            let mut tail = Tail::new(wanted);
            for (name, &length) in lengths.iter().enumerate() {
                tail.push(name, length);
            }
            (tail.samples(), tail.into_pieces().collect::<Vec<_>>())
        };
        assert_eq!(kept(10, &[4, 4]), (8, vec![0, 1]));
        assert_eq!(kept(10, &[4, 4, 4]), (12, vec![0, 1, 2]));
        assert_eq!(kept(10, &[4, 4, 4, 4, 2]), (10, vec![2, 3, 4]));
        assert_eq!(kept(10, &[4, 40]), (40, vec![1]));
        assert_eq!(kept(u64::MAX, &[4; 100]).0, 400);
        assert_eq!(kept(0, &[4, 4]), (0, vec![]));
    }

    #[test]
    fn header_of_a_second() {
        let header = header(22_050, 1, 22_050);
        assert_eq!(&header[..4], b"RIFF");
        assert_eq!(header[4..8], (44_100_u32 + 36).to_le_bytes());
        assert_eq!(&header[8..16], b"WAVEfmt ");
        assert_eq!(header[28..32], 44_100_u32.to_le_bytes());
        assert_eq!(&header[36..40], b"data");
        assert_eq!(header[40..44], 44_100_u32.to_le_bytes());
    }

    #[test]
    fn a_recording_too_long_for_the_header_goes_on_to_its_end() {
        assert_eq!(header(192_000, 2, u64::MAX)[40..44], u32::MAX.to_le_bytes());
        assert_eq!(header(44_100, 2, 1 << 30)[4..8], u32::MAX.to_le_bytes());
    }

    #[test]
    fn samples_saturate() {
        let mut bytes = Vec::new();
        append(&[0.0, 0.5, -1.0, 1.0, 7.0, -7.0, f32::NAN, f32::INFINITY], &mut bytes);
        let written: Vec<i16> = bytes.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        assert_eq!(written, [0, 16_384, -32_768, 32_767, 32_767, -32_768, 0, 32_767]);
    }

    #[test]
    fn sixteen_bit_samples_come_back_as_they_were() {
        let samples: Vec<f32> = (i16::MIN..=i16::MAX).map(|sample| f32::from(sample) / 32_768.0).collect();
        let mut bytes = Vec::new();
        append(&samples, &mut bytes);
        let expected: Vec<u8> = (i16::MIN..=i16::MAX).flat_map(i16::to_le_bytes).collect();
        assert_eq!(bytes, expected);
    }
}
