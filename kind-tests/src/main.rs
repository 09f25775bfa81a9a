//! The program `kind-tests`.

mod args;

use std::{os::unix::process::CommandExt, path::Path, process::ExitCode};

use args::{Arguments, Command};
use clap::Parser;
use entrepot_kind_tests::{
    cache::Cache,
    cluster::ClusterError,
    demo::{self, DemoError},
    progress::Progress,
    provider::{self, Built, Capability, Provider},
    tools,
};

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match run(command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, DemoError> {
    let (provider, progress) = (provider::chosen(), Progress::on_stderr());
    match command {
        Command::Demo => println!("{}", Box::pin(demo::run(&progress)).await?),
        Command::Up => {
            let kubeconfig = provider.up(&progress).await?;
            explain(provider.as_ref(), &kubeconfig, &Cache::from_environment()?.bin());
        }
        // It is this machine's own cluster that is taken down, whatever other one is in use.
        Command::Down => Built::from_environment().down(&progress).await?,
        Command::Status => {
            let kubeconfig = provider.check().await?;
            println!("The {} cluster is up and well: {}", provider.name(), kubeconfig.display());
        }
        Command::Tools { tools } => {
            let bin = tools::ensure(&Cache::from_environment()?, &tools, &progress).await?;
            println!("{}", bin.display());
        }
        Command::LoadImage { files } => {
            for file in files {
                let what = format!("loading {}", file.display());
                progress.step(&what, provider.load_image(&file)).await?;
            }
        }
        Command::On { node, command } => return Ok(on(provider.as_ref(), node, &command)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Becomes the command, so that signals, the terminal and the exit code are its own.
fn on(
    provider: &dyn Provider,
    node: entrepot_kind_tests::Node,
    command: &[String],
) -> Result<ExitCode, ClusterError> {
    let Some((program, arguments)) = command.split_first() else { return Ok(ExitCode::SUCCESS) };
    let error = provider.command_on(node, program)?.args(arguments).exec();
    eprintln!("error: cannot run nsenter: {error}; on Debian: apt-get install util-linux");
    Ok(ExitCode::FAILURE)
}

fn explain(provider: &dyn Provider, kubeconfig: &Path, bin: &Path) {
    println!("The {} cluster is up. To use it:", provider.name());
    println!("  export KUBECONFIG={}", kubeconfig.display());
    if provider.capabilities().contains(&Capability::RunOnNode) {
        println!("  export PATH={}:$PATH", bin.display());
        println!("  kubectl get nodes");
        println!("  kind-tests on n1 -- ctr -n k8s.io images ls");
        println!("To take it down: kind-tests down");
    }
    for capability in Capability::ALL.into_iter().filter(|c| !provider.capabilities().contains(c)) {
        println!("  left out: this cluster cannot {}", capability.describe());
    }
}
