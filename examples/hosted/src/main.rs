//! `cargo hosted`: the demo kernel in this process.
//!
//! Exit status: 0 all commands succeeded, 1 one failed (named on standard error), 2 wrong usage, 3 the kernel did not come up or
//! panicked.

use core::panic::AssertUnwindSafe;
use std::io::Write as _;
use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kos_demo_kernel::End;
use kos_demo_kernel::shell::Status;
use kos_hosted::{Machine, MachineConfig, MachineError, interactive};

/// The kos demo kernel as a Linux process.
#[derive(Debug, Parser)]
#[command(name = "cargo hosted")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot, then read commands from the terminal; `poweroff` or ctrl-d leaves.
    Shell {
        /// Run these commands, separated by `;`, instead of reading them; print exactly what they print.
        #[arg(long, value_name = "COMMANDS")]
        exec: Option<String>,
        /// Memory of the machine: bytes, or with K, M, G.
        #[arg(long, value_name = "SIZE", default_value = "128M", value_parser = size)]
        mem: u64,
        /// Show the boot log with `--exec` too, on standard error.
        #[arg(short, long)]
        verbose: bool,
    },
}

fn size(word: &str) -> Result<u64, String> {
    kos_demo_kernel::shell::size(word).map(|bytes| bytes as u64).map_err(|text| text.to_string())
}

fn main() -> ExitCode {
    let Arguments { command: Command::Shell { exec, mem, verbose } } = Arguments::parse();
    let config = MachineConfig::with_memory(mem);
    // A panic of the kernel is this process's: it has printed itself.
    let result = catch_unwind(AssertUnwindSafe(|| match exec {
        Some(commands) => execute(config, &commands, verbose),
        None => converse(config),
    }));
    ExitCode::from(result.unwrap_or(3))
}

/// Boots, runs, prints; the exit status.
fn execute(mut config: MachineConfig, commands: &str, verbose: bool) -> u8 {
    config.command_line = format!("mode=run exec={commands}");
    let machine = match Machine::boot(config) {
        Ok(machine) => machine,
        Err(error) => return refuse(&error),
    };
    if verbose {
        eprint!("{}", machine.log());
    }
    let output = machine.exec(commands);
    if std::io::stdout().write_all(&output.bytes).is_err() {
        return 1;
    }
    for (command, status) in output.statuses.iter().filter(|(_, status)| *status != Status::SUCCESS) {
        eprintln!("'{command}' ended with status {}", status.0);
    }
    u8::from(!output.succeeded())
}

/// The shell on this terminal, again after each `reboot`.
fn converse(config: MachineConfig) -> u8 {
    loop {
        match interactive(config.clone()) {
            Ok(End::Reboot) => {}
            Ok(End::Success) => return 0,
            Ok(End::Failed) => return 1,
            Err(error) => return refuse(&error),
        }
    }
}

fn refuse(error: &MachineError) -> u8 {
    if let MachineError::Boot { log, .. } = error {
        eprint!("{log}");
    }
    eprintln!("{error}");
    3
}
