//! Files of data that a view needs and the page does not: fetched when the view
//! opens.
//!
//! In: the name of a file of `www/data`, and how it is read. Out: what a view
//! makes of it; until it is there, or where it does not come, what is to be said
//! of that.

use std::sync::Arc;

use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::download::{self, DownloadProblem};
use super::words::{self, sentence};
use super::{browser, focus};

/// A file of data, and how it is read.
struct Source<T> {
    file: &'static str,
    read: fn(&str) -> Result<T, String>,
}

impl<T> Clone for Source<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Source<T> {}

/// How far it is.
enum Loaded<T> {
    Coming,
    Here(Arc<T>),
    Failed(DownloadProblem),
}

impl<T: Send + Sync + 'static> Source<T> {
    fn fetch(self, loaded: RwSignal<Loaded<T>>) {
        loaded.set(Loaded::Coming);
        spawn_local(async move {
            let folder = browser::meta("needledrop-data").unwrap_or_else(|| "data/".into());
            let file = download::bytes(&format!("{folder}{}", self.file), |_| {}).await;
            let data = match file.and_then(|file| self.parse(&file)) {
                Ok(data) => Loaded::Here(Arc::new(data)),
                Err(problem) => Loaded::Failed(problem),
            };
            // The view may have been left meanwhile.
            loaded.try_set(data);
        });
    }

    fn parse(self, file: &ArrayBuffer) -> Result<T, DownloadProblem> {
        let bytes = Uint8Array::new(file).to_vec();
        let text =
            std::str::from_utf8(&bytes).map_err(|error| DownloadProblem::Unusable(error.to_string()))?;
        (self.read)(text).map_err(DownloadProblem::Unusable)
    }
}

/// Shows what `show` makes of `file`, once it is there. `what` is the key of the
/// data's name; what `missing` gives stands above the problem where it does not come.
pub(crate) fn with_data<T: Send + Sync + 'static>(
    file: &'static str,
    what: &'static str,
    read: fn(&str) -> Result<T, String>,
    show: fn(Arc<T>) -> AnyView,
    missing: fn() -> AnyView,
) -> impl IntoView {
    let source = Source { file, read };
    let loaded = RwSignal::new(Loaded::Coming);
    source.fetch(loaded);
    let state = move || {
        loaded.with(|loaded| match loaded {
            Loaded::Coming => "loading",
            Loaded::Here(_) => "shown",
            Loaded::Failed(_) => "failed",
        })
    };
    let content = move || {
        loaded.with(|state| match state {
            Loaded::Coming => view! { <p class="quiet">{sentence("data.coming")}</p> }.into_any(),
            // What it shows follows its own signals, and is put up once.
            Loaded::Here(data) => untrack(|| show(data.clone())),
            Loaded::Failed(problem) => {
                let problem = words::load_problem(what, problem);
                view! {
                    {untrack(missing)}
                    <div class="download">
                        <p class="problem" role="alert">{problem}</p>
                        <button
                            class="quiet-button"
                            data-testid="data-again"
                            on:click=move |_| {
                                source.fetch(loaded);
                                focus::hand_on(["[data-testid=data-again]".to_owned()], focus::HEADING);
                            }
                        >
                            {sentence("download.retry")}
                        </button>
                    </div>
                }
                .into_any()
            }
        })
    };
    view! { <div class="data" data-testid="data" data-state=state>{content}</div> }
}
