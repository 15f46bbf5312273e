//! Views whose code comes when they are opened.
//!
//! What only [`code`] reaches stands in a module of its own beside the page's:
//! `scripts/tools/wasm-bindgen` has `wasm-split-cli` take the two apart. In: a view.
//! Out: what puts it up, once that module is there; until then, or where it does
//! not come, what is to be said of that.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

use super::browser;
use super::closer::SongView;
use super::download::DownloadProblem;
use super::experiments::ExperimentsView;
use super::focus;
use super::inside::InsideView;
use super::lesson::LessonView;
use super::library::LibraryView;
use super::map::MapView;
use super::result::ResultView;
use super::shell;
use super::teach::TeachView;
use super::views::{Router, View};
use super::words::{self, sentence, t};

/// How many of `all` are put up: `step`, and so many more each turn.
pub(crate) fn by_turns(step: usize, all: Signal<usize>) -> RwSignal<usize> {
    let shown = RwSignal::new(step);
    spawn_local(async move {
        while let (Some(now), Some(all)) = (shown.try_get_untracked(), all.try_get_untracked()) {
            if now >= all {
                browser::pause(Duration::from_millis(500)).await;
            } else {
                browser::next_turn().await;
                shown.try_update(|shown| *shown += step);
            }
        }
    });
    shown
}

/// What puts up a view of the other module.
#[wasm_split(views, fallible)]
fn code(view: View) -> Result<fn() -> AnyView, SplitLoaderError> {
    Ok(match view {
        View::Library => || LibraryView().into_any(),
        View::Song => || view! { <SongView /> }.into_any(),
        View::Inside => || view! { <InsideView /> }.into_any(),
        View::Map => || view! { <MapView /> }.into_any(),
        View::Experiments => || view! { <ExperimentsView /> }.into_any(),
        View::Teach => || view! { <TeachView /> }.into_any(),
        View::Lesson => || view! { <LessonView /> }.into_any(),
        View::Result => || ResultView().into_any(),
        // It is the page itself.
        View::Listen => || ().into_any(),
    })
}

/// How far it is.
#[derive(Clone, Copy)]
enum Code {
    Coming,
    Here(fn() -> AnyView),
    Failed,
}

fn fetch(view: View, router: Router, state: RwSignal<Code>) {
    state.set(Code::Coming);
    spawn_local(async move {
        // The reason is in the browser's console.
        let arrived = code(view).await.map_or(Code::Failed, Code::Here);
        // The view may have been left meanwhile.
        state.try_set(arrived);
        request_animation_frame(move || shell::enter(router));
    });
}

/// Puts up `view` once its code is there.
pub(crate) fn show(view: View) -> AnyView {
    let router = expect_context::<Router>();
    let state = RwSignal::new(Code::Coming);
    fetch(view, router, state);
    let content = move || {
        match state.get() {
            Code::Coming => {
                view! { <div><p class="quiet" data-state="loading">{sentence("data.coming")}</p></div> }
                    .into_any()
            }
            // What it shows follows its own signals, and is put up once.
            Code::Here(put_up) => untrack(put_up),
            Code::Failed => view! {
                <div class="download">
                    <p class="problem" role="alert">
                        {move || if window().navigator().on_line() {
                            t!("download.view_gone")
                        } else {
                            words::load_problem("download.view", &DownloadProblem::Offline)
                        }}
                    </p>
                    <button class="quiet-button" data-testid="view-again" on:click=move |_| {
                        fetch(view, router, state);
                        focus::hand_on(["[data-testid=view-again]".to_owned()], focus::HEADING);
                    }>
                        {sentence("download.retry")}
                    </button>
                </div>
            }
            .into_any(),
        }
    };
    content.into_any()
}
