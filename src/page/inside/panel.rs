//! One step, closely: its pictures, what happens in it, its formula.

use leptos::ev;
use leptos::html::Canvas;
use leptos::prelude::*;
use web_sys::{HtmlInputElement, MouseEvent, PointerEvent};

use super::draw::{self, MOSAIC_COLUMNS};
use super::plot::{Look, Plot, layer, plots, read};
use super::step::Step;
use super::{State, Subject, Way, loading, tell};
use crate::engine::protocol::StageKind;
use crate::page::engine_status::downloads;
use crate::page::model::papers_download;
use crate::page::timeline::Redraw;
use crate::page::words::{self, decimal, grouped, sentence, t};
use crate::page::{colors, focus};

/// The step that is looked at.
#[component]
pub(super) fn Panel(
    /// The view.
    way: Way,
) -> impl IntoView {
    // The layers share their pictures, and whoever chooses a filter stays where
    // he is.
    let kind = Memo::new(move |_| match way.step.get() {
        Step::Layer(_) => Step::Layer(0),
        step => step,
    });
    let place = move || {
        let step = way.step.get();
        let number = way.steps.with(|steps| steps.iter().position(|other| *other == step).unwrap_or(0) + 1);
        t!("inside.place", number = number, steps = way.steps.with(Vec::len))
    };
    let told = move || {
        let told = way.with_look(|look| tell::sentence(look.step, look.shown));
        if told.is_empty() { waiting(way) } else { told }
    };
    view! {
        <section class="inside-panel" aria-labelledby="inside-step" data-testid="inside-panel" data-step=move || way.step.get().code()>
            <div class="inside-onward">
                <p class="quiet small tabular">{place}</p>
                <button
                    class="quiet-button controls"
                    data-testid="inside-back"
                    aria-disabled=move || way.steps.with(|steps| steps.first() == Some(&way.step.get())).to_string()
                    on:click=move |_| way.go_by(-1)
                >
                    {sentence("inside.back")}
                </button>
                <button
                    class="quiet-button controls"
                    data-testid="inside-on"
                    aria-disabled=move || way.steps.with(|steps| steps.last() == Some(&way.step.get())).to_string()
                    on:click=move |_| way.go_by(1)
                >
                    {sentence("inside.on")}
                </button>
            </div>
            <div class="inside-told" aria-live="polite">
                <h2 id="inside-step">{move || tell::name(way.step.get())}</h2>
                <p class="inside-sentence" data-testid="inside-sentence">{told}</p>
                <Trouble way />
            </div>
            <div class="inside-plots">
                {move || plots(kind.get()).iter().map(|plot| view! { <Figure way plot=*plot /> }).collect_view()}
            </div>
            {move || match kind.get() {
                Step::Frame => view! { <FrameChoice way /> }.into_any(),
                Step::Layer(_) => view! { <Filters way /> }.into_any(),
                Step::Softmax => view! { <Shares way /> }.into_any(),
                _ => ().into_any(),
            }}
            <p class="quiet small tabular" data-testid="inside-shape">{move || way.with_look(facts)}</p>
            <details class="inside-formula">
                <summary>{sentence("inside.formula")}</summary>
                <p class="formula" data-testid="inside-formula">
                    {move || way.with_look(|look| tell::formula(look.step, look.shown))}
                </p>
                <p>{move || way.with_look(|look| tell::more(look.step, look.shown))}</p>
            </details>
        </section>
    }
}

/// Whether the question waits until songs of another model have been heard.
fn waits_for_songs(way: Way) -> bool {
    let waits = |subject: &Subject| way.desk.hears_before(subject.model);
    way.state.with(|state| *state == State::Busy)
        && way.subject.with(|subject| subject.as_ref().is_some_and(waits))
}

/// What is said before there are values.
fn waiting(way: Way) -> String {
    way.state.with(|state| match state {
        State::Loading => loading(way.desk),
        State::Busy if waits_for_songs(way) => t!("engine.after_songs"),
        State::Busy => t!("inside.busy"),
        State::Shown | State::Failed(_) => String::new(),
    })
}

