//! `pip`: packages come and go whole.
//!
//! A package is there when its `.dist-info` is: that name comes last and goes first, by one rename. Everything else of it is
//! beside that before, under its own name: `.pip/names` says which, from before the first of them comes until after the last
//! is gone. So whoever finds `.pip/names` knows what to do: take those names away if the `.dist-info` is not there.
//! `installed.json` is a list for people and tools, written anew each time; nothing here reads it.
//!
//! Only what is asked for comes. What it needs besides and is not there is named.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use kos_vfs::fs::RenameFlags;
use kos_vfs::{At, AtFlags, Errno};

use super::venv::write;
use super::{failed, fetch, text_of, variable};
use crate::cmds::files::names::Names;
use crate::cmds::files::{make, remove};
use crate::platform::Platform;
use crate::python::program::read;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::text::Text;
use crate::wheel::index::Wanted;
use crate::wheel::{MOST, Wheel, field, normal, requirements};

/// Where packages go without a venv.
const SYSTEM: &str = "/usr/lib/python/site-packages";
/// Most bytes of what is read of an installed package.
const ABOUT: u64 = 256 << 10;

pub(in crate::cmds) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let site = match variable(session, "VIRTUAL_ENV") {
        Some(venv) => alloc::format!("{venv}/lib/python/site-packages"),
        None => String::from(SYSTEM),
    };
    match arguments {
        ["list"] => {
            for Package { name, version, .. } in packages(session, &site)? {
                writeln!(streams, "{name} {version}")?;
            }
            Ok(Next::Continue)
        }
        ["install", path] if path.contains('/') || path.ends_with(".whl") => {
            let bytes = read(session, path.as_bytes(), MOST).map_err(|why| why.of(path))?;
            install(session, &site, path.rsplit('/').next().unwrap_or(path), &bytes, streams)
        }
        ["install", wanted] => install_named(session, &site, wanted, None, streams),
        ["install", "--index", index, wanted] => install_named(session, &site, wanted, Some(index), streams),
        ["uninstall", name] => {
            recover(session, &site, streams)?;
            uninstall(session, &site, name, streams)
        }
        _ => Err(CommandError::Usage(Text::new(format_args!("what?")))),
    }
}

/// An installed package.
struct Package {
    name: String,
    version: String,
    /// Its `.dist-info`.
    info: String,
}

/// The packages at `site`, by name.
fn packages<P: Platform>(session: &mut Session<'_, P>, site: &str) -> Result<Vec<Package>, CommandError> {
    let mut packages = Vec::new();
    if !is_there(session, site)? {
        return Ok(packages);
    }
    let names = Names::of(&session.call()?, site.as_bytes())?;
    for info in names.iter().filter(|name| name.ends_with(b".dist-info")) {
        let info = String::from(text_of(info)?);
        let about = about(session, site, &info, "METADATA")?;
        let [name, version] = ["Name", "Version"].map(|key| String::from(field(&about, key).unwrap_or("?")));
        packages.try_reserve(1).map_err(|_| failed(format_args!("no memory")))?;
        packages.push(Package { name, version, info });
    }
    Ok(packages)
}

/// Whether there is something at `path`. Who cannot look knows neither: packages would be taken for gone when memory ends.
pub(super) fn is_there<P: Platform>(session: &mut Session<'_, P>, path: &str) -> Result<bool, CommandError> {
    match session.call()?.resolve(At::Cwd, path.as_bytes(), AtFlags::NO_FOLLOW) {
        Ok(_) => Ok(true),
        Err(error) if error.errno() == Errno::ENOENT => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn about<P: Platform>(
    session: &mut Session<'_, P>,
    site: &str,
    info: &str,
    file: &str,
) -> Result<Vec<u8>, CommandError> {
    let path = alloc::format!("{site}/{info}/{file}");
    read(session, path.as_bytes(), ABOUT).map_err(|why| why.of(&path))
}

/// Installs what an index has under a name.
fn install_named<'k, P: Platform>(
    session: &mut Session<'k, P>,
    site: &str,
    wanted: &str,
    index: Option<&str>,
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let wanted = Wanted::parse(wanted)?;
    check_new(session, site, &wanted.name)?;
    let fetched = fetch::fetch(session, &wanted, index, streams)?;
    install(session, site, &fetched.file, &fetched.bytes, streams)
}

/// Refuses a package that is there.
fn check_new<P: Platform>(session: &mut Session<'_, P>, site: &str, name: &str) -> Result<(), CommandError> {
    for known in packages(session, site)? {
        if normal(&known.name)? == name {
            return Err(failed(format_args!("{} {} is installed already", known.name, known.version)));
        }
    }
    Ok(())
}

/// Installs the wheel in `bytes`, the file called `file`.
fn install<'k, P: Platform>(
    session: &mut Session<'k, P>,
    site: &str,
    file: &str,
    bytes: &[u8],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    make::mkdir(session, &["-p", site], streams)?;
    recover(session, site, streams)?;
    let wheel = Wheel::read(file, bytes).map_err(|why| failed(format_args!("{file}: {why}")))?;
    check_new(session, site, &normal(wheel.name.name)?)?;
    let tops = wheel.tops()?;
    for top in &tops {
        let path = alloc::format!("{site}/{top}");
        if is_there(session, &path)? {
            return Err(failed(format_args!("{path} is there, and of no package")));
        }
    }
    let placed = place(session, site, &wheel, &tops, streams);
    if placed.is_err() {
        // What was begun goes again; if it cannot now, the next one does it.
        let _ = recover(session, site, streams);
        return placed;
    }
    recover(session, site, streams)?;
    writeln!(streams, "{} {} is installed", wheel.name.name, wheel.name.version)?;
    // It is installed, whether or not all can be said.
    let _ = tell_needs(session, site, &wheel, streams);
    Ok(Next::Continue)
}

