//! Builds the kernel image with plain cargo.
//!
//! The image is a program for `x86_64-unknown-none` where that target is installed, else for the host, whose precompiled
//! `core` and `alloc` do as well. The target is always explicit: so the flags of the image miss build scripts and derive
//! macros. Cargo locks the target folder, so processes may build at the same time.

use core::time::Duration;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::process::{self, Finish};
use crate::report::Report;

/// The target without an operating system.
pub const BARE: &str = "x86_64-unknown-none";

/// No build of this tree takes longer.
const LIMIT: Duration = Duration::from_secs(1800);

/// Flags of the image: no red zone (interrupts run on the same stack), frame pointers (call chains), and code for fixed
/// addresses in the top 2 GiB. Separated as `CARGO_ENCODED_RUSTFLAGS` wants it.
const FLAGS: &str =
    "-Cno-redzone=yes\x1f-Cforce-frame-pointers=yes\x1f-Ccode-model=kernel\x1f-Crelocation-model=static";

/// Builds the image and returns its path. `target`: the target to build for instead of the one found; `python`: with Python, in a
/// folder of its own, so that who boots the other one meanwhile keeps it.
///
/// # Errors
/// The compiler cannot make an image, the build fails, takes too long, or is interrupted.
pub fn image(
    target: Option<&str>,
    python: bool,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Result<PathBuf, Error> {
    let target = target.map_or_else(find_target, |target| Ok(target.into()))?;
    let folder = if python { folder().join("with-python") } else { folder() };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).args([
        "build",
        "--package",
        "kos-x86-64",
        "--bin",
        "kos",
        "--features",
        if python { "python" } else { "image" },
    ]);
    cargo.args(["--profile", "image", "--target", &target, "--target-dir"]).arg(&folder);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", FLAGS).env_remove("RUSTFLAGS");
    // Cut up for the next build, the code is another, and its instructions are.
    cargo.env("CARGO_INCREMENTAL", "0");
    report.detail(&format!("building the kernel image for {target}"));
    let done = process::run(cargo, LIMIT, "building the kernel image", report, interrupt);
    let (finish, output) = done.map_err(Error::io("run cargo"))?;
    match finish {
        Finish::Exited(status) if status.success() => Ok(folder.join(target).join("image/kos")),
        Finish::Interrupted => Err(Error::Interrupted),
        Finish::Exited(_) | Finish::TimedOut => {
            Err(Error::Build(String::from_utf8_lossy(&output).into_owned()))
        }
    }
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// The folder for all that the command makes: `target/demo`.
#[must_use]
pub fn folder() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    workspace().join(target).join("demo")
}

/// The bare-metal target if the compiler has it, else the host's.
fn find_target() -> Result<String, Error> {
    if ask_rustc(&["--print", "target-libdir", "--target", BARE])
        .is_ok_and(|libraries| holds_core(Path::new(libraries.trim())))
    {
        return Ok(BARE.into());
    }
    let version = ask_rustc(&["--version", "--verbose"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("an unknown system");
    if host.starts_with("x86_64-") && host.contains("-linux-gnu") {
        return Ok(host.into());
    }
    Err(Error::NoTarget(host.into()))
}

fn holds_core(libraries: &Path) -> bool {
    let entries = libraries.read_dir().into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

fn ask_rustc(words: &[&str]) -> Result<String, Error> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(words).output().map_err(Error::io("run rustc"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
