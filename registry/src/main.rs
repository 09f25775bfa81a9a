//! The `registry` program.

use std::{error::Error, process::ExitCode, time::Duration};

use entrepot_registry::{
    cli::{self, Cli, Command},
    server::{self, Ended, Signals},
    telemetry,
};

/// A thread that still reads or writes when the server has ended must not keep the process.
const LEFTOVERS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let Command::Serve { config } = Cli::from_arguments(std::env::args_os()).command;
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("registry: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(named: Option<std::path::PathBuf>) -> Result<(), Box<dyn Error>> {
    let variables = cli::variables();
    let (config, warnings) = cli::load(named, &variables)?;
    let filter = variables.iter().find(|(name, _)| name == "RUST_LOG").map(|(_, filter)| filter.as_str());
    telemetry::start(&config.log, filter);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let signals = Signals::catch()?;
        Ok::<Ended, Box<dyn Error>>(server::serve(config, signals).await?)
    });
    runtime.shutdown_timeout(LEFTOVERS);
    served.map(|_ended| ())
}
