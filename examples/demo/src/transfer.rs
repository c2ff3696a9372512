//! Files that go into the guest with its boot ([`Put`]) and come out of it when its commands have ended ([`Get`], [`Takings`]).
//!
//! Into it they go in the archive that is unpacked into its root. Out of it they come as what `cat` says behind a mark: a command
//! that says nothing, and that nobody else gives.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kos_vfs::testing::CpioWriter;

/// What stands before each `cat`.
const MARK: &str = "unset demo_get";

/// The root's own folders.
const THERE: [&str; 7] = ["bin", "dev", "etc", "mnt", "proc", "rom", "tmp"];

/// A file of the host, and where it is to be in the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The file.
    pub host: PathBuf,
    /// Its path there, which begins with a slash.
    pub guest: String,
}

/// A file of the guest, and where it is to be on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// The file, whose path begins with a slash.
    pub guest: String,
    /// Where it goes.
    pub host: PathBuf,
}

/// A path that the guest's shell takes between quotes, to a file.
fn guest_path(path: &str) -> Result<String, &'static str> {
    let is_plain = |name: &str| !matches!(name, "" | "." | "..");
    match path.strip_prefix('/') {
        None => Err("a path of the guest begins with '/'"),
        Some(rest) if !rest.split('/').all(is_plain) => {
            Err("a path of the guest names a file, without '.' or '..'")
        }
        Some(rest) if rest.contains(|letter: char| letter == '\'' || letter.is_control()) => {
            Err("a path of the guest has no quotes and no control characters")
        }
        Some(_) => Ok(path.into()),
    }
}

impl Put {
    /// Reads `HOST:GUEST`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.rsplit_once(':') {
            Some((host, guest)) if !host.is_empty() => {
                Ok(Self { host: host.into(), guest: guest_path(guest)? })
            }
            _ => Err("this is no HOST:GUEST"),
        }
    }
}

impl Get {
    /// Reads `GUEST:HOST`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.split_once(':') {
            Some((guest, host)) if !host.is_empty() => {
                Ok(Self { guest: guest_path(guest)?, host: host.into() })
            }
            _ => Err("this is no GUEST:HOST"),
        }
    }

    /// What the guest is told for it.
    fn command(&self) -> String {
        format!("cat '{}'", self.guest)
    }
}

/// The commands, and behind them those that say what the files hold.
#[must_use]
pub fn commands(exec: &str, gets: &[Get]) -> String {
    gets.iter().fold(exec.to_owned(), |all, get| format!("{all}; {MARK}; {}", get.command()))
}

/// An archive of these files, and of the folders that they are in.
///
/// # Errors
/// A file that cannot be read, with its path.
pub fn archive(puts: &[Put]) -> Result<Vec<u8>, (PathBuf, io::Error)> {
    let (mut archive, mut folders) = (CpioWriter::new(), THERE.map(str::to_owned).to_vec());
    for put in puts {
        let bytes = fs::read(&put.host).map_err(|cause| (put.host.clone(), cause))?;
        let path = put.guest.trim_start_matches('/');
        for (end, _) in path.match_indices('/') {
            let folder = path.get(..end).unwrap_or_default();
            if !folders.iter().any(|known| known == folder) {
                archive = archive.add(folder, 0o040_755, b"");
                folders.push(folder.into());
            }
        }
        archive = archive.add(path, 0o100_644, &bytes);
    }
    Ok(archive.finish())
}

/// What comes of files of the guest.
#[derive(Debug, Default)]
pub struct Takings(Vec<Taking>);

#[derive(Debug, Default)]
struct Taking {
    bytes: Vec<u8>,
    /// The status of its `cat`, once that has ended.
    code: Option<u32>,
}

impl Takings {
    /// Takes what a command says, if it is the content of a file.
    pub fn output(&mut self, bytes: &[u8]) -> bool {
        self.0.last_mut().map(|taking| taking.bytes.extend_from_slice(bytes)).is_some()
    }

    /// Takes note of a command that has ended.
    pub fn ended(&mut self, command: &str, code: u32) {
        match self.0.last_mut() {
            _ if command == MARK => self.0.push(Taking::default()),
            Some(taking) => taking.code = Some(code),
            None => {}
        }
    }

    /// Writes what came whole to where it is to be, each by a file beside it that takes its name.
    ///
    /// # Errors
    /// A file that cannot be written, with its path.
    pub fn keep(&self, gets: &[Get]) -> Result<(), (PathBuf, io::Error)> {
        let whole = gets.iter().zip(&self.0).filter(|(_, taking)| taking.code == Some(0));
        for (get, taking) in whole {
            write(&get.host, &taking.bytes).map_err(|cause| (get.host.clone(), cause))?;
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(name);
    let done = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    done.inspect_err(|_| {
        // What is half done is of no use; the first error is told.
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_paths_are_read_or_refused() {
        let put = Put { host: "a:b".into(), guest: "/x/y".into() };
        assert_eq!(Put::parse("a:b:/x/y"), Ok(put));
        let get = Get { guest: "/x".into(), host: "a:b".into() };
        assert_eq!(Get::parse("/x:a:b"), Ok(get));
        for text in ["", "a", ":/x", "a:", "a:x", "a:/", "a:/x/", "a:/../x", "a:/x'y", "a:/x\n"] {
            assert!(Put::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "/x", "/x:", ":a", "x:a", "/:a"] {
            assert!(Get::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_comes_behind_a_mark_is_a_file_if_it_came_whole() {
        let folder = std::env::temp_dir().join(format!("kos-takings-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let gets = ["whole", "failed", "cut"].map(|name| Get { guest: "/f".into(), host: folder.join(name) });
        assert_eq!(commands("free", &gets[..2]), "free; unset demo_get; cat '/f'; unset demo_get; cat '/f'");
        let mut takings = Takings::default();
        assert!(!takings.output(b"of a command"));
        for (code, bytes) in [(Some(0), b"all"), (Some(1), b"hal"), (None, b"cut")] {
            takings.ended(MARK, 0);
            assert!(takings.output(bytes));
            if let Some(code) = code {
                takings.ended("cat '/f'", code);
            }
        }
        takings.keep(&gets).unwrap();
        assert_eq!(fs::read(&gets[0].host).unwrap(), b"all");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
