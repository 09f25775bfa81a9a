//! The operator's command line: parse, start, say why it ended.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;
use entrepot_operator::args::{Args, Command};
use entrepot_operator::controllers::registry;
use entrepot_operator::{manager, node_agent, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let Args { command, log, log_format } = Args::parse();
    if let Err(error) = telemetry::init(&log, log_format) {
        eprintln!("--log {log:?} cannot be understood: {error}");
        return ExitCode::from(2);
    }
    match start(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn start(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Run(args) => {
            manager::run(args, |context, stop| registry::run(context, stop.cancelled_owned())).await?;
        }
        Command::NodeAgent(args) => node_agent::run(args).await?,
        Command::CleanNodes(args) => node_agent::clean_nodes::run(args).await?,
    }
    Ok(())
}

/// `what: why: why that`, in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some libraries already end their text with their cause's.
        let why = error.to_string();
        if !text.contains(&why) {
            text = format!("{text}: {why}");
        }
        cause = error.source();
    }
    text
}
