//! A file to mono samples at its own rate.
//!
//! In: the bytes of a file (WAV, AIFF, FLAC, MP3, Ogg Vorbis, AAC, ALAC and what
//! else symphonia reads), as a stream. Out: blocks of the mean of the channels,
//! 1 being full scale, or packets where the codec is not ours.
//!
//! Nothing longer than a packet is held, whatever a file says of itself. Damage
//! costs what it hits: a packet that cannot be decoded is counted, and silent as far as
//! the times of those around it say how long it was, so that all that follows is where
//! a player has it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::{
    audio::GenericAudioBufferRef,
    codecs::audio::{
        AudioDecoder, AudioDecoderOptions,
        well_known::{CODEC_ID_AAC, CODEC_ID_OPUS},
    },
    errors::Error,
    packet::Packet,
    units::{Duration, Timestamp},
};

pub use super::resample::{GREATEST_RATE, LEAST_RATE};
use super::{
    MediaSource,
    aac::{AacConfig, packets_replicate},
    demux::{Demuxer, Step},
    gap::Gap,
    packets::{PacketReader, codec_name},
    song::{SongInfo, SongNotice, SongProblem},
};

/// Packets in a row without a sample until a file is given up: a minute and a
/// half of MP3, and little enough to be over at once.
const MOST_BARREN_PACKETS: u32 = 4096;

/// Packets of AAC that are looked at for an unannounced SBR.
const PACKETS_LOOKED_AT: usize = 16;

/// Samples louder than this (180 dB above full scale) are not sound but the
/// bits of something else; a spectrogram of them would overflow.
const LOUDEST: f32 = 1e9;

/// Seconds of silence in a block, where something was lost.
const SILENT_BLOCK: f64 = 0.1;

/// Whether a sample is one, and not the bits of something else.
pub fn is_sound(sample: f32) -> bool {
    sample.abs() < LOUDEST
}

/// Seconds that may be missing at the end of a file without a word: encoders
/// and containers round by a packet or two.
const MISSING_SECONDS: f64 = 0.25;

/// What `hear` makes of a file. One that makes a decoder panic is one that cannot be
/// heard, and no more than that; what `hear` uses again afterwards it has to write
/// before it reads it.
///
/// # Errors
/// Those of `hear`, and [`SongProblem::Damaged`] where it panics.
pub fn surviving<T>(hear: impl FnOnce() -> Result<T, SongProblem>) -> Result<T, SongProblem> {
    catch_unwind(AssertUnwindSafe(hear)).unwrap_or_else(|_| {
        Err(SongProblem::Damaged { detail: "the decoder gave up on what is in it".into() })
    })
}

/// A file that has been opened.
pub enum Opened {
    /// It is decoded here.
    Ours(Box<Decoder>),
    /// Its packets need another decoder, which a browser may have.
    Packets(Box<PacketReader>),
}

/// Opens a file.
///
/// # Errors
/// Every [`SongProblem`] that shows itself before the first sample.
pub fn open(file: Box<dyn MediaSource>) -> Result<Opened, SongProblem> {
    let mut demuxer = Demuxer::open(file)?;
    let replicates = replicates(&mut demuxer)?;
    if replicates || demuxer.parameters().codec == CODEC_ID_OPUS {
        return PacketReader::new(demuxer, replicates).map(|reader| Opened::Packets(Box::new(reader)));
    }
    match make_codec(&demuxer) {
        Ok(codec) => Decoder::new(demuxer, codec).map(|decoder| Opened::Ours(Box::new(decoder))),
        // More channels or another profile than ours.
        Err(_) if demuxer.parameters().codec == CODEC_ID_AAC => {
            PacketReader::new(demuxer, false).map(|reader| Opened::Packets(Box::new(reader)))
        }
        Err(Error::Unsupported(_)) => Err(SongProblem::Codec { codec: codec_name(&demuxer, false) }),
        Err(error) => Err(SongProblem::Damaged { detail: error.to_string() }),
    }
}

