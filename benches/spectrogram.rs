//! Speed of the front end on one core: criterion's throughput is in samples,
//! so at 22 050 Hz the real-time factor is that over 22 050.
//!
//! `scripts/bench-frontend.sh` prints it as such, beside librosa's.

#![allow(clippy::expect_used, reason = "a benchmark that cannot run may stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use needledrop::spectrogram::{
    MelSpectrogram, config::SpectrogramConfig, decibel::power_to_db, picture::Picture,
};

/// Three seconds of a chord with noise, so that no frame is easier than music.
fn clip(config: &SpectrogramConfig) -> Vec<f32> {
    let mut state = 1_u32;
    let mut sample = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 8) as f32 / 8_388_608.0 - 1.0;
        let t = n as f32 / config.sample_rate as f32;
        let note = |hz: f32| (std::f32::consts::TAU * hz * t).sin();
        (note(220.0) + note(554.365) + note(1318.51)) / 4.0 + 0.01 * noise
    };
    (0..config.clip_samples()).map(&mut sample).collect()
}

fn front_end(criterion: &mut Criterion) {
    let paper = SpectrogramConfig::default();
    let archive = SpectrogramConfig { hop_length: 1920, center: false, ..paper.clone() };
    for (name, config) in [("hop 512", paper), ("hop 1920", archive)] {
        let clip = clip(&config);
        let mut spectrogram = MelSpectrogram::new(&config).expect("the settings are valid");
        let mut picture = Picture::new([config.n_mels, config.clip_frames()], [128, 128]);
        let (mut db, mut pixels, mut columns) = (Vec::new(), Vec::new(), Vec::new());

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(clip.len() as u64));
        group.bench_function("mel power", |bencher| {
            bencher.iter(|| black_box(spectrogram.power(black_box(&clip))).len());
        });
        group.bench_function("decibels", |bencher| {
            bencher.iter(|| {
                db.clear();
                db.extend_from_slice(spectrogram.power(black_box(&clip)));
                power_to_db(&mut db, config.top_db);
                black_box(&db).len()
            });
        });
        group.bench_function("picture and columns", |bencher| {
            bencher.iter(|| {
                db.clear();
                db.extend_from_slice(spectrogram.power(black_box(&clip)));
                power_to_db(&mut db, config.top_db);
                picture.indices(&db, &mut pixels).expect("a chord has range");
                spectrogram.columns(&mut columns);
                black_box((&pixels, &columns)).0.len()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, front_end);
criterion_main!(benches);
