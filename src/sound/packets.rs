//! Packets for a decoder that is not ours.
//!
//! In: a track whose container is understood and whose codec is not (Opus,
//! HE-AAC). Out: its packets, one by one, and what the browser's WebCodecs must
//! be told to decode them.
//!
//! References: W3C *WebCodecs* and its codec registrations for AAC and Opus;
//! RFC 6716 section 3 (packets of Opus); RFC 7845 section 5.1 (their head).

use symphonia::core::{
    codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS},
    packet::Packet,
    units::{Duration, TimeBase, Timestamp},
};

use super::{
    aac::{AacConfig, write_config},
    demux::{Demuxer, Step},
    gap::Gap,
    song::{SongInfo, SongNotice, SongProblem, UNKNOWN_CODEC},
};

/// Rate at which Opus is decoded and counted, in Hz.
const OPUS_RATE: u32 = 48_000;

/// What WebCodecs calls it, and where its head says how much a decoder shall leave out.
const OPUS: &str = "opus";
const PRE_SKIP: std::ops::Range<usize> = 10..12;

/// 20 ms of silence in Opus, of one channel; a bit of the first byte says that it is two.
const SILENT_OPUS: [u8; 3] = [0xf8, 0xff, 0xfe];
const STEREO_OPUS: u8 = 0x04;
/// Its length in seconds.
const SILENT_SECONDS: f64 = 0.02;

/// What a WebCodecs `AudioDecoder` is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketConfig {
    /// `codec`: `opus`, `mp4a.40.5`, ...
    pub codec: String,
    /// `sampleRate`, in Hz, of the decoded sound.
    pub sample_rate: u32,
    /// `numberOfChannels`.
    pub channels: usize,
    /// `description`: what the codec needs to know beforehand (OpusHead,
    /// AudioSpecificConfig).
    pub description: Vec<u8>,
    /// Decoded samples a channel that come before the song begins and are to be
    /// left out. A decoder may have left them out itself: it has if its first
    /// output is shorter than the first packet.
    pub lead_in: u64,
    /// Samples a channel of the song after those, where the file says so; what
    /// the decoder gives beyond is padding.
    pub length: Option<u64>,
}

impl PacketConfig {
    /// The same for a decoder that goes on in the middle of the song, where it has nothing
    /// to leave out.
    pub fn midway(&self) -> Self {
        let mut config = Self { lead_in: 0, ..self.clone() };
        if config.codec == OPUS
            && let Some(pre_skip) = config.description.get_mut(PRE_SKIP)
        {
            pre_skip.fill(0);
        }
        config
    }
}

/// A packet as WebCodecs wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPacket {
    /// The coded sound.
    pub data: Box<[u8]>,
    /// Where it begins, in µs after the beginning of the first packet.
    pub timestamp: i64,
    /// How long it is, in µs.
    pub duration: u64,
}

/// Reads the packets of one track.
pub struct PacketReader {
    demuxer: Demuxer,
    info: SongInfo,
    config: PacketConfig,
    clock: Clock,
    gap: Gap,
    /// Silent packets still to be handed out.
    owed: u32,
    skipped: u64,
    cut: bool,
}

impl PacketReader {
    /// Takes a track to read packets of.
    ///
    /// # Errors
    /// [`SongProblem::Codec`] where the codec is none that WebCodecs has, or
    /// does not say what it must.
    pub(super) fn new(mut demuxer: Demuxer, replicates: bool) -> Result<Self, SongProblem> {
        let config = match demuxer.parameters().codec {
            CODEC_ID_OPUS => opus(&demuxer),
            CODEC_ID_AAC => aac(&demuxer, replicates),
            _ => None,
        };
        let config = config.ok_or_else(|| SongProblem::Codec { codec: codec_name(&demuxer, replicates) })?;
        let codec = codec_name(&demuxer, replicates);
        let mut info = demuxer.describe(codec);
        (info.sample_rate, info.channels) = (config.sample_rate, config.channels);
        let is_opus = demuxer.parameters().codec == CODEC_ID_OPUS;
        let clock = Clock { is_opus, base: demuxer.track().time_base, now: 0.0 };
        Ok(Self { demuxer, info, config, clock, gap: Gap::default(), owed: 0, skipped: 0, cut: false })
    }

    /// What the file says of itself.
    pub fn info(&self) -> &SongInfo {
        &self.info
    }

    /// What to configure the decoder with.
    pub fn config(&self) -> &PacketConfig {
        &self.config
    }

