//! Logs to standard output.

use entrepot_registry_config::{Formatter, Level, Log};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts to log as `log` says. `filter`, the value of `RUST_LOG` for whoever needs more of one part, wins over the level.
/// Has no effect when something logs already.
pub fn start(log: &Log, filter: Option<&str>) {
    let level = match log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    // Libraries say at `debug` what nobody wants to know of a registry.
    let libraries = if level > LevelFilter::INFO { LevelFilter::INFO } else { level };
    // Whoever disables the access log does so by its own key; a high level means the rest.
    let default = format!("{libraries},entrepot_registry={level},access=info");
    let filter = EnvFilter::try_new(filter.unwrap_or(&default)).unwrap_or_else(|_| EnvFilter::new(default));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stdout).with_ansi(false);
    let started = match log.formatter {
        Formatter::Text => builder.try_init(),
        Formatter::Json => builder.json().flatten_event(true).try_init(),
    };
    drop(started);
}
