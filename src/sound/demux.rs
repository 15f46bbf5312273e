//! A file to the packets of its audio track.
//!
//! In: the bytes of a file. Out: packets, and what the file says of itself.
//! symphonia reads the container; here its outcomes become those that a
//! listener can be told.

use std::{collections::VecDeque, io, sync::LazyLock};

use symphonia::core::{
    codecs::{
        CodecParameters,
        audio::{
            AudioCodecParameters,
            well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3},
        },
    },
    errors::Error,
    formats::{
        FormatOptions, FormatReader, Track, TrackType,
        probe::{Hint, Probe},
        well_known::{FORMAT_ID_ADTS, FORMAT_ID_FLAC, FORMAT_ID_MP2, FORMAT_ID_MP3, FORMAT_ID_OGG},
    },
    io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions},
    meta::{
        MetadataOptions, MetadataRevision, StandardTag,
        well_known::{METADATA_ID_AIFF, METADATA_ID_ID3V1},
    },
    packet::Packet,
    units::{Duration, Timestamp},
};

use super::{
    au::AuReader,
    headers::Headers,
    song::{SongInfo, SongProblem, UNKNOWN_CODEC},
    source::{Source, Watch, from_io},
};

/// Bytes that symphonia keeps of the file, a power of two.
const BUFFER_LENGTH: usize = 128 * 1024;

/// Times in a row that the container may be damaged until it is given up.
const MOST_FAILURES: usize = 16;

/// Packets in a row without sound, or of other tracks, until a file is given up:
/// half an hour of video. An index can promise billions of them.
const MOST_FOREIGN_PACKETS: usize = 1 << 16;

/// Samples a channel that a decoder may make room for because a header says so: it makes
/// more where a packet has more, and a CAF can announce four thousand millions.
const MOST_FRAMES_ANNOUNCED: u64 = 1 << 16;

/// Seconds that no song has, four months: what was not known is said by the greatest number.
const LONGEST: f64 = 1e7;

/// Characters of a tag that are kept.
const LONGEST_TAG: usize = 300;

/// What tells containers apart: symphonia's readers, and ours.
static PROBE: LazyLock<Probe> = LazyLock::new(|| {
    let mut probe = Probe::default();
    symphonia::default::register_enabled_formats(&mut probe);
    probe.register_format::<AuReader<'_>>();
    probe
});

/// What comes next in a file.
pub(super) enum Step {
    /// A packet of the track, not an empty one.
    Packet(Packet),
    /// Another song begins in the same file (chained Ogg): the decoder has to
    /// be made anew for the [track](Demuxer::parameters).
    Restart,
    /// Something that could not be read was left out.
    Skipped(String),
    /// There is no more; `cut` where the file ends within a packet or is too
    /// damaged to go on.
    End {
        /// Whether more was to come.
        cut: bool,
    },
}

/// Reads the packets of one audio track.
pub(super) struct Demuxer {
    reader: Box<dyn FormatReader>,
    track: Track,
    parameters: AudioCodecParameters,
    watch: Watch,
    headers: Headers,
    lookahead: VecDeque<Step>,
    failures: usize,
}

