//! The files of the kernel: one [`Vfs`], and what is mounted on it when the shell starts.
//!
//! With a kosfs on the disk that is the root; without one the root is a tmpfs, gone at power-off. The tables take a share of the memory that is free, so that the smallest
//! machine has files, too.

pub(crate) mod claims;
mod disks;
mod frame;
mod hvc;
mod hwrng;
mod kmsg;
mod nodes;
mod processes;
mod rom;
pub(crate) mod root;
mod short;
mod span;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Write};
use core::time::Duration;

use kos_sched::Resume;
use kos_user::abi::PROGRAMS;
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::fs::{FileSystem, initramfs};
use kos_vfs::{
    At, Call, ConfigError, Ctx, DirError, Errno, FsError, How, Mode, MountError, MountFlags, OpenFlags,
    Timestamp, Vfs, View, WallClock,
};

use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::error::Cause;
use crate::glue::files::{FilesClock, FilesEnv};
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;
use crate::stage::Notes;
use crate::text::{Bytes, Text};
use crate::time::Instant;
use claims::Claims;
use root::{Kind, Part, Volume};
pub(crate) use short::read_short;

/// Frames of free memory for each name that is kept.
const FRAMES_A_NAME: usize = 16;

/// The files of a running kernel.
pub(crate) struct Files<P: Platform> {
    vfs: Vfs<FilesEnv<P>>,
    clock: FilesClock<P>,
    disk: Option<P::Disk>,
    /// Who has which of its sectors.
    claims: Arc<Claims<SleepLock<P>>>,
    /// For hashes: nobody else knows it.
    key: u64,
}

/// How often the file systems make durable what they were told.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);

/// Bytes of the page cache: a share of the memory that is free, or none where that is too little for one.
fn cache_bytes(free_frames: usize) -> usize {
    let share = free_frames as u64 * FRAME_BYTES / 16;
    let share = usize::try_from(share).unwrap_or(usize::MAX).min(32 << 20);
    if share < 64 << 10 { 0 } else { share }
}

/// The directories that a root has from the start, if it is new.
const DIRECTORIES: [(&[u8], Mode); 5] = [
    (b"/dev", Mode::of(0o755)),
    (b"/etc", Mode::of(0o755)),
    (b"/mnt", Mode::of(0o755)),
    (b"/proc", Mode::of(0o555)),
    (b"/tmp", Mode::of(0o1777)),
];

/// What a boot found.
struct Found {
    root: &'static str,
    size: u64,
    /// A volume beside the root.
    beside: Option<Kind>,
}

impl<P: Platform> Files<P> {
    /// Makes the tables and mounts a root: the first kosfs of the disk, else a tmpfs. A FAT volume is on `/mnt` then. `notes` gets
    /// the figures.
    pub(crate) fn start(
        kernel: &Kernel<P>,
        disk: Option<P::Disk>,
        notes: &mut Notes<'_, '_, P>,
    ) -> Result<Self, Cause> {
        let free = kernel.frames().stats().free;
        let names = u32::try_from(free / FRAMES_A_NAME).unwrap_or(u32::MAX).clamp(64, 8192);
        let [key, _] = kernel.secret();
        let cache_bytes = cache_bytes(free);
        let config = kos_vfs::Config {
            dentries: names,
            files: 256,
            hash_key: key,
            cache_bytes,
            sync_interval: SYNC_INTERVAL,
            ..kos_vfs::Config::default()
        };
        let clock = || FilesClock::new(kernel.platform());
        let devices = Arc::new(nodes::KernelDevices::<P>::new(None));
        let vfs = Vfs::new(&config, clock()).map_err(FilesError::Tables)?;
        let vfs = vfs.with_special(Arc::<nodes::KernelDevices<P>>::clone(&devices) as _);
        let files = Self { vfs, clock: clock(), disk, claims: Arc::new(Claims::new()), key };
        let Found { root, size, beside } = files.mount_all(free, notes)?;
        let extras = nodes::Extras {
            hwrng: kernel.seed.get().is_some(),
            hvc: kernel.platform().hvc_write(&[]).is_ok(),
            pixels: kernel.platform().framebuffer().is_some(),
        };
        files.mount_nodes(devices, extras, notes);
        files.mount_programs(kernel.platform().programs(), free, notes);
        files.mount_rom(kernel.platform().linux_programs(), notes);
        if root == "tmpfs" {
            files.unpack(kernel.platform(), notes);
        }
        let mut text = Text::new(format_args!("{} of {root} on /", Bytes(size)));
        if root != "tmpfs" {
            // It has room: a few words.
            let _ = write!(text, ", tmpfs on /tmp");
        }
        if let Some(kind) = beside {
            let _ = write!(text, ", {kind} on /mnt");
        }
        notes.figures(format_args!("{text}; {names} names, {} cached", Bytes(cache_bytes as u64)));
        Ok(files)
    }

