//! What runs, and how fast; and where it shall run.
//!
//! In: the downloads and the pool's status. Out: them in words, and a switch.

use leptos::prelude::*;

use super::css;
use super::desk::{Desk, Download};
use super::words::{self, sentence};
use super::{focus, workers};
use crate::engine::pool::{Choice, EngineStatus, GpuStatus};
use crate::engine::protocol::Role;

/// The engine's panel.
#[component]
pub(crate) fn EnginePanel() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let state = move || match (desk.engine_download.get(), desk.model_download.get()) {
        (Download::Failed(_), _) | (_, Download::Failed(_)) => "failed",
        (Download::Here, Download::Here) => {
            desk.engine.with(|engine| engine.as_ref().map_or("starting", code))
        }
        _ => "loading",
    };
    view! {
        <section class="panel" aria-labelledby="engine-heading" data-testid="engine" data-state=state>
            <h2 id="engine-heading">{sentence("engine.heading")}</h2>
            <div class="engine-lines">
                {downloads(desk)}
                {move || desk.engine.with(|engine| engine.as_ref().map(|status| view! {
                    <p class="engine-runs" data-testid="engine-runs">{words::runs(status)}</p>
                    <p class="quiet small" data-testid="engine-gpu">{words::gpu(status)}</p>
                }))}
            </div>
            <Switch />
        </section>
    }
}

/// What runs as one word, for tests and styles.
fn code(status: &EngineStatus) -> &'static str {
    match (&status.problem, status.running) {
        (Some(_), _) => "failed",
        (None, Some(Role::Gpu)) => "gpu",
        (None, Some(_)) => "cpu",
        (None, None) => "starting",
    }
}

/// Whether the GPU is on its way, so that its share of the switch can say so.
fn is_starting(status: Option<&EngineStatus>) -> bool {
    status.is_some_and(|status| status.gpu == GpuStatus::Starting)
}

/// What is downloaded before anything can be heard; nothing once it is there.
pub(crate) fn downloads(desk: Desk) -> AnyView {
    let retry = Callback::new(move |()| desk.load());
    view! {
        <DownloadLine
            what="download.engine"
            download=desk.engine_download
            tag="needledrop-engine-bytes"
            retry
        />
        <DownloadLine
            what="download.model"
            download=desk.model_download
            tag="needledrop-model-bytes"
            retry
        />
    }
    .into_any()
}

/// A download with its size; nothing once it is there.
#[component]
pub(crate) fn DownloadLine(
    /// What is downloaded, by the key of its name.
    what: &'static str,
    /// How far it is.
    download: RwSignal<Download>,
    /// The tag that says how large it is.
    tag: &'static str,
    /// Asks for it again.
    retry: Callback<()>,
) -> impl IntoView {
    let total = workers::announced_bytes(tag);
    let share = move |received: f64| total.map_or(0.0, |total| (received / total).clamp(0.0, 1.0));
    move || match download.get() {
        Download::Waiting | Download::Here => None,
        Download::Coming(received) => Some(
            view! {
                <div class="download">
                    <p class="quiet small tabular">{words::loading(what, received, total)}</p>
                    <span class="bar-track" aria-hidden="true">
                        <span
                            class="bar-fill accent"
                            style:transform=css::scale_x(share(received))
                        ></span>
                    </span>
                </div>
            }
            .into_any(),
        ),
        Download::Failed(problem) => Some(
            view! {
                <div class="download">
                    <p class="problem">{words::load_problem(what, &problem)}</p>
                    <button
                        class="quiet-button"
                        data-testid="reload"
                        on:click=move |_| {
                            retry.run(());
                            focus::hand_on(["[data-testid=reload]".to_owned()], focus::HEADING);
                        }
                    >
                        {sentence("download.retry")}
                    </button>
                </div>
            }
            .into_any(),
        ),
    }
}

/// Auto, GPU or CPU.
#[component]
fn Switch() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let places = [
        (Choice::Auto, sentence("engine.auto"), "auto"),
        (Choice::Gpu, sentence("engine.gpu"), "gpu"),
        (Choice::Cpu, sentence("engine.cpu"), "cpu"),
    ];
    let busy = move || desk.engine.with(|engine| is_starting(engine.as_ref()));
    view! {
        <fieldset class="switch" class:busy=busy>
            <legend class="quiet small">{sentence("engine.run_on")}</legend>
            {places
                .into_iter()
                .map(|(choice, word, code)| view! {
                    <label>
                        <input
                            type="radio"
                            name="run-on"
                            class="unseen"
                            value=code
                            data-testid=format!("run-on-{code}")
                            prop:checked=move || desk.choice.get() == choice
                            on:change=move |_| desk.choose(choice)
                        />
                        <span>{word}</span>
                    </label>
                })
                .collect_view()}
        </fieldset>
    }
}
