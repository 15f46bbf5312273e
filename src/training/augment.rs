//! Clips as they might have been: from elsewhere in the song, played in another
//! key, heard in a room or by a telephone.
//!
//! In: the clips to learn from, and how strongly they may be changed. Out:
//! batches that are drawn anew in every step. All of it is done to the log-mel
//! spectrogram, where a gain is a sum, an equaliser a curve over the bands and
//! another key a shift of them; a picture is made of what came of it. Only mixup
//! mixes what the network is shown.
//!
//! References: D. S. Park et al., "SpecAugment", Interspeech 2019 (masks);
//! H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.

use std::{borrow::Cow, f32::consts::PI, ops::Range};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, Gamma, Normal};
use rayon::prelude::*;

use super::recipe::Augmentation;
use crate::{
    dataset::{
        archive::{Clip, MelArchive, RANGE_DB},
        split::{Part, Split},
    },
    network::card::{Input, ModelCard},
    spectrogram::{
        mel::MelBank,
        picture::{Picture, VIRIDIS},
    },
};

/// What a step learns from.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The card's input.
    pub cells: Cells,
    /// How much of each genre a clip is: `[batch, genres]`.
    pub shares: Vec<f32>,
}

/// What a network is shown of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// `[batch, height, width, channels]`.
    Values(Vec<f32>),
    /// Of pictures that are not mixed: which of viridis's colours, `[batch, height, width]`. A
    /// twelfth of their values, which a device makes of them.
    Colours(Vec<u8>),
}

impl Cells {
    /// `[batch, height, width, channels]`.
    pub fn values(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Values(values) => Cow::Borrowed(values),
            Self::Colours(colours) => {
                let channels = colours.iter().flat_map(|&colour| VIRIDIS[usize::from(colour)]);
                Cow::Owned(channels.map(|channel| f32::from(channel) / 255.0).collect())
            }
        }
    }
}

/// Draws clips.
#[derive(Clone, Debug)]
pub struct Augmenter<'a> {
    archive: &'a MelArchive,
    clips: &'a [Clip],
    /// Of each clip the frames of its item that may be heard in its place: those
    /// of the clips around it that are for training too.
    around: Vec<Range<usize>>,
    frames: usize,
    top_db: f32,
    /// How steady noise is in each band: [`MelBank::noise_degrees`].
    steadiness: Vec<f32>,
    input: Input,
    /// Where the input is a picture.
    picture: Option<Picture>,
    strength: Augmentation,
}

impl<'a> Augmenter<'a> {
    /// Draws clips for the network of this card.
    pub fn new(
        archive: &'a MelArchive,
        clips: &'a [Clip],
        split: &Split,
        card: &ModelCard,
        strength: Augmentation,
    ) -> Self {
        let frames = archive.clip_frames(card.spectrogram.clip_seconds);
        let mut learned = vec![false; clips.len()];
        split.part(Part::Train).iter().for_each(|&clip| learned[clip] = true);
        let own = |clip: &Clip| clip.start_frame..clip.start_frame + frames;
        let mut around: Vec<Range<usize>> = clips.iter().map(own).collect();
        let follows =
            |clip: usize| learned[clip - 1] && learned[clip] && clips[clip - 1].item == clips[clip].item;
        let mut first = 0;
        for clip in 1..=clips.len() {
            if clip == clips.len() || !follows(clip) {
                let whole = around[first].start..around[clip - 1].end;
                around[first..clip].fill(whole);
                first = clip;
            }
        }
        let bank = MelBank::new(&archive.spectrogram);
        let steadiness = bank.noise_degrees().map(|degrees| degrees as f32).collect();
        let (top_db, input) = (card.spectrogram.top_db, card.input);
        Self { archive, clips, around, frames, top_db, steadiness, input, picture: None, strength }
            .with_input(input)
    }

    /// Draws the same and shows it as this input.
    pub fn with_input(&self, input: Input) -> Self {
        let picture = match input {
            Input::Viridis { height, width } => {
                Some(Picture::new([self.archive.spectrogram.n_mels, self.frames], [height, width]))
            }
            _ => None,
        };
        Self { input, picture, ..self.clone() }
    }

    /// Draws the same clips with nothing between the song and the ear: see
    /// [`Augmentation::clear`].
    pub fn clear(&self) -> Self {
        Self { strength: self.strength.clear(), ..self.clone() }
    }

    /// What the network is shown.
    pub fn input(&self) -> Input {
        self.input
    }

