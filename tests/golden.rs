//! The front end against librosa and matplotlib.
//!
//! In: outputs of librosa on signals that are made here again
//! (`tests/golden/make.py`), and pictures that a published training was fed,
//! where the data is at hand. Tolerances: filter weights 1e-6, mel power 1e-4
//! relative, decibels 0.01, picture indices exact.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may stop as tests may")]

#[path = "common/shared.rs"]
mod shared;

use std::{collections::BTreeMap, f64::consts::TAU};

use needledrop::spectrogram::{
    MelSpectrogram, config::SpectrogramConfig, decibel::power_to_db, mel::MelBank, picture::Picture,
};
use safetensors::{SafeTensors, tensor::TensorView};
use serde::Deserialize;

/// One entry of `CASES` in `make.py`.
#[derive(Deserialize)]
struct Case {
    signal: String,
    seconds: f64,
    settings: SpectrogramConfig,
}

impl Case {
    fn samples(&self) -> Vec<f32> {
        let rate = self.settings.sample_rate;
        signal(&self.signal, (self.seconds * f64::from(rate)).round() as usize, f64::from(rate))
    }
}

fn noise(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// `signals` of `make.py`.
fn signal(name: &str, count: usize, rate: f64) -> Vec<f32> {
    let noise = noise(count);
    let sample = |n: usize| {
        let t = n as f64 / rate;
        let sine = |hz: f64| (TAU * hz * t).sin();
        match name {
            "noise" => f64::from(noise[n]),
            "tone" => 0.9 * sine(440.0),
            "chord" => {
                let notes = (sine(220.0) + sine(554.365) + sine(1318.51)) / 4.0;
                notes * (-2.0 * t).exp() + 0.01 * f64::from(noise[n])
            }
            "sweep" => {
                let (low, high) = (50.0, 0.45 * rate);
                let phase = TAU * (low * t + (high - low) * t * t / (2.0 * count as f64 / rate));
                0.5 * phase.sin() + 0.001 * f64::from(noise[n])
            }
            other => panic!("make.py has no signal {other}"),
        }
    };
    (0..count).map(|n| sample(n) as f32).collect()
}

fn floats(view: &TensorView) -> Vec<f32> {
    view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// Indices, stored as 16- or 32-bit integers.
fn indices(view: &TensorView) -> Vec<usize> {
    let width = view.data().len() / view.shape().iter().product::<usize>();
    let index = |bytes: &[u8]| bytes.iter().rev().fold(0, |index, &byte| index << 8 | usize::from(byte));
    view.data().chunks_exact(width).map(index).collect()
}

/// Runs `check` on every case, which gets the case and its outputs by name.
fn for_every_case(check: impl Fn(&str, &Case, &dyn Fn(&str) -> TensorView<'static>)) {
    static GOLDEN: &[u8] = include_bytes!("golden/spectrogram.safetensors");
    let (_, header) = SafeTensors::read_metadata(GOLDEN).unwrap();
    let cases = &header.metadata().as_ref().unwrap()["cases"];
    let cases: BTreeMap<String, Case> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() >= 15);
    let tensors = SafeTensors::deserialize(GOLDEN).unwrap();
    for (name, case) in &cases {
        check(name, case, &|output| tensors.tensor(&format!("{name}.{output}")).unwrap());
    }
}

/// The columns `frames` of `cells`, `[n_mels, all_frames]`.
fn columns(cells: &[f32], all_frames: usize, frames: &[usize]) -> Vec<f32> {
    cells.chunks_exact(all_frames).flat_map(|row| frames.iter().map(|&frame| row[frame])).collect()
}

#[test]
fn filter_banks_are_librosas() {
    for_every_case(|name, case, output| {
        let bank = MelBank::new(&case.settings);
        let mut ours = BTreeMap::new();
        for band in 0..bank.n_mels() {
            let (first, weights) = bank.band(band).unwrap();
            ours.extend(weights.iter().enumerate().map(|(offset, &weight)| ((band, first + offset), weight)));
        }
        let [bands, bins] = ["bank.band", "bank.bin"].map(|key| indices(&output(key)));
        for ((place, theirs), bin) in bands.into_iter().zip(floats(&output("bank.weight"))).zip(bins) {
            let weight = ours.remove(&(place, bin)).unwrap_or(0.0);
            assert!((weight - theirs).abs() <= 1e-6, "{name}: band {place} bin {bin}: {weight} for {theirs}");
        }
        assert!(
            ours.values().all(|weight| weight.abs() <= 1e-6),
            "{name}: weights librosa has not: {ours:?}"
        );
    });
}

#[test]
fn mel_power_and_decibels_are_librosas() {
    for_every_case(|name, case, output| {
        let mut spectrogram = MelSpectrogram::new(&case.settings).unwrap();
        let mut cells = spectrogram.power(&case.samples()).to_vec();
        let all_frames = spectrogram.frames();
        assert_eq!(vec![case.settings.n_mels, all_frames], indices(&output("shape")), "{name}");

        let frames = indices(&output("frames"));
        let (power, expected) = (columns(&cells, all_frames, &frames), floats(&output("power")));
        // What lies below the cut-off is never seen.
        let loudest = cells.iter().copied().fold(0.0, f32::max);
        let cut_off = loudest * 10_f32.powf(-case.settings.top_db / 10.0);
        let error = |(ours, theirs): (&f32, &f32)| (ours - theirs).abs() / theirs.max(cut_off);
        // NaN is the greatest in this order.
        let worst = power.iter().zip(&expected).map(error).max_by(f32::total_cmp).unwrap();
        assert!(worst <= 1e-4, "{name}: mel power is off by {worst:e}");
        println!("{name}: mel power within {worst:e}");

        power_to_db(&mut cells, case.settings.top_db);
        let (db, expected) = (columns(&cells, all_frames, &frames), floats(&output("db")));
        let error = |(ours, theirs): (&f32, &f32)| (ours - theirs).abs();
        let worst = db.iter().zip(&expected).map(error).max_by(f32::total_cmp).unwrap();
        assert!(worst <= 0.01, "{name}: decibels are off by {worst}");
        println!("{name}: decibels within {worst:e}");
    });
}

#[test]
fn pictures_are_those_the_reference_network_was_fed() {
    const MELS: usize = 128;
    const ALL_FRAMES: usize = 344;
    const FRAMES: usize = 34;
    const SIZE: usize = 128;
    let (Some(archive), Some(golden)) =
        (shared::path("data/gtzan-mel.safetensors"), shared::path("reference/row8-golden.safetensors"))
    else {
        return;
    };
    let files = [archive, golden].map(|path| std::fs::read(path).unwrap());
    let [archive, golden] = files.each_ref().map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    let (mel, pictures) = (archive.tensor("mel").unwrap(), golden.tensor("picture").unwrap());
    let [tracks, starts] = ["track", "start_frame"].map(|name| indices(&golden.tensor(name).unwrap()));
    let mut picture = Picture::new([MELS, FRAMES], [SIZE, SIZE]);
    let mut ours = Vec::new();
    for ((track, start), theirs) in tracks.into_iter().zip(starts).zip(pictures.data().chunks(SIZE * SIZE)) {
        let rows = mel.data()[track * MELS * ALL_FRAMES..].chunks_exact(ALL_FRAMES).take(MELS);
        let mut db: Vec<f32> = rows
            .flat_map(|row| &row[start..start + FRAMES])
            .map(|&byte| f32::from(byte) * (100.0 / 255.0) - 100.0)
            .collect();
        let loudest = db.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        db.iter_mut().for_each(|cell| *cell = (*cell - loudest).max(-80.0));
        picture.indices(&db, &mut ours).unwrap();
        // The file holds each picture column by column.
        let transposed: Vec<u8> =
            (0..SIZE * SIZE).map(|pixel| theirs[pixel % SIZE * SIZE + pixel / SIZE]).collect();
        assert!(ours == transposed, "track {track} from frame {start}");
    }
}
