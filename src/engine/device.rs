//! The GPU, if there is one worth it.
//!
//! In: nothing. Out: burn's device and what it calls itself. Software
//! adapters are found out before burn starts, because burn cannot be started
//! twice in one worker.

use burn::tensor::Device;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::{protocol::EngineProblem, serve::scope};

/// The GPU, through WebGPU.
///
/// # Errors
/// Why there is none. With `software` a software adapter is none of the
/// reasons.
pub(super) async fn gpu(software: bool) -> Result<(Device, String), EngineProblem> {
    let (name, is_software) = adapter().await?;
    if is_software && !software {
        return Err(EngineProblem::Software { adapter: name });
    }
    let device = Device::wgpu_options().init_async().await;
    device.map(|device| (device, name)).map_err(|error| EngineProblem::Failed { detail: error.to_string() })
}

/// Description of the adapter that burn will get, and whether it is software.
async fn adapter() -> Result<(String, bool), EngineProblem> {
    let gpu = get(&scope().navigator(), "gpu").ok_or(EngineProblem::NoWebGpu)?;
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
pub(super) fn get(object: &JsValue, key: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &key.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}
