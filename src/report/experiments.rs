//! What the page's view of the experiments shows, in one small file.
//!
//! In: every [`RunResult`] there is, by name, and the [`PAPER`]'s own table. Out:
//! [`Experiments`], which `needledrop report` writes as `www/data/experiments.json`
//! and the page reads: the same numbers as `docs/results/`, rounded to what is
//! shown, without what only a reader of the JSON wants.

use serde::{Deserialize, Serialize};

use super::{
    paper::{GENRES, PAPER},
    result::{Estimate, GenreScore, RunResult, Scores, TrainingRecord},
};
use crate::{dataset::choice::PartSizes, order::order, training::history::Epoch};

/// Version of the shape that this build writes and reads.
pub const VERSION: u32 = 2;

/// The paper's split, by which a run stands in one of its rows.
pub const PAPERS_SPLIT: &str = "clips";

/// The splits that say more and more of songs never heard, in that order.
pub const SPLITS: [&str; 3] = ["clips", "tracks", "filtered"];

/// Decimals that losses and accuracies keep: more than are shown, or what is rounded here to
/// a half would be rounded up there.
const KEPT: f64 = 1e5;

/// Why the file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExperimentsError {
    /// No JSON, or not the fields.
    #[error("the experiments cannot be read: {0}")]
    Unreadable(String),
    /// Written by another version.
    #[error("the experiments have version {0}, this build reads version {VERSION}")]
    Version(u32),
    /// Its numbers do not fit each other.
    #[error("the experiments contradict themselves: {0}")]
    Contradiction(String),
}

/// The paper's table, and all that was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiments {
    /// [`VERSION`].
    pub version: u32,
    /// The paper's twelve, in its order.
    pub rows: Vec<Row>,
    /// Ours, by name.
    pub runs: Vec<Run>,
    /// What the page's own file scores, where it was scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipped: Option<Shipped>,
}

/// The model that the page loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagesModel {
    /// What its card calls it.
    pub name: String,
    /// Its [`RunResult::weights`].
    pub weights: String,
}

/// What the page's own model scores on the test part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shipped {
    /// What its card calls it.
    pub model: String,
    /// `filtered`, or what it was split by.
    pub split: String,
    /// Clips in each part; training has validation in it.
    pub clips: PartSizes,
    /// Tracks that it is judged by.
    pub tracks: usize,
    /// Share of these that are right, with the ends of its 95 % interval.
    pub of_tracks: [f64; 3],
    /// The same of their clips.
    pub of_clips: [f64; 3],
    /// The same of the tracks of whose artist nothing was learned, and how many they are.
    pub of_other_artists: Option<([f64; 3], usize)>,
    /// What trainings by the same recipe score that leave the validation part alone.
    pub protocol: Option<Protocol>,
    /// Expected calibration error of a clip.
    pub ece: [f64; 3],
    /// The same of a track, debiased.
    pub track_ece: f64,
    /// Share of clips that are refused as not music.
    pub refused: f64,
    /// Share of tracks that the page is not sure of.
    pub unsure: f64,
    /// Below this score a clip is refused as not music.
    pub refused_below: Option<f64>,
    /// Below this probability of the most probable genre the page is not sure of a song.
    pub unsure_below: Option<f64>,
    /// Genre by genre.
    pub genres: Vec<ShippedGenre>,
}

/// The mean of several trainings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// How many, each with a seed of its own.
    pub trainings: usize,
    /// Share of test tracks that are right, with the ends of its 95 % interval.
    pub of_tracks: [f64; 3],
    /// The same of their clips.
    pub of_clips: [f64; 3],
}

/// What the page's own model scores on a genre.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShippedGenre {
    /// Its name.
    pub name: String,
    /// Its test tracks, and the share of them that are right.
    pub of_tracks: (usize, [f64; 3]),
    /// Those of them of whose artist nothing was learned; `None` where artists are not
    /// known, or none is left.
    pub of_other_artists: Option<(usize, [f64; 3])>,
}

/// A row of the paper's table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `1` to `10`, `3R`, `4R`.
    pub row: String,
    /// Seconds that building the model took, there.
    pub seconds: f64,
    /// Accuracy, 0 to 1, and loss on training, validation and test.
    pub parts: [(f64, f64); 3],
    /// Places in [`Experiments::runs`] of ours; none where it was not run.
    pub runs: Vec<usize>,
}

