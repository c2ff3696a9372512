//! Calls of many kinds, a thousand in a row, each with one answer.

use core::time::Duration;

use kos_vfs::fs::{Allocate, RenameFlags, SyncMode, XattrFlags};
use kos_vfs::testing::HostEnv;
use kos_vfs::{
    At, AtFlags, Ctx, DirError, Errno, FileError, How, Mode, OpenFile, OpenFlags, SetTime, Vfs, View,
    XattrName,
};

const PATHS: [&[u8]; 7] = [
    b"/m/a",
    b"/m/b",
    b"/m/d",
    b"/m/d/a",
    b"/m/d/a-name-that-is-longer-than-thirty-one-bytes",
    b"/m/l",
    b"/m/d/../d/./b",
];
/// Steps of the script.
const STEPS: usize = 1000;

/// A call, in numbers that [`World::run`] makes sense of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    what: u64,
    path: &'static [u8],
    other: &'static [u8],
    handle: usize,
    at: u64,
    length: usize,
}

impl Step {
    /// Whether it asks for durable bytes.
    pub(crate) const fn syncs(&self) -> bool {
        self.what == 13
    }

    /// Whether nobody is told of what fails in it: time that passes, descriptors that are closed.
    pub(crate) const fn is_silent(&self) -> bool {
        matches!((self.what, self.length % 4), (0..5, _) | (13, 1))
    }
}

/// The script.
pub(crate) fn script() -> Vec<Step> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |end: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 20) % end
    };
    let path = |below: &mut dyn FnMut(u64) -> u64| PATHS[usize::try_from(below(7)).unwrap()];
    let mut step = |_| Step {
        what: below(32),
        path: path(&mut below),
        other: path(&mut below),
        handle: usize::try_from(below(4)).unwrap(),
        at: below(60_000),
        length: 1 + usize::try_from(below(9000)).unwrap(),
    };
    (0..STEPS).map(&mut step).collect()
}

