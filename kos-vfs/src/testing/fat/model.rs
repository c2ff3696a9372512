//! A tree of names and bytes that does what a FAT volume must do: [`FatModel`], stepped beside the driver.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::attr::{Attr, DeviceNumber, FileType, Ino, Mode, Timestamp};
use crate::error::FsError;
use crate::fs::{Cookie, DirEntry, FileSystem, NewNode, Rename, RenameEnd, SyncMode};
use crate::name::Name;

/// The names that operations choose from: short, long, alike but for small letters, outside ASCII, with a lone half of a pair.
const NAMES: [&[u8]; 14] = [
    b"A",
    b"a.b.c",
    b"README.TXT",
    b"readme.txt.bak",
    b"Readme.Txt.Doc",
    b"a name with more than thirteen letters",
    b"A NAME WITH MORE THAN THIRTEEN LETTERS AND MORE",
    b".hidden",
    b"x+y=[z];,",
    "Gr\u{fc}\u{df}e.jpeg".as_bytes(),
    "\u{65e5}\u{672c}\u{8a9e}".as_bytes(),
    b"half\xed\xa0\x80",
    b"TILDE~1",
    b"tilde~1.x",
];

/// Something to do, in numbers that the model makes sense of: every value is an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FatOp {
    /// Which operation.
    pub code: u8,
    /// Which file or directory.
    pub a: u8,
    /// Which other directory.
    pub b: u8,
    /// Which name.
    pub name: u8,
    /// Where in a file, in units of 37 bytes.
    pub offset: u16,
    /// How many bytes.
    pub length: u16,
}

impl FatOp {
    /// Eight bytes as an operation.
    #[must_use]
    pub const fn from_bytes([code, a, b, name, o0, o1, l0, l1]: [u8; 8]) -> Self {
        let (offset, length) = (u16::from_le_bytes([o0, o1]), u16::from_le_bytes([l0, l1]));
        Self { code, a, b, name, offset, length }
    }
}

/// A file that has a name, or is in use without one.
#[derive(Clone, Debug)]
struct File {
    /// In use under this number.
    ino: Ino,
    /// Which directory has its name; `None` for the root and without a name.
    parent: Option<usize>,
    name: Vec<u8>,
    /// Its bytes; `None` for a directory.
    bytes: Option<Vec<u8>>,
}

/// Paths and bytes, in order; of directories no bytes.
pub type Names = Vec<(String, Option<Vec<u8>>)>;

/// What a FAT volume must hold. Every file of it is in use in the driver.
#[derive(Clone, Debug)]
pub struct FatModel {
    files: Vec<File>,
    clock: i64,
}

fn name_of(number: u8) -> Name<'static> {
    Name::new(NAMES[usize::from(number) % NAMES.len()]).expect("a name")
}

impl FatModel {
    /// An empty volume.
    pub fn new(fs: &dyn FileSystem) -> Self {
        let root = File { ino: fs.root(), parent: None, name: Vec::new(), bytes: None };
        Self { files: vec![root], clock: 1_000_000_000 }
    }

    fn now(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp::new(self.clock, 0).expect("a time")
    }

    /// The files of a kind that have names; the root is the first directory.
    fn pick(&self, number: u8, directory: bool) -> Option<usize> {
        let named = |&at: &usize| {
            let file = &self.files[at];
            file.bytes.is_none() == directory && (at == 0 || file.parent.is_some())
        };
        let all: Vec<_> = (0..self.files.len()).filter(named).collect();
        (!all.is_empty()).then(|| all[usize::from(number) % all.len()])
    }

    fn child(&self, dir: usize, name: Name<'_>) -> Option<usize> {
        (1..self.files.len()).find(|&at| {
            let file = &self.files[at];
            file.parent == Some(dir) && file.name.eq_ignore_ascii_case(name.as_bytes())
        })
    }

    fn is_empty(&self, dir: usize) -> bool {
        self.files.iter().all(|file| file.parent != Some(dir))
    }

    /// Whether `dir` is `above` or lies in it.
    fn is_within(&self, mut dir: usize, above: usize) -> bool {
        loop {
            if dir == above {
                return true;
            }
            let Some(parent) = self.files[dir].parent else { return false };
            dir = parent;
        }
    }

