//! The command line.
//!
//! In: audio files, data sets, weights. Out: the same verdicts as the page's;
//! archives, weights and reports. Each command has a file of its own.

mod classify;
mod convert;
mod prepare;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Says the genre of a song, second by second, and trains the network that does.
/// Nothing leaves this machine.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say the genre of each file (WAV, MP3, FLAC, Ogg Vorbis, AAC/M4A, ALAC, AIFF).
    Classify(classify::Arguments),
    /// Make an archive of spectrograms of a folder of genres.
    Prepare(prepare::Arguments),
    /// Train a network of the paper on an archive of spectrograms.
    Train(train::Arguments),
    /// Turn weights that Keras's layers were saved in into a model for the page.
    Convert(convert::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Classify(arguments) => classify::run(&arguments),
        Command::Prepare(arguments) => prepare::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("needledrop: {error:#}");
        ExitCode::FAILURE
    })
}
