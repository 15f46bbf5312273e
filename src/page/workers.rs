//! The workers themselves: real ones, in the browser, for the pool's orders.
//!
//! In: the pool's actions. Out: the workers' answers as events for the pool. One
//! compiled module is posted to all of them; a message is
//! `{ body: string, attachments: any[] }` (`engine::protocol`).

use std::collections::HashMap;

use gloo::events::EventListener;
use js_sys::{Array, ArrayBuffer, Float32Array, Uint8Array, WebAssembly};
use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ErrorEvent, MessageEvent, MessagePort, Url, Worker, WorkerOptions, WorkerType};

use super::browser;
use super::download::{self, DownloadProblem};
use crate::engine::adapter::adapter;
use crate::engine::pool::{Event, WorkerId};
use crate::engine::protocol::{self, EngineProblem, Request, Role};

/// Where the engine lies, by the `needledrop-engine` tag that the build writes.
#[derive(Clone, Debug)]
pub(crate) struct EngineAddress {
    folder: String,
}

impl EngineAddress {
    /// The folder as an absolute address, since workers have another base than
    /// the document.
    pub(crate) fn of_page() -> Option<Self> {
        let folder = browser::meta("needledrop-engine")?;
        let base = document().base_uri().ok().flatten()?;
        let folder = Url::new_with_base(&folder, &base).ok()?.href();
        Some(Self { folder })
    }

    /// The address of a file in it.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }
}

/// Bytes of a download, by a tag that the build writes; a compressed answer's
/// `Content-Length` would not tell.
pub(crate) fn announced_bytes(tag: &str) -> Option<f64> {
    // Whole numbers: to read any other takes a table of ten kilobytes.
    browser::meta(tag)?.parse::<u32>().ok().filter(|bytes| *bytes > 0).map(f64::from)
}

/// Loads and compiles the engine.
///
/// # Errors
/// [`DownloadProblem`].
pub(crate) async fn load_engine(
    address: &EngineAddress,
    arrived: impl FnMut(f64) + 'static,
) -> Result<WebAssembly::Module, DownloadProblem> {
    download::module(&address.file("engine_bg.wasm"), arrived).await
}

/// Processors that the browser admits to.
pub(crate) fn cores() -> usize {
    let cores = window().navigator().hardware_concurrency();
    if cores.is_finite() && cores >= 1.0 { cores as usize } else { 1 }
}

/// Sees whether there is a GPU and loads the engine that runs on it.
///
/// # Errors
/// Why there is none.
pub(crate) async fn load_gpu_engine(
    address: &EngineAddress,
    software: bool,
) -> Result<WebAssembly::Module, EngineProblem> {
    let (adapter, is_software) = adapter(&window().navigator()).await?;
    if is_software && !software {
        return Err(EngineProblem::Software { adapter });
    }
    let module = download::module(&address.file("gpu_bg.wasm"), |_| {}).await;
    module.map_err(|_| EngineProblem::Unreachable)
}

/// The engine, compiled, and every worker that runs it.
pub(crate) struct Crew {
    address: EngineAddress,
    module: WebAssembly::Module,
    gpu_module: Option<WebAssembly::Module>,
    workers: HashMap<WorkerId, Hired>,
}

struct Hired {
    worker: Worker,
    /// Dropped with the worker, so that a dead one is not listened to.
    _ears: [EventListener; 3],
}

impl Crew {
    /// Nobody yet.
    pub(crate) fn new(address: EngineAddress, module: WebAssembly::Module) -> Self {
        Self { address, module, gpu_module: None, workers: HashMap::new() }
    }

    /// Where the engine lies.
    pub(crate) fn address(&self) -> EngineAddress {
        self.address.clone()
    }

    /// Takes the engine that runs on a GPU.
    pub(crate) fn equip(&mut self, gpu_module: WebAssembly::Module) {
        self.gpu_module = Some(gpu_module);
    }

