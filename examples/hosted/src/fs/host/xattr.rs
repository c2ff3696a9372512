//! Extended attributes by system call.

use std::os::fd::BorrowedFd;

use kos_vfs::fs::XattrFlags;
use kos_vfs::testing::script::{Answer, Op, Target, listed, quoted};
use rustix::fs;
use rustix::io::Errno as HostErrno;

use super::process::Process;
use super::{Done, number};

impl Process {
    pub(super) fn xattrs(&self, op: &Op) -> Done {
        match op {
            // Linux looks at names before it looks for the descriptor, which is ours to find.
            Op::GetXattr(_, name, _) | Op::SetXattr(_, name, ..) | Op::RemoveXattr(_, name)
                if name.is_empty() =>
            {
                Err(HostErrno::RANGE)
            }
            Op::GetXattr(target, name, 0) => {
                let name = name.as_slice();
                number(match self.file(target)? {
                    File::Path(path) => fs::getxattr_query(path, name),
                    File::Link(path) => fs::lgetxattr_query(path, name),
                    File::Fd(fd) => fs::fgetxattr_query(fd, name),
                }?)
            }
            Op::GetXattr(target, name, room) => {
                let (name, mut value) = (name.as_slice(), vec![0; *room]);
                let out = value.as_mut_slice();
                let length = match self.file(target)? {
                    File::Path(path) => fs::getxattr(path, name, out),
                    File::Link(path) => fs::lgetxattr(path, name, out),
                    File::Fd(fd) => fs::fgetxattr(fd, name, out),
                }?;
                Ok(Answer::Value(quoted(value.get(..length).unwrap_or_default())))
            }
            Op::SetXattr(target, name, value, flags) => {
                let (name, flags) = (name.as_slice(), host_flags(*flags));
                match self.file(target)? {
                    File::Path(path) => fs::setxattr(path, name, value, flags),
                    File::Link(path) => fs::lsetxattr(path, name, value, flags),
                    File::Fd(fd) => fs::fsetxattr(fd, name, value, flags),
                }?;
                Ok(Answer::Done)
            }
            Op::ListXattr(target, 0) => number(match self.file(target)? {
                File::Path(path) => fs::listxattr_query(path),
                File::Link(path) => fs::llistxattr_query(path),
                File::Fd(fd) => fs::flistxattr_query(fd),
            }?),
            Op::ListXattr(target, room) => {
                let mut names = vec![0; *room];
                let out = names.as_mut_slice();
                let length = match self.file(target)? {
                    File::Path(path) => fs::listxattr(path, out),
                    File::Link(path) => fs::llistxattr(path, out),
                    File::Fd(fd) => fs::flistxattr(fd, out),
                }?;
                Ok(Answer::Value(listed(names.get(..length).unwrap_or_default())))
            }
            Op::RemoveXattr(target, name) => {
                let name = name.as_slice();
                match self.file(target)? {
                    File::Path(path) => fs::removexattr(path, name),
                    File::Link(path) => fs::lremovexattr(path, name),
                    File::Fd(fd) => fs::fremovexattr(fd, name),
                }?;
                Ok(Answer::Done)
            }
            _ => Err(HostErrno::NOSYS),
        }
    }

    fn file<'t>(&'t self, target: &'t Target) -> Result<File<'t>, HostErrno> {
        Ok(match target {
            Target::Fd(fd) => File::Fd(self.fd(*fd)?),
            Target::Path { path, follow: true, .. } => File::Path(path),
            Target::Path { path, .. } => File::Link(path),
        })
    }
}

/// The three forms of each call.
enum File<'t> {
    Path(&'t [u8]),
    Link(&'t [u8]),
    Fd(BorrowedFd<'t>),
}

fn host_flags(flags: XattrFlags) -> fs::XattrFlags {
    fs::XattrFlags::from_bits_retain(flags.bits())
}
