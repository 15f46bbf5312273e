//! A worker that reads songs.
//!
//! In: files, and pulls. Out: clips, one a pull, so that the page decides how
//! many are in memory. What symphonia cannot decode goes packet by packet to
//! WebCodecs; what that cannot either, the page may decode.

use std::iter::repeat_n;

use js_sys::{Array, Float32Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, File, FilePropertyBag};

use super::{
    browser_codec::BrowserCodec,
    file::FileSource,
    protocol::{ClipFormat, Reply, Request, SongId, SongInfo, SongNotice, SongProblem},
    serve::{Message, now, post},
};
use crate::sound::{
    clips::{Clip, ClipStream, SongReader},
    decode::{Block, Opened, is_sound, open},
    packets::PacketReader,
    wav::{self, Tail},
};

/// Bytes of a recording that are kept before they are given to the browser,
/// which may put them on disk.
const PIECE: usize = 1 << 20;

/// The worker's state: the song it has open.
#[derive(Default)]
pub(super) struct Decoding {
    song: Option<(SongId, Source)>,
}

/// Where clips come from.
enum Source {
    Ours(Box<SongReader>),
    Theirs(Box<Stream>),
}

/// Clips that are passed over between two looks at the clock.
const CLIPS_AT_A_TIME: usize = 20;

/// Milliseconds without an answer after which long work says that it goes on.
const SIGN_AFTER: f64 = 1000.0;

/// Clips of what the browser decodes.
struct Stream {
    blocks: Blocks,
    clips: Option<ClipStream>,
    format: ClipFormat,
    block: Vec<f32>,
    ended: bool,
}

/// Mono blocks of what the browser decodes, packet by packet or at once.
enum Blocks {
    Codec(Box<BrowserCodec>),
    Samples { channels: Vec<Float32Array>, sample_rate: u32, position: u32 },
}

impl Decoding {
    pub(super) async fn answer(&mut self, message: Message) {
        let mut attachments = message.attachments.into_iter();
        match message.request {
            Request::Open { song, format, first_clip } => {
                self.song = None;
                match read(attachments.next()).and_then(|file| open(Box::new(file))) {
                    Ok(opened) => self.open(song, opened, format, first_clip).await,
                    Err(problem) => post(&Reply::Problem { song, problem }, &[]),
                }
            }
            Request::OpenSamples { song, format, sample_rate, first_clip } => {
                let channels: Vec<Float32Array> =
                    attachments.filter_map(|channel| channel.dyn_into().ok()).collect();
                let info = SongInfo { sample_rate, channels: channels.len(), ..SongInfo::default() };
                let blocks = Blocks::Samples { channels, sample_rate, position: 0 };
                let source = Source::Theirs(Box::new(Stream::new(blocks, format)));
                self.go_to(song, info, source, first_clip).await;
            }
            Request::Pull { song } => self.pull(song).await,
            Request::Close { song } => {
                self.song.take_if(|(open, _)| *open == song);
            }
            Request::Transcode { song } => match transcode(attachments.next()).await {
                Ok((file, seconds)) => post(&Reply::Recording { song, seconds }, &[file.into()]),
                Err(problem) => post(&Reply::Problem { song, problem }, &[]),
            },
            // Not for this role.
            _ => {}
        }
    }

    async fn open(&mut self, song: SongId, opened: Opened, format: ClipFormat, first_clip: usize) {
        let mut info = match &opened {
            Opened::Ours(decoder) => decoder.info().clone(),
            Opened::Packets(reader) => reader.info().clone(),
        };
        let source = match opened {
            Opened::Ours(decoder) => {
                SongReader::new(decoder, format).map(|reader| Source::Ours(Box::new(reader)))
            }
            Opened::Packets(reader) => match BrowserCodec::new(*reader).await {
                Ok(codec) => {
                    Ok(Source::Theirs(Box::new(Stream::new(Blocks::Codec(Box::new(codec)), format))))
                }
                Err(mut reader) => {
                    // The page decodes it all at once, and so has to know how much that is.
                    info.seconds = info.seconds.or_else(|| seconds_of_packets(&mut reader));
                    return post(&Reply::NeedsBrowser { song, info }, &[]);
                }
            },
        };
        match source {
            Ok(source) => self.go_to(song, info, source, first_clip).await,
            Err(problem) => post(&Reply::Problem { song, problem }, &[]),
        }
    }

