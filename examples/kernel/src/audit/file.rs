//! `/var/log/audit`: a line a record, for user 0 alone. One that has become long is `audit.old` from then on.

use core::fmt::Write;

use kos_vfs::fs::{RenameFlags, SyncMode};
use kos_vfs::{At, AtFlags, Call, Ctx, DirError, Errno, How, Mode, OpenFlags};

use super::Record;
use crate::Kernel;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;
use crate::shell::File;
use crate::text::Text;

/// Where it is.
pub(crate) const PATH: &str = "/var/log/audit";
const OLD: &str = "/var/log/audit.old";
/// Bytes of a file, but for one line.
const MOST: u64 = 1 << 20;

/// Writes a line behind the file; durably if that is asked for. Directories that are missing are made.
pub(super) fn append<P: Platform>(kernel: &Kernel<P>, record: &Record, durably: bool) -> Result<(), Errno> {
    let view = kernel.files().and_then(|files| files.view()).ok_or(Errno::ENODEV)?;
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    match write(&call, record, durably) {
        Err(Errno::ENOENT) => {
            make_folders(&call)?;
            write(&call, record, durably)
        }
        done => done,
    }
}

fn make_folders<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), Errno> {
    for folder in ["/var", "/var/log"] {
        match call.mkdir(At::Cwd, folder.as_bytes(), Mode::of(0o755)) {
            Ok(()) | Err(DirError::Exists) => {}
            Err(error) => return Err(error.errno()),
        }
    }
    Ok(())
}

fn write<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>, record: &Record, durably: bool) -> Result<(), Errno> {
    let before = call.stat_at(At::Cwd, PATH.as_bytes(), AtFlags::NO_FOLLOW).map_or(0, |stat| stat.attr.size);
    if before >= MOST {
        let flags = RenameFlags::empty();
        let moved = call.rename(At::Cwd, PATH.as_bytes(), At::Cwd, OLD.as_bytes(), flags);
        moved.map_err(|error| error.errno())?;
    }
    let how = How::create(OpenFlags::WRITE_ONLY | OpenFlags::APPEND, Mode::of(0o600));
    let file = call.open(At::Cwd, PATH.as_bytes(), &how).map_err(|error| error.errno())?;
    // A record fits: its object is a third of it.
    let mut line = Text::default();
    writeln!(line, "{record}").map_err(|_| Errno::EIO)?;
    let written = whole(call, &file, line.as_str().as_bytes());
    if written.is_err() && before < MOST {
        // No part of a line stays, for the next one would go on in it.
        let _ = call.set_size(&file, before);
    }
    written?;
    if durably { file.sync(SyncMode::All).map_err(|error| error.errno()) } else { Ok(()) }
}

fn whole<'k, P: Platform>(
    call: &Call<'_, 'k, FilesEnv<P>>,
    file: &File<'k, P>,
    mut bytes: &[u8],
) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = call.write(file, bytes).map_err(|error| error.errno())?;
        bytes = bytes.get(written..).filter(|_| written > 0).ok_or(Errno::ENOSPC)?;
    }
    Ok(())
}
