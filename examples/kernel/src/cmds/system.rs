//! The machine: its commands, log, time, end.

use core::fmt::Write;

use super::{all, no_arguments};
use crate::Kernel;
use crate::platform::Platform;
use crate::run::End;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Grouped;

/// Columns of `help`.
const NAME: usize = 13;
const ARGUMENTS: usize = 20;
const INDENT: usize = NAME + ARGUMENTS;

/// The language of the shell, in short.
const LANGUAGE: &str = "\
a ; b   a && b   a || b   a | b        in turn; if a went well; if not; b reads what a says
a &                                    in the background: 'jobs' lists, 'fg' shows, 'wait' waits
< FILE   > FILE   >> FILE   2> FILE    input, output, behind what is there, complaints
'...'  \"...$NAME\"  \\c                 text as it is; with variables; one character
NAME=VALUE   $NAME   $?   # ...        a variable; what it holds; the last status; a comment
Up and down recall lines, tab completes, ctrl-c ends what runs, ctrl-d leaves.
";

pub(super) fn help<P: Platform>(_: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    for command in all::<P>() {
        // Long arguments push the words behind them to a line of their own.
        if command.arguments.len() < ARGUMENTS {
            writeln!(out, "{:<NAME$}{:<ARGUMENTS$}{}", command.name, command.arguments, command.summary)?;
        } else {
            writeln!(out, "{:<NAME$}{}", command.name, command.arguments)?;
            writeln!(out, "{:INDENT$}{}", "", command.summary)?;
        }
    }
    out.write_str(LANGUAGE)?;
    Ok(Next::Continue)
}

pub(super) fn lspci<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    kernel.platform().list_devices(out)?;
    Ok(Next::Continue)
}

pub(super) fn dmesg<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    kernel.log().copy_to(out)?;
    Ok(Next::Continue)
}

pub(super) fn uptime<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    let millis = kernel.platform().now().duration_since_epoch().as_millis();
    let (seconds, ticks) = (millis / 1000, kernel.ticks());
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    writeln!(
        out,
        "up {hours}:{minutes:02}:{:02}.{:03}, {} timer interrupts",
        seconds % 60,
        millis % 1000,
        Grouped(ticks)
    )?;
    Ok(Next::Continue)
}

pub(super) fn poweroff<P: Platform>(_: &Kernel<P>, arguments: &[&str], _: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    Ok(Next::End(End::Success))
}

pub(super) fn reboot<P: Platform>(_: &Kernel<P>, arguments: &[&str], _: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    Ok(Next::End(End::Reboot))
}

pub(super) fn succeed<P: Platform>(_: &Kernel<P>, _: &[&str], _: &mut dyn Write) -> CommandResult {
    Ok(Next::Continue)
}

pub(super) fn fail<P: Platform>(_: &Kernel<P>, _: &[&str], _: &mut dyn Write) -> CommandResult {
    Err(CommandError::Quiet)
}
