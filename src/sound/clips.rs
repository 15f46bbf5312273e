//! Mono blocks to clips of the length and rate that a model wants.
//!
//! In: blocks of any length, from a [`Decoder`] or from elsewhere (a browser's
//! own decoder, a microphone). Out: clips from the start of the song on. The
//! song ends with its last full clip; one that is shorter than a clip, but not
//! than [`LEAST_SECONDS`], is repeated to fill one.

use std::collections::VecDeque;

use super::{
    MediaSource,
    decode::{Decoder, Opened, Played, open},
    resample::Resampler,
    song::{ClipFormat, LEAST_SECONDS, SongInfo, SongNotice, SongProblem},
};

/// A piece of a song.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Its position among the clips of the song.
    pub index: usize,
    /// [`ClipFormat::samples`] samples at [`ClipFormat::sample_rate`].
    pub samples: Vec<f32>,
    /// Where in the song it ends, in seconds.
    pub end_seconds: f64,
}

/// Cuts a stream of blocks into clips.
pub struct ClipStream {
    format: ClipFormat,
    hop: usize,
    resampler: Resampler,
    /// Resampled sound from the next clip's start on.
    ahead: VecDeque<f32>,
    resampled: Vec<f32>,
    next: usize,
    received: Played,
    notice: Option<SongNotice>,
}

impl ClipStream {
    /// Clips that follow one another without a gap, of blocks at `sample_rate`.
    ///
    /// # Errors
    /// [`SongProblem::SampleRate`] if that is not a rate that is heard.
    pub fn new(format: ClipFormat, sample_rate: u32) -> Result<Self, SongProblem> {
        Self::with_hop(format, sample_rate, format.samples)
    }

    /// Clips that begin `hop` samples (at the clips' rate, from 1 up to a
    /// clip's length) after one another: what is heard live is looked at more
    /// often than every clip.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_hop(format: ClipFormat, sample_rate: u32, hop: usize) -> Result<Self, SongProblem> {
        Ok(Self {
            format,
            hop: hop.clamp(1, format.samples.max(1)),
            resampler: Resampler::new(sample_rate, format.sample_rate)?,
            ahead: VecDeque::new(),
            resampled: Vec::new(),
            next: 0,
            received: Played::default(),
            notice: None,
        })
    }

    /// Takes a block of mono samples.
    ///
    /// # Errors
    /// [`SongProblem::Engine`] if the resampler fails.
    pub fn push(&mut self, block: &[f32]) -> Result<(), SongProblem> {
        self.received.add(block.len(), self.resampler.from());
        self.resampled.clear();
        self.resampler.push(block, &mut self.resampled)?;
        self.ahead.extend(&self.resampled);
        Ok(())
    }

    /// From here on blocks come at another rate.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`push`](Self::push).
    pub fn set_sample_rate(&mut self, sample_rate: u32) -> Result<(), SongProblem> {
        if sample_rate != self.resampler.from() {
            self.flush()?;
            self.resampler = Resampler::new(sample_rate, self.format.sample_rate)?;
        }
        Ok(())
    }

    /// There are no more blocks: what the resampler holds back is cut too, and
    /// a song shorter than a clip is repeated.
    ///
    /// # Errors
    /// [`SongProblem::TooShort`] for less than [`LEAST_SECONDS`].
    pub fn finish(&mut self) -> Result<(), SongProblem> {
        self.flush()?;
        let seconds = self.received.seconds();
        if seconds < LEAST_SECONDS {
            return Err(SongProblem::TooShort { seconds, least: LEAST_SECONDS });
        }
        let length = self.ahead.len();
        if self.next == 0 && (1..self.format.samples).contains(&length) {
            let missing = self.format.samples - length;
            let song = std::mem::take(&mut self.ahead);
            self.ahead = song.iter().copied().cycle().take(length + missing).collect();
            self.notice = Some(SongNotice::Repeated { seconds });
        }
        Ok(())
    }

    /// The next clip, where it is complete.
    pub fn next_clip(&mut self) -> Option<Clip> {
        let samples = self.is_ready().then(|| self.ahead.range(..self.format.samples).copied().collect())?;
        let index = self.next;
        // Not in integers, which are of 32 bits in the browser.
        let end = index as f64 * self.hop as f64 + self.format.samples as f64;
        let end_seconds = end / f64::from(self.format.sample_rate);
        self.advance();
        // A repeated song is not as long as its clip.
        let end_seconds = if self.notice.is_some() { self.received.seconds() } else { end_seconds };
        Some(Clip { index, samples, end_seconds })
    }

    /// Leaves out the next clip, where it is complete; says whether it was.
    pub fn skip_clip(&mut self) -> bool {
        let is_ready = self.is_ready();
        if is_ready {
            self.advance();
        }
        is_ready
    }

    /// Position of the clip that comes next.
    pub fn next_index(&self) -> usize {
        self.next
    }

    /// Seconds of sound that came in.
    pub fn seconds(&self) -> f64 {
        self.received.seconds()
    }

    /// Whether the song was repeated to fill a clip.
    pub fn notice(&self) -> Option<&SongNotice> {
        self.notice.as_ref()
    }

    fn is_ready(&self) -> bool {
        self.ahead.len() >= self.format.samples.max(1)
    }

    fn advance(&mut self) {
        self.ahead.drain(..self.hop);
        self.next += 1;
    }

    fn flush(&mut self) -> Result<(), SongProblem> {
        self.resampled.clear();
        self.resampler.finish(&mut self.resampled)?;
        self.ahead.extend(&self.resampled);
        Ok(())
    }
}

