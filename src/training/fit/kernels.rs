//! What is done to a network as a whole: kernels made of weights, their mean, their penalty.

use std::collections::VecDeque;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Device, Tensor},
};

use crate::{
    network::cnn::Cnn,
    training::recipe::{Penalised, Recipe},
};

/// The network whose kernels are made of these weights, as the recipe says.
pub(super) fn used(network: &Cnn, recipe: &Recipe) -> Cnn {
    struct Standardise {
        kernels: usize,
    }
    impl ModuleMapper for Standardise {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (id, weight, mapper) = param.consume();
            self.kernels += usize::from(D == 4);
            let weight = if D == 4 && self.kernels > 1 { standardised(weight) } else { weight };
            Param::from_mapped_value(id, weight, mapper)
        }
    }
    let network = network.clone();
    if recipe.beyond.standardised { network.map(&mut Standardise { kernels: 0 }) } else { network }
}

/// Kernels `[filters, inputs, height, width]` with mean 0 and standard deviation
/// [`GAIN`] / √(inputs · height · width), each filter by itself. Not for the
/// first block, which sees by its kernels' sums how loud a place is.
pub(super) fn standardised<const D: usize>(weight: Tensor<D>) -> Tensor<D> {
    let dims = weight.dims();
    let cells = dims[1..].iter().product::<usize>();
    let rows = weight.reshape([dims[0], cells]);
    let centred = rows.clone() - rows.mean_dim(1);
    let deviation = (centred.clone().powi_scalar(2).mean_dim(1) + LEAST_VARIANCE).sqrt();
    (centred / deviation * (GAIN / (cells as f64).sqrt())).reshape(dims)
}

/// Standard deviation of what a standardised filter makes of an input of
/// deviation 1: about what ReLU and pool take away again.
const GAIN: f64 = 2.0;
/// Added to a variance before its root.
const LEAST_VARIANCE: f64 = 1e-10;

/// `keep` of the mean so far and the rest of the weights of the moment.
pub(super) fn averaged(average: Cnn, network: &Cnn, keep: f64) -> Cnn {
    struct Collect(VecDeque<Tensor<1>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push_back(param.val().reshape([-1]));
        }
    }
    struct Mix(VecDeque<Tensor<1>>, f64);
    impl ModuleMapper for Mix {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (id, mean, mapper) = param.consume();
            let mixed = match self.0.pop_front() {
                Some(now) => now.reshape(mean.dims()) * (1.0 - self.1) + mean * self.1,
                None => mean,
            };
            Param::from_mapped_value(id, mixed, mapper)
        }
    }
    let mut now = Collect(VecDeque::new());
    network.visit(&mut now);
    average.map(&mut Mix(now.0, keep))
}

/// Numbers the parameters in the order of the network, because the optimiser's
/// record knows them by number and burn draws new ones for each module.
pub(super) fn number(network: Cnn) -> Cnn {
    struct Numbering(u64);
    impl ModuleMapper for Numbering {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let (_, tensor, mapper) = param.consume();
            Param::from_mapped_value(ParamId::from(self.0), tensor, mapper)
        }
    }
    network.map(&mut Numbering(0))
}

/// The sum of the squares of the kernels that are `penalised`: tensors of two dimensions and more.
pub(super) fn squared_kernels(network: &Cnn, penalised: Penalised, device: &Device) -> Tensor<1> {
    struct Squares(Tensor<1>);
    impl ModuleVisitor for Squares {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D > 1 {
                self.0 = self.0.clone() + param.val().powi_scalar(2).sum();
            }
        }
    }
    let mut squares = Squares(Tensor::zeros([1], device));
    match penalised {
        Penalised::All => network.visit(&mut squares),
        Penalised::AllButLast => {
            network.convolutions().iter().for_each(|layer| layer.visit(&mut squares));
            network.hidden().iter().for_each(|layer| layer.visit(&mut squares));
        }
        Penalised::Hidden => network.hidden().iter().for_each(|layer| layer.visit(&mut squares)),
    }
    squares.0
}
