//! What kos-vfs asks of a file system, as calls to a server: [`ServedFs`].
//!
//! A file's number is the server's, its generation the incarnation of that server; the root is the same for all of them. Answers come
//! from a program: lengths are checked, and cookies only grow.

use alloc::sync::Arc;
use core::fmt;

use kos_user::ramfs::store::{Attr as Served, MAX_NAME};
use kos_user::ramfs::{ENTRY, Op};
use kos_vfs::attr::{DeviceNumber, SetAttr};
use kos_vfs::fs::{
    Cookie, DirEntry, DirOps, DirSink, FileOps, FileSystem, FsFeatures, FsInfo, NewNode, Rename, StatFs,
    SyncMode,
};
use kos_vfs::name::PATH_MAX;
use kos_vfs::{Attr, FileType, FsError, Ino, Mode, Name, Timestamp};

use super::link::{Answer, FAILED, Link, Loan, Of};
use crate::glue::ipc::WINDOW;
use crate::platform::Platform;

const ROOT: Ino = Ino { number: 1, generation: 0 };
const SECOND: u64 = 1_000_000_000;
/// Bytes of a listing that are fetched at a time.
const LISTING: usize = 1024;

/// The files of a server.
pub(super) struct ServedFs<P: Platform>(Arc<Link<P>>);

impl<P: Platform> fmt::Debug for ServedFs<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServedFs").field(&self.0).finish()
    }
}

/// Whose file it is.
const fn of(file: Ino) -> Of {
    if file.generation == 0 { Of::Anybody } else { Of::Incarnation(file.generation) }
}

fn nanos(time: Timestamp) -> u64 {
    let seconds = u64::try_from(time.seconds).unwrap_or(0);
    seconds.saturating_mul(SECOND).saturating_add(time.nanos().into())
}

fn time(nanos: u64) -> Timestamp {
    let (seconds, rest) = ((nanos / SECOND).cast_signed(), u32::try_from(nanos % SECOND).unwrap_or(0));
    Timestamp::new(seconds, rest).unwrap_or(Timestamp::EPOCH)
}

fn length(name: Name<'_>) -> u64 {
    name.as_bytes().len() as u64
}

fn low(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0)
}

impl<P: Platform> ServedFs<P> {
    pub(super) const fn new(link: Arc<Link<P>>) -> Self {
        Self(link)
    }

    /// Asks about one file: its number comes first.
    fn ask(&self, file: Ino, op: Op, rest: &[u64], loan: Loan<'_>) -> Result<Answer, FsError> {
        let words = |root| {
            let number = if file == ROOT { root } else { file.number };
            let mut words = [0; 8];
            words.iter_mut().zip([number].iter().chain(rest)).for_each(|(to, from)| *to = *from);
            words
        };
        self.0.ask(of(file), op, words, loan)
    }

    /// The same, where the answer tells of a file.
    fn describe(&self, file: Ino, op: Op, rest: &[u64], loan: Loan<'_>) -> Result<Attr, FsError> {
        let Answer { words, incarnation } = self.ask(file, op, rest, loan)?;
        Ok(attr(&words, incarnation))
    }

    /// The same about `file` itself: the root stays the root.
    fn describe_self(&self, file: Ino, op: Op, rest: &[u64]) -> Result<Attr, FsError> {
        self.describe(file, op, rest, Loan::Nothing).map(|attr| Attr { ino: file, ..attr })
    }

    /// Names that are too long are nobody's.
    fn check(name: Name<'_>) -> Result<(), FsError> {
        if name.as_bytes().len() <= MAX_NAME { Ok(()) } else { Err(FsError::BadName) }
    }
}

fn attr(words: &[u64; 8], incarnation: u32) -> Attr {
    let Served { file, directory, mode, links, owners: [uid, gid], size, times, .. } = Served::of(words);
    let [accessed, modified, changed] = times.map(time);
    Attr {
        ino: Ino { number: file, generation: incarnation },
        kind: if directory { FileType::Directory } else { FileType::Regular },
        mode: Mode::of(low(mode).to_le_bytes()[..2].try_into().map_or(0, u16::from_le_bytes)),
        links: low(links),
        uid: low(uid),
        gid: low(gid),
        device: DeviceNumber::default(),
        size: size.min(i64::MAX.cast_unsigned()),
        blocks: size.div_ceil(512),
        accessed,
        modified,
        changed,
        born: modified,
    }
}

