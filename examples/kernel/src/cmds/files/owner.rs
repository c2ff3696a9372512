//! `chmod`, `chown`: who may do what. And how modes and owners are written.

use kos_vfs::{At, AtFlags, FileType, Mode};

use super::names::{Names, PathBuf};
use super::remove::DEPTH;
use super::{each, failed, known, options, some, usage};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Session, Streams};

/// Permission bits in octal digits, `640`.
pub(in super::super) fn digits(word: &str) -> Option<Mode> {
    let octal = !word.is_empty() && word.len() <= 5 && word.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let bits = u16::from_str_radix(word, 8).ok().filter(|&bits| octal && bits <= 0o7777)?;
    Some(Mode::of(bits))
}

/// A user and a group, `1000:100`, of which either may be left out.
pub(in super::super) fn owner(word: &str) -> Result<(Option<u32>, Option<u32>), CommandError> {
    let id = |text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| usage(format_args!("'{text}' is no number of a user"))),
    };
    let (user, group) = word.split_once(':').unwrap_or((word, ""));
    Ok((id(user)?, id(group)?))
}

/// The mode that `word` makes of `mode`: digits, or who, how and what, `u+x,go-w`. `X` is `x` for directories and what somebody may
/// run.
fn changed(word: &str, mode: Mode, directory: bool) -> Option<Mode> {
    if let Some(mode) = digits(word) {
        return Some(mode);
    }
    let mut mode = mode.bits();
    for clause in word.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let mut letters = rest.chars();
        let how = letters.next()?;
        let (mut all, mut special) = (0, 0);
        for letter in who.chars() {
            (all, special) = match letter {
                'u' => (all | 0o700, special | 0o4000),
                'g' => (all | 0o070, special | 0o2000),
                'o' => (all | 0o007, special | 0o1000),
                'a' => (0o777, 0o7000),
                _ => return None,
            };
        }
        if who.is_empty() {
            (all, special) = (0o777, 0o7000);
        }
        let mut bits = 0;
        for letter in letters {
            bits |= match letter {
                'r' => 0o444 & all,
                'w' => 0o222 & all,
                'x' => 0o111 & all,
                'X' if directory || mode & 0o111 != 0 => 0o111 & all,
                'X' => 0,
                's' => 0o6000 & special,
                't' => 0o1000 & special,
                _ => return None,
            };
        }
        mode = match how {
            '+' => mode | bits,
            '-' => mode & !bits,
            _ => mode & !(all | special) | bits,
        };
    }
    Some(Mode::of(mode))
}

/// What is done with each file.
type Work<'w, P> = dyn FnMut(&mut Session<'_, P>, &[u8]) -> Result<(), CommandError> + 'w;

/// Does `work` with a file, and with all below it if that is asked for.
fn all_below<P: Platform>(
    session: &mut Session<'_, P>,
    path: &mut PathBuf,
    deep: bool,
    depth: usize,
    work: &mut Work<'_, P>,
) -> Result<(), CommandError> {
    work(session, path.bytes())?;
    if !deep || known(&session.call()?, path.bytes())?.attr.kind != FileType::Directory {
        return Ok(());
    }
    let depth =
        depth.checked_sub(1).ok_or_else(|| failed(format_args!("more than {DEPTH} directories deep")))?;
    let names = Names::of(&session.call()?, path.bytes())?;
    for name in names.iter() {
        let length = path.push(name)?;
        if known(&session.call()?, path.bytes())?.attr.kind != FileType::Symlink {
            all_below(session, path, deep, depth, work)?;
        }
        path.truncate(length);
    }
    Ok(())
}

pub(in super::super) fn chmod<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    // A mode may begin with a minus sign.
    let (deep, operands) = match arguments {
        ["-R", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (word, files) = some(operands, "mode")?.split_first().unwrap_or((&"", &[]));
    if changed(word, Mode::empty(), false).is_none() {
        return Err(usage(format_args!("'{word}' is no mode such as 640 or u+x,go-w")));
    }
    each("chmod", some(files, "file")?, streams, |path, _| {
        let mut work = |session: &mut Session<'_, P>, path: &[u8]| {
            let call = session.call()?;
            let place = call.resolve(At::Cwd, path, AtFlags::empty())?;
            let attr = call.stat(&place)?.attr;
            let mode = changed(word, attr.mode, attr.kind == FileType::Directory).unwrap_or(attr.mode);
            Ok(call.chmod(&place, mode)?)
        };
        all_below(session, &mut PathBuf::new(path.as_bytes())?, deep, DEPTH, &mut work)
    })
}

pub(in super::super) fn chown<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (letters, operands) = options(arguments, "R")?;
    let (word, files) = some(operands, "owner")?.split_first().unwrap_or((&"", &[]));
    let (uid, gid) = owner(word)?;
    each("chown", some(files, "file")?, streams, |path, _| {
        let mut work = |session: &mut Session<'_, P>, path: &[u8]| {
            let call = session.call()?;
            let place = call.resolve(At::Cwd, path, AtFlags::empty())?;
            Ok(call.chown(&place, uid, gid)?)
        };
        all_below(session, &mut PathBuf::new(path.as_bytes())?, letters.has('R'), DEPTH, &mut work)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_digits_or_changes() {
        for (word, before, after) in [
            ("640", 0o777, 0o640),
            ("4755", 0, 0o4755),
            ("u+x,go-w", 0o666, 0o744),
            ("a=r", 0o4777, 0o444),
            ("+t", 0o777, 0o1777),
            ("u+s", 0o755, 0o4755),
            ("g=u", 0, 0),
            ("+X", 0o644, 0o644),
            ("+X", 0o744, 0o755),
        ] {
            let changed = changed(word, Mode::of(before), false).map(|mode| mode.bits());
            assert_eq!(changed, Some(after).filter(|_| word != "g=u"), "{word}");
        }
        assert_eq!(changed("a+X", Mode::of(0o600), true).unwrap().bits(), 0o711);
        for word in ["", "8", "u", "z+r", "u+q", "10000", "-"] {
            assert!(changed(word, Mode::empty(), false).is_none() || word == "-", "{word}");
        }
    }

    #[test]
    fn owners_are_numbers() {
        assert!(matches!(owner("5:6"), Ok((Some(5), Some(6)))));
        assert!(matches!(owner(":6"), Ok((None, Some(6)))));
        assert!(matches!(owner("5"), Ok((Some(5), None))));
        assert!(owner("x").is_err() && owner("-1").is_err() && owner("4294967296").is_err());
    }
}