    /// Has that song open from now on, at that clip.
    async fn go_to(&mut self, song: SongId, info: SongInfo, mut source: Source, first_clip: usize) {
        match source.skip_to(first_clip).await {
            Ok(()) => {
                self.song = Some((song, source));
                post(&Reply::Opened { song, info }, &[]);
            }
            Err(problem) => post(&Reply::Problem { song, problem }, &[]),
        }
    }

    async fn pull(&mut self, song: SongId) {
        let Some((_, source)) = self.song.as_mut().filter(|(open, _)| *open == song) else { return };
        match source.next_clip().await {
            Ok(Some(Clip { index, samples, end_seconds })) => {
                let progress = source.progress();
                let samples = Float32Array::from(samples.as_slice());
                post(&Reply::Clip { song, clip: index, end_seconds, progress }, &[samples.into()]);
            }
            Ok(None) => {
                let (seconds, notices) = (source.seconds(), source.notices());
                self.song = None;
                post(&Reply::End { song, seconds, notices }, &[]);
            }
            Err(problem) => {
                self.song = None;
                post(&Reply::Problem { song, problem }, &[]);
            }
        }
    }
}

impl Source {
    async fn next_clip(&mut self) -> Result<Option<Clip>, SongProblem> {
        match self {
            Self::Ours(reader) => reader.next_clip(),
            Self::Theirs(stream) => stream.next_clip().await,
        }
    }

    /// Goes to a clip, with a sign of life on the way: in a long song it may be minutes.
    async fn skip_to(&mut self, clip: usize) -> Result<(), SongProblem> {
        let mut life = Life::default();
        for at in (0..clip).step_by(CLIPS_AT_A_TIME).chain([clip]) {
            match self {
                Self::Ours(reader) => reader.skip_to(at)?,
                Self::Theirs(stream) => stream.skip_to(at).await?,
            }
            life.sign();
        }
        Ok(())
    }

    fn progress(&self) -> Option<f32> {
        match self {
            Self::Ours(reader) => reader.progress(),
            Self::Theirs(stream) => stream.blocks.progress(),
        }
    }

    fn seconds(&self) -> f64 {
        match self {
            Self::Ours(reader) => reader.seconds(),
            Self::Theirs(stream) => stream.seconds(),
        }
    }

    fn notices(&self) -> Vec<SongNotice> {
        match self {
            Self::Ours(reader) => reader.notices(),
            Self::Theirs(stream) => stream.notices(),
        }
    }
}

impl Stream {
    fn new(blocks: Blocks, format: ClipFormat) -> Self {
        Self { blocks, clips: None, format, block: Vec::new(), ended: false }
    }

    async fn next_clip(&mut self) -> Result<Option<Clip>, SongProblem> {
        loop {
            if let Some(clip) = self.clips.as_mut().and_then(ClipStream::next_clip) {
                return Ok(Some(clip));
            }
            if !self.read_on().await? {
                return Ok(None);
            }
        }
    }

    async fn skip_to(&mut self, clip: usize) -> Result<(), SongProblem> {
        while self.clips.as_ref().map_or(0, ClipStream::next_index) < clip {
            if !self.clips.as_mut().is_some_and(ClipStream::skip_clip) && !self.read_on().await? {
                break;
            }
        }
        Ok(())
    }

