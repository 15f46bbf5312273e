//! What is said of each step: its name, one plain sentence, its formula with the
//! model's own numbers.

use super::plot::frame_seconds;
use super::shown::{Shown, times};
use super::step::Step;
use crate::engine::protocol::StageKind;
use crate::network::card::Input;
use crate::network::experiment::{ConvBlock, Pooling};
use crate::page::words::{decimal, grouped, t};

/// The name of a step.
pub(super) fn name(step: Step) -> String {
    match step {
        Step::Wave => t!("inside.wave.name"),
        Step::Frame => t!("inside.frame.name"),
        Step::Spectrum => t!("inside.spectrum.name"),
        Step::Mel => t!("inside.mel.name"),
        Step::Decibels => t!("inside.decibels.name"),
        Step::Picture => t!("inside.picture.name"),
        Step::Layer(index) => t!("inside.layer.name", number = index + 1),
        Step::Dense => t!("inside.dense.name"),
        Step::Softmax => t!("inside.softmax.name"),
    }
}

/// What happens in a step.
pub(super) fn sentence(step: Step, shown: &Shown) -> String {
    let config = &shown.card.spectrogram;
    let network = &shown.card.network;
    match step {
        Step::Wave => t!(
            "inside.wave.sentence",
            samples = grouped(config.clip_samples()),
            seconds = decimal(f64::from(config.clip_seconds), u32::from(config.clip_seconds.fract() > 0.0))
        ),
        Step::Frame => t!(
            "inside.frame.sentence",
            length = decimal(frame_seconds(shown) * 1000.0, 0),
            frames = config.clip_frames()
        ),
        Step::Spectrum => t!("inside.spectrum.sentence", bins = config.n_fft / 2 + 1),
        Step::Mel => t!("inside.mel.sentence", bands = config.n_mels, frames = config.clip_frames()),
        Step::Decibels => t!("inside.decibels.sentence", range = decimal(f64::from(config.top_db), 0)),
        Step::Picture => match shown.card.input {
            Input::Viridis { height, width } => {
                t!("inside.picture.sentence", height = height, width = width)
            }
            Input::LogMel { .. } => t!("inside.picture.log_mel"),
            Input::CentredLogMel { .. } => t!("inside.picture.centred"),
            Input::LogMelPair { .. } => t!("inside.picture.pair"),
        },
        Step::Layer(0) => {
            t!("inside.layer.first", filters = network.blocks.first().map_or(0, |block| block.filters))
        }
        Step::Layer(index) => t!(
            "inside.layer.sentence",
            filters = network.blocks.get(index).map_or(0, |block| block.filters),
            sight = sight(shown, index)
        ),
        Step::Dense => {
            let (features, width) = (shown.floats(StageKind::Features).len(), shown.last_hidden().len());
            match network.pooling {
                Pooling::Flatten => t!("inside.dense.sentence", features = features, width = width),
                Pooling::Statistics => t!("inside.dense.of_statistics", features = features, width = width),
            }
        }
        Step::Softmax => t!("inside.softmax.sentence", classes = network.classes),
    }
}

/// What else is worth knowing, beside the formula.
pub(super) fn more(step: Step, shown: &Shown) -> String {
    match step {
        Step::Wave => t!("inside.wave.more"),
        Step::Frame => t!("inside.frame.more"),
        Step::Spectrum => t!("inside.spectrum.more"),
        Step::Mel => t!("inside.mel.more"),
        Step::Decibels => t!("inside.decibels.more"),
        Step::Picture => match shown.card.input {
            Input::Viridis { .. } => t!("inside.picture.more"),
            Input::LogMel { .. } => t!("inside.picture.more_log_mel"),
            Input::CentredLogMel { .. } => t!("inside.picture.more_centred"),
            Input::LogMelPair { .. } => t!("inside.picture.more_pair"),
        },
        Step::Layer(_) => t!("inside.layer.more"),
        Step::Dense => t!("inside.dense.more"),
        Step::Softmax => t!("inside.softmax.more"),
    }
}