/// A training and what it scored, or weights alone and what they scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Name of its files in `docs/results/`.
    pub name: String,
    /// What its card calls it.
    pub model: String,
    /// The paper's row whose network this is, if any.
    pub row: Option<String>,
    /// Weights and biases.
    pub parameters: usize,
    /// Genres in the order of the matrices.
    pub genres: Vec<String>,
    /// `clips`, `tracks`, `filtered`, `lists` or `lists over clips`.
    pub split: String,
    /// What the split was drawn with, where it was.
    pub split_seed: Option<u64>,
    /// Clips in each part.
    pub clips: PartSizes,
    /// How the weights came about; `None` for weights without their run.
    pub training: Option<Training>,
    /// Where and when it was scored.
    pub scored: Call,
    /// What it scored on training, validation and test, where it was scored.
    pub parts: [Option<Part>; 3],
}

/// How the weights came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Name of the recipe.
    pub recipe: String,
    /// What first weights, order and dropout were drawn from.
    pub seed: u64,
    /// How long it took, in seconds, with the trainings that it builds on.
    pub seconds: f64,
    /// The epoch whose weights were kept, from 1.
    pub best: usize,
    /// Of each epoch: training loss and accuracy, validation loss and accuracy.
    /// `None` for what is no number.
    pub epochs: Vec<[Option<f64>; 4]>,
    /// The last call that trained, where it was written down.
    pub call: Option<Call>,
}

/// Where, when and by what command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The command.
    pub command: String,
    /// Processor and GPU.
    pub machine: String,
    /// `YYYY-MM-DD`.
    pub date: String,
}

/// What was scored on a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Clips judged.
    pub clips: usize,
    /// Tracks that they are of.
    pub tracks: usize,
    /// Loss with the penalty, in nats.
    pub loss: f64,
    /// Share of clips that are right, with the ends of its 95 % interval.
    pub accuracy: [f64; 3],
    /// The same of tracks.
    pub of_tracks: [f64; 3],
    /// Clips by `[truth][said]`.
    pub confusion: Vec<Vec<u32>>,
}

