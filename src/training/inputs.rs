//! What a network is shown, kept on the device as bytes.
//!
//! In: the clips of an archive and the card's [`Input`]. Out: batches
//! `[batch, channels, height, width]`, made on the device by one look-up, so
//! that it never waits for the host: 16 kB a picture stay there, and a byte
//! becomes a colour, or a normalised decibel, when it is needed. What our own
//! convolutions are shown is made on the host, and nothing is copied.

use std::sync::OnceLock;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rayon::prelude::*;

use crate::{
    dataset::archive::{Clip, MelArchive, RANGE_DB},
    network::card::{Input, ModelCard},
    spectrogram::picture::{Picture, VIRIDIS},
};

/// Why an archive cannot be shown to a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MisfitError {
    /// Other genres, or another order of them.
    #[error("the archive has the genres {archive}, the model was trained on {model}")]
    Genres {
        /// The archive's.
        archive: String,
        /// The model's.
        model: String,
    },
    /// Another front end.
    #[error(
        "the archive's spectrograms are not made as the model's card says: its {setting} is {archive}, \
         the card's {card}; make it again by `needledrop prepare`"
    )]
    FrontEnd {
        /// The first setting that differs.
        setting: &'static str,
        /// The archive's.
        archive: String,
        /// The card's.
        card: String,
    },
}

/// Whether clips of this archive are what the card's model was made for.
///
/// # Errors
/// [`MisfitError`] with the first thing that differs.
pub fn fits(archive: &MelArchive, card: &ModelCard) -> Result<(), MisfitError> {
    if archive.genres != card.genres {
        let [archive, model] = [&archive.genres, &card.genres].map(|genres| genres.join(", "));
        return Err(MisfitError::Genres { archive, model });
    }
    let (of_archive, of_card) = (&archive.spectrogram, &card.spectrogram);
    let frames = archive.clip_frames(of_card.clip_seconds);
    let settings = [
        ("sample rate", of_archive.sample_rate.to_string(), of_card.sample_rate.to_string()),
        ("n_fft", of_archive.n_fft.to_string(), of_card.n_fft.to_string()),
        ("hop length", of_archive.hop_length.to_string(), of_card.hop_length.to_string()),
        ("centring", of_archive.center.to_string(), of_card.center.to_string()),
        ("number of mel bands", of_archive.n_mels.to_string(), of_card.n_mels.to_string()),
        ("fmin", of_archive.fmin.to_string(), of_card.fmin.to_string()),
        ("fmax", of_archive.fmax.to_string(), of_card.fmax.to_string()),
        ("number of frames in a clip", frames.to_string(), of_card.clip_frames().to_string()),
    ];
    match settings.into_iter().find(|(_, archive, card)| archive != card) {
        Some((setting, archive, card)) => Err(MisfitError::FrontEnd { setting, archive, card }),
        None if of_card.center && of_archive.pad_mode != of_card.pad_mode => Err(MisfitError::FrontEnd {
            setting: "padding",
            archive: format!("{:?}", of_archive.pad_mode).to_lowercase(),
            card: format!("{:?}", of_card.pad_mode).to_lowercase(),
        }),
        None => Ok(()),
    }
}

/// All clips of a data set.
#[derive(Debug)]
pub struct Inputs {
    /// `[clips, height · width]`.
    cells: Vec<u8>,
    /// `[clips]`.
    genres: Vec<i32>,
    /// What each byte stands for, `[256, channels]`.
    look_up: Vec<f32>,
    /// `[channels, height, width]` of the network's input.
    shape: [usize; 3],
    classes: usize,
    device: Device,
    /// The same on the device, once a batch was made there.
    copy: OnceLock<Copy>,
}

/// All clips on a device.
#[derive(Clone, Debug)]
struct Copy {
    cells: Tensor<2, Int>,
    look_up: Tensor<2>,
}