    /// A file system in memory that takes half of what is free, at most.
    pub(crate) fn tmpfs(&self, free: usize, mode: Mode) -> Result<Arc<dyn FileSystem>, FsError> {
        let bytes = usize::try_from(free as u64 / 2 * FRAME_BYTES).unwrap_or(usize::MAX);
        let (now, hash_key) = (self.now(), self.key);
        let config = TmpfsConfig { bytes, inodes: free, mode, now, hash_key, ..TmpfsConfig::default() };
        Ok(Arc::new(Tmpfs::<FilesEnv<P>>::new(&config)?))
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        FilesClock::<P>::now(&self.clock)
    }

    /// Mounts what the disk holds.
    fn mount_all(&self, free: usize, notes: &mut Notes<'_, '_, P>) -> Result<Found, Cause> {
        let (mut root, mut beside) = (None, None);
        for part in self.parts().map_err(FilesError::Root)? {
            match part.mount(None, false) {
                Ok(Some(Volume { kind: Kind::KosFs, fs })) if root.is_none() => root = Some(fs),
                Ok(Some(volume)) if beside.is_none() => beside = Some(volume),
                Ok(Some(volume)) => {
                    notes.warn(format_args!("{} on {} is not mounted", volume.kind, part.name()));
                }
                Ok(None) => notes.warn(format_args!("{} holds no file system that is known", part.name())),
                Err(why) => notes.warn(format_args!("{why}")),
            }
        }
        let from_disk = root.is_some();
        let root = match root {
            Some(root) => root,
            None => self.tmpfs(free, Mode::of(0o755)).map_err(FilesError::Root)?,
        };
        let (kind, unit) = (root.info().kind, root.info().block_size);
        let size = root.statfs().map_err(FilesError::Root)?.blocks * u64::from(unit);
        let view = self.vfs.mount_root(root, MountFlags::empty()).map_err(FilesError::Mount)?;
        let ctx = Ctx::root();
        let call = view.call(&ctx);
        furnish(&call).map_err(FilesError::Furnish)?;
        if from_disk {
            let tmp = self.tmpfs(free, Mode::of(0o1777)).map_err(FilesError::Root)?;
            call.mount(tmp, At::Cwd, b"/tmp", MountFlags::empty()).map_err(FilesError::Mount)?;
        }
        let beside = beside
            .map(|Volume { kind, fs }| call.mount(fs, At::Cwd, b"/mnt", MountFlags::empty()).map(|()| kind));
        Ok(Found { root: kind, size, beside: beside.transpose().map_err(FilesError::Mount)? })
    }

