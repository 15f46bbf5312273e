//! `needledrop train`: an archive and a row of the paper to a folder with
//! checkpoint, weights and history.

mod others;
mod pace;

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use needledrop::{
    dataset::{
        archive::{Clip, MelArchive},
        choice::SplitChoice,
        split::{Part, Split},
    },
    network::{
        card::{CARD_VERSION, Combine, Input, ModelCard, Training},
        experiment::{experiment, experiments},
        weights::{Precision, Weights},
    },
    training::{
        augment::Augmenter,
        checkpoint::{Checkpoint, State},
        design::Design,
        device::{DeviceKind, panic_message},
        fit::{Convolutions, Job, TrainingError, is_over},
        history::Session,
        inputs::{Inputs, fits},
        recipe::{Penalised, Recipe, Schedule},
    },
};

use self::{others::Others, pace::Pace};
use crate::{
    data::{SplitArguments, data, read_archive},
    run,
    session::{open, session},
};

/// Exit status after Ctrl-C, as a shell gives it to what SIGINT ended.
const INTERRUPTED: u8 = 130;
/// What a card says beside a recipe that changes clips, where frames are centred.
pub(crate) const CENTRED: &str = " (frames are centred: clips begin where they began, and are slowed only)";
/// What a card says beside the recipe where the validation part was learned from.
pub(crate) const REFITTED: &str = "; training and validation part together, the last epoch";
/// What stands in a card before the weights that a training began with.
pub(crate) const BEGUN_WITH: &str = ", begun with the weights ";
/// What stands there before its teachers'.
pub(crate) const TAUGHT_BY: &str = ", taught by the weights ";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The log-mel archive (`needledrop prepare` makes one).
    archive: PathBuf,
    /// The paper's experiment: 1, 2, 3, 3R, 4, 4R, 5, 6, 7, 8, 9 or 10.
    #[arg(long, default_value = "8")]
    row: String,
    /// A network and recipe of your own, a JSON file, in place of a row.
    #[arg(long, conflicts_with_all = ["row", "recipe"])]
    design: Option<PathBuf>,
    /// Folder for checkpoint, weights and history.
    #[arg(long, short)]
    output: PathBuf,
    #[command(flatten)]
    split: SplitArguments,
    /// What first weights, order and dropout are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to train: cpu, amx (its matrix unit, in 16 bits), flex (burn's Flex alone), or
    /// what this build has beside them (cuda, wgpu, ndarray).
    #[arg(long, default_value = "cpu")]
    device: DeviceKind,
    /// Compute convolutions from factors rounded to bfloat16, where the device can (cuda, and
    /// flex to try it): sums, weights and all else stay in 32 bits.
    #[arg(long)]
    bf16: bool,
    /// The paper's recipe, the same with a learning rate that suits it, or our best for
    /// the same network.
    #[arg(long, value_enum, default_value_t = RecipeName::Best)]
    recipe: RecipeName,
    /// In place of the recipe's.
    #[arg(long)]
    learning_rate: Option<f64>,
    /// In place of the recipe's: constant or cosine.
    #[arg(long, value_enum)]
    schedule: Option<ScheduleName>,
    /// In place of the recipe's.
    #[arg(long)]
    batch_size: Option<usize>,
    /// In place of the recipe's.
    #[arg(long)]
    epochs: Option<usize>,
    /// In place of the recipe's; 0 for no early stopping.
    #[arg(long)]
    patience: Option<usize>,
    /// In place of the recipe's.
    #[arg(long)]
    l2: Option<f64>,
    /// The L2 penalty on the kernels of all layers, of all but the last, or of the hidden
    /// dense layers alone.
    #[arg(long, value_enum)]
    l2_of: Option<PenalisedName>,
    /// What of the validation part says which epoch is the better, for the weights that are
    /// kept and for the patience, in place of the recipe's.
    #[arg(long, value_enum)]
    monitor: Option<Monitor>,
    /// Begin with the weights of this model (a run's folder or a file): trained with the
    /// same split, or for other genres.
    #[arg(long, value_name = "MODEL")]
    begin_with: Option<PathBuf>,
    /// Learn from what these models say, too (runs' folders or files), as much as the
    /// design's `distillation` says.
    #[arg(long, num_args = 1.., value_name = "MODEL")]
    teachers: Vec<PathBuf>,
    /// Go on from the checkpoint in the output folder.
    #[arg(long)]
    resume: bool,
    /// Stop after so many minutes, with a checkpoint to resume from.
    #[arg(long)]
    max_minutes: Option<f64>,
    /// The same after so many steps, to see how fast they are.
    #[arg(long)]
    max_steps: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum RecipeName {
    Paper,
    Plain,
    Best,
}