/// A file, clip by clip: what the command line and the page's worker read a
/// song with.
pub struct SongReader {
    decoder: Box<Decoder>,
    clips: ClipStream,
    ended: bool,
}

impl SongReader {
    /// Opens a file that is decoded here.
    ///
    /// # Errors
    /// As [`open`]; [`SongProblem::Codec`] for one that is not.
    pub fn open(file: Box<dyn MediaSource>, format: ClipFormat) -> Result<Self, SongProblem> {
        match open(file)? {
            Opened::Ours(decoder) => Self::new(decoder, format),
            Opened::Packets(reader) => Err(SongProblem::Codec { codec: reader.info().codec.clone() }),
        }
    }

    /// Reads clips from a decoder that has not been asked for a block yet.
    ///
    /// # Errors
    /// [`SongProblem::SampleRate`] if `format` has a rate that is not heard,
    /// [`SongProblem::TooShort`] if there is no sound at all.
    pub fn new(decoder: Box<Decoder>, format: ClipFormat) -> Result<Self, SongProblem> {
        if decoder.sample_rate() == 0 {
            return Err(SongProblem::TooShort { seconds: 0.0, least: LEAST_SECONDS });
        }
        let clips = ClipStream::new(format, decoder.sample_rate())?;
        Ok(Self { decoder, clips, ended: false })
    }

    /// What the file says of itself.
    pub fn info(&self) -> &SongInfo {
        self.decoder.info()
    }

    /// Seconds decoded so far.
    pub fn seconds(&self) -> f64 {
        self.decoder.seconds()
    }

    /// Share of the file that has been read, 0 to 1, where its length is known.
    pub fn progress(&self) -> Option<f32> {
        self.decoder.progress()
    }

    /// What was not as it should be up to here.
    pub fn notices(&self) -> Vec<SongNotice> {
        let mut notices = self.decoder.notices();
        notices.extend(self.clips.notice().cloned());
        notices
    }

    /// The next clip; `None` at the end.
    ///
    /// # Errors
    /// As [`Decoder::next_block`] and [`ClipStream::finish`].
    pub fn next_clip(&mut self) -> Result<Option<Clip>, SongProblem> {
        loop {
            if let Some(clip) = self.clips.next_clip() {
                return Ok(Some(clip));
            }
            if !self.read_on()? {
                return Ok(None);
            }
        }
    }

    /// Goes on with clip `index`, so that the clips from there on are those that
    /// they would be otherwise: what lies before is decoded, and forgotten.
    /// A song that has not as many clips is then at its end.
    ///
    /// # Errors
    /// As [`next_clip`](Self::next_clip).
    pub fn skip_to(&mut self, index: usize) -> Result<(), SongProblem> {
        while self.clips.next_index() < index {
            if !self.clips.skip_clip() && !self.read_on()? {
                break;
            }
        }
        Ok(())
    }

    /// Takes a block from the decoder, or its end; `false` after that.
    fn read_on(&mut self) -> Result<bool, SongProblem> {
        if self.ended {
            return Ok(false);
        }
        match self.decoder.next_block()? {
            Some(block) => {
                self.clips.set_sample_rate(block.sample_rate)?;
                self.clips.push(block.samples)?;
            }
            None => {
                self.ended = true;
                self.clips.finish()?;
            }
        }
        Ok(true)
    }
}
