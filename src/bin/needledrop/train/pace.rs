//! How a training goes: what is shown of it, and when it keeps a checkpoint or stops.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use needledrop::training::{
    checkpoint::State,
    fit::{Control, Progress},
    history::Epoch,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{Arguments, INTERRUPTED};

/// How often a checkpoint is kept within an epoch.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(120);
/// After so many epochs in which a network was no better than one answer for all, somebody should look.
const LOST: usize = 2;

/// Has `interrupted` say that the training shall end: by Ctrl-C, by whoever shuts the machine
/// down, or, on Linux, with the terminal, but for what `nohup` started.
fn listen_for_the_end(interrupted: Arc<AtomicBool>, has_begun: Arc<AtomicBool>) -> io::Result<()> {
    let mut ends = vec![SIGINT, SIGTERM];
    // Elsewhere nobody tells what is ignored, and to listen would end what `nohup` started.
    if cfg!(target_os = "linux") && !is_ignored(SIGHUP) {
        ends.push(SIGHUP);
    }
    let mut signals = Signals::new(ends)?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if interrupted.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED.into());
            }
            let stopping = if has_begun.load(Ordering::Relaxed) {
                "Stopping within a few steps, with a checkpoint; Ctrl-C again stops at once, without one"
            } else {
                "Stopping before the first step; Ctrl-C again stops at once"
            };
            eprintln!("\n{stopping}");
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

/// Whether the network was no better than one answer for all.
fn is_lost(epoch: &Epoch, of_one_genre: f64) -> bool {
    of_one_genre < 1.0 && epoch.validation_accuracy <= of_one_genre
}

/// Shows how it goes, and says when to save and when to stop.
pub(super) struct Pace {
    /// The steps of an epoch.
    pub(super) bar: ProgressBar,
    epochs: usize,
    has_patience: bool,
    /// The share of validation clips that who says one genre of all of them has right, at most;
    /// 1 where nothing else is there to be said.
    of_one_genre: f64,
    /// Epochs until now in which the network had no more.
    lost: usize,
    /// When the steps of this call began.
    began: Instant,
    steps_done: usize,
    last_save: Instant,
    /// When this call shall end, whatever came before its steps.
    deadline: Option<Instant>,
    steps_left: usize,
    last_step: usize,
    /// The steps of this call after which it goes at its own pace: a quarter of `--max-steps`.
    settling: usize,
    /// The step of the epoch, and the time, of the first look after those and of the latest.
    settled: Option<[(usize, Instant); 2]>,
    has_begun: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
}

impl Pace {
    pub(super) fn new(
        &Arguments { max_minutes, max_steps, .. }: &Arguments,
        start: &State,
        of_one_genre: f64,
    ) -> anyhow::Result<Self> {
        let [interrupted, has_begun] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        listen_for_the_end(Arc::clone(&interrupted), Arc::clone(&has_begun))
            .context("cannot listen for Ctrl-C")?;
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
        let steps_left = match max_steps {
            Some(0) => bail!("--max-steps 0 must be at least 1"),
            Some(steps) => steps,
            None => usize::MAX,
        };
        Ok(Self {
            bar,
            epochs: start.recipe.epochs,
            has_patience: start.recipe.patience.is_some(),
            of_one_genre,
            lost: start.history.iter().rev().take_while(|epoch| is_lost(epoch, of_one_genre)).count(),
            began: Instant::now(),
            steps_done: 0,
            last_save: Instant::now(),
            deadline,
            steps_left,
            last_step: start.step,
            settling: max_steps.map_or(usize::MAX, |steps| steps / 4),
            settled: None,
            has_begun,
            interrupted,
        })
    }

    /// The steps begin now: what a GPU took to get ready is no time of theirs, and left nothing
    /// that a checkpoint would keep.
    pub(super) fn begin(&mut self) {
        self.has_begun.store(true, Ordering::Relaxed);
        self.began = Instant::now();
        self.last_save = self.began;
    }

    /// Whether somebody wants it to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// How many steps there were after those that may be slower, and how long they took: the time
    /// of a step, where `--max-steps` asks for it.
    pub(super) fn last_steps(&self) -> Option<(usize, Duration)> {
        let [(first, began), (last, ended)] = self.settled?;
        (last > first).then(|| (last - first, ended.duration_since(began)))
    }

    /// How long a step took so far in this call, with what lies between steps.
    fn a_step(&self) -> Duration {
        self.began.elapsed() / u32::try_from(self.steps_done).unwrap_or(u32::MAX).max(1)
    }

    pub(super) fn observe(&mut self, progress: Progress<'_>) -> Control {
        match progress {
            Progress::Steps { epoch, step, steps, running } => {
                if step <= 8 {
                    self.bar.reset_eta();
                }
                let done = step.saturating_sub(self.last_step);
                self.steps_left = self.steps_left.saturating_sub(done);
                self.steps_done += done;
                self.last_step = step % steps;
                if self.steps_done >= self.settling {
                    let look = (step, Instant::now());
                    self.settled.get_or_insert([look; 2])[1] = look;
                }
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
                // What lies between two epochs is no step.
                self.settled = None;
                self.lost = if is_lost(result, self.of_one_genre) { self.lost + 1 } else { 0 };
                self.bar.suspend(|| {
                    println!(
                        "Epoch {:>3}/{}  training loss {train_loss:.3}, accuracy {:.1} %  validation loss \
                         {validation_loss:.3}, accuracy {:.1} %  {seconds:.0} s",
                        epoch + 1,
                        self.epochs,
                        100.0 * train_accuracy,
                        100.0 * validation_accuracy,
                    );
                    if self.lost == LOST {
                        println!(
                            "For {LOST} epochs the network had no more validation clips right than who says one genre \
                             of all of them ({:.1} %). It may find its way yet; but where all ReLUs of a layer \
                             give 0 for whatever comes, it never will: a smaller --learning-rate keeps them alive, \
                             and another --seed may",
                            100.0 * self.of_one_genre,
                        );
                    }
                });
            }
        }
        if self.steps_left == 0
            || self.is_interrupted()
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
