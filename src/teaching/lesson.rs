//! What a person teaches.
//!
//! In: names of classes, and recordings of each. Out: the same, checked. The
//! clips themselves are elsewhere: as features, one row a clip, in the order of
//! the recordings.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::letters::lowercase;
use crate::network::problem::ModelProblem;

/// Classes and what they were taught by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// What the model shall be called.
    pub name: String,
    /// The classes, in the order of the logits to be.
    pub classes: Vec<String>,
    /// The files, in the order of the features.
    pub recordings: Vec<Recording>,
    /// Day of the lesson, `YYYY-MM-DD`.
    pub date: String,
}

/// One file of a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Its class, as a position among the lesson's.
    pub class: usize,
    /// Its clips that are not silent.
    pub clips: usize,
}

/// Why nothing was learnt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LessonProblem {
    /// There is nothing to tell apart.
    #[error("at least two classes are needed")]
    TooFewClasses,
    /// A class has no name.
    #[error("class {class} has no name")]
    Unnamed {
        /// Its position, from 0.
        class: usize,
    },
    /// Two classes cannot be told apart by their names.
    #[error("two classes are called {name}")]
    Doubled {
        /// The name of both.
        name: String,
    },
    /// A class has no clip that is not silent.
    #[error("there is no sound for {class}")]
    NoSound {
        /// Its name.
        class: String,
    },
    /// Features and recordings do not belong together.
    #[error("{found} features came, {expected} were announced")]
    Size {
        /// How many values came.
        found: usize,
        /// How many the lesson's clips have.
        expected: usize,
    },
    /// A feature is no number.
    #[error("a feature is not finite")]
    NotFinite,
    /// No model can be made of this one.
    #[error("the model cannot be taught: {problem}")]
    Model {
        /// What is wrong with it.
        problem: ModelProblem,
    },
    /// The workers failed again and again.
    #[error("the engine failed: {detail}")]
    Engine {
        /// What is known of it.
        detail: String,
    },
}

impl Lesson {
    /// Clips of all recordings.
    pub fn clips(&self) -> usize {
        self.recordings.iter().fold(0, |sum: usize, recording| sum.saturating_add(recording.clips))
    }

    /// Checks that there is something to tell apart, and names for it.
    ///
    /// # Errors
    /// [`LessonProblem`] with the first thing that is wrong.
    pub fn check(&self) -> Result<(), LessonProblem> {
        if self.classes.len() < 2 {
            return Err(LessonProblem::TooFewClasses);
        }
        let mut names = BTreeSet::new();
        for (class, name) in self.classes.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(LessonProblem::Unnamed { class });
            }
            if !names.insert(lowercase(name.trim())) {
                return Err(LessonProblem::Doubled { name: name.trim().to_owned() });
            }
        }
        for (class, name) in self.classes.iter().enumerate() {
            if !self.recordings.iter().any(|recording| recording.class == class && recording.clips > 0) {
                return Err(LessonProblem::NoSound { class: name.trim().to_owned() });
            }
        }
        Ok(())
    }
}
