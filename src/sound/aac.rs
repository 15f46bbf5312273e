//! What an AAC stream says of its spectral band replication (SBR, the "HE" of
//! HE-AAC).
//!
//! In: the decoder configuration of a container, or packets. Out: whether a
//! plain AAC decoder would deliver half the rate (the core without the
//! replicated band), and the configuration to give to one that knows SBR.
//!
//! Reference: ISO/IEC 14496-3:2009, 1.6.2.1 (AudioSpecificConfig), 1.6.5
//! (signalling of SBR), 4.4.2.1 (raw_data_block), 4.4.2.7 (extension_payload).

/// Audio object types (1.5.1.1).
const LOW_COMPLEXITY: u32 = 2;
const SPECTRAL_BAND_REPLICATION: u32 = 5;
const PARAMETRIC_STEREO: u32 = 29;

/// Sampling frequencies by index (1.6.3.4), in Hz.
const FREQUENCIES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Marks the extension behind a configuration that old decoders understand
/// (1.6.6).
const SYNC_EXTENSION: u32 = 0x2b7;

/// What an AudioSpecificConfig says, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AacConfig {
    /// What a decoder must be able to do: the RFC 6381 number behind
    /// `mp4a.40.`.
    pub(super) object_type: u32,
    /// Rate of the core, in Hz.
    pub(super) core_rate: u32,
    /// Whether the stream says that it carries SBR.
    pub(super) replicates: bool,
}

impl AacConfig {
    /// Reads an AudioSpecificConfig; `None` where it ends too early.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits { bytes, position: 0 };
        let object_type = read_object_type(&mut bits)?;
        let core_rate = read_frequency(&mut bits)?;
        let _channels = bits.take(4)?;
        let replicates = match object_type {
            SPECTRAL_BAND_REPLICATION | PARAMETRIC_STEREO => true,
            LOW_COMPLEXITY => read_sync_extension(&mut bits).unwrap_or(false),
            _ => false,
        };
        let object_type = if replicates { object_type.max(SPECTRAL_BAND_REPLICATION) } else { object_type };
        Some(Self { object_type, core_rate, replicates })
    }
}

/// The AudioSpecificConfig of a stream that has none (ADTS): low complexity,
/// with SBR on top where `replicates`. `None` for a rate or a channel count
/// that has no index.
pub(super) fn write_config(core_rate: u32, channels: usize, replicates: bool) -> Option<Vec<u8>> {
    let index = |rate| FREQUENCIES.iter().position(|&frequency| frequency == rate).map(|index| index as u32);
    let channels = match channels {
        1..=6 => channels as u32,
        8 => 7,
        _ => return None,
    };
    let core = index(core_rate)?;
    if !replicates {
        let config = LOW_COMPLEXITY << 11 | core << 7 | channels << 3;
        return Some((config as u16).to_be_bytes().to_vec());
    }
    let outer = SPECTRAL_BAND_REPLICATION << 27 | core << 23 | channels << 19;
    let config = outer | index(2 * core_rate)? << 15 | LOW_COMPLEXITY << 10;
    Some(config.to_be_bytes().to_vec())
}

/// Whether packets carry SBR without saying so beforehand: most of them must.
pub(super) fn packets_replicate<'a>(packets: impl ExactSizeIterator<Item = &'a [u8]>) -> bool {
    let all = packets.len();
    let replicating = packets.filter(|packet| ends_in_replication(packet)).count();
    all > 0 && 2 * replicating > all
}

/// Whether the last element of a raw_data_block is a fill element with SBR in
/// it.
///
/// What comes before can only be found by decoding it, so this goes backwards:
/// from the end marker (three ones, then zeros up to the byte) to where a fill
/// element that reaches exactly up to it would begin. One packet in a hundred
/// looks so by chance.
fn ends_in_replication(packet: &[u8]) -> bool {
    const FILL_ELEMENT: u32 = 6;
    const END_MARKER: u32 = 7;
    /// A count of 15 says that the rest of it follows in 8 bits.
    const LONG: usize = 15;
    let Some(end) = last_one(packet).and_then(|last| last.checked_sub(2)) else { return false };
    let at = |position, count| Bits { bytes: packet, position }.take(count);
    if at(end, 3) != Some(END_MARKER) {
        return false;
    }
    let is_fill = |payload: usize, head: usize| {
        let start = end.checked_sub(8 * payload + head)?;
        let is_long = payload >= LONG;
        let count = if is_long { LONG as u32 } else { payload as u32 };
        let matches = at(start, 3)? == FILL_ELEMENT
            && at(start + 3, 4)? == count
            && (!is_long || at(start + 7, 8)? as usize == payload + 1 - LONG)
            && matches!(at(start + head, 4)?, 0xd | 0xe);
        Some(matches)
    };
    let short = (1..LONG).map(|payload| (payload, 7));
    let long = (LONG..LONG + 255).map(|payload| (payload, 15));
    short.chain(long).any(|(payload, head)| is_fill(payload, head) == Some(true))
}