/// Whether our AAC decoder would give half the rate that the file is meant to
/// have: the container or the packets say so, or the declared rate is twice the
/// core's.
fn replicates(demuxer: &mut Demuxer) -> Result<bool, SongProblem> {
    let parameters = demuxer.parameters();
    if parameters.codec != CODEC_ID_AAC {
        return Ok(false);
    }
    if let Some(config) = parameters.extra_data.as_deref().and_then(AacConfig::read) {
        let declared = parameters.sample_rate.unwrap_or(config.core_rate);
        if config.replicates || u64::from(declared) == 2 * u64::from(config.core_rate) {
            return Ok(true);
        }
    }
    demuxer.look_ahead(PACKETS_LOOKED_AT).map(packets_replicate)
}

fn make_codec(demuxer: &Demuxer) -> Result<Box<dyn AudioDecoder>, Error> {
    symphonia::default::get_codecs().make_audio_decoder(demuxer.parameters(), &AudioDecoderOptions::default())
}

/// A piece of a song, as long as its packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block<'a> {
    /// The mean of the channels, 1 being full scale.
    pub samples: &'a [f32],
    /// The same as decoded, `[frames, channels]`.
    pub interleaved: &'a [f32],
    /// Their rate, in Hz. It may change where one song follows another in a
    /// file.
    pub sample_rate: u32,
}

/// Decodes a song, block after block.
pub struct Decoder {
    demuxer: Demuxer,
    codec: Box<dyn AudioDecoder>,
    info: SongInfo,
    mixer: Mixer,
    /// Rate of the current block, in Hz.
    sample_rate: u32,
    /// Whether the current block has still to be handed out.
    primed: bool,
    gap: Gap,
    /// Samples a channel of silence still to be handed out.
    owed: usize,
    tally: Tally,
}

/// What has been read so far.
#[derive(Default)]
struct Tally {
    played: Played,
    corrupt_packets: u64,
    /// What was wrong with the last of them.
    last_damage: Option<String>,
    ended: bool,
    cut: bool,
}

impl Decoder {
    /// Decodes up to the first block, so that rate and channels are certain.
    fn new(mut demuxer: Demuxer, codec: Box<dyn AudioDecoder>) -> Result<Self, SongProblem> {
        let info = demuxer.describe(codec.codec_info().short_name.to_owned());
        let mut decoder = Self {
            demuxer,
            codec,
            info,
            mixer: Mixer::default(),
            sample_rate: 0,
            primed: false,
            gap: Gap::default(),
            owed: 0,
            tally: Tally::default(),
        };
        decoder.primed = decoder.decode_block()?;
        decoder.info.sample_rate = decoder.sample_rate;
        decoder.info.channels = decoder.mixer.channels;
        Ok(decoder)
    }

    /// What the file says of itself, its rate and channels as they were
    /// delivered.
    pub fn info(&self) -> &SongInfo {
        &self.info
    }

    /// Rate of the current block, in Hz; 0 for a file without sound.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Seconds handed out so far.
    pub fn seconds(&self) -> f64 {
        self.tally.played.seconds()
    }

    /// Share of the file that has been read, 0 to 1, where its length is known.
    pub fn progress(&self) -> Option<f32> {
        self.demuxer.progress()
    }

