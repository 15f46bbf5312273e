//! Classes of a person's own: gathered, learnt, tried and saved.
//!
//! In: names, files dropped on a class, recordings of the microphone. Out: a
//! model for the songs to come, as a file too. What it knows stands in
//! [`classroom`], which outlives the view; what came of it is [`outcome`]'s.

pub(crate) mod classroom;
mod outcome;

use leptos::prelude::*;
use web_sys::{FileList, HtmlInputElement, MouseEvent};

use super::desk::Desk;
use super::engine_status::downloads;
use super::focus;
use super::microphone::{Listening, Source, is_second};
use super::views::Router;
use super::words::{self, sentence, t};
use classroom::{Class, ClassId, Example, Stage, Studied};
use outcome::Outcome;

/// Clips that are enough of a class.
const ENOUGH: usize = 12;

/// The view.
#[component]
pub(crate) fn TeachView() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let router = expect_context::<Router>();
    let classroom = desk.classroom;
    // `#teach?classes=clapping,snapping` opens it with the classes named.
    Effect::new(move || {
        if let Some(names) = router.parameters.get().get("classes") {
            untrack(|| classroom.propose(desk, &names.split(',').map(str::trim).collect::<Vec<_>>()));
        }
    });
    let state = move || match classroom.stage.get() {
        Stage::Learning(..) => "busy",
        Stage::Learnt(_) => "done",
        Stage::Failed(_) => "failed",
        Stage::Gathering if classroom.clips() == 0 => "empty",
        Stage::Gathering => "gathering",
    };
    view! {
        <div class="teach" data-testid="teach" data-state=state>
            <header class="teach-head">
                <h1 id="teach-heading">{sentence("teach.heading")}</h1>
                <p class="tagline">{sentence("teach.tagline")}</p>
            </header>
            <div class="teach-classes" data-classes="">
                <For each=move || classroom.classes.get() key=|class| class.id let:class>
                    <ClassPanel class />
                </For>
                <button
                    class="button secondary teach-more"
                    data-testid="teach-add-class"
                    aria-disabled=move || (!classroom.has_room()).to_string()
                    on:click=move |_| {
                        if untrack(|| classroom.has_room()) {
                            classroom.add_class(desk);
                        }
                    }
                >
                    {sentence("teach.add_class")}
                </button>
            </div>
            <div class="teach-result">
                <TrainButton />
                <Outcome />
            </div>
            <section class="teach-about quiet" aria-label=sentence("teach.about_heading")>
                <p>{sentence("teach.about_frozen")}</p>
                <p>{sentence("teach.about_files")}</p>
                <p>{sentence("teach.about_kept")}</p>
            </section>
        </div>
    }
}