impl Experiments {
    /// Of all results, by name, and of the model that the page loads.
    pub fn new<'a>(
        results: impl IntoIterator<Item = (&'a str, &'a RunResult)>,
        model: Option<&PagesModel>,
    ) -> Self {
        let (refitted, chosen): (Vec<_>, Vec<_>) =
            results.into_iter().partition(|(_, result)| result.split.refitted);
        let shipped = model.and_then(|model| {
            let mut all = refitted.iter().chain(&chosen);
            let (_, result) = all.find(|(_, result)| result.weights == model.weights)?;
            Shipped::new(&model.name, result, &chosen)
        });
        let mut runs: Vec<Run> = chosen.into_iter().map(|(name, result)| Run::new(name, result)).collect();
        runs.sort_by(|one, other| one.name.cmp(&other.name));
        let rows = PAPER.iter().map(|paper| Row {
            row: paper.row.into(),
            seconds: paper.seconds,
            parts: [paper.train, paper.validation, paper.test],
            runs: (0..runs.len()).filter(|&at| runs[at].stands_in(paper.row)).collect(),
        });
        Self { version: VERSION, rows: rows.collect(), runs, shipped }
    }

    /// The file.
    ///
    /// # Errors
    /// [`ExperimentsError::Unreadable`] where a number has no JSON form.
    pub fn to_json(&self) -> Result<String, ExperimentsError> {
        let json = serde_json::to_string(self);
        json.map(|json| json + "\n").map_err(|error| ExperimentsError::Unreadable(error.to_string()))
    }

    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`ExperimentsError`] with the first thing that is wrong.
    pub fn from_json(json: &str) -> Result<Self, ExperimentsError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let unreadable = |error: serde_json::Error| ExperimentsError::Unreadable(error.to_string());
        // The version first: another's fields need not be ours.
        let Version { version } = serde_json::from_str(json).map_err(unreadable)?;
        if version != VERSION {
            return Err(ExperimentsError::Version(version));
        }
        let experiments: Self = serde_json::from_str(json).map_err(unreadable)?;
        experiments.validate()?;
        Ok(experiments)
    }

    /// Whoever draws a matrix relies on its size, and on the runs of a row being
    /// there.
    fn validate(&self) -> Result<(), ExperimentsError> {
        let contradiction = |message: String| Err(ExperimentsError::Contradiction(message));
        if let Some(row) = self.rows.iter().find(|row| row.runs.iter().any(|run| *run >= self.runs.len())) {
            return contradiction(format!("row {} has a run that is not there", row.row));
        }
        for run in &self.runs {
            let genres = run.genres.len();
            let square = |part: &Part| {
                part.confusion.len() == genres && part.confusion.iter().all(|row| row.len() == genres)
            };
            if !run.parts.iter().flatten().all(square) {
                return contradiction(format!("the scores of {} are not of {genres} genres", run.name));
            }
        }
        Ok(())
    }

    /// What leakage is worth: what the same network, trained by the same recipe,
    /// scored on the test part of each of the [`SPLITS`]. Of all networks and
    /// recipes the one that was run on most of them, the paper's row 8 before other
    /// rows and these before networks of our own; with none run, three times nothing.
    pub fn lesson(&self) -> Lesson {
        let place = |run: &Run| match run.row.as_deref() {
            Some("8") => 0,
            Some(row) => 1 + self.rows.iter().position(|other| other.row == row).unwrap_or_default(),
            None => usize::MAX,
        };
        let trained: Vec<(&Run, &str)> =
            self.runs.iter().filter_map(|run| Some((run, run.training.as_ref()?.recipe.as_str()))).collect();
        let order = order(trained.len(), &|a, b| place(trained[a].0).cmp(&place(trained[b].0)));
        let trained: Vec<(&Run, &str)> = order.into_iter().map(|at| trained[at]).collect();
        let mut best = Lesson::default();
        for &(run, recipe) in &trained {
            let same = |other: &Run| other.row == run.row && (run.row.is_some() || other.model == run.model);
            let runs: Vec<&Run> = trained
                .iter()
                .filter(|(other, of_other)| same(other) && *of_other == recipe)
                .map(|(other, _)| *other)
                .collect();
            let splits = SPLITS.map(|split| Learned::mean(&runs, split));
            if splits.iter().flatten().count() > best.splits.iter().flatten().count() {
                best =
                    Lesson { row: run.row.clone(), model: run.model.clone(), recipe: recipe.into(), splits };
            }
        }
        best
    }

    /// The networks that stand in no row of the paper, those of another recipe apart: their
    /// runs with their places, at least one of each, by name.
    pub fn others(&self) -> Vec<Vec<(usize, &Run)>> {
        let mut others: Vec<Vec<(usize, &Run)>> = Vec::new();
        for (at, run) in self.runs.iter().enumerate().filter(|(_, run)| run.row.is_none()) {
            let alike = |runs: &&mut Vec<(usize, &Run)>| {
                runs.iter().all(|(_, other)| other.made_of() == run.made_of())
            };
            match others.iter_mut().find(alike) {
                Some(runs) => runs.push((at, run)),
                None => others.push(vec![(at, run)]),
            }
        }
        others
    }
}

/// The same network on the three [`SPLITS`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lesson {
    /// The paper's row; `None` for a network of our own.
    pub row: Option<String>,
    /// What its card calls it.
    pub model: String,
    /// Name of the recipe; empty where nothing was run.
    pub recipe: String,
    /// What it scored, where it was run.
    pub splits: [Option<Learned>; 3],
}

/// What a network scored on the test part of a split: means over its seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learned {
    /// Share of clips that are right.
    pub of_clips: f64,
    /// Share of tracks.
    pub of_tracks: f64,
    /// Trainings that these are the means of.
    pub runs: usize,
}

impl Learned {
    /// Of those of `runs` that are on this split; `None` where none of them was judged.
    pub fn mean(runs: &[&Run], split: &str) -> Option<Self> {
        let on_split = runs.iter().filter(|run| run.split == split);
        let parts: Vec<&Part> = on_split.filter_map(|run| run.parts[2].as_ref()).collect();
        let mean = |value: fn(&Part) -> f64| {
            parts.iter().map(|part| value(part)).sum::<f64>() / parts.len().max(1) as f64
        };
        (!parts.is_empty()).then(|| Self {
            of_clips: mean(|part| part.accuracy[0]),
            of_tracks: mean(|part| part.of_tracks[0]),
            runs: parts.len(),
        })
    }
}