    /// Takes a block in, or the end; `false` after that.
    async fn read_on(&mut self) -> Result<bool, SongProblem> {
        if self.ended {
            return Ok(false);
        }
        match self.blocks.next(&mut self.block).await? {
            // Only now is the rate known that the browser decodes to.
            Some(sample_rate) => match &mut self.clips {
                Some(clips) => {
                    clips.set_sample_rate(sample_rate)?;
                    clips.push(&self.block)?;
                }
                None => self.clips.insert(ClipStream::new(self.format, sample_rate)?).push(&self.block)?,
            },
            None => {
                self.ended = true;
                let no_sound =
                    SongProblem::TooShort { seconds: 0.0, least: crate::sound::song::LEAST_SECONDS };
                self.clips.as_mut().ok_or(no_sound)?.finish()?;
            }
        }
        Ok(true)
    }

    fn seconds(&self) -> f64 {
        self.clips.as_ref().map_or(0.0, ClipStream::seconds)
    }

    fn notices(&self) -> Vec<SongNotice> {
        let mut notices = match &self.blocks {
            Blocks::Codec(codec) => codec.notices(self.seconds()),
            Blocks::Samples { .. } => Vec::new(),
        };
        notices.extend(self.clips.as_ref().and_then(ClipStream::notice).cloned());
        notices
    }
}

impl Blocks {
    /// Puts the next block into `block` and gives its rate; `None` at the end.
    async fn next(&mut self, block: &mut Vec<f32>) -> Result<Option<u32>, SongProblem> {
        block.clear();
        match self {
            Self::Codec(codec) => codec.next(block).await,
            Self::Samples { channels, sample_rate, position } => {
                let end = channels.iter().map(Float32Array::length).min().unwrap_or(0);
                let next = end.min(position.saturating_add(*sample_rate));
                if *position == next {
                    return Ok(None);
                }
                mix(channels.iter().map(|channel| channel.subarray(*position, next).to_vec()), block);
                *position = next;
                Ok(Some(*sample_rate))
            }
        }
    }

    fn progress(&self) -> Option<f32> {
        match self {
            Self::Codec(codec) => codec.progress(),
            Self::Samples { channels, position, .. } => {
                channels.first().map(|channel| *position as f32 / channel.length().max(1) as f32)
            }
        }
    }
}

/// How long all packets are together; `None` where they do not say so, or cannot be read.
fn seconds_of_packets(reader: &mut PacketReader) -> Option<f64> {
    let (mut life, mut length) = (Life::default(), 0);
    while let Some(packet) = reader.next_packet().ok()? {
        length += packet.duration;
        life.sign();
    }
    (length > 0).then_some(length as f64 / 1e6)
}

/// Tells the page now and then that long work goes on.
#[derive(Default)]
struct Life {
    last: Option<f64>,
}

impl Life {
    fn sign(&mut self) {
        let now = now();
        if now - *self.last.get_or_insert(now) >= SIGN_AFTER {
            self.last = Some(now);
            post(&Reply::Working, &[]);
        }
    }
}

/// Puts the mean of the channels into `block`. What is no number counts as 0.
pub(super) fn mix(channels: impl ExactSizeIterator<Item = Vec<f32>>, block: &mut Vec<f32>) {
    let share = 1.0 / channels.len().max(1) as f32;
    for channel in channels {
        block.resize(channel.len().max(block.len()), 0.0);
        for (mixed, sample) in block.iter_mut().zip(channel) {
            *mixed += if is_sound(sample) { share * sample } else { 0.0 };
        }
    }
}

fn read(attachment: Option<JsValue>) -> Result<FileSource, SongProblem> {
    let unreadable = |detail: String| SongProblem::Unreadable { detail };
    let file = attachment.and_then(|file| file.dyn_into::<File>().ok());
    let file = file.ok_or_else(|| unreadable("no file came with the request".to_owned()))?;
    FileSource::new(file).map_err(|error| unreadable(error.to_string()))
}

