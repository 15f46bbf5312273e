//! A worker that listens.
//!
//! In: blocks of mono samples from the page's capture worklet, through a port
//! of their own, so that no sound passes the page's thread. Out: the last few
//! seconds as a clip three times a second, columns for display, and at the end all of
//! it, or the last hour, as a WAV file.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Float32Array, Uint8Array};
use wasm_bindgen::{JsCast, prelude::Closure};
use web_sys::{MessageEvent, MessagePort};

use super::{
    decoder::Recording,
    protocol::{ClipFormat, LONGEST_RECORDING, Reply, Request, SongId, SongProblem},
    serve::{Message, post},
};
use crate::{
    sound::{clips::ClipStream, decode::is_sound, resample::Resampler},
    spectrogram::{MelSpectrogram, config::SpectrogramConfig},
};

/// Clips cut from each second of sound.
const CLIPS_A_SECOND: usize = 3;
/// Display columns for each second of sound, about.
const COLUMNS_A_SECOND: u32 = 24;

/// The worker's state.
#[derive(Default)]
pub(super) struct Listening {
    ear: Option<(Rc<RefCell<Ear>>, MessagePort)>,
    heard: Option<Closure<dyn FnMut(MessageEvent)>>,
}

struct Ear {
    song: SongId,
    sample_rate: u32,
    clips: ClipStream,
    recording: Recording,
    display: Display,
    seconds: f64,
    failed: bool,
}

impl Listening {
    pub(super) fn answer(&mut self, message: Message) {
        match message.request {
            Request::Listen { song, format, sample_rate } => {
                let port = message
                    .attachments
                    .into_iter()
                    .next()
                    .and_then(|port| port.dyn_into::<MessagePort>().ok());
                let Some(port) = port else {
                    let problem =
                        SongProblem::Unreadable { detail: "no port came with the request".to_owned() };
                    return post(&Reply::Problem { song, problem }, &[]);
                };
                match Ear::new(song, format, sample_rate) {
                    Ok(ear) => self.listen(ear, port),
                    Err(problem) => post(&Reply::Problem { song, problem }, &[]),
                }
            }
            Request::StopListening { song } => self.stop(song),
            // Not for this role.
            _ => {}
        }
    }

    fn listen(&mut self, ear: Ear, port: MessagePort) {
        let ear = Rc::new(RefCell::new(ear));
        let listener = Rc::clone(&ear);
        let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Ok(block) = event.data().dyn_into::<Float32Array>() {
                listener.borrow_mut().hear(&block.to_vec());
            }
        });
        // This also starts the port.
        port.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        self.heard = Some(heard);
        self.ear = Some((ear, port));
    }

    fn stop(&mut self, song: SongId) {
        let Some((ear, port)) = self.ear.take() else { return };
        port.set_onmessage(None);
        port.close();
        self.heard = None;
        // The listener that shared it is gone with the closure.
        let Some(ear) = Rc::into_inner(ear).map(RefCell::into_inner) else { return };
        match ear.recording.finish(ear.sample_rate) {
            Ok((file, seconds)) => post(&Reply::Recording { song, seconds }, &[file.into()]),
            Err(problem) => post(&Reply::Problem { song, problem }, &[]),
        }
    }
}

impl Ear {
    fn new(song: SongId, format: ClipFormat, sample_rate: u32) -> Result<Self, SongProblem> {
        let hop = format.sample_rate as usize / CLIPS_A_SECOND;
        Ok(Self {
            song,
            sample_rate,
            clips: ClipStream::with_hop(format, sample_rate, hop)?,
            recording: Recording::of_the_last(LONGEST_RECORDING * u64::from(sample_rate), 1),
            display: Display::new(format.sample_rate, sample_rate)?,
            seconds: 0.0,
            failed: false,
        })
    }

    fn hear(&mut self, block: &[f32]) {
        if self.failed {
            return;
        }
        if let Err(problem) = self.take(block) {
            self.failed = true;
            post(&Reply::Problem { song: self.song, problem }, &[]);
        }
    }

    fn take(&mut self, block: &[f32]) -> Result<(), SongProblem> {
        let song = self.song;
        // A driver or a shared tab may give what is no number, of which no filter recovers.
        let block: Vec<f32> =
            block.iter().map(|&sample| if is_sound(sample) { sample } else { 0.0 }).collect();
        let block = &block[..];
        self.seconds += block.len() as f64 / f64::from(self.sample_rate.max(1));
        self.recording.push(block)?;
        let columns = self.display.columns(block)?;
        if !columns.is_empty() {
            let peak = block.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs())).min(1.0);
            let columns = Uint8Array::from(columns);
            post(&Reply::Level { song, seconds: self.seconds, peak }, &[columns.into()]);
        }
        self.clips.push(block)?;
        let mut newest = None;
        while let Some(clip) = self.clips.next_clip() {
            newest = Some(clip);
        }
        if let Some(clip) = newest {
            let samples = Float32Array::from(clip.samples.as_slice());
            let reply = Reply::Clip { song, clip: clip.index, end_seconds: clip.end_seconds, progress: None };
            post(&reply, &[samples.into()]);
        }
        Ok(())
    }
}

/// Columns for the page to draw while it comes in.
struct Display {
    resampler: Resampler,
    spectrogram: MelSpectrogram,
    /// Resampled sound that no column stands for yet.
    ahead: Vec<f32>,
    n_fft: usize,
    hop_length: usize,
    columns: Vec<u8>,
}

impl Display {
    fn new(sample_rate: u32, microphone_rate: u32) -> Result<Self, SongProblem> {
        let config = SpectrogramConfig {
            sample_rate,
            hop_length: (sample_rate / COLUMNS_A_SECOND).max(1) as usize,
            center: false,
            fmax: sample_rate as f32 / 2.0,
            ..SpectrogramConfig::default()
        };
        let spectrogram = MelSpectrogram::new(&config)
            .map_err(|error| SongProblem::Engine { detail: error.to_string() })?;
        Ok(Self {
            resampler: Resampler::new(microphone_rate, sample_rate)?,
            spectrogram,
            ahead: Vec::new(),
            n_fft: config.n_fft,
            hop_length: config.hop_length,
            columns: Vec::new(),
        })
    }

    /// Columns that this block completes, none where it completes none.
    fn columns(&mut self, block: &[f32]) -> Result<&[u8], SongProblem> {
        self.columns.clear();
        self.resampler.push(block, &mut self.ahead)?;
        // At a high rate a hop is longer than a frame.
        let length = self.ahead.len();
        if length >= self.n_fft.max(self.hop_length) {
            let frames = (1 + (length - self.n_fft) / self.hop_length).min(length / self.hop_length);
            self.spectrogram.power(&self.ahead[..(frames - 1) * self.hop_length + self.n_fft]);
            self.spectrogram.columns(&mut self.columns);
            self.ahead.drain(..frames * self.hop_length);
        }
        Ok(&self.columns)
    }
}