/// Why there are no values, and what can be done.
#[component]
fn Trouble(
    /// The view.
    way: Way,
) -> impl IntoView {
    let problem = move || {
        way.state.with(|state| match state {
            State::Failed(problem) => Some(problem.clone()),
            _ => None,
        })
    };
    let is_behind = move || way.shown.with(Option::is_some) && waits_for_songs(way);
    let silent = move || way.shown.with(|shown| shown.as_ref().is_some_and(|shown| !shown.is_sounding()));
    let retry = move |_| {
        way.try_again();
        focus::hand_on(["[data-testid=inside-retry]".to_owned()], "#inside-step");
    };
    view! {
        {move || problem().map(|problem| view! {
            <p class="problem" data-testid="problem">{problem}</p>
            <button class="quiet-button" data-testid="inside-retry" on:click=retry>{sentence("download.retry")}</button>
        })}
        {move || way.state.with(|state| *state == State::Loading).then(|| (
            downloads(way.desk),
            way.router.wants_papers_model().then(|| papers_download(way.desk)),
        ))}
        // What is seen meanwhile is another clip.
        {move || is_behind().then(|| view! { <p class="quiet">{sentence("engine.after_songs")}</p> })}
        {move || silent().then(|| view! { <p class="quiet">{sentence("inside.silence")}</p> })}
    }
}

/// Shape, weights and time.
fn facts(look: Look<'_>) -> String {
    let shape = tell::shape(look.step, look.shown);
    let mut facts = vec![look.shown.card.name.clone(), t!("inside.shape", shape = shape)];
    if let Some(weights) = tell::weights(look.step, look.shown) {
        facts.push(t!("inside.weights", weights = grouped(weights)));
    }
    facts.push(t!("inside.time", time = words::duration(look.shown.milliseconds)));
    facts.join(" · ")
}

/// One picture with its axes.
#[component]
fn Figure(
    /// The view.
    way: Way,
    /// What is drawn.
    plot: Plot,
) -> impl IntoView {
    let redraw = expect_context::<Redraw>();
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        redraw.track();
        let Some(canvas) = canvas.get() else { return };
        // What cannot be drawn is told in words all the same.
        way.with_look(|look| drop((plot.draw)(&canvas, look)));
    });
    let pointed = RwSignal::new(None::<[f64; 2]>);
    let point = move |event: PointerEvent| {
        let Some(canvas) = canvas.get_untracked() else { return };
        let share = |offset: i32, length: i32| (f64::from(offset) / f64::from(length.max(1))).clamp(0.0, 1.0);
        let down = share(event.offset_y(), canvas.client_height());
        pointed.set(Some([1.0 - down, share(event.offset_x(), canvas.client_width())]));
    };
    let caption = move || {
        let read = |place| way.with_look(|look| read(plot, look, place));
        pointed.get().and_then(read).unwrap_or_else(|| way.with_look(plot.label))
    };
    // A picture without a name is read as a nuisance: until there is something to
    // see, it says that it is coming.
    let label = move || match way.with_look(plot.label) {
        label if label.is_empty() => t!("data.coming"),
        label => label,
    };
    let axes = Memo::new(move |_| way.with_look(plot.axes));
    let end = move |index: usize| move || axes.with(|axes| axes[index].clone());
    view! {
        <figure class=format!("inside-figure {}", plot.class)>
            <div class="inside-up tabular" aria-hidden="true">
                <span>{end(1)}</span>
                <span>{end(0)}</span>
            </div>
            <canvas
                node_ref=canvas
                width="1"
                height="1"
                role="img"
                aria-label=label
                on:pointerdown=point
                on:pointermove=point
                // The browser has taken it for scrolling.
                on:pointercancel=move |_| pointed.set(None)
                // A finger leaves as soon as it is lifted, and what it tapped is to be read.
                on:pointerleave=move |event| {
                    if event.pointer_type() != "touch" {
                        pointed.set(None);
                    }
                }
            ></canvas>
            <div class="inside-along tabular" aria-hidden="true">
                {move || axes.with(|axes| {
                    let along = axes[2].split('\n').chain([axes[3].as_str()]);
                    along.map(|end| view! { <span>{end.to_owned()}</span> }).collect_view()
                })}
            </div>
            <figcaption class="quiet small" aria-hidden="true">{caption}</figcaption>
        </figure>
    }
}

/// Which frame is shown.
#[component]
fn FrameChoice(
    /// The view.
    way: Way,
) -> impl IntoView {
    let frames = move || way.shown.with(|shown| shown.as_ref().map_or(1, |shown| shown.cells()[1]));
    let frame = move || way.shown.with(|shown| shown.as_ref().map_or(1, |shown| shown.frame + 1));
    let choose = move |event: ev::Event| {
        let input: HtmlInputElement = event_target(&event);
        if let Some(frame) = input.value().parse::<usize>().ok().and_then(|number| number.checked_sub(1)) {
            way.change(|parameters| parameters.with("frame", frame.to_string()));
        }
    };
    view! {
        <label class="field inside-slider controls">
            {move || t!("inside.frame.choose", number = frame(), frames = frames())}
            <input
                type="range"
                min="1"
                max=move || frames().to_string()
                prop:value=move || frame().to_string()
                data-testid="inside-frame"
                on:change=choose
            />
        </label>
    }
}

