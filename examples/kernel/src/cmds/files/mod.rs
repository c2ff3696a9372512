//! The commands on files. Each operand is taken for itself: what goes wrong with one is said, and the next one is tried.

pub(super) mod copy;
pub(super) mod durability;
pub(super) mod find;
pub(super) mod list;
pub(super) mod make;
pub(super) mod mounts;
pub(super) mod names;
pub(super) mod owner;
pub(super) mod place;
pub(super) mod read;
pub(super) mod remove;
pub(super) mod stat;

use core::fmt;

use kos_vfs::{At, AtFlags, Call, FileType, Stat};

use crate::glue::files::FilesEnv;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Streams};
use crate::text::Text;

/// Letters in front of the operands, as in `-rf`, each of which must be in `known`; then the operands.
fn options<'a>(arguments: &'a [&'a str], known: &str) -> Result<(Options<'a>, &'a [&'a str]), CommandError> {
    let mut letters = Options { words: arguments, count: 0 };
    for &word in arguments {
        match word.strip_prefix('-') {
            Some("-") => return Ok((letters, arguments.get(letters.count + 1..).unwrap_or_default())),
            Some(flags) if !flags.is_empty() => {
                if let Some(unknown) = flags.chars().find(|&flag| !known.contains(flag)) {
                    return Err(usage(format_args!("no option -{unknown}")));
                }
                letters.count += 1;
            }
            _ => break,
        }
    }
    let operands = arguments.get(letters.count..).unwrap_or_default();
    Ok((letters, operands))
}

/// Option letters that were given.
#[derive(Clone, Copy, Debug)]
struct Options<'a> {
    words: &'a [&'a str],
    count: usize,
}

impl Options<'_> {
    /// Whether this letter was.
    fn has(&self, letter: char) -> bool {
        self.words.iter().take(self.count).any(|word| word.contains(letter))
    }
}

/// At least one operand.
fn some<'a>(operands: &'a [&'a str], what: &str) -> Result<&'a [&'a str], CommandError> {
    if operands.is_empty() { Err(usage(format_args!("no {what} given"))) } else { Ok(operands) }
}

/// Whether there is a directory, perhaps behind a symlink.
fn is_directory<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>, path: &[u8]) -> bool {
    let place = call.resolve(At::Cwd, path, AtFlags::empty());
    place.is_ok_and(|place| call.stat(&place).is_ok_and(|stat| stat.attr.kind == FileType::Directory))
}

/// What is known of a file; a symlink is meant itself.
fn known<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>, path: &[u8]) -> Result<Stat, CommandError> {
    Ok(call.stat_at(At::Cwd, path, AtFlags::NO_FOLLOW)?)
}

fn usage(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
}

fn failed(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

/// Does `work` with each operand, and says what went wrong with which.
fn each<'k, P: Platform>(
    name: &str,
    operands: &[&str],
    streams: &mut Streams<'_, 'k, P>,
    mut work: impl FnMut(&str, &mut Streams<'_, 'k, P>) -> Result<(), CommandError>,
) -> CommandResult {
    let mut all = true;
    for operand in operands {
        match work(operand, streams) {
            Ok(()) => {}
            Err(CommandError::Quiet) => all = false,
            Err(CommandError::Failed(text)) => {
                streams.complain(format_args!("{name}: {operand}: {text}"))?;
                all = false;
            }
            // Who does not hear of one does not hear of the others.
            Err(all) => return Err(all),
        }
    }
    if all { Ok(Next::Continue) } else { Err(CommandError::Quiet) }
}