    /// Clips in place of these, the same for the same `draw`.
    pub fn batch(&self, clips: &[usize], draw: u64) -> Batch {
        let genres = self.archive.genres.len();
        let genre = |at: usize| self.clips[clips[at]].genre;
        let mut rng = ChaCha8Rng::seed_from_u64(draw);
        let beta = Beta::new(self.strength.mixup, self.strength.mixup).ok();
        // Each with the one before it: the order is drawn already.
        let before = |at: usize| (at + clips.len() - 1) % clips.len();
        let mixed: Vec<(f32, usize)> = (0..clips.len())
            .map(|at| {
                let share = beta.map_or(1.0, |beta| beta.sample(&mut rng) as f32);
                // A clip stays the greater part of itself: which of two is which does not matter.
                (share.max(1.0 - share), before(at))
            })
            .collect();
        let mut shares = vec![0.0; clips.len() * genres];
        for (at, (share, other)) in mixed.iter().enumerate() {
            shares[at * genres + genre(at)] += share;
            shares[at * genres + genre(*other)] += 1.0 - share;
        }

        let planes = |(at, &clip): (usize, &usize)| {
            let mut rng = ChaCha8Rng::seed_from_u64(draw);
            rng.set_stream(at as u64 + 1);
            self.clip(clip, &mut rng)
        };
        let all = clips.par_iter().enumerate();
        let cells = match &self.picture {
            Some(picture) if beta.is_none() => {
                let colours = |picture: &mut Picture, clip| colours(&planes(clip), picture);
                let drawn: Vec<Vec<u8>> = all.map_init(|| picture.clone(), colours).collect();
                Cells::Colours(drawn.concat())
            }
            picture => {
                let show = |picture: &mut Option<Picture>, clip| self.show(planes(clip), picture);
                let drawn: Vec<Vec<f32>> = all.map_init(|| picture.clone(), show).collect();
                Cells::Values(mix(&drawn, &mixed))
            }
        };
        Batch { cells, shares }
    }

    /// One clip `[n_mels, frames]`: decibels relative to its loudest cell, normalised
    /// where no picture is made of them.
    fn clip(&self, clip: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut cells = self.elsewhere(clip, rng);
        self.through_a_room(&mut cells, rng);
        let loudest = cells.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for cell in &mut cells {
            *cell = (*cell - loudest).max(-self.top_db);
        }
        let planes = match self.input {
            Input::Viridis { .. } => cells,
            input => {
                let mut planes = Vec::new();
                input.normalise(&cells, self.frames, &mut planes);
                planes
            }
        };
        let mut planes = self.mask(planes, rng);
        if let Input::LogMelPair { .. } = self.input
            && rng.random::<f64>() < self.strength.blank
        {
            let plane = planes.len() / 2;
            planes[usize::from(rng.random::<bool>()) * plane..][..plane].fill(0.0);
        }
        planes
    }

    /// A clip as the network is shown it, `[height, width, channels]`.
    fn show(&self, planes: Vec<f32>, picture: &mut Option<Picture>) -> Vec<f32> {
        match (self.input, picture) {
            (Input::LogMel { .. } | Input::CentredLogMel { .. }, _) => planes,
            (Input::LogMelPair { .. }, _) => {
                let (first, second) = planes.split_at(planes.len() / 2);
                first.iter().zip(second).flat_map(|(first, second)| [*first, *second]).collect()
            }
            (Input::Viridis { .. }, Some(picture)) => {
                Cells::Colours(colours(&planes, picture)).values().into_owned()
            }
            (Input::Viridis { .. }, None) => Vec::new(),
        }
    }

    /// Another place in the song, a little faster or slower, higher or lower:
    /// decibels.
    fn elsewhere(&self, clip: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let Augmentation { stretch, shift, .. } = self.strength;
        let bands = self.archive.spectrogram.n_mels;
        let around = self.around[clip].clone();
        let steps = (self.frames - 1).max(1) as f32;
        let room = (around.len() - 1) as f32;
        let speed = symmetric(rng, stretch).exp().min(room / steps);
        let start = rng.random::<f32>() * (room - speed * steps).max(0.0);
        let first = (start as usize).min(around.len() - 1);
        let length = ((speed * steps) as usize + 3).min(around.len() - first);
        let window = Clip { start_frame: around.start + first, ..self.clips[clip] };
        let mut raw = Vec::new();
        self.archive.decibels(&window, length, RANGE_DB, &mut raw);

        let shift = symmetric(rng, shift);
        let mut cells = Vec::with_capacity(bands * self.frames);
        for band in 0..bands {
            let [(lower, above), (upper, below)] = between(band as f32 + shift, bands);
            for frame in 0..self.frames {
                let [(before, after_it), (after, before_it)] =
                    between(start - first as f32 + speed * frame as f32, length);
                let at = |band: usize, frame: usize| raw[band * length + frame];
                cells.push(
                    above * (after_it * at(lower, before) + before_it * at(lower, after))
                        + below * (after_it * at(upper, before) + before_it * at(upper, after)),
                );
            }
        }
        cells
    }

