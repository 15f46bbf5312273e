//! Loss and accuracy over the epochs, training and validation.
//!
//! In: a run's history. Out: an SVG with two panels, as the paper shows them.

use plotters::{
    prelude::{ChartBuilder, Circle, DashedLineSeries, LineSeries, PathElement, RGBColor},
    style::{
        Color, ShapeStyle,
        text_anchor::{HPos, VPos},
    },
};

use super::{
    figure::{BODY, Canvas, FigureError, GRID, INK, QUIET, colour, figure, heading, style, words},
    palette,
    result::{RunResult, TrainingRecord},
};
use crate::training::history::Epoch;

const SIZE: (u32, u32) = (960, 430);

/// Draws the curves of a training; `None` for weights without one.
///
/// # Errors
/// [`FigureError`].
pub fn curves(result: &RunResult) -> Result<Option<String>, FigureError> {
    let Some(training) = &result.training else { return Ok(None) };
    let subtitle = format!(
        "split {}{}, recipe {}, seed {}; the best epoch, {} of {}, is marked",
        result.split.name,
        if result.split.refitted { ", validation learned from" } else { "" },
        training.recipe.name,
        training.seed,
        training.best_epoch,
        training.history.len(),
    );
    let svg = figure(SIZE, |canvas| {
        heading(canvas, &format!("{}: loss and accuracy", result.name), &subtitle)?;
        key(canvas)?;
        let (_, below) = canvas.split_vertically(64);
        let (left, right) = below.split_horizontally(SIZE.0 / 2);
        let losses = [|epoch: &Epoch| epoch.train_loss, |epoch: &Epoch| epoch.validation_loss];
        let most = training.history.iter().flat_map(|epoch| losses.map(|loss| loss(epoch)));
        let top = most.filter(|loss| loss.is_finite()).fold(0.1, f64::max) * 1.06;
        panel(&left, training, "loss", top, losses, &|loss| format!("{loss:.1}"))?;
        let accuracies = [|epoch: &Epoch| epoch.train_accuracy, |epoch: &Epoch| epoch.validation_accuracy];
        panel(&right, training, "accuracy", 1.0, accuracies, &|share| format!("{:.0} %", 100.0 * share))
    })?;
    Ok(Some(svg))
}

fn colours() -> [RGBColor; 2] {
    [colour(palette::genre(2, false)), colour(palette::genre(0, false))]
}

/// Which line is which.
fn key(canvas: &Canvas<'_>) -> Result<(), FigureError> {
    let [training, validation] = colours();
    let right = SIZE.0 as i32 - 20;
    let text = style(BODY, INK, HPos::Left, VPos::Center);
    let lines: [(i32, RGBColor, &str, bool); 2] =
        [(right - 250, training, "training", true), (right - 120, validation, "validation", false)];
    for (left, colour, name, dashed) in lines {
        let line = colour.stroke_width(3);
        if dashed {
            for dash in [left, left + 12, left + 24] {
                canvas.draw(&PathElement::new([(dash, 26), (dash + 7, 26)], line))?;
            }
        } else {
            canvas.draw(&PathElement::new([(left, 26), (left + 31, 26)], line))?;
        }
        words(canvas, name, (left + 39, 26), text.clone())?;
    }
    Ok(())
}

/// One number over the epochs, from 0 to `top`.
fn panel(
    canvas: &Canvas<'_>,
    training: &TrainingRecord,
    name: &str,
    top: f64,
    [of_training, of_validation]: [fn(&Epoch) -> f64; 2],
    label: &dyn Fn(&f64) -> String,
) -> Result<(), FigureError> {
    let epochs = training.history.len();
    let mut chart = ChartBuilder::on(canvas)
        .margin(12)
        .x_label_area_size(48)
        .y_label_area_size(66)
        .build_cartesian_2d(0.5..epochs as f64 + 0.5, 0.0..top)?;
    let quiet = style(BODY, QUIET, HPos::Center, VPos::Center);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(quiet.clone())
        .axis_desc_style(style(BODY, INK, HPos::Center, VPos::Center))
        .x_labels(epochs.min(10))
        .y_labels(6)
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .y_label_formatter(&label)
        .x_desc("epoch")
        .y_desc(name)
        .draw()?;
    let best = training.best_epoch as f64;
    chart.draw_series([PathElement::new([(best, 0.0), (best, top)], QUIET.mix(0.5))])?;
    let points = |value: fn(&Epoch) -> f64| {
        let point = move |(at, epoch): (usize, &Epoch)| (at as f64 + 1.0, value(epoch));
        let points: Vec<(f64, f64)> = training.history.iter().enumerate().map(point).collect();
        points.into_iter().filter(|(_, value)| value.is_finite())
    };
    let [dashed, solid]: [ShapeStyle; 2] = colours().map(|colour| colour.stroke_width(2));
    chart.draw_series(DashedLineSeries::new(points(of_training), 6, 4, dashed))?;
    chart.draw_series(LineSeries::new(points(of_validation), solid))?;
    if epochs < 3 {
        // A line of one point is none.
        for (value, colour) in [of_training, of_validation].into_iter().zip(colours()) {
            chart.draw_series(points(value).map(|point| Circle::new(point, 3, colour.filled())))?;
        }
    }
    Ok(())
}
