//! `cargo hosted`: the demo kernel in this process.
//!
//! Exit status: 0 all commands succeeded, 1 one failed (named on standard error), 2 wrong usage, 3 the kernel did not come up,
//! panicked, or sleeps for ever.

mod sim;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kos_demo::interrupt::Interrupt;
use kos_demo::python::{self, FetchError};
use kos_demo::report::Report;
use kos_demo_kernel::End;
use kos_demo_kernel::user::who::Who;
use kos_hosted::disk::DiskCommand;
use kos_hosted::{Machine, MachineConfig, MachineError, Spoken, interactive};

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
        #[command(flatten)]
        size: Size,
        /// A file that is the machine's disk.
        #[arg(long, value_name = "FILE")]
        disk: Option<std::path::PathBuf>,
        /// Fetch MicroPython, for the command `py`, if it is not there yet; once it is, every shell has it.
        #[arg(long)]
        python: bool,
        /// Ask who is there before there is a prompt.
        #[arg(long, conflicts_with = "exec")]
        login: bool,
        /// As whom the commands of `--exec` run: who has an account there, or numbers [else as root].
        #[arg(long, value_name = "NAME|UID[:GID]", requires = "exec", value_parser = user)]
        user: Option<String>,
        /// Show the boot log with `--exec` too, on standard error.
        #[arg(short, long)]
        verbose: bool,
    },
    /// Run the in-kernel tests on simulated CPUs: one thread, a virtual clock, everything else from the seed.
    Sim(sim::Simulation),
    #[command(flatten)]
    Disk(DiskCommand),
    /// Mount a volume on a directory, until it is unmounted or a signal comes.
    Mount(kos_hosted::mount::Arguments),
    /// File-system calls as text, on `tmpfs:` or on `host:DIR`.
    Fs(kos_hosted::fs::Arguments),
    /// A host of its own behind a TAP device, until a signal comes.
    Net(kos_hosted::net::Arguments),
}

/// How large the machine is.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Size {
    /// Memory of the machine: bytes, or with K, M, G.
    #[arg(long, value_name = "SIZE", default_value = "128M", value_parser = size)]
    mem: u64,
    /// How many CPUs it has: 1 to 1024 in a simulation, which then wants `--mem 256M`; else 1 to 256.
    #[arg(long, value_name = "N", default_value_t = 1)]
    cpus: usize,
}

impl Size {
    fn config(self) -> MachineConfig {
        MachineConfig { cpus: self.cpus, ..MachineConfig::with_memory(self.mem) }
    }
}

fn size(word: &str) -> Result<u64, String> {
    kos_demo_kernel::shell::size(word).map(|bytes| bytes as u64).map_err(|text| text.to_string())
}

/// The kernel says whether there is such a user.
fn user(word: &str) -> Result<String, &'static str> {
    Who::parse(word).map(|who| who.to_string()).ok_or("a user is NAME, UID or UID:GID")
}

fn main() -> ExitCode {
    ExitCode::from(match Arguments::parse().command {
        Command::Shell { exec, size, disk, python: wanted, login, user, verbose } => match python(wanted) {
            Err(why) => {
                eprintln!("{why}");
                1
            }
            Ok(archive) => {
                let user = user.map(|user| format!("user={user} ")).unwrap_or_default();
                let command_line = if login { "login".into() } else { user };
                let config = MachineConfig { disk, archive, command_line, ..size.config() };
                exec.map_or_else(
                    || converse(config.clone()),
                    |commands| execute(config.clone(), &commands, verbose),
                )
            }
        },
        Command::Sim(simulation) => simulation.run(),
        Command::Disk(command) => command.run(),
        Command::Mount(arguments) => kos_hosted::mount::run(&arguments),
        Command::Fs(arguments) => kos_hosted::fs::run(&arguments),
        Command::Net(arguments) => kos_hosted::net::run(&arguments),
    })
}

/// An archive with MicroPython: fetched if it is wanted, else if it is there.
fn python(wanted: bool) -> Result<Option<Vec<u8>>, FetchError> {
    let module = if wanted {
        Some(python::fetch(&mut Report::new(false), &Interrupt::default())?)
    } else {
        python::kept()
    };
    Ok(module.as_deref().map(|module| python::archive(module, None)))
}

/// Boots, runs, prints; the exit status.
fn execute(mut config: MachineConfig, commands: &str, verbose: bool) -> u8 {
    config.command_line = format!("mode=run {}exec={commands}", config.command_line);
    let machine = match Machine::boot(config) {
        Ok(machine) => machine,
        Err(error) => return refuse(&error),
    };
    if verbose {
        eprint!("{}", machine.log());
    }
    match machine.exec_to(commands, Spoken::default()) {
        Ok((Spoken { failed }, _)) => {
            for (command, status) in &failed {
                eprintln!("'{command}' ended with status {}", status.0);
            }
            u8::from(!failed.is_empty())
        }
        Err(death) => {
            eprintln!("{death}");
            3
        }
    }
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

/// Says why there is no machine; the exit status.
fn refuse(error: &MachineError) -> u8 {
    if let MachineError::Boot { log, .. } = error {
        eprint!("{log}");
    }
    eprintln!("{error}");
    3
}