    /// An equaliser, the end of a loudspeaker's range, the echo of a room and the
    /// noise in it, and what a codec leaves of it all.
    fn through_a_room(&self, cells: &mut [f32], rng: &mut ChaCha8Rng) {
        let Augmentation { equaliser, room, colour, noise, telephone, codec, phone, .. } = self.strength;
        let bands = self.archive.spectrogram.n_mels;
        let place = |band: usize| band as f32 / bands as f32;
        // A slow curve: three cosines over the bands, each with its own height.
        let heights: [f32; 3] = std::array::from_fn(|_| symmetric(rng, equaliser));
        let curve = |band| {
            let wave = |(waves, height): (i32, f32)| height * (PI * waves as f32 * place(band)).cos();
            (1..).zip(heights).map(wave).sum::<f32>()
        };
        let mut gains: Vec<f32> = (0..bands).map(curve).collect();
        let phone = phone > 0.0 && rng.random::<f64>() < phone;
        if happens(rng, telephone) || phone {
            // Decibels a band beyond the ends of what a small loudspeaker or microphone has.
            let (low, high) = (rng.random_range(0.0..0.2), rng.random_range(0.6..1.0));
            let slope = rng.random_range(0.5..3.0);
            for (band, gain) in gains.iter_mut().enumerate() {
                let place = place(band);
                *gain -= slope * bands as f32 * ((low - place).max(0.0) + (place - high).max(0.0));
            }
        }
        let echoes = happens(rng, room) || phone;
        // A room is louder at some frequencies than at others, and so at what is played on them.
        let colour = if echoes && colour > 0.0 { colour * rng.random::<f32>() } else { 0.0 };
        let uneven = Normal::new(0.0, colour).ok().filter(|_| colour > 0.0);
        if let Some(uneven) = uneven {
            gains.iter_mut().for_each(|gain| *gain += uneven.sample(rng));
        }
        for (row, gain) in cells.chunks_exact_mut(self.frames).zip(gains) {
            for cell in row {
                *cell += gain + uneven.map_or(0.0, |uneven| 0.5 * uneven.sample(rng));
            }
        }
        let echo = if echoes {
            // What is left after a frame of what takes this long to fall by 60 dB.
            let reverberation_time: f32 = rng.random_range(0.3..1.5);
            let spectrogram = &self.archive.spectrogram;
            let frame = spectrogram.hop_length as f32 / spectrogram.sample_rate as f32;
            power(-60.0 * frame / reverberation_time)
        } else {
            0.0
        };
        let noisy = happens(rng, noise) || phone;
        if echo > 0.0 || noisy {
            let loudest = cells.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let floor = loudest - rng.random_range(25.0..70.0);
            let tilt = rng.random_range(-20.0..10.0) / bands as f32;
            let rows = cells.chunks_exact_mut(self.frames).zip(&self.steadiness);
            for (band, (row, &degrees)) in rows.enumerate() {
                let of_noise = power(floor + tilt * band as f32);
                // A mean of exponentials, which the power of Gaussian noise is in each bin.
                let of_noise = Gamma::new(degrees, of_noise / degrees).ok().filter(|_| noisy);
                let mut reverberation = 0.0;
                for cell in row {
                    let mut sum = power(*cell) + echo * reverberation;
                    reverberation = sum;
                    if let Some(of_noise) = of_noise {
                        sum += of_noise.sample(rng);
                    }
                    *cell = 10.0 * sum.max(1e-20).log10();
                }
            }
        }
        if phone || (codec > 0.0 && happens(rng, codec)) {
            // Nothing at all is left above half of its rate.
            let cut = rng.random_range(0.7..1.0);
            for (band, row) in cells.chunks_exact_mut(self.frames).enumerate() {
                if place(band) > cut {
                    row.fill(-200.0);
                }
            }
        }
    }

    /// `SpecAugment`: bands and frames that nothing is known of, in all channels.
    fn mask(&self, mut planes: Vec<f32>, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let bands = self.archive.spectrogram.n_mels;
        let unknown = match self.input {
            Input::Viridis { .. } => planes.iter().sum::<f32>() / planes.len().max(1) as f32,
            _ => 0.0,
        };
        for _ in 0..self.strength.masks {
            let height = rng.random_range(0..=bands / 6);
            let lowest = rng.random_range(0..=bands - height);
            let width = rng.random_range(0..=self.frames / 6);
            let first = rng.random_range(0..=self.frames - width);
            for plane in planes.chunks_exact_mut(bands * self.frames) {
                plane[lowest * self.frames..][..height * self.frames].fill(unknown);
                plane.chunks_exact_mut(self.frames).for_each(|row| row[first..][..width].fill(unknown));
            }
        }
        planes
    }
}

