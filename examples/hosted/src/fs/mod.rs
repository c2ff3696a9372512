//! `cargo hosted fs IMAGE --exec-script FILE`: file-system calls as text, on a file system of kos or on the host's own.
//!
//! The language is that of [`kos_vfs::testing::script`]. One answer a line, flushed at once; what is not a call, or was expected
//! otherwise, is told on standard error with its line number.

pub mod env;
mod host;

use alloc::sync::Arc;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

pub use host::{HostBackend, HostError};
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::testing::script::{Backend, Engine, Outcome, VfsBackend};
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{Config, Mode, MountFlags, Vfs};

/// Arguments of `cargo hosted fs`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// `tmpfs:` for an empty file system of kos in memory, `host:DIR` for a directory of the host (needs root; its content is
    /// changed).
    image: String,
    /// The calls, one a line; `-` reads them from standard input.
    #[arg(long, value_name = "FILE")]
    exec_script: PathBuf,
}

/// Runs the command; its exit status: 0 all lines were calls and answered as expected, 1 not, 2 wrong usage, 8 the host refused.
pub fn run(arguments: &Arguments) -> u8 {
    let input: Box<dyn BufRead> = if arguments.exec_script == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        match File::open(&arguments.exec_script) {
            Ok(file) => Box::new(BufReader::new(file)),
            Err(error) => return refuse(8, &format!("{}: {error}", arguments.exec_script.display())),
        }
    };
    let output = io::stdout().lock();
    let result = match arguments.image.split_once(':') {
        Some(("tmpfs", "")) => on_tmpfs(|backend| script(backend, input, output)),
        Some(("host", dir)) => match HostBackend::new(Path::new(dir)) {
            Ok(backend) => script(backend, input, output),
            Err(error) => return refuse(8, &format!("{dir}: {error}")),
        },
        _ => return refuse(2, "an image is tmpfs: or host:DIR"),
    };
    match result {
        Ok(failures) => u8::from(failures > 0),
        Err(error) => refuse(8, &error.to_string()),
    }
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
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(0));
    let clock = TestClock::at(now);
    let mode = Mode::from_bits_truncate(0o755);
    let limits = TmpfsConfig { mode, bytes: 256 << 20, inodes: 1 << 16, ..TmpfsConfig::default() };
    let tables = "no memory for the tables of a small file system";
    let vfs = Vfs::<HostEnv>::new(&Config::default(), clock.clone());
    let (Ok(vfs), Ok(fs)) = (vfs, Tmpfs::<HostEnv>::new(&limits)) else { unreachable!("{tables}") };
    let Ok(view) = vfs.mount_root(Arc::new(fs), MountFlags::empty()) else { unreachable!("{tables}") };
    work(VfsBackend::new(view, clock))
}

/// Runs the lines of `input`; how many were no calls, or were answered otherwise than expected.
fn script(backend: impl Backend, input: impl BufRead, mut output: impl Write) -> io::Result<u64> {
    let mut engine = Engine::new(backend);
    let mut failures = 0;
    for (line, text) in (1_u64..).zip(input.split(b'\n')) {
        let answer = match engine.line(&text?) {
            Ok(Outcome::Nothing) => continue,
            Ok(Outcome::Answer(answer)) => answer,
            Ok(Outcome::Mismatch { expected, answer }) => {
                eprintln!("line {line}: expected {expected}, got {answer}");
                failures += 1;
                answer
            }
            Err(error) => {
                eprintln!("line {line}: {error}");
                failures += 1;
                continue;
            }
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(failures)
}