impl Demuxer {
    /// Finds out the container and its audio track.
    ///
    /// # Errors
    /// [`SongProblem::Empty`], [`SongProblem::Folder`],
    /// [`SongProblem::NotAudio`], [`SongProblem::NoTrack`],
    /// [`SongProblem::Codec`] where symphonia does not know what it is,
    /// [`SongProblem::Damaged`], [`SongProblem::Unreadable`].
    pub(super) fn open(file: Box<dyn MediaSource>) -> Result<Self, SongProblem> {
        if file.byte_len() == Some(0) {
            return Err(SongProblem::Empty);
        }
        let (source, headers) = Source::new(file).map_err(|error| from_io(&error))?;
        if headers.is_speex {
            return Err(SongProblem::Codec { codec: "speex".to_owned() });
        }
        let watch = source.watch();
        let stream =
            MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions { buffer_len: BUFFER_LENGTH });
        let reader = PROBE
            .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| watch.failure().unwrap_or_else(|| from_probe(&error)))?;
        let (track, parameters) = audio_track(reader.as_ref()).ok_or_else(|| no_track(reader.as_ref()))?;
        let lookahead = VecDeque::new();
        Ok(Self { reader, track, parameters, watch, headers, lookahead, failures: 0 })
    }

    /// What the container says of the coded sound.
    pub(super) fn parameters(&self) -> &AudioCodecParameters {
        &self.parameters
    }

    /// What the container says of the track.
    pub(super) fn track(&self) -> &Track {
        &self.track
    }

    /// Declared length of the track in seconds, where there is one.
    pub(super) fn seconds(&self) -> Option<f64> {
        let timed = self.track.time_base.zip(self.track.duration);
        let by_time =
            timed.and_then(|(base, length)| base.calc_duration(length)).map(|time| time.as_secs_f64());
        let by_frames = || Some(self.track.num_frames? as f64 / f64::from(self.parameters.sample_rate?));
        let start = self.start_of_ogg().and_then(|start| self.between(Timestamp::ZERO, start));
        let seconds = by_time.or_else(by_frames).map(|end| end - start.unwrap_or(0.0));
        seconds.filter(|&seconds| seconds > 0.0 && seconds < LONGEST)
    }

    /// Where the times of an Ogg begin that is a piece of a longer stream: symphonia's length
    /// of one is the time at which it ends.
    pub(super) fn start_of_ogg(&self) -> Option<Timestamp> {
        Some(self.track.start_ts).filter(|&start| self.is_ogg() && start > Timestamp::ZERO)
    }

    /// Whether it is an MP4 in fragments, whose declared length may be that of the first of them.
    pub(super) fn is_fragmented(&self) -> bool {
        self.headers.is_fragmented
    }

    /// Whether the container is Ogg.
    fn is_ogg(&self) -> bool {
        self.reader.format_info().format == FORMAT_ID_OGG
    }

    /// Whether the declared length is no guess: symphonia makes one from the first
    /// frames of an ADTS, and of an MP2 or MP3 that has no LAME tag.
    pub(super) fn is_length_declared(&self) -> bool {
        let is_adts = self.reader.format_info().format == FORMAT_ID_ADTS;
        let is_mpeg = matches!(self.parameters.codec, CODEC_ID_MP2 | CODEC_ID_MP3);
        self.seconds().is_some() && !is_adts && !(is_mpeg && self.track.delay.is_none())
    }

    /// symphonia trims off whatever lies behind the length of an MP2 or MP3. That is meant for
    /// the encoder's padding, and is all the rest of the song where the length is a guess
    /// from its first frames, or that of the first of several files in one.
    fn keep_what_is_no_padding(&self, packet: &mut Packet) {
        if !matches!(self.reader.format_info().format, FORMAT_ID_MP2 | FORMAT_ID_MP3) {
            return;
        }
        let padding = self.track.padding.filter(|_| self.track.delay.is_some());
        let end = padding.zip(self.track.num_frames).and_then(|(padding, frames)| {
            Timestamp::ZERO.checked_add(Duration::from(frames.saturating_add(padding.into())))
        });
        if end.is_none_or(|end| packet.pts >= end) {
            packet.dur = packet.dur.saturating_add(packet.trim_end);
            packet.trim_end = Duration::ZERO;
        }
    }

    /// Seconds between two times of the track, where it has a measure of them.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> Option<f64> {
        let time = self.track.time_base?.calc_duration(to.duration_from(from)?)?;
        Some(time.as_secs_f64())
    }

    /// How long that is in the track's measure of time, where it has one.
    pub(super) fn duration(&self, seconds: f64) -> Option<Duration> {
        let base = f64::from(self.track.time_base?);
        Some(Duration::from((seconds / base).round() as u64))
    }

    /// Whether packets are those of MPEG-1's layers, whose headers may change at any time.
    pub(super) fn is_mpeg_audio(&self) -> bool {
        matches!(self.parameters.codec, CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3)
    }

    /// Whether what cannot be read is passed over without a word, and shows in the times alone.
    pub(super) fn loses_silently(&self) -> bool {
        matches!(self.reader.format_info().format, FORMAT_ID_FLAC | FORMAT_ID_OGG)
    }

    /// Whether the file ends before its container does: by its outermost
    /// length, or without the page that has to be an Ogg's last.
    pub(super) fn lacks_its_end(&self) -> bool {
        let lacks_last_page =
            || self.is_ogg() && self.track.num_frames.is_none() && !self.headers.has_last_page;
        self.headers.is_cut || lacks_last_page()
    }

    /// Share of the file that has been read, 0 to 1, where its length is known.
    pub(super) fn progress(&self) -> Option<f32> {
        self.watch.progress()
    }

    /// The tags, the rate, the channels and the length, as far as declared;
    /// `codec` is what to call the codec.
    pub(super) fn describe(&mut self, codec: String) -> SongInfo {
        let mut info = SongInfo {
            codec,
            sample_rate: self.parameters.sample_rate.unwrap_or(0),
            channels: self.parameters.channels.as_ref().map_or(0, |channels| channels.count()),
            seconds: self.seconds(),
            ..SongInfo::default()
        };
        for revision in revisions(self.reader.as_mut()) {
            read_tags(&revision, &mut info);
        }
        read_labels(&self.headers, &mut info);
        info
    }

    /// Reads up to `count` packets ahead, for a look at them; they come again.
    pub(super) fn look_ahead(
        &mut self,
        count: usize,
    ) -> Result<impl ExactSizeIterator<Item = &[u8]>, SongProblem> {
        while self.lookahead.len() < count {
            let step = self.advance()?;
            let is_packet = matches!(step, Step::Packet(_));
            self.lookahead.push_back(step);
            if !is_packet {
                break;
            }
        }
        let packets: Vec<&[u8]> = self
            .lookahead
            .iter()
            .filter_map(|step| if let Step::Packet(packet) = step { Some(&packet.data[..]) } else { None })
            .collect();
        Ok(packets.into_iter())
    }

    /// What comes next; after the end, the end again.
    ///
    /// # Errors
    /// [`SongProblem::Unreadable`] if the file cannot be read any more.
    pub(super) fn next(&mut self) -> Result<Step, SongProblem> {
        match self.lookahead.pop_front() {
            Some(step) => Ok(step),
            None => self.advance(),
        }
    }

    fn advance(&mut self) -> Result<Step, SongProblem> {
        if self.failures > MOST_FAILURES {
            return Ok(Step::End { cut: true });
        }
        for _ in 0..MOST_FOREIGN_PACKETS {
            match self.reader.next_packet() {
                Ok(Some(mut packet)) if packet.track_id == self.track.id && !packet.data.is_empty() => {
                    self.keep_what_is_no_padding(&mut packet);
                    self.failures = 0;
                    return Ok(Step::Packet(packet));
                }
                Ok(Some(_)) => {}
                Ok(None) => return self.watch.failure().map_or(Ok(Step::End { cut: false }), Err),
                Err(Error::ResetRequired) => return Ok(self.restart()),
                Err(Error::IoError(error)) => {
                    let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
                    let failure = self.watch.failure().or_else(|| (!is_end).then(|| from_io(&error)));
                    return failure.map_or(Ok(Step::End { cut: !self.headers.has_open_end }), Err);
                }
                Err(error) => {
                    self.failures += 1;
                    return Ok(Step::Skipped(error.to_string()));
                }
            }
        }
        Ok(Step::End { cut: true })
    }

    fn restart(&mut self) -> Step {
        match audio_track(self.reader.as_ref()) {
            Some((track, parameters)) => {
                (self.track, self.parameters) = (track, parameters);
                Step::Restart
            }
            None => Step::End { cut: false },
        }
    }
}