/// Position of the last bit that is set.
fn last_one(bytes: &[u8]) -> Option<usize> {
    let index = bytes.iter().rposition(|&byte| byte != 0)?;
    Some(8 * index + 7 - bytes[index].trailing_zeros() as usize)
}

fn read_object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.take(5)? {
        31 => Some(32 + bits.take(6)?),
        object_type => Some(object_type),
    }
}

fn read_frequency(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.take(4)? {
        15 => bits.take(24),
        index => FREQUENCIES.get(index as usize).copied(),
    }
}

/// Goes over a GASpecificConfig to the extension behind it, and says whether
/// that announces SBR.
fn read_sync_extension(bits: &mut Bits<'_>) -> Option<bool> {
    let _frame_length = bits.take(1)?;
    if bits.take(1)? == 1 {
        let _core_coder_delay = bits.take(14)?;
    }
    let _extension = bits.take(1)?;
    let is_replication =
        bits.take(11)? == SYNC_EXTENSION && read_object_type(bits)? == SPECTRAL_BAND_REPLICATION;
    Some(is_replication && bits.take(1)? == 1)
}

/// Bits of a byte string, the most significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    /// The next `count` bits, at most 32, as a number.
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for position in self.position..self.position + count {
            let byte = self.bytes.get(position / 8)?;
            value = value << 1 | u32::from(byte >> (7 - position % 8) & 1);
        }
        self.position += count;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs `(value, bits)` pairs, padded with zeros to a byte.
    fn pack(fields: &[(u32, usize)]) -> Vec<u8> {
        let bits: Vec<u8> = fields
            .iter()
            .flat_map(|&(value, count)| (0..count).rev().map(move |bit| (value >> bit & 1) as u8))
            .collect();
        bits.chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (k, bit)| sum | bit << (7 - k)))
            .collect()
    }

    fn packet(extension: u32, payload: usize) -> Vec<u8> {
        let mut fields = vec![(0b001, 3), (0x2a5, 13), (0x1234_5678, 32), (6, 3)];
        if payload < 15 {
            fields.push((payload as u32, 4));
        } else {
            fields.extend([(15, 4), (payload as u32 - 14, 8)]);
        }
        fields.push((extension, 4));
        fields.extend(vec![(0x5a, 8); payload - 1]);
        fields.extend([(0b1010, 4), (7, 3)]);
        pack(&fields)
    }

    #[test]
    fn plain_configurations_do_not_replicate() {
        // 44.1 kHz stereo, alone and with ffmpeg's extension that says "no SBR".
        for bytes in [&[0x12, 0x10][..], &[0x12, 0x10, 0x56, 0xe5, 0x00]] {
            let config = AacConfig::read(bytes).unwrap();
            assert_eq!(config, AacConfig { object_type: 2, core_rate: 44_100, replicates: false });
        }
        assert_eq!(AacConfig::read(&[0x12]), None);
    }

    #[test]
    fn both_ways_of_announcing_replication_are_understood() {
        let announced = AacConfig { object_type: 5, core_rate: 22_050, replicates: true };
        assert_eq!(AacConfig::read(&[0x13, 0x90, 0x56, 0xe5, 0xa0]), Some(announced));
        assert_eq!(AacConfig::read(&write_config(22_050, 2, true).unwrap()), Some(announced));
        let stereo = AacConfig::read(&pack(&[(29, 5), (7, 4), (1, 4), (4, 4), (2, 5)])).unwrap();
        assert_eq!((stereo.object_type, stereo.replicates), (29, true));
    }

    #[test]
    fn written_configurations_are_those_of_the_standard() {
        assert_eq!(write_config(44_100, 2, false), Some(vec![0x12, 0x10]));
        assert_eq!(write_config(48_000, 8, false), Some(vec![0x11, 0xb8]));
        assert_eq!(write_config(44_101, 2, false), None);
        assert_eq!(write_config(44_100, 7, false), None);
    }

    #[test]
    fn replication_is_found_in_packets() {
        for extension in [0xd, 0xe] {
            for payload in [1, 2, 14, 15, 16, 40, 269] {
                assert!(ends_in_replication(&packet(extension, payload)), "{payload} bytes");
            }
        }
    }

    #[test]
    fn padding_is_not_replication() {
        for payload in [1, 2, 14, 15, 16, 40, 269] {
            assert!(!ends_in_replication(&packet(0, payload)), "{payload} bytes");
        }
        assert!(!ends_in_replication(&[]) && !ends_in_replication(&[0; 9]) && !ends_in_replication(&[1]));
    }

    #[test]
    fn a_majority_of_packets_decides() {
        let (with, without) = (packet(0xd, 20), packet(0, 20));
        let mixed = |count: usize| {
            let packets: Vec<&[u8]> =
                (0..8).map(|k| if k < count { &with[..] } else { &without[..] }).collect();
            packets_replicate(packets.into_iter())
        };
        assert!(mixed(8) && mixed(5) && !mixed(4) && !mixed(0));
        assert!(!packets_replicate([].into_iter()));
    }
}
