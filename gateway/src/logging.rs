//! The gateway's own log, with a level that can be changed at run time.

use std::io::IsTerminal;

use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::cli::LogFormat;

/// Changes the level.
#[derive(Clone)]
pub struct Logging {
    handle: reload::Handle<EnvFilter, Registry>,
}

impl Logging {
    /// Starts logging to standard error. An unknown level is `info`.
    pub fn start(level: &str, format: LogFormat) -> Self {
        let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
        let (layer, handle) = reload::Layer::new(filter);
        let ansi = std::io::stderr().is_terminal();
        let lines = match format {
            LogFormat::Text => fmt::layer().with_writer(std::io::stderr).with_ansi(ansi).boxed(),
            LogFormat::Json => fmt::layer().with_writer(std::io::stderr).json().boxed(),
        };
        // A second start in one process (tests) keeps the first.
        let _ = tracing_subscriber::registry().with(layer).with(lines).try_init();
        Logging { handle }
    }

    /// The directives in force.
    pub fn level(&self) -> String {
        self.handle.with_current(ToString::to_string).unwrap_or_default()
    }

    /// Puts other directives in force.
    pub fn set_level(&self, level: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(level).map_err(|e| format!("{level:?}: {e}"))?;
        self.handle.reload(filter).map_err(|e| e.to_string())
    }
}
