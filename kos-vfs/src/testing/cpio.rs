//! cpio archives for tests ([`CpioWriter`]) and of fuzzers ([`cpio`]).
#![expect(clippy::indexing_slicing, clippy::expect_used, reason = "a helper of tests fails loudly")]

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{HostEnv, TestClock};
use crate::attr::Mode;
use crate::fs::initramfs::{Archive, unpack};
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::{At, AtFlags, Config, Ctx, How, MountFlags, OpenFlags, Vfs};

/// An entry as an archive has it: any numbers, any bytes.
#[derive(Clone, Copy, Debug)]
pub struct CpioEntry<'a> {
    /// Its name, without the NUL that ends it.
    pub name: &'a [u8],
    /// Kind and permission bits.
    pub mode: u32,
    /// Its bytes.
    pub data: &'a [u8],
    /// Inode number; 0 takes the next one.
    pub inode: u32,
    /// How many names it has.
    pub links: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Seconds since 1970.
    pub modified: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
}

impl<'a> CpioEntry<'a> {
    /// A file of root with one name.
    pub const fn new(name: &'a [u8], mode: u32, data: &'a [u8]) -> Self {
        Self { name, mode, data, inode: 0, links: 1, owner: (0, 0), modified: 1, device: (0, 0) }
    }

    /// The same as one of the names of an inode.
    #[must_use]
    pub const fn linked(self, inode: u32, links: u32) -> Self {
        Self { inode, links, ..self }
    }
}

/// Writes an archive.
#[derive(Clone, Debug, Default)]
pub struct CpioWriter {
    bytes: Vec<u8>,
    /// Where the entry that is written starts.
    start: usize,
    sums: bool,
    inodes: u32,
}

impl CpioWriter {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty archive whose entries have sums.
    pub fn with_sums() -> Self {
        Self { sums: true, ..Self::default() }
    }

    /// Adds an entry.
    #[must_use]
    pub fn entry(mut self, entry: CpioEntry<'_>) -> Self {
        self.inodes += 1;
        self.start = self.bytes.len();
        let inode = if entry.inode == 0 { 0x1_0000 + self.inodes } else { entry.inode };
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let sum = entry.data.iter().fold(0_u32, |sum, &byte| sum.wrapping_add(u32::from(byte)));
        let numbers = [
            inode,
            entry.mode,
            entry.owner.0,
            entry.owner.1,
            entry.links,
            entry.modified,
            size(entry.data),
            3,
            1,
            entry.device.0,
            entry.device.1,
            size(entry.name) + 1,
            if self.sums { sum } else { 0 },
        ];
        self.bytes.extend(if self.sums { b"070702" } else { b"070701" });
        for number in numbers {
            self.bytes.extend(alloc::format!("{number:08X}").bytes());
        }
        self.bytes.extend(entry.name);
        self.bytes.push(0);
        self.fill();
        self.bytes.extend(entry.data);
        self.fill();
        self
    }

    /// Adds a directory, a file or a symlink by its mode, with the defaults of [`CpioEntry::new`].
    #[must_use]
    pub fn add(self, name: &str, mode: u32, data: &[u8]) -> Self {
        self.entry(CpioEntry::new(name.as_bytes(), mode, data))
    }

    fn fill(&mut self) {
        let length = (self.bytes.len() - self.start).next_multiple_of(4);
        self.bytes.resize(self.start + length, 0);
    }

    /// What was written so far, without a trailer.
    pub fn unfinished(self) -> Vec<u8> {
        self.bytes
    }

    /// The archive.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, b"").bytes
    }

    /// Starts another archive behind this one and `zeroes`.
    #[must_use]
    pub fn behind(self, zeroes: usize) -> Self {
        let (sums, inodes) = (self.sums, self.inodes);
        let mut bytes = self.finish();
        bytes.resize(bytes.len() + zeroes, 0);
        Self { bytes, start: 0, sums, inodes }
    }
}

/// An archive of short rows: what a name is made of, kind, inode, and bytes.
fn compose(data: &[u8]) -> Vec<u8> {
    const NAMES: [&[u8]; 12] =
        [b".", b"a", b"b", b"a/b", b"a/./c", b"d/e", b"./d", b"link/x", b"../out", b"/abs", b"a//", b"d"];
    const MODES: [u32; 8] =
        [0o040_755, 0o100_644, 0o100_000, 0o120_777, 0o010_600, 0o020_600, 0o140_600, 0o170_000];
    let mut writer = CpioWriter::with_sums();
    for row in data.chunks(4) {
        let &[name, mode, inode, length] = row else { break };
        let targets: [&[u8]; 4] = [b"/", b"..", b"a", b"../outside"];
        let mode = MODES[usize::from(mode) % 8];
        let body = if mode == 0o120_777 {
            targets[usize::from(length) % 4]
        } else {
            &data[..data.len().min(length.into())]
        };
        let entry = CpioEntry::new(NAMES[usize::from(name) % 12], mode, body);
        writer = writer.entry(entry.linked(u32::from(inode % 5), u32::from(inode % 3)));
        if inode > 250 {
            writer = writer.behind(usize::from(length));
        }
    }
    writer.finish()
}

/// The body of the fuzz target: an archive, given or composed, is read and unpacked into a directory. What is beside that
/// directory stays as it is.
///
/// # Panics
/// If an entry does not lie in the archive, an error is not there either, or something came out of the directory.
pub fn cpio(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let composed = compose(data);
    let archive = if mode % 2 == 0 { data } else { &composed };
    for entry in Archive::new(archive) {
        match entry {
            Ok(entry) => assert!(archive.len() as u64 >= entry.offset + 110 + entry.data.len() as u64),
            Err(error) => assert!(error.offset <= archive.len() as u64, "{error}"),
        }
    }
    let clock = TestClock::at(0);
    let vfs =
        Vfs::<HostEnv>::new(&Config { dentries: 64, ..Config::default() }, clock).expect("small tables");
    let config = TmpfsConfig { bytes: 1 << 16, inodes: 64, ..TmpfsConfig::default() };
    let fs = Tmpfs::<HostEnv>::new(&config).expect("a small file system");
    let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).expect("nothing is mounted yet");
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    for dir in [b"/top".as_slice(), b"/outside"] {
        call.mkdir(At::Cwd, dir, Mode::ALL_ACCESS).expect("an empty directory");
    }
    let before = call.stat_at(At::Cwd, b"/outside", AtFlags::empty());
    let whole = Archive::new(archive).all(|entry| entry.is_ok());
    let unpacked = unpack(archive, &call, At::Cwd, b"/top");
    let list = |path: &[u8]| {
        let dir = call.open(At::Cwd, path, &How::flags(OpenFlags::DIRECTORY)).expect("a directory");
        let mut count = 0;
        dir.list(|_| {
            count += 1;
            true
        })
        .expect("names in memory");
        count
    };
    assert_eq!((list(b"/"), list(b"/outside")), (4, 2), "names outside of the directory");
    let after = call.stat_at(At::Cwd, b"/outside", AtFlags::empty());
    assert_eq!(before.map(|stat| stat.attr.modified), after.map(|stat| stat.attr.modified));
    assert!(whole || unpacked.is_err() && list(b"/top") == 2, "a bad archive was unpacked");
    vfs.check().expect("tables that fit each other");
}
