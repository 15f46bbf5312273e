//! All of the paper's experiments, the paper's numbers beside ours.
//!
//! In: the results there are. Out: Markdown. A row that nobody ran says so.

use std::fmt::Write;

use super::{
    experiments::PAPERS_SPLIT,
    paper::{GENRES, PAPER, PaperRow},
    result::{Estimate, RunResult, Scores, TrainingRecord},
};
use crate::training::history::{Role, Session};

/// Writes the table, and below it the runs that the paper has not.
pub fn table(results: &[RunResult]) -> String {
    let mut text = String::from(
        "# The paper's experiments, run again\n\n\
         Written by `needledrop report`; [README.md](README.md) says what each number is. Accuracies in \
         percent, that on the test part with its 95 % interval over tracks; losses in nats, with \
         the L2 penalty where the recipe has one. Build times are of different machines, with those of \
         the trainings that one began with or was taught by, as far as they were written down.\n\n\
         The split is `clips`, the paper's: clips of one track stand in training and test, so these \
         accuracies flatter.\n\n\
         | row | who | train acc | train loss | valid acc | valid loss | test acc | test loss | \
         build s | epochs | device |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let (of_paper, others): (Vec<&RunResult>, Vec<&RunResult>) =
        results.iter().partition(|result| row_of(result).is_some());
    for row in &PAPER {
        text += &paper_line(row);
        let mut runs = of_paper.iter().filter(|result| row_of(result) == Some(row.row)).peekable();
        if runs.peek().is_none() {
            text += "| | not run | | | | | | | | | |\n";
        }
        runs.for_each(|result| text += &line("", result));
    }
    if !others.is_empty() {
        text += "\n## Other splits and networks\n\n\
                 | model | who | train acc | train loss | valid acc | valid loss | test acc | test loss | \
                 build s | epochs | device |\n\
                 | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
        others.iter().for_each(|result| text += &line(&escaped(&result.name), result));
    }
    text += &on_test(results);
    text += &over_seeds(results);
    text
}

/// The row of the paper that a result stands beside.
fn row_of(result: &RunResult) -> Option<&str> {
    let is_like = result.split.name == PAPERS_SPLIT && result.genres == GENRES && result.training.is_some();
    is_like.then_some(result.row.as_deref())?
}

fn paper_line(paper: &PaperRow) -> String {
    let part = |(accuracy, loss): (f64, f64)| format!("{:.1} | {loss:.2}", 100.0 * accuracy);
    let [train, validation, test] = [paper.train, paper.validation, paper.test].map(part);
    format!("| {} | paper | {train} | {validation} | {test} | {:.0} | | |\n", paper.row, paper.seconds)
}

fn line(model: &str, result: &RunResult) -> String {
    let part = |scores: &Option<Scores>| {
        scores.as_ref().map_or("– | –".into(), |scores| {
            format!("{:.1} | {:.2}", 100.0 * scores.accuracy.value, scores.loss)
        })
    };
    let [train, validation] = [&result.parts.train, &result.parts.validation].map(part);
    let test =
        result.parts.test.as_ref().map_or("– | –".into(), |scores| {
            format!("{} | {:.2}", percent(&scores.accuracy), scores.loss)
        });
    let (build, epochs, device) = match &result.training {
        Some(training) => (
            format!("{:.0}", training.all_seconds()),
            epochs(training),
            training.sessions.last().map_or("–".into(), device),
        ),
        None => ("–".into(), "–".into(), "–".into()),
    };
    format!(
        "| {model} | {} | {train} | {validation} | {test} | {build} | {epochs} | {device} |\n",
        who(result)
    )
}

/// `10 + 16` where it began with what ten epochs had made.
fn epochs(TrainingRecord { earlier, history, .. }: &TrainingRecord) -> String {
    let earlier = earlier.iter().filter(|earlier| earlier.role == Role::BegunWith);
    let stages = earlier.map(|earlier| earlier.epochs).chain([history.len()]);
    stages.map(|epochs| epochs.to_string()).collect::<Vec<_>>().join(" + ")
}

/// The machine, and what of it where that is not told by its name.
fn device(Session { device, machine, bf16, .. }: &Session) -> String {
    let machine = escaped(machine);
    let rounded = if *bf16 { ", bf16" } else { "" };
    if device == "cpu" { machine } else { format!("{machine}: {}{rounded}", escaped(device)) }
}

/// Recipe, split where it is not the paper's, seed.
fn who(result: &RunResult) -> String {
    let mut who = match &result.training {
        Some(training) => format!("recipe {}, seed {}", escaped(&training.recipe.name), training.seed),
        None => "weights without their run".into(),
    };
    if result.split.name != PAPERS_SPLIT {
        // Writing to a String cannot fail.
        let _ = write!(who, ", split `{}`", result.split.name);
    }
    if result.split.refitted {
        who += ", validation learned from";
    }
    who
}

/// What else the test part says: per track, and how far the numbers can be
/// believed.
fn on_test(results: &[RunResult]) -> String {
    let mut rows = String::new();
    for result in results {
        let Some(scores) = &result.parts.test else { continue };
        let _ = writeln!(
            rows,
            "| {} | {} | {} | {} | {} | {} | {} | {:.3} |",
            escaped(&result.name),
            who(result),
            result.split.name,
            scores.clips,
            scores.tracks,
            percent(&scores.track_accuracy),
            thousandths(&scores.ece),
            scores.track_ece_debiased,
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "\n## On the test part, per track, and calibration\n\n\
         | model | who | split | clips | tracks | accuracy per track | ECE per clip | debiased ECE per \
         track |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n{rows}"
    )
}

/// What a recipe scores that was followed with several seeds: means over them.
fn over_seeds(results: &[RunResult]) -> String {
    let (mut means, mut genres) = (String::new(), String::new());
    for alike in RunResult::by_recipe(results) {
        let first = alike[0];
        let tests: Vec<&Scores> = alike.iter().filter_map(|result| result.parts.test.as_ref()).collect();
        if tests.len() < 2 {
            continue;
        }
        let model = format!(
            "{} | recipe {}{} | {} | {}",
            escaped(&first.name),
            first.training.as_ref().map_or_else(String::new, |training| escaped(&training.recipe.name)),
            if first.split.refitted { ", validation learned from" } else { "" },
            first.split.name,
            tests.len(),
        );
        let tracks = tests.iter().map(|scores| 100.0 * scores.track_accuracy.value);
        let (least, most) = (tracks.clone().fold(f64::MAX, f64::min), tracks.fold(0.0, f64::max));
        let others: Vec<&Scores> =
            alike.iter().filter_map(|result| result.parts.test_other_artists.as_ref()).collect();
        // Older results count artists, and give a genre's interval, in another way.
        let is_new = tests.iter().all(|scores| scores.track_loss.is_some());
        let of_others = if is_new && others.len() == tests.len() {
            let tracks: usize = others.iter().map(|scores| scores.tracks).sum();
            format!(
                "{} | {} | {tracks}",
                percent(&mean(&others, |scores| scores.accuracy)),
                percent(&mean(&others, |scores| scores.track_accuracy))
            )
        } else {
            "– | – | –".to_owned()
        };
        let share =
            |of: fn(&Scores) -> f64| tests.iter().map(|scores| of(scores)).sum::<f64>() / tests.len() as f64;
        let _ = writeln!(
            means,
            "| {model} | {} | {} | {least:.1} to {most:.1} | {of_others} | {} | {:.3} | {:.1} | {:.1} |",
            percent(&mean(&tests, |scores| scores.accuracy)),
            percent(&mean(&tests, |scores| scores.track_accuracy)),
            thousandths(&mean(&tests, |scores| scores.ece)),
            share(|scores| scores.track_ece_debiased),
            100.0 * share(|scores| scores.refused),
            100.0 * share(|scores| scores.unsure),
        );
        if is_new && first.genres == GENRES {
            let cells = (0..GENRES.len()).map(|genre| {
                let each: Vec<_> =
                    tests.iter().filter_map(|scores| scores.genres.get(genre)?.tracks).collect();
                if each.is_empty() { "–".to_owned() } else { percent(&Estimate::mean(&each)) }
            });
            let _ = writeln!(genres, "| {model} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
    }
    if means.is_empty() {
        return means;
    }
    let mut text = format!(
        "\n## Means over several trainings, on the test part\n\n\
         In brackets the 95 % interval over tracks and seeds (`Estimate::mean` in \
         [`src/report/result.rs`](../../src/report/result.rs)). Where the seed draws the split too, \
         as in `clips` and `tracks`, each training has tracks of its own to be judged by. Other artists: \
         tracks of artists of whom nothing was learned, those of all trainings counted.\n\n\
         | model | who | split | trainings | accuracy per clip | per track | of the single ones | other artists: \
         per clip | per track | tracks | ECE per clip | debiased ECE per track | clips refused | tracks not sure |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{means}"
    );
    if !genres.is_empty() {
        let _ = write!(
            text,
            "\nOf each genre's tracks are right:\n\n| model | who | split | trainings | {} |\n|{}\n{genres}",
            GENRES.join(" | "),
            " --- |".repeat(GENRES.len() + 4)
        );
    }
    text
}

/// The mean of a score of several trainings.
fn mean(trainings: &[&Scores], of: fn(&Scores) -> Estimate) -> Estimate {
    Estimate::mean(&trainings.iter().map(|scores| of(scores)).collect::<Vec<_>>())
}

fn percent(estimate: &Estimate) -> String {
    let [value, low, high] = [estimate.value, estimate.low, estimate.high].map(|share| 100.0 * share);
    format!("{value:.1} ({low:.1} to {high:.1})")
}

fn thousandths(estimate: &Estimate) -> String {
    format!("{:.3} ({:.3} to {:.3})", estimate.value, estimate.low, estimate.high)
}

/// A name that cannot end a cell or a line.
fn escaped(name: &str) -> String {
    name.replace('|', "\\|").replace(['\n', '\r'], " ")
}