/// Which of viridis's colours a clip has, `[height, width]`.
fn colours(decibels: &[f32], picture: &mut Picture) -> Vec<u8> {
    let mut colours = Vec::new();
    // Silence is the first everywhere, which `indices` writes.
    _ = picture.indices(decibels, &mut colours);
    colours
}

/// Of each clip its share, and the rest of another.
fn mix(clips: &[Vec<f32>], mixed: &[(f32, usize)]) -> Vec<f32> {
    let mut cells = clips.concat();
    let size = clips.first().map_or(1, Vec::len).max(1);
    for (clip, &(share, other)) in cells.chunks_exact_mut(size).zip(mixed) {
        if share < 1.0 {
            for (cell, other) in clip.iter_mut().zip(&clips[other]) {
                *cell = share * *cell + (1.0 - share) * other;
            }
        }
    }
    cells
}

fn power(decibels: f32) -> f32 {
    10.0_f32.powf(decibels / 10.0)
}

fn happens(rng: &mut ChaCha8Rng, share: f64) -> bool {
    rng.random::<f64>() < share
}

fn symmetric(rng: &mut ChaCha8Rng, most: f32) -> f32 {
    most * (2.0 * rng.random::<f32>() - 1.0)
}

/// The neighbours of a place in `0..length`, and how much of each is there.
fn between(place: f32, length: usize) -> [(usize, f32); 2] {
    let place = place.clamp(0.0, (length - 1) as f32);
    let lower = place as usize;
    let part = place - lower as f32;
    [(lower, 1.0 - part), ((lower + 1).min(length - 1), part)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::archive::{Item, Track},
        network::experiment::{NetworkSpec, Pooling},
        spectrogram::config::SpectrogramConfig,
        training::{device::DeviceKind, inputs::Inputs, small_card},
    };

    const BANDS: usize = 20;
    /// Of a track: ten clips.
    const FRAMES: usize = 343;
    /// The decibels themselves.
    const DECIBELS: Input = Input::LogMel { mean: 0.0, deviation: 1.0 };

    /// Tracks of two genres, the cells of each by a rule of track, band and frame.
    fn archive(tracks: usize, cell: impl Fn(usize, usize, usize) -> u8) -> MelArchive {
        let spectrogram = SpectrogramConfig {
            n_mels: BANDS,
            hop_length: 1920,
            center: false,
            ..SpectrogramConfig::default()
        };
        let cells = (0..tracks * BANDS * FRAMES)
            .map(|at| cell(at / (BANDS * FRAMES), at / FRAMES % BANDS, at % FRAMES));
        MelArchive::new(
            vec!["a".into(), "b".into()],
            (0..tracks).map(|track| Track { name: format!("{track}"), genre: track % 2 }).collect(),
            spectrogram,
            (0..tracks).map(|track| Item { track, frames: FRAMES }).collect(),
            cells.collect(),
        )
        .unwrap()
    }

    /// Clips of an archive that are drawn with these strengths, `draws` times.
    /// A batch, with colours as what they are.
    #[derive(Debug, PartialEq)]
    struct Values {
        cells: Vec<f32>,
        shares: Vec<f32>,
    }

    fn values(Batch { cells, shares }: Batch) -> Values {
        Values { cells: cells.values().into_owned(), shares }
    }

    fn drawn(archive: &MelArchive, strength: Augmentation, draws: u64) -> Vec<Values> {
        drawn_for(DECIBELS, archive, strength, draws)
    }

    fn drawn_for(input: Input, archive: &MelArchive, strength: Augmentation, draws: u64) -> Vec<Values> {
        let clips = archive.clips(3.0);
        let split = Split::over_tracks(archive, &clips, 0).unwrap();
        let card = card(archive, input);
        let augmenter = Augmenter::new(archive, &clips, &split, &card, strength);
        (0..draws).map(|draw| values(augmenter.batch(&split.part(Part::Train)[..20], draw))).collect()
    }

    fn card(archive: &MelArchive, input: Input) -> ModelCard {
        let network = NetworkSpec {
            input: input.shape(&archive.spectrogram),
            blocks: vec![],
            pooling: Pooling::Statistics,
            dense: vec![2],
            classes: 2,
        };
        small_card(archive, input, network)
    }

    fn strong() -> Augmentation {
        Augmentation {
            mixup: 0.4,
            stretch: 0.5,
            shift: 5.0,
            equaliser: 10.0,
            room: 1.0,
            noise: 1.0,
            colour: 5.0,
            telephone: 1.0,
            codec: 1.0,
            phone: 0.5,
            masks: 2,
            blank: 0.5,
        }
    }

    #[test]
    fn a_draw_is_the_same_again_and_another_is_not() {
        let archive = archive(10, |track, band, frame| (track * 31 + band * 7 + frame * 17) as u8);
        let (first, again) = (drawn(&archive, strong(), 2), drawn(&archive, strong(), 1));
        assert_eq!(first[0], again[0]);
        assert_ne!(first[0], first[1]);
        for Values { cells, shares } in &first {
            assert_eq!(cells.len(), 20 * BANDS * 34);
            assert!(cells.iter().all(|cell| (-80.0..=0.0).contains(cell)));
            for shares in shares.chunks_exact(2) {
                assert!(
                    (shares[0] + shares[1] - 1.0).abs() < 1e-6 && shares.iter().all(|share| *share >= 0.0)
                );
            }
        }
    }

    /// Frames of held-out clips are loud below and all others above: below, nothing
    /// may be heard.
    #[test]
    fn nothing_is_heard_that_is_not_for_training() {
        let even = archive(10, |_, _, _| 200);
        let clips = even.clips(3.0);
        let split = Split::over_clips(&even, &clips, 1).unwrap();
        let mut held_out = vec![[false; FRAMES]; 10];
        for &clip in split.part(Part::Validation).iter().chain(split.part(Part::Test)) {
            let first = clips[clip].start_frame;
            held_out[clips[clip].track][first..first + 34].fill(true);
        }
        let archive =
            archive(10, |track, band, frame| if held_out[track][frame] == (band < 10) { 200 } else { 0 });
        let card = card(&archive, DECIBELS);
        let only_elsewhere = Augmentation { stretch: 0.3, ..Augmentation::default() };
        let augmenter = Augmenter::new(&archive, &clips, &split, &card, only_elsewhere);
        let mut starts = 0;
        for draw in 0..20 {
            let Values { cells, .. } = values(augmenter.batch(split.part(Part::Train), draw));
            for clip in cells.chunks_exact(BANDS * 34) {
                assert!(clip[..10 * 34].iter().all(|cell| *cell < -70.0));
                assert!(clip[10 * 34..].iter().all(|cell| *cell > -1e-3));
                starts += 1;
            }
        }
        assert_eq!(starts, 20 * split.part(Part::Train).len());
    }

    #[test]
    fn without_strength_a_steady_sound_stays_as_it_is() {
        let archive = archive(10, |track, _, _| 100 + track as u8);
        let clips = archive.clips(3.0);
        let split = Split::over_tracks(&archive, &clips, 0).unwrap();
        let [Values { cells, shares }] = &drawn(&archive, Augmentation::default(), 1)[..] else { panic!() };
        assert!(cells.iter().all(|cell| cell.abs() < 1e-4));
        let expected = split.part(Part::Train)[..20].iter().flat_map(|&clip| match clips[clip].genre {
            0 => [1.0, 0.0],
            _ => [0.0, 1.0],
        });
        assert!(shares.iter().copied().eq(expected));
    }

    #[test]
    fn mixup_mixes_cells_as_it_mixes_genres() {
        // Genre 0 is loud below, genre 1 above: decibels tell the shares.
        let archive = archive(10, |track, band, _| if (track % 2 == 0) == (band < 10) { 255 } else { 102 });
        let strength = Augmentation { mixup: 1.0, ..Augmentation::default() };
        let mut mixed = 0;
        for Values { cells, shares } in drawn(&archive, strength, 5) {
            for (clip, shares) in cells.chunks_exact(BANDS * 34).zip(shares.chunks_exact(2)) {
                let (below, above) = (clip[0], clip[BANDS * 34 - 1]);
                assert!((below + 60.0 * shares[1]).abs() < 1e-3, "{below} dB with {shares:?}");
                assert!((above + 60.0 * shares[0]).abs() < 1e-3, "{above} dB with {shares:?}");
                mixed += usize::from(shares.iter().all(|share| *share > 0.1));
            }
        }
        assert!(mixed >= 5, "{mixed}");
    }

    /// The rows of a clip, each by its mean.
    fn rows(batch: &Values) -> impl Iterator<Item = Vec<f32>> {
        let mean = |row: &[f32]| row.iter().sum::<f32>() / row.len() as f32;
        batch.cells.chunks_exact(BANDS * 34).map(move |clip| clip.chunks_exact(34).map(mean).collect())
    }

    #[test]
    fn a_shift_moves_bands_and_no_further() {
        let archive = archive(10, |_, band, _| if band == 10 { 255 } else { 0 });
        let shifted = drawn(&archive, Augmentation { shift: 3.0, ..Augmentation::default() }, 5);
        let loudest = |rows: Vec<f32>| rows.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        let found: Vec<usize> = shifted.iter().flat_map(rows).map(loudest).collect();
        assert!(found.iter().all(|band| (7..=13).contains(band)), "{found:?}");
        assert!(found.contains(&8) && found.contains(&12), "{found:?}");
    }

    #[test]
    fn an_equaliser_bends_the_spectrum_within_its_strength() {
        let archive = archive(10, |_, _, _| 255);
        let bent = drawn(&archive, Augmentation { equaliser: 4.0, ..Augmentation::default() }, 5);
        let lowest = |rows: Vec<f32>| rows.into_iter().fold(0.0, f32::min);
        let found: Vec<f32> = bent.iter().flat_map(rows).map(lowest).collect();
        assert!(found.iter().all(|decibels| *decibels >= -24.0), "{found:?}");
        assert!(found.iter().any(|decibels| *decibels < -5.0), "{found:?}");
    }

    #[test]
    fn an_equaliser_is_not_heard_where_bands_are_centred() {
        let archive = archive(10, |track, band, frame| 100 + ((track + band * 7 + frame * 3) % 50) as u8);
        let of = |strength: Augmentation| {
            let batches = drawn_for(Input::CentredLogMel { deviation: 2.0 }, &archive, strength, 2);
            batches.into_iter().flat_map(|batch| batch.cells)
        };
        // The same draws of everything but the curve's heights.
        let plain = of(Augmentation::default());
        let bent = of(Augmentation { equaliser: 6.0, ..Augmentation::default() });
        let mut sum = 0.0;
        for (plain, bent) in plain.zip(bent) {
            assert!((plain - bent).abs() < 1e-3, "{plain} and {bent}");
            sum += plain.abs();
        }
        assert!(sum > 0.0);
    }

    #[test]
    fn other_eyes_see_the_same() {
        let archive = archive(10, |track, band, frame| (track * 31 + band * 7 + frame * 17) as u8);
        let clips = archive.clips(3.0);
        let split = Split::over_tracks(&archive, &clips, 0).unwrap();
        let learned = &split.part(Part::Train)[..8];
        let strength = Augmentation { masks: 0, ..strong() };
        let raw = Augmenter::new(&archive, &clips, &split, &card(&archive, DECIBELS), strength);
        let centred = raw.with_input(Input::CentredLogMel { deviation: 1.0 });
        let (Values { cells, shares }, other) =
            (values(raw.batch(learned, 3)), values(centred.batch(learned, 3)));
        let mut seen = Vec::new();
        centred.input().normalise(&cells, 34, &mut seen);
        assert_eq!(shares, other.shares);
        assert!(seen.iter().zip(&other.cells).all(|(one, other)| (one - other).abs() < 1e-3));
    }

    #[test]
    fn one_channel_of_two_is_blank_as_often_as_the_recipe_says() {
        let archive = archive(10, |track, band, frame| 100 + ((track + band * 7 + frame * 3) % 50) as u8);
        let pair = Input::LogMelPair { mean: 10.0, deviation: 10.0, centred_deviation: 5.0 };
        let strength = Augmentation { blank: 0.4, ..Augmentation::default() };
        let mut blank = [0; 2];
        let mut clips = 0;
        for Values { cells, .. } in drawn_for(pair, &archive, strength, 20) {
            for clip in cells.chunks_exact(2 * BANDS * 34) {
                let silent = [0, 1].map(|channel| clip[channel..].iter().step_by(2).all(|cell| *cell == 0.0));
                assert!(silent != [true; 2]);
                blank.iter_mut().zip(silent).for_each(|(count, silent)| *count += usize::from(silent));
                clips += 1;
            }
        }
        let share = |count: usize| count as f64 / clips as f64;
        assert!(blank.iter().all(|count| (0.12..0.28).contains(&share(*count))), "{blank:?} of {clips}");
    }

    #[test]
    fn who_hears_clearly_hears_the_same_clip_without_what_was_done_to_it() {
        let archive = archive(10, |track, band, frame| 100 + ((track + band * 7 + frame * 3) % 50) as u8);
        let elsewhere = Augmentation { stretch: 0.2, shift: 2.0, ..Augmentation::default() };
        let masked = Augmentation { masks: 2, ..elsewhere };
        assert_eq!(masked.clear(), elsewhere);
        let mut lost = 0;
        for (clear, masked) in drawn(&archive, elsewhere, 5).iter().zip(&drawn(&archive, masked, 5)) {
            assert_eq!(clear.shares, masked.shares);
            for (clear, masked) in
                clear.cells.iter().zip(&masked.cells).filter(|(clear, masked)| clear != masked)
            {
                assert_eq!(*masked, 0.0, "{clear}");
                lost += 1;
            }
        }
        assert!(lost > 0);
        let all =
            Augmentation { mixup: 0.5, room: 1.0, noise: 1.0, telephone: 1.0, equaliser: 9.0, ..masked };
        for (clear, all) in drawn(&archive, all.clear(), 5).iter().zip(&drawn(&archive, all, 5)) {
            assert_eq!(clear.shares, all.shares);
            assert_ne!(clear.cells, all.cells);
        }
    }

    #[test]
    fn a_telephone_loses_the_ends_and_keeps_the_middle() {
        let archive = archive(10, |_, _, _| 255);
        for batch in drawn(&archive, Augmentation { telephone: 1.0, ..Augmentation::default() }, 5) {
            for rows in rows(&batch) {
                assert!(rows[5..12].iter().all(|decibels| *decibels > -1e-3), "{rows:?}");
                assert!(rows.windows(2).take(5).all(|pair| pair[0] <= pair[1] + 1e-3), "{rows:?}");
                assert!(rows.windows(2).skip(11).all(|pair| pair[0] >= pair[1] - 1e-3), "{rows:?}");
            }
        }
    }

    #[test]
    fn a_codec_leaves_nothing_above_a_frequency_not_even_noise() {
        let archive = archive(10, |_, _, _| 255);
        let strength = Augmentation { codec: 1.0, noise: 1.0, ..Augmentation::default() };
        let (mut cut, mut clips) = (0, 0);
        for rows in drawn(&archive, strength, 5).iter().flat_map(rows) {
            let heard = rows.iter().take_while(|decibels| **decibels > -70.0).count();
            assert!((BANDS * 7 / 10..=BANDS).contains(&heard), "{rows:?}");
            assert!(rows[heard..].iter().all(|decibels| *decibels == -80.0), "{rows:?}");
            cut += usize::from(heard < BANDS);
            clips += 1;
        }
        assert!(cut * 10 >= clips * 7, "{cut} of {clips}");
    }

    #[test]
    fn a_room_is_uneven_only_where_there_is_one() {
        let archive = archive(10, |_, _, _| 255);
        let spread = |strength| {
            let batches = drawn(&archive, strength, 3);
            let differences = batches
                .iter()
                .flat_map(rows)
                .flat_map(|rows| rows.windows(2).map(|pair| (pair[0] - pair[1]).abs()).collect::<Vec<_>>());
            differences.fold(0.0, f32::max)
        };
        let even = Augmentation { room: 1.0, ..Augmentation::default() };
        assert!(spread(Augmentation { colour: 6.0, ..Augmentation::default() }) < 1e-3);
        assert!(spread(even) < 1e-3);
        let uneven = spread(Augmentation { colour: 6.0, ..even });
        assert!((3.0..60.0).contains(&uneven), "{uneven}");
    }

    #[test]
    fn a_phone_is_a_room_its_noise_a_loudspeaker_and_a_codec_at_once() {
        // Silence between clicks is filled, and above and below there is less or nothing.
        let archive = archive(10, |_, _, frame| if frame % 10 == 0 { 255 } else { 0 });
        let phones = Augmentation { phone: 1.0, ..Augmentation::default() };
        let apart = Augmentation { room: 1.0, noise: 1.0, telephone: 1.0, codec: 1.0, ..phones };
        assert_eq!(drawn(&archive, phones, 3), drawn(&archive, apart, 3));
        let (mut cut, mut clips) = (0, 0);
        for rows in drawn(&archive, phones, 5).iter().flat_map(rows) {
            assert!(rows[5..12].iter().all(|decibels| *decibels > -75.0), "{rows:?}");
            cut += usize::from(rows[BANDS - 1] == -80.0);
            clips += 1;
        }
        assert!(cut * 10 >= clips * 8, "{cut} of {clips}");
    }

    #[test]
    fn noise_and_rooms_fill_silence() {
        // A click every ten frames, and nothing between.
        let archive = archive(10, |_, _, frame| if frame % 10 == 0 { 255 } else { 0 });
        let quiet = |strength| {
            let cells = drawn(&archive, strength, 3).into_iter().flat_map(|batch| batch.cells);
            let (count, silent) =
                cells.fold((0, 0), |(count, silent), cell| (count + 1, silent + usize::from(cell < -75.0)));
            f64::from(silent as u32) / f64::from(count)
        };
        let without = quiet(Augmentation::default());
        let noisy = quiet(Augmentation { noise: 1.0, ..Augmentation::default() });
        let echoing = quiet(Augmentation { room: 1.0, ..Augmentation::default() });
        assert!(without > 0.3 && noisy < 0.4 && echoing < 0.5 * without, "{without} {noisy} {echoing}");
    }

    #[test]
    fn noise_is_as_steady_as_its_band_is_wide() {
        // A click in each clip, so long that a whole frame of it is heard, and nothing beside it.
        let archive = archive(10, |_, _, frame| if frame % 34 < 2 { 255 } else { 0 });
        let noises = drawn(&archive, Augmentation { noise: 1.0, ..Augmentation::default() }, 10);
        let mut spread = vec![Vec::new(); BANDS];
        for clip in noises.iter().flat_map(|batch| batch.cells.chunks_exact(BANDS * 34)) {
            let click = (0..34).max_by(|&one, &other| clip[one].total_cmp(&clip[other])).unwrap();
            for (row, spread) in clip.chunks_exact(34).zip(&mut spread) {
                // A part of the click is in the frames before and after; the last may be the first's.
                let noise: Vec<f32> = (3..32).map(|after| power(row[(click + after) % 34])).collect();
                let mean = noise.iter().sum::<f32>() / noise.len() as f32;
                // Far enough from the 80 dB that are kept.
                if mean > power(-70.0) {
                    let squares = noise.iter().map(|noise| (noise / mean - 1.0).powi(2)).sum::<f32>();
                    spread.push(f64::from(squares) / (noise.len() - 1) as f64);
                }
            }
        }
        let bank = MelBank::new(&archive.spectrogram);
        for (band, (spread, degrees)) in spread.iter().zip(bank.noise_degrees()).enumerate() {
            assert!(spread.len() > 100, "band {band}: {}", spread.len());
            let measured = spread.len() as f64 / spread.iter().sum::<f64>();
            assert!((measured / degrees).ln().abs() < 0.2, "band {band}: {measured} for {degrees}");
        }
    }

    #[test]
    fn masks_are_where_nothing_is_known() {
        let archive = archive(10, |_, band, _| if band == 0 { 255 } else { 128 });
        let batches = drawn(&archive, Augmentation { masks: 2, ..Augmentation::default() }, 3);
        let cells = || {
            batches.iter().flat_map(|batch| batch.cells.chunks_exact(BANDS * 34).flat_map(|clip| &clip[34..]))
        };
        let masked = cells().filter(|cell| **cell == 0.0).count() as f64 / cells().count() as f64;
        assert!((0.05..0.6).contains(&masked), "{masked}");
    }

    /// Pictures of clips that nothing is done to are those that are judged, and
    /// what is done to decibels is seen in them.
    #[test]
    fn a_picture_is_made_of_what_came_of_the_clip() {
        let steady = archive(10, |track, band, _| (band * 10 + track) as u8);
        let clips = steady.clips(3.0);
        let split = Split::over_tracks(&steady, &clips, 0).unwrap();
        let learned = &split.part(Part::Train)[..6];
        let card = card(&steady, Input::Viridis { height: 8, width: 8 });
        let batch =
            |strength| values(Augmenter::new(&steady, &clips, &split, &card, strength).batch(learned, 0));
        let as_judged =
            Inputs::new(&steady, &clips, &card, &DeviceKind::Cpu.open().unwrap()).host_batch(learned);
        let unchanged = batch(Augmentation::default()).cells;
        assert_eq!(unchanged.len(), as_judged.len());
        let differing = unchanged.iter().zip(&as_judged).filter(|(one, other)| (*one - *other).abs() > 0.02);
        // Rounding may choose the neighbouring colour of the table.
        assert!(differing.count() * 50 < unchanged.len());
        let bent = batch(Augmentation { equaliser: 20.0, ..Augmentation::default() }).cells;
        // Mixed, they are no longer colours of the table.
        let mixed = Augmenter::new(
            &steady,
            &clips,
            &split,
            &card,
            Augmentation { mixup: 1.0, ..Augmentation::default() },
        );
        assert!(matches!(mixed.batch(learned, 0).cells, Cells::Values(_)));
        let differing = bent.iter().zip(&as_judged).filter(|(one, other)| (*one - *other).abs() > 0.02);
        assert!(differing.count() * 4 > bent.len());
        assert!(bent.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}
