//! Codecs that are the browser's: Opus, HE-AAC.
//!
//! In: the packets of a track. Out: mono blocks. Reference: W3C *WebCodecs*,
//! `AudioDecoder`. `web-sys` has it only among its unstable interfaces, so what
//! is needed of it is declared here.
//!
//! A decoder that fails is closed, with all that it still had. So packets are kept until
//! their sound has come: of what is left then, the first is what it failed on, which is
//! counted and becomes silence; the others are given to the next decoder.

use std::collections::VecDeque;

use futures_channel::mpsc::{self, UnboundedReceiver};
use futures_util::StreamExt;
use js_sys::{Float32Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsValue, prelude::*};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::{
    adapter::get,
    decoder::mix,
    protocol::{SongNotice, SongProblem},
};
use crate::sound::packets::{EncodedPacket, PacketConfig, PacketReader};

/// Packets that wait in the browser at a time.
const QUEUE: u32 = 16;

/// Packets that it can have at most whose sound has not come: those, and what it is at.
const MOST_UNHEARD: usize = 64;

/// Failures without a block of sound in between after which a song is given up: before there
/// was any, and since, where a few kilobytes of zeros are so many packets.
const MOST_FAILURES_AT_FIRST: u32 = 16;
const MOST_FAILURES: u32 = 256;

/// Difference in µs by which a block counts as long as its packet: both are rounded.
const ROUNDING: f64 = 1000.0;

/// Silence in place of one packet, in µs, at most: a container can say anything.
const LONGEST_PACKET: f64 = 300_000.0;

#[wasm_bindgen]
extern "C" {
    type AudioDecoder;
    #[wasm_bindgen(constructor, catch)]
    fn new(init: &Object) -> Result<AudioDecoder, JsValue>;
    #[wasm_bindgen(static_method_of = AudioDecoder, catch, js_name = isConfigSupported)]
    fn is_config_supported(config: &Object) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn configure(this: &AudioDecoder, config: &Object) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn decode(this: &AudioDecoder, chunk: &EncodedAudioChunk) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn flush(this: &AudioDecoder) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn close(this: &AudioDecoder) -> Result<(), JsValue>;
    #[wasm_bindgen(method, getter, js_name = decodeQueueSize)]
    fn decode_queue_size(this: &AudioDecoder) -> u32;

    type EncodedAudioChunk;
    #[wasm_bindgen(constructor, catch)]
    fn new(init: &Object) -> Result<EncodedAudioChunk, JsValue>;

    type AudioData;
    #[wasm_bindgen(method, getter, js_name = numberOfFrames)]
    fn number_of_frames(this: &AudioData) -> u32;
    #[wasm_bindgen(method, getter, js_name = numberOfChannels)]
    fn number_of_channels(this: &AudioData) -> u32;
    #[wasm_bindgen(method, getter, js_name = sampleRate)]
    fn sample_rate(this: &AudioData) -> f32;
    #[wasm_bindgen(method, catch, js_name = copyTo)]
    fn copy_to(this: &AudioData, destination: &Float32Array, options: &Object) -> Result<(), JsValue>;
    #[wasm_bindgen(method)]
    fn close(this: &AudioData);
}

/// What the browser's decoder says.
enum News {
    Block {
        samples: Vec<f32>,
        sample_rate: u32,
    },
    /// It took a packet off its queue.
    Room,
    Flushed,
    Failed(String),
}

