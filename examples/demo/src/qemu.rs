//! Finds QEMU; installs it where that is possible and allowed.
//!
//! Order: the path asked for (`--qemu`, then `KOS_QEMU`), `PATH`, then, as root with apt-get, the package
//! `qemu-system-x86`. What is done is said first. The tests take the same way as the command.

use core::error::Error as CoreError;
use core::fmt;
use core::time::Duration;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::os_release;
use crate::process::{self, Finish};
use crate::report::Report;

/// The program.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// The package of Debian and its kin.
const PACKAGE: &str = "qemu-system-x86";

/// Longest time for everything that apt-get does.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Where to look, and what may be done.
#[derive(Clone, Debug)]
pub struct Search {
    /// A path that the user gave: nothing else will do.
    pub given: Option<PathBuf>,
    /// The directories to look in, as in `PATH`.
    pub path: OsString,
    /// Whether this is root, who may install packages.
    pub root: bool,
    /// Whether the user lets us.
    pub may_install: bool,
    /// Longest time for the installation.
    pub limit: Duration,
}

/// Why there is no QEMU.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The path that was given is no program.
    Given(PathBuf),
    /// Not found, and installing is forbidden.
    Forbidden,
    /// Not found, and installing takes root and apt-get.
    NotPermitted,
    /// apt-get failed; holds what it said.
    InstallFailed(String),
    /// apt-get took too long.
    InstallTimedOut,
    /// apt-get succeeded, and there is still no program.
    StillMissing,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(path) => return write!(f, "no QEMU: {} is no program", path.display()),
            Self::Forbidden | Self::NotPermitted => write!(f, "no QEMU: {PROGRAM} is not installed")?,
            Self::InstallFailed(output) => write!(f, "no QEMU: apt-get failed:\n{}", output.trim_end())?,
            Self::InstallTimedOut => f.write_str("no QEMU: apt-get took too long")?,
            Self::StillMissing => {
                write!(f, "no QEMU: apt-get installed {PACKAGE}, but there is no {PROGRAM}")?;
            }
        }
        write!(f, "\nto install it: {}\nwithout it: cargo hosted shell", os_release::install_line())
    }
}

impl CoreError for Missing {}

impl Search {
    /// The search on this system. `given` is the path from the command line; without it `KOS_QEMU` counts.
    #[must_use]
    pub fn here(given: Option<PathBuf>, may_install: bool) -> Self {
        let given =
            given.or_else(|| env::var_os("KOS_QEMU").filter(|path| !path.is_empty()).map(PathBuf::from));
        let path = env::var_os("PATH").unwrap_or_default();
        let root = rustix::process::geteuid().is_root();
        Self { given, path, root, may_install, limit: INSTALL_LIMIT }
    }

    /// Finds QEMU, installing it if need be.
    ///
    /// # Errors
    /// [`Error::Qemu`] with the reason; [`Error::Interrupted`]; an apt-get that cannot be started.
    pub fn find(&self, report: &mut Report, interrupt: &Interrupt) -> Result<PathBuf, Error> {
        if let Some(given) = &self.given {
            return given_program(given, &self.path)
                .ok_or_else(|| Error::Qemu(Missing::Given(given.clone())));
        }
        match in_path(PROGRAM, &self.path) {
            Some(program) => Ok(program),
            None if !self.may_install => Err(Error::Qemu(Missing::Forbidden)),
            None => self.install(report, interrupt),
        }
    }

    fn install(&self, report: &mut Report, interrupt: &Interrupt) -> Result<PathBuf, Error> {
        let Some(apt) = in_path("apt-get", &self.path).filter(|_| self.root) else {
            return Err(Error::Qemu(Missing::NotPermitted));
        };
        report.say(&format!(
            "{PROGRAM} is missing: installing the package {PACKAGE} with apt-get (--no-install forbids it)"
        ));
        let started = Instant::now();
        let mut apt_get = |words: &[&str], what: &str| {
            let mut command = Command::new(&apt);
            command.args(["-q", "-o", "DPkg::Lock::Timeout=600"]).args(words);
            command.env("DEBIAN_FRONTEND", "noninteractive").env("PATH", &self.path);
            let left = self.limit.saturating_sub(started.elapsed());
            let done = process::run(command, left, what, report, interrupt);
            done.map_err(Error::io("run apt-get")).and_then(|(finish, output)| judge(&finish, &output))
        };
        let install = ["install", "-y", "--no-install-recommends", PACKAGE];
        if apt_get(&install, "installing QEMU")?.is_err() {
            // The package lists may be old or absent: fetch them and try once more.
            let _ = apt_get(&["update"], "fetching package lists")?;
            apt_get(&install, "installing QEMU")?
                .map_err(|output| Error::Qemu(Missing::InstallFailed(output)))?;
        }
        in_path(PROGRAM, &self.path).ok_or(Error::Qemu(Missing::StillMissing))
    }
}

/// Success, or failure with what apt-get said; what forbids another try is the outer error.
fn judge(finish: &Finish, output: &[u8]) -> Result<Result<(), String>, Error> {
    match finish {
        Finish::Exited(status) if status.success() => Ok(Ok(())),
        Finish::Exited(_) => Ok(Err(String::from_utf8_lossy(output).into_owned())),
        Finish::TimedOut => Err(Error::Qemu(Missing::InstallTimedOut)),
        Finish::Interrupted => Err(Error::Interrupted),
    }
}

/// Makes sure that KVM can be used, before QEMU is asked to.
///
/// # Errors
/// [`Error::Kvm`] if the device is absent or closed to this user.
pub fn probe_kvm() -> Result<(), Error> {
    File::options().read(true).write(true).open("/dev/kvm").map(drop).map_err(Error::Kvm)
}

/// A bare name is looked up, a path is taken as it is: as a shell does.
fn given_program(given: &Path, path: &OsStr) -> Option<PathBuf> {
    match given.to_str() {
        Some(name) if !name.contains('/') => in_path(name, path),
        _ => Some(given.to_path_buf()).filter(|given| is_program(given)),
    }
}

fn in_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(name)).find(|candidate| is_program(candidate))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
