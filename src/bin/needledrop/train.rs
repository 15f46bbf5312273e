//! `needledrop train`: an archive and a row of the paper to a folder with
//! checkpoint, weights and history.

use std::{
    fs::{self, File, TryLockError},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use needledrop::{
    dataset::{
        archive::{Clip, MelArchive},
        choice::{LISTS, LISTS_OVER_CLIPS, SplitChoice},
        split::Split,
    },
    network::{
        card::{CARD_VERSION, Combine, Input, ModelCard, Training},
        experiment::{experiment, experiments},
        weights::{Precision, Weights},
    },
    training::{
        augment::Augmenter,
        checkpoint::{Checkpoint, State, write_whole},
        design::Design,
        device::{DeviceKind, panic_message},
        fit::{Control, Job, Progress, TrainingError, is_over},
        history::{Earlier, Epoch, Role, Session},
        initial::{begin_with, glorot_uniform},
        inputs::{Inputs, fits},
        recipe::{Beyond, Penalised, Recipe, Schedule},
    },
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    run,
    session::{open, session},
};

/// How often a checkpoint is kept within an epoch.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(120);
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
    /// The L2 penalty on the kernels of all layers, or of the hidden dense layers alone.
    #[arg(long, value_enum)]
    l2_of: Option<PenalisedName>,
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

/// Which split, for every command that needs one.
#[derive(Args)]
pub(crate) struct SplitArguments {
    /// 80/10/10 at random over clips (the paper's, which flatters), over tracks,
    /// the fault-filtered lists of names, or your own. [default: clips, or lists
    /// where they are given]
    #[arg(long, value_enum)]
    pub(crate) split: Option<SplitName>,
    /// What the split is drawn from. [default: 0]
    #[arg(long)]
    pub(crate) split_seed: Option<u64>,
    /// The lists of training, validation and test, one track a line; with #3 after
    /// it, its fourth clip alone. [for
    /// `--split filtered`: splits/{train,valid,test}_filtered.txt beside the archive]
    #[arg(long, num_args = 3, value_names = ["TRAIN", "VALIDATION", "TEST"])]
    pub(crate) lists: Option<Vec<PathBuf>>,
    /// The validation part is learned from as well, once everything is chosen: of a training
    /// the weights of the last epoch are kept, and only the test part can be scored.
    #[arg(long)]
    pub(crate) refit: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitName {
    Clips,
    Tracks,
    Filtered,
    Lists,
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
    Hidden,
}

#[derive(Clone, Copy, ValueEnum)]
enum ScheduleName {
    Constant,
    Cosine,
}

impl SplitArguments {
    /// Draws, or reads, the split.
    pub(crate) fn split(&self, archive: &MelArchive, clips: &[Clip], path: &Path) -> anyhow::Result<Split> {
        let unsaid = if self.lists.is_some() { SplitName::Lists } else { SplitName::Clips };
        let (name, seed) = (self.split.unwrap_or(unsaid), self.split_seed.unwrap_or(0));
        if self.lists.is_some() && name != SplitName::Lists {
            bail!("--lists is a split of its own; leave out --split");
        }
        if let (Some(seed), SplitName::Filtered | SplitName::Lists) = (self.split_seed, name) {
            bail!("--split-seed {seed} draws clips or tracks, and lists are not drawn: leave it out");
        }
        let split = match name {
            SplitName::Clips => Split::over_clips(archive, clips, seed)?,
            SplitName::Tracks => Split::over_tracks(archive, clips, seed)?,
            SplitName::Filtered => {
                let beside = path.parent().unwrap_or(Path::new(".")).join("splits");
                let lists =
                    ["train", "valid", "test"].map(|part| beside.join(format!("{part}_filtered.txt")));
                let lists = read_lists(&lists).map_err(|error| {
                    anyhow::anyhow!("{error:#}; --lists takes other lists, for a split of its own")
                })?;
                let lists = lists.each_ref().map(String::as_str);
                let (split, absent) = Split::filtered(archive, clips, lists)?;
                if !absent.is_empty() {
                    eprintln!("Not in the archive, and left out of the split: {}", absent.join(", "));
                }
                split
            }
            SplitName::Lists => {
                let Some([train, validation, test]) = self.lists.as_deref() else {
                    bail!("--split lists needs --lists TRAIN VALIDATION TEST");
                };
                let lists = read_lists(&[train, validation, test])?;
                let lists = lists.each_ref().map(String::as_str);
                let mut split = Split::by_names(archive, clips, LISTS, lists)?;
                if split.tears_tracks(clips) {
                    // No score of such a split shall pass for one over tracks.
                    eprintln!("Warning: clips of one track stand in two of the lists: scores will flatter.");
                    split.name = LISTS_OVER_CLIPS.into();
                }
                split
            }
        };
        Ok(if self.refit { split.refitted() } else { split })
    }
}

fn read_lists(paths: &[impl AsRef<Path>; 3]) -> anyhow::Result<[String; 3]> {
    let mut lists = <[String; 3]>::default();
    for (list, path) in lists.iter_mut().zip(paths) {
        let path = path.as_ref();
        *list = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(lists)
}

pub(crate) fn read_archive(path: &Path) -> anyhow::Result<MelArchive> {
    if path.is_dir() {
        bail!("{} is a folder: `needledrop prepare` makes an archive of it", path.display());
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    MelArchive::from_bytes(&bytes).with_context(|| path.display().to_string())
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let design = arguments.design()?;
    let archive = read_archive(&arguments.archive)?;
    let clips = archive.clips(archive.spectrogram.clip_seconds);
    let split = arguments.split.split(&archive, &clips, &arguments.archive)?;
    let recipe = arguments.changed(design.recipe.clone());
    recipe.validate()?;
    if arguments.l2_of.is_some() && recipe.l2 == 0.0 {
        bail!("--l2-of says what a penalty is on, and this recipe has none: say by --l2 how much");
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
    let first = others.first_weights(&card, arguments.seed)?;
    others.warn_of_known_genres(&card);
    others.check_teachers(&card, &recipe.beyond)?;

    let path = run::checkpoint(&arguments.output);
    let model = run::best(&arguments.output);
    if arguments.resume && !path.exists() {
        bail!(
            "there is no checkpoint in {} to go on from: leave out --resume, or name the folder of a training",
            arguments.output.display()
        );
    }
    fs::create_dir_all(&arguments.output)
        .with_context(|| format!("cannot make the folder {}", arguments.output.display()))?;
    let _lock = lock(&arguments.output)?;
    let split_name = choice.to_string();
    let mut start = if arguments.resume {
        let mut checkpoint = Checkpoint::load(&path)?;
        let State { recipe: of_checkpoint, seed, split, choice: of_split, .. } = &checkpoint.state;
        let same = [
            (*of_checkpoint == recipe, "recipe"),
            (*seed == arguments.seed, "--seed"),
            (*split == split_name && of_split.as_ref().is_none_or(|of_split| *of_split == choice), "split"),
            (checkpoint.state.begun_with == others.begun_with()?, "--begin-with"),
            (checkpoint.state.teachers == others.taught_by()?, "--teachers"),
            (checkpoint.now.card().network == card.network, "network"),
            (checkpoint.now.card().input == card.input, "input"),
            (checkpoint.now.card().spectrogram == card.spectrogram, "front end"),
            (checkpoint.now.card().genres == card.genres, "data set"),
        ];
        if let Some((_, what)) = same.iter().find(|(same, _)| !same) {
            bail!(
                "{} was made with another {what}; say the same, or train into another folder",
                path.display()
            );
        }
        // Of before this was written down.
        if checkpoint.state.earlier.is_empty() {
            checkpoint.state.earlier = others.earlier()?;
        }
        checkpoint
    } else {
        if path.exists() {
            bail!("{} exists: go on from it by --resume, or train into another folder", path.display());
        }
        if model.exists() {
            bail!(
                "{} is an earlier training's, which this one would replace: train into another folder",
                model.display()
            );
        }
        let mut state = State::new(recipe.clone(), arguments.seed, split_name.clone());
        state.choice = Some(choice);
        state.begun_with = others.begun_with()?;
        state.teachers = others.taught_by()?;
        state.earlier = others.earlier()?;
        Checkpoint { state, now: first, average: None, best: None, optimiser: vec![] }
    };

    let device = open(arguments.device)?;
    if arguments.bf16 && card.network.blocks.is_empty() {
        bail!("{} has no convolution that --bf16 would round: leave it out", card.name);
    }
    let convolutions = if arguments.bf16 {
        arguments.device.convolutions_in_bfloat16(&device)?
    } else {
        arguments.device.convolutions()
    };
    let mut call = Session { bf16: arguments.bf16, ..session(arguments.device, &device) };
    println!(
        "{}, {} parameters, recipe {}, split {split_name}, device {}",
        card.name,
        card.network.parameters()?,
        start.state.recipe.name,
        arguments.device.name(),
    );
    let inputs = Inputs::new(&archive, &clips, &card, &device);
    let augmenter =
        recipe.beyond.augmentation.map(|strength| Augmenter::new(&archive, &clips, &split, &card, strength));
    let teachers: Vec<Weights> = others.teachers.into_iter().map(|teacher| teacher.weights).collect();
    let job =
        Job { inputs: &inputs, split: &split, device: &device, convolutions, augmenter, teachers: &teachers };
    let mut pace = Pace::new(arguments, &start.state)?;
    // A GPU's runtime panics where its memory is full.
    let fit = AssertUnwindSafe(|| {
        if !arguments.device.is_processor() {
            let took = job.warm_up(&start)?;
            println!("Programs of the GPU compiled and tuned in {:.1} s", took.as_secs_f64());
            call.warm_up_seconds = Some(took.as_secs_f64());
        }
        start.state.sessions.push(call);
        pace.began = Instant::now();
        job.fit(start, &mut |checkpoint| checkpoint.save(&path), &mut |progress| pace.observe(progress))
    });
    let end = catch_unwind(fit).unwrap_or_else(|panic| Err(TrainingError::Device(panic_message(&*panic))));
    pace.bar.finish_and_clear();
    let end = end?;

    if let (Some(best), Some(weights)) = (end.state.best, &end.best) {
        let weights = weights.to_bytes(Precision::F32)?;
        write_whole(&model, &weights).with_context(|| format!("cannot write {}", model.display()))?;
        println!(
            "Weights of epoch {}, validation loss {:.3}, in {}",
            best.epoch + 1,
            best.validation_loss,
            model.display()
        );
    }
    if !is_over(&end.state) {
        let State { epoch, step, epoch_seconds, .. } = end.state;
        println!("Stopped after {step} steps of epoch {}; the same command with --resume goes on", epoch + 1);
        if step > 0 {
            println!("{step} steps in {epoch_seconds:.3} s: {:.3} s a step", epoch_seconds / step as f64);
        }
        // So that a script does not go on to what this was for.
        if pace.interrupted.load(Ordering::Relaxed) {
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    Ok(ExitCode::SUCCESS)
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
            Some(PenalisedName::Hidden) => Penalised::Hidden,
            None => penalised,
        };
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
            (recipe.penalised != penalised, format!("l2 of {:?}", recipe.penalised).to_lowercase()),
            (self.begin_with.is_some(), "begun with another's weights".into()),
        ];
        for (_, change) in changes.iter().filter(|(changed, _)| *changed) {
            recipe.name += ", ";
            recipe.name += change;
        }
        recipe
    }
}

/// Models that were trained before, and what a training takes from them.
struct Others {
    first: Option<Other>,
    teachers: Vec<Other>,
}

struct Other {
    path: PathBuf,
    /// How it was trained, of a run's folder.
    state: Option<State>,
    weights: Weights,
}

impl Others {
    fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let read = |path: &PathBuf| {
            let (state, weights) = if path.is_dir() {
                let (state, weights) = run::read_trained(path)?;
                (Some(state), weights)
            } else {
                (None, run::read_model(path)?)
            };
            Ok(Other { path: path.clone(), state, weights })
        };
        let first = arguments.begin_with.as_ref().map(read).transpose()?;
        let teachers: Vec<Other> = arguments.teachers.iter().map(read).collect::<anyhow::Result<_>>()?;
        for Other { path, state, .. } in &teachers {
            // Trained to its end later it would be another, and its pupil could not go on.
            if let Some(state) = state.as_ref().filter(|state| !is_over(state)) {
                bail!("the teacher in {} {}", path.display(), run::how_far(state));
            }
        }
        Ok(Self { first, teachers })
    }

    /// Digest of the weights to begin with.
    fn begun_with(&self) -> anyhow::Result<Option<String>> {
        self.first.as_ref().map(|first| run::fingerprint(&first.weights)).transpose()
    }

    /// Digests of the teachers' weights.
    fn taught_by(&self) -> anyhow::Result<Vec<String>> {
        self.teachers.iter().map(|teacher| run::fingerprint(&teacher.weights)).collect()
    }

    /// Their trainings, and what these had built on.
    fn earlier(&self) -> anyhow::Result<Vec<Earlier>> {
        let mut all = Vec::<Earlier>::new();
        // What two of them had built on took its time once.
        let mut add = |earlier: Earlier| {
            if all.iter().all(|other| other.weights != earlier.weights) {
                all.push(earlier);
            }
        };
        let first = self.first.iter().map(|first| (Role::BegunWith, first));
        for (role, other) in first.chain(self.teachers.iter().map(|teacher| (Role::Teacher, teacher))) {
            let Some(State { recipe, history, earlier, .. }) = &other.state else { continue };
            // To a pupil, all that made its teacher is a teacher.
            earlier.iter().cloned().for_each(|earlier| match role {
                Role::BegunWith => add(earlier),
                Role::Teacher => add(Earlier { role, ..earlier }),
            });
            add(Earlier {
                role,
                name: other.weights.card().name.clone(),
                recipe: recipe.name.clone(),
                weights: run::fingerprint(&other.weights)?,
                epochs: history.len(),
                seconds: history.iter().map(|epoch| epoch.seconds).sum(),
            });
        }
        Ok(all)
    }

    /// For the recipe in the card.
    fn told(&self) -> anyhow::Result<String> {
        let mut told = String::new();
        if let (Some(first), Some(digest)) = (&self.first, self.begun_with()?) {
            let card = first.weights.card();
            told += &format!("{BEGUN_WITH}{} of {} ({})", short(&digest), card.name, card.training.recipe);
        }
        let digests = self.taught_by()?;
        if !digests.is_empty() {
            let digests: Vec<&str> = digests.iter().map(|digest| short(digest)).collect();
            told += &format!("{TAUGHT_BY}{}", digests.join(", "));
        }
        Ok(told)
    }

    fn first_weights(&self, card: &ModelCard, seed: u64) -> anyhow::Result<Weights> {
        Ok(match &self.first {
            Some(Other { path, weights, .. }) => begin_with(weights, card.clone(), seed)
                .with_context(|| format!("cannot begin with {}", path.display()))?,
            None => glorot_uniform(card.clone(), seed)?,
        })
    }

    /// Where the genres are others the split is another too. Some of the same name may
    /// stand for the same recordings.
    fn warn_of_known_genres(&self, card: &ModelCard) {
        let Some(Other { path, weights, .. }) = &self.first else { return };
        let known = &weights.card().genres;
        let common: Vec<&str> =
            card.genres.iter().filter(|genre| known.contains(genre)).map(String::as_str).collect();
        if *known != card.genres && !common.is_empty() {
            eprintln!(
                "Warning: {} knows {} already: if it has heard recordings that are held out here, scores will flatter.",
                path.display(),
                common.join(", ")
            );
        }
    }

    /// Refuses teachers that the recipe has no share for, that were shown other
    /// things, or that may know the held-out clips and tell of them.
    fn check_teachers(&self, card: &ModelCard, beyond: &Beyond) -> anyhow::Result<()> {
        let Beyond { distillation, augmentation, .. } = beyond;
        match (*distillation > 0.0, self.teachers.is_empty()) {
            (true, true) => bail!("the design's distillation is {distillation}: name --teachers"),
            (false, false) => bail!("--teachers needs a design with a distillation above 0"),
            _ => {}
        }
        for Other { path, weights, .. } in &self.teachers {
            let of_teacher = weights.card();
            let same = [
                // What is drawn can be shown to anyone.
                (of_teacher.input == card.input || augmentation.is_some(), "input"),
                (of_teacher.spectrogram == card.spectrogram, "front end"),
                (of_teacher.genres == card.genres, "genres"),
                (
                    of_teacher.training.split_fingerprint.is_some()
                        && of_teacher.training.split_fingerprint == card.training.split_fingerprint,
                    "split",
                ),
            ];
            if let Some((_, what)) = same.iter().find(|(same, _)| !same) {
                bail!("{} cannot teach: it was trained with another {what}", path.display());
            }
        }
        Ok(())
    }
}

/// The beginning of a digest, which is enough to tell a few apart.
fn short(digest: &str) -> &str {
    digest.get(..8).unwrap_or(digest)
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

/// What a card says of the data set.
pub(crate) fn data(archive: &MelArchive) -> String {
    format!("{} tracks of {} genres", archive.tracks.len(), archive.genres.len())
}

/// Has `interrupted` say that the training shall end: by Ctrl-C, by whoever shuts the machine
/// down, or with the terminal, but for what `nohup` started.
fn listen_for_the_end(interrupted: Arc<AtomicBool>) -> io::Result<()> {
    let mut ends = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        ends.push(SIGHUP);
    }
    let mut signals = Signals::new(ends)?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if interrupted.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED.into());
            }
            eprintln!(
                "\nStopping within a few steps, with a checkpoint; Ctrl-C again stops at once, without one"
            );
        }
    });
    Ok(())
}

