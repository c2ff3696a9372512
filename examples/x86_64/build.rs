//! Gives the linker of the kernel image, and of nothing else, its script and its arguments; and the image its own name: target
//! and compiler.
//!
//! For a hosted target rustc links through the C compiler, which wants `-Wl,`; for a bare one it calls the linker itself.

use std::env::{VarError, var};
use std::process::Command;

fn main() -> Result<(), VarError> {
    let script = format!("{}/image/link.ld", var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-changed={script}");
    let bare = var("CARGO_CFG_TARGET_OS")? == "none";
    if !bare {
        for argument in ["-nostartfiles", "-nostdlib", "-static", "-no-pie"] {
            println!("cargo::rustc-link-arg-bin=kos={argument}");
        }
    }
    let prefix = if bare { "" } else { "-Wl," };
    for argument in ["--build-id=none", "--gc-sections", "-zmax-page-size=4096", "-znoexecstack"] {
        println!("cargo::rustc-link-arg-bin=kos={prefix}{argument}");
    }
    println!("cargo::rustc-link-arg-bin=kos={prefix}-T{script}");
    println!("cargo::rustc-env=KOS_BUILD={} {}", var("TARGET")?, compiler(&var("RUSTC")?));
    Ok(())
}

/// Its name and version, without the date.
fn compiler(rustc: &str) -> String {
    let answer =
        Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer);
    answer.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}
