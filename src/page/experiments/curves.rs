//! Loss and accuracy over the epochs.
//!
//! In: what each epoch came to. Out: two pictures, and the same as a table behind
//! a click.

use leptos::prelude::*;

use super::super::folded::FoldedTable;
use super::super::words::{self, sentence, t};
use super::nats;
use crate::report::experiments::Training;

/// Width and height of a picture, in tenths of its own pixels: whole numbers are
/// cheap to write.
const SIZE: [i32; 2] = [3600, 2300];
/// Left, top, right and bottom of what is drawn in it.
const FRAME: [i32; 4] = [430, 110, 3540, 1960];
/// Numbers along an axis, about.
const TICKS: f64 = 5.0;

/// Keys of what the table says of each epoch.
const COLUMNS: [&str; 5] = [
    "experiments.epoch",
    "experiments.train_loss",
    "experiments.train_accuracy",
    "experiments.validation_loss",
    "experiments.validation_accuracy",
];

/// A number over the epochs.
type Series = Vec<Option<f64>>;

/// A step of 1, 2 or 5 times a power of ten that goes into `span` about
/// [`TICKS`] times.
fn step(span: f64) -> f64 {
    let rough = (span / TICKS).max(1e-6);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough)
}

/// Where the `epoch`th of `epochs`, from 1, stands.
fn across(epoch: usize, epochs: usize) -> i32 {
    let [left, _, right, _] = FRAME;
    left + ((epoch as f64 - 0.5) / epochs.max(1) as f64 * f64::from(right - left)) as i32
}

/// Where `value` of at most `top` stands.
fn up(value: f64, top: f64) -> i32 {
    let [_, upper, _, lower] = FRAME;
    lower - (value / top * f64::from(lower - upper)).round() as i32
}

/// The line through a series, in SVG's words; one that is alone among its
/// neighbours is a dot.
fn line(series: &Series, top: f64) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (at, value) in series.iter().enumerate() {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let (x, y) = (across(at + 1, series.len()), up(value.min(top), top));
        path += &if drawing { format!("L{x} {y}") } else { format!("M{x} {y}h0") };
        drawing = true;
    }
    path
}

/// The curves of a training.
#[component]
pub(super) fn Curves(
    /// The training.
    training: Training,
) -> impl IntoView {
    let of = |at: usize| -> Series { training.epochs.iter().map(|epoch| epoch[at]).collect() };
    let losses = [of(0), of(2)];
    let accuracies = [of(1), of(3)];
    let most = losses.iter().flatten().flatten().fold(0.1, |most: f64, loss| most.max(*loss));
    let (best, epochs) = (training.best, training.epochs.len());
    let rows = training.epochs.iter().enumerate().map(|(at, epoch)| {
        let numbers = epoch.iter().enumerate().map(|(at, value)| {
            let value = *value;
            let said = move || match value {
                Some(value) if at.is_multiple_of(2) => nats(value),
                Some(value) => words::percent_exact(value),
                None => "–".into(),
            };
            view! { <td>{said}</td> }
        });
        view! { <tr><th scope="row">{at + 1}</th>{numbers.collect_view()}</tr> }
    });
    let rows = rows.collect_view().into_any();
    view! {
        <h3>{sentence("experiments.curves")}</h3>
        <p class="quiet small key">
            <span class="key-line training" aria-hidden="true"></span>{sentence("experiments.key_training")}
            <span class="key-line validation" aria-hidden="true"></span>{sentence("experiments.key_validation")}
            " · "{move || t!("experiments.key_best", best = best, epochs = epochs)}
        </p>
        <div class="curves" data-testid="curves">
            <Panel name="experiments.loss" series=losses top={most * 1.04} best share=false />
            <Panel name="experiments.accuracy" series=accuracies top=1.0 best share=true />
        </div>
        <FoldedTable
            summary="experiments.as_table"
            name="experiments.curves"
            testid="curves-table"
            columns=COLUMNS.to_vec()
            rows
        />
    }
}

/// One number over the epochs, training and validation.
#[component]
fn Panel(
    /// What it is, by the key of its name.
    name: &'static str,
    /// Training and validation.
    series: [Series; 2],
    /// The greatest number there is room for.
    top: f64,
    /// The epoch that is marked, from 1.
    best: usize,
    /// Whether the numbers are shares.
    share: bool,
) -> impl IntoView {
    let [width, height] = SIZE;
    let [left, upper, right, lower] = FRAME;
    let [training, validation] = series;
    let epochs = training.len();
    let label = move |value: f64| if share { words::percent(value as f32) } else { words::decimal(value, 1) };
    let spacing = if share { 0.25 } else { step(top) };
    let rules = (0..=(top / spacing) as u32).map(|at| {
        let value = f64::from(at) * spacing;
        let y = up(value, top);
        view! {
            <line class="rule" x1=left x2=right y1=y y2=y />
            <text class="upright" x={left - 60} y={y + 40}>{move || label(value)}</text>
        }
    });
    let rules = rules.collect_view();
    let every = (step(epochs as f64).round() as usize).max(1);
    let numbered = (1..=epochs).filter(|epoch| epoch.is_multiple_of(every) || epochs < 6);
    let epochs_below = numbered.map(|epoch| {
        view! { <text class="below" x={across(epoch, epochs)} y={lower + 150}>{epoch}</text> }
    });
    let epochs_below = epochs_below.collect_view();
    let last = [
        validation.iter().rev().flatten().next().copied(),
        validation.get(best.wrapping_sub(1)).copied().flatten(),
    ];
    let description = move || {
        let said = |value: Option<f64>| {
            value.map_or_else(
                || "–".into(),
                |value| if share { words::percent_exact(value) } else { nats(value) },
            )
        };
        t!(
            "experiments.panel",
            what = words::say(name, &[]),
            best = best,
            at_best = said(last[1]),
            last = said(last[0])
        )
    };
    let mark = across(best, epochs);
    view! {
        <svg viewBox=format!("0 0 {width} {height}") role="img" aria-label=description>
            <text class="title" x=left y="70">{sentence(name)}</text>
            {rules}
            <line class="best" x1=mark x2=mark y1=upper y2=lower />
            <path class="training" d=line(&training, top) />
            <path class="validation" d=line(&validation, top) />
            {epochs_below}
            <text class="below" x={(left + right) / 2} y={lower + 310}>{sentence("experiments.epoch")}</text>
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (span, expected) in [(1.0, 0.2), (2.3, 0.5), (24.0, 5.0), (3.0, 1.0), (200.0, 50.0)] {
            assert!((step(span) - expected).abs() < 1e-9, "{span}: {}", step(span));
        }
        assert!(step(0.0) > 0.0);
    }

    #[test]
    fn a_line_leaves_out_what_is_no_number() {
        let [_, upper, _, lower] = FRAME;
        let path = line(&vec![Some(0.0), Some(1.0), None, Some(9.0)], 1.0);
        let x = |epoch| across(epoch, 4);
        assert_eq!(path, format!("M{} {lower}h0L{} {upper}M{} {upper}h0", x(1), x(2), x(4)));
    }
}
