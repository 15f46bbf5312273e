//! The paper's experiments beside ours.
//!
//! In: `experiments.json`, which `needledrop report` writes, and which row or run
//! the address names. Out: the paper's table with our runs in it, that of our own
//! networks, a run closely, and what leakage is worth.

mod card;
mod confusion;
mod curves;
mod lesson;
mod run;
mod table;

use std::sync::Arc;

use leptos::prelude::*;

use super::data::with_data;
use super::focus;
use super::views::{Parameters, Router};
use super::words::{self, sentence, t};
use crate::network::experiment::experiment;
use crate::report::experiments::{Experiments, Run};
use card::PagesCard;
use lesson::Leakage;
use run::{RowClosely, RunClosely};
use table::{Others, PapersTable};

/// The row that is looked at before another is chosen: the network that the page has at hand.
const FIRST_ROW: &str = "8";

/// Networks of our own, those first that others build on, and what sets each apart.
const DESIGNS: [(&str, &str); 5] = [
    ("small", "design.small"),
    ("ears", "design.ears"),
    ("ears-phone", "design.ears-phone"),
    ("recordings", "design.recordings"),
    ("recordings-long", "design.recordings-long"),
];

/// What is looked at closely.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Chosen {
    /// A row of the paper's, and the place of one of its runs where there is one.
    Row(String, Option<usize>),
    /// A run of no row.
    Run(usize),
}

impl Chosen {
    /// What the address names. A run that is not there is not chosen, and neither
    /// is a row that the paper has not.
    fn read(experiments: &Experiments, parameters: &Parameters) -> Self {
        let run = parameters.get("run");
        let run = run.and_then(|name| experiments.runs.iter().position(|run| run.name == name));
        if let Some(at) = run {
            let row = experiments.runs.get(at).and_then(|run| run.row.clone());
            return row.map_or(Self::Run(at), |row| Self::Row(row, Some(at)));
        }
        let row = parameters.get("row").filter(|row| experiments.rows.iter().any(|other| other.row == *row));
        let row = row.unwrap_or(FIRST_ROW);
        let of_row = experiments.rows.iter().find(|other| other.row == row);
        let first = of_row.and_then(|row| row.runs.first().copied());
        // One on another split is better than none.
        let first = first.or_else(|| experiments.runs.iter().position(|run| run.row.as_deref() == Some(row)));
        Self::Row(row.to_owned(), first)
    }

    fn row(&self) -> Option<&str> {
        match self {
            Self::Row(row, _) => Some(row),
            Self::Run(_) => None,
        }
    }

    fn run(&self) -> Option<usize> {
        match self {
            Self::Row(_, run) => *run,
            Self::Run(run) => Some(*run),
        }
    }
}

/// The view.
#[component]
pub(crate) fn ExperimentsView() -> impl IntoView {
    let read = |json: &str| Experiments::from_json(json).map_err(|error| error.to_string());
    view! {
        <article class="view experiments" data-view="experiments" data-testid="experiments">
            <header class="view-head">
                <h1>{sentence("experiments.heading")}</h1>
                <p>{sentence("experiments.lead")}</p>
            </header>
            {with_data("experiments.json", "experiments.data", read, shown, || ().into_any())}
        </article>
    }
}

fn shown(experiments: Arc<Experiments>) -> AnyView {
    let router = expect_context::<Router>();
    let chosen = Memo::new({
        let experiments = experiments.clone();
        move |_| router.parameters.with(|parameters| Chosen::read(&experiments, parameters))
    });
    let closely = {
        let experiments = experiments.clone();
        move || match chosen.get() {
            Chosen::Row(row, run) => {
                view! { <RowClosely experiments=experiments.clone() row run /> }.into_any()
            }
            Chosen::Run(run) => view! { <RunClosely experiments=experiments.clone() run /> }.into_any(),
        }
    };
    // Far below the table: whoever chooses a row is led there.
    Effect::new(move |before: Option<()>| {
        chosen.track();
        if before.is_some() {
            focus::lead_to("#experiments-closely");
        }
    });
    view! {
        <PapersTable experiments=experiments.clone() chosen />
        <Others experiments=experiments.clone() chosen />
        {closely}
        <Leakage lesson=experiments.lesson() />
        {experiments.shipped.clone().map(|shipped| view! { <PagesCard shipped /> })}
    }
    .into_any()
}

