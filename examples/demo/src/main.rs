//! `cargo demo`: boots the kos demo kernel in QEMU. The parts are in the library of this package.

use std::process::ExitCode;

use clap::Parser;
use kos_demo::args::Args;
use kos_demo::commands;
use kos_demo::interrupt::Interrupt;

fn main() -> ExitCode {
    let args = Args::parse();
    // Without handlers a signal ends this process, and the system ends QEMU with it.
    let interrupt = Interrupt::listen().unwrap_or_default();
    commands::execute(&args, &interrupt).into()
}