    /// Every path with its bytes, in order.
    #[must_use]
    pub fn tree(&self) -> Names {
        let path = |mut at: usize| {
            let mut path = String::new();
            while let Some(parent) = self.files[at].parent {
                path = format!("/{}{path}", self.files[at].name.escape_ascii());
                at = parent;
            }
            path
        };
        let named = (1..self.files.len()).filter(|&at| self.files[at].parent.is_some());
        let mut tree: Names = named.map(|at| (path(at), self.files[at].bytes.clone())).collect();
        tree.sort();
        tree
    }

    /// Every path with its bytes as the driver tells them, in order.
    ///
    /// # Errors
    /// What the driver says.
    ///
    /// # Panics
    /// If a file is not as long as its directory says.
    pub fn read_tree(fs: &dyn FileSystem) -> Result<Names, FsError> {
        let mut tree = Vec::new();
        let root = fs.root();
        fs.load(root)?;
        let mut pending = vec![(String::new(), root)];
        while let Some((path, dir)) = pending.pop() {
            for name in list(fs, dir)? {
                let found = fs.dirs().lookup(dir, Name::new(&name).expect("a name of readdir"))?;
                let path = format!("{path}/{}", name.escape_ascii());
                if found.kind == FileType::Directory {
                    tree.push((path.clone(), None));
                    pending.push((path, found.ino));
                    continue;
                }
                let mut bytes = vec![0; found.size as usize + 1];
                let length = fs.files().read_at(found.ino, 0, &mut bytes)?;
                assert_eq!(length as u64, found.size, "{path}");
                bytes.truncate(length);
                fs.forget(found.ino, 1);
                tree.push((path, Some(bytes)));
            }
            fs.forget(dir, 1);
        }
        tree.sort();
        Ok(tree)
    }

    /// Gives back every use.
    pub fn forget(&self, fs: &dyn FileSystem) {
        self.files.iter().skip(1).for_each(|file| fs.forget(file.ino, 1));
    }

    /// Does one operation to both and compares the answers. A full or failing device is no difference: then the model stays,
    /// and the error comes back.
    ///
    /// # Errors
    /// What the device says, no space, no memory.
    ///
    /// # Panics
    /// If the driver answers otherwise than the model.
    pub fn step(&mut self, fs: &dyn FileSystem, op: FatOp) -> Result<(), FsError> {
        match op.code % 16 {
            0..=2 => self.create(fs, op, FileType::Regular),
            3 => self.create(fs, op, FileType::Directory),
            4..=7 => self.write(fs, op),
            8 => self.truncate(fs, op),
            9 | 10 => self.read(fs, op),
            11 => self.remove(fs, op),
            12 | 13 => self.rename(fs, op),
            14 => self.forget_nameless(fs),
            _ if op.a.is_multiple_of(4) => fs.sync(SyncMode::All),
            _ => self.compare_dir(fs, op),
        }
    }

    fn create(&mut self, fs: &dyn FileSystem, op: FatOp, kind: FileType) -> Result<(), FsError> {
        let (dir, name, now) = (self.pick(op.a, true).unwrap_or(0), name_of(op.name), self.now());
        let mode = Mode::of(0o755);
        let new = NewNode { kind, mode, uid: 0, gid: 0, device: DeviceNumber::default(), target: b"", now };
        let made = fs.dirs().create(self.files[dir].ino, name, &new);
        if self.child(dir, name).is_some() {
            return if made == Err(FsError::Exists) {
                Ok(())
            } else {
                refused(made.map(drop), "an existing name")
            };
        }
        let attr = made?;
        assert_eq!((attr.kind, attr.links), (kind, if kind == FileType::Directory { 2 } else { 1 }));
        assert!(self.files.iter().all(|file| file.ino.number != attr.ino.number), "a number twice");
        let bytes = (kind == FileType::Regular).then(Vec::new);
        self.files.push(File { ino: attr.ino, parent: Some(dir), name: name.as_bytes().to_vec(), bytes });
        Ok(())
    }

    /// A file, with or without a name.
    fn any_file(&self, number: u8) -> Option<usize> {
        let files: Vec<_> = (0..self.files.len()).filter(|&at| self.files[at].bytes.is_some()).collect();
        (!files.is_empty()).then(|| files[usize::from(number) % files.len()])
    }

