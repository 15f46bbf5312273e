//! Classes of a person's own, learnt in seconds: transfer to sounds that the
//! network never heard, as the paper proposes it in its outlook.
//!
//! In: a [`lesson`](lesson::Lesson) (class names, and whose clips are whose) and
//! what the frozen convolutions make of the clips. Out: a model with the same
//! convolutions and one new layer after them, and what it scored on files that
//! it had not learnt from.
//!
//! 1. [`lesson`]: what is taught, and what is wrong with it
//! 2. `regression`: the layer that is learnt
//! 3. [`held_out`]: files that judge, and how sure that judgement is
//! 4. `taught`: the model made of it

pub mod held_out;
pub mod lesson;

#[cfg(feature = "inference")]
mod regression;
#[cfg(feature = "inference")]
pub mod taught;
#[cfg(all(test, feature = "native"))]
mod tests;
