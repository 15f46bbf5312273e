//! What a network is shown, kept on the device as bytes.
//!
//! In: the clips of an archive and the card's [`Input`]. Out: batches
//! `[batch, channels, height, width]`, made on the device by one look-up, so
//! that it never waits for the host: 16 kB a picture stay there, and a byte
//! becomes a colour, or a normalised decibel, when it is needed. Clips that a recipe
//! changes are drawn on the host instead, while the step before them runs, and go there as
//! bytes too where they are pictures. What our
//! own convolutions are shown is made on the host, and nothing is copied.

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
    input: Input,
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
    /// As [`words`] has them.
    cells: Tensor<2, Int>,
    /// `[256, channels]`.
    look_up: Tensor<2>,
}

impl Inputs {
    /// Makes the card's input of each clip, on all cores, for a device without
    /// autodiff.
    pub fn new(archive: &MelArchive, clips: &[Clip], card: &ModelCard, device: &Device) -> Self {
        let frames = archive.clip_frames(card.spectrogram.clip_seconds);
        let top_db = card.spectrogram.top_db;
        let [_, height, width] = card.network.input;
        let mut cells = vec![0; clips.len() * height * width];
        let fill =
            |(picture, decibels, drawn): &mut (Option<Picture>, Vec<f32>, Vec<u8>), into: &mut [u8], clip| {
                archive.decibels(clip, frames, top_db, decibels);
                match picture {
                    Some(picture) => {
                        // Silence is index 0 everywhere, which `indices` writes.
                        _ = picture.indices(decibels, drawn);
                        into.iter_mut().zip(drawn).for_each(|(cell, drawn)| *cell = *drawn);
                    }
                    None => into.iter_mut().zip(decibels).for_each(|(cell, db)| {
                        *cell = (*db * (-255.0 / RANGE_DB)).round() as u8;
                    }),
                }
            };
        let picture = match card.input {
            Input::Viridis { height, width } => {
                Some(Picture::new([archive.spectrogram.n_mels, frames], [height, width]))
            }
            _ => None,
        };
        let aids = || (picture.clone(), Vec::new(), Vec::new());
        // All of them in one place from the start: they are most of what a training holds.
        cells
            .par_chunks_exact_mut((height * width).max(1))
            .zip(clips)
            .for_each_init(aids, |aids, (into, clip)| fill(aids, into, clip));
        let decibels = |cell: u8| f32::from(cell) * (-RANGE_DB / 255.0);
        let look_up: Vec<f32> = match card.input {
            Input::Viridis { .. } => viridis(),
            Input::LogMel { mean, deviation } => {
                (0..=255).map(|cell| (decibels(cell) - mean) / deviation).collect()
            }
            Input::CentredLogMel { deviation } => (0..=255).map(|cell| decibels(cell) / deviation).collect(),
            Input::LogMelPair { mean, deviation, centred_deviation } => (0..=255)
                .flat_map(|cell| [(decibels(cell) - mean) / deviation, decibels(cell) / centred_deviation])
                .collect(),
        };
        Self {
            cells,
            genres: clips.iter().map(|clip| clip.genre as i32).collect(),
            look_up,
            input: card.input,
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

    /// What the network is shown.
    pub fn input(&self) -> Input {
        self.input
    }

    /// The channel of which each row's mean over the columns is subtracted.
    fn centred_channel(&self) -> Option<usize> {
        match self.input {
            Input::Viridis { .. } | Input::LogMel { .. } => None,
            Input::CentredLogMel { .. } => Some(0),
            Input::LogMelPair { .. } => Some(1),
        }
    }

    /// `[channels, height, width]` of the network's input.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Inputs `[batch, channels, height, width]` of the clips of these indices.
    pub fn batch(&self, clips: &[usize]) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let Copy { cells, look_up } = self.copy();
        let clips_of_all = self.integers(clips.iter().map(|&clip| clip as i32).collect());
        let inputs = looked_up(cells.clone().select(0, clips_of_all), look_up.clone(), [height, width]);
        let Some(centred) = self.centred_channel() else { return inputs };
        let rows = inputs.clone().narrow(1, centred, 1);
        let rows = rows.clone() - rows.mean_dim(3);
        if channels == 1 { rows } else { Tensor::cat(vec![inputs.narrow(1, 0, centred), rows], 1) }
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
        let mut inputs: Vec<f32> = cells
            .flat_map_iter(|&cell| &self.look_up[usize::from(cell) * channels..][..channels])
            .copied()
            .collect();
        if let Some(centred) = self.centred_channel() {
            inputs.par_chunks_mut(width * channels).for_each(|row| {
                let cells = || row.iter().skip(centred).step_by(channels);
                let mean = cells().sum::<f32>() / width as f32;
                row.iter_mut().skip(centred).step_by(channels).for_each(|cell| *cell -= mean);
            });
        }
        inputs
    }

    fn integers(&self, values: Vec<i32>) -> Tensor<1, Int> {
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), (&self.device, DType::I32))
    }

    fn copy(&self) -> &Copy {
        self.copy.get_or_init(|| {
            let [channels, height, width] = self.shape;
            let look_up = TensorData::new(self.look_up.clone(), [256, channels]);
            Copy {
                cells: words(&self.cells, height * width, &self.device),
                look_up: Tensor::from_data(look_up, &self.device),
            }
        })
    }
}