    fn write(&mut self, fs: &dyn FileSystem, op: FatOp) -> Result<(), FsError> {
        let Some(at) = self.any_file(op.a) else { return Ok(()) };
        let now = self.now();
        let File { ino, bytes: Some(bytes), .. } = &mut self.files[at] else { return Ok(()) };
        let offset = usize::from(op.offset) * 37 % (bytes.len() * 3 / 2 + 2000);
        let data: Vec<u8> = (0..usize::from(op.length % 9000)).map(|at| (at / 3) as u8 ^ op.b).collect();
        if data.is_empty() {
            return Ok(());
        }
        let before = bytes.len();
        match fs.files().write_at(*ino, offset as u64, &data, now) {
            Ok(count) => {
                bytes.resize(before.max(offset + count), 0);
                bytes[offset..offset + count].copy_from_slice(&data[..count]);
                assert!((1..=data.len()).contains(&count));
                Ok(())
            }
            Err(error) => {
                assert_eq!(fs.attr(*ino)?.size, before as u64, "a failed write changed the size");
                Err(error)
            }
        }
    }

    fn truncate(&mut self, fs: &dyn FileSystem, op: FatOp) -> Result<(), FsError> {
        let Some(at) = self.any_file(op.a) else { return Ok(()) };
        let now = self.now();
        let File { ino, bytes: Some(bytes), .. } = &mut self.files[at] else { return Ok(()) };
        let size = usize::from(op.offset) * 7 % (bytes.len() * 3 / 2 + 100);
        let attr = fs.files().truncate(*ino, size as u64, now)?;
        bytes.resize(size, 0);
        assert_eq!(attr.size, size as u64);
        Ok(())
    }

    fn read(&mut self, fs: &dyn FileSystem, op: FatOp) -> Result<(), FsError> {
        let Some(at) = self.any_file(op.a) else { return Ok(()) };
        let File { ino, bytes: Some(bytes), .. } = &self.files[at] else { return Ok(()) };
        let offset = usize::from(op.offset) * 37 % (bytes.len() + 100);
        let mut out = vec![0xee; usize::from(op.length % 20_000)];
        let length = fs.files().read_at(*ino, offset as u64, &mut out)?;
        let expected = bytes.get(offset..).unwrap_or(&[]);
        let expected = &expected[..expected.len().min(out.len())];
        assert!(out[..length] == *expected, "{length} bytes at {offset} of {}", bytes.len());
        Ok(())
    }

    fn remove(&mut self, fs: &dyn FileSystem, op: FatOp) -> Result<(), FsError> {
        let (dir, name, now) = (self.pick(op.a, true).unwrap_or(0), name_of(op.name), self.now());
        let parent = self.files[dir].ino;
        let Some(at) = self.child(dir, name) else {
            let missing = fs.dirs().lookup(parent, name);
            return if missing == Err(FsError::NotFound) {
                Ok(())
            } else {
                refused(missing.map(drop), "no name")
            };
        };
        let ino = self.files[at].ino;
        if self.files[at].bytes.is_some() {
            fs.dirs().unlink(parent, name, ino, now)?;
            self.files[at].parent = None;
            assert_eq!(fs.attr(ino)?.links, 0);
            return Ok(());
        }
        let removed = fs.dirs().rmdir(parent, name, ino, now);
        if !self.is_empty(at) {
            return if removed == Err(FsError::NotEmpty) {
                Ok(())
            } else {
                refused(removed, "a full directory")
            };
        }
        removed?;
        self.files[at].parent = None;
        Ok(())
    }