    /// The next block of samples, never an empty one; `None` at the end.
    ///
    /// # Errors
    /// [`SongProblem::Unreadable`] if the file cannot be read any more,
    /// [`SongProblem::SampleRate`] if it changes to a rate that is not heard,
    /// [`SongProblem::NotFinite`] at the end if not one sample was a number.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, SongProblem> {
        let has_block = std::mem::take(&mut self.primed) || self.decode_block()?;
        if !has_block {
            return Ok(None);
        }
        let Mixer { mono: samples, interleaved, .. } = &self.mixer;
        self.tally.played.add(samples.len(), self.sample_rate);
        Ok(Some(Block { samples, interleaved, sample_rate: self.sample_rate }))
    }

    /// What was not as it should be up to here.
    pub fn notices(&self) -> Vec<SongNotice> {
        let heard = self.seconds();
        let declared = self.demuxer.seconds().filter(|_| self.demuxer.is_length_declared());
        let is_short = declared.is_some_and(|declared| heard + MISSING_SECONDS < declared);
        let is_cut = self.tally.cut || self.demuxer.lacks_its_end();
        let truncated = self.tally.ended && (is_short || is_cut);
        let packets = self.tally.corrupt_packets;
        let samples = self.mixer.not_finite;
        [
            truncated.then_some(SongNotice::Truncated { heard, declared: declared.filter(|_| is_short) }),
            (packets > 0).then_some(SongNotice::CorruptPackets { packets }),
            (samples > 0).then_some(SongNotice::NonFinite { samples }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Decodes until there are samples; `false` at the end.
    fn decode_block(&mut self) -> Result<bool, SongProblem> {
        for _ in 0..MOST_BARREN_PACKETS {
            if self.tally.ended {
                return self.end();
            }
            if self.owed > 0 {
                let frames = self.owed.min((SILENT_BLOCK * f64::from(self.sample_rate)) as usize);
                self.owed -= frames;
                self.mixer.silence(frames);
                return Ok(true);
            }
            match self.gap.next(&mut self.demuxer)? {
                Step::Packet(packet) => {
                    self.owed = self.missing_before(&packet);
                    if self.owed > 0 {
                        self.gap.hold(packet);
                    } else if self.decode(&packet)? {
                        return Ok(true);
                    }
                }
                Step::Restart => self.restart(),
                Step::Skipped(damage) => {
                    self.gap.lost = true;
                    self.tally.count_damage(damage);
                }
                Step::End { cut } => (self.tally.ended, self.tally.cut) = (true, cut),
            }
        }
        (self.tally.ended, self.tally.cut) = (true, true);
        self.end()
    }

    /// Samples a channel that were lost before a packet.
    fn missing_before(&mut self, packet: &Packet) -> usize {
        let seconds = self.gap.before(packet, &self.demuxer);
        if seconds > 0.0 && !self.gap.lost {
            self.tally.count_damage("frames are missing".into());
        }
        (seconds * f64::from(self.sample_rate)).round() as usize
    }

    /// Decodes one packet; `false` where that gives no sample.
    fn decode(&mut self, packet: &Packet) -> Result<bool, SongProblem> {
        let mut heard = self.hear(packet);
        // symphonia's decoder stays with the first rate and channels of a stream.
        if heard.is_err()
            && self.gap.lost
            && self.demuxer.is_mpeg_audio()
            && let Ok(codec) = make_codec(&self.demuxer)
        {
            self.codec = codec;
            heard = self.hear(packet);
        }
        match heard {
            Ok(has_samples) => {
                if has_samples {
                    check_rate(self.sample_rate)?;
                }
                self.gap.lost = false;
                self.gap.end = self.end_of(packet, has_samples);
                Ok(has_samples)
            }
            Err(error) => {
                self.gap.lost = true;
                self.tally.count_damage(error.to_string());
                Ok(false)
            }
        }
    }

    /// Where the packet ends that has just been decoded. Few WebMs say how long their packets
    /// are, and then their samples do: a gap would else begin where the last packet before it
    /// does, and its silence be longer than what was lost by that packet.
    fn end_of(&self, packet: &Packet, has_samples: bool) -> Option<Timestamp> {
        let mut duration = packet.block_dur();
        if duration == Duration::ZERO && has_samples {
            let seconds = self.mixer.mono.len() as f64 / f64::from(self.sample_rate);
            duration = self.demuxer.duration(seconds).unwrap_or(duration);
        }
        packet.pts.checked_add(duration)
    }

    /// Mixes one packet; `false` where it gives no sample, as the first packet of some codecs,
    /// which only fills their memory.
    fn hear(&mut self, packet: &Packet) -> Result<bool, Error> {
        let decoded = self.codec.decode(packet)?;
        if decoded.frames() == 0 || decoded.num_planes() == 0 {
            return Ok(false);
        }
        self.sample_rate = decoded.spec().rate();
        self.mixer.mix(&decoded);
        Ok(true)
    }

    fn restart(&mut self) {
        self.gap.restart();
        self.owed = 0;
        match make_codec(&self.demuxer) {
            Ok(codec) => self.codec = codec,
            Err(error) => {
                self.tally.count_damage(error.to_string());
                (self.tally.ended, self.tally.cut) = (true, true);
            }
        }
    }

    /// The end, and whether it is one of a song at all.
    fn end(&mut self) -> Result<bool, SongProblem> {
        if self.mixer.samples > 0 && self.mixer.not_finite == self.mixer.samples {
            return Err(SongProblem::NotFinite);
        }
        if self.mixer.samples == 0
            && let Some(detail) = self.tally.last_damage.take()
        {
            return Err(SongProblem::Damaged { detail });
        }
        Ok(false)
    }
}

impl Tally {
    fn count_damage(&mut self, damage: String) {
        self.corrupt_packets += 1;
        self.last_damage = Some(damage);
    }
}

/// How long something is whose rate may change.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Played {
    /// Seconds at earlier rates.
    earlier: f64,
    samples: u64,
    sample_rate: u32,
}

impl Played {
    /// Goes on by some samples.
    pub(super) fn add(&mut self, samples: usize, sample_rate: u32) {
        if sample_rate != self.sample_rate {
            *self = Self { earlier: self.seconds(), samples: 0, sample_rate };
        }
        self.samples += samples as u64;
    }

    /// The length so far.
    pub(super) fn seconds(&self) -> f64 {
        self.earlier + self.samples as f64 / f64::from(self.sample_rate.max(1))
    }
}

fn check_rate(sample_rate: u32) -> Result<(), SongProblem> {
    if (LEAST_RATE..=GREATEST_RATE).contains(&sample_rate) {
        Ok(())
    } else {
        Err(SongProblem::SampleRate { sample_rate })
    }
}

/// Many channels to one.
#[derive(Default)]
struct Mixer {
    /// Samples `[frames, channels]` as decoded.
    interleaved: Vec<f32>,
    /// Their mean over the channels `[frames]`.
    mono: Vec<f32>,
    /// Channels of the last block.
    channels: usize,
    /// Samples so far, in all channels.
    samples: u64,
    /// Those that were taken as 0.
    not_finite: u64,
}

impl Mixer {
    fn mix(&mut self, decoded: &GenericAudioBufferRef<'_>) {
        decoded.copy_to_vec_interleaved(&mut self.interleaved);
        self.channels = decoded.num_planes();
        self.samples += self.interleaved.len() as u64;
        for sample in &mut self.interleaved {
            if !is_sound(*sample) {
                *sample = 0.0;
                self.not_finite += 1;
            }
        }
        self.mono.clear();
        let channels = self.channels as f32;
        let frames = self.interleaved.chunks_exact(self.channels);
        self.mono.extend(frames.map(|frame| frame.iter().sum::<f32>() / channels));
    }

    /// So many samples a channel of nothing, in place of what was lost.
    fn silence(&mut self, frames: usize) {
        self.interleaved.clear();
        self.interleaved.resize(frames * self.channels, 0.0);
        self.mono.clear();
        self.mono.resize(frames, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use symphonia::core::audio::{AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, Channels};

    use super::*;

    fn mix(planes: &[&[f32]]) -> Mixer {
        let spec = AudioSpec::new(44_100, Channels::Discrete(planes.len() as u16));
        let mut buffer = AudioBuffer::<f32>::new(spec, planes[0].len());
        buffer.render_silence(None);
        for (channel, plane) in planes.iter().enumerate() {
            buffer.plane_mut(channel).unwrap().copy_from_slice(plane);
        }
        let mut mixer = Mixer::default();
        mixer.mix(&buffer.as_generic_audio_buffer_ref());
        mixer
    }

    #[test]
    fn mono_is_the_mean_of_the_channels() {
        assert_eq!(mix(&[&[0.1, -0.3, 1e-40]]).mono, [0.1, -0.3, 1e-40]);
        assert_eq!(mix(&[&[0.5, 1.0], &[0.25, -1.0]]).mono, [0.375, 0.0]);
        let channels: Vec<[f32; 1]> = (0..8).map(|channel| [channel as f32]).collect();
        let planes: Vec<&[f32]> = channels.iter().map(|plane| &plane[..]).collect();
        assert_eq!(mix(&planes).mono, [3.5]);
    }

    #[test]
    fn what_is_no_number_is_silent_and_counted() {
        let mixer = mix(&[&[f32::NAN, f32::INFINITY, 0.5, 1e30], &[0.5, 0.25, -0.5, f32::NEG_INFINITY]]);
        assert_eq!(mixer.mono, [0.25, 0.125, 0.0, 0.0]);
        assert_eq!((mixer.not_finite, mixer.samples), (4, 8));
    }
}
