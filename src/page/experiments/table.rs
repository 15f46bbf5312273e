//! The paper's table, our runs in it, and the table of our own networks.
//!
//! In: the experiments. Out: a table of all twelve rows, the paper's numbers above
//! ours, and one of other networks, a row each, by split; what stands in them leads to
//! itself closely. Where a table is wider than the window it is moved sideways by itself.

use std::sync::Arc;

use leptos::prelude::*;

use super::super::words::{self, sentence, t};
use super::{Chosen, DESIGNS, address_of, nats, network, sets_apart};
use crate::order::order;
use crate::report::experiments::{Experiments, Learned, Row, Run, SPLITS};

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
                    .map(|(accuracy, loss)| view! { <td>{move || words::percent_exact(accuracy)}</td><td>{move || nats(loss)}</td> })
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
            view! { <td>{move || words::percent_exact(accuracy)}</td><td>{move || nats(loss)}</td> }
                .into_any()
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

/// Networks that stand in no row of the paper, and what they score on each split.
#[component]
pub(super) fn Others(
    /// All of them.
    experiments: Arc<Experiments>,
    /// What is looked at closely.
    chosen: Memo<Chosen>,
) -> impl IntoView {
    let shipped = experiments.shipped.as_ref().map(|run| run.model.clone());
    let others = experiments.others();
    // Unknown ones last.
    let place = |at: usize| {
        let model = others[at].first().map(|(_, run)| run.model.as_str());
        DESIGNS.iter().position(|(name, _)| Some(*name) == model).unwrap_or(DESIGNS.len())
    };
    let rows = order(others.len(), &|one, other| place(one).cmp(&place(other)));
    let rows: Vec<_> = rows.into_iter().map(|at| other(&others[at], chosen)).collect();
    // What was judged by other splits is to be had in the closer look.
    let heads: Vec<_> =
        SPLITS.iter().map(|split| view! { <th scope="col"><code>{*split}</code></th> }).collect();
    (!rows.is_empty()).then(|| {
        view! {
            <section aria-labelledby="experiments-others" data-testid="experiments-others">
                <h2 id="experiments-others">{sentence("experiments.others")}</h2>
                <div class="sideways" role="group" tabindex="0" aria-labelledby="experiments-others">
                    <table class="numbers others">
                        <caption class="quiet small"><p class="stays">{sentence("experiments.others_note")}</p></caption>
                        <thead>
                            <tr>
                                <th scope="col">{sentence("experiments.network")}</th>
                                <th scope="col">{sentence("experiments.parameters")}</th>
                                {heads}
                            </tr>
                        </thead>
                        {rows}
                    </table>
                </div>
                {shipped.map(|model| view! {
                    <p class="quiet small">{move || t!("experiments.pages_own", model = &model)}</p>
                })}
            </section>
        }
    })
}

/// The lines of one of them.
fn other(runs: &[(usize, &Run)], chosen: Memo<Chosen>) -> Option<AnyView> {
    let (_, first) = runs.first()?;
    let model = first.model.clone();
    // A design's recipe bears its name, and what was changed of it behind that.
    let name = match &first.training {
        Some(training) if training.recipe.starts_with(&model) => training.recipe.clone(),
        Some(training) => [model.as_str(), &training.recipe].join(", "),
        None => model.clone(),
    };
    let all: Vec<&Run> = runs.iter().map(|(_, run)| *run).collect();
    let cells: Vec<_> = SPLITS.iter().map(|split| on_split(runs, &all, split, &model, chosen)).collect();
    let is_chosen = is_among(runs.iter().map(|(at, _)| *at).collect(), chosen);
    let columns = (2 + SPLITS.len()).to_string();
    let apart = sets_apart(&model).map(|apart| {
        view! { <tr><td class="apart" colspan=columns><p class="quiet small stays">{sentence(apart)}</p></td></tr> }
    });
    let lines = view! {
        <tbody class:chosen=is_chosen data-testid="other-network" data-model=model>
            <tr>
                <th scope="rowgroup">{move || words::recipe(&name)}</th>
                <td>{words::grouped(first.parameters)}</td>
                {cells}
            </tr>
            {apart}
        </tbody>
    };
    Some(lines.into_any())
}

/// What one of them scores on a split, which leads to the first of the runs that it is the mean of.
fn on_split(
    runs: &[(usize, &Run)],
    all: &[&Run],
    split: &'static str,
    model: &str,
    chosen: Memo<Chosen>,
) -> AnyView {
    let Some(first) = all.iter().find(|run| run.split == split) else {
        return view! { <td>"–"</td> }.into_any();
    };
    let address = address_of(first);
    let here = runs.iter().filter(|(_, run)| run.split == split);
    let is_chosen = is_among(here.map(|(at, _)| *at).collect(), chosen);
    let learned = Learned::mean(all, split);
    let share =
        move || learned.map_or_else(|| "–".to_owned(), |learned| words::percent_exact(learned.of_clips));
    let mean = learned.map(|learned| move || t!("experiments.mean_of", runs = learned.runs));
    let look = {
        let model = model.to_owned();
        move || t!("experiments.look_other", share = share(), model = &model, split = split)
    };
    view! {
        <td data-split=split>
            <a href=address aria-label=look aria-current=move || is_chosen().then_some("true")>{share}</a>
            <span class="quiet small">{mean}</span>
        </td>
    }
    .into_any()
}

/// Whether one of these runs is looked at closely.
fn is_among(runs: Vec<usize>, chosen: Memo<Chosen>) -> impl Fn() -> bool + Send + Sync + 'static {
    move || chosen.with(|chosen| chosen.run().is_some_and(|run| runs.contains(&run)))
}