impl Run {
    fn new(name: &str, result: &RunResult) -> Self {
        let call = |session: &crate::training::history::Session| Call {
            command: session.command.clone(),
            machine: session.machine.clone(),
            date: session.date.clone(),
        };
        let training = |training: &TrainingRecord| Training {
            recipe: training.recipe.name.clone(),
            seed: training.seed,
            seconds: training.all_seconds().round(),
            best: training.best_epoch,
            epochs: training.history.iter().map(epoch).collect(),
            call: training.sessions.last().map(call),
        };
        let parts = [&result.parts.train, &result.parts.validation, &result.parts.test];
        Self {
            name: name.into(),
            model: result.name.clone(),
            row: result.row.clone(),
            parameters: result.parameters,
            genres: result.genres.clone(),
            split: result.split.name.clone(),
            split_seed: result.split.seed,
            clips: result.split.clips,
            training: result.training.as_ref().map(training),
            scored: call(result.call_of("test")),
            parts: parts.map(|scores| scores.as_ref().map(Part::new)),
        }
    }

    /// What is the same whatever split and seed: what its network is called, its size, and
    /// the recipe's name.
    pub fn made_of(&self) -> (&str, usize, Option<&str>) {
        let recipe = self.training.as_ref().map(|training| training.recipe.as_str());
        (&self.model, self.parameters, recipe)
    }

    /// Whether it stands beside that row of the paper: its network, its genres, its
    /// split, and a training of ours.
    fn stands_in(&self, row: &str) -> bool {
        self.row.as_deref() == Some(row)
            && self.genres == GENRES
            && self.split == PAPERS_SPLIT
            && self.training.is_some()
    }
}

impl Shipped {
    /// `None` where the test part was not scored, or not genre by genre, or where its
    /// tracks have not all as many clips.
    ///
    /// `chosen` are results of models that left the validation part alone.
    fn new(name: &str, result: &RunResult, chosen: &[(&str, &RunResult)]) -> Option<Self> {
        let test = result.parts.test.as_ref()?;
        let clips_of_track = test.clips.checked_div(test.tracks).filter(|clips| *clips > 0)?;
        let tracks = |clips: usize| clips.is_multiple_of(clips_of_track).then_some(clips / clips_of_track);
        tracks(test.clips)?;
        let others = result.parts.test_other_artists.as_ref();
        let of = |score: &GenreScore| Some((tracks(score.support as usize)?, estimate(&score.tracks?)));
        let genre = |(at, name): (usize, &String)| {
            let other = others.and_then(|others| of(others.genres.get(at)?));
            let of_other_artists = other.filter(|(tracks, _)| *tracks > 0);
            Some(ShippedGenre { name: name.clone(), of_tracks: of(test.genres.get(at)?)?, of_other_artists })
        };
        Some(Self {
            model: name.to_owned(),
            split: result.split.name.clone(),
            clips: result.split.clips,
            tracks: test.tracks,
            of_tracks: estimate(&test.track_accuracy),
            of_clips: estimate(&test.accuracy),
            of_other_artists: others.map(|scores| (estimate(&scores.track_accuracy), scores.tracks)),
            protocol: Protocol::new(result, chosen),
            ece: estimate(&test.ece),
            track_ece: rounded(test.track_ece_debiased),
            refused: rounded(test.refused),
            unsure: rounded(test.unsure),
            refused_below: result.calibration.rejection.map(|rejection| rounded(rejection.threshold.into())),
            unsure_below: result.calibration.least_confidence.map(|least| rounded(least.into())),
            genres: result.genres.iter().enumerate().map(genre).collect::<Option<_>>()?,
        })
    }
}

impl Protocol {
    /// Of those that are trained as the model was, but without its validation part.
    fn new(shipped: &RunResult, chosen: &[(&str, &RunResult)]) -> Option<Self> {
        let alike =
            |result: &RunResult| result.is_made_like(shipped) && result.split.name == shipped.split.name;
        let alike: Vec<&RunResult> =
            chosen.iter().map(|(_, result)| *result).filter(|result| alike(result)).collect();
        let (of_tracks, of_clips): (Vec<Estimate>, Vec<Estimate>) = alike
            .iter()
            // Lists of a person's own may be others under the same name, and an archive may grow.
            .filter(|result| result.is_split_like(alike[0]))
            .filter_map(|result| result.parts.test.as_ref())
            .map(|test| (test.track_accuracy, test.accuracy))
            .unzip();
        let mean = |each: &[Estimate]| estimate(&Estimate::mean(each));
        let trainings = of_tracks.len();
        (trainings > 1).then(|| Self { trainings, of_tracks: mean(&of_tracks), of_clips: mean(&of_clips) })
    }
}

