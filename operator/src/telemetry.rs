//! Log lines, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::args::LogFormat;

/// Starts logging for the whole process; call it once, first.
///
/// `directives` is a level or a list such as `info,kube_client=debug`.
pub fn init(directives: &str, format: LogFormat) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(directives)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        // Colours are for a terminal; in a file they are noise.
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
    }
    Ok(())
}
