//! Gives the linker of the kernel image, and of nothing else, its script and its arguments; and the image its own name, target
//! and compiler, and the programs that it brings along.
//!
//! For a hosted target rustc links through the C compiler, which wants `-Wl,`; for a bare one it calls the linker itself.

use core::error::Error;
use std::env::{var, var_os};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
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
    // Only the image brings programs along.
    if var_os("CARGO_FEATURE_IMAGE").is_none() {
        return Ok(());
    }
    build_programs()?;
    build_std_program()
}

/// The target of programs: the image's own. For a bare one `core` may be built along, and nobody but Cargo knows where; the host's
/// is there, and its code is as good in ring 3.
fn target_of_programs() -> Result<String, Box<dyn Error>> {
    let (host, target) = (var("HOST")?, var("TARGET")?);
    let same_machine = host.split('-').next() == target.split('-').next();
    Ok(if target.ends_with("-none") && same_machine { host } else { target })
}

/// Compiles `examples/user` for ring 3: without the image's flags, which are none of a program's.
fn build_programs() -> Result<(), Box<dyn Error>> {
    let target = target_of_programs()?;
    let bare = target.ends_with("-none");
    let prefix = if bare { "" } else { "-Wl," };
    let (source, out) = (format!("{}/../user", var("CARGO_MANIFEST_DIR")?), var("OUT_DIR")?);
    println!("cargo::rerun-if-changed={source}");
    let (library, program) = (format!("{out}/libkos_user.rlib"), format!("{out}/programs"));
    let aim = format!("--target={target}");
    rustc("lib", &format!("{source}/src/lib.rs"), &library, &["--crate-name=kos_user".into(), aim.clone()])?;
    let mut arguments = vec![format!("--extern=kos_user={library}"), "--crate-name=programs".into(), aim];
    if !bare {
        let hosted = ["-nostartfiles", "-nostdlib", "-static", "-no-pie"];
        arguments.extend(hosted.map(|argument| format!("-Clink-arg={argument}")));
    }
    let script = format!("-T{source}/program/link.ld");
    let linked =
        ["--build-id=none", "--gc-sections", "-zmax-page-size=4096", "-znoexecstack", "-S", script.as_str()];
    arguments.extend(linked.map(|argument| format!("-Clink-arg={prefix}{argument}")));
    arguments.extend(["-Clto".into(), "-Crelocation-model=static".into()]);
    rustc("bin", &format!("{source}/program/main.rs"), &program, &arguments)
}

/// Compiles `examples/user/std` as anybody builds a static program for Linux: with std and the host's C library. Where that cannot be,
/// as on a host that is another machine or has no `libc.a`, the image goes without, and says so.
fn build_std_program() -> Result<(), Box<dyn Error>> {
    let (host, out) = (var("HOST")?, var("OUT_DIR")?);
    let (source, program) =
        (format!("{}/../user/std/main.rs", var("CARGO_MANIFEST_DIR")?), format!("{out}/stdhello"));
    let built = if host.starts_with("x86_64-") && host.contains("-linux-") {
        // In place of LTO the linker takes out what nobody calls.
        let static_ = ["-Ctarget-feature=+crt-static", "-Crelocation-model=static", "-Cstrip=symbols"];
        let output = Command::new(var("RUSTC")?)
            .args(["--edition=2024", "-Copt-level=s", "-Ccodegen-units=1", "--crate-type=bin"])
            .args(["--crate-name=stdhello", &format!("--target={host}")])
            .args(static_)
            .args([&source, "-o", &program])
            .output()?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    } else {
        Err(format!("{host} is not Linux on x86_64"))
    };
    if let Err(why) = built {
        let line = why.lines().find(|line| line.starts_with("error")).or(why.lines().next()).unwrap_or("");
        println!("cargo::warning=no static program of std in the image (is there a libc.a?): {line}");
        std::fs::write(&program, [])?;
    }
    Ok(())
}

fn rustc(kind: &str, source: &str, to: &str, more: &[String]) -> Result<(), Box<dyn Error>> {
    let mut rustc = Command::new(var("RUSTC")?);
    // With a chain of frames and symbols: what a program does wrong is told by the names of its functions.
    rustc.args(["--edition=2024", "-Copt-level=s", "-Cpanic=abort", "-Ccodegen-units=1"]);
    rustc.arg("-Cforce-frame-pointers=yes");
    rustc.arg(format!("--crate-type={kind}")).args(more);
    let done = rustc.arg(source).arg("-o").arg(to).status()?;
    if done.success() { Ok(()) } else { Err(format!("{source} is not compiled: {done}").into()) }
}

/// Its name and version, without the date.
fn compiler(rustc: &str) -> String {
    let answer =
        Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer);
    answer.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}
