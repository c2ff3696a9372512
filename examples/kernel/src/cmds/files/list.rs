//! `ls`: names in directories. In columns for people, one a line for files and programs.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use kos_vfs::{At, AtFlags, FileType, FsError, Stat};

use super::names::{Names, PathBuf, Shown};
use super::{each, options};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Session, Streams};
use crate::text::{Bytes, Grouped, Text};
use crate::time_of_day::Date;

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// What to show.
#[derive(Clone, Copy)]
struct Look {
    /// Names that begin with a point, too.
    all: bool,
    /// Directories themselves.
    itself: bool,
    numbers: bool,
    long: bool,
    units: bool,
    /// One name a line.
    single: bool,
}

/// One line of a listing.
struct Row<'n> {
    name: &'n [u8],
    stat: Stat,
    /// Where a symlink points.
    target: Option<Vec<u8>>,
}

pub(in super::super) fn ls<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (letters, operands) = options(arguments, "adilh1")?;
    let [all, itself, numbers, long, units] = ['a', 'd', 'i', 'l', 'h'].map(|letter| letters.has(letter));
    let look = Look { all, itself, numbers, long, units, single: letters.has('1') || !streams.is_terminal() };
    let operands = if operands.is_empty() { &["."] } else { operands };
    let (mut first, many) = (true, operands.len() > 1);
    each("ls", operands, streams, |operand, streams| {
        let path = operand.as_bytes();
        let row = row(session, path, path)?;
        if row.stat.attr.kind != FileType::Directory || look.itself {
            return Ok(show(&[row], look, streams)?);
        }
        if many {
            writeln!(streams, "{}{operand}:", if first { "" } else { "\n" })?;
        }
        first = false;
        directory(session, path, look, streams)
    })
}

/// Lists what is in a directory.
fn directory<'k, P: Platform>(
    session: &mut Session<'k, P>,
    path: &[u8],
    look: Look,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<(), CommandError> {
    let names = Names::of(&session.call()?, path)?;
    let dots: [&[u8]; 2] = [b".", b".."];
    let wanted = dots.into_iter().filter(|_| look.all).chain(names.iter());
    let (mut rows, mut buffer, mut all) = (Vec::new(), PathBuf::new(path)?, true);
    for name in wanted.filter(|name| look.all || !name.starts_with(b".")) {
        let length = buffer.push(name)?;
        let row = row(session, buffer.bytes(), name);
        buffer.truncate(length);
        match row {
            Ok(row) => {
                rows.try_reserve(1).map_err(FsError::from)?;
                rows.push(row);
            }
            Err(error) => {
                streams.complain(format_args!("ls: {}: {error}", Shown(name)))?;
                all = false;
            }
        }
    }
    show(&rows, look, streams)?;
    if all { Ok(()) } else { Err(CommandError::Quiet) }
}

fn row<'n, P: Platform>(
    session: &mut Session<'_, P>,
    path: &[u8],
    name: &'n [u8],
) -> Result<Row<'n>, CommandError> {
    let call = session.call()?;
    let place = call.resolve(At::Cwd, path, AtFlags::NO_FOLLOW)?;
    let stat = call.stat(&place)?;
    let mut target = None;
    if stat.attr.kind == FileType::Symlink {
        let mut room = Vec::new();
        room.try_reserve_exact(4096).map_err(FsError::from)?;
        room.resize(4096, 0);
        let length = call.readlink(&place, &mut room)?;
        room.truncate(length);
        target = Some(room);
    }
    Ok(Row { name, stat, target })
}

