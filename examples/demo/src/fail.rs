//! Keeps the evidence of a failed run: `target/demo/fail/<process>/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::guest::Run;

/// Writes what a run left into a folder of its own under `folder`; returns it.
///
/// # Errors
/// The folder or a file in it cannot be written.
pub fn keep(folder: &Path, run: &Run, trouble: &str) -> io::Result<PathBuf> {
    let folder = folder.join("fail").join(std::process::id().to_string());
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("trouble.txt"), format!("{trouble}\n"))?;
    fs::write(folder.join("log.txt"), run.log.text())?;
    let parts = [
        ("registers.txt", run.registers.as_deref().map(str::as_bytes)),
        ("screen.png", run.screen.as_deref()),
        ("qemu.txt", Some(run.complaints.as_bytes())),
    ];
    for (name, bytes) in parts {
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(folder)
}