/// Decodes the packets of a track with the browser.
pub(super) struct BrowserCodec {
    reader: PacketReader,
    running: Running,
    /// The one before, which may still have something to say that nobody hears.
    _failed: Option<Running>,
    /// Packets whose sound has not come yet, in their order.
    packets: VecDeque<EncodedPacket>,
    /// How many of them the decoder has.
    given: usize,
    /// Whether there are no more packets to be read.
    is_read: bool,
    /// Whether the decoder has been told that no more come.
    ended: bool,
    flushed: bool,
    waiting: VecDeque<(Vec<f32>, u32)>,
    /// Whether a block has come.
    sounded: bool,
    /// Rate of the last block, in Hz.
    sample_rate: u32,
    /// What of the first packet's sound has come, in µs.
    come: f64,
    /// How long the last packet was whose sound has come, in µs.
    length: Option<f64>,
    lead_in: u64,
    left: Option<u64>,
    /// Failures since the last block.
    failures: u32,
    /// What the last of them was.
    damage: Option<String>,
}

fn object(entries: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (key, value) in entries {
        // Setting a property of a plain object cannot fail.
        let _ = Reflect::set(&object, &(*key).into(), value);
    }
    object
}

/// What a decoder is asked for and set up with.
fn configuration(config: &PacketConfig) -> Object {
    object(&[
        ("codec", config.codec.as_str().into()),
        ("sampleRate", config.sample_rate.into()),
        ("numberOfChannels", (config.channels as u32).into()),
        ("description", Uint8Array::from(config.description.as_slice()).into()),
    ])
}

/// Whether the browser has a decoder for this.
async fn is_supported(config: &PacketConfig) -> bool {
    if get(&js_sys::global(), "AudioDecoder").is_none() {
        return false;
    }
    let Ok(asked) = AudioDecoder::is_config_supported(&configuration(config)) else { return false };
    let support = JsFuture::from(asked).await;
    support.is_ok_and(|support| get(&support, "supported").is_some_and(|supported| supported.is_truthy()))
}

/// A decoder that is set up, and what it says.
struct Running {
    decoder: AudioDecoder,
    news: UnboundedReceiver<News>,
    tell: mpsc::UnboundedSender<News>,
    _closures: [Closure<dyn FnMut(JsValue)>; 3],
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have said already that there is room, to what is gone by the time it is heard.
        let _ = Reflect::set(&self.decoder, &"ondequeue".into(), &JsValue::NULL);
        // Already closed where it failed.
        let _ = self.decoder.close();
    }
}

impl Running {
    /// Sets a decoder up; `None` where the browser does not.
    fn start(config: &PacketConfig) -> Option<Self> {
        let (tell, news) = mpsc::unbounded();
        // The receiver lives as long as these closures do.
        let (said, failed, dequeued) = (tell.clone(), tell.clone(), tell.clone());
        let output = Closure::<dyn FnMut(JsValue)>::new(move |data: JsValue| {
            let data: AudioData = data.unchecked_into();
            let _ = said.unbounded_send(block(&data));
            data.close();
        });
        let error = Closure::<dyn FnMut(JsValue)>::new(move |error: JsValue| {
            let _ = failed.unbounded_send(News::Failed(message(&error)));
        });
        let room = Closure::<dyn FnMut(JsValue)>::new(move |_| {
            let _ = dequeued.unbounded_send(News::Room);
        });
        let init = object(&[("output", output.as_ref().clone()), ("error", error.as_ref().clone())]);
        let decoder = AudioDecoder::new(&init).ok()?;
        let _ = Reflect::set(&decoder, &"ondequeue".into(), room.as_ref());
        let running = Self { decoder, news, tell, _closures: [output, error, room] };
        running.decoder.configure(&configuration(config)).ok()?;
        Some(running)
    }

    /// Gives it a packet.
    ///
    /// # Errors
    /// What the browser says, as of a decoder that has failed.
    fn decode(&self, packet: &EncodedPacket) -> Result<(), JsValue> {
        let chunk = EncodedAudioChunk::new(&object(&[
            // Every packet of an audio codec stands for itself.
            ("type", "key".into()),
            ("timestamp", (packet.timestamp as f64).into()),
            ("duration", (packet.duration as f64).into()),
            ("data", Uint8Array::from(&packet.data[..]).into()),
        ]))?;
        self.decoder.decode(&chunk)
    }

