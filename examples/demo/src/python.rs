//! MicroPython for the guest: fetched by npm, checked by its sum, kept in `target/demo/python`, handed over in an archive.

use core::fmt;
use core::time::Duration;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use kos_vfs::testing::CpioWriter;
use sha2::{Digest as _, Sha256};

use crate::build;
use crate::interrupt::Interrupt;
use crate::process::{self, Finish};
use crate::report::Report;

/// What npm is asked for.
pub const PACKAGE: &str = "@micropython/micropython-webassembly-pyscript@1.27.0";
/// What it makes of that.
const TARBALL: &str = "micropython-micropython-webassembly-pyscript-1.27.0.tgz";
/// The one file of it that matters.
const MODULE: &str = "package/micropython.wasm";
/// Its SHA-256.
pub const SHA256: &str = "06338c955b03c5700aa0069015d3e392d76836ef8e2ce25bedbe59b88ccd373c";
/// It has 0.2 MB.
const LIMIT: Duration = Duration::from_secs(120);

/// Why there is no MicroPython.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// The program is not there: npm, or tar.
    Missing(&'static str),
    /// It failed; holds the last line of what it said.
    Failed(&'static str, String),
    /// What came is something else; holds its SHA-256.
    OtherSum(String),
    /// A file cannot be read or written.
    Io(PathBuf, io::Error),
    /// A signal asked to end.
    Interrupted,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(program) => write!(f, "no MicroPython: there is no {program} here to fetch it"),
            Self::Failed(program, line) => write!(f, "no MicroPython: {program} failed: {line}"),
            Self::OtherSum(sum) => write!(f, "no MicroPython: what came has the SHA-256 {sum}, not {SHA256}"),
            Self::Io(path, cause) => write!(f, "no MicroPython: {}: {cause}", path.display()),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl core::error::Error for FetchError {}

/// MicroPython, if it was fetched before and is what it should be.
#[must_use]
pub fn kept() -> Option<Vec<u8>> {
    fs::read(folder().join(MODULE)).ok().filter(|module| sum(module) == SHA256)
}

/// MicroPython, fetched if it is not there.
///
/// # Errors
/// Why it is not to be had.
pub fn fetch(report: &mut Report, interrupt: &Interrupt) -> Result<Vec<u8>, FetchError> {
    if let Some(module) = kept() {
        return Ok(module);
    }
    let folder = folder();
    fs::create_dir_all(&folder).map_err(|cause| FetchError::Io(folder.clone(), cause))?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", PACKAGE, "--pack-destination"]).arg(&folder);
    run("npm", npm, report, interrupt)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(folder.join(TARBALL)).arg("-C").arg(&folder).arg(MODULE);
    run("tar", tar, report, interrupt)?;
    let path = folder.join(MODULE);
    let module = fs::read(&path).map_err(|cause| FetchError::Io(path, cause))?;
    match sum(&module) {
        found if found == SHA256 => Ok(module),
        found => Err(FetchError::OtherSum(found)),
    }
}

/// An archive that puts `module` where the kernel looks for it, and `settings` where its `pip` does.
#[must_use]
pub fn archive(module: &[u8], settings: Option<&str>) -> Vec<u8> {
    let folders = ["usr", "usr/lib", "usr/lib/python"];
    let archive = folders.iter().fold(CpioWriter::new(), |archive, name| archive.add(name, 0o040_755, b""));
    let archive = archive.add("usr/lib/python/micropython.wasm", 0o100_644, module);
    // The root has this folder.
    let archive = settings
        .into_iter()
        .fold(archive, |archive, settings| archive.add("etc/pip.conf", 0o100_644, settings.as_bytes()));
    archive.finish()
}

fn run(
    name: &'static str,
    command: Command,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Result<(), FetchError> {
    let done = process::run(command, LIMIT, "fetching MicroPython", report, interrupt);
    match done {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(FetchError::Missing(name)),
        Err(cause) => Err(FetchError::Failed(name, cause.to_string())),
        Ok((Finish::Exited(status), _)) if status.success() => Ok(()),
        Ok((Finish::Interrupted, _)) => Err(FetchError::Interrupted),
        Ok((Finish::TimedOut, _)) => Err(FetchError::Failed(name, "it took too long".into())),
        Ok((Finish::Exited(_), said)) => {
            let said = String::from_utf8_lossy(&said);
            let line = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            Err(FetchError::Failed(name, line.into()))
        }
    }
}

/// Where it is kept: beside what else the commands make, whoever's target folder that is.
fn folder() -> PathBuf {
    build::folder().join("python")
}

pub(crate) fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{SHA256, sum};

    #[test]
    fn sums_are_those_of_the_field() {
        assert_eq!(sum(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(SHA256.len(), 64);
    }
}
