//! The paper's table, our runs in it.
//!
//! In: the experiments. Out: a table of all twelve rows, the paper's numbers above
//! ours; a row leads to itself closely. Where it is wider than the window it is
//! moved sideways by itself.

use std::sync::Arc;

use leptos::prelude::*;

use super::super::words::{self, sentence, t};
use super::{Chosen, address_of, nats, network, percent, run_name};
use crate::report::experiments::{Experiments, Row, Run};

/// The table.
#[component]
pub(super) fn PapersTable(
    /// All of them.
    experiments: Arc<Experiments>,
    /// What is looked at closely.
    chosen: Memo<Chosen>,
) -> impl IntoView {
    let rows = experiments.rows.iter().map(|row| {
        let runs: Vec<Run> = row.runs.iter().filter_map(|&run| experiments.runs.get(run).cloned()).collect();
        view! { <RowOfTable row=row.clone() runs chosen /> }
    });
    let rows = rows.collect_view();
    let parts = ["experiments.train", "experiments.validation", "experiments.test"];
    view! {
        <section aria-labelledby="experiments-table">
            <h2 id="experiments-table">{sentence("experiments.table")}</h2>
            <p class="quiet small">{sentence("experiments.table_note")}</p>
            <div class="sideways" role="group" tabindex="0" aria-labelledby="experiments-table" data-testid="experiments-table">
                <table class="numbers">
                    <thead>
                        <tr>
                            <th scope="col" rowspan="2">{sentence("experiments.row")}</th>
                            <th scope="col" rowspan="2" class="who">{sentence("experiments.who")}</th>
                            {parts.map(|part| view! { <th scope="colgroup" colspan="2">{sentence(part)}</th> }).into_iter().collect_view()}
                            <th scope="col" rowspan="2">{sentence("experiments.build")}</th>
                        </tr>
                        <tr>
                            {parts
                                .map(|_| view! {
                                    <th scope="col">{sentence("experiments.accuracy")}</th>
                                    <th scope="col">{sentence("experiments.loss")}</th>
                                })
                                .into_iter()
                                .collect_view()}
                        </tr>
                    </thead>
                    {rows}
                </table>
            </div>
        </section>
    }
}

/// A row: the paper's line, and ours.
#[component]
fn RowOfTable(
    /// The row.
    row: Row,
    /// Ours of it.
    runs: Vec<Run>,
    /// What is looked at closely.
    chosen: Memo<Chosen>,
) -> impl IntoView {
    let name = row.row;
    let shown_name = name.clone();
    let is_chosen = {
        let name = name.clone();
        Memo::new(move |_| chosen.with(|chosen| chosen.row() == Some(name.as_str())))
    };
    let (what, look) = {
        let (row, name) = (name.clone(), name.clone());
        (move || network(&row), move || t!("experiments.look", row = &name))
    };
    let address = format!("#experiments?row={name}");
    let height = (1 + runs.len().max(1)).to_string();
    let ours = if runs.is_empty() {
        view! { <tr class="ours"><td colspan="8" class="quiet">{sentence("experiments.not_run")}</td></tr> }
            .into_any()
    } else {
        runs.into_iter().map(|run| view! { <RunOfTable run /> }).collect_view().into_any()
    };
    view! {
        <tbody class:chosen=is_chosen data-testid="experiment-row" data-row=name>
            <tr>
                <th scope="rowgroup" rowspan=height>
                    <a
                        href=address
                        aria-current=move || is_chosen.get().then_some("true")
                        aria-label=look
                    >
                        {shown_name}
                    </a>
                    <span class="quiet small">{what}</span>
                </th>
                <td>{sentence("experiments.paper")}</td>
                {row.parts
                    .map(|(accuracy, loss)| view! { <td>{move || percent(accuracy)}</td><td>{move || nats(loss)}</td> })
                    .into_iter()
                    .collect_view()}
                <td>{words::clock(row.seconds)}</td>
            </tr>
            {ours}
        </tbody>
    }
}

/// A line of ours.
#[component]
fn RunOfTable(
    /// The run.
    run: Run,
) -> impl IntoView {
    let (address, name) = (address_of(&run), run.name.clone());
    let seconds = run.training.as_ref().map(|training| words::clock(training.seconds));
    let training = run.training.map(|training| (training.recipe, training.seed));
    // It stands in this table because it has one.
    let (recipe, seed) = training.unwrap_or_default();
    let ours = move || t!("experiments.ours", recipe = words::recipe(&recipe), seed = seed);
    let parts = run.parts.map(|part| match part {
        Some(part) => {
            let (accuracy, loss) = (part.accuracy[0], part.loss);
            view! { <td>{move || percent(accuracy)}</td><td>{move || nats(loss)}</td> }.into_any()
        }
        None => view! { <td>"–"</td><td>"–"</td> }.into_any(),
    });
    view! {
        <tr class="ours" data-testid="experiment-run" data-run=name>
            <td><a href=address>{ours}</a></td>
            {parts.into_iter().collect_view()}
            <td>{seconds.unwrap_or_else(|| "–".into())}</td>
        </tr>
    }
}

/// Runs that stand in no row of the paper: other networks.
#[component]
pub(super) fn Others(
    /// All of them.
    experiments: Arc<Experiments>,
    /// What is looked at closely.
    chosen: Memo<Chosen>,
) -> impl IntoView {
    let shipped = experiments.shipped.as_ref().map(|run| run.model.clone());
    let others = experiments.runs.iter().enumerate().filter(|(_, run)| run.row.is_none());
    let others: Vec<_> = others
        .map(|(at, run)| {
            let run = run.clone();
            let test = run.parts[2].as_ref().map(|part| part.accuracy[0]);
            view! {
                <li>
                    <a
                        href=address_of(&run)
                        aria-current=move || chosen.with(|chosen| chosen.run() == Some(at)).then_some("true")
                    >
                        {run.model.clone()}
                    </a>
                    ", "
                    {move || run_name(&run)}
                    {test.map(|share| move || t!("experiments.on_test", share = percent(share)))}
                </li>
            }
        })
        .collect();
    (!others.is_empty()).then(|| {
        view! {
            <section aria-labelledby="experiments-others" data-testid="experiments-others">
                <h2 id="experiments-others">{sentence("experiments.others")}</h2>
                <ul class="runs">{others}</ul>
                {shipped.map(|model| view! {
                    <p class="quiet small">{move || t!("experiments.pages_own", model = &model)}</p>
                })}
            </section>
        }
    })
}
