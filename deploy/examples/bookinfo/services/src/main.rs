//! What stands behind the gateway in the bookinfo example: small services that answer as productpage, details, reviews
//! and ratings of Istio's sample do, the certificate of the HTTPS door, and visitors who look at the page.
#![forbid(unsafe_code)]

mod certificate;
mod client;
mod details;
mod page;
mod productpage;
mod ratings;
mod reviews;
mod serve;
mod visit;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The bookinfo example's services.
#[derive(Debug, Parser)]
#[command(name = "bookinfo", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer as productpage, details, reviews v1 to v3 and ratings, on the addresses of cluster/services.yaml.
    Serve(serve::Options),
    /// Make an authority and a certificate; write ca.pem, and the certificate as a Secret in secret.yaml.
    Certificate {
        /// Where to write them.
        directory: PathBuf,
    },
    /// Look at the page again and again, over HTTP/1 and, through TLS, over HTTP/2.
    Visit(visit::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(options) => serve::run(options).await,
        Command::Certificate { directory } => certificate::write(&directory),
        Command::Visit(options) => visit::run(options).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "bookinfo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