impl<P: Platform> FileSystem for ServedFs<P> {
    fn info(&self) -> FsInfo {
        FsInfo {
            kind: "served",
            block_size: 4096,
            max_size: 1 << 40,
            max_links: u32::MAX,
            max_name: MAX_NAME,
            time_step: 1,
            access_step: 1,
            features: FsFeatures::OWNERS | FsFeatures::RESIDENT | FsFeatures::VOLATILE,
        }
    }

    fn root(&self) -> Ino {
        ROOT
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        // The root is always there.
        self.describe_self(file, if file == ROOT { Op::Attr } else { Op::Load }, &[])
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        self.describe_self(file, Op::Attr, &[])
    }

    fn set_attr(&self, file: Ino, set: &SetAttr) -> Result<Attr, FsError> {
        let mode = set.mode.map(|mode| mode.bits().into());
        let owners = [set.uid, set.gid].map(|id| id.map(u64::from));
        let times = [set.accessed, set.modified, set.changed].map(|time| time.map(nanos));
        let fields = [mode, owners[0], owners[1], times[0], times[1], times[2]];
        let mask = (0..).zip(fields).fold(0, |mask, (bit, field)| mask | u64::from(field.is_some()) << bit);
        let [mode, uid, gid, accessed, modified, changed] = fields.map(Option::unwrap_or_default);
        self.describe_self(file, Op::SetAttr, &[mask, mode, uid, gid, accessed, modified, changed])
    }

    fn forget(&self, file: Ino, uses: u32) {
        if file != ROOT {
            // A server that is gone has forgotten everything.
            let _ = self.ask(file, Op::Forget, &[uses.into()], Loan::Nothing);
        }
    }

    fn dirs(&self) -> &dyn DirOps {
        self
    }

    fn files(&self) -> &dyn FileOps {
        self
    }

    fn statfs(&self) -> Result<StatFs, FsError> {
        let [blocks, free, files, files_free, ..] = self.ask(ROOT, Op::StatFs, &[], Loan::Nothing)?.words;
        Ok(StatFs { blocks, free, available: free, files, files_free })
    }

    fn sync(&self, _: SyncMode) -> Result<(), FsError> {
        // Nothing of it outlives the server, and all is there already.
        Ok(())
    }
}

impl<P: Platform> DirOps for ServedFs<P> {
    fn lookup(&self, dir: Ino, name: Name<'_>) -> Result<Attr, FsError> {
        Self::check(name).map_err(|_| FsError::NotFound)?;
        self.describe(dir, Op::Lookup, &[length(name)], Loan::Read(name.as_bytes(), &[]))
    }

    fn create(&self, dir: Ino, name: Name<'_>, new: &NewNode<'_>) -> Result<Attr, FsError> {
        Self::check(name)?;
        let directory = match new.kind {
            FileType::Regular => 0,
            FileType::Directory => 1,
            _ => return Err(FsError::Unsupported),
        };
        let mode = new.mode.bits().into();
        let words = [length(name), mode, new.uid.into(), new.gid.into(), nanos(new.now), directory];
        self.describe(dir, Op::Create, &words, Loan::Read(name.as_bytes(), &[]))
    }

