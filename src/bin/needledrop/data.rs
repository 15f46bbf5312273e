//! What commands learn from and are judged by: an archive, and a split of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use needledrop::dataset::{
    archive::{Clip, MelArchive},
    choice::{LISTS, LISTS_OVER_CLIPS},
    split::Split,
};

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

/// What a card says of the data set.
pub(crate) fn data(archive: &MelArchive) -> String {
    format!("{} tracks of {} genres", archive.tracks.len(), archive.genres.len())
}