    /// Mounts `/dev` and `/proc`. A kernel without them still works; it says so.
    fn mount_nodes(
        &self,
        devices: Arc<nodes::KernelDevices<P>>,
        extras: nodes::Extras,
        notes: &mut Notes<'_, '_, P>,
    ) {
        let now = self.now();
        let Some(view) = self.view() else { return };
        let ctx = Ctx::root();
        let call = view.call(&ctx);
        let mut mount = |fs: Result<Arc<dyn FileSystem>, Text>, path: &str| {
            let mounted = fs.and_then(|fs| {
                let flags = MountFlags::NO_SUID | MountFlags::NO_EXEC;
                call.mount(fs, At::Cwd, path.as_bytes(), flags)
                    .map_err(|error| Text::new(format_args!("{error}")))
            });
            if let Err(error) = mounted {
                notes.warn(format_args!("no {path}: {error}"));
            }
        };
        let dev = nodes::dev::<P>(devices, self.key, now, extras, &self.disk_and_parts());
        mount(dev.map_err(|error| Text::new(format_args!("{error}"))), "/dev");
        let proc = nodes::proc::<P>(now);
        mount(proc.map_err(|error| Text::new(format_args!("{error}"))), "/proc");
    }

    /// Mounts `/bin` with the programs that the machine brings along: one file under all their names.
    fn mount_programs(&self, file: &[u8], free: usize, notes: &mut Notes<'_, '_, P>) {
        if file.is_empty() {
            return;
        }
        let Some(view) = self.view() else { return };
        let ctx = Ctx::root();
        if let Err(error) = self.put_programs(&view.call(&ctx), file, free) {
            notes.warn(format_args!("no programs in /bin: {}", error.meaning()));
        }
    }

    fn put_programs(
        &self,
        call: &Call<'_, '_, FilesEnv<P>>,
        program: &[u8],
        free: usize,
    ) -> Result<(), Errno> {
        match call.mkdir(At::Cwd, b"/bin", Mode::of(0o755)) {
            Ok(()) | Err(DirError::Exists) => {}
            Err(error) => return Err(error.errno()),
        }
        let fs = self.tmpfs(free, Mode::of(0o755)).map_err(|error| error.errno())?;
        call.mount(fs, At::Cwd, b"/bin", MountFlags::empty()).map_err(|error| error.errno())?;
        let how = How::create(OpenFlags::READ_WRITE, Mode::of(0o755));
        let mut path = heapless::String::<32>::new();
        let mut names = PROGRAMS.iter();
        let mut next = || {
            path.clear();
            write!(path, "/bin/{}", names.next()?).ok().map(|()| path.clone())
        };
        let Some(first) = next() else { return Ok(()) };
        let file = call.open(At::Cwd, first.as_bytes(), &how).map_err(|error| error.errno())?;
        let mut rest = program;
        while !rest.is_empty() {
            let written = call.write(&file, rest).map_err(|error| error.errno())?;
            rest = rest.get(written..).filter(|_| written > 0).ok_or(Errno::EIO)?;
        }
        while let Some(name) = next() {
            call.link_place(file.place(), At::Cwd, name.as_bytes()).map_err(|error| error.errno())?;
        }
        Ok(())
    }

    /// Mounts `/rom` with the programs of Linux that the machine brings along; in `/bin` they have their names.
    fn mount_rom(&self, programs: &'static [(&'static str, &'static [u8])], notes: &mut Notes<'_, '_, P>) {
        if programs.is_empty() {
            return;
        }
        let Some(view) = self.view() else { return };
        let ctx = Ctx::root();
        if let Err(error) = self.put_rom(&view.call(&ctx), programs) {
            notes.warn(format_args!("no programs of Linux in /bin: {}", error.meaning()));
        }
    }