/// Names what a package needs and is not there.
fn tell_needs<'k, P: Platform>(
    session: &mut Session<'k, P>,
    site: &str,
    wheel: &Wheel<'_>,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<(), CommandError> {
    let mut there = packages(session, site)?;
    if site != SYSTEM {
        there.append(&mut packages(session, SYSTEM)?);
    }
    for need in requirements(wheel.metadata()) {
        let name = normal(need.name)?;
        let is_it = |known: &Package| normal(&known.name).is_ok_and(|known| known == name);
        match (there.iter().any(is_it), need.marker) {
            (true, _) => {}
            (false, "") => writeln!(streams, "it needs {}, which is not installed", need.text)?,
            (false, marker) => {
                writeln!(streams, "it needs {} where {marker}; it is not installed", need.text)?;
            }
        }
    }
    Ok(())
}

/// Writes all files of a wheel beside, then moves its names; its `.dist-info` last.
fn place<'k, P: Platform>(
    session: &mut Session<'k, P>,
    site: &str,
    wheel: &Wheel<'_>,
    tops: &[String],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let beside = alloc::format!("{site}/.pip");
    make::mkdir(session, &["-p", &beside], streams)?;
    for (path, bytes) in &wheel.files {
        if let Some((dir, _)) = path.rsplit_once('/') {
            make::mkdir(session, &["-p", &alloc::format!("{beside}/{dir}")], streams)?;
        }
        write(session, alloc::format!("{beside}/{path}").as_bytes(), bytes, 0o644)?;
    }
    note(session, &beside, tops)?;
    for top in tops.iter().rev() {
        move_name(session, &beside, site, top)?;
    }
    Ok(Next::Continue)
}

/// Notes which names come or go, in one piece.
fn note<P: Platform>(
    session: &mut Session<'_, P>,
    beside: &str,
    tops: &[String],
) -> Result<(), CommandError> {
    let (new, names) = (alloc::format!("{beside}/names.new"), alloc::format!("{beside}/names"));
    write(session, new.as_bytes(), tops.join("\n").as_bytes(), 0o644)?;
    Ok(session.call()?.rename(At::Cwd, new.as_bytes(), At::Cwd, names.as_bytes(), RenameFlags::empty())?)
}

fn move_name<P: Platform>(
    session: &mut Session<'_, P>,
    from: &str,
    to: &str,
    name: &str,
) -> Result<(), CommandError> {
    let [from, to] = [from, to].map(|dir| alloc::format!("{dir}/{name}"));
    Ok(session.call()?.rename(At::Cwd, from.as_bytes(), At::Cwd, to.as_bytes(), RenameFlags::NO_REPLACE)?)
}

/// Brings to its end what was begun and is not over, and writes the list.
fn recover<'k, P: Platform>(
    session: &mut Session<'k, P>,
    site: &str,
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let beside = alloc::format!("{site}/.pip");
    let names = alloc::format!("{beside}/names");
    if is_there(session, &names)? {
        let text = read(session, names.as_bytes(), ABOUT).map_err(|why| why.of(&names))?;
        let mut tops = text_of(&text)?.lines();
        let info = alloc::format!("{site}/{}", tops.next().unwrap_or("?"));
        if !is_there(session, &info)? {
            for top in tops {
                remove::rm(session, &["-rf", &alloc::format!("{site}/{top}")], streams)?;
            }
        }
    }
    remove::rm(session, &["-rf", &beside], streams)?;
    if !is_there(session, site)? {
        return Ok(Next::Continue);
    }
    let mut list = String::from("[");
    for (index, Package { name, version, info }) in packages(session, site)?.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(
            list,
            "{comma}\n  {{\"name\": {name:?}, \"version\": {version:?}, \"files\": \"{info}/RECORD\"}}"
        )?;
    }
    list.push_str("\n]\n");
    let [new, whole] = ["installed.json.new", "installed.json"].map(|name| alloc::format!("{site}/{name}"));
    write(session, new.as_bytes(), list.as_bytes(), 0o644)?;
    session.call()?.rename(At::Cwd, new.as_bytes(), At::Cwd, whole.as_bytes(), RenameFlags::empty())?;
    Ok(Next::Continue)
}

fn uninstall<'k, P: Platform>(
    session: &mut Session<'k, P>,
    site: &str,
    name: &str,
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let wanted = normal(name)?;
    let mut found = None;
    for package in packages(session, site)? {
        if normal(&package.name)? == wanted {
            found = Some(package);
        }
    }
    let package = found.ok_or_else(|| failed(format_args!("{name} is not installed")))?;
    let record = about(session, site, &package.info, "RECORD")?;
    let mut tops = Vec::from([package.info]);
    for line in text_of(&record)?.lines() {
        let path = line.trim_start_matches('"').split(',').next().unwrap_or(line);
        let top = path.split('/').next().unwrap_or(path);
        let safe = !matches!(top, "" | "." | ".." | ".pip");
        if safe && !tops.iter().any(|known| known == top) {
            tops.push(String::from(top));
        }
    }
    let beside = alloc::format!("{site}/.pip");
    make::mkdir(session, &["-p", &beside], streams)?;
    note(session, &beside, &tops)?;
    let info = tops.first().map_or("", String::as_str);
    move_name(session, site, &beside, info)?;
    recover(session, site, streams)?;
    writeln!(streams, "{} {} is gone", package.name, package.version)?;
    Ok(Next::Continue)
}
