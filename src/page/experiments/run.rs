//! A row of the paper, or a run of ours, closely.
//!
//! In: the row or network and its runs. Out: what the run was and scored, its curves,
//! and what it took for what.

use std::sync::Arc;

use leptos::prelude::*;

use super::super::words::{self, sentence, t};
use super::confusion::Confusion;
use super::curves::Curves;
use super::{address_of, nats, network, run_name, sets_apart, within};
use crate::report::experiments::{Experiments, Part, Run};

/// Names of the parts, in order.
const PARTS: [&str; 3] = ["experiments.train", "experiments.validation", "experiments.test"];

/// A row, with the choice among its runs.
#[component]
pub(super) fn RowClosely(
    /// All of them.
    experiments: Arc<Experiments>,
    /// The row.
    row: String,
    /// Which run of it, where there is one.
    run: Option<usize>,
) -> impl IntoView {
    let chosen = run.and_then(|at| experiments.runs.get(at).cloned());
    let state = if chosen.is_some() { "shown" } else { "not-run" };
    let choice = choice(&experiments, run, &|other| other.row.as_deref() == Some(row.as_str()));
    let (heading, what) = {
        let (name, row) = (row.clone(), row.clone());
        (move || t!("experiments.closely", row = &name), move || network(&row))
    };
    view! {
        <section class="closely" aria-labelledby="experiments-closely" data-testid="experiments-closely" data-state=state data-row=row>
            <h2 id="experiments-closely">{heading}</h2>
            <p class="quiet">{what}</p>
            {choice}
            {match chosen {
                Some(run) => view! { <RunOf run /> }.into_any(),
                None => view! { <p data-testid="not-run">{sentence("experiments.row_not_run")}</p> }.into_any(),
            }}
        </section>
    }
}

/// A run of no row, with the choice among those of its network.
#[component]
pub(super) fn RunClosely(
    /// All of them.
    experiments: Arc<Experiments>,
    /// Which of them.
    run: usize,
) -> impl IntoView {
    experiments.runs.get(run).cloned().map(|chosen| {
        let model = chosen.model.clone();
        let is_alike = |other: &Run| other.row.is_none() && other.made_of() == chosen.made_of();
        let choice = choice(&experiments, Some(run), &is_alike);
        let apart = sets_apart(&model).map(|apart| view! { <p class="quiet">{sentence(apart)}</p> });
        view! {
            <section class="closely" aria-labelledby="experiments-closely" data-testid="experiments-closely" data-state="shown">
                <h2 id="experiments-closely">{model}</h2>
                {apart}
                {choice}
                <RunOf run=chosen />
            </section>
        }
    })
}

/// The choice among the runs of one network, where there are several.
fn choice(
    experiments: &Experiments,
    chosen: Option<usize>,
    is_of_network: &dyn Fn(&Run) -> bool,
) -> Option<AnyView> {
    let runs = experiments.runs.iter().enumerate().filter(|(_, run)| is_of_network(run));
    let runs: Vec<_> = runs
        .map(|(at, run)| {
            let (address, run) = (address_of(run), run.clone());
            view! {
                <li>
                    <a href=address aria-current=(chosen == Some(at)).then_some("true")>
                        {move || run_name(&run)}
                    </a>
                </li>
            }
        })
        .collect();
    (runs.len() > 1)
        .then(|| view! { <ul class="runs" aria-label=sentence("experiments.runs")>{runs}</ul> }.into_any())
}

/// What a run was, and what it scored.
#[component]
fn RunOf(
    /// The run.
    run: Run,
) -> impl IntoView {
    let last = run.parts.iter().enumerate().rev().find_map(|(at, part)| Some((at, part.clone()?)));
    let confusion = last.map(|(at, part)| {
        let (genres, name) = (run.genres.clone(), PARTS.get(at).copied().unwrap_or_default());
        view! { <Confusion genres part name /> }
    });
    let curves = run.training.clone().map(|training| view! { <Curves training /> });
    let scores: Vec<_> = PARTS
        .into_iter()
        .zip(run.parts.clone())
        .filter_map(|(name, part)| part.map(|part| view! { <Scored name part /> }))
        .collect();
    view! {
        <div class="sideways" role="region" tabindex="0" aria-label=sentence("experiments.scores")>
            <table class="numbers">
                <thead>
                    <tr>
                        <th scope="col">{sentence("experiments.part")}</th>
                        <th scope="col">{sentence("experiments.clips")}</th>
                        <th scope="col">{sentence("experiments.of_clips")}</th>
                        <th scope="col">{sentence("experiments.of_tracks")}</th>
                        <th scope="col">{sentence("experiments.loss")}</th>
                    </tr>
                </thead>
                <tbody>{scores}</tbody>
            </table>
        </div>
        {curves}
        {confusion}
        <Facts run />
    }
}

/// What a run scored on a part.
#[component]
fn Scored(
    /// The part's name.
    name: &'static str,
    /// What it scored.
    part: Part,
) -> impl IntoView {
    view! {
        <tr>
            <th scope="row">{sentence(name)}</th>
            <td>{part.clips}</td>
            <td>{move || within(part.accuracy)}</td>
            <td>{move || within(part.of_tracks)}</td>
            <td>{move || nats(part.loss)}</td>
        </tr>
    }
}

/// How a run came about.
#[component]
fn Facts(
    /// The run.
    run: Run,
) -> impl IntoView {
    let mut facts: Vec<(&'static str, AnyView)> = Vec::new();
    let split = run.split.clone();
    facts.push(("experiments.split", (move || words::split(&split)).into_any()));
    let mut call = run.scored.clone();
    if let Some(training) = run.training {
        let (epochs, best) = (training.epochs.len(), training.best);
        let recipe = training.recipe;
        facts.push(("experiments.recipe", (move || words::recipe(&recipe)).into_any()));
        facts.push(("experiments.seed", training.seed.to_string().into_any()));
        facts.push((
            "experiments.epochs",
            (move || t!("experiments.best_of", best = best, epochs = epochs)).into_any(),
        ));
        facts.push(("experiments.build", words::clock(training.seconds).into_any()));
        call = training.call.unwrap_or(call);
    }
    facts.push(("experiments.parameters", words::grouped(run.parameters).into_any()));
    facts.push(("experiments.machine", call.machine.into_any()));
    facts.push(("experiments.date", call.date.into_any()));
    let command = view! { <code>{call.command}</code> };
    let facts = facts.into_iter().map(|(name, value)| {
        view! {
            <div><dt>{sentence(name)}</dt><dd>{value}</dd></div>
        }
    });
    view! {
        <h3>{sentence("experiments.how")}</h3>
        <dl class="facts" data-testid="experiments-facts">
            {facts.collect_view()}
            <div class="whole"><dt>{sentence("experiments.command")}</dt><dd>{command}</dd></div>
        </dl>
    }
}
