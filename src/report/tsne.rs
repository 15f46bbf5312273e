//! The test clips in the plane, near where the network finds them alike.
//!
//! In: [`Embeddings`]. Out: a point for each clip, by t-SNE (L. van der Maaten and
//! G. Hinton, "Visualizing Data using t-SNE", JMLR 2008; with trees: L. van der
//! Maaten, JMLR 2014), and the map of them as an SVG. The same embeddings give the
//! same map: it begins at seeded places and is computed by one thread.

use plotters::{
    prelude::{Circle, Rectangle},
    style::{
        Color,
        text_anchor::{HPos, VPos},
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    embeddings::Embeddings,
    figure::{BODY, Canvas, FigureError, GRID, INK, PAPER, colour, figure, heading, short, style, words},
    palette,
    result::RunResult,
};

/// What the first places are drawn with.
const SEED: u64 = 0;
/// Neighbours that count for a clip, where there are enough.
const PERPLEXITY: usize = 30;
/// Accuracy of the trees.
const THETA: f32 = 0.5;

const SIZE: (u32, u32) = (860, 760);
/// Corners of the map: left, top, right, bottom.
const MAP: [i32; 4] = [20, 70, 720, 740];

/// A place in the plane for each clip; none where there are too few to have
/// neighbours.
///
/// # Errors
/// [`FigureError`] where no thread can be had.
pub fn places(embeddings: &Embeddings) -> Result<Vec<[f32; 2]>, FigureError> {
    let clips: Vec<&[f32]> = embeddings.values.chunks_exact(embeddings.length.max(1)).collect();
    let perplexity = PERPLEXITY.min(clips.len().saturating_sub(1) / 3);
    if perplexity == 0 {
        return Ok(Vec::new());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let start: Vec<f32> = (0..2 * clips.len()).map(|_| rng.random_range(-1e-4..1e-4)).collect();
    // With several threads the order of sums, and so the map, differs from run to run.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let places = pool.map_err(|error| FigureError(error.to_string()))?.install(|| {
        bhtsne::tSNE::<f32, &[f32], 2>::new(&clips)
            .perplexity(perplexity as f32)
            .initial_embedding(start)
            .barnes_hut(THETA, |a, b| {
                a.iter().zip(b.iter()).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
            })
            .embedding()
    });
    Ok(places.as_chunks().0.to_vec())
}

/// Draws the map of clips that stand at these [`places`]; `part` is what they are.
///
/// # Errors
/// [`FigureError`].
pub fn map(
    result: &RunResult,
    embeddings: &Embeddings,
    places: &[[f32; 2]],
    part: &str,
) -> Result<String, FigureError> {
    let subtitle = format!("t-SNE of the {} activations of the last hidden layer, {part}", embeddings.length);
    figure(SIZE, |canvas| {
        heading(canvas, &format!("{}: which clips it finds alike", result.name), &subtitle)?;
        let [left, top, right, bottom] = MAP;
        canvas.draw(&Rectangle::new([(left, top), (right, bottom)], GRID.stroke_width(1)))?;
        let points = fit(places);
        let radius = if points.len() > 400 { 3 } else { 4 };
        for (&point, &genre) in points.iter().zip(&embeddings.genre) {
            let ground = colour(palette::genre(genre, false));
            canvas.draw(&Circle::new(point, radius, ground.mix(0.85).filled()))?;
        }
        for (genre, name) in embeddings.genres.iter().enumerate() {
            let row = top + 10 + 26 * genre as i32;
            let ground = colour(palette::genre(genre, false));
            canvas.draw(&Circle::new((right + 24, row), 6, ground.filled()))?;
            let text = style(BODY, INK, HPos::Left, VPos::Center);
            words(canvas, &short(name, 11), (right + 38, row), text)?;
            let own = points.iter().zip(&embeddings.genre).filter(|(_, of)| **of == genre);
            if let Some(middle) = middle(own.map(|(point, _)| *point).collect()) {
                on_map(canvas, &short(name, 11), middle)?;
            }
        }
        Ok(())
    })
}

/// Pixels of the places: one scale for both directions.
fn fit(places: &[[f32; 2]]) -> Vec<(i32, i32)> {
    let [left, top, right, bottom] = MAP.map(|edge| edge as f32);
    let range = |axis: usize| {
        let values = places.iter().map(|place| place[axis]);
        values
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (x, y) = (range(0), range(1));
    let room = (right - left - 40.0).min(bottom - top - 40.0);
    let scale = room / (x.1 - x.0).max(y.1 - y.0).max(f32::MIN_POSITIVE);
    let pixel = |value: f32, (low, high): (f32, f32), from: f32, to: f32| {
        ((value - (low + high) / 2.0) * scale + (from + to) / 2.0).round() as i32
    };
    places.iter().map(|place| (pixel(place[0], x, left, right), pixel(place[1], y, top, bottom))).collect()
}

/// The median in each direction.
fn middle(points: Vec<(i32, i32)>) -> Option<(i32, i32)> {
    let (mut x, mut y): (Vec<i32>, Vec<i32>) = points.into_iter().unzip();
    x.sort_unstable();
    y.sort_unstable();
    Some((*x.get(x.len() / 2)?, *y.get(y.len() / 2)?))
}

/// A genre's name among its clips, so that colour does not speak alone.
fn on_map(canvas: &Canvas<'_>, name: &str, (x, y): (i32, i32)) -> Result<(), FigureError> {
    let halo = style(BODY, PAPER, HPos::Center, VPos::Center);
    for (right, down) in [(-2, 0), (2, 0), (0, -2), (0, 2), (-1, -1), (1, -1), (-1, 1), (1, 1)] {
        words(canvas, name, (x + right, y + down), halo.clone())?;
    }
    words(canvas, name, (x, y), style(BODY, INK, HPos::Center, VPos::Center))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two clouds far apart, a genre each.
    fn clouds(clips: usize) -> Embeddings {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let genre: Vec<usize> = (0..clips).map(|clip| clip % 2).collect();
        let values = genre.iter().flat_map(|genre| [20.0 * *genre as f32; 8]);
        let values = values.map(|value| value + rng.random_range(-1.0..1.0)).collect();
        let genres = ["one", "other"].map(String::from).to_vec();
        Embeddings { genres, values, length: 8, track: (0..clips).collect(), genre }
    }

    #[test]
    fn the_same_embeddings_give_the_same_map_and_clouds_stay_apart() {
        let embeddings = clouds(120);
        let first = places(&embeddings).unwrap();
        assert_eq!(first, places(&embeddings).unwrap());
        let nearest = |at: usize| {
            let distance = |other: &usize| {
                let [x, y] = [0, 1].map(|axis| first[at][axis] - first[*other][axis]);
                x * x + y * y
            };
            let others = (0..120).filter(|other| *other != at);
            others.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
        };
        let strangers = (0..120).filter(|at| embeddings.genre[nearest(*at)] != embeddings.genre[*at]).count();
        assert_eq!(strangers, 0);
    }

    #[test]
    fn few_clips_have_no_map() {
        assert_eq!(places(&clouds(3)).unwrap(), Vec::<[f32; 2]>::new());
        assert_eq!(places(&clouds(4)).unwrap().len(), 4);
    }
}
