//! `stat`: all that is known of a file.

use core::fmt::Write;

use kos_vfs::{At, AtFlags, FileType};

use super::list::Rights;
use super::{each, some};
use crate::platform::Platform;
use crate::shell::{CommandResult, Session, Streams};
use crate::text::Grouped;
use crate::time_of_day::Date;

const fn kind(kind: FileType) -> &'static str {
    match kind {
        FileType::Regular => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        FileType::CharDevice => "character device",
        FileType::BlockDevice => "block device",
    }
}

pub(in super::super) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    each("stat", some(arguments, "file")?, streams, |path, streams| {
        let call = session.call()?;
        let stat = call.stat(&call.resolve(At::Cwd, path.as_bytes(), AtFlags::NO_FOLLOW)?)?;
        let attr = &stat.attr;
        writeln!(streams, "{path}: {}", kind(attr.kind))?;
        writeln!(
            streams,
            "  size {}, blocks {} of 512, device {}, inode {}, links {}",
            Grouped(attr.size),
            attr.blocks,
            stat.device,
            attr.ino.number,
            attr.links
        )?;
        let (mode, bits) = (attr.mode_word(), attr.mode.bits());
        writeln!(streams, "  mode {} ({bits:04o}), uid {}, gid {}", Rights(mode), attr.uid, attr.gid)?;
        let times = [attr.accessed, attr.modified, attr.changed, attr.born];
        for (name, time) in ["accessed", "modified", "changed", "born"].into_iter().zip(times) {
            writeln!(streams, "  {name:<8} {}.{:09}", Date(time.seconds), time.nanos())?;
        }
        Ok(())
    })
}
