//! Being asked to stop: what was started must be stopped too.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens for SIGINT and SIGTERM from now on, on a thread of its own.
pub fn listen() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let (Ok(mut terminate), Ok(mut interrupt)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                return;
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            ASKED.store(true, Ordering::Relaxed);
        });
    })?;
    Ok(())
}

/// Whether somebody has asked this process to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// An error if somebody has asked this process to stop.
pub fn check() -> anyhow::Result<()> {
    if asked() { Err(anyhow::anyhow!("interrupted")) } else { Ok(()) }
}