/// The formula, line by line, in the notation of no language.
pub(super) fn formula(step: Step, shown: &Shown) -> String {
    let config = &shown.card.spectrogram;
    let network = &shown.card.network;
    let (length, hop, bands) = (config.n_fft, config.hop_length, config.n_mels);
    match step {
        Step::Wave => {
            format!(
                "x[n],  n = 0 … {}\n{} Hz",
                grouped(config.clip_samples().saturating_sub(1)),
                grouped(config.sample_rate as usize)
            )
        }
        Step::Frame => {
            let start = if config.center { format!(" − {}", length / 2) } else { String::new() };
            format!(
                "w[n] = ½ − ½ cos(2πn / {length}),  n = 0 … {}\nv[n] = w[n] · x[{hop}·t + n{start}],  t = {}",
                length - 1,
                shown.frame
            )
        }
        Step::Spectrum => format!("P[k] = | Σₙ v[n] · e^(−2πi · kn / {length}) |²,  k = 0 … {}", length / 2),
        Step::Mel => format!(
            "M[m, t] = Σₖ F[m, k] · P[k, t],  m = 0 … {}\n\
             mel(f) = 3f / 200  (f < 1 kHz)\n\
             mel(f) = 15 + 27 · ln(f / 1 kHz) / ln 6.4  (f ≥ 1 kHz)",
            bands - 1
        ),
        Step::Decibels => {
            format!("D = max(10 · log₁₀(M / max M), −{})", decimal(f64::from(config.top_db), 0))
        }
        Step::Picture => match shown.card.input {
            Input::Viridis { .. } => "s = (D − min D) / (max D − min D)\n\
                                      i = min(⌊256 · s⌋, 255)\n\
                                      x = viridis[i] / 255"
                .into(),
            Input::LogMel { mean, deviation } => format!(
                "x = (D − μ) / σ,  μ = {},  σ = {}",
                decimal(f64::from(mean), 2),
                decimal(f64::from(deviation), 2)
            ),
            Input::CentredLogMel { deviation } => centred("x", deviation),
            Input::LogMelPair { mean, deviation, centred_deviation } => format!(
                "x₁ = (D − μ) / σ,  μ = {},  σ = {}\n{}",
                decimal(f64::from(mean), 2),
                decimal(f64::from(deviation), 2),
                centred("x₂", centred_deviation)
            ),
        },
        Step::Layer(index) => layer(shown, index),
        Step::Dense => {
            let widths = shown.floats(StageKind::Features).len();
            let mut lines = vec![pooled(network.pooling, widths)];
            let mut inputs = widths;
            for width in &network.dense {
                lines.push(format!("h = ReLU(W · f + b),  W: {}", times(&[*width, inputs])));
                inputs = *width;
            }
            lines.join("\n")
        }
        Step::Softmax => {
            let scaled = |at| {
                if shown.card.bias.is_empty() {
                    format!("z[{at}] / T")
                } else {
                    format!("z[{at}] / T + c[{at}]")
                }
            };
            format!(
                "z = W · h + b,  W: {}\np[i] = e^({}) / Σⱼ e^({}),  T = {}",
                times(&[network.classes, shown.last_hidden().len()]),
                scaled('i'),
                scaled('j'),
                decimal(f64::from(shown.card.temperature), 2)
            )
        }
    }
}

/// The shape of what a step gives.
pub(super) fn shape(step: Step, shown: &Shown) -> String {
    shown.shape(match step {
        Step::Wave => StageKind::Waveform,
        Step::Frame => StageKind::Windowed,
        Step::Spectrum => StageKind::Spectrum,
        Step::Mel => StageKind::Mel,
        Step::Decibels => StageKind::Decibels,
        Step::Picture => return times(&shown.card.network.input),
        Step::Layer(index) => StageKind::Block(index),
        Step::Dense => return shown.last_hidden().len().to_string(),
        Step::Softmax => StageKind::Probabilities,
    })
}

/// Weights that a step learned; none for those that compute by rule.
pub(super) fn weights(step: Step, shown: &Shown) -> Option<usize> {
    let layers = shown.card.network.layers().ok()?;
    let sum = |kind: &str| -> usize {
        layers.iter().filter(|layer| layer.name.starts_with(kind)).map(|layer| layer.parameters).sum()
    };
    let weights = match step {
        Step::Layer(index) => {
            let name = format!("conv{index}");
            layers.iter().find(|layer| layer.name == name)?.parameters
        }
        Step::Dense => sum("dense"),
        Step::Softmax => sum("logits"),
        _ => return None,
    };
    Some(weights)
}

/// What a centred channel is.
fn centred(name: &str, deviation: f32) -> String {
    format!("{name}[m, t] = (D[m, t] − mean D[m]) / σ,  σ = {}", decimal(f64::from(deviation), 2))
}

/// Pixels of the picture that one value of a layer depends on, along one axis.
fn sight(shown: &Shown, layer: usize) -> usize {
    let network = &shown.card.network;
    let blocks: Vec<_> = network.blocks.iter().map(|block| [block.kernel, block.pool[1]]).collect();
    Step::sight(&blocks, layer).min(network.input[2])
}

fn layer(shown: &Shown, index: usize) -> String {
    let network = &shown.card.network;
    let Some(ConvBlock { filters, kernel, pool, .. }) = network.blocks.get(index).copied() else {
        return String::new();
    };
    let before = index.checked_sub(1).and_then(|before| network.blocks.get(before));
    let channels = before.map_or(network.input[0], |block| block.filters);
    format!(
        "y[f] = pool({}) ReLU(b[f] + Σ_c K[f, c] ∗ x[c])\nK: {},  b: {filters}",
        times(&pool),
        times(&[filters, channels, kernel, kernel])
    )
}

fn pooled(pooling: Pooling, features: usize) -> String {
    match pooling {
        Pooling::Flatten => format!("f = flatten(y),  {features}"),
        Pooling::Statistics => format!("f = [mean(y), max(y), σ(y)],  {features}"),
    }
}