/// A whole song as a WAV file, and its length in seconds. It keeps its two channels
/// where it has two; more, and what the browser decodes, become one.
async fn transcode(attachment: Option<JsValue>) -> Result<(File, f64), SongProblem> {
    match open(Box::new(read(attachment)?))? {
        Opened::Ours(mut decoder) => {
            let channels = if decoder.info().channels == 2 { 2 } else { 1 };
            let mut recording = Recording::new(channels);
            // A file whose rate changes is played at its first one.
            let sample_rate = decoder.sample_rate();
            let mut life = Life::default();
            while let Some(Block { samples, interleaved, .. }) = decoder.next_block()? {
                life.sign();
                let channels = usize::from(channels);
                if interleaved.len() == channels * samples.len() {
                    recording.push(interleaved)?;
                } else {
                    let each: Vec<f32> =
                        samples.iter().flat_map(|sample| repeat_n(*sample, channels)).collect();
                    recording.push(&each)?;
                }
            }
            recording.finish(sample_rate)
        }
        Opened::Packets(reader) => {
            let codec = reader.info().codec.clone();
            let mut decoder = BrowserCodec::new(*reader).await.map_err(|_| SongProblem::Codec { codec })?;
            let mut recording = Recording::new(1);
            let mut block = Vec::new();
            let mut rate = None;
            let mut life = Life::default();
            while let Some(sample_rate) = decoder.next(&mut block).await? {
                life.sign();
                rate.get_or_insert(sample_rate);
                recording.push(&block)?;
                block.clear();
            }
            recording.finish(rate.unwrap_or(44_100))
        }
    }
}

/// A WAV file in the making. Finished pieces are the browser's to keep, on disk
/// if it likes.
pub(super) struct Recording {
    channels: u16,
    pieces: Tail<Blob>,
    bytes: Vec<u8>,
    /// Samples in `bytes`.
    samples: u64,
}

impl Recording {
    /// Nothing yet, in this many channels.
    pub(super) fn new(channels: u16) -> Self {
        Self::of_the_last(u64::MAX, channels)
    }

    /// Nothing yet; of what comes the last `frames` are kept, and a little more.
    pub(super) fn of_the_last(frames: u64, channels: u16) -> Self {
        let pieces = Tail::new(frames.saturating_mul(channels.into()));
        Self { channels, pieces, bytes: Vec::new(), samples: 0 }
    }

    /// Takes samples in, one of each channel after the other.
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<(), SongProblem> {
        wav::append(samples, &mut self.bytes);
        self.samples += samples.len() as u64;
        if self.bytes.len() >= PIECE { self.put_away() } else { Ok(()) }
    }

    /// The file, and its length in seconds.
    pub(super) fn finish(mut self, sample_rate: u32) -> Result<(File, f64), SongProblem> {
        self.put_away()?;
        let frames = self.pieces.samples() / u64::from(self.channels);
        let header = Uint8Array::from(wav::header(sample_rate, self.channels, frames).as_slice());
        let parts: Array =
            [JsValue::from(header)].into_iter().chain(self.pieces.into_pieces().map(Into::into)).collect();
        let options = FilePropertyBag::new();
        options.set_type("audio/wav");
        let file =
            File::new_with_blob_sequence_and_options(&parts, "recording.wav", &options).map_err(refused)?;
        Ok((file, frames as f64 / f64::from(sample_rate.max(1))))
    }

    fn put_away(&mut self) -> Result<(), SongProblem> {
        let options = BlobPropertyBag::new();
        options.set_type("audio/wav");
        let parts: Array = [JsValue::from(Uint8Array::from(self.bytes.as_slice()))].into_iter().collect();
        let piece = Blob::new_with_u8_array_sequence_and_options(&parts, &options).map_err(refused)?;
        self.pieces.push(piece, self.samples);
        self.samples = 0;
        self.bytes.clear();
        Ok(())
    }
}

fn refused(error: JsValue) -> SongProblem {
    SongProblem::Engine { detail: format!("the browser keeps no recording: {error:?}") }
}