fn estimate(of: &Estimate) -> [f64; 3] {
    [of.value, of.low, of.high].map(rounded)
}

impl Part {
    fn new(scores: &Scores) -> Self {
        Self {
            clips: scores.clips,
            tracks: scores.tracks,
            loss: rounded(scores.loss),
            accuracy: estimate(&scores.accuracy),
            of_tracks: estimate(&scores.track_accuracy),
            confusion: scores.confusion.clone(),
        }
    }

    /// Share of the clips of each genre that were known: its recall. `None` where
    /// there are none.
    pub fn recall(&self, genre: usize) -> Option<f64> {
        let row = self.confusion.get(genre)?;
        let of = row.iter().sum::<u32>();
        (of > 0).then(|| f64::from(row.get(genre).copied().unwrap_or_default()) / f64::from(of))
    }

    /// The truth and what it was most often taken for that it is not, and how often.
    pub fn worst(&self) -> Option<(usize, usize, u32)> {
        let cells = self.confusion.iter().enumerate();
        let cells =
            cells.flat_map(|(truth, row)| row.iter().enumerate().map(move |(said, n)| (truth, said, *n)));
        let wrong = cells.filter(|(truth, said, clips)| truth != said && *clips > 0);
        // The first of equal ones.
        wrong.reduce(|most, next| if next.2 > most.2 { next } else { most })
    }
}

fn epoch(epoch: &Epoch) -> [Option<f64>; 4] {
    [epoch.train_loss, epoch.train_accuracy, epoch.validation_loss, epoch.validation_accuracy]
        .map(|value| value.is_finite().then(|| rounded(value)))
}