/// A class: its name, its files, and ways to bring more.
#[component]
fn ClassPanel(
    /// Which.
    class: Class,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let classroom = desk.classroom;
    // What it is called while it has no name.
    let number = move || {
        let before = |other: &Class| other.id != class.id;
        classroom.classes.with(|classes| classes.iter().take_while(|other| before(other)).count() + 1)
    };
    let label = move || {
        let name = class.name.get();
        if name.trim().is_empty() { t!("teach.class", number = number()) } else { name }
    };
    let clips = Memo::new(move |_| {
        class.examples.with(|all| all.iter().map(|example| example.state.with(Studied::clips)).sum::<usize>())
    });
    let is_usable = |example: &&Example| example.state.with(Studied::is_usable);
    let files = Memo::new(move |_| class.examples.with(|all| all.iter().filter(is_usable).count()));
    let count = move || t!("teach.count", clips = clips.get(), files = files.get());
    let rename = move |event: leptos::ev::Event| {
        class.name.set(event_target_value(&event));
        classroom.changed(desk);
    };
    let pick = move |event: leptos::ev::Event| {
        let input: HtmlInputElement = event_target(&event);
        let picked: Option<FileList> = input.files();
        let files = picked.iter().flat_map(|files| (0..files.length()).filter_map(|index| files.get(index)));
        classroom.add(desk, class.id, files.collect());
        input.set_value("");
    };
    let remove = move |_| {
        classroom.remove_class(desk, class.id);
        focus::hand_on(["[data-testid=teach-add-class]".to_owned()], "#teach-heading");
    };
    let is_spare = move || classroom.classes.with(|classes| classes.len() > 2);
    view! {
        <section class="teach-class" aria-label=label data-class=class.id.0.to_string() data-testid="teach-class">
            <label class="teach-name">
                <span class="quiet small">{move || t!("teach.name", number = number())}</span>
                <input
                    type="text"
                    maxlength="40"
                    autocomplete="off"
                    data-testid="teach-name"
                    prop:value=move || class.name.get()
                    on:input=rename
                />
            </label>
            <p class="teach-count tabular" data-testid="teach-count" data-clips=move || clips.get().to_string()>
                <strong>{count}</strong>
                <span class="quiet small">
                    {move || (clips.get() < ENOUGH).then(|| t!("teach.enough", count = ENOUGH))}
                </span>
            </p>
            <div class="drop-zone">
                <p class="drop-word">{sentence("teach.drop")}</p>
                <div class="pickers">
                    <label class="button secondary">
                        <input type="file" multiple class="unseen" data-testid="teach-pick" on:change=pick />
                        {sentence("teach.choose_files")}
                    </label>
                    <RecordButton class=class.id />
                </div>
            </div>
            <ul class="teach-files" aria-label=sentence("teach.files")>
                <For each=move || class.examples.get() key=|example| example.song let:example>
                    <ExampleRow class=class.id example />
                </For>
            </ul>
            <button
                class="quiet-button"
                hidden=move || !is_spare()
                data-testid="teach-remove-class"
                on:click=remove
            >
                {move || t!("teach.remove_class", name = label())}
            </button>
        </section>
    }
}

/// One file of a class.
#[component]
fn ExampleRow(
    /// Whose.
    class: ClassId,
    /// Which.
    example: Example,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let Example { song, name, state, .. } = example;
    let code = move || match state.get() {
        Studied::Studying(_) => "busy",
        Studied::Done(0) => "silent",
        Studied::Done(_) => "done",
        Studied::Failed(_) | Studied::NoRoom => "failed",
    };
    let said = move || match state.get() {
        Studied::Studying(0) => t!("teach.waiting"),
        Studied::Done(0) => t!("teach.silent"),
        Studied::Studying(clips) | Studied::Done(clips) => t!("teach.clips", count = clips),
        Studied::Failed(problem) => words::problem(&problem),
        Studied::NoRoom => t!("teach.no_room"),
    };
    let file = name.clone();
    let remove = move |_| {
        let neighbour = desk.classroom.neighbour(class, song);
        desk.classroom.remove(desk, class, song);
        let neighbour = neighbour.map(|song| format!("[data-example='{}'] button", song.0));
        let name = format!("[data-class='{}'] [data-testid=teach-name]", class.0);
        focus::hand_on(neighbour.into_iter().chain([name]), "#teach-heading");
    };
    view! {
        <li data-testid="teach-file" data-state=code data-example=song.0.to_string()>
            <span class="teach-file-name">{name}</span>
            <span class="quiet small tabular">{said}</span>
            <button
                class="quiet-button"
                aria-label=move || t!("teach.remove_file", name = &file)
                on:click=remove
            >
                {sentence("song.remove")}
            </button>
        </li>
    }
}