    fn link(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<Attr, FsError> {
        Self::check(name)?;
        let words = [length(name), file.number, nanos(now)];
        self.describe(dir, Op::Link, &words, Loan::Read(name.as_bytes(), &[]))
    }

    fn unlink(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        let words = [length(name), file.number, nanos(now)];
        self.ask(dir, Op::Unlink, &words, Loan::Read(name.as_bytes(), &[])).map(drop)
    }

    fn rmdir(&self, dir: Ino, name: Name<'_>, file: Ino, now: Timestamp) -> Result<(), FsError> {
        self.unlink(dir, name, file, now)
    }

    fn rename(&self, rename: &Rename<'_>) -> Result<(), FsError> {
        let (from, to) = (rename.from, rename.to);
        if rename.exchange {
            return Err(FsError::Unsupported);
        }
        Self::check(to.name)?;
        let both = [from.dir, to.dir].map(of);
        let of = if both[0] == Of::Anybody { both[1] } else { both[0] };
        if !both.iter().all(|one| *one == Of::Anybody || *one == of) {
            return Err(FsError::Stale);
        }
        let words = |root| {
            let [old, new] = [from.dir, to.dir].map(|dir| if dir == ROOT { root } else { dir.number });
            [old, new, length(from.name), length(to.name), nanos(rename.now), 0, 0, 0]
        };
        let loan = Loan::Read(from.name.as_bytes(), to.name.as_bytes());
        self.0.ask(of, Op::Rename, words, loan).map(drop)
    }

    fn readlink(&self, _: Ino, _: &mut [u8; PATH_MAX]) -> Result<usize, FsError> {
        Err(FsError::Unsupported)
    }

    fn readdir(&self, dir: Ino, from: Cookie, sink: &mut dyn DirSink) -> Result<(), FsError> {
        let (mut from, mut listing) = (from.0, [0; LISTING]);
        loop {
            let loan = Loan::Write(&mut listing);
            let Answer { words, incarnation } = self.ask(dir, Op::ReadDir, &[from, LISTING as u64], loan)?;
            let bytes =
                usize::try_from(words[0]).ok().and_then(|length| listing.get(..length)).ok_or(FAILED)?;
            if bytes.is_empty() || !list(bytes, &mut from, incarnation, sink)? {
                return Ok(());
            }
        }
    }
}

/// Gives the entries of a listing to `sink`; false if it takes no more.
fn list(mut rest: &[u8], from: &mut u64, incarnation: u32, sink: &mut dyn DirSink) -> Result<bool, FsError> {
    while !rest.is_empty() {
        let (head, behind) = rest.split_at_checked(8 * ENTRY).ok_or(FAILED)?;
        let word = |at: usize| head.as_chunks::<8>().0.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let [number, next, directory, length] = [0, 1, 2, 3].map(word);
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_NAME).ok_or(FAILED)?;
        let name = behind.get(..length).and_then(|bytes| Name::new(bytes).ok()).ok_or(FAILED)?;
        // Else a listing need not end.
        if next <= *from || next < Cookie::FIRST.0 || next > i64::MAX.cast_unsigned() {
            return Err(FAILED);
        }
        let kind = if directory == 0 { FileType::Regular } else { FileType::Directory };
        let ino = Ino { number, generation: incarnation };
        if !sink.entry(DirEntry { name, ino, kind, next: Cookie(next) }) {
            return Ok(false);
        }
        *from = next;
        rest = behind.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(true)
}

impl<P: Platform> FileOps for ServedFs<P> {
    fn read_at(&self, file: Ino, offset: u64, out: &mut [u8]) -> Result<usize, FsError> {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let most = rest.len().min(WINDOW);
            let part = rest.get_mut(..most).unwrap_or_default();
            let words = [offset.saturating_add(done as u64), most as u64];
            let read = self.ask(file, Op::Read, &words, Loan::Write(part))?.words[0];
            let read = usize::try_from(read).ok().filter(|read| *read <= most).ok_or(FAILED)?;
            done += read;
            if read < most {
                break;
            }
        }
        Ok(done)
    }

    fn write_at(&self, file: Ino, offset: u64, bytes: &[u8], now: Timestamp) -> Result<usize, FsError> {
        let part = bytes.get(..bytes.len().min(WINDOW)).unwrap_or_default();
        let words = [offset, part.len() as u64, nanos(now)];
        let written = self.ask(file, Op::Write, &words, Loan::Read(part, &[]))?.words[0];
        usize::try_from(written).ok().filter(|written| (1..=part.len()).contains(written)).ok_or(FAILED)
    }

    fn truncate(&self, file: Ino, size: u64, now: Timestamp) -> Result<Attr, FsError> {
        self.describe_self(file, Op::Truncate, &[size, nanos(now)])
    }

    fn fsync(&self, _: Ino, _: SyncMode) -> Result<(), FsError> {
        Ok(())
    }
}