/// Something else for each row of bytes.
fn sum(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, &byte: &u8| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// A process with four descriptors. Nothing here allocates.
pub(crate) struct World<'v> {
    pub(crate) vfs: &'v Vfs<HostEnv>,
    pub(crate) view: View<'v, HostEnv>,
    pub(crate) handles: [Option<OpenFile<'v, HostEnv>>; 4],
    buffer: Box<[u8]>,
    seconds: u64,
}

impl<'v> World<'v> {
    pub(crate) fn new(vfs: &'v Vfs<HostEnv>, view: View<'v, HostEnv>) -> Self {
        Self { vfs, view, handles: [const { None }; 4], buffer: vec![0; 16 << 10].into(), seconds: 0 }
    }

    fn handle(&self, step: &Step) -> Result<&OpenFile<'v, HostEnv>, Errno> {
        self.handles[step.handle].as_ref().ok_or(Errno::EBADF)
    }

    /// Does one step. May be asked again after a failure.
    pub(crate) fn run(&mut self, step: &Step) -> Result<u64, Errno> {
        match step.what {
            0..4 => self.open(step),
            4 => {
                self.handles[step.handle] = None;
                Ok(0)
            }
            5..9 => self.write(step),
            9..11 => self.read(step),
            11 | 12 => self.shape(step),
            13 => self.sync(step),
            14..18 => self.attributes(step),
            18 => self.list(step),
            _ => self.names(step).map(|()| 0).map_err(|error| error.errno()),
        }
    }

    fn open(&mut self, step: &Step) -> Result<u64, Errno> {
        let flags = [
            OpenFlags::READ_WRITE | OpenFlags::CREATE,
            OpenFlags::READ_WRITE,
            OpenFlags::READ_WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE,
            OpenFlags::NO_FOLLOW,
        ];
        let how = How { flags: flags[step.length % 4], mode: Mode::of(0o644), ..How::default() };
        let opened = self.view.call(&Ctx::root()).open(At::Cwd, step.path, &how);
        self.handles[step.handle] = Some(opened.map_err(|error| error.errno())?);
        Ok(0)
    }

    fn write(&mut self, step: &Step) -> Result<u64, Errno> {
        let fill = step.at.to_le_bytes()[0];
        let mut done = 0;
        let (ctx, handle) = (Ctx::root(), self.handles[step.handle].as_ref().ok_or(Errno::EBADF)?);
        for (at, byte) in self.buffer.iter_mut().take(step.length).enumerate() {
            *byte = (at >> 3).to_le_bytes()[0] ^ fill;
        }
        while done < step.length {
            let bytes = &self.buffer[done..step.length];
            let written = self.view.call(&ctx).pwrite(handle, bytes, step.at + done as u64);
            done += written.map_err(|error| error.errno())?;
        }
        Ok(done as u64)
    }

    fn read(&mut self, step: &Step) -> Result<u64, Errno> {
        let handle = self.handles[step.handle].as_ref().ok_or(Errno::EBADF)?;
        let room = &mut self.buffer[..step.length];
        let count = handle.pread(room, step.at % 30_000).map_err(|error| error.errno())?;
        Ok(sum(&self.buffer[..count]))
    }

    fn shape(&mut self, step: &Step) -> Result<u64, Errno> {
        let handle = self.handle(step)?;
        let ctx = Ctx::root();
        let call = self.view.call(&ctx);
        let how = [Allocate::Grow, Allocate::KeepSize, Allocate::PunchHole, Allocate::Zero][step.length % 4];
        let done = match step.what {
            11 => call.set_size(handle, step.at % 40_000),
            _ => call.allocate(handle, how, step.at, step.length as u64),
        };
        done.map(|()| 0).map_err(|error| error.errno())
    }

    fn sync(&mut self, step: &Step) -> Result<u64, Errno> {
        match step.length % 4 {
            0 => self.vfs.sync().map_err(FileError::from),
            1 => {
                self.seconds += 3;
                self.vfs.tick(Duration::from_secs(self.seconds));
                Ok(())
            }
            _ => self.handle(step)?.sync(SyncMode::All),
        }
        .map(|()| 0)
        .map_err(|error| error.errno())
    }

    fn attributes(&mut self, step: &Step) -> Result<u64, Errno> {
        let ctx = Ctx::root();
        let call = self.view.call(&ctx);
        let place = call.resolve(At::Cwd, step.path, AtFlags::NO_FOLLOW).map_err(|error| error.errno())?;
        let name = XattrName::new(b"user.some").map_err(|error| error.errno())?;
        let value = &mut self.buffer[..step.length % 3000];
        let (at, length) = (step.at, step.length);
        let done = match (step.what, at % 4) {
            (14, 0) => call.chmod(&place, Mode::of(0o600 | length.to_le_bytes()[0] as u16)).map(|()| 0),
            (14, _) => call.set_times(&place, SetTime::Now, SetTime::Now).map(|()| 0),
            (15, 0..3) => call.stat(&place).map(|stat| {
                let directory = stat.attr.kind == kos_vfs::FileType::Directory;
                let size = if directory { 0 } else { stat.attr.size };
                size ^ u64::from(stat.attr.mode.bits()) << 40 ^ u64::from(stat.attr.links) << 56
            }),
            (15, _) => call.readlink(&place, &mut self.buffer).map(|length| sum(&self.buffer[..length])),
            (16, 0) => call.remove_xattr(&place, name).map(|()| 0),
            (16, _) => {
                value.fill(length.to_le_bytes()[0]);
                call.set_xattr(&place, name, value, XattrFlags::empty()).map(|()| 0)
            }
            (_, 0) => call.list_xattrs(&place, &mut self.buffer).map(|length| length as u64),
            _ => call.get_xattr(&place, name, &mut self.buffer).map(|length| sum(&self.buffer[..length])),
        };
        done.map_err(|error| error.errno())
    }

    /// The names of a directory, in any order.
    fn list(&mut self, step: &Step) -> Result<u64, Errno> {
        let how = How::flags(OpenFlags::DIRECTORY);
        let ctx = Ctx::root();
        let dir = self.view.call(&ctx).open(At::Cwd, [&b"/m"[..], b"/m/d"][step.length % 2], &how);
        let mut names = 0_u64;
        let listed = dir.and_then(|dir| {
            dir.list(|entry| {
                let own = entry.name != b"ballast";
                names = names.wrapping_add(if own { sum(entry.name) } else { 0 });
                true
            })
        });
        listed.map(|()| names).map_err(|error| error.errno())
    }

    fn names(&self, step: &Step) -> Result<(), DirError> {
        let ctx = Ctx::root();
        let call = self.view.call(&ctx);
        match step.what {
            19 | 20 => call.mkdir(At::Cwd, step.path, Mode::of(0o755)),
            21 => call.rmdir(At::Cwd, step.path),
            22 | 23 => call.unlink(At::Cwd, step.path),
            24 | 25 => call.link(At::Cwd, step.path, At::Cwd, step.other, false),
            26 | 27 => call.symlink(step.other, At::Cwd, step.path),
            28 => call.rename(At::Cwd, step.path, At::Cwd, step.other, RenameFlags::EXCHANGE),
            29 => call.mkdir(At::Cwd, b"/m/d", Mode::of(0o755)),
            _ => call.rename(At::Cwd, step.path, At::Cwd, step.other, RenameFlags::empty()),
        }
    }
}