    /// Share of the file that has been read, 0 to 1, where its length is known.
    pub fn progress(&self) -> Option<f32> {
        self.demuxer.progress()
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// [`SongProblem::Unreadable`] if the file cannot be read any more.
    pub fn next_packet(&mut self) -> Result<Option<EncodedPacket>, SongProblem> {
        loop {
            if self.owed > 0 {
                self.owed -= 1;
                return Ok(Some(self.clock.stamp(self.silence(), None)));
            }
            match self.gap.next(&mut self.demuxer)? {
                Step::Packet(packet) => {
                    self.owed = self.missing_before(&packet);
                    if self.owed > 0 {
                        self.gap.hold(packet);
                        continue;
                    }
                    let duration = self.clock.duration(&packet);
                    (self.gap.end, self.gap.lost) = (packet.pts.checked_add(duration), false);
                    return Ok(Some(self.clock.stamp(packet.data, Some(duration))));
                }
                Step::Skipped(_) => {
                    self.gap.lost = true;
                    self.skipped += 1;
                }
                // Another song may need another configuration: what comes is not heard.
                Step::Restart => {
                    self.cut = true;
                    return Ok(None);
                }
                Step::End { cut } => {
                    self.cut |= cut;
                    return Ok(None);
                }
            }
        }
    }

    /// Counts a packet that could be read and that the decoder could do nothing with.
    pub fn count_damage(&mut self) {
        self.skipped += 1;
    }

    /// Silent packets for what was lost before a packet: an Ogg loses pages without a word.
    fn missing_before(&mut self, packet: &Packet) -> u32 {
        if !self.clock.is_opus {
            return 0;
        }
        let seconds = self.gap.before(packet, &self.demuxer);
        if seconds > 0.0 && !self.gap.lost {
            self.skipped += 1;
        }
        // More channels than two are several streams in a packet.
        if self.config.channels > 2 { 0 } else { (seconds / SILENT_SECONDS).round() as u32 }
    }

    fn silence(&self) -> Box<[u8]> {
        let [head, rest @ ..] = SILENT_OPUS;
        let stereo = if self.config.channels == 2 { STEREO_OPUS } else { 0 };
        [&[head | stereo][..], &rest].concat().into()
    }

    /// What was not as it should be up to here, after `heard` seconds of
    /// decoded sound.
    pub fn notices(&self, heard: f64) -> Vec<SongNotice> {
        let cut = (self.cut || self.demuxer.lacks_its_end()).then(|| SongNotice::Truncated {
            heard,
            declared: self.info.seconds.filter(|&seconds| seconds > heard),
        });
        let skipped = (self.skipped > 0).then_some(SongNotice::CorruptPackets { packets: self.skipped });
        cut.into_iter().chain(skipped).collect()
    }
}

/// What to call the codec of a track that we do not decode.
pub(super) fn codec_name(demuxer: &Demuxer, replicates: bool) -> String {
    use symphonia::core::codecs::audio::well_known as known;
    match demuxer.parameters().codec {
        CODEC_ID_AAC if replicates => "he-aac",
        CODEC_ID_AAC => "aac",
        CODEC_ID_OPUS => OPUS,
        known::CODEC_ID_SPEEX => "speex",
        known::CODEC_ID_MUSEPACK => "musepack",
        known::CODEC_ID_AC3 => "ac-3",
        known::CODEC_ID_EAC3 => "e-ac-3",
        known::CODEC_ID_AC4 => "ac-4",
        known::CODEC_ID_DCA => "dts",
        known::CODEC_ID_WMA => "wma",
        known::CODEC_ID_WAVPACK => "wavpack",
        known::CODEC_ID_MONKEYS_AUDIO => "monkey's audio",
        known::CODEC_ID_TTA => "tta",
        known::CODEC_ID_TRUEHD => "truehd",
        known::CODEC_ID_ADPCM_MS | known::CODEC_ID_ADPCM_IMA_WAV | known::CODEC_ID_ADPCM_IMA_QT => "adpcm",
        _ => UNKNOWN_CODEC,
    }
    .to_owned()
}

fn opus(demuxer: &Demuxer) -> Option<PacketConfig> {
    let head = opus_head(demuxer.parameters().extra_data.as_deref()?)?;
    let channels = usize::from(head[9]);
    let lead_in = u64::from(u16::from_le_bytes([head[10], head[11]]));
    // Ogg's last page and MP4's index count the lead-in too.
    let start = demuxer.start_of_ogg().and_then(|start| start.duration_from(Timestamp::ZERO));
    let before = lead_in + start.map_or(0, Duration::get);
    let frames = demuxer.track().num_frames.filter(|_| !demuxer.is_fragmented());
    let length = frames.and_then(|frames| frames.checked_sub(before));
    Some(PacketConfig {
        codec: OPUS.to_owned(),
        sample_rate: OPUS_RATE,
        channels,
        description: head,
        lead_in,
        length,
    })
}

/// The head of an Opus stream as RFC 7845 has it. MP4 has the same fields, but
/// in big-endian order and as version 0, and symphonia hands them on so.
fn opus_head(bytes: &[u8]) -> Option<Vec<u8>> {
    const VERSION: usize = 8;
    const NUMBERS: [std::ops::Range<usize>; 3] = [10..12, 12..16, 16..18];
    /// Bytes up to and with the mapping family.
    const LEAST_LENGTH: usize = 19;
    let mut head = bytes.to_vec();
    if head.len() < LEAST_LENGTH || head[9] == 0 {
        return None;
    }
    if head[VERSION] == 0 {
        head[VERSION] = 1;
        for number in NUMBERS {
            head[number].reverse();
        }
    }
    Some(head)
}

fn aac(demuxer: &Demuxer, replicates: bool) -> Option<PacketConfig> {
    let parameters = demuxer.parameters();
    let channels = parameters.channels.as_ref().map_or(2, |channels| channels.count());
    let description = match parameters.extra_data.as_deref() {
        Some(config) => config.to_vec(),
        None => write_config(parameters.sample_rate?, channels, replicates)?,
    };
    let config = AacConfig::read(&description)?;
    let object_type = if replicates { config.object_type.max(5) } else { config.object_type };
    let sample_rate = if replicates { config.core_rate.checked_mul(2)? } else { config.core_rate };
    Some(PacketConfig {
        codec: format!("mp4a.40.{object_type}"),
        sample_rate,
        channels,
        description,
        lead_in: 0,
        length: None,
    })
}

/// Adds up how long packets are. Their own time stamps are not used: containers
/// disagree on whether the lead-in counts, and may jump.
struct Clock {
    is_opus: bool,
    base: Option<TimeBase>,
    /// In µs.
    now: f64,
}

impl Clock {
    /// How long a packet is, in the track's own time. Few WebMs say it of theirs, but every
    /// packet of Opus does.
    fn duration(&self, packet: &Packet) -> Duration {
        let declared = packet.block_dur();
        match self.base {
            Some(base) if self.is_opus && declared == Duration::ZERO => {
                let seconds = f64::from(opus_samples(&packet.data)) / f64::from(OPUS_RATE);
                Duration::from((seconds / f64::from(base)).round() as u64)
            }
            _ => declared,
        }
    }

