//! `decodeAudioData`, the last way left for a song.
//!
//! In: a file whose codec is neither ours nor WebCodecs'. Out: its channels, all
//! at once, and so only up to a stated length.

use std::time::Duration;

use js_sys::{ArrayBuffer, Float32Array, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AudioBuffer, File, OfflineAudioContext};

use super::browser;
use crate::engine::protocol::{SongInfo, SongProblem};

/// Longest song that is decoded so, in seconds: ten minutes of stereo at 48 kHz
/// are 230 MB.
const MOST_SECONDS: f64 = 600.0;

/// Largest file of unknown length, in bytes: ten minutes at 512 kbit/s.
const MOST_BYTES: f64 = 38.4e6;

/// Rates at which every browser makes an `OfflineAudioContext` (Web Audio API,
/// 1.3.1), in Hz.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=96_000;

/// Rate where the declared one is none of these.
const OTHER_RATE: u32 = 48_000;

/// The file's samples: their rate, and one `Float32Array` a channel. The rate
/// is the declared one, so that the browser resamples as little as can be.
///
/// # Errors
/// [`SongProblem::TooLong`], [`SongProblem::Unreadable`], and
/// [`SongProblem::Codec`] where the browser can't either.
pub(crate) async fn in_browser(file: &File, info: &SongInfo) -> Result<(u32, Vec<JsValue>), SongProblem> {
    let declared = info.seconds.unwrap_or(0.0);
    if declared > MOST_SECONDS || declared <= 0.0 && file.size() > MOST_BYTES {
        let (codec, limit) = (info.codec.clone(), MOST_SECONDS);
        return Err(SongProblem::TooLong { codec, seconds: declared, limit });
    }
    let unreadable = |error: JsValue| SongProblem::Unreadable { detail: browser::describe(&error) };
    let bytes = JsFuture::from(file.array_buffer()).await.map_err(unreadable)?;
    let rate = if RATES.contains(&info.sample_rate) { info.sample_rate } else { OTHER_RATE };
    let buffer = decode(&bytes.unchecked_into(), rate)
        .await
        .map_err(|_| SongProblem::Codec { codec: info.codec.clone() })?;
    let mut channels = Vec::new();
    for channel in 0..buffer.number_of_channels() {
        // A copy that can be given away; `web-sys` would make it in this module's
        // memory, which never shrinks, first.
        let samples = browser::call(&buffer, "getChannelData", &[&channel.into()]).map_err(unreadable)?;
        let samples: Float32Array = samples.unchecked_into();
        channels.push(samples.slice(0, samples.length()).into());
        browser::next_turn().await;
    }
    Ok((rate, channels))
}

/// How long the browser may take for a song: longer than any that it can make out.
const PATIENCE: Duration = Duration::from_secs(300);

async fn decode(bytes: &ArrayBuffer, rate: u32) -> Result<AudioBuffer, JsValue> {
    let context =
        OfflineAudioContext::new_with_number_of_channels_and_length_and_sample_rate(1, 1, rate as f32)?;
    let decoding: Promise = context.decode_audio_data(bytes)?;
    // Some browsers leave it open for good, of what they cannot make out.
    browser::at_most(PATIENCE, &decoding).await?.dyn_into()
}

/// An attachment that is a `File`.
pub(crate) fn as_file(attachment: JsValue) -> Option<File> {
    attachment.dyn_into().ok()
}
