//! Programs, images in files, and a driver called by paths.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests: what fails is the test")]

use std::path::PathBuf;
use std::process::Command;

use kos_vfs::block::BlockDevice;
use kos_vfs::fs::fat::{Fat, MountOptions};
use kos_vfs::fs::{Cookie, DirEntry, FileSystem, NewNode, Rename, RenameEnd};
use kos_vfs::testing::RamDisk;
use kos_vfs::{Attr, FileType, FsError, Ino, Mode, Name, Timestamp};

/// The lock of a mounted volume.
pub(crate) type Lock = spin::mutex::SpinMutex<()>;

/// Whether all programs are there; says which is not.
pub(crate) fn has(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let look = format!("PATH=$PATH:/sbin:/usr/sbin command -v {program}");
        let found = Command::new("sh").args(["-c", &look]).output();
        let found = found.is_ok_and(|output| output.status.success());
        if !found {
            eprintln!("skipped: {program} is not installed");
        }
        found
    })
}

/// Runs a program that must succeed; what it said.
pub(crate) fn run(program: &str, options: &[&str], operands: &[&str]) -> String {
    let path = std::env::var("PATH").unwrap_or_default() + ":/sbin:/usr/sbin";
    let mut command = Command::new(program);
    command.env("PATH", path).env("MTOOLS_SKIP_CHECK", "1").args(options).args(operands);
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {options:?} {operands:?}: {said}");
    said
}

/// A file in the temporary folder that goes with its value.
pub(crate) struct Image(PathBuf);

impl Image {
    /// A name for a file that is not there yet.
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    /// Its path.
    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Its bytes on a RAM disk.
    pub(crate) fn disk(&self) -> RamDisk {
        RamDisk::from_image(&std::fs::read(&self.0).unwrap(), 512)
    }

    /// What a disk holds, to its file.
    pub(crate) fn store(&self, disk: &RamDisk) {
        std::fs::write(&self.0, disk.to_image()).unwrap();
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Mounts a volume that must be good.
pub(crate) fn mount<D: BlockDevice>(device: D) -> Fat<D, Lock> {
    Fat::mount(device, MountOptions::default()).unwrap()
}

/// A driver called by paths; what fails panics.
pub(crate) struct Mounted<'a>(pub(crate) &'a dyn FileSystem);

const NOW: Timestamp = match Timestamp::new(1_700_000_000, 120_000_000) {
    Some(now) => now,
    None => Timestamp::EPOCH,
};

fn name(name: &str) -> Name<'_> {
    Name::new(name.as_bytes()).unwrap()
}

impl Mounted<'_> {
    /// The file with a path, in use.
    pub(crate) fn find(&self, path: &str) -> Result<Attr, FsError> {
        let mut attr = self.0.load(self.0.root())?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let next = self.0.dirs().lookup(attr.ino, name(part))?;
            self.0.forget(attr.ino, 1);
            attr = next;
        }
        Ok(attr)
    }

    fn parent<'p>(&self, path: &'p str) -> (Ino, Name<'p>) {
        let (dir, last) = path.rsplit_once('/').unwrap();
        (self.find(dir).unwrap().ino, name(last))
    }

    /// Names in order, directories with a `/`.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let dir = self.find(path).unwrap().ino;
        let mut names = Vec::new();
        let mut sink = |entry: DirEntry<'_>| {
            let name = String::from_utf8(entry.name.as_bytes().to_vec()).unwrap();
            names.push(name + if entry.kind == FileType::Directory { "/" } else { "" });
            true
        };
        self.0.dirs().readdir(dir, Cookie(0), &mut sink).unwrap();
        self.0.forget(dir, 1);
        names.sort();
        names
    }

    /// All bytes of a file.
    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        let attr = self.find(path).unwrap();
        let mut bytes = vec![0; usize::try_from(attr.size).unwrap() + 1];
        let length = self.0.files().read_at(attr.ino, 0, &mut bytes).unwrap();
        self.0.forget(attr.ino, 1);
        bytes.truncate(length);
        bytes
    }

    fn create(&self, path: &str, kind: FileType) -> Ino {
        let (dir, name) = self.parent(path);
        let new = NewNode {
            kind,
            mode: Mode::of(0o755),
            uid: 0,
            gid: 0,
            device: Default::default(),
            target: b"",
            now: NOW,
        };
        let ino = self.0.dirs().create(dir, name, &new).unwrap().ino;
        self.0.forget(dir, 1);
        ino
    }

    /// A new directory.
    pub(crate) fn mkdir(&self, path: &str) {
        let ino = self.create(path, FileType::Directory);
        self.0.forget(ino, 1);
    }

    /// A new file.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let ino = self.create(path, FileType::Regular);
        let mut done = 0;
        while done < bytes.len() {
            done += self.0.files().write_at(ino, done as u64, &bytes[done..], NOW).unwrap();
        }
        self.0.forget(ino, 1);
    }

    /// Removes a file.
    pub(crate) fn remove(&self, path: &str) {
        let (dir, name) = self.parent(path);
        let file = self.0.dirs().lookup(dir, name).unwrap().ino;
        self.0.dirs().unlink(dir, name, file, NOW).unwrap();
        self.0.forget(file, 1);
        self.0.forget(dir, 1);
    }

    /// Renames to a name that is not there.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        let ((from_dir, from), (to_dir, to)) = (self.parent(from), self.parent(to));
        let file = self.0.dirs().lookup(from_dir, from).unwrap().ino;
        let rename = Rename {
            from: RenameEnd { dir: from_dir, name: from, file: Some(file) },
            to: RenameEnd { dir: to_dir, name: to, file: None },
            exchange: false,
            now: NOW,
        };
        self.0.dirs().rename(&rename).unwrap();
        for ino in [file, from_dir, to_dir] {
            self.0.forget(ino, 1);
        }
    }
}
