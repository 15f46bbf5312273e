//! The front end allocates for the first clip and never again.

use needledrop::spectrogram::{
    MelSpectrogram, config::SpectrogramConfig, decibel::power_to_db, picture::Picture,
};

#[test]
fn clips_after_the_first_allocate_nothing() {
    for hop_length in [512, 1920] {
        let config = SpectrogramConfig { hop_length, ..SpectrogramConfig::default() };
        let clip: Vec<f32> = (0..config.clip_samples()).map(|n| (n as f32 * 0.1).sin()).collect();
        let mut spectrogram = MelSpectrogram::new(&config).unwrap();
        let mut picture = Picture::new([config.n_mels, config.clip_frames()], [128, 128]);
        let (mut db, mut indices, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        let mut whole_way = || {
            db.clear();
            db.extend_from_slice(spectrogram.power(&clip));
            power_to_db(&mut db, config.top_db);
            picture.indices(&db, &mut indices).unwrap();
            spectrogram.columns(&mut columns);
        };
        let first = allocation_counter::measure(&mut whole_way);
        let second = allocation_counter::measure(&mut whole_way);
        assert!(first.count_total > 0, "the counter sees nothing");
        assert_eq!(second.count_total, 0, "hop {hop_length}");
    }
}