    /// Has it give out what it still has, and say so.
    ///
    /// # Errors
    /// As [`Self::decode`].
    fn flush(&self) -> Result<(), JsValue> {
        let flushed = self.decoder.flush()?;
        let tell = self.tell.clone();
        spawn_local(async move {
            let news = match JsFuture::from(flushed).await {
                Ok(_) => News::Flushed,
                Err(error) => News::Failed(message(&error)),
            };
            // The song may have been closed meanwhile, or another decoder be at it.
            let _ = tell.unbounded_send(news);
        });
        Ok(())
    }
}

impl BrowserCodec {
    /// A decoder for the track, where the browser has one.
    ///
    /// # Errors
    /// The track, where it has none.
    pub(super) async fn new(reader: PacketReader) -> Result<Self, PacketReader> {
        if !is_supported(reader.config()).await {
            return Err(reader);
        }
        let Some(running) = Running::start(reader.config()) else { return Err(reader) };
        let (lead_in, left) = (reader.config().lead_in, reader.config().length);
        let sample_rate = reader.config().sample_rate;
        Ok(Self {
            reader,
            running,
            _failed: None,
            packets: VecDeque::new(),
            given: 0,
            is_read: false,
            ended: false,
            flushed: false,
            waiting: VecDeque::new(),
            sounded: false,
            sample_rate,
            come: 0.0,
            length: None,
            lead_in,
            left,
            failures: 0,
            damage: None,
        })
    }

    pub(super) fn progress(&self) -> Option<f32> {
        self.reader.progress()
    }

    pub(super) fn notices(&self, heard: f64) -> Vec<SongNotice> {
        self.reader.notices(heard)
    }

    /// Appends the next block and gives its rate; `None` at the end.
    ///
    /// # Errors
    /// [`SongProblem::Damaged`] where the browser fails again and again, or not one packet
    /// could be decoded, and as [`PacketReader::next_packet`].
    pub(super) async fn next(&mut self, block: &mut Vec<f32>) -> Result<Option<u32>, SongProblem> {
        loop {
            if let Some((samples, sample_rate)) = self.waiting.pop_front() {
                block.extend(samples);
                return Ok(Some(sample_rate));
            }
            if self.flushed {
                return match self.damage.take() {
                    Some(detail) if !self.sounded => Err(SongProblem::Damaged { detail }),
                    _ => Ok(None),
                };
            }
            self.feed()?;
            // There is a sender in `self`, so the channel never closes.
            match self.running.news.next().await {
                Some(News::Block { samples, sample_rate }) => self.take(samples, sample_rate),
                Some(News::Room) => {}
                Some(News::Flushed) | None => self.flushed = true,
                Some(News::Failed(detail)) => self.go_on(detail)?,
            }
        }
    }

    /// Gives packets to the browser until its queue is full.
    fn feed(&mut self) -> Result<(), SongProblem> {
        while !self.ended && self.running.decoder.decode_queue_size() < QUEUE {
            if self.given == self.packets.len() && !self.is_read {
                match self.reader.next_packet()? {
                    Some(packet) => self.packets.push_back(packet),
                    // It is not to be asked again: behind it another song may begin.
                    None => self.is_read = true,
                }
            }
            let told = match self.packets.get(self.given) {
                Some(packet) => {
                    self.given += 1;
                    self.running.decode(packet)
                }
                None => {
                    self.ended = true;
                    self.running.flush()
                }
            };
            if let Err(error) = told {
                // It has failed. What it said before comes first.
                let _ = self.running.tell.unbounded_send(News::Failed(message(&error)));
                return Ok(());
            }
            if self.given > MOST_UNHEARD {
                self.packets.pop_front();
                (self.given, self.come) = (self.given - 1, 0.0);
            }
        }
        Ok(())
    }