/// What a row's network is, in a line.
fn network(row: &str) -> String {
    let Some(experiment) = experiment(row) else { return String::new() };
    let blocks = &experiment.network.blocks;
    let mut parts = Vec::new();
    match blocks.first() {
        None => parts.push(t!("experiments.dense_only", layers = experiment.network.dense.len())),
        Some(first) => {
            let mut filters: Vec<String> = blocks.iter().map(|block| block.filters.to_string()).collect();
            filters.dedup();
            parts.push(t!(
                "experiments.convolutions",
                layers = blocks.len(),
                kernel = first.kernel,
                filters = filters.join(", ")
            ));
            if first.dropout > 0.0 {
                parts.push(t!("experiments.dropout", share = words::decimal(first.dropout, 1)));
            }
        }
    }
    if experiment.l2 > 0.0 {
        parts.push(t!("experiments.penalty", weight = words::decimal(experiment.l2, 3)));
    }
    let [_, height, width] = experiment.network.input;
    if [height, width] != [128, 128] {
        parts.push(t!("experiments.picture", height = height, width = width));
    }
    parts.join(" · ")
}

/// What sets a network of our own apart, as the key of a sentence; `None` of an unknown one.
fn sets_apart(model: &str) -> Option<&'static str> {
    DESIGNS.iter().find(|(name, _)| *name == model).map(|(_, key)| *key)
}

/// A run by what sets it apart from others of its row.
fn run_name(run: &Run) -> String {
    let split = &run.split;
    match &run.training {
        // A design's recipe is called as its network is, which stands before this.
        Some(training) if training.recipe == run.model => {
            t!("experiments.run_of_design", split = split, seed = training.seed)
        }
        Some(training) => {
            t!(
                "experiments.run",
                recipe = words::recipe(&training.recipe),
                split = split,
                seed = training.seed
            )
        }
        None => t!("experiments.weights_only", model = &run.model, split = split),
    }
}

/// The address of a run.
fn address_of(run: &Run) -> String {
    format!("#experiments?run={}", run.name)
}

/// A share with its interval.
fn within([value, low, high]: [f64; 3]) -> String {
    let (low, high) = (words::decimal(100.0 * low, 1), words::decimal(100.0 * high, 1));
    t!("experiments.within", share = words::percent_exact(value), low = low, high = high)
}

/// A loss, in nats.
fn nats(loss: f64) -> String {
    words::decimal(loss, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Chosen {
        let mut experiments = Experiments::new([], None);
        let run = |name: &str, row: Option<&str>, split: &str| Run {
            name: name.into(),
            model: "model".into(),
            row: row.map(str::to_owned),
            parameters: 1,
            genres: Vec::new(),
            split: split.into(),
            split_seed: None,
            clips: crate::dataset::choice::PartSizes { train: 1, validation: 1, test: 1 },
            training: None,
            scored: crate::report::experiments::Call {
                command: String::new(),
                machine: String::new(),
                date: String::new(),
            },
            parts: [const { None }; 3],
        };
        experiments.runs =
            vec![run("a", Some("7"), "clips"), run("b", Some("8"), "tracks"), run("c", None, "tracks")];
        experiments.rows[8].runs = vec![0];
        let parameters = parameters
            .iter()
            .fold(Parameters::default(), |parameters, (name, value)| parameters.with(name, *value));
        Chosen::read(&experiments, &parameters)
    }

    #[test]
    fn the_address_names_a_row_or_a_run() {
        assert_eq!(read(&[("row", "7")]), Chosen::Row("7".into(), Some(0)));
        assert_eq!(read(&[("row", "3R")]), Chosen::Row("3R".into(), None));
        assert_eq!(read(&[("run", "a"), ("row", "1")]), Chosen::Row("7".into(), Some(0)));
        assert_eq!(read(&[("run", "c")]), Chosen::Run(2));
    }

    #[test]
    fn what_is_not_there_is_not_chosen() {
        // Nothing on the paper's split, but one on another.
        let first = Chosen::Row("8".into(), Some(1));
        for parameters in [&[][..], &[("row", "11")], &[("run", "z")], &[("row", "")]] {
            assert_eq!(read(parameters), first, "{parameters:?}");
        }
    }

    #[test]
    fn a_network_is_told_in_a_line() {
        assert_eq!(network("8"), "6 layers of 5 × 5, 128 filters · dropout 0.3");
        assert_eq!(network("1"), "2 dense layers");
        assert_eq!(network("5"), "3 layers of 3 × 3, 128, 256, 512 filters · dropout 0.2 · L2 0.003");
        assert!(network("10").ends_with("picture 220 × 216"), "{}", network("10"));
        assert_eq!(network("11"), "");
    }
}
