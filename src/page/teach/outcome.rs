//! What came of a lesson: how well it was learnt, what is taken for what, and
//! what can be done with it.

use leptos::prelude::*;

use super::classroom::{Learnt, Stage};
use crate::interval::wilson;
use crate::letters::lowercase;
use crate::page::desk::Desk;
use crate::page::save;
use crate::page::words::{self, sentence, t};
use crate::teaching::{held_out::HeldOut, lesson::LessonProblem};

/// Why nothing was learnt.
pub(super) fn problem(problem: &LessonProblem) -> String {
    match problem {
        LessonProblem::TooFewClasses => t!("teach.too_few"),
        LessonProblem::Unnamed { class } => t!("teach.unnamed", number = class + 1),
        LessonProblem::Doubled { name } => t!("teach.doubled_name", name = name),
        LessonProblem::NoSound { class } => t!("teach.no_sound", name = class),
        LessonProblem::Model { problem } => t!("teach.no_model", detail = words::model_problem(problem)),
        LessonProblem::NotFinite => t!("teach.engine_failed", detail = "NaN"),
        LessonProblem::Size { found, expected } => {
            t!("teach.engine_failed", detail = format!("{found} / {expected}"))
        }
        LessonProblem::Engine { detail } => t!("teach.engine_failed", detail = detail),
    }
}

/// How well it was learnt, in one sentence.
pub(super) fn accuracy(learnt: &Learnt) -> String {
    let Some(held_out) = &learnt.held_out else { return t!("teach.unmeasured") };
    let (low, high) = wilson(held_out.files_right, held_out.files);
    t!(
        "teach.accuracy",
        right = held_out.files_right,
        files = held_out.files,
        share = words::percent(share(held_out.files_right, held_out.files)),
        low = words::percent(low as f32),
        high = words::percent(high as f32),
    )
}

fn share(right: usize, trials: usize) -> f32 {
    right as f32 / trials.max(1) as f32
}

/// What came of the lesson.
#[component]
pub(super) fn Outcome() -> impl IntoView {
    let classroom = expect_context::<Desk>().classroom;
    move || match classroom.stage.get() {
        Stage::Learnt(learnt) => Some(view! { <LearntPanel learnt /> }.into_any()),
        Stage::Failed(reason) => Some(
            view! { <p class="problem" data-testid="teach-problem">{move || problem(&reason)}</p> }
                .into_any(),
        ),
        Stage::Gathering | Stage::Learning(..) => None,
    }
}

#[component]
fn LearntPanel(
    /// What was learnt.
    learnt: Learnt,
) -> impl IntoView {
    let desk = expect_context::<Desk>();
    let classroom = desk.classroom;
    let Learnt { clips, files, milliseconds, .. } = learnt;
    let name = format!("{}.safetensors", file_name(&learnt.classes));
    let keep = move |_| {
        if let Some(file) = classroom.file()
            && let Err(error) = save::save(&name, &file, "application/octet-stream")
        {
            desk.note(t!("teach.not_saved", detail = crate::page::browser::describe(&error)));
        }
    };
    let chosen = move || classroom.used.get().is_some_and(|model| model == desk.chosen_model.get());
    let confusion = learnt.held_out.clone().map(|held_out| {
        view! { <Confusion classes=learnt.classes.clone() held_out /> }
    });
    view! {
        <section class="teach-outcome" aria-labelledby="teach-outcome" data-testid="teach-outcome">
            <h2 id="teach-outcome">{sentence("teach.outcome")}</h2>
            <p class="teach-accuracy" data-testid="teach-accuracy">{move || accuracy(&learnt)}</p>
            <p class="quiet small" data-testid="teach-time" data-milliseconds=(milliseconds.round() as u32).to_string()>
                {move || {
                    t!("teach.learnt_in", clips = clips, files = files, time = words::duration(milliseconds))
                }}
            </p>
            {confusion}
            <div class="pickers">
                <button
                    class="button"
                    data-testid="teach-use"
                    aria-disabled=move || chosen().to_string()
                    on:click=move |_| {
                        if !untrack(chosen) {
                            classroom.use_it(desk);
                        }
                    }
                >
                    {move || if chosen() { t!("teach.used") } else { t!("teach.use") }}
                </button>
                <button class="button secondary" data-testid="teach-save" on:click=keep>
                    {sentence("teach.save")}
                </button>
            </div>
            <p class="small" data-testid="teach-used" hidden=move || !chosen()>
                {sentence("teach.now_heard")} " " <a href="#listen">{sentence("teach.to_songs")}</a>
            </p>
            <p class="quiet small">{sentence("teach.share")}</p>
        </section>
    }
}

/// What was taken for what, while it was held out.
#[component]
fn Confusion(
    /// Names of the classes.
    classes: Vec<String>,
    /// What was said.
    held_out: HeldOut,
) -> impl IntoView {
    let (right, all) = (held_out.clips_right(), held_out.clips());
    let heads = classes.iter().map(|name| view! { <th scope="col">{name.clone()}</th> }).collect_view();
    let row = |(class, (name, said)): (usize, (String, Vec<usize>))| {
        let cell = move |(column, count): (usize, usize)| {
            view! { <td class:right=column == class>{count.to_string()}</td> }
        };
        view! {
            <tr>
                <th scope="row">{name}</th>
                {said.into_iter().enumerate().map(cell).collect_view()}
            </tr>
        }
    };
    view! {
        <div class="teach-table" role="region" tabindex="0" aria-label=sentence("teach.taken_for")>
            <table data-testid="teach-confusion">
                <caption class="quiet small">
                    {move || {
                        t!("teach.confusion", right = right, clips = all, share = words::percent(share(right, all)))
                    }}
                </caption>
                <thead>
                    <tr>
                        <td class="quiet small">{sentence("teach.taken_for")}</td>
                        {heads}
                    </tr>
                </thead>
                <tbody>
                    {classes.into_iter().zip(held_out.confusion).enumerate().map(row).collect_view()}
                </tbody>
            </table>
        </div>
    }
}

/// Class names as a file's name: what no file system minds, and nobody takes for another.
fn file_name(classes: &[String]) -> String {
    // Rather than what is a letter, of which Unicode's tables are kilobytes.
    let is_minded = |letter: char| {
        letter.is_ascii() && !letter.is_ascii_alphanumeric()
            || letter.is_control()
            || letter.is_whitespace()
            || ('\u{2000}'..='\u{206f}').contains(&letter)
    };
    let joined = classes.join("-");
    let letters = joined.chars().map(|letter| if is_minded(letter) { '-' } else { letter });
    lowercase(&letters.take(60).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_classes() {
        assert_eq!(file_name(&["Flöte".into(), "a/b".into()]), "flöte-a-b");
        assert_eq!(file_name(&["b\u{202e}gnp.a\u{85}".into(), "“笛” 2".into()]), "b-gnp-a---笛--2");
    }
}