impl Inputs {
    /// Makes the card's input of each clip, on all cores, for a device without
    /// autodiff.
    pub fn new(archive: &MelArchive, clips: &[Clip], card: &ModelCard, device: &Device) -> Self {
        let frames = archive.clip_frames(card.spectrogram.clip_seconds);
        let top_db = card.spectrogram.top_db;
        let cells_of = |picture: &mut Option<Picture>, clip: &Clip| {
            let (mut decibels, mut cells) = (Vec::new(), Vec::new());
            archive.decibels(clip, frames, top_db, &mut decibels);
            match picture {
                // Silence is index 0 everywhere, which `indices` writes.
                Some(picture) => _ = picture.indices(&decibels, &mut cells),
                None => cells.extend(decibels.iter().map(|db| (db * (-255.0 / RANGE_DB)).round() as u8)),
            }
            cells
        };
        let picture = match card.input {
            Input::Viridis { height, width } => {
                Some(Picture::new([archive.spectrogram.n_mels, frames], [height, width]))
            }
            Input::LogMel { .. } => None,
        };
        let cells: Vec<Vec<u8>> = clips.par_iter().map_init(|| picture.clone(), cells_of).collect();
        let look_up = match card.input {
            Input::Viridis { .. } => {
                VIRIDIS.as_flattened().iter().map(|&value| f32::from(value) / 255.0).collect()
            }
            Input::LogMel { mean, deviation } => (0..=255_u8)
                .map(|cell| (f32::from(cell) * (-RANGE_DB / 255.0) - mean) / deviation)
                .collect::<Vec<f32>>(),
        };
        Self {
            cells: cells.concat(),
            genres: clips.iter().map(|clip| clip.genre as i32).collect(),
            look_up,
            shape: card.network.input,
            classes: card.network.classes,
            device: device.clone(),
            copy: OnceLock::new(),
        }
    }

    /// Genres there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// `[channels, height, width]` of the network's input.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Inputs `[batch, channels, height, width]` of the clips of these indices.
    pub fn batch(&self, clips: &[usize]) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let Copy { cells, look_up, .. } = self.copy();
        let clips_of_all = self.integers(clips.iter().map(|&clip| clip as i32).collect());
        let cells = cells.clone().select(0, clips_of_all).cast(DType::I32);
        let inputs = look_up.clone().select(0, cells.flatten(0, 1));
        inputs.reshape([clips.len(), height, width, channels]).permute([0, 3, 1, 2])
    }

    /// Genres `[batch]` of the clips of these indices.
    pub fn genres(&self, clips: &[usize]) -> Tensor<1, Int> {
        let genres: Vec<i32> = clips.iter().map(|&clip| self.genres[clip]).collect();
        self.integers(genres)
    }

    /// As [`Self::batch`], on the host and with the channels innermost:
    /// `[batch, height, width, channels]`.
    pub fn host_batch(&self, clips: &[usize]) -> Vec<f32> {
        let [channels, height, width] = self.shape;
        let pixels = height * width;
        let cells = clips.par_iter().flat_map_iter(|clip| &self.cells[clip * pixels..][..pixels]);
        cells
            .flat_map_iter(|&cell| &self.look_up[usize::from(cell) * channels..][..channels])
            .copied()
            .collect()
    }

    fn integers(&self, values: Vec<i32>) -> Tensor<1, Int> {
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), (&self.device, DType::I32))
    }

    fn copy(&self) -> &Copy {
        self.copy.get_or_init(|| {
            let [channels, height, width] = self.shape;
            let (cells, look_up) = (self.cells.clone(), self.look_up.clone());
            let count = self.genres.len();
            let device = &self.device;
            Copy {
                cells: Tensor::from_data(
                    TensorData::new(cells, [count, height * width]),
                    (device, DType::U8),
                ),
                look_up: Tensor::from_data(TensorData::new(look_up, [256, channels]), device),
            }
        })
    }
}