fn audio_track(reader: &dyn FormatReader) -> Option<(Track, AudioCodecParameters)> {
    let track = reader.default_track(TrackType::Audio).or_else(|| reader.first_track(TrackType::Audio))?;
    match &track.codec_params {
        Some(CodecParameters::Audio(parameters)) => {
            let mut parameters = parameters.clone();
            let announced = parameters.max_frames_per_packet;
            parameters.max_frames_per_packet = announced.map(|frames| frames.min(MOST_FRAMES_ANNOUNCED));
            Some((track.clone(), parameters))
        }
        _ => None,
    }
}

/// What is wrong where no track is known to be audio. Of a track whose codec symphonia does not
/// know it does not say what it is: where there is no picture, it is taken for sound.
fn no_track(reader: &dyn FormatReader) -> SongProblem {
    let has_picture = reader.first_track(TrackType::Video).is_some();
    if !has_picture && reader.tracks().iter().any(|track| track.codec_params.is_none()) {
        return unknown_codec();
    }
    SongProblem::NoTrack
}

fn unknown_codec() -> SongProblem {
    SongProblem::Codec { codec: UNKNOWN_CODEC.to_owned() }
}

/// All that is said of the file, what is to be believed first: an AIFF's own
/// chunks are meant for ASCII, and ID3v1 cuts off after 30 characters.
fn revisions(reader: &mut dyn FormatReader) -> Vec<MetadataRevision> {
    let mut metadata = reader.metadata();
    let mut revisions: Vec<_> = std::iter::from_fn(|| metadata.pop()).collect();
    revisions.extend(metadata.current().cloned());
    revisions.sort_by_key(|revision| match revision.info.metadata {
        METADATA_ID_ID3V1 => 2,
        METADATA_ID_AIFF => 1,
        _ => 0,
    });
    revisions
}

