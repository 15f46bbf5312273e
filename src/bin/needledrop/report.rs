//! `needledrop report`: the results of runs to figures, numbers and one table.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use needledrop::report::{
    confusion::confusion,
    curves::curves,
    embeddings::Embeddings,
    experiments::{Experiments, PagesModel},
    map::PAPERS_CLIPS,
    result::{ResultError, RunResult},
    table::table,
    tsne::{map, places},
};

use crate::{
    place::{self, Made},
    run,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders of runs that `needledrop evaluate` has scored. [none: only the table
    /// and the page's file, of the results that are there]
    runs: Vec<PathBuf>,
    /// Where results, figures and the table go.
    #[arg(long, short)]
    output: PathBuf,
    /// Where all of it goes as the page reads it.
    #[arg(long)]
    page: Option<PathBuf>,
    /// The model that the page loads, so that it says what that very file scores.
    #[arg(long, requires = "page")]
    model: Option<PathBuf>,
    /// Put a result in the place of another training's of the same row, split, recipe
    /// and seed.
    #[arg(long)]
    replace: bool,
}

pub(crate) fn run(Arguments { runs, output, page, model, replace }: &Arguments) -> anyhow::Result<ExitCode> {
    let model = model.as_deref().map(pages_model).transpose()?;
    if page.is_some() && model.is_none() {
        eprintln!("Without --model the page says nothing of what the model that it loads scores.");
    }
    let mut results = BTreeMap::new();
    for folder in runs {
        let path = run::result(folder);
        if !path.exists() {
            eprintln!("{} has no result.json: `needledrop evaluate` makes one", folder.display());
            continue;
        }
        let result = run::read_result(&path)?;
        if let Some((other, _)) = results.insert(name(&result), (folder, result)) {
            bail!("{} and {} are the same row, split, recipe and seed", other.display(), folder.display());
        }
    }
    if results.is_empty() && !runs.is_empty() {
        bail!("there is nothing to report");
    }
    if let Some(page) = page {
        place::check(page, Made::Experiments)?;
    }
    fs::create_dir_all(output).with_context(|| format!("cannot make the folder {}", output.display()))?;
    if let Some(page) = page {
        place::folder_of(page)?;
    }
    for (name, (folder, result)) in &results {
        let place = output.join(format!("{name}.json"));
        // Rounded weights have another fingerprint, and are of the same training.
        let is_same = |other: RunResult| {
            other.weights == result.weights || other.training.is_some() && other.training == result.training
        };
        let is_of_it = || run::read_result(&place).is_ok_and(is_same);
        if !replace && place.exists() && !is_of_it() {
            bail!(
                "{} holds something else than the training in {}, of the same row, split, recipe and seed: say \
                 --replace, or keep the two in two folders",
                place.display(),
                folder.display()
            );
        }
    }
    let mut all = all_results(output, |name| !results.contains_key(name))?;
    all.extend(results.iter().map(|(name, (_, result))| (name.clone(), result.clone())));
    counted_once(&all, output)?;
    for (name, (folder, result)) in &results {
        for (file, text) in figures(folder, result)? {
            write(&output.join(format!("{name}-{file}.svg")), &text)?;
        }
        write(&output.join(format!("{name}.json")), &result.to_json()?)?;
        println!("{name}");
    }
    let path = output.join("table.md");
    let results: Vec<RunResult> = all.values().cloned().collect();
    write(&path, &table(&results))?;
    println!("Table of {} results in {}", all.len(), path.display());
    if let Some(page) = page {
        let named = all.iter().map(|(name, result)| (name.as_str(), result));
        let experiments = Experiments::new(named, model.as_ref());
        if let (Some(PagesModel { name, weights }), None) = (&model, &experiments.shipped) {
            bail!(
                "no result in {} tells genre by genre what {name} (weights {weights}) scores on a test part: \
                 `needledrop evaluate` it, and report that too",
                output.display()
            );
        }
        write(page, &experiments.to_json()?)?;
        println!("The same for the page in {}", page.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn pages_model(path: &Path) -> anyhow::Result<PagesModel> {
    let weights = run::read_model(path)?;
    Ok(PagesModel { name: weights.card().name.clone(), weights: run::fingerprint(&weights)? })
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    run::write(path, text.as_bytes())
}

/// `row8-clips-0`: row, split and seed, and what is unusual.
fn name(result: &RunResult) -> String {
    let slug = |text: &str| {
        let parts = text.split(|letter: char| !letter.is_alphanumeric());
        let slug = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-").to_lowercase();
        if slug.is_empty() { "nameless".to_owned() } else { slug }
    };
    let model = result.row.as_ref().map_or_else(|| slug(&result.name), |row| format!("row{row}"));
    let mut name = format!("{model}-{}", slug(&result.split.name));
    match &result.training {
        Some(training) => {
            name += &format!("-{}", training.seed);
            if result.split.seed.is_some_and(|seed| seed != training.seed) {
                name += &format!("-split{}", result.split.seed.unwrap_or_default());
            }
            // A design's recipe has the design's own name.
            if training.recipe.name != if result.row.is_some() { "best" } else { &result.name } {
                name += &format!("-{}", slug(&training.recipe.name));
            }
        }
        None => name += &format!("-{}", slug(&result.name)),
    }
    if result.split.refitted {
        name += "-refit";
    }
    name
}

/// The figures of a run, by name.
fn figures(folder: &Path, result: &RunResult) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut figures = Vec::new();
    if let Some(text) = curves(result)? {
        figures.push(("curves", text));
    }
    if let Some((part, scores)) = result.parts.scored().last() {
        figures.push(("confusion", confusion(result, part, scores)?));
    }
    let path = run::embeddings(folder);
    if result.parts.test.is_some() && path.exists() {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let all = Embeddings::from_bytes(&bytes).with_context(|| path.display().to_string())?;
        if all.genres != result.genres {
            bail!("{} is of other genres than the result beside it", path.display());
        }
        for (name, embeddings) in [("tsne-250", all.some(PAPERS_CLIPS)), ("tsne-all", all)] {
            let places = places(&embeddings)?;
            if !places.is_empty() {
                let part = format!("{} clips of test, split {}", embeddings.clips(), result.split.name);
                figures.push((name, map(result, &embeddings, &places, &part)?));
            }
        }
    }
    Ok(figures)
}

/// Holds that no training stands twice among those that have a mean: its interval would be
/// narrower than it is, here and on the page.
fn counted_once(results: &BTreeMap<String, RunResult>, folder: &Path) -> anyhow::Result<()> {
    let mut before = Vec::<(&String, &RunResult)>::new();
    for (name, result) in results {
        let again =
            before.iter().find(|(_, other)| other.is_seed_of(result) && other.is_same_training(result));
        if let Some((other, _)) = again {
            bail!(
                "{other}.json and {name}.json in {} are of the same training, which their mean would count twice: \
                 take one of the two away",
                folder.display()
            );
        }
        before.push((name, result));
    }
    Ok(())
}

/// The results in a folder whose names are wanted, by file name; JSON of something else is left
/// alone.
fn all_results(
    folder: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<BTreeMap<String, RunResult>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let mut results = BTreeMap::new();
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else {
            continue;
        };
        if !is_wanted(name) {
            continue;
        }
        let json = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        match RunResult::from_json(&json) {
            Ok(result) => _ = results.insert(name.to_owned(), result),
            Err(ResultError::Format(_) | ResultError::Unreadable(_)) => {
                eprintln!("{} is no result and is left out of the table", path.display());
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok(results)
}
