//! How fast processor and GPU are. A model is measured for itself: where a small one
//! gains nothing by a GPU, a large one may.

use std::collections::BTreeMap;

use crate::engine::protocol::{EngineProblem, ModelId, Role};

/// Share by which the GPU has to beat the pool to be worth the change.
const GPU_MARGIN: f64 = 1.1;
/// How fast the average time of a clip follows the last one.
const SMOOTHING: f64 = 0.2;

/// What has been measured.
#[derive(Default)]
pub(super) struct Speeds {
    cpu: Option<Average>,
    gpu: Option<Average>,
    /// Models by which the GPU was judged, and whether it won.
    judged: BTreeMap<ModelId, bool>,
}

/// Milliseconds a clip takes one worker, by the model that was measured last.
struct Average {
    model: ModelId,
    milliseconds: f64,
}

impl Speeds {
    /// Takes in how long a clip took one worker, in milliseconds.
    pub(super) fn measured(&mut self, role: Role, model: ModelId, milliseconds: f64) {
        if !milliseconds.is_finite() {
            return;
        }
        let average = if role == Role::Gpu { &mut self.gpu } else { &mut self.cpu };
        match average {
            Some(known) if known.model == model => {
                known.milliseconds += SMOOTHING * (milliseconds - known.milliseconds);
            }
            _ => *average = Some(Average { model, milliseconds }),
        }
    }

    /// Milliseconds a clip takes one worker of the CPU pool.
    pub(super) fn cpu_milliseconds(&self) -> Option<f64> {
        self.cpu.as_ref().map(|average| average.milliseconds)
    }

    /// Milliseconds a clip takes the GPU.
    pub(super) fn gpu_milliseconds(&self) -> Option<f64> {
        self.gpu.as_ref().map(|average| average.milliseconds)
    }

    /// Holds a GPU that does `gpu` clips a second against a pool of so many workers;
    /// `None` while that is not measured by the same model.
    ///
    /// # Errors
    /// [`EngineProblem::Slower`], where the GPU is not worth it.
    pub(super) fn judge(
        &mut self,
        model: ModelId,
        gpu: f64,
        cpu_workers: usize,
    ) -> Option<Result<(), EngineProblem>> {
        let average = self.cpu.as_ref().filter(|average| average.model == model)?;
        let cpu = cpu_workers as f64 * 1000.0 / average.milliseconds;
        let wins = gpu > cpu * GPU_MARGIN;
        self.judged.insert(model, wins);
        Some(if wins { Ok(()) } else { Err(EngineProblem::Slower { gpu, cpu }) })
    }

    /// Whether the GPU won by that model; `None` where it has not been judged.
    pub(super) fn gpu_won(&self, model: ModelId) -> Option<bool> {
        self.judged.get(&model).copied()
    }

    /// Lets the GPU be judged anew.
    pub(super) fn forget_judgements(&mut self) {
        self.judged.clear();
    }
}