/// Fills in what `info` does not have yet.
fn read_tags(revision: &MetadataRevision, info: &mut SongInfo) {
    let per_track = revision.per_track.iter().map(|track| &track.metadata);
    let containers = std::iter::once(&revision.media).chain(per_track);
    let tags: Vec<&StandardTag> =
        containers.flat_map(|container| &container.tags).filter_map(|tag| tag.std.as_ref()).collect();
    let find = |which: fn(&StandardTag) -> Option<&String>| {
        tags.iter().filter_map(|tag| which(tag)).find_map(|text| readable(text))
    };
    let title =
        || find(|tag| if let StandardTag::TrackTitle(text) = tag { Some(text.as_ref()) } else { None });
    let artist = || {
        find(|tag| if let StandardTag::Artist(text) = tag { Some(text.as_ref()) } else { None }).or_else(
            || find(|tag| if let StandardTag::AlbumArtist(text) = tag { Some(text.as_ref()) } else { None }),
        )
    };
    let album = || find(|tag| if let StandardTag::Album(text) = tag { Some(text.as_ref()) } else { None });
    info.title = info.title.take().or_else(title);
    info.artist = info.artist.take().or_else(artist);
    info.album = info.album.take().or_else(album);
}

/// A tag without control characters and blanks around it, cut to
/// [`LONGEST_TAG`]; `None` where nothing is left.
fn readable(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|character| !character.is_control()).take(LONGEST_TAG).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Fills in from the tags of a WAV what `info` does not have yet.
fn read_labels(headers: &Headers, info: &mut SongInfo) {
    let find = |name: &[u8; 4]| {
        headers.labels.iter().filter(|label| label.0 == *name).find_map(|(_, text)| readable(text))
    };
    info.title = info.title.take().or_else(|| find(b"INAM"));
    info.artist = info.artist.take().or_else(|| find(b"IART"));
    info.album = info.album.take().or_else(|| find(b"IPRD"));
}

fn from_probe(error: &Error) -> SongProblem {
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            SongProblem::Damaged { detail: "it ends within its header".to_owned() }
        }
        // The probe's own words for bytes that are no container it knows.
        Error::Unsupported("core (probe): no suitable format reader found") => SongProblem::NotAudio,
        // Those of its readers for a number or a name of a codec that they do not know.
        Error::Unsupported(
            "wav: unsupported wave format"
            | "wav: unsupported fmt_ext sub-type"
            | "aifc: compression type not supported",
        ) => unknown_codec(),
        error => SongProblem::Damaged { detail: error.to_string() },
    }
}
