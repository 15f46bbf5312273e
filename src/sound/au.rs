//! Sun's and NeXT's `.au`, the container that GTZAN was published in and that
//! symphonia does not read.
//!
//! In: the bytes of a file. Out: a [`FormatReader`] of its one track, for
//! symphonia's own decoders of PCM, µ-law and A-law.
//!
//! Reference: the manual page `au(4)` of Solaris 10 and its `audio/au.h`: six
//! big-endian numbers of 32 bits (magic, start of the samples, their length in
//! bytes, encoding, rate, channels), a text, the samples.

use std::{
    io::{Seek, SeekFrom},
    slice,
};

use symphonia::core::{
    audio::Channels,
    codecs::{
        CodecParameters,
        audio::{AudioCodecId, AudioCodecParameters, well_known as codec},
    },
    common::FourCc,
    errors::{Result, SeekErrorKind, decode_error, seek_error, unsupported_error},
    formats::{
        FormatId, FormatInfo, FormatOptions, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track,
        probe::{ProbeDataMatchSpec, ProbeFormatData, ProbeableFormat, Score, Scoreable},
    },
    io::{MediaSource, MediaSourceStream, ReadBytes, ScopedStream},
    meta::{Metadata, MetadataLog},
    packet::Packet,
    units::{Duration, Timestamp},
};

/// The first bytes of every file.
pub(super) const MAGIC: [u8; 4] = *b".snd";

/// A length that was not known when the header was written.
pub(super) const UNKNOWN_LENGTH: u32 = u32::MAX;

/// Bytes of the six numbers.
const HEADER_LENGTH: u32 = 24;

/// Most channels that are believed: a header can ask for billions.
const MOST_CHANNELS: u32 = 64;

/// Sample frames in a packet; the format itself has none.
const PACKET_FRAMES: u64 = 4096;

const FORMAT: FormatInfo =
    FormatInfo { format: FormatId::new(FourCc::new(MAGIC)), short_name: "au", long_name: "Sun/NeXT audio" };

/// The codec of an encoding and the bytes of one of its samples.
fn codec_of(encoding: u32) -> Option<(AudioCodecId, u64)> {
    Some(match encoding {
        1 => (codec::CODEC_ID_PCM_MULAW, 1),
        2 => (codec::CODEC_ID_PCM_S8, 1),
        3 => (codec::CODEC_ID_PCM_S16BE, 2),
        4 => (codec::CODEC_ID_PCM_S24BE, 3),
        5 => (codec::CODEC_ID_PCM_S32BE, 4),
        6 => (codec::CODEC_ID_PCM_F32BE, 4),
        7 => (codec::CODEC_ID_PCM_F64BE, 8),
        27 => (codec::CODEC_ID_PCM_ALAW, 1),
        _ => return None,
    })
}

/// Reads the samples of a file in packets.
pub(super) struct AuReader<'s> {
    stream: MediaSourceStream<'s>,
    media: MediaInfo,
    track: Track,
    metadata: MetadataLog,
    /// Bytes of one sample in every channel.
    frame_length: u64,
    /// Where the samples begin.
    start: u64,
    /// Where they end: by the header, and not behind the file.
    end: u64,
}

