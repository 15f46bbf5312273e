//! How the classifier comes to a verdict, for those who want to see it.
//!
//! In: one clip. Out: every stage of its way ([`Classifier::inspect`]), or the
//! log-odds of a genre with parts of it silent ([`Classifier::explain`]). Both
//! take the way of [`Classifier::classify`] itself.

use burn::tensor::{Tensor, TensorData};

use super::{
    classifier::{Classifier, ClassifierError, Runner, colour, read},
    occlusion::{Patch, log_odds},
    stage::{Stage, StageKind, Values, WAVEFORM_COLUMNS, extremes},
};
use crate::{
    network::{card::Input, cnn::Activations},
    spectrogram::mel::corners,
};

/// One clip on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The frame whose transform is shown.
    pub frame: usize,
    /// Every stage in order; for silence, those before the network.
    pub stages: Vec<(Stage, Values)>,
}

impl Classifier {
    /// Every stage of a clip's way. Of `frame`, or of the loudest one, the
    /// transform is shown; past the last frame the last is meant.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub async fn inspect(
        &mut self,
        clip: &[f32],
        frame: Option<usize>,
    ) -> Result<Inspection, ClassifierError> {
        let mut input = Vec::new();
        let sounding = self.prepare(clip, &mut input, &mut Vec::new())?;
        let (frame, mut stages) = self.front_end(clip, frame);
        if sounding {
            stages.push(self.shown(&input));
            let activations = self.activations(input).await?;
            let layers = activations.blocks.iter().chain(&activations.head);
            if layers.flatten().any(|value| !value.is_finite()) {
                return Err(ClassifierError::NotFinite);
            }
            self.layers(activations, &mut stages)?;
        }
        Ok(Inspection { frame, stages })
    }

    /// Log-odds of the genre `class`, as the card scales logits, with each of
    /// the patches silent in the network's input; `None` stands for the clip as
    /// it is. No odds for a silent clip.
    ///
    /// # Errors
    /// As [`Classifier::classify`]; [`ClassifierError::Size`] for a genre that
    /// the model does not have.
    pub async fn explain(
        &mut self,
        clip: &[f32],
        class: usize,
        patches: &[Option<Patch>],
    ) -> Result<Vec<f32>, ClassifierError> {
        let mut input = Vec::new();
        if !self.prepare(clip, &mut input, &mut Vec::new())? {
            return Ok(Vec::new());
        }
        let mut inputs = Vec::with_capacity(input.len() * patches.len());
        for patch in patches {
            match patch {
                Some(patch) => self.silenced(*patch, &mut inputs),
                None => inputs.extend_from_slice(&input),
            }
        }
        let logits = self.run(inputs, patches.len()).await?.logits;
        let classes = self.card.network.classes;
        let unknown = || ClassifierError::Size { found: class, expected: classes };
        logits
            .chunks_exact(classes)
            .map(|logits| match log_odds(&self.card.scaled(logits), class) {
                Some(odds) if !odds.is_finite() => Err(ClassifierError::NotFinite),
                odds => odds.ok_or_else(unknown),
            })
            .collect()
    }

    /// Appends the input with a patch of it as quiet as the clip's quietest cell.
    fn silenced(&self, patch: Patch, inputs: &mut Vec<f32>) {
        let [_, height, width] = self.card.network.input;
        match self.card.input {
            Input::Viridis { .. } => {
                let mut picture = self.indices.clone();
                patch.silence(&mut picture, [height, width], 0);
                colour(&picture, inputs);
            }
            shown => {
                let mut masked = self.db.clone();
                let floor = masked.iter().copied().fold(f32::INFINITY, f32::min);
                patch.silence(&mut masked, [height, width], floor);
                shown.normalise(&masked, width, inputs);
            }
        }
    }

    /// From the waveform to decibels, of the clip that was just prepared.
    fn front_end(&mut self, clip: &[f32], frame: Option<usize>) -> (usize, Vec<(Stage, Values)>) {
        let config = &self.card.spectrogram;
        let cells = [self.spectrogram.n_mels(), self.spectrogram.frames()];
        let frame = frame.unwrap_or_else(|| loudest_frame(self.spectrogram.mel(), cells[1]));
        let frame = frame.min(cells[1].saturating_sub(1));
        let mut stages = vec![(
            Stage::exact(StageKind::Waveform, &[clip.len()]),
            Values::Floats(extremes(clip, WAVEFORM_COLUMNS)),
        )];
        let mut push = |kind, shape: &[usize], values| {
            stages.push((Stage::exact(kind, shape), Values::Floats(values)));
        };
        if let Some(shown) = self.spectrogram.frame(frame) {
            push(StageKind::Frame, &[shown.samples.len()], shown.samples);
            push(StageKind::Windowed, &[shown.windowed.len()], shown.windowed);
            push(StageKind::Spectrum, &[shown.power.len()], shown.power);
        }
        let bands: Vec<f32> = corners(config).into_iter().map(|hz| hz as f32).collect();
        push(StageKind::Bands, &[bands.len()], bands);
        push(StageKind::Mel, &cells, self.spectrogram.mel().to_vec());
        push(StageKind::Decibels, &cells, self.db.clone());
        (frame, stages)
    }

    /// What the network is shown.
    fn shown(&self, input: &[f32]) -> (Stage, Values) {
        let [_, height, width] = self.card.network.input;
        match self.card.input {
            Input::Viridis { .. } => {
                (Stage::exact(StageKind::Picture, &[height, width]), Values::Bytes(self.indices.clone()))
            }
            // Of two channels the first, which is the sound itself.
            _ => {
                let plane = input.iter().take(height * width).copied().collect();
                (Stage::exact(StageKind::LogMel, &[height, width]), Values::Floats(plane))
            }
        }
    }

    /// From the first block to the probabilities.
    fn layers(
        &self,
        activations: Activations,
        stages: &mut Vec<(Stage, Values)>,
    ) -> Result<(), ClassifierError> {
        let network = &self.card.network;
        let layers = network.layers()?;
        // Of each block the convolution comes first, then the pool.
        for (index, (maps, layer)) in
            activations.blocks.iter().zip(layers.iter().skip(1).step_by(2)).enumerate()
        {
            stages.push(Stage::in_bytes(StageKind::Block(index), &layer.shape, maps));
        }
        let last = activations.head.len().saturating_sub(1);
        for (index, values) in activations.head.into_iter().enumerate() {
            let kind = match index {
                _ if index == last => StageKind::Logits,
                0 => StageKind::Features,
                hidden => StageKind::Dense(hidden - 1),
            };
            let probabilities = (index == last).then(|| self.card.probabilities(&values));
            stages.push((Stage::exact(kind, &[values.len()]), Values::Floats(values)));
            if let Some(probabilities) = probabilities {
                let stage = Stage::exact(StageKind::Probabilities, &[probabilities.len()]);
                stages.push((stage, Values::Floats(probabilities)));
            }
        }
        Ok(())
    }

    async fn activations(&mut self, input: Vec<f32>) -> Result<Activations, ClassifierError> {
        let [channels, height, width] = self.card.network.input;
        let expected = channels * height * width;
        let found = input.len();
        match &mut self.runner {
            Runner::Winograd(network) => {
                network.activations(&input).ok_or(ClassifierError::Size { found, expected })
            }
            Runner::Burn(network, device) => {
                if found != expected {
                    return Err(ClassifierError::Size { found, expected });
                }
                let picture = TensorData::new(input, [1, channels, height, width]);
                let taps = network.taps(Tensor::from_data(picture, &*device));
                let mut activations = Activations::default();
                for maps in taps.blocks {
                    activations.blocks.push(read(maps).await?);
                }
                for layer in taps.head {
                    activations.head.push(read(layer).await?);
                }
                Ok(activations)
            }
        }
    }
}

/// The frame with the most mel power, `[n_mels, frames]`.
fn loudest_frame(mel: &[f32], frames: usize) -> usize {
    let mut power = vec![0.0_f32; frames];
    for band in mel.chunks_exact(frames.max(1)) {
        power.iter_mut().zip(band).for_each(|(sum, cell)| *sum += cell);
    }
    (0..frames).max_by(|a, b| power[*a].total_cmp(&power[*b])).unwrap_or(0)
}
