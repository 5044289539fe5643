//! Prints the tables of docs/load-balancing.md: `cargo run --release -p gateway --example balancing`.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shares its modules with the tests")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_imports,
    reason = "prints what tests check"
)]

#[path = "../tests/balancing/figures.rs"]
mod figures;
#[path = "../tests/balancing/fixture.rs"]
mod fixture;

fn main() {
    println!("| balancer, 10 endpoints, {} picks | worst share off by | bound by theory |", figures::PICKS);
    println!("|---|---|---|");
    for figure in figures::spread() {
        println!("| {} | {:.2} % | {:.2} % |", figure.name, figure.worst, figure.bound);
    }
    println!("\n| balancer, 100 endpoints, 1000 requests at once | fullest endpoint | by theory, about |");
    println!("|---|---|---|");
    for figure in figures::load() {
        println!("| {} | {:.1} | {:.1} |", figure.name, figure.most, figure.theory);
    }
    println!("\n| table | endpoints | keys that move when one leaves | its own keys | by theory |");
    println!("|---|---|---|---|---|");
    for figure in figures::stability() {
        let theory = if figure.theory.is_nan() { "-".to_owned() } else { format!("{:.1} %", figure.theory) };
        let figures::Stability { name, n, moved, least, .. } = figure;
        println!("| {name} | {n} | {moved:.1} % | {least:.1} % | {theory} |");
    }
}
