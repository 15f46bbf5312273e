//! The loop of a worker.
//!
//! In: messages as [`protocol`](super::protocol) describes them. Out: replies.
//! Requests are handled one after the other in the order they came, though a
//! GPU or WebCodecs answers them in its own time.

use futures_channel::mpsc::{self, UnboundedReceiver};
use futures_util::StreamExt;
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use super::{
    classifying::Classifying,
    protocol::{self, EngineProblem, PROTOCOL_VERSION, Reply, Request, Role},
};
#[cfg(not(feature = "gpu"))]
use super::{decoder::Decoding, microphone::Listening};

/// A request with what came with it.
pub(super) struct Message {
    pub(super) request: Request,
    pub(super) attachments: Vec<JsValue>,
}

/// Serves the page until it ends this worker.
pub fn serve() {
    console_error_panic_hook::set_once();
    let (sender, receiver) = mpsc::unbounded();
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        // The loop below holds the receiver for as long as this worker lives.
        let _ = sender.unbounded_send(event.data());
    });
    scope().set_onmessage(Some(heard.as_ref().unchecked_ref()));
    heard.forget();
    spawn_local(answer_all(receiver));
}

async fn answer_all(mut messages: UnboundedReceiver<JsValue>) {
    let mut worker: Option<Worker> = None;
    while let Some(data) = messages.next().await {
        // What cannot be read is no request of ours: a page of another version
        // is told so when it says `Start`.
        let Some(message) = read(&data) else { continue };
        match (&mut worker, message.request) {
            (_, Request::Start { protocol, .. }) if protocol != PROTOCOL_VERSION => {
                let problem = EngineProblem::Protocol { page: protocol, engine: PROTOCOL_VERSION };
                post(&Reply::Unavailable(problem), &[]);
            }
            (None, Request::Start { role, software, flex, .. }) => {
                worker = Worker::start(role, software, flex).await;
            }
            (Some(worker), request) => {
                worker.answer(Message { request, attachments: message.attachments }).await;
            }
            (None, _) => {}
        }
    }
}

/// What a worker is, by its role. The engine with the GPU's part has no decoders:
/// it is never asked for what the other can do.
enum Worker {
    #[cfg(not(feature = "gpu"))]
    Decoding(Decoding),
    #[cfg(not(feature = "gpu"))]
    Listening(Listening),
    Classifying(Box<Classifying>),
}

impl Worker {
    async fn start(role: Role, software: bool, flex: bool) -> Option<Self> {
        let started = now();
        let (worker, device) = match role {
            #[cfg(not(feature = "gpu"))]
            Role::Decoder => (Self::Decoding(Decoding::default()), String::new()),
            #[cfg(not(feature = "gpu"))]
            Role::Microphone => (Self::Listening(Listening::default()), String::new()),
            #[cfg(feature = "gpu")]
            Role::Decoder | Role::Microphone => {
                let detail = "it has no decoders".to_owned();
                post(&Reply::Unavailable(EngineProblem::Failed { detail }), &[]);
                return None;
            }
            Role::Cpu | Role::Gpu => match Classifying::start(role, software, flex).await {
                Ok((classifying, device)) => (Self::Classifying(Box::new(classifying)), device),
                Err(problem) => {
                    post(&Reply::Unavailable(problem), &[]);
                    return None;
                }
            },
        };
        post(&Reply::Ready { protocol: PROTOCOL_VERSION, device, milliseconds: now() - started }, &[]);
        Some(worker)
    }

    async fn answer(&mut self, message: Message) {
        match self {
            #[cfg(not(feature = "gpu"))]
            Self::Decoding(decoding) => decoding.answer(message).await,
            #[cfg(not(feature = "gpu"))]
            Self::Listening(listening) => listening.answer(message),
            Self::Classifying(classifying) => classifying.answer(message).await,
        }
    }
}

/// The worker's global scope.
pub(super) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Milliseconds since the worker began.
pub(super) fn now() -> f64 {
    scope().performance().map_or(0.0, |performance| performance.now())
}

fn read(data: &JsValue) -> Option<Message> {
    let body = Reflect::get(data, &"body".into()).ok()?.as_string()?;
    let request = protocol::read(&body).ok()?;
    let attachments = Reflect::get(data, &"attachments".into()).ok();
    let attachments = attachments.and_then(|list| list.dyn_into::<Array>().ok());
    Some(Message { request, attachments: attachments.map_or_else(Vec::new, |list| list.to_vec()) })
}

/// Sends a reply; typed arrays among the attachments are handed over.
pub(super) fn post(reply: &Reply, attachments: &[JsValue]) {
    let Ok(body) = protocol::write(reply) else { return };
    let message = Object::new();
    let list: Array = attachments.iter().collect();
    let handed_over: Array = attachments
        .iter()
        .filter(|attachment| js_sys::ArrayBuffer::is_view(attachment))
        .filter_map(|view| Reflect::get(view, &"buffer".into()).ok())
        .collect();
    // Setting a property of a plain object, and posting what is of the
    // structured-cloneable kinds that the protocol names, cannot fail.
    let _ = Reflect::set(&message, &"body".into(), &body.into());
    let _ = Reflect::set(&message, &"attachments".into(), &list);
    let _ = scope().post_message_with_transfer(&message, &handed_over);
}
