//! `loadtest`: what the gateway costs, beside what its peers cost.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use loadtest::cli::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Compare(options) => loadtest::compare::run(&options),
        Command::Serve(options) => loadtest::peer::serve(&options),
        Command::Drive(options) => loadtest::driver::run(&options),
        Command::Backend(options) => loadtest::backend::run(&options),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