/// The filters of a layer, and which is chosen.
#[component]
fn Filters(
    /// The view.
    way: Way,
) -> impl IntoView {
    let redraw = expect_context::<Redraw>();
    let canvas = NodeRef::<Canvas>::new();
    let filters = Memo::new(move |_| way.with_look(|look| layer(look).map_or(0, |maps| maps.filters)));
    Effect::new(move |_| {
        redraw.track();
        let Some(canvas) = canvas.get() else { return };
        let step = way.step.get();
        let Some(shown) = way.shown.get() else { return };
        if let Some(maps) = layer(Look { shown: &shown, step, filter: 0 }) {
            // What cannot be drawn can be chosen all the same.
            let _ = draw::mosaic(&canvas, maps);
        }
    });
    let choose = move |event: ev::Event| {
        let input: HtmlInputElement = event_target(&event);
        if let Some(filter) = input.value().parse::<usize>().ok().and_then(|number| number.checked_sub(1)) {
            way.choose_filter(filter);
        }
    };
    let rows = move || filters.get().div_ceil(MOSAIC_COLUMNS).max(1);
    let point = move |event: MouseEvent| {
        let Some(canvas) = canvas.get_untracked() else { return };
        let at = |offset: i32, length: i32, tiles: usize| {
            (offset.max(0) as usize * tiles / length.max(1) as usize).min(tiles - 1)
        };
        let column = at(event.offset_x(), canvas.client_width(), MOSAIC_COLUMNS);
        let row = at(event.offset_y(), canvas.client_height(), untrack(rows));
        let filter = row * MOSAIC_COLUMNS + column;
        if filter < filters.get_untracked() {
            way.choose_filter(filter);
        }
    };
    let share = |part: usize, whole: usize| format!("{}e-3%", part * 100_000 / whole.max(1));
    view! {
        <div class="inside-filters">
            <label class="field inside-slider controls">
                {move || t!("inside.layer.choose", number = way.filter.get() + 1, filters = filters.get())}
                <input
                    type="range"
                    min="1"
                    max=move || filters.get().to_string()
                    prop:value=move || (way.filter.get() + 1).to_string()
                    data-testid="inside-filter"
                    on:input=choose
                />
            </label>
            <div class="inside-mosaic">
                <canvas
                    node_ref=canvas
                    width="1"
                    height="1"
                    role="img"
                    aria-label=move || t!("inside.layer.mosaic", filters = filters.get())
                    on:click=point
                ></canvas>
                <span
                    class="inside-chosen"
                    aria-hidden="true"
                    style:left=move || share(way.filter.get() % MOSAIC_COLUMNS, MOSAIC_COLUMNS)
                    style:top=move || share(way.filter.get() / MOSAIC_COLUMNS, rows())
                    style:width=move || share(1, MOSAIC_COLUMNS)
                    style:height=move || share(1, rows())
                ></span>
            </div>
        </div>
    }
}

/// Score and share of every genre.
#[component]
fn Shares(
    /// The view.
    way: Way,
) -> impl IntoView {
    let rows = move || {
        way.with_look(|look| {
            let genres = &look.shown.card.genres;
            // What stands in the exponent, so that the shares follow from what is seen.
            let scores = look.shown.card.scaled(look.shown.floats(StageKind::Logits));
            let shares = look.shown.floats(StageKind::Probabilities);
            let values = genres.iter().zip(scores.into_iter().zip(shares)).enumerate();
            values
                .map(|(index, (genre, (score, share)))| view! {
                    <tr>
                        <th scope="row">
                            <span class=colors::chip(index) aria-hidden="true">
                                {colors::letters(genres, index)}
                            </span>
                            " "
                            {words::genre(genre)}
                        </th>
                        <td class="tabular">{decimal(f64::from(score), 2)}</td>
                        <td class="tabular">{t!("number.percent", number = decimal(f64::from(*share) * 100.0, 1))}</td>
                    </tr>
                })
                .collect_view()
        })
    };
    view! {
        <table class="inside-shares" data-testid="inside-shares">
            <thead>
                <tr>
                    <th scope="col">{sentence("inside.softmax.genre")}</th>
                    <th scope="col">{sentence("inside.softmax.score")}</th>
                    <th scope="col">{sentence("inside.softmax.share")}</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
}