    /// Starts a worker; `happened` gets all it says.
    ///
    /// # Errors
    /// What the browser says where it starts none.
    pub(crate) fn spawn(
        &mut self,
        id: WorkerId,
        role: Role,
        happened: impl Fn(Event<JsValue>) + Clone + 'static,
    ) -> Result<(), JsValue> {
        let (loader, module) = match (role, &self.gpu_module) {
            (Role::Gpu, Some(module)) => ("gpu-loader.js", module.clone()),
            _ => ("engine-loader.js", self.module.clone()),
        };
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(&self.address.file(loader), &options)?;
        let ears = ears(&worker, id, happened);
        let first = browser::object(&[("module", module.into())]);
        worker.post_message(&first)?;
        self.workers.insert(id, Hired { worker, _ears: ears });
        Ok(())
    }

    /// Posts a request. Ports can only be handed over; of the rest, what owns
    /// memory is handed over with `transfer` and copied without.
    ///
    /// # Errors
    /// What the browser says where an attachment cannot be posted.
    pub(crate) fn send(
        &self,
        id: WorkerId,
        request: &Request,
        attachments: &[JsValue],
        transfer: bool,
    ) -> Result<(), JsValue> {
        let Some(hired) = self.workers.get(&id) else { return Ok(()) };
        let body = protocol::write(request).map_err(|error| JsValue::from_str(&error.to_string()))?;
        let message = browser::object(&[
            ("body", JsValue::from_str(&body)),
            ("attachments", attachments.iter().collect::<Array>().into()),
        ]);
        let handed_over =
            attachments.iter().filter_map(|thing| owned_memory(thing, transfer)).collect::<Array>();
        hired.worker.post_message_with_transfer(&message, &handed_over)
    }

    /// Ends a worker in the middle of whatever it does.
    pub(crate) fn terminate(&mut self, id: WorkerId) {
        if let Some(hired) = self.workers.remove(&id) {
            hired.worker.terminate();
        }
    }
}

/// What of an attachment is handed over.
fn owned_memory(thing: &JsValue, transfer: bool) -> Option<JsValue> {
    if thing.is_instance_of::<MessagePort>() {
        Some(thing.clone())
    } else if !transfer {
        None
    } else if thing.is_instance_of::<ArrayBuffer>() {
        Some(thing.clone())
    } else if ArrayBuffer::is_view(thing) {
        Some(browser::property(thing, "buffer"))
    } else {
        None
    }
}

fn ears(
    worker: &Worker,
    id: WorkerId,
    happened: impl Fn(Event<JsValue>) + Clone + 'static,
) -> [EventListener; 3] {
    let (said, failed, garbled) = (happened.clone(), happened.clone(), happened);
    let died = move |detail: &str| Event::Died { worker: id, detail: detail.to_owned() };
    [
        EventListener::new(worker, "message", move |event| {
            said(event.dyn_ref().map_or_else(|| died("no message"), |event| read(id, event)));
        }),
        EventListener::new(worker, "error", move |event| {
            event.prevent_default();
            let detail = event.dyn_ref().map(ErrorEvent::message).unwrap_or_default();
            failed(died(&detail));
        }),
        EventListener::new(worker, "messageerror", move |_| garbled(died("messageerror"))),
    ]
}

/// A worker's message as an event; one that cannot be read is its death.
fn read(worker: WorkerId, message: &MessageEvent) -> Event<JsValue> {
    let data = message.data();
    let body = browser::property(&data, "body").as_string().unwrap_or_default();
    match protocol::read(&body) {
        Ok(reply) => {
            let attachments = browser::property(&data, "attachments").dyn_into::<Array>();
            Event::Reply {
                worker,
                reply,
                attachments: attachments.map_or_else(|_| Vec::new(), |all| all.to_vec()),
            }
        }
        Err(error) => Event::Died { worker, detail: error.to_string() },
    }
}

/// The bytes of an attachment that is a `Uint8Array`; none of another.
pub(crate) fn attached_bytes(attachment: Option<JsValue>) -> Vec<u8> {
    attachment
        .and_then(|thing| thing.dyn_into::<Uint8Array>().ok())
        .map_or_else(Vec::new, |bytes| bytes.to_vec())
}

/// Numbers that came with a message; none where there are none.
pub(crate) fn attached_floats(attachment: Option<JsValue>) -> Vec<f32> {
    attachment
        .and_then(|thing| thing.dyn_into::<Float32Array>().ok())
        .map_or_else(Vec::new, |numbers| numbers.to_vec())
}
