//! An index of packages for the guest's `pip`: the wheels of a folder, by plain HTTP on 127.0.0.1, where the guest finds it as 10.0.2.2.
//!
//! `/simple/NAME/` is a page as PEP 503 has it, made anew from the folder each time; `/files/FILE` is a wheel. What is asked for has to
//! be the name of a file that the folder has and that is called as wheels are: no path leads out.

use core::fmt;
use core::fmt::Write as _;
use core::net::Ipv4Addr;
use core::time::Duration;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::interrupt::Interrupt;
use crate::process::{self, Finish};
use crate::python::sum;
use crate::report::Report;

/// The host, as the guest sees it.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Most bytes of a request.
const REQUEST: u64 = 8 << 10;
/// How long a client may stay silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest time of one `pip download`.
const LIMIT: Duration = Duration::from_secs(300);
/// What pip is told to fetch: what the guest can run, and nothing that has to be built.
const DOWNLOAD: [&str; 9] = [
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--implementation",
    "py",
    "--abi",
    "none",
    "--platform",
    "any",
];

/// Why there are no wheels for the guest.
#[derive(Debug)]
#[non_exhaustive]
pub enum WheelsError {
    /// The folder cannot be read.
    Folder(PathBuf, io::Error),
    /// There is no pip on this system.
    NoPip,
    /// It does not fetch a package; holds the package, and the last line of what it said.
    Pip(String, String),
    /// There is no port to serve at.
    Port(io::Error),
    /// A signal asked to end.
    Interrupted,
}

impl fmt::Display for WheelsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path, cause) => write!(f, "{}: {cause}", path.display()),
            Self::NoPip => f.write_str(
                "there is no pip here to fetch packages; without --fetch the folder is served as it is",
            ),
            Self::Pip(name, line) => write!(f, "pip does not fetch {name}: {line}"),
            Self::Port(cause) => write!(f, "no port of 127.0.0.1 to serve wheels at: {cause}"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl core::error::Error for WheelsError {}

/// What the guest's `/etc/pip.conf` says of an index at `port`.
#[must_use]
pub fn settings(port: u16) -> String {
    format!("[global]\nindex-url = http://{HOST}:{port}/simple/\n")
}

/// Lets this system's pip put packages into the folder, which is made if it is missing.
///
/// # Errors
/// There is no pip, or it fails.
pub fn fetch(
    names: &[String],
    folder: &Path,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Result<(), WheelsError> {
    for name in names {
        match download("pip", name, folder, report, interrupt) {
            Err(WheelsError::NoPip) => download("pip3", name, folder, report, interrupt)?,
            other => other?,
        }
    }
    Ok(())
}

fn download(
    program: &str,
    name: &str,
    folder: &Path,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Result<(), WheelsError> {
    let done = process::run(command(program, folder, name), LIMIT, "fetching wheels", report, interrupt);
    judge(name, done)
}

fn command(program: &str, folder: &Path, name: &str) -> Command {
    let mut pip = Command::new(program);
    pip.args(DOWNLOAD).arg("--dest").arg(folder).arg(name);
    pip
}

/// How pip ended.
fn judge(name: &str, done: io::Result<(Finish, Vec<u8>)>) -> Result<(), WheelsError> {
    let failed = |line: &str| Err(WheelsError::Pip(name.into(), line.into()));
    match done {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(WheelsError::NoPip),
        Err(cause) => failed(&cause.to_string()),
        Ok((Finish::Exited(status), _)) if status.success() => Ok(()),
        Ok((Finish::Interrupted, _)) => Err(WheelsError::Interrupted),
        Ok((Finish::TimedOut, _)) => failed("it took too long"),
        Ok((Finish::Exited(_), said)) => {
            let said = String::from_utf8_lossy(&said);
            let is_error = |line: &&str| line.starts_with("ERROR");
            failed(said.lines().rfind(is_error).or(said.lines().last()).unwrap_or("it said nothing"))
        }
    }
}

/// Serves the wheels of a folder; returns the port of 127.0.0.1. The server ends with the process.
///
/// # Errors
/// The folder cannot be read, or there is no port.
pub fn serve(folder: &Path) -> Result<u16, WheelsError> {
    wheels(folder).map_err(|cause| WheelsError::Folder(folder.into(), cause))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(WheelsError::Port)?;
    let port = listener.local_addr().map_err(WheelsError::Port)?.port();
    let folder = folder.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A guest that goes away ends its answer; that it failed shows in what it says.
            let _ = talk(client, &folder);
        }
    });
    Ok(port)
}

/// The names of the wheels of a folder: of letters and signs that mean nothing in HTML or a URL.
fn wheels(folder: &Path) -> io::Result<Vec<String>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+!".contains(c);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        if let Ok(name) = entry?.file_name().into_string()
            && name.ends_with(".whl")
            && name.chars().all(plain)
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A name as it is compared: PEP 503.
fn normal(name: &str) -> String {
    let small = name.to_ascii_lowercase();
    small.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn talk(mut client: TcpStream, folder: &Path) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(client.try_clone()?.take(REQUEST)).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let (status, kind, body) = answer(&asked, folder);
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    client.write_all(&body)
}

