//! Whether there is a GPU.
//!
//! In: the browser's `navigator`. Out: what its WebGPU adapter calls itself. The
//! page asks before it downloads the GPU's engine, the worker before it starts
//! burn, which cannot be started twice.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::protocol::EngineProblem;

/// Description of the adapter that burn will get, and whether it is software. In:
/// the `navigator` of the page or of a worker.
///
/// # Errors
/// [`EngineProblem::NoWebGpu`] and [`EngineProblem::NoAdapter`].
pub async fn adapter(navigator: &JsValue) -> Result<(String, bool), EngineProblem> {
    let gpu = get(navigator, "gpu").ok_or(EngineProblem::NoWebGpu)?;
    let request: Function =
        get(&gpu, "requestAdapter").and_then(|it| it.dyn_into().ok()).ok_or(EngineProblem::NoWebGpu)?;
    let options = Object::new();
    // Setting a property of a plain object cannot fail.
    let _ = Reflect::set(&options, &"powerPreference".into(), &"high-performance".into());
    let promise = request.call1(&gpu, &options).map_err(|_| EngineProblem::NoAdapter)?;
    let adapter =
        JsFuture::from(promise.unchecked_into::<Promise>()).await.map_err(|_| EngineProblem::NoAdapter)?;
    if adapter.is_null() || adapter.is_undefined() {
        return Err(EngineProblem::NoAdapter);
    }
    let info = get(&adapter, "info").unwrap_or(JsValue::UNDEFINED);
    let text = |key| get(&info, key).and_then(|value| value.as_string()).unwrap_or_default();
    let mut parts = [text("vendor"), text("architecture"), text("description")].to_vec();
    parts.retain(|part| !part.is_empty());
    // The flag moved from the adapter to its info.
    let flag = |object| get(object, "isFallbackAdapter").is_some_and(|flag| flag.is_truthy());
    Ok((parts.join(" "), flag(&adapter) || flag(&info)))
}

/// A property that is there.
pub(crate) fn get(object: &JsValue, key: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &key.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}
