//! Prints `docs/support.md`: `cargo run -p config-schema --example support_page > docs/support.md`.
#![allow(clippy::print_stdout, reason = "it prints")]

fn main() {
    print!("{}", config_schema::support::markdown());
}
