//! `venv`: a directory of its own for a program of Python, and for its packages.
//!
//! Inside one, Python stands in it and sees nothing of what lies beside; it is what `VIRTUAL_ENV` names.

use alloc::string::String;
use core::fmt::Write as _;

use kos_vfs::{At, How, Mode, OpenFlags};

use super::{failed, text_of, variable};
use crate::cmds::files::make;
use crate::platform::Platform;
use crate::python::program::absolute;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::text::Text;

/// What it has from the start.
const DIRECTORIES: [&str; 3] = ["bin", "lib/python/site-packages", "include"];

pub(in crate::cmds) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    match arguments {
        ["create", path] => create(session, path, streams),
        ["activate", path] => {
            let root = absolute(session, path)?;
            let inside = alloc::format!("{path}/pyvenv.cfg");
            if session.call()?.open(At::Cwd, inside.as_bytes(), &How::flags(OpenFlags::PATH)).is_err() {
                return Err(failed(format_args!("{path}: no venv; 'venv create' makes one")));
            }
            session.environment.set("VIRTUAL_ENV", text_of(&root)?, true)?;
            Ok(Next::Continue)
        }
        ["deactivate"] => {
            session.environment.unset("VIRTUAL_ENV");
            Ok(Next::Continue)
        }
        [] => {
            writeln!(streams, "{}", variable(session, "VIRTUAL_ENV").as_deref().unwrap_or("none is active"))?;
            Ok(Next::Continue)
        }
        _ => Err(CommandError::Usage(Text::new(format_args!("what?")))),
    }
}

fn create<'k, P: Platform>(
    session: &mut Session<'k, P>,
    path: &str,
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    for directory in DIRECTORIES {
        make::mkdir(session, &["-p", &alloc::format!("{path}/{directory}")], streams)?;
    }
    let root = absolute(session, path)?;
    let root = text_of(&root)?;
    let files = [
        ("bin/activate", alloc::format!("# venv activate {root}\nexport VIRTUAL_ENV={root}\n"), 0o644),
        ("bin/pip", alloc::format!("export VIRTUAL_ENV={root}\npip $1 $2 $3 $4\n"), 0o755),
        // Last: what has it is a venv.
        ("pyvenv.cfg", String::from("home = /usr/lib/python\nimplementation = MicroPython\n"), 0o644),
    ];
    for (name, text, mode) in files {
        let path = alloc::format!("{path}/{name}");
        write(session, path.as_bytes(), text.as_bytes(), mode)?;
    }
    Ok(Next::Continue)
}

/// Makes a file of `bytes`, or makes one hold only them.
pub(super) fn write<P: Platform>(
    session: &mut Session<'_, P>,
    path: &[u8],
    bytes: &[u8],
    mode: u16,
) -> Result<(), CommandError> {
    let call = session.call()?;
    let flags = OpenFlags::WRITE_ONLY | OpenFlags::TRUNCATE;
    let file = call.open(At::Cwd, path, &How::create(flags, Mode::of(mode)))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match call.write(&file, rest)? {
            0 => return Err(kos_vfs::FileError::Fs(kos_vfs::FsError::NoSpace).into()),
            written => rest = rest.get(written..).unwrap_or_default(),
        }
    }
    Ok(file.sync(kos_vfs::fs::SyncMode::All)?)
}
