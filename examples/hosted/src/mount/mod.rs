//! `cargo hosted mount`: a volume of kos on a directory of Linux, through FUSE.
//!
//! `server` answers the requests, `nodes` holds what Linux holds, `caller` finds out who asks, `convert` translates; `locks` keeps
//! locks, if asked to. One thread writes back what was changed at intervals; one waits for signals. However the mount ends, everything that was answered is
//! committed before the process does, unless it is killed: then what was synced is there.

mod caller;
mod convert;
mod locks;
mod nodes;
mod server;

use alloc::sync::Arc;
use core::time::Duration;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use fuser::{MountOption, Session, SessionACL, SessionUnmounter};
use kos_vfs::fs::FileSystem;
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::{Config, Mode, MountFlags, OpenFile, Place, Vfs, WallClock as _};
use rustix::mount::UnmountFlags;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::disk::{FileDisk, volume};
use crate::fs::env::{Clock, SleepEnv};
use locks::Locks;
use server::Server;

type Spot = Place<'static, SleepEnv>;
type File = OpenFile<'static, SleepEnv>;

/// Arguments of `cargo hosted mount`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Take no changes, and leave the image as it is.
    #[arg(long)]
    ro: bool,
    /// Keep so many bytes of files in memory (bytes, or with K, M, G), beside what Linux keeps; 0: none.
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = crate::disk::size)]
    cache: u64,
    /// Make what was changed durable after so many seconds; 0: only when asked to.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    sync_interval: u64,
    /// Keep the locks that `fcntl` takes here, not in Linux. Who waits for one cannot be interrupted then.
    #[arg(long)]
    locks: bool,
    /// A file with a volume, or `tmpfs:` for an empty one in memory.
    image: PathBuf,
    /// The directory to mount it on.
    dir: PathBuf,
}

/// Runs the command until the volume is unmounted; its exit status: 0 all is committed, 1 something failed, 8 not mounted.
pub fn run(arguments: &Arguments) -> u8 {
    let served = match prepare(arguments) {
        Ok(served) => served,
        Err(error) => {
            eprintln!("{}: {error}", arguments.image.display());
            return 8;
        }
    };
    match serve(served, arguments) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{}: {error}", arguments.dir.display());
            1
        }
    }
}

/// A file system, mounted in a [`Vfs`] but not yet on a directory.
struct Served {
    vfs: &'static Vfs<SleepEnv>,
    server: Server,
    kind: &'static str,
}

fn prepare(arguments: &Arguments) -> Result<Served, Box<dyn core::error::Error>> {
    let fs = open(&arguments.image, arguments.ro)?;
    let random = rustix::rand::getrandom;
    let mut key = [0; 8];
    random(&mut key, rustix::rand::GetRandomFlags::empty())?;
    // Linux forgets a file once nobody uses it, so these are bounds of what is open or stood in at one time.
    let config = Config {
        dentries: 1 << 16,
        name_bytes: 16 << 20,
        files: 1 << 16,
        hash_key: u64::from_le_bytes(key),
        cache_bytes: usize::try_from(arguments.cache)?,
        locks: 1 << 12,
        lock_waiters: 1 << 8,
        sync_interval: Duration::from_secs(arguments.sync_interval),
        ..Config::default()
    };
    // It lives as long as the process: requests come on threads that know no shorter time.
    let vfs: &'static Vfs<SleepEnv> = Box::leak(Box::new(Vfs::new(&config, Clock::Host)?));
    let flags = if arguments.ro { MountFlags::READ_ONLY } else { MountFlags::empty() };
    let view = vfs.mount_root(Arc::clone(&fs), flags)?;
    let kind = fs.info().kind;
    let locks = if arguments.locks { Some(Locks::new()?) } else { None };
    Ok(Served { vfs, server: Server::new(view, fs, locks)?, kind })
}

fn open(image: &Path, read_only: bool) -> Result<Arc<dyn FileSystem>, Box<dyn core::error::Error>> {
    if image == Path::new("tmpfs:") {
        let config = TmpfsConfig {
            bytes: 1 << 30,
            inodes: 1 << 20,
            mode: Mode::of(0o755),
            now: Clock::Host.now(),
            ..TmpfsConfig::default()
        };
        return Ok(Arc::new(Tmpfs::<SleepEnv>::new(&config)?));
    }
    Ok(volume::open(FileDisk::open(image, read_only)?, read_only)?)
}

fn serve(served: Served, arguments: &Arguments) -> io::Result<()> {
    let Served { vfs, server, kind } = served;
    let mut session = Session::new(server, &arguments.dir, &options(arguments))?;
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (handle, unmounter, dir) = (signals.handle(), session.unmount_callable(), arguments.dir.clone());
    let watcher = thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.forever().next().is_some() {
            unmount(unmounter, &dir);
        }
    })?;
    let (stop, stopped) = mpsc::channel();
    let on = arguments.sync_interval > 0;
    let work = move || {
        if on {
            write_back(vfs, &stopped);
        }
    };
    let writer = thread::Builder::new().name("write-back".into()).spawn(work)?;
    say(&format!("{} on {} type {kind}", arguments.image.display(), arguments.dir.display()));
    let result = session.run();
    drop(stop);
    handle.close();
    // Threads that panicked have nothing more to do.
    let _ = (watcher.join(), writer.join());
    result.and(vfs.sync().map_err(io::Error::other))
}

/// Tells who waits for it that the directory is served. Nobody is left to tell when standard output is gone.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn options(arguments: &Arguments) -> fuser::Config {
    let mut config = fuser::Config::default();
    // A comma would end the name.
    let name = arguments.image.to_string_lossy().replace(',', "_");
    config.mount_options = vec![
        MountOption::FSName(name),
        MountOption::CUSTOM("subtype=kos".into()),
        if arguments.ro { MountOption::RO } else { MountOption::RW },
    ];
    if rustix::process::geteuid().is_root() {
        config.acl = SessionACL::All;
    }
    let threads = thread::available_parallelism().map_or(2, usize::from);
    (config.n_threads, config.clone_fd) = (Some(threads.clamp(2, 16)), true);
    config
}

/// Takes the mount away. Where somebody still uses it, it is gone for him at once.
fn unmount(mut unmounter: SessionUnmounter, dir: &Path) {
    if unmounter.unmount().is_err() {
        let flags = UnmountFlags::FORCE | UnmountFlags::DETACH;
        if let Err(error) = rustix::mount::unmount(dir, flags) {
            eprintln!("{}: {error}", dir.display());
        }
    }
}

/// Writes what was changed, when it is due, until the other end of `stopped` is gone.
fn write_back(vfs: &Vfs<SleepEnv>, stopped: &mpsc::Receiver<()>) {
    let begin = Instant::now();
    loop {
        let due = vfs.tick(begin.elapsed());
        let wait = due.saturating_sub(begin.elapsed());
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