#[derive(Clone, Copy, ValueEnum)]
enum PenalisedName {
    All,
    AllButLast,
    Hidden,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Monitor {
    Loss,
    Accuracy,
}

#[derive(Clone, Copy, ValueEnum)]
enum ScheduleName {
    Constant,
    Cosine,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let plan = Plan::read(arguments)?;
    let (start, _lock) = plan.start(arguments)?;
    let device = open(arguments.device)?;
    let convolutions = arguments.convolutions(&device, &plan.card)?;
    println!(
        "{}, {} parameters, recipe {}, split {}, device {}",
        plan.card.name,
        plan.card.network.parameters()?,
        start.state.recipe.name,
        plan.choice,
        arguments.device.name(),
    );
    if arguments.device.may_round_to_tf32() {
        println!("In 32 bits factors may be rounded to tf32, where burn's tuning finds that faster");
    }
    let Plan { archive, clips, split, recipe, card, others, .. } = plan;
    let inputs = Inputs::new(&archive, &clips, &card, &device);
    let augmenter =
        recipe.beyond.augmentation.map(|strength| Augmenter::new(&archive, &clips, &split, &card, strength));
    let teachers = others.into_teachers();
    let job =
        Job { inputs: &inputs, split: &split, device: &device, convolutions, augmenter, teachers: &teachers };
    let mut pace = Pace::new(arguments, &start.state, of_one_genre(&clips, split.part(Part::Validation)))?;
    let Some(end) = arguments.fit(&job, start, &mut pace)? else {
        println!(
            "Stopped before the first step, which leaves all as it was; the same command takes it up again"
        );
        return Ok(ExitCode::from(INTERRUPTED));
    };
    keep_best(&arguments.output, &end)?;
    if !is_over(&end.state) {
        tell_where(&end.state, &pace);
        // So that a script does not go on to what this was for.
        if pace.is_interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is to be trained, and on what: all that is known before anything is computed or
/// written.
struct Plan {
    archive: MelArchive,
    clips: Vec<Clip>,
    split: Split,
    choice: SplitChoice,
    recipe: Recipe,
    card: ModelCard,
    others: Others,
}

impl Plan {
    /// Reads what was asked for, if it goes together.
    fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let design = arguments.design()?;
        let archive = read_archive(&arguments.archive)?;
        let clips = archive.clips(archive.spectrogram.clip_seconds);
        let split = arguments.split.split(&archive, &clips, &arguments.archive)?;
        let recipe = arguments.changed(design.recipe.clone());
        recipe.validate()?;
        if arguments.l2_of.is_some() && recipe.l2 == 0.0 {
            bail!("--l2-of says what a penalty is on, and this recipe has none: say by --l2 how much");
        }
        if split.refitted && arguments.monitor.is_some() {
            bail!(
                "with --refit no clips are left to choose an epoch by: leave --monitor out, the last one is kept"
            );
        }
        if let (true, Some(patience)) = (split.refitted, recipe.patience) {
            bail!(
                "with --refit no clips are left to lose patience with ({patience} epochs here): say --patience 0, and \
                 by --epochs how many"
            );
        }
        if let Some(path) = &arguments.design {
            design
                .suits(&archive.spectrogram, archive.genres.len())
                .with_context(|| path.display().to_string())?;
        }
        let choice = split.choice(&archive, &clips);
        let others = Others::read(arguments)?;
        let mut card = card(&archive, &design, &choice, &recipe, arguments.seed);
        card.training.recipe += &others.told()?;
        card.validate()?;
        fits(&archive, &card).with_context(|| arguments.archive.display().to_string())?;
        Ok(Self { archive, clips, split, choice, recipe, card, others })
    }

    /// Where the training stands in its folder, which nobody else trains into as long as the
    /// second is held.
    fn start(&self, arguments: &Arguments) -> anyhow::Result<(Checkpoint, Option<File>)> {
        let Self { choice, recipe, card, others, .. } = self;
        let first = others.first_weights(card, arguments.seed)?;
        others.warn_of_known_genres(card);
        others.check_teachers(card, &recipe.beyond)?;

        let (folder, path) = (&arguments.output, run::checkpoint(&arguments.output));
        if arguments.resume && !path.exists() {
            bail!(
                "there is no checkpoint in {} to go on from: leave out --resume, or name the folder of a training",
                folder.display()
            );
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let lock = lock(folder)?;
        let mut state = State::new(recipe.clone(), arguments.seed, choice.to_string());
        state.choice = Some(choice.clone());
        others.note_in(&mut state)?;
        let start = if arguments.resume { resumed(&path, card, state) } else { begun(folder, first, state) };
        Ok((start?, lock))
    }
}

/// Writes the weights of the best epoch, if one has ended.
fn keep_best(folder: &Path, end: &Checkpoint) -> anyhow::Result<()> {
    let (Some(best), Some(weights)) = (end.state.best, &end.best) else { return Ok(()) };
    let model = run::best(folder);
    run::write(&model, &weights.to_bytes(Precision::F32)?)?;
    println!(
        "Weights of epoch {}, validation loss {:.3}, in {}",
        best.epoch + 1,
        best.validation_loss,
        model.display()
    );
    Ok(())
}

/// Tells where a training stopped that is not over, and how fast it was.
fn tell_where(&State { epoch, step, epoch_seconds, .. }: &State, pace: &Pace) {
    println!("Stopped after {step} steps of epoch {}; the same command with --resume goes on", epoch + 1);
    if step > 0 {
        println!("{step} steps in {epoch_seconds:.3} s: {:.3} s a step", epoch_seconds / step as f64);
        if let Some((last, took)) = pace.last_steps() {
            println!("The last {last} of them took {:.3} s", took.as_secs_f64());
        }
    }
}

/// The share of a part's clips that are of the genre that most of them are of.
fn of_one_genre(clips: &[Clip], part: &[usize]) -> f64 {
    let mut of_genres = BTreeMap::<usize, usize>::new();
    for &clip in part {
        *of_genres.entry(clips[clip].genre).or_default() += 1;
    }
    let most = of_genres.into_values().max().unwrap_or_default();
    most as f64 / part.len().max(1) as f64
}

/// The checkpoint that a training goes on from, if that is the training that is `wanted`.
fn resumed(path: &Path, card: &ModelCard, wanted: State) -> anyhow::Result<Checkpoint> {
    let mut checkpoint = Checkpoint::load(path)?;
    let (state, now) = (&checkpoint.state, checkpoint.now.card());
    let choice = state.choice.is_none() || state.choice == wanted.choice;
    let recipes = other_than(&state.recipe, &wanted.recipe);
    let seeds = other_than(&state.seed, &wanted.seed);
    let splits = other_than(&state.split, &wanted.split);
    let same = [
        (state.recipe == wanted.recipe, "recipe", recipes.as_str()),
        (state.seed == wanted.seed, "--seed", seeds.as_str()),
        (state.split == wanted.split && choice, "split", splits.as_str()),
        (state.begun_with == wanted.begun_with, "--begin-with", ""),
        (state.teachers == wanted.teachers, "--teachers", ""),
        (now.network == card.network, "network", ""),
        (now.input == card.input, "input", ""),
        (now.spectrogram == card.spectrogram, "front end", ""),
        (now.genres == card.genres, "data set", ""),
    ];
    if let Some((_, what, how)) = same.iter().find(|(same, ..)| !same) {
        bail!(
            "{} was made with another {what}{how}; say the same, or train into another folder",
            path.display()
        );
    }
    // Of before this was written down.
    if checkpoint.state.earlier.is_empty() {
        checkpoint.state.earlier = wanted.earlier;
    }
    Ok(checkpoint)
}

/// What something was and what was asked for in its place, in words.
fn other_than(was: &impl ToString, asked: &impl ToString) -> String {
    let (was, asked) = (was.to_string(), asked.to_string());
    if was == asked {
        format!(" (both are called {was}, and differ in what that leaves out)")
    } else {
        format!(" (it was {was}, and {asked} was asked for)")
    }
}

/// What a training begins with, in a folder that has none yet.
fn begun(folder: &Path, first: Weights, state: State) -> anyhow::Result<Checkpoint> {
    let (checkpoint, model) = (run::checkpoint(folder), run::best(folder));
    if checkpoint.exists() {
        bail!("{} exists: go on from it by --resume, or train into another folder", checkpoint.display());
    }
    if model.exists() {
        bail!(
            "{} is an earlier training's, which this one would replace: train into another folder",
            model.display()
        );
    }
    Ok(Checkpoint { state, now: first, average: None, best: None, optimiser: vec![] })
}

/// Holds the folder for this training as long as it is open: two of them would take turns in
/// writing over each other's checkpoint. Not every system opens folders, and not every file
/// system has locks; there, it is not held.
fn lock(folder: &Path) -> anyhow::Result<Option<File>> {
    let Ok(open) = File::open(folder) else { return Ok(None) };
    if let Err(TryLockError::WouldBlock) = open.try_lock() {
        bail!(
            "another training is at work in {}: wait for it, or train into another folder",
            folder.display()
        );
    }
    Ok(Some(open))
}

impl Arguments {
    /// Trains, with a checkpoint in the folder from time to time; `None` where it was
    /// interrupted before the first step.
    fn fit(
        &self,
        job: &Job<'_>,
        mut start: Checkpoint,
        pace: &mut Pace,
    ) -> anyhow::Result<Option<Checkpoint>> {
        let path = run::checkpoint(&self.output);
        let mut call = Session { bf16: self.bf16, ..session(self.device, job.device) };
        // A GPU's runtime panics where its memory is full.
        let fit = AssertUnwindSafe(|| {
            if !self.device.is_processor() {
                println!("Compiling and tuning the programs of the GPU, which can take minutes ...");
                let Some(took) = job.warm_up(&start, &|| !pace.is_interrupted())? else { return Ok(None) };
                println!("Programs of the GPU compiled and tuned in {:.1} s", took.as_secs_f64());
                call.warm_up_seconds = Some(took.as_secs_f64());
            }
            start.state.sessions.push(call);
            pace.begin();
            let save = &mut |checkpoint: &Checkpoint| checkpoint.save(&path);
            job.fit(start, save, &mut |progress| pace.observe(progress)).map(Some)
        });
        let end =
            catch_unwind(fit).unwrap_or_else(|panic| Err(TrainingError::Device(panic_message(&*panic))));
        pace.bar.finish_and_clear();
        Ok(end?)
    }

    /// What computes the convolutions of that network on the device.
    fn convolutions(&self, device: &Device, card: &ModelCard) -> anyhow::Result<Convolutions> {
        if !self.bf16 {
            return Ok(self.device.convolutions());
        }
        if card.network.blocks.is_empty() {
            bail!("{} has no convolution that --bf16 would round: leave it out", card.name);
        }
        Ok(self.device.convolutions_in_bfloat16(device)?)
    }

    /// A row of the paper, or what a file says.
    fn design(&self) -> anyhow::Result<Design> {
        if let Some(path) = &self.design {
            let json = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            return Design::from_json(&json).with_context(|| format!("{} is no design", path.display()));
        }
        let Some(experiment) = experiment(&self.row) else {
            let rows: Vec<String> = experiments().into_iter().map(|experiment| experiment.row).collect();
            bail!("there is no row {}; the paper has {}", self.row, rows.join(", "));
        };
        let recipe = match self.recipe {
            RecipeName::Paper => Recipe::paper(&experiment),
            RecipeName::Plain => Recipe::plain(&experiment),
            RecipeName::Best => Recipe::best(&experiment),
        };
        let [_, height, width] = experiment.network.input;
        let input = Input::Viridis { height, width };
        Ok(Design {
            name: format!("Experiment {}", experiment.row),
            input,
            network: experiment.network,
            recipe,
        })
    }

    /// A recipe with what was said in place of its own.
    fn changed(&self, mut recipe: Recipe) -> Recipe {
        let Recipe { learning_rate, schedule, batch_size, epochs, patience, l2, penalised, .. } = recipe;
        recipe.learning_rate = self.learning_rate.unwrap_or(learning_rate);
        recipe.batch_size = self.batch_size.unwrap_or(batch_size);
        recipe.epochs = self.epochs.unwrap_or(epochs);
        recipe.l2 = self.l2.unwrap_or(l2);
        recipe.penalised = match self.l2_of {
            Some(PenalisedName::All) => Penalised::All,
            Some(PenalisedName::AllButLast) => Penalised::AllButLast,
            Some(PenalisedName::Hidden) => Penalised::Hidden,
            None => penalised,
        };
        let by_accuracy = recipe.beyond.by_accuracy;
        recipe.beyond.by_accuracy = self.monitor.map_or(by_accuracy, |monitor| monitor == Monitor::Accuracy);
        recipe.schedule = match self.schedule {
            Some(ScheduleName::Constant) => Schedule::Constant,
            Some(ScheduleName::Cosine) => Schedule::Cosine,
            None => schedule,
        };
        match self.patience {
            Some(0) => recipe.patience = None,
            Some(patience) => recipe.patience = Some(patience),
            None => {}
        }
        // What was changed is part of the name, so that two results of one recipe are
        // told apart.
        let changes = [
            (recipe.learning_rate != learning_rate, format!("learning rate {}", recipe.learning_rate)),
            (recipe.schedule != schedule, format!("{:?}", recipe.schedule).to_lowercase()),
            (recipe.batch_size != batch_size, format!("batch {}", recipe.batch_size)),
            (recipe.epochs != epochs, format!("{} epochs", recipe.epochs)),
            (recipe.patience != patience, format!("patience {}", recipe.patience.unwrap_or(0))),
            (recipe.l2 != l2, format!("l2 {}", recipe.l2)),
            (recipe.penalised != penalised, format!("l2 of {}", recipe.penalised.name())),
            (
                recipe.beyond.by_accuracy != by_accuracy,
                if by_accuracy { "by loss" } else { "by accuracy" }.into(),
            ),
            (self.begin_with.is_some(), "begun with another's weights".into()),
        ];
        for (_, change) in changes.iter().filter(|(changed, _)| *changed) {
            recipe.name += ", ";
            recipe.name += change;
        }
        recipe
    }
}

/// The card of a model that is about to be trained.
fn card(archive: &MelArchive, design: &Design, split: &SplitChoice, recipe: &Recipe, seed: u64) -> ModelCard {
    let mut network = design.network.clone();
    network.classes = archive.genres.len();
    ModelCard {
        version: CARD_VERSION,
        name: design.name.clone(),
        genres: archive.genres.clone(),
        spectrogram: archive.spectrogram.clone(),
        input: design.input,
        embedding_length: network.embedding_length().unwrap_or_default(),
        network,
        combine: Combine::MeanProbability,
        temperature: 1.0,
        bias: Vec::new(),
        rejection: None,
        least_confidence: None,
        training: Training {
            data: data(archive),
            split: split.name.clone(),
            split_seed: split.seed,
            split_fingerprint: Some(split.fingerprint.clone()),
            recipe: [
                recipe.to_string().as_str(),
                if recipe.beyond.augmentation.is_some() && archive.spectrogram.center { CENTRED } else { "" },
                if split.refitted { REFITTED } else { "" },
            ]
            .concat(),
            seed: Some(seed),
        },
        scores: Vec::new(),
        licence: String::new(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
    }
}