fn show<P: Platform>(rows: &[Row<'_>], look: Look, streams: &mut Streams<'_, '_, P>) -> fmt::Result {
    match look {
        Look { long: true, .. } => long(rows, look, streams),
        Look { single: true, .. } => rows.iter().try_for_each(|row| {
            number(row, look, streams)?;
            writeln!(streams, "{}", Shown(row.name))
        }),
        _ => columns(rows, look, streams),
    }
}

fn number(row: &Row<'_>, look: Look, out: &mut dyn Write) -> fmt::Result {
    if look.numbers { write!(out, "{:>6} ", row.stat.attr.ino.number) } else { Ok(()) }
}

/// Names beside each other, downwards, marked by kind.
fn columns(rows: &[Row<'_>], look: Look, out: &mut dyn Write) -> fmt::Result {
    let number_width = if look.numbers { 7 } else { 0 };
    let widest = rows.iter().map(|row| Shown(row.name).width()).max().unwrap_or(0);
    let width = widest + number_width + 3;
    let across = (COLUMNS / width).max(1);
    let down = rows.len().div_ceil(across);
    for line in 0..down {
        let mut gap = 0;
        for row in rows.iter().skip(line).step_by(down.max(1)) {
            write!(out, "{:gap$}", "")?;
            number(row, look, out)?;
            let mark = match row.stat.attr.kind {
                FileType::Directory => "/",
                FileType::Symlink => "@",
                FileType::Fifo => "|",
                FileType::Socket => "=",
                _ => "",
            };
            write!(out, "{}{mark}", Shown(row.name))?;
            gap = widest + 3 - Shown(row.name).width() - mark.len();
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A line for each name with all that is known.
fn long(rows: &[Row<'_>], look: Look, out: &mut dyn Write) -> fmt::Result {
    let widest =
        |text: &dyn Fn(&Row<'_>) -> Text| rows.iter().map(|row| text(row).as_str().len()).max().unwrap_or(0);
    let size = |row: &Row<'_>| match (row.stat.attr.kind, look.units) {
        (FileType::CharDevice | FileType::BlockDevice, _) => {
            Text::new(format_args!("{}, {}", row.stat.attr.device.major, row.stat.attr.device.minor))
        }
        (_, true) => Text::new(format_args!("{}", Bytes(row.stat.attr.size))),
        (_, false) => Text::new(format_args!("{}", Grouped(row.stat.attr.size))),
    };
    let text = |value: u32| Text::new(format_args!("{value}"));
    let links = widest(&|row| text(row.stat.attr.links));
    let [users, groups] = [widest(&|row| text(row.stat.attr.uid)), widest(&|row| text(row.stat.attr.gid))];
    let sizes = widest(&size);
    for row in rows {
        let attr = &row.stat.attr;
        number(row, look, out)?;
        write!(
            out,
            "{} {:>links$} {:>users$} {:>groups$} {:>sizes$} {:#} {}",
            Rights(attr.mode_word()),
            attr.links,
            attr.uid,
            attr.gid,
            size(row),
            Date(attr.modified.seconds),
            Shown(row.name)
        )?;
        match &row.target {
            Some(target) => writeln!(out, " -> {}", Shown(target))?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

/// Kind and permission bits as ten letters: `-rw-r--r--`.
pub(super) struct Rights(pub(super) u16);

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = FileType::from_bits(self.0).map_or('?', FileType::letter);
        f.write_char(kind)?;
        for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
            let bits = self.0 >> shift;
            f.write_char(if bits & 4 == 0 { '-' } else { 'r' })?;
            f.write_char(if bits & 2 == 0 { '-' } else { 'w' })?;
            f.write_char(match (bits & 1 != 0, self.0 & special != 0) {
                (true, true) => letter,
                (false, true) => letter.to_ascii_uppercase(),
                (true, false) => 'x',
                (false, false) => '-',
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Rights;
    use alloc::string::ToString;

    #[test]
    fn rights_are_ten_letters() {
        for (word, text) in [
            (0o100_644, "-rw-r--r--"),
            (0o041_777, "drwxrwxrwt"),
            (0o104_711, "-rws--x--x"),
            (0o102_640, "-rw-r-S---"),
            (0o120_777, "lrwxrwxrwx"),
        ] {
            assert_eq!(Rights(word).to_string(), text);
        }
    }
}