    fn put_rom(
        &self,
        call: &Call<'_, '_, FilesEnv<P>>,
        programs: &'static [(&'static str, &'static [u8])],
    ) -> Result<(), Errno> {
        match call.mkdir(At::Cwd, b"/rom", Mode::of(0o755)) {
            Ok(()) | Err(DirError::Exists) => {}
            Err(error) => return Err(error.errno()),
        }
        let rom = Arc::new(rom::Rom::new(programs, self.now()));
        call.mount(rom, At::Cwd, b"/rom", MountFlags::READ_ONLY).map_err(|error| error.errno())?;
        for (name, _) in programs {
            let (mut target, mut link) = (heapless::String::<64>::new(), heapless::String::<64>::new());
            let written = write!(target, "/rom/{name}").and_then(|()| write!(link, "/bin/{name}"));
            written.map_err(|_| Errno::ENAMETOOLONG)?;
            call.symlink(target.as_bytes(), At::Cwd, link.as_bytes()).map_err(|error| error.errno())?;
        }
        Ok(())
    }

    /// Unpacks the archives that the boot loader brought into a root that is in memory.
    fn unpack(&self, platform: &P, notes: &mut Notes<'_, '_, P>) {
        let Some(view) = self.view() else { return };
        let ctx = Ctx::root();
        for module in platform.modules().filter(|module| module.starts_with(b"07070")) {
            match initramfs::unpack(module, &view.call(&ctx), At::Cwd, b"/") {
                Ok(done) => {
                    notes.warn(format_args!("initramfs: {} entries, {}", done.entries, Bytes(done.bytes)));
                }
                Err(error) => notes.warn(format_args!("initramfs: {error}")),
            }
        }
    }

    /// The parts of the disk; none if there is no disk.
    pub(crate) fn parts(&self) -> Result<Vec<Part<P>>, FsError> {
        self.disk.as_ref().map_or(Ok(Vec::new()), |disk| root::parts(disk, &self.claims))
    }

    /// All of the disk, then its partitions, as far as there is memory for them.
    fn disk_and_parts(&self) -> Vec<Part<P>> {
        let mut all = self.parts().unwrap_or_default();
        let is_whole = all.first().is_some_and(|part| part.number == 0);
        if let Some(disk) = self.disk.as_ref().filter(|_| !is_whole && all.try_reserve(1).is_ok()) {
            all.insert(0, root::whole(disk, &self.claims));
        }
        all
    }

    /// Writes what was changed when it is due, until it is told to end. A service of the kernel.
    pub(crate) fn keep_synced(kernel: &Kernel<P>, _: usize) {
        let mut due = Instant::from_ticks(0);
        while kernel.threads.sleep_until(Some(due)) != Resume::Interrupted {
            let Some(files) = kernel.files() else { return };
            let now = kernel.threads.runtime().now().duration_since_epoch();
            let next = files.vfs.tick(Duration::from_nanos(now.as_ticks()));
            due = Instant::from_ticks(u64::try_from(next.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Whether something outlives the machine.
    pub(crate) const fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// The disk.
    pub(crate) const fn disk(&self) -> Option<&P::Disk> {
        self.disk.as_ref()
    }

    /// The tables.
    pub(crate) const fn vfs(&self) -> &Vfs<FilesEnv<P>> {
        &self.vfs
    }

    /// Where a new shell stands.
    pub(crate) fn view(&self) -> Option<View<'_, FilesEnv<P>>> {
        self.vfs.root_view()
    }
}

/// Makes the directories that every system has.
fn furnish<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>) -> Result<(), DirError> {
    for (path, mode) in DIRECTORIES {
        match call.mkdir(At::Cwd, path, mode) {
            Ok(()) | Err(DirError::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Why there are no files.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesError {
    /// There is no memory for tables.
    Tables(ConfigError),
    /// The root file system could not be made.
    Root(FsError),
    /// It could not be mounted.
    Mount(MountError),
    /// It took no directories.
    Furnish(DirError),
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tables(cause) => cause.fmt(f),
            Self::Root(cause) => write!(f, "no root: {cause}"),
            Self::Mount(cause) => write!(f, "the root is not mounted: {cause}"),
            Self::Furnish(cause) => write!(f, "the root takes no directory: {cause}"),
        }
    }
}

impl Error for FilesError {}

impl From<FilesError> for Cause {
    fn from(error: FilesError) -> Self {
        Self::Files(error)
    }
}
