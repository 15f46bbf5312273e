//! How well a lesson was learnt, on files that were not learnt from.
//!
//! In: which file is of which class. Out: folds of files, and what was said of
//! each file while it was held out. A file is held out whole: neighbouring clips
//! of one recording resemble each other, and a clip whose neighbour was learnt
//! from says nothing about the next recording.

use serde::{Deserialize, Serialize};

use super::lesson::Recording;
use crate::classify::verdict::argmax;

/// Folds at most: with more, each model would be learnt from hardly more files.
const MAX_FOLDS: usize = 5;

/// What was said of the files while they were held out, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Files with sound.
    pub files: usize,
    /// Files whose clips' mean probability named their class.
    pub files_right: usize,
    /// Clips by class (rows) and by what was said of them (columns).
    pub confusion: Vec<Vec<usize>>,
}

impl HeldOut {
    /// Nothing yet, of so many classes.
    pub fn new(classes: usize) -> Self {
        Self { files: 0, files_right: 0, confusion: vec![vec![0; classes]; classes] }
    }

    /// Clips that were judged.
    pub fn clips(&self) -> usize {
        self.confusion.iter().flatten().sum()
    }

    /// Clips that were judged right.
    pub fn clips_right(&self) -> usize {
        self.confusion.iter().enumerate().filter_map(|(class, row)| row.get(class)).sum()
    }

    /// Takes in the probabilities of one file's clips.
    pub fn judge(&mut self, class: usize, clips: &[Vec<f32>]) {
        let Some(row) = self.confusion.get_mut(class) else { return };
        let mut sums = vec![0.0_f32; row.len()];
        for probabilities in clips {
            if let Some(said) = argmax(probabilities).and_then(|said| row.get_mut(said)) {
                *said += 1;
            }
            sums.iter_mut().zip(probabilities).for_each(|(sum, probability)| *sum += probability);
        }
        if !clips.is_empty() {
            self.files += 1;
            self.files_right += usize::from(argmax(&sums) == Some(class));
        }
    }
}

/// The fold in which each recording is held out, and how many folds there are.
/// The files of each class are dealt to the folds in their order, so that every
/// fold has some of each; `None` where a class has but one file with sound, of
/// which nothing would be left to learn from.
pub fn folds(recordings: &[Recording], classes: usize) -> Option<(Vec<usize>, usize)> {
    let mut files = vec![0_usize; classes];
    for recording in recordings.iter().filter(|recording| recording.clips > 0) {
        *files.get_mut(recording.class)? += 1;
    }
    let count = files.iter().copied().min()?.min(MAX_FOLDS);
    if count < 2 {
        return None;
    }
    let mut dealt = vec![0_usize; classes];
    let fold = |recording: &Recording| {
        let next = dealt.get_mut(recording.class).filter(|_| recording.clips > 0);
        next.map_or(0, |next| {
            *next += 1;
            (*next - 1) % count
        })
    };
    Some((recordings.iter().map(fold).collect(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recordings(classes: &[usize]) -> Vec<Recording> {
        classes.iter().map(|&class| Recording { class, clips: 3 }).collect()
    }

    #[test]
    fn every_fold_holds_some_of_each_class() {
        let (fold, count) = folds(&recordings(&[0, 0, 0, 1, 1, 1, 1]), 2).unwrap_or_default();
        assert_eq!((fold, count), (vec![0, 1, 2, 0, 1, 2, 0], 3));
        assert_eq!(folds(&recordings(&[0, 0, 1]), 2), None);
        let mut silent = recordings(&[0, 0, 1, 1]);
        silent[3].clips = 0;
        assert_eq!(folds(&silent, 2), None, "a silent file teaches nothing");
    }

    #[test]
    fn a_file_is_judged_by_all_its_clips() {
        let mut held_out = HeldOut::new(2);
        held_out.judge(0, &[vec![0.9, 0.1], vec![0.45, 0.55]]);
        held_out.judge(1, &[vec![0.8, 0.2]]);
        held_out.judge(1, &[]);
        assert_eq!(held_out.confusion, [[1, 1], [1, 0]]);
        assert_eq!((held_out.files, held_out.files_right), (2, 1));
        assert_eq!((held_out.clips(), held_out.clips_right()), (3, 1));
    }
}