/// Pictures `[clips, 3, height, width]` of viridis's colours by their number,
/// `[clips, height, width]`, made on the device.
pub fn pictures(colours: &[u8], [height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let look_up = Tensor::from_data(TensorData::new(viridis(), [256, 3]), device);
    looked_up(words(colours, height * width, device), look_up, [height, width])
}

/// Red, green and blue of each colour, from 0 to 1, `[256, 3]`.
fn viridis() -> Vec<f32> {
    VIRIDIS.as_flattened().iter().map(|&value| f32::from(value) / 255.0).collect()
}

/// Clips of so many bytes on the device. Four of them to an integer of 32 bits, the first in its
/// lowest byte, because WebGPU's shaders know no smaller ones: `[clips, ⌈bytes / 4⌉]`.
fn words(cells: &[u8], bytes: usize, device: &Device) -> Tensor<2, Int> {
    let word = |cells: &[u8]| {
        let mut bytes = [0; 4];
        bytes[..cells.len()].copy_from_slice(cells);
        i32::from_le_bytes(bytes)
    };
    let words: Vec<i32> = cells.par_chunks(bytes).flat_map_iter(|clip| clip.chunks(4).map(word)).collect();
    let shape = [cells.len() / bytes, bytes.div_ceil(4)];
    Tensor::from_data(TensorData::new(words, shape), (device, DType::I32))
}

/// What the bytes of clips stand for, `[clips, channels, height, width]`, by a table
/// `[256, channels]`.
fn looked_up(words: Tensor<2, Int>, look_up: Tensor<2>, [height, width]: [usize; 2]) -> Tensor<4> {
    let ([clips, _], [_, channels]) = (words.dims(), look_up.dims());
    let byte = |at: i32| words.clone().bitwise_right_shift_scalar(8 * at).bitwise_and_scalar(0xff);
    let cells: Tensor<3, Int> = Tensor::stack((0..4).map(byte).collect(), 2);
    let cells = cells.flatten::<2>(1, 2).narrow(1, 0, height * width);
    let inputs = look_up.select(0, cells.flatten(0, 1));
    inputs.reshape([clips, height, width, channels]).permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::archive::{Item, Track},
        network::experiment::{NetworkSpec, Pooling},
        spectrogram::config::SpectrogramConfig,
        training::small_card,
    };

    /// On host and device the network is shown what it is shown of a song.
    #[test]
    fn clips_are_normalised_as_songs_are() {
        // Frames of a clip times bands: what four does not divide.
        const BANDS: usize = 17;
        const FRAMES: usize = 80;
        let spectrogram = SpectrogramConfig {
            n_mels: BANDS,
            hop_length: 1920,
            center: false,
            ..SpectrogramConfig::default()
        };
        let cells = (0..BANDS * FRAMES).map(|at| (at * 37 % 256) as u8).collect();
        let tracks = vec![Track { name: "one".into(), genre: 0 }];
        let genres = vec!["a".into(), "b".into()];
        let items = vec![Item { track: 0, frames: FRAMES }];
        let archive = MelArchive::new(genres, tracks, spectrogram, items, cells).unwrap();
        let clips = archive.clips(3.0);
        let frames = archive.clip_frames(3.0);
        for input in [
            Input::LogMel { mean: -35.0, deviation: 15.0 },
            Input::CentredLogMel { deviation: 5.0 },
            Input::LogMelPair { mean: -35.0, deviation: 15.0, centred_deviation: 5.0 },
        ] {
            let network = NetworkSpec {
                input: input.shape(&archive.spectrogram),
                blocks: vec![],
                pooling: Pooling::Flatten,
                dense: vec![2],
                classes: 2,
            };
            let card = small_card(&archive, input, network);
            let inputs = Inputs::new(&archive, &clips, &card, &Device::flex());
            let mut shown = Vec::new();
            for clip in &clips {
                let mut decibels = Vec::new();
                archive.decibels(clip, frames, card.spectrogram.top_db, &mut decibels);
                input.normalise(&decibels, frames, &mut shown);
            }
            let all: Vec<usize> = (0..clips.len()).collect();
            let [channels, ..] = inputs.shape();
            let on_host = TensorData::new(inputs.host_batch(&all), [2, BANDS, frames, channels]);
            let on_host = Tensor::<4>::from_data(on_host, &Device::flex()).permute([0, 3, 1, 2]);
            let on_host: Vec<f32> = on_host.into_data().try_into_vec().unwrap();
            let on_device: Vec<f32> = inputs.batch(&all).into_data().try_into_vec().unwrap();
            assert_eq!((clips.len(), shown.len()), (2, 2 * channels * BANDS * frames));
            for ((song, host), device) in shown.iter().zip(on_host).zip(on_device) {
                // Decibels are kept as bytes, 0.4 dB apart.
                let step = RANGE_DB / 255.0 / 5.0;
                assert!((song - host).abs() <= step, "{song} and {host}");
                assert!((host - device).abs() < 1e-5, "{host} and {device}");
            }
        }
    }
}