fn rounded(value: f64) -> f64 {
    (value * KEPT).round() / KEPT
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        dataset::choice::SplitChoice,
        report::result::{FORMAT, Parts},
        spectrogram::config::SpectrogramConfig,
        training::{
            history::{Earlier, Role, Session, Versions},
            recipe::Recipe,
        },
    };

    fn session(command: &str) -> Session {
        Session {
            command: command.into(),
            device: "cpu".into(),
            machine: "2 cores".into(),
            bf16: false,
            warm_up_seconds: None,
            versions: Versions::of_this_build(),
            date: "2026-11-23".into(),
        }
    }

    fn scores(right: u32, wrong: u32) -> Scores {
        let share = f64::from(right) / f64::from(right + wrong);
        let accuracy = Estimate { value: share, low: share - 0.1, high: share + 0.1 };
        let mut confusion = vec![vec![0; 10]; 10];
        for (truth, said, clips) in [(0, 0, right), (0, 1, wrong), (1, 0, wrong), (1, 1, right)] {
            confusion[truth][said] = clips;
        }
        let genre =
            GenreScore { precision: None, recall: None, f1: None, support: right + wrong, tracks: None };
        Scores {
            clips: 2 * (right + wrong) as usize,
            tracks: 2,
            loss: 1.0 / 3.0,
            penalty: 0.0,
            accuracy,
            track_accuracy: accuracy,
            track_loss: None,
            genres: vec![genre; 10],
            confusion,
            ece: accuracy,
            track_ece_debiased: 0.0,
            refused: 0.0,
            unsure: 0.0,
        }
    }

    fn result(row: &str, split: &str, seed: u64, right: u32) -> RunResult {
        let epoch = Epoch {
            train_loss: f64::NAN,
            train_accuracy: 0.123_456_78,
            validation_loss: 1.0,
            validation_accuracy: 0.5,
            seconds: 10.4,
        };
        RunResult {
            format: FORMAT.into(),
            version: crate::report::result::VERSION,
            row: Some(row.into()),
            name: format!("Experiment {row}"),
            genres: GENRES.map(String::from).to_vec(),
            parameters: 7,
            weights: String::new(),
            split: SplitChoice {
                refitted: false,
                name: split.into(),
                seed: Some(0),
                clips: PartSizes { train: 8, validation: 1, test: 1 },
                fingerprint: String::new(),
            },
            calibration: Default::default(),
            training: Some(TrainingRecord {
                recipe: Recipe::best(&crate::network::experiment::experiments()[9]),
                seed,
                seconds: 10.4,
                best_epoch: 1,
                history: vec![epoch],
                sessions: vec![session("needledrop train")],
                earlier: Vec::new(),
            }),
            evaluation: session("needledrop evaluate"),
            spectrogram: None,
            evaluated_before: BTreeMap::new(),
            parts: Parts {
                train: None,
                validation: None,
                test: Some(scores(right, 10 - right)),
                test_other_artists: None,
            },
        }
    }

    fn experiments(results: &[(&str, RunResult)]) -> Experiments {
        let model = PagesModel { name: "Ears".into(), weights: "shipped".into() };
        Experiments::new(results.iter().map(|(name, result)| (*name, result)), Some(&model))
    }

    #[test]
    fn only_what_was_made_alike_is_one_recipes_mean() {
        let one = result("8", "clips", 0, 9);
        assert!(one.is_seed_of(&result("8", "clips", 1, 8)));
        let with = |change: fn(&mut RunResult)| {
            let mut other = result("8", "clips", 1, 8);
            change(&mut other);
            other
        };
        let front_end = SpectrogramConfig { hop_length: 1920, ..SpectrogramConfig::default() };
        let known = RunResult { spectrogram: Some(SpectrogramConfig::default()), ..one.clone() };
        assert!(known.is_seed_of(&one));
        assert!(!known.is_seed_of(&RunResult { spectrogram: Some(front_end), ..one.clone() }));
        assert!(!one.is_seed_of(&with(|other| other.genres.reverse())));
        assert!(!one.is_seed_of(&with(|other| other.split.clips.train += 10)));
        assert!(!one.is_seed_of(&with(|other| other.training = None)));
        // Where both say who taught them, it was the same.
        let taught = |name: &str| {
            let mut other = result("8", "clips", 1, 8);
            other.training.as_mut().unwrap().earlier = vec![Earlier {
                role: Role::Teacher,
                name: name.into(),
                recipe: "plain".into(),
                weights: "of a seed".into(),
                epochs: 1,
                seconds: 1.0,
            }];
            other
        };
        assert!(taught("small").is_seed_of(&taught("small")) && taught("small").is_seed_of(&one));
        assert!(!taught("small").is_seed_of(&taught("large")));
        // Who says nothing of it does not bring those together that differ.
        let [small, large] = ["small", "large"].map(taught);
        let together = |results: &[&RunResult]| -> Vec<usize> {
            let results: Vec<RunResult> = results.iter().map(|result| (*result).clone()).collect();
            RunResult::by_recipe(&results).iter().map(Vec::len).collect()
        };
        assert_eq!(together(&[&one, &small, &large, &small]), [3, 1]);
        assert_eq!(together(&[&small, &one, &large]), [2, 1]);
    }

    #[test]
    fn one_training_is_known_again() {
        let of =
            |seed: u64, weights: &str| RunResult { weights: weights.into(), ..result("8", "clips", seed, 9) };
        let one = of(0, "of a seed");
        assert!(!one.is_same_training(&of(1, "of another")));
        // Rounded weights are others, and what a file says of its seed may be wrong.
        assert!(one.is_same_training(&of(0, "rounded")) && one.is_same_training(&of(1, "of a seed")));
        let mut redrawn = of(0, "of another");
        redrawn.split.fingerprint = "drawn anew".into();
        assert!(!one.is_same_training(&redrawn));
        assert!(!one.is_same_training(&RunResult { name: "wide".into(), ..of(0, "of another") }));
        // Begun with what another seed had come to, it comes to something else.
        let begun = |with: &str, weights: &str| {
            let mut begun = of(0, weights);
            begun.training.as_mut().unwrap().earlier = vec![Earlier {
                role: Role::BegunWith,
                name: "Experiment 8".into(),
                recipe: "plain".into(),
                weights: with.into(),
                epochs: 1,
                seconds: 1.0,
            }];
            begun
        };
        assert!(begun("one", "a").is_same_training(&begun("one", "b")));
        assert!(!begun("one", "a").is_same_training(&begun("other", "b")));
    }

    #[test]
    fn nothing_run_is_twelve_rows_that_say_so() {
        let none = experiments(&[]);
        assert_eq!(none.rows.len(), 12);
        assert!(none.rows.iter().all(|row| row.runs.is_empty()));
        assert_eq!(none.rows[9].parts[2], (0.885, 0.37));
        assert_eq!(none.lesson().splits, [None; 3]);
        assert_eq!(Experiments::from_json(&none.to_json().unwrap()), Ok(none));
    }

    #[test]
    fn a_run_stands_in_its_row_on_the_papers_split_only() {
        let runs = [
            ("row8-clips-1", result("8", "clips", 1, 9)),
            ("row8-clips-0", result("8", "clips", 0, 7)),
            ("row8-tracks-0", result("8", "tracks", 0, 5)),
            ("weights", RunResult { training: None, ..result("8", "clips", 0, 9) }),
            ("yours", {
                let mut yours = result("8", "clips", 0, 9);
                yours.genres[3] = "fado".into();
                yours
            }),
        ];
        let all = experiments(&runs);
        assert_eq!(all.rows[9].runs, [0, 1]);
        assert_eq!(all.runs[0].name, "row8-clips-0");
        assert!(all.rows.iter().enumerate().all(|(at, row)| at == 9 || row.runs.is_empty()));
        assert_eq!(Experiments::from_json(&all.to_json().unwrap()), Ok(all));
    }

    #[test]
    fn the_lesson_is_of_the_network_run_on_most_splits() {
        let mut runs = vec![("a", result("8", "clips", 0, 7)), ("b", result("8", "clips", 1, 9))];
        let only = experiments(&runs).lesson();
        assert_eq!((only.row.as_deref(), only.splits[1], only.splits[2]), (Some("8"), None, None));
        let clips = only.splits[0].unwrap();
        assert!((clips.of_clips - 0.8).abs() < 1e-9 && clips.runs == 2);
        runs.extend([("c", result("7", "clips", 0, 6)), ("d", result("7", "filtered", 0, 4))]);
        let lesson = experiments(&runs).lesson();
        assert_eq!(lesson.row.as_deref(), Some("7"));
        assert!(lesson.splits[0].is_some() && lesson.splits[1].is_none() && lesson.splits[2].is_some());
        // One of our own only where it was run on more, and never together with another.
        let own =
            |model: &str, split| RunResult { row: None, name: model.into(), ..result("8", split, 0, 5) };
        runs.extend([
            ("e", own("small", "clips")),
            ("f", own("small", "tracks")),
            ("g", own("large", "filtered")),
        ]);
        assert_eq!(experiments(&runs).lesson().row.as_deref(), Some("7"));
        runs.push(("h", own("small", "filtered")));
        let lesson = experiments(&runs).lesson();
        assert_eq!((lesson.row, lesson.model.as_str()), (None, "small"));
        assert!(lesson.splits.iter().all(|learned| learned.is_some_and(|learned| learned.runs == 1)));
    }

    #[test]
    fn other_networks_stand_together_whatever_split_and_seed() {
        let own = |model: &str, split, right| RunResult {
            row: None,
            name: model.into(),
            ..result("8", split, 0, right)
        };
        let mut changed = own("small", "clips", 9);
        changed.training.as_mut().unwrap().recipe.name += ", 20 epochs";
        let mut refitted = own("small", "clips", 9);
        refitted.split.refitted = true;
        let runs = [
            ("a", own("small", "clips", 5)),
            ("b", own("large", "filtered", 5)),
            ("c", own("small", "clips", 6)),
            ("d", own("small", "tracks", 4)),
            ("e", changed),
            ("f", refitted),
            ("g", RunResult { training: None, ..own("small", "clips", 9) }),
            ("h", RunResult { parameters: 8, ..own("small", "clips", 9) }),
            ("i", result("8", "clips", 0, 9)),
        ];
        let all = experiments(&runs);
        let others = all.others();
        let names = |runs: &Vec<(usize, &Run)>| -> String {
            assert!(runs.iter().all(|(at, run)| &all.runs[*at] == *run));
            runs.iter().map(|(_, run)| run.name.as_str()).collect()
        };
        assert_eq!(others.iter().map(names).collect::<Vec<_>>(), ["acd", "b", "e", "g", "h"]);
        let small: Vec<&Run> = others[0].iter().map(|(_, run)| *run).collect();
        let clips = Learned::mean(&small, "clips").unwrap();
        assert!((clips.of_clips - 0.55).abs() < 1e-9 && clips.runs == 2);
        assert_eq!(Learned::mean(&small, "filtered"), None);
    }

    #[test]
    fn what_the_page_ships_is_what_has_its_weights() {
        let refitted = |weights: &str, right: u32| {
            let mut result = result("8", "filtered", 0, right);
            result.split.refitted = true;
            result.weights = weights.into();
            let test = result.parts.test.as_mut().unwrap();
            let tracks = test.track_accuracy;
            test.genres.iter_mut().for_each(|genre| genre.tracks = Some(tracks));
            result
        };
        let runs = [
            ("a", result("8", "clips", 0, 9)),
            ("b", refitted("before", 6)),
            ("c", refitted("shipped", 7)),
            ("d", refitted("after", 8)),
        ];
        let all = experiments(&runs);
        assert_eq!(all.runs.len(), 1, "none of them is beside what was chosen on validation");
        let said = all.shipped.as_ref().unwrap();
        assert_eq!(said.model, "Ears");
        assert_eq!((said.of_tracks, said.of_other_artists), ([0.7, 0.6, 0.8], None));
        // Of ten clips, as many as each of the two tracks has.
        let disco = &said.genres[3];
        assert_eq!((disco.name.as_str(), disco.of_tracks), ("disco", (1, [0.7, 0.6, 0.8])));
        assert_eq!((disco.of_other_artists, said.protocol), (None, None));
        assert_eq!(Experiments::from_json(&all.to_json().unwrap()), Ok(all));
        // The mean of those that left the validation part alone, and artists apart.
        let mut apart = refitted("shipped", 7);
        apart.calibration.least_confidence = Some(0.5);
        let mut others = apart.parts.test.clone().unwrap();
        others.genres[3].support = 0;
        apart.parts.test_other_artists = Some(others);
        let one = |seed, right| result("8", "filtered", seed, right);
        // Of an archive that has grown since.
        let mut grown = one(2, 9);
        grown.split.clips.train += 10;
        let clips = result("8", "clips", 0, 9);
        let all = [("a", apart), ("b", one(0, 6)), ("c", one(1, 8)), ("d", clips), ("e", grown)];
        let said = experiments(&all).shipped.unwrap();
        let protocol = said.protocol.unwrap();
        assert_eq!((protocol.trainings, protocol.of_clips[0]), (2, 0.7));
        assert_eq!((said.unsure_below, said.refused_below), (Some(0.5), None));
        assert_eq!(said.genres[3].of_other_artists, None);
        assert_eq!(said.genres[4].of_other_artists, Some(said.genres[4].of_tracks));
        // Results of before genres were scored by tracks.
        let mut old = refitted("shipped", 7);
        old.parts.test.as_mut().unwrap().genres[0].tracks = None;
        assert_eq!(experiments(&[("old", old)]).shipped, None);
        assert_eq!(experiments(&[("another", refitted("another", 7))]).shipped, None);
    }

    #[test]
    fn numbers_are_rounded_and_what_is_none_is_left_out() {
        let all = experiments(&[("a", result("8", "clips", 0, 7))]);
        let run = &all.runs[0];
        let training = run.training.as_ref().unwrap();
        assert_eq!(training.epochs, [[None, Some(0.12346), Some(1.0), Some(0.5)]]);
        assert_eq!(training.seconds, 10.0);
        let test = run.parts[2].as_ref().unwrap();
        assert_eq!((test.loss, test.recall(0), test.recall(2)), (0.33333, Some(0.7), None));
        assert_eq!(test.worst(), Some((0, 1, 3)));
        assert!(run.parts[0].is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let good = experiments(&[("a", result("8", "clips", 0, 7))]);
        let refused = |change: fn(&mut Experiments)| {
            let mut bad = good.clone();
            change(&mut bad);
            Experiments::from_json(&bad.to_json().unwrap()).unwrap_err()
        };
        assert_eq!(refused(|bad| bad.version = 1), ExperimentsError::Version(1));
        assert!(matches!(refused(|bad| bad.rows[0].runs.push(5)), ExperimentsError::Contradiction(_)));
        assert!(matches!(
            refused(|bad| {
                bad.runs[0].genres.pop();
            }),
            ExperimentsError::Contradiction(_)
        ));
        assert!(matches!(Experiments::from_json("{}"), Err(ExperimentsError::Unreadable(_))));
    }
}
