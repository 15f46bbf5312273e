//! What the paper's experiments scored (W. A. Holst, 2021), to stand beside ours.

/// The genres of GTZAN, which the paper's networks tell apart, in the order of the logits.
pub const GENRES: [&str; 10] =
    ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"];

/// A row of the paper's table of results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaperRow {
    /// The experiment.
    pub row: &'static str,
    /// Seconds that building the model took.
    pub seconds: f64,
    /// Accuracy, 0 to 1, and loss on the training part.
    pub train: (f64, f64),
    /// On the validation part.
    pub validation: (f64, f64),
    /// On the test part.
    pub test: (f64, f64),
}

const fn row(
    row: &'static str,
    seconds: f64,
    train: (f64, f64),
    validation: (f64, f64),
    test: (f64, f64),
) -> PaperRow {
    PaperRow { row, seconds, train, validation, test }
}

/// All twelve, in the paper's order.
pub const PAPER: [PaperRow; 12] = [
    row("1", 537.0, (0.633, 1.02), (0.580, 1.21), (0.581, 1.17)),
    row("2", 876.0, (0.521, 1.49), (0.516, 1.49), (0.543, 1.48)),
    row("3", 516.0, (0.982, 0.07), (0.671, 1.61), (0.673, 1.48)),
    row("3R", 394.0, (0.839, 0.74), (0.667, 1.27), (0.686, 1.18)),
    row("4", 374.0, (0.949, 0.16), (0.677, 1.33), (0.652, 1.46)),
    row("4R", 868.0, (0.929, 0.51), (0.760, 1.10), (0.739, 1.23)),
    row("5", 577.0, (0.817, 0.75), (0.648, 1.23), (0.652, 1.20)),
    row("6", 597.0, (0.915, 0.49), (0.748, 1.17), (0.731, 1.17)),
    row("7", 638.0, (0.892, 0.36), (0.846, 0.49), (0.860, 0.51)),
    row("8", 1343.0, (0.950, 0.19), (0.899, 0.37), (0.885, 0.37)),
    row("9", 903.0, (0.809, 0.61), (0.780, 0.69), (0.777, 0.71)),
    row("10", 2026.0, (0.882, 0.42), (0.842, 0.56), (0.830, 0.63)),
];