/// What is answered to the first line of a request: status, kind, body.
fn answer(asked: &str, folder: &Path) -> (&'static str, &'static str, Vec<u8>) {
    const HTML: &str = "text/html; charset=utf-8";
    let gone = ("404 Not Found", HTML, Vec::new());
    let mut words = asked.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != "GET" {
        return ("405 Method Not Allowed", HTML, Vec::new());
    }
    let Ok(names) = wheels(folder) else { return gone };
    if let Some(file) = path.strip_prefix("/files/").and_then(|file| names.iter().find(|name| *name == file))
    {
        return fs::read(folder.join(file))
            .map_or(gone, |bytes| ("200 OK", "application/octet-stream", bytes));
    }
    let project = match path.strip_prefix("/simple/") {
        Some("") => None,
        Some(name) if name.ends_with('/') => Some(name.trim_end_matches('/')),
        _ => return gone,
    };
    match page(folder, &names, project) {
        Ok(Some(page)) => ("200 OK", HTML, page.into_bytes()),
        Ok(None) | Err(_) => gone,
    }
}

/// The page of a package, or of all; [`None`]: there is nothing of it.
fn page(folder: &Path, names: &[String], project: Option<&str>) -> io::Result<Option<String>> {
    let mut page = String::from("<!DOCTYPE html>\n<html><body>\n");
    let mut links = Vec::new();
    for name in names {
        let own = normal(name.split('-').next().unwrap_or(name));
        match project {
            None => links.push(format!("<a href=\"/simple/{own}/\">{own}</a><br>\n")),
            Some(project) if own == project => {
                let sum = sum(&fs::read(folder.join(name))?);
                links.push(format!("<a href=\"/files/{name}#sha256={sum}\">{name}</a><br>\n"));
            }
            Some(_) => {}
        }
    }
    links.sort();
    links.dedup();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{}</body></html>", links.concat());
    Ok(Some(page).filter(|_| project.is_none() || !links.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    /// A folder with these files.
    fn folder(name: &str, files: &[&str]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("kos-wheels-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for file in files {
            fs::write(folder.join(file), file).unwrap();
        }
        folder
    }

    fn ask(port: u16, request: &str) -> String {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        write!(client, "{request}\r\nhost: x\r\n\r\n").unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        said
    }

    #[test]
    fn a_folder_is_an_index() {
        let wheel = "Some_Thing-1-py3-none-any.whl";
        let folder = folder(
            "index",
            &[wheel, "some.thing-2-py3-none-any.whl", "b-1-py3-none-any.whl", "<x>.whl", "c.txt"],
        );
        let port = serve(&folder).unwrap();
        let all = ask(port, "GET /simple/ HTTP/1.1");
        assert!(all.starts_with("HTTP/1.1 200 OK\r\n") && all.contains("\r\nconnection: close\r\n"), "{all}");
        let links = "<a href=\"/simple/b/\">b</a><br>\n<a href=\"/simple/some-thing/\">some-thing</a><br>\n";
        assert!(all.ends_with(&format!("<body>\n{links}</body></html>\n")), "{all}");
        let page = ask(port, "GET /simple/some-thing/ HTTP/1.1");
        let sum = sum(wheel.as_bytes());
        assert!(
            page.contains(&format!("<a href=\"/files/{wheel}#sha256={sum}\">{wheel}</a><br>\n")),
            "{page}"
        );
        assert_eq!(page.matches("<a ").count(), 2, "{page}");
        assert!(ask(port, &format!("GET /files/{wheel} HTTP/1.1")).ends_with(&format!("\r\n\r\n{wheel}")));
        for path in
            ["/", "/simple/c/", "/simple/b", "/files/c.txt", "/files/../x.whl", "/files/", "/files/<x>.whl"]
        {
            let said = ask(port, &format!("GET {path} HTTP/1.1"));
            assert!(said.starts_with("HTTP/1.1 404 "), "{path}: {said}");
        }
        assert!(ask(port, "POST /simple/ HTTP/1.1").starts_with("HTTP/1.1 405 "));
        fs::remove_dir_all(&folder).unwrap();
        assert!(ask(port, "GET /simple/ HTTP/1.1").starts_with("HTTP/1.1 404 "));
        assert!(matches!(serve(&folder), Err(WheelsError::Folder(..))));
        assert_eq!(settings(7), "[global]\nindex-url = http://10.0.2.2:7/simple/\n");
    }

    #[test]
    fn pip_that_is_missing_or_fails_is_named() {
        let (report, interrupt) = (&mut Report::new(false), &Interrupt::default());
        let missing = download("kos-no-such-pip", "a", Path::new("w"), report, interrupt);
        assert!(matches!(missing, Err(WheelsError::NoPip)), "{missing:?}");
        let exited = |code| Finish::Exited(ExitStatus::from_raw(code << 8));
        assert!(judge("a", Ok((exited(0), b"note".to_vec()))).is_ok());
        for (finish, said, line) in [
            (exited(1), "note\nERROR: no a\n\nend\n", "ERROR: no a"),
            (exited(2), "note\nend\n", "end"),
            (exited(1), "", "it said nothing"),
            (Finish::TimedOut, "", "it took too long"),
        ] {
            let error = judge("a", Ok((finish, said.into()))).unwrap_err();
            assert_eq!(error.to_string(), format!("pip does not fetch a: {line}"));
        }
        assert!(matches!(judge("a", Ok((Finish::Interrupted, Vec::new()))), Err(WheelsError::Interrupted)));
        let pip = command("pip", Path::new("w"), "a==1");
        let words: Vec<_> = pip.get_args().filter_map(|word| word.to_str()).collect();
        assert_eq!(words[..3], ["download", "--no-deps", "--only-binary=:all:"]);
        assert_eq!(words[words.len() - 3..], ["--dest", "w", "a==1"]);
    }
}
