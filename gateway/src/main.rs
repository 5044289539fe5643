//! `sallyport`: the data plane.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use gateway::cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(options) => gateway::app::run(options),
        Command::Validate(options) => gateway::validate::run(&options),
        Command::Pretty => gateway::pretty::run(),
    }
}
