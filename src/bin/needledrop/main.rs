//! The command line.
//!
//! In: audio files, data sets, weights. Out: the same verdicts as the page's;
//! archives, weights and reports. Each command has a file of its own.

mod calibrate;
mod classify;
mod convert;
mod data;
mod evaluate;
mod export;
mod map;
mod place;
mod prepare;
mod report;
mod run;
mod session;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Says the genre of a song, second by second, and trains the network that does.
/// Nothing leaves this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say the genre of each file (WAV, AIFF, au, CAF, FLAC, MP3, MP2, Ogg Vorbis, AAC/M4A, ALAC).
    Classify(classify::Arguments),
    /// Make an archive of spectrograms of a folder of genres.
    Prepare(prepare::Arguments),
    /// Train a network of the paper on an archive of spectrograms.
    Train(train::Arguments),
    /// Make what a trained network says believable: temperature, combination of clips,
    /// refusal of what is not music.
    Calibrate(calibrate::Arguments),
    /// Score a trained network on the parts of its split.
    Evaluate(evaluate::Arguments),
    /// Draw figures and one table of what runs scored.
    Report(report::Arguments),
    /// Lay the test clips out in the plane, for the page's map.
    Map(map::Arguments),
    /// Make of a run the model that the page loads.
    Export(export::Arguments),
    /// Turn weights that Keras's layers were saved in into a model for the page.
    Convert(convert::Arguments),
}

fn main() -> ExitCode {
    // Who reads no further, as `head`, ends us quietly and not by a panic.
    sigpipe::reset();
    let outcome = match Arguments::parse().command {
        Command::Classify(arguments) => classify::run(&arguments),
        Command::Prepare(arguments) => prepare::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Calibrate(arguments) => calibrate::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Map(arguments) => map::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("needledrop: {error:#}");
        ExitCode::FAILURE
    })
}
