//! What a spectrogram is like, in a few numbers: how it is coloured, how it moves
//! and how rough it is.
//!
//! In: a clip's decibels. Out: [`TEXTURE_LENGTH`] numbers that tell noise, which
//! stands still and is smooth, and tones, which stand still in a void, from music,
//! and speech, which pauses several times a second (E. Scheirer and M. Slaney,
//! "Construction and Evaluation of a Robust Multifeature Speech/Music
//! Discriminator", ICASSP 1997, whose features these are in kind).

/// Groups that the bands are looked at in.
const GROUPS: usize = 8;
/// Numbers a group.
const OF_GROUP: usize = 4;

/// Numbers of a texture: of each group of bands, lowest first, the mean level,
/// its standard deviation over time, the mean of how much it changes from frame to
/// frame, and the mean over frames of the standard deviation across its bands; then
/// the share of cells within 1 dB of the floor.
pub const TEXTURE_LENGTH: usize = GROUPS * OF_GROUP + 1;

/// The texture of a clip's decibels, `[n_mels, frames]`. What is no such matrix, or
/// has fewer bands than there are groups, is all zeros. Levels are in tens of
/// decibels, so that all numbers are of one order.
pub fn texture(decibels: &[f32], n_mels: usize) -> [f32; TEXTURE_LENGTH] {
    let mut texture = [0.0; TEXTURE_LENGTH];
    if n_mels < GROUPS || decibels.is_empty() || !decibels.len().is_multiple_of(n_mels) {
        return texture;
    }
    let frames = decibels.len() / n_mels;
    let (of_groups, of_all) = texture.split_at_mut(GROUPS * OF_GROUP);
    for (group, numbers) in of_groups.chunks_exact_mut(OF_GROUP).enumerate() {
        let bands = group * n_mels / GROUPS..(group + 1) * n_mels / GROUPS;
        let cells = |frame: usize| bands.clone().map(move |band| decibels[band * frames + frame] / 10.0);
        let (levels, roughness): (Vec<f32>, Vec<f32>) =
            (0..frames).map(|frame| mean_and_deviation(cells(frame))).unzip();
        let (level, deviation) = mean_and_deviation(levels.iter().copied());
        let (change, _) = mean_and_deviation(levels.windows(2).map(|pair| (pair[1] - pair[0]).abs()));
        let (roughness, _) = mean_and_deviation(roughness.into_iter());
        numbers.copy_from_slice(&[level, deviation, change, roughness]);
    }
    let floor = decibels.iter().copied().fold(f32::INFINITY, f32::min) + 1.0;
    let at_floor = decibels.iter().filter(|cell| **cell <= floor).count();
    of_all[0] = at_floor as f32 / decibels.len() as f32;
    texture
}

/// Mean and standard deviation; 0 of nothing.
fn mean_and_deviation(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count().max(1) as f32;
    let mean = values.clone().sum::<f32>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f32>() / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: usize = 6;

    /// Sixteen bands, two to a group.
    fn decibels(cell: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        (0..16)
            .flat_map(|band| (0..FRAMES).map(move |frame| (band, frame)))
            .map(|(b, f)| cell(b, f))
            .collect()
    }

    fn group(texture: &[f32; TEXTURE_LENGTH], group: usize) -> &[f32] {
        &texture[group * OF_GROUP..][..OF_GROUP]
    }

    #[test]
    fn what_stands_still_does_not_move() {
        let still = texture(&decibels(|band, _| -10.0 * (band / 2) as f32), 16);
        for at in 0..GROUPS {
            assert_eq!(group(&still, at), [-(at as f32), 0.0, 0.0, 0.0]);
        }
        // The last group alone is at the floor.
        assert_eq!(still[TEXTURE_LENGTH - 1], 1.0 / 8.0);
    }

    #[test]
    fn each_number_is_what_the_hand_computes() {
        // 0 and −20 dB by turns in time, and within group 3 across bands as well.
        let moving = texture(
            &decibels(|band, frame| {
                let rough = if band == 6 { -40.0 } else { 0.0 };
                if frame % 2 == 0 { rough } else { rough - 20.0 }
            }),
            16,
        );
        assert_eq!(group(&moving, 0), [-1.0, 1.0, 2.0, 0.0]);
        assert_eq!(group(&moving, 3), [-3.0, 1.0, 2.0, 2.0]);
        // Three frames of one band of sixteen.
        assert_eq!(moving[TEXTURE_LENGTH - 1], 3.0 / (16 * FRAMES) as f32);
    }

    #[test]
    fn what_is_no_matrix_has_no_texture() {
        for (decibels, n_mels) in [(vec![], 128), (vec![1.0; 7], 7), (vec![1.0; 17], 16), (vec![1.0; 9], 0)] {
            assert_eq!(texture(&decibels, n_mels), [0.0; TEXTURE_LENGTH]);
        }
    }
}