    fn stamp(&mut self, data: Box<[u8]>, duration: Option<Duration>) -> EncodedPacket {
        let duration = if self.is_opus {
            f64::from(opus_samples(&data)) * 1e6 / f64::from(OPUS_RATE)
        } else {
            let time = self.base.zip(duration).and_then(|(base, duration)| base.calc_duration(duration));
            time.map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        let timestamp = self.now.round() as i64;
        self.now += duration;
        let duration = (self.now.round() as i64).abs_diff(timestamp);
        EncodedPacket { data, timestamp, duration }
    }
}

/// Samples at 48 kHz in a packet of Opus, by its first byte or two (RFC 6716,
/// 3.1).
fn opus_samples(packet: &[u8]) -> u32 {
    let Some(&head) = packet.first() else { return 0 };
    let configuration = head >> 3;
    let frame = match configuration {
        // SILK: 10, 20, 40, 60 ms.
        0..12 => [480, 960, 1920, 2880][usize::from(configuration % 4)],
        // Hybrid: 10, 20 ms.
        12..16 => [480, 960][usize::from(configuration % 2)],
        // CELT: 2.5, 5, 10, 20 ms.
        _ => [120, 240, 480, 960][usize::from(configuration % 4)],
    };
    let frames = match head & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |count| u32::from(count & 0x3f)),
    };
    frame * frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_in_mp4_becomes_that_of_ogg() {
        let mp4 = b"OpusHead\x00\x02\x01\x38\x00\x00\xbb\x80\xff\x00\x00";
        let ogg = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\xff\x00";
        assert_eq!(opus_head(mp4).as_deref(), Some(&ogg[..]));
        assert_eq!(opus_head(ogg).as_deref(), Some(&ogg[..]));
        assert_eq!(opus_head(&ogg[..18]), None);
    }

    #[test]
    fn opus_packets_are_as_long_as_their_head_says() {
        // Five bits of configuration, one for stereo, two for the count of frames.
        let head = |configuration: u8, count: u8| configuration << 3 | count;
        assert_eq!(opus_samples(&[head(31, 0)]), 960);
        assert_eq!(opus_samples(&[head(31, 1) | 4, 0]), 1920);
        // The count in a byte of its own, below the two bits of flags.
        assert_eq!(opus_samples(&[head(30, 3), 0x80 | 3]), 1440);
        assert_eq!(opus_samples(&[head(16, 3)]), 0);
        assert_eq!(opus_samples(&[head(3, 0)]), 2880);
        assert_eq!(opus_samples(&[head(13, 2)]), 1920);
        assert_eq!(opus_samples(&[]), 0);
    }
}
