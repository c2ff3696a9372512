//! `durability`: writes numbered files, waits until each is durable, and says so on the log console: what `cargo demo crash` cuts
//! the power of. Each number is written once; a file's bytes follow from its number.

use core::fmt::Write;

use kos_vfs::fs::SyncMode;
use kos_vfs::{At, DirError, FileError, FsError, How, Mode, OpenFlags};

use super::names::Names;
use super::usage;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Console, Next, Session, Streams};
use crate::text::Text;

/// Where the files are.
const DIRECTORY: &[u8] = b"/crash";
/// Files that are kept; older ones go.
const KEPT: u64 = 64;

pub(in super::super) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let count = match arguments {
        [] => u64::MAX,
        [count] => count.parse().map_err(|_| usage(format_args!("'{count}' is no number of files")))?,
        [_, word, ..] => return Err(usage(format_args!("unexpected '{word}'"))),
    };
    match session.call()?.mkdir(At::Cwd, DIRECTORY, Mode::of(0o755)) {
        Ok(()) | Err(DirError::Exists) => {}
        Err(error) => return Err(error.into()),
    }
    let newest = newest(session)?;
    let (first, kernel) = (newest.saturating_add(1), session.kernel);
    for number in (first..first.saturating_add(count)).take_while(|_| !kernel.is_told_to_end()) {
        store(session, number)?;
        writeln!(Console(kernel.platform()), "durable {number}")?;
        if let Some(old) = number.checked_sub(KEPT) {
            // One that is not there was never written.
            let _ = session.call()?.unlink(At::Cwd, path(old).as_str().as_bytes());
        }
    }
    writeln!(streams, "{count} files from number {first} on are durable")?;
    Ok(Next::Continue)
}

fn path(number: u64) -> Text {
    Text::new(format_args!("/crash/{number}"))
}

/// The highest number that is there.
fn newest<P: Platform>(session: &mut Session<'_, P>) -> Result<u64, CommandError> {
    let names = Names::of(&session.call()?, DIRECTORY)?;
    let numbers = names.iter().filter_map(|name| core::str::from_utf8(name).ok()?.parse().ok());
    Ok(numbers.max().unwrap_or(0))
}

/// Writes a file: its number as a line, so often that some files take blocks of their own and some do not.
fn store<P: Platform>(session: &mut Session<'_, P>, number: u64) -> Result<(), CommandError> {
    let call = session.call()?;
    let how = How::create(OpenFlags::WRITE_ONLY | OpenFlags::EXCLUSIVE, Mode::of(0o644));
    let file = call.open(At::Cwd, path(number).as_str().as_bytes(), &how)?;
    let line = Text::new(format_args!("{number}\n"));
    for _ in 0..=number % 700 {
        let mut rest = line.as_str().as_bytes();
        while !rest.is_empty() {
            match call.write(&file, rest)? {
                0 => return Err(FileError::Fs(FsError::NoSpace).into()),
                written => rest = rest.get(written..).unwrap_or_default(),
            }
        }
    }
    Ok(file.sync(SyncMode::All)?)
}