/// Whether whoever started this process wants a signal ignored; only Linux tells.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}

/// Shows how it goes, and says when to save and when to stop.
struct Pace {
    bar: ProgressBar,
    epochs: usize,
    has_patience: bool,
    began: Instant,
    steps_done: usize,
    last_save: Instant,
    deadline: Option<Instant>,
    steps_left: usize,
    last_step: usize,
    interrupted: Arc<AtomicBool>,
}

impl Pace {
    fn new(&Arguments { max_minutes, max_steps, .. }: &Arguments, start: &State) -> anyhow::Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        listen_for_the_end(Arc::clone(&interrupted)).context("cannot listen for Ctrl-C")?;
        let bar = ProgressBar::new(0);
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {bar:24} {pos:>4}/{len} steps, {eta} left  {msg}")
        {
            bar.set_style(style);
        }
        let deadline = match max_minutes {
            Some(minutes) if minutes > 0.0 => {
                let length = Duration::try_from_secs_f64(60.0 * minutes).ok();
                // Later than a clock can tell is never.
                length.and_then(|length| Instant::now().checked_add(length))
            }
            Some(minutes) => bail!("--max-minutes {minutes} must be above 0"),
            None => None,
        };
        let steps_left = max_steps.unwrap_or(usize::MAX);
        Ok(Self {
            bar,
            epochs: start.recipe.epochs,
            has_patience: start.recipe.patience.is_some(),
            began: Instant::now(),
            steps_done: 0,
            last_save: Instant::now(),
            deadline,
            steps_left,
            last_step: start.step,
            interrupted,
        })
    }

    /// How long a step took so far in this call, with what lies between steps.
    fn a_step(&self) -> Duration {
        self.began.elapsed() / u32::try_from(self.steps_done).unwrap_or(u32::MAX).max(1)
    }

    fn observe(&mut self, progress: Progress<'_>) -> Control {
        match progress {
            Progress::Steps { epoch, step, steps, running } => {
                if step <= 8 {
                    self.bar.reset_eta();
                }
                let done = step.saturating_sub(self.last_step);
                self.steps_left = self.steps_left.saturating_sub(done);
                self.steps_done += done;
                self.last_step = step % steps;
                self.bar.set_prefix(format!("Epoch {:>3}/{}", epoch + 1, self.epochs));
                self.bar.set_length(steps as u64);
                self.bar.set_position(step as u64);
                let (loss, accuracy) = (running.mean_loss(), 100.0 * running.accuracy());
                let left = self.epochs.saturating_sub(epoch).saturating_mul(steps).saturating_sub(step);
                let left =
                    HumanDuration(self.a_step().saturating_mul(u32::try_from(left).unwrap_or(u32::MAX)));
                let at_most = if self.has_patience { "at most " } else { "" };
                let message = format!("loss {loss:.3}, accuracy {accuracy:.1} %, {at_most}{left} in all");
                self.bar.set_message(message);
            }
            Progress::Epoch { epoch, result } => {
                let Epoch { train_loss, train_accuracy, validation_loss, validation_accuracy, seconds } =
                    result;
                self.bar.suspend(|| {
                    println!(
                        "Epoch {:>3}/{}  training loss {train_loss:.3}, accuracy {:.1} %  validation loss \
                         {validation_loss:.3}, accuracy {:.1} %  {seconds:.0} s",
                        epoch + 1,
                        self.epochs,
                        100.0 * train_accuracy,
                        100.0 * validation_accuracy,
                    );
                });
            }
        }
        if self.steps_left == 0
            || self.interrupted.load(Ordering::Relaxed)
            || self.deadline.is_some_and(|end| Instant::now() >= end)
        {
            return Control::Stop;
        }
        if self.last_save.elapsed() >= BETWEEN_CHECKPOINTS {
            self.last_save = Instant::now();
            return Control::Save;
        }
        Control::Continue
    }
}
