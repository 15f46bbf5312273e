//! A classifying worker that learns.
//!
//! In: clips to study, and lessons. Out: what the convolutions make of the clips,
//! and models.

use js_sys::{Float32Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use super::{
    protocol::{Reply, Ticket},
    serve::{now, post},
    weights_file,
};
use crate::{
    classify::classifier::Classifier,
    network::{
        problem::ModelProblem,
        weights::{Precision, Weights, WeightsError},
    },
    teaching::{
        held_out::HeldOut,
        lesson::{Lesson, LessonProblem},
        taught::teach,
    },
};

/// Epochs from one word of progress to the next.
const EPOCHS_A_WORD: usize = 10;

/// Answers with the features of each clip.
///
/// # Errors
/// What the device says, in English.
pub(super) async fn study(
    classifier: &mut Classifier,
    ticket: Ticket,
    clips: &[Vec<f32>],
) -> Result<(), String> {
    let started = now();
    let all = classifier.features(clips).await.map_err(|error| error.to_string())?;
    let milliseconds = (now() - started) / clips.len().max(1) as f64;
    for (index, features) in all.into_iter().enumerate() {
        let features = Float32Array::from(features.unwrap_or_default().as_slice());
        post(&Reply::Features { ticket, index, milliseconds }, &[features.into()]);
    }
    Ok(())
}

/// Learns a lesson and answers with the model, or why there is none.
pub(super) fn learn(ticket: Ticket, lesson: &Lesson, attachments: Vec<JsValue>) {
    let started = now();
    match learnt(ticket, lesson, attachments) {
        Ok((file, held_out)) => {
            let milliseconds = now() - started;
            let file = Uint8Array::from(file.as_slice());
            post(&Reply::Taught { ticket, held_out, milliseconds }, &[file.into()]);
        }
        Err(problem) => post(&Reply::NotTaught { ticket, problem }, &[]),
    }
}

fn learnt(
    ticket: Ticket,
    lesson: &Lesson,
    attachments: Vec<JsValue>,
) -> Result<(Vec<u8>, Option<HeldOut>), LessonProblem> {
    let refused = |problem: ModelProblem| LessonProblem::Model { problem };
    let mut attachments = attachments.into_iter();
    let file = weights_file::read(attachments.next().unwrap_or_default()).map_err(refused)?;
    let features = attachments.next().and_then(|features| features.dyn_into::<Float32Array>().ok());
    let features = features.map_or_else(Vec::new, |features| features.to_vec());
    let weights = Weights::from_bytes(&file);
    let weights = weights.map_err(|error| refused(error.into()))?;
    let taught = teach(&weights, lesson, &features, |done, all| {
        if done % EPOCHS_A_WORD == 0 {
            post(&Reply::Learning { ticket, done, all }, &[]);
        }
    })?;
    // A lesson whose weights are too great for 16 bits is not lost for that.
    let file = match taught.weights.to_bytes(Precision::F16) {
        Err(WeightsError::TooGreat(_)) => taught.weights.to_bytes(Precision::F32),
        file => file,
    };
    let file = file.map_err(|error| refused(error.into()))?;
    Ok((file, taught.held_out))
}