    /// Takes a decoded block, and lets go of the packets that it is the sound of.
    fn take(&mut self, samples: Vec<f32>, sample_rate: u32) {
        let mut come = samples.len() as f64 * 1e6 / f64::from(sample_rate.max(1));
        let is_first = !std::mem::replace(&mut self.sounded, true) && self.damage.is_none();
        if let Some(first) = self.packets.front().filter(|_| is_first) {
            let first = first.duration as f64;
            let expected = first * 1e-6 * f64::from(self.reader.config().sample_rate);
            if (samples.len() as u64) < expected.round() as u64 {
                // The decoder has left out the lead-in itself, which may be of several packets.
                let lead_in = std::mem::take(&mut self.lead_in);
                come += lead_in as f64 * 1e6 / f64::from(self.reader.config().sample_rate);
            }
        }
        self.failures = 0;
        self.sample_rate = sample_rate;
        self.come += come;
        while self.given > 0
            && self.come > ROUNDING
            && let Some(packet) = self.packets.front()
            && self.come + ROUNDING >= packet.duration as f64
        {
            // One that does not say how long it is is as long as what has come.
            let length = if packet.duration > 0 { packet.duration as f64 } else { self.come };
            self.come -= length;
            // What rounding leaves would add up, and come to a packet by and by.
            if self.come.abs() <= ROUNDING {
                self.come = 0.0;
            }
            self.length = Some(length);
            self.packets.pop_front();
            self.given -= 1;
        }
        self.put(samples, sample_rate);
    }

    /// Goes on with another decoder behind what this one has failed on: the packet whose
    /// sound should have come next.
    fn go_on(&mut self, detail: String) -> Result<(), SongProblem> {
        self.failures += 1;
        let most = if self.sounded { MOST_FAILURES } else { MOST_FAILURES_AT_FIRST };
        let running = Running::start(&self.reader.config().midway());
        let Some(running) = running.filter(|_| self.failures <= most) else {
            return Err(SongProblem::Damaged { detail });
        };
        self._failed = Some(std::mem::replace(&mut self.running, running));
        self.damage = Some(detail);
        (self.given, self.ended) = (0, false);
        match self.packets.pop_front() {
            Some(packet) => {
                self.reader.count_damage();
                // What it says itself may be what is damaged.
                let length = self.length.unwrap_or(packet.duration as f64).min(LONGEST_PACKET);
                let frames = (length - self.come).max(0.0) * 1e-6 * f64::from(self.sample_rate);
                self.put(vec![0.0; frames.round() as usize], self.sample_rate);
            }
            // All that there was had been decoded.
            None => self.flushed = self.is_read,
        }
        self.come = 0.0;
        Ok(())
    }

    /// Has a block handed out, less what is lead-in or padding.
    fn put(&mut self, mut samples: Vec<f32>, sample_rate: u32) {
        let cut = self.lead_in.min(samples.len() as u64);
        self.lead_in -= cut;
        samples.drain(..cut as usize);
        if let Some(left) = &mut self.left {
            samples.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= samples.len() as u64;
        }
        if !samples.is_empty() {
            self.waiting.push_back((samples, sample_rate));
        }
    }
}

fn block(data: &AudioData) -> News {
    let frames = data.number_of_frames();
    let mut failure = None;
    let channels: Vec<Vec<f32>> = (0..data.number_of_channels())
        .map(|channel| {
            let plane = Float32Array::new_with_length(frames);
            let options = object(&[("planeIndex", channel.into()), ("format", "f32-planar".into())]);
            if let Err(error) = data.copy_to(&plane, &options) {
                failure = Some(message(&error));
            }
            plane.to_vec()
        })
        .collect();
    if let Some(detail) = failure {
        return News::Failed(detail);
    }
    let mut samples = Vec::new();
    mix(channels.into_iter(), &mut samples);
    News::Block { samples, sample_rate: data.sample_rate() as u32 }
}

fn message(error: &JsValue) -> String {
    get(error, "message")
        .and_then(|message| message.as_string())
        .unwrap_or_else(|| "the browser gave up".to_owned())
}
