//! Files of this site, with progress.
//!
//! In: an address below the page's own. Out: its bytes or its compiled
//! WebAssembly module, and on the way how many bytes have come.

use js_sys::{ArrayBuffer, Promise, Reflect, Uint8Array, WebAssembly};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, Response};

use super::browser;

/// Why a file of this site could not be had.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DownloadProblem {
    /// No answer at all.
    Offline,
    /// An answer that is no success: its HTTP status.
    Refused(u16),
    /// It came and is not what it should be: what the browser says.
    Unusable(String),
}

fn unusable(error: &JsValue) -> DownloadProblem {
    DownloadProblem::Unusable(browser::describe(error))
}

async fn fetch(url: &str) -> Result<Response, DownloadProblem> {
    let answer = JsFuture::from(leptos::prelude::window().fetch_with_str(url)).await;
    let response: Response =
        answer.map_err(|_| DownloadProblem::Offline)?.dyn_into().map_err(|other| unusable(&other))?;
    if response.ok() { Ok(response) } else { Err(DownloadProblem::Refused(response.status())) }
}

/// Reads `response` to its end, telling how many bytes have come; gives the
/// chunks to `keep`.
async fn drain(
    response: &Response,
    mut arrived: impl FnMut(f64),
    mut keep: impl FnMut(Uint8Array),
) -> Result<(), DownloadProblem> {
    let Some(body) = response.body() else { return Ok(()) };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut received = 0.0;
    loop {
        let step = JsFuture::from(reader.read()).await.map_err(|_| DownloadProblem::Offline)?;
        let chunk = Reflect::get(&step, &JsValue::from_str("value")).unwrap_or_default();
        let Ok(chunk) = chunk.dyn_into::<Uint8Array>() else { return Ok(()) };
        received += f64::from(chunk.byte_length());
        arrived(received);
        keep(chunk);
    }
}

/// The whole file.
///
/// # Errors
/// [`DownloadProblem`], the connection breaking off half-way included.
pub(crate) async fn bytes(url: &str, arrived: impl FnMut(f64)) -> Result<ArrayBuffer, DownloadProblem> {
    let response = fetch(url).await?;
    let mut chunks = Vec::new();
    drain(&response, arrived, |chunk| chunks.push(chunk)).await?;
    let file = Uint8Array::new_with_length(chunks.iter().map(Uint8Array::length).sum());
    let mut offset = 0;
    for chunk in &chunks {
        file.set(chunk, offset);
        offset += chunk.length();
    }
    Ok(file.buffer())
}

/// The file compiled while it comes.
///
/// The browser keeps the machine code of a module only where
/// `compileStreaming` gets the response itself, so progress is counted on a
/// clone of it. A host that serves `.wasm` under another type than
/// `application/wasm` makes that call fail: then it is compiled from its bytes.
///
/// # Errors
/// [`DownloadProblem`].
pub(crate) async fn module(
    url: &str,
    mut arrived: impl FnMut(f64) + 'static,
) -> Result<WebAssembly::Module, DownloadProblem> {
    let response = fetch(url).await?;
    if let Ok(counted) = response.clone() {
        leptos::task::spawn_local(async move {
            // A connection that breaks off is reported by the compiler below.
            let _ = drain(&counted, &mut arrived, drop).await;
        });
    }
    let streaming = WebAssembly::compile_streaming(&Promise::resolve(&response).unchecked_into());
    let module = match JsFuture::from(streaming).await {
        Ok(module) => module,
        Err(_) => {
            let file = bytes(url, |_| {}).await?;
            JsFuture::from(WebAssembly::compile(&file)).await.map_err(|error| unusable(&error))?
        }
    };
    module.dyn_into().map_err(|other: JsValue| unusable(&other))
}