impl<'s> AuReader<'s> {
    fn new(mut stream: MediaSourceStream<'s>, options: FormatOptions) -> Result<Self> {
        if stream.read_quad_bytes()? != MAGIC {
            return unsupported_error("au: no magic number");
        }
        let start = stream.read_be_u32()?;
        let length = stream.read_be_u32()?;
        let Some((codec, sample_length)) = codec_of(stream.read_be_u32()?) else {
            return unsupported_error("au: unknown encoding");
        };
        let sample_rate = stream.read_be_u32()?;
        let channels = stream.read_be_u32()?;
        if start < HEADER_LENGTH || sample_rate == 0 || !(1..=MOST_CHANNELS).contains(&channels) {
            return decode_error("au: impossible header");
        }
        stream.ignore_bytes(u64::from(start - HEADER_LENGTH))?;

        let start = u64::from(start);
        let frame_length = sample_length * u64::from(channels);
        let end_of_file = stream.byte_len().unwrap_or(u64::MAX);
        let declared_end = (length != UNKNOWN_LENGTH).then_some(start + u64::from(length));
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(codec)
            .with_sample_rate(sample_rate)
            .with_channels(Channels::Discrete(channels as u16))
            .with_max_frames_per_packet(PACKET_FRAMES);
        let mut track = Track::new(0);
        track.with_codec_params(CodecParameters::Audio(parameters));
        if let Some(end) = declared_end.or(stream.byte_len()) {
            let frames = end.saturating_sub(start) / frame_length;
            track.with_num_frames(frames).with_duration(Duration::from(frames));
        }
        Ok(Self {
            media: MediaInfo::from_track(&track),
            metadata: options.external_data.metadata.unwrap_or_default(),
            end: declared_end.unwrap_or(u64::MAX).min(end_of_file),
            stream,
            track,
            frame_length,
            start,
        })
    }
}

impl FormatReader for AuReader<'_> {
    fn format_info(&self) -> &FormatInfo {
        &FORMAT
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.metadata.metadata()
    }

    /// Goes to the frame itself, whatever the mode.
    fn seek(&mut self, _: SeekMode, to: SeekTo) -> Result<SeekedTo> {
        let wanted = match to {
            SeekTo::Timestamp { ts, .. } => Some(ts),
            SeekTo::Time { time, .. } => self.track.time_base.and_then(|base| base.calc_timestamp(time)),
        };
        let place = |timestamp: Timestamp| {
            let offset = u64::try_from(timestamp.get()).ok()?.checked_mul(self.frame_length)?;
            Some(self.start.checked_add(offset)?).filter(|&place| place <= self.end)
        };
        let Some((timestamp, place)) = wanted.and_then(|timestamp| Some((timestamp, place(timestamp)?)))
        else {
            return seek_error(SeekErrorKind::OutOfRange);
        };
        if !self.stream.is_seekable() {
            return seek_error(SeekErrorKind::Unseekable);
        }
        self.stream.seek(SeekFrom::Start(place))?;
        Ok(SeekedTo { track_id: self.track.id, required_ts: timestamp, actual_ts: timestamp })
    }

    fn tracks(&self) -> &[Track] {
        slice::from_ref(&self.track)
    }

    fn next_packet(&mut self) -> Result<Option<Packet>> {
        let position = self.stream.pos();
        let frames = (self.end.saturating_sub(position) / self.frame_length).min(PACKET_FRAMES);
        if frames == 0 {
            return Ok(None);
        }
        let data = self.stream.read_boxed_slice((frames * self.frame_length) as usize)?;
        let before = (position - self.start) / self.frame_length;
        let Ok(timestamp) = Timestamp::try_from(before) else { return Ok(None) };
        Ok(Some(Packet::new(self.track.id, timestamp, Duration::from(frames), data)))
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.stream
    }
}

impl Scoreable for AuReader<'_> {
    fn score(mut stream: ScopedStream<&mut MediaSourceStream<'_>>) -> Result<Score> {
        let is_au = stream.read_quad_bytes()? == MAGIC && stream.read_be_u32()? >= HEADER_LENGTH;
        Ok(if is_au { Score::Supported(255) } else { Score::Unsupported })
    }
}

impl ProbeableFormat<'_> for AuReader<'_> {
    fn try_probe_new(
        stream: MediaSourceStream<'_>,
        options: FormatOptions,
    ) -> Result<Box<dyn FormatReader + '_>> {
        Ok(Box::new(AuReader::new(stream, options)?))
    }

    fn probe_data() -> &'static [ProbeFormatData] {
        &[ProbeFormatData {
            spec: ProbeDataMatchSpec {
                extensions: &["au", "snd"],
                mime_types: &["audio/basic"],
                markers: &[&MAGIC],
            },
            info: FORMAT,
        }]
    }
}
