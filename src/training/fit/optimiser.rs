//! What moves the weights: burn's optimisers, whose state is read onto the device that trains.
//!
//! burn itself reads it onto its default device, whoever trains: in a build with a GPU, that is
//! the GPU, which would be opened for a moment, and would have to be there.

use burn::{
    module::ParamGroup,
    optim::{
        AdamConfig, AdamWConfig, DynOptimizer, DynState, LearningRate, ModuleOptimizer, Optimizer, StateSink,
        StateSource,
    },
    tensor::{Device, kind::BridgeTensor},
};

use crate::training::recipe::Recipe;

/// Adam with Keras's ε, or AdamW, on a device without autodiff.
pub(super) fn optimiser_of(recipe: &Recipe, device: &Device) -> ModuleOptimizer {
    match recipe.beyond.weight_decay {
        0.0 => placed(AdamConfig::new().with_epsilon(1e-7).build(), device),
        decay => {
            placed(AdamWConfig::new().with_epsilon(1e-7).with_weight_decay(decay as f32).build(), device)
        }
    }
}

/// `optimiser` for all parameters of a network.
fn placed(optimiser: impl Optimizer, device: &Device) -> ModuleOptimizer {
    let on_device = Placed { optimiser: optimiser.clone(), device: device.clone() };
    // Of several optimisers for a parameter the last moves it.
    ModuleOptimizer::from(optimiser).with_group(ParamGroup::all(), on_device, None)
}

/// An optimiser whose state is read onto a device of its own.
struct Placed<O> {
    optimiser: O,
    device: Device,
}

impl<O: Optimizer> DynOptimizer for Placed<O> {
    fn step_dyn(
        &self,
        rank: usize,
        lr: LearningRate,
        tensor: BridgeTensor,
        grad: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        self.optimiser.step_dyn(rank, lr, tensor, grad, state)
    }

    fn to_device_dyn(&self, state: DynState, device: &Device) -> DynState {
        self.optimiser.to_device_dyn(state, device)
    }

    fn state_flatten(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        self.optimiser.state_flatten(prefix, state, out);
    }

    fn state_unflatten(
        &self,
        rank: usize,
        prefix: &str,
        src: &mut StateSource,
        _default: &Device,
    ) -> Option<DynState> {
        self.optimiser.state_unflatten(rank, prefix, src, &self.device)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use burn::{
        nn::LinearConfig,
        optim::{GradientsParams, RecordState},
        tensor::{Bytes, Tensor},
    };

    use super::*;

    thread_local! {
        /// Of each state that was read, whether that was onto a device with autodiff.
        static READ: RefCell<Vec<bool>> = const { RefCell::new(Vec::new()) };
    }

    /// A state that is nothing but there.
    #[derive(Clone)]
    struct There;

    impl RecordState for There {
        fn state_flatten(&self, _prefix: &str, _out: &mut StateSink) {}

        fn state_unflatten(_prefix: &str, _src: &mut StateSource, device: &Device) -> Option<Self> {
            READ.with_borrow_mut(|read| read.push(device.is_autodiff()));
            Some(Self)
        }
    }

    #[derive(Clone)]
    struct Idle;

    impl Optimizer for Idle {
        type State<const D: usize> = There;

        fn step<const D: usize>(
            &self,
            _lr: LearningRate,
            tensor: Tensor<D>,
            _grad: Tensor<D>,
            _state: Option<There>,
        ) -> (Tensor<D>, Option<There>) {
            (tensor, Some(There))
        }

        fn to_device<const D: usize>(state: There, _device: &Device) -> There {
            state
        }
    }

    #[test]
    fn a_state_is_read_onto_the_device_that_trains() {
        // The one device that every build has beside its default.
        let device = Device::flex().autodiff();
        let linear = LinearConfig::new(2, 2).init(&device);
        let loss = linear.forward(Tensor::<2>::ones([1, 2], &device)).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &linear);
        let mut before = placed(Idle, &device);
        drop(before.step(0.1, linear, gradients));
        let state = before.into_bytes().unwrap();
        placed(Idle, &device).from_bytes(Bytes::from_bytes_vec(state.to_vec())).unwrap();
        assert_eq!(READ.take(), [true, true]);
    }
}