    fn rename(&mut self, fs: &dyn FileSystem, op: FatOp) -> Result<(), FsError> {
        let now = self.now();
        let at = if op.offset.is_multiple_of(4) { self.pick(op.a, true) } else { self.pick(op.a, false) };
        let Some(at) = at.filter(|&at| at != 0) else { return Ok(()) };
        let Some(from) = self.files[at].parent else { return Ok(()) };
        let (to, name) = (self.pick(op.b, true).unwrap_or(0), name_of(op.name));
        if self.is_within(to, at) {
            return Ok(());
        }
        let target = self.child(to, name);
        let old = self.files[at].name.clone();
        let rename = Rename {
            from: RenameEnd {
                dir: self.files[from].ino,
                name: Name::new(&old).expect("a name"),
                file: Some(self.files[at].ino),
            },
            to: RenameEnd {
                dir: self.files[to].ino,
                name,
                file: target.map(|target| self.files[target].ino),
            },
            exchange: false,
            now,
        };
        let renamed = fs.dirs().rename(&rename);
        let expected = match target.filter(|&target| target != at) {
            Some(target) if self.files[at].bytes.is_none() != self.files[target].bytes.is_none() => {
                if self.files[at].bytes.is_none() { FsError::NotDirectory } else { FsError::IsDirectory }
            }
            Some(target) if self.files[target].bytes.is_none() && !self.is_empty(target) => FsError::NotEmpty,
            _ => {
                renamed?;
                return self.renamed(fs, at, to, target, name);
            }
        };
        if renamed == Err(expected) { Ok(()) } else { refused(renamed, "a target of another kind") }
    }

    fn renamed(
        &mut self,
        fs: &dyn FileSystem,
        at: usize,
        to: usize,
        target: Option<usize>,
        name: Name<'_>,
    ) -> Result<(), FsError> {
        let mut name = name.as_bytes().to_vec();
        if let Some(target) = target.filter(|&target| target != at) {
            // The name that was there keeps its letters, small or not.
            name.clone_from(&self.files[target].name);
            self.files[target].parent = None;
        }
        self.files[at].parent = Some(to);
        self.files[at].name = name;
        let found = fs.dirs().lookup(self.files[to].ino, Name::new(&self.files[at].name).expect("a name"))?;
        assert_eq!(found.ino, self.files[at].ino, "a renamed file keeps its number while in use");
        fs.forget(found.ino, 1);
        Ok(())
    }

    /// Gives back the files without a name, whose clusters go then.
    fn forget_nameless(&mut self, fs: &dyn FileSystem) -> Result<(), FsError> {
        let gone = |at: usize, file: &File| at != 0 && file.parent.is_none();
        for (at, file) in self.files.iter().enumerate() {
            if gone(at, file) {
                fs.forget(file.ino, 1);
                assert_eq!(fs.attr(file.ino), Err(FsError::Stale));
            }
        }
        let mut places = Vec::new();
        let mut kept = Vec::new();
        for (at, file) in self.files.drain(..).enumerate() {
            places.push(kept.len());
            if !gone(at, &file) {
                kept.push(file);
            }
        }
        for file in &mut kept {
            file.parent = file.parent.map(|parent| places[parent]);
        }
        self.files = kept;
        Ok(())
    }

    fn compare_dir(&self, fs: &dyn FileSystem, op: FatOp) -> Result<(), FsError> {
        let dir = self.pick(op.a, true).unwrap_or(0);
        let mut names = list(fs, self.files[dir].ino)?;
        names.sort();
        let children = self.files.iter().filter(|file| file.parent == Some(dir));
        let mut expected: Vec<_> = children.clone().map(|file| file.name.clone()).collect();
        expected.sort();
        assert_eq!(names, expected);
        let subdirs = children.filter(|file| file.bytes.is_none()).count();
        let Attr { links, .. } = fs.attr(self.files[dir].ino)?;
        assert_eq!(links as usize, 2 + subdirs);
        Ok(())
    }
}

/// An answer that must have been a refusal: an error of the device is one too.
fn refused(answer: Result<(), FsError>, what: &str) -> Result<(), FsError> {
    match answer {
        Err(error @ (FsError::Device(_) | FsError::NoMemory | FsError::NoSpace)) => Err(error),
        other => panic!("{what}: {other:?}"),
    }
}

/// The names of a directory, read a few at a time.
fn list(fs: &dyn FileSystem, dir: Ino) -> Result<Vec<Vec<u8>>, FsError> {
    let (mut names, mut next) = (Vec::new(), Cookie(0));
    loop {
        let (before, mut room, from) = (names.len(), 3, next);
        let mut sink = |entry: DirEntry<'_>| {
            room -= 1;
            if room < 0 {
                return false;
            }
            names.push(entry.name.as_bytes().to_vec());
            next = entry.next;
            true
        };
        fs.dirs().readdir(dir, from, &mut sink)?;
        if names.len() == before {
            return Ok(names);
        }
        assert!(names.len() < 100_000, "a directory without end: {}", names.len());
    }
}
