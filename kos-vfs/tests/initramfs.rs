//! Archives of the host's `cpio` and `bsdtar`, unpacked; skipped where these programs are missing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic")]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use kos_vfs::fs::initramfs::unpack;
use kos_vfs::fs::tmpfs::{Tmpfs, TmpfsConfig};
use kos_vfs::testing::script::Generator;
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{At, AtFlags, Call, Config, Ctx, FileType, How, MountFlags, OpenFlags, Vfs};

/// What is compared of a file: mode, names, owner, time, bytes.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    mode: u32,
    links: u64,
    owner: (u32, u32),
    modified: i64,
    bytes: Vec<u8>,
}

/// A folder that goes with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Random files: of all sizes, with several names, links, modes, odd names.
fn fill(top: &Path, seed: u64) {
    let mut generator = Generator::new(seed);
    let mut dirs = vec![top.to_path_buf()];
    let mut files = Vec::new();
    for index in 0..60 {
        let dir = dirs.get(usize::try_from(generator.below(dirs.len() as u64)).unwrap()).unwrap().clone();
        let path =
            dir.join(format!("{index} ü\n{}", "n".repeat(usize::try_from(generator.below(90)).unwrap())));
        match generator.below(6) {
            0 => {
                fs::create_dir(&path).unwrap();
                dirs.push(path);
            }
            1 => symlink(format!("../{}", "t".repeat(1 + index)), &path).unwrap(),
            2 if !files.is_empty() => {
                let at = usize::try_from(generator.below(files.len() as u64)).unwrap();
                fs::hard_link(files.get::<usize>(at).unwrap(), &path).unwrap();
            }
            _ => {
                let length = usize::try_from(generator.below(9000)).unwrap();
                let bytes: Vec<u8> =
                    (0..length).map(|at| u8::try_from((at * index) % 251).unwrap()).collect();
                fs::write(&path, bytes).unwrap();
                let mode = 0o400 | u32::try_from(generator.below(0o1000)).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                files.push(path);
            }
        }
    }
}

fn of_host(path: &Path, name: &str, all: &mut BTreeMap<String, Seen>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let bytes = match () {
        () if meta.is_symlink() => fs::read_link(path).unwrap().into_os_string().into_encoded_bytes(),
        () if meta.is_dir() => Vec::new(),
        () => fs::read(path).unwrap(),
    };
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            of_host(&entry.path(), &format!("{name}/{}", entry.file_name().to_str().unwrap()), all);
        }
    }
    let links = if meta.is_dir() { 0 } else { meta.nlink() };
    let (owner, modified) = ((meta.uid(), meta.gid()), meta.mtime());
    all.insert(name.to_string(), Seen { mode: meta.mode(), links, owner, modified, bytes });
}

fn of_ours(call: &Call<'_, '_, HostEnv>, name: &str, all: &mut BTreeMap<String, Seen>) {
    let path = if name.is_empty() { "/" } else { name };
    let place = call.resolve(At::Cwd, path.as_bytes(), AtFlags::NO_FOLLOW).unwrap();
    let attr = call.stat(&place).unwrap().attr;
    let mut bytes = vec![0; usize::try_from(attr.size).unwrap()];
    match attr.kind {
        FileType::Directory => {
            bytes.clear();
            let dir = call.open(At::Cwd, path.as_bytes(), &How::flags(OpenFlags::DIRECTORY)).unwrap();
            let mut names = Vec::new();
            dir.list(|entry| {
                names.push(String::from_utf8(entry.name.to_vec()).unwrap());
                true
            })
            .unwrap();
            names.retain(|name| name != "." && name != "..");
            names.iter().for_each(|entry| of_ours(call, &format!("{name}/{entry}"), all));
        }
        FileType::Symlink => assert_eq!(call.readlink(&place, &mut bytes), Ok(bytes.len())),
        _ => {
            let file = call.open(At::Cwd, path.as_bytes(), &How::default()).unwrap();
            assert_eq!(file.pread(&mut bytes, 0), Ok(bytes.len()));
        }
    }
    let links = if attr.kind == FileType::Directory { 0 } else { attr.links.into() };
    let seen = Seen {
        mode: attr.mode_word().into(),
        links,
        owner: (attr.uid, attr.gid),
        modified: attr.modified.seconds,
        bytes,
    };
    all.insert(name.to_string(), seen);
}

/// The tree that comes out of an archive.
fn unpacked(archive: &[u8]) -> BTreeMap<String, Seen> {
    let vfs = Vfs::<HostEnv>::new(&Config { dentries: 64, ..Config::default() }, TestClock::at(0)).unwrap();
    let tmpfs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).unwrap();
    let view = vfs.mount_root(Arc::new(tmpfs), MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    unpack(archive, &call, At::Cwd, b"/").unwrap_or_else(|error| panic!("{error}"));
    vfs.check().unwrap();
    let mut all = BTreeMap::new();
    of_ours(&call, "", &mut all);
    all
}

/// Archives with a shell command in a folder of files, for some seeds.
fn compare(name: &str, program: &str, command: &str) {
    if Command::new(program).arg("--version").output().is_err() {
        eprintln!("skipped: {program} is not installed");
        return;
    }
    for seed in 0..4 {
        let folder = Folder::new(&format!("{name}-{seed}"));
        fill(&folder.0, seed);
        let output = Command::new("sh").current_dir(&folder.0).args(["-c", command]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut expected = BTreeMap::new();
        of_host(&folder.0, "", &mut expected);
        let got = unpacked(&output.stdout);
        assert_eq!(got.len(), expected.len(), "{name} {seed}");
        for (path, seen) in &expected {
            assert_eq!(got.get(path), Some(seen), "{name} {seed}: {path:?}");
        }
    }
}

#[test]
fn what_cpio_packs_is_unpacked() {
    compare("newc", "cpio", "find . -print0 | cpio -0 -o -H newc --quiet");
}

#[test]
fn what_cpio_packs_with_sums_is_unpacked() {
    compare("crc", "cpio", "find . -print0 | cpio -0 -o -H crc --quiet");
}

#[test]
fn what_bsdtar_packs_is_unpacked() {
    compare("bsdtar", "bsdtar", "bsdtar --format newc -cf - .");
}

/// Two archives behind each other, as boot loaders put them.
#[test]
fn what_is_packed_in_two_parts_is_unpacked() {
    let parts = "find . -type d -print0 | cpio -0 -o -H newc --quiet; \
                 find . ! -type d -print0 | cpio -0 -o -H newc --quiet";
    compare("parts", "cpio", parts);
}
