//! Codecs that are the browser's: Opus, HE-AAC.
//!
//! In: the packets of a track. Out: mono blocks. Reference: W3C *WebCodecs*,
//! `AudioDecoder`. `web-sys` has it only among its unstable interfaces, so what
//! is needed of it is declared here.

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

/// Packets that the browser has at a time.
const QUEUE: u32 = 16;

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
    decoder: AudioDecoder,
    news: UnboundedReceiver<News>,
    tell: mpsc::UnboundedSender<News>,
    waiting: VecDeque<(Vec<f32>, u32)>,
    ended: bool,
    flushed: bool,
    /// Samples of the first packet, to see whether the decoder left out the
    /// lead-in itself.
    first_packet: Option<u64>,
    heard_first: bool,
    lead_in: u64,
    left: Option<u64>,
    _closures: [Closure<dyn FnMut(JsValue)>; 3],
}

impl Drop for BrowserCodec {
    fn drop(&mut self) {
        // It may have said already that there is room, to what is gone by the time it is heard.
        let _ = Reflect::set(&self.decoder, &"ondequeue".into(), &JsValue::NULL);
        // Already closed where it failed.
        let _ = self.decoder.close();
    }
}

fn object(entries: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (key, value) in entries {
        // Setting a property of a plain object cannot fail.
        let _ = Reflect::set(&object, &(*key).into(), value);
    }
    object
}

/// A decoder that is set up, and what it says.
struct Parts {
    decoder: AudioDecoder,
    news: UnboundedReceiver<News>,
    tell: mpsc::UnboundedSender<News>,
    closures: [Closure<dyn FnMut(JsValue)>; 3],
}

impl Parts {
    async fn new(config: &PacketConfig) -> Option<Self> {
        get(&js_sys::global(), "AudioDecoder")?;
        let configuration = object(&[
            ("codec", config.codec.as_str().into()),
            ("sampleRate", config.sample_rate.into()),
            ("numberOfChannels", (config.channels as u32).into()),
            ("description", Uint8Array::from(config.description.as_slice()).into()),
        ]);
        let support = JsFuture::from(AudioDecoder::is_config_supported(&configuration).ok()?).await.ok()?;
        get(&support, "supported").filter(JsValue::is_truthy)?;

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
        if decoder.configure(&configuration).is_err() {
            let _ = decoder.close();
            return None;
        }
        Some(Self { decoder, news, tell, closures: [output, error, room] })
    }
}

impl BrowserCodec {
    /// A decoder for the track, where the browser has one.
    ///
    /// # Errors
    /// The track, where it has none.
    pub(super) async fn new(reader: PacketReader) -> Result<Self, PacketReader> {
        let Some(Parts { decoder, news, tell, closures }) = Parts::new(reader.config()).await else {
            return Err(reader);
        };
        let (lead_in, left) = (reader.config().lead_in, reader.config().length);
        Ok(Self {
            reader,
            decoder,
            news,
            tell,
            waiting: VecDeque::new(),
            ended: false,
            flushed: false,
            first_packet: None,
            heard_first: false,
            lead_in,
            left,
            _closures: closures,
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
    /// [`SongProblem::Damaged`] where the browser gives up, and as
    /// [`PacketReader::next_packet`].
    pub(super) async fn next(&mut self, block: &mut Vec<f32>) -> Result<Option<u32>, SongProblem> {
        loop {
            if let Some((samples, sample_rate)) = self.waiting.pop_front() {
                block.extend(samples);
                return Ok(Some(sample_rate));
            }
            if self.flushed {
                return Ok(None);
            }
            self.feed()?;
            // There is a sender in `self`, so the channel never closes.
            match self.news.next().await {
                Some(News::Block { samples, sample_rate }) => self.take(samples, sample_rate),
                Some(News::Room) => {}
                Some(News::Flushed) | None => self.flushed = true,
                Some(News::Failed(detail)) => return Err(SongProblem::Damaged { detail }),
            }
        }
    }

    /// Gives packets to the browser until its queue is full.
    fn feed(&mut self) -> Result<(), SongProblem> {
        while !self.ended && self.decoder.decode_queue_size() < QUEUE {
            let Some(EncodedPacket { data, timestamp, duration }) = self.reader.next_packet()? else {
                self.ended = true;
                let flushed = self.decoder.flush().map_err(damaged)?;
                let tell = self.tell.clone();
                spawn_local(async move {
                    let news = match JsFuture::from(flushed).await {
                        Ok(_) => News::Flushed,
                        Err(error) => News::Failed(message(&error)),
                    };
                    // The song may have been closed meanwhile.
                    let _ = tell.unbounded_send(news);
                });
                return Ok(());
            };
            let rate = f64::from(self.reader.config().sample_rate);
            self.first_packet.get_or_insert((duration as f64 * 1e-6 * rate).round() as u64);
            let chunk = EncodedAudioChunk::new(&object(&[
                // Every packet of an audio codec stands for itself.
                ("type", "key".into()),
                ("timestamp", (timestamp as f64).into()),
                ("duration", (duration as f64).into()),
                ("data", Uint8Array::from(&data[..]).into()),
            ]));
            self.decoder.decode(&chunk.map_err(damaged)?).map_err(damaged)?;
        }
        Ok(())
    }

    /// Takes a decoded block, less what is lead-in or padding.
    fn take(&mut self, mut samples: Vec<f32>, sample_rate: u32) {
        if !self.heard_first {
            self.heard_first = true;
            if self.first_packet.is_some_and(|expected| (samples.len() as u64) < expected) {
                self.lead_in = 0;
            }
        }
        let cut = (self.lead_in).min(samples.len() as u64);
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

fn damaged(error: JsValue) -> SongProblem {
    SongProblem::Damaged { detail: message(&error) }
}
