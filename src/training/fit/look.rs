//! What the steps of an epoch come to.

use burn::tensor::{Device, ElementConversion, Int, Tensor};

use super::{Running, TrainingError};
use crate::training::checkpoint::State;

/// Losses and right answers, summed where they are computed.
pub(super) struct Look {
    loss: Tensor<1>,
    right: Tensor<1, Int>,
    clips: u64,
    device: Device,
}

impl Look {
    pub(super) fn new(device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self { loss: Tensor::zeros([1], &device), right: Tensor::zeros([1], &device), clips: 0, device }
    }

    pub(super) fn add(&mut self, loss: &Tensor<1>, logits: Tensor<2>, genres: Tensor<1, Int>, clips: usize) {
        let (loss, logits) = (loss.clone().inner(), logits.inner());
        let answers = logits.argmax(1).flatten::<1>(0, 1);
        let genres = genres.to_device(&self.device).cast(answers.dtype());
        self.loss = self.loss.clone() + loss * clips as f64;
        self.right = self.right.clone() + answers.equal(genres).int().sum();
        self.clips += clips as u64;
    }

    /// Adds what was seen since the last look to `running`.
    pub(super) fn read(&mut self, running: Running) -> Result<Running, TrainingError> {
        let device = |error: burn::tensor::TensorReadError| TrainingError::Device(error.to_string());
        let loss: f32 = self.loss.clone().try_into_scalar().map_err(device)?;
        let right: i64 = self.right.clone().try_into_scalar::<i64>().map_err(device)?.elem();
        let clips = std::mem::take(&mut self.clips);
        *self = Self::new(&self.device);
        Ok(Running {
            loss: running.loss + f64::from(loss),
            right: running.right + right as u64,
            clips: running.clips + clips,
        })
    }

    /// As [`Self::read`], for steps of training: a loss that is no number ends it.
    pub(super) fn take(&mut self, running: Running, state: &State) -> Result<Running, TrainingError> {
        let sums = self.read(running)?;
        if sums.loss.is_finite() {
            return Ok(sums);
        }
        Err(TrainingError::Diverged { epoch: state.epoch + 1, step: state.step, loss: sums.loss as f32 })
    }
}
