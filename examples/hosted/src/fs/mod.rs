//! `cargo hosted fs IMAGE --exec-script FILE`: file-system calls as text, on a file system of kos or on the host's own.
//!
//! The language is that of [`kos_vfs::testing::script`]. One answer a line, flushed at once; what is not a call, or was expected
//! otherwise, is told on standard error with its line number. On an image there are two lines more:
//!
//! | line | what |
//! |---|---|
//! | `crash` | what was not flushed to the image is lost, and it is mounted again; processes and descriptors are as at the start |
//! | `inject eio K` | of the requests to the image from here on, number K fails, from 0 |
//! | `inject enospc K`, `inject enomem K` | of the calls to the file system that may take space (memory), number K does nothing and fails |

pub mod env;
mod faulty;
mod host;
mod image;
mod script;

use alloc::sync::Arc;
use core::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub use host::{HostBackend, HostError};
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::testing::script::VfsBackend;
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{Config, Mode, MountFlags, Vfs};
use script::Script;

/// Arguments of `cargo hosted fs`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A file with a volume, `tmpfs:` for an empty file system of kos in memory, `host:DIR` for a directory of the host (needs
    /// root; its content is changed).
    image: String,
    /// The calls, one a line; `-` reads them from standard input.
    #[arg(long, value_name = "FILE")]
    exec_script: PathBuf,
}

/// Runs the command; its exit status: 0 all lines were calls and answered as expected, 1 not, 8 there is no such image, or
/// the host refused.
pub fn run(arguments: &Arguments) -> u8 {
    let input: Box<dyn BufRead> = if arguments.exec_script == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        match File::open(&arguments.exec_script) {
            Ok(file) => Box::new(BufReader::new(file)),
            Err(error) => return refuse(8, &format!("{}: {error}", arguments.exec_script.display())),
        }
    };
    let mut script = Script::new(input, io::stdout().lock());
    let result = match arguments.image.split_once(':') {
        Some(("tmpfs", "")) => on_tmpfs(|backend| script.run(backend, None).map(drop).map_err(Into::into)),
        Some(("host", dir)) => on_host(Path::new(dir), &mut script),
        _ => image::run(Path::new(&arguments.image), &now(), &mut script),
    };
    match result {
        Ok(()) => u8::from(script.failures > 0),
        Err(error) => refuse(8, &format!("{}: {error}", arguments.image)),
    }
}

fn on_host(dir: &Path, script: &mut Script<impl BufRead, impl Write>) -> Result<(), Box<dyn Error>> {
    script.run(HostBackend::new(dir)?, None)?;
    Ok(())
}

/// A clock that begins with the host's time.
fn now() -> TestClock {
    TestClock::at(UNIX_EPOCH.elapsed().map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(0)))
}

fn refuse(status: u8, text: &str) -> u8 {
    eprintln!("{text}");
    status
}

/// Gives `work` a process on an empty [`Tmpfs`]; its root directory is user 0's, mode 0755.
///
/// # Panics
/// There is no memory for its tables.
pub fn on_tmpfs<R>(work: impl FnOnce(VfsBackend<'_>) -> R) -> R {
    let clock = now();
    let mode = Mode::from_bits_truncate(0o755);
    let limits = TmpfsConfig { mode, bytes: 256 << 20, inodes: 1 << 16, ..TmpfsConfig::default() };
    let tables = "no memory for the tables of a small file system";
    let vfs = Vfs::<HostEnv>::new(&Config::default(), clock.clone());
    let (Ok(vfs), Ok(fs)) = (vfs, Tmpfs::<HostEnv>::new(&limits)) else { unreachable!("{tables}") };
    let Ok(view) = vfs.mount_root(Arc::new(fs), MountFlags::empty()) else { unreachable!("{tables}") };
    work(VfsBackend::new(view, clock))
}