/// Listens to the microphone for a class, and keeps what it heard.
#[component]
fn RecordButton(
    /// For which.
    class: ClassId,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let (classroom, microphone) = (desk.classroom, desk.microphone);
    let is_mine = move || classroom.recording.get() == Some(class);
    // What is listened to for no class can be stopped here: its own button is in another view.
    let is_others = move || {
        classroom.recording.get().is_none()
            && microphone.state.with(|state| {
                matches!(state, Listening::On(_) | Listening::Waiting(_) | Listening::Asking(_))
            })
    };
    let is_on = move || is_mine() && microphone.state.with(|state| matches!(state, Listening::On(_)));
    let is_mute = move || {
        microphone.state.with(|state| match state {
            Listening::Off | Listening::Problem(_) => false,
            Listening::Waiting(_) | Listening::Asking(_) | Listening::On(_) => !is_mine() && !is_others(),
            Listening::Keeping(_) => true,
        })
    };
    let press = move |event: MouseEvent| {
        if !is_second(&event) && !is_mute() && microphone.press(desk, Source::Microphone) {
            classroom.recording.set(Some(class));
        }
    };
    let label = move || match microphone.state.get() {
        Listening::On(_) if is_mine() => {
            t!("teach.stop_recording", time = words::clock(microphone.seconds.get()))
        }
        Listening::Waiting(_) if is_mine() || is_others() => t!("microphone.waiting"),
        Listening::Asking(_) if is_mine() || is_others() => t!("microphone.asking"),
        Listening::Keeping(_) if is_mine() => t!("microphone.keeping"),
        _ if is_others() => t!("teach.stop_others"),
        _ => t!("teach.record"),
    };
    // Without the time, or a screen reader would say each second, into the recording.
    let name = move || is_on().then(|| t!("microphone.stop"));
    let problem = move || match microphone.state.get() {
        Listening::Problem(problem) if is_mine() => Some(words::microphone_problem(&problem)),
        _ => None,
    };
    view! {
        <button
            class="button secondary tabular"
            class:on=is_on
            aria-disabled=move || is_mute().to_string()
            aria-label=name
            data-testid="teach-record"
            on:click=press
        >
            <span class="lamp" aria-hidden="true"></span>
            {label}
        </button>
        {move || problem().map(|problem| view! { <p class="problem">{problem}</p> })}
    }
}

/// The button that has it learn, and a bar while it does.
#[component]
fn TrainButton() -> impl IntoView {
    let desk = expect_context::<Desk>();
    let classroom = desk.classroom;
    let is_learning = move || matches!(classroom.stage.get(), Stage::Learning(..));
    // What is being recorded is still to be learnt from.
    let is_busy = move || is_learning() || classroom.is_studying() || classroom.is_recording(desk);
    // Whether it is stopped or ends by itself: the button that has the keyboard goes.
    Effect::new(move |was_learning: Option<bool>| {
        let is_learning = is_learning();
        let is_stop = |it: web_sys::Element| it.matches("[data-testid=teach-stop]").unwrap_or(false);
        if was_learning == Some(true) && !is_learning && document().active_element().is_some_and(is_stop) {
            focus::hand_on(["[data-testid=teach-train]".to_owned()], focus::HEADING);
        }
        is_learning
    });
    let share = move || match classroom.stage.get() {
        Stage::Learning(done, all) => done as f64 / all.max(1) as f64,
        _ => 0.0,
    };
    let label = move || {
        if is_learning() {
            t!("teach.learning")
        } else if classroom.is_studying() {
            t!("teach.studying")
        } else {
            t!("teach.train")
        }
    };
    let model = move || {
        desk.models.track();
        let card = classroom.model.get().and_then(|model| desk.card(model));
        card.map(|card| t!("teach.on_model", name = &card.name))
    };
    view! {
        <div class="teach-train">
            {downloads(desk)}
            <button
                class="button"
                data-testid="teach-train"
                aria-disabled=move || is_busy().to_string()
                on:click=move |_| {
                    if !untrack(is_busy) {
                        classroom.learn(desk);
                    }
                }
            >
                {label}
            </button>
            <button
                class="quiet-button"
                class:gone=move || !is_learning()
                data-testid="teach-stop"
                on:click=move |_| classroom.changed(desk)
            >
                {sentence("song.stop")}
            </button>
            <p class="quiet small">{model}</p>
            <progress
                class:gone=move || !is_learning()
                aria-label=sentence("teach.learning")
                max="1"
                prop:value=share
            ></progress>
        </div>
    }
}
