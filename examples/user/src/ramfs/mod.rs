//! A file system in memory, behind calls: what `ramfsd` serves and the kernel mounts.
//!
//! | part | what it is |
//! |---|---|
//! | [`Op`], [`Transport`] | what is asked, and how it comes and goes |
//! | [`store`] | the files, in lent memory |
//! | [`serve`] | one request after the other |
//!
//! A request is a label, an [`Op`], and eight words; names and bytes are lent by the caller. An answer is a label, 0 or an errno, and
//! eight words. The server knows neither who calls nor who may what: the kernel decides that before.

pub mod store;
#[cfg(test)]
mod tests;

use store::{Attr, Failed, MAX_NAME, New, Store};

/// The name under which a server is found.
pub const SERVICE: &[u8] = b"ramfs";
/// Files, names and blocks of a server.
pub const SIZES: (usize, usize, usize) = (128, 256, 256);

/// Nanoseconds since 1970, as words carry it.
pub type Time = u64;

/// What is asked for. The words of each, and what is lent, stand beside it; `file` and `dir` are numbers of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Op {
    /// `()`: the number of the root.
    Root = 1,
    /// `(file)`: [`Attr`], taken in use once more.
    Load,
    /// `(file)`: [`Attr`].
    Attr,
    /// `(file, mask, mode, uid, gid, accessed, modified, changed)`: [`Attr`]. The mask says by bits from 0 which are set.
    SetAttr,
    /// `(file, uses)`.
    Forget,
    /// `(dir, bytes of the name)`, name to be read: [`Attr`], taken in use.
    Lookup,
    /// `(dir, bytes of the name, mode, uid, gid, now, whether a directory)`, name: [`Attr`], taken in use.
    Create,
    /// `(dir, bytes of the name, file, now)`, name: [`Attr`].
    Link,
    /// `(dir, bytes of the name, file, now)`, name.
    Unlink,
    /// `(from, to, bytes of the old name, bytes of the new one, now)`, both names one behind the other.
    Rename,
    /// `(dir, cookie, bytes)`, room: how many bytes of entries there are, each a number, the next cookie, 1 for a directory, the
    /// bytes of the name, one word each, and the name, up to a whole word.
    ReadDir,
    /// `(file, offset, bytes)`, room: how many bytes.
    Read,
    /// `(file, offset, bytes, now)`, bytes to be read: how many.
    Write,
    /// `(file, size, now)`: [`Attr`].
    Truncate,
    /// `()`: blocks, free ones, files that there can be, free ones, requests served.
    StatFs,
}

impl Op {
    const ALL: [Self; 15] = [
        Self::Root,
        Self::Load,
        Self::Attr,
        Self::SetAttr,
        Self::Forget,
        Self::Lookup,
        Self::Create,
        Self::Link,
        Self::Unlink,
        Self::Rename,
        Self::ReadDir,
        Self::Read,
        Self::Write,
        Self::Truncate,
        Self::StatFs,
    ];

    /// What a label asks for.
    #[must_use]
    pub fn of(label: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|op| *op as u64 == label)
    }
}

/// A label and eight words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// What is asked for, or how it went.
    pub label: u64,
    /// With what.
    pub words: [u64; 8],
}

/// How requests come and answers go.
pub trait Transport {
    /// Answers the last request, if there was one, and waits for the next; `None`: there is nobody to serve any more.
    fn next(&mut self, answer: Option<Words>) -> Option<Words>;

    /// Reads what was lent with the request; false if that is not there.
    fn read(&mut self, offset: u64, to: &mut [u8]) -> bool;

    /// Writes to it.
    fn write(&mut self, offset: u64, from: &[u8]) -> bool;
}

/// Serves requests until there are no more.
pub fn serve(store: &mut Store<'_>, transport: &mut impl Transport) {
    let (mut answer, mut served) = (None, 0);
    while let Some(request) = transport.next(answer) {
        served += 1;
        answer = Some(match answer_to(store, transport, request, served) {
            Ok(words) => Words { label: 0, words },
            Err(Failed(errno)) => Words { label: errno, words: [0; 8] },
        });
    }
}

type Answer = Result<[u64; 8], Failed>;

fn first(word: u64) -> [u64; 8] {
    [word, 0, 0, 0, 0, 0, 0, 0]
}

/// A name that was lent.
struct Name([u8; MAX_NAME], usize);

impl Name {
    fn read(transport: &mut impl Transport, offset: u64, length: u64) -> Result<Self, Failed> {
        let mut name = [0; MAX_NAME];
        let length = usize::try_from(length).ok().filter(|length| (1..=MAX_NAME).contains(length));
        let length = length.ok_or(Failed::BAD_NAME)?;
        let place = name.get_mut(..length).unwrap_or_default();
        if transport.read(offset, place) { Ok(Self(name, length)) } else { Err(Failed::FAULT) }
    }

    fn bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }
}

fn answer_to(store: &mut Store<'_>, transport: &mut impl Transport, request: Words, served: u64) -> Answer {
    let [a, b, c, d, e, f, g, _] = request.words;
    let attr = |attr: Attr| attr.words();
    match Op::of(request.label).ok_or(Failed::UNSUPPORTED)? {
        Op::Root => Ok(first(store.root())),
        Op::Load => store.load(a).map(attr),
        Op::Attr => store.attr(a).map(attr),
        Op::SetAttr => store.set_attr(a, &request.words).map(attr),
        Op::Forget => store.forget(a, b).map(|()| [0; 8]),
        Op::Lookup => store.lookup(a, Name::read(transport, 0, b)?.bytes()).map(attr),
        Op::Create => {
            let new = New { mode: c, uid: d, gid: e, now: f, directory: g != 0 };
            store.create(a, Name::read(transport, 0, b)?.bytes(), &new).map(attr)
        }
        Op::Link => store.link(a, Name::read(transport, 0, b)?.bytes(), c, d).map(attr),
        Op::Unlink => store.unlink(a, Name::read(transport, 0, b)?.bytes(), c, d).map(|()| [0; 8]),
        Op::Rename => {
            let (old, new) = (Name::read(transport, 0, c)?, Name::read(transport, c, d)?);
            store.rename((a, old.bytes()), (b, new.bytes()), e).map(|()| [0; 8])
        }
        Op::ReadDir => read_dir(store, transport, a, b, c),
        Op::Read => store.read(a, b, c, |offset, bytes| transport.write(offset, bytes)).map(first),
        Op::Write => store.write(a, b, c, d, |offset, bytes| transport.read(offset, bytes)).map(first),
        Op::Truncate => store.truncate(a, b, c).map(attr),
        Op::StatFs => {
            let [blocks, free, files, files_free] = store.room();
            Ok([blocks, free, files, files_free, served, 0, 0, 0])
        }
    }
}

/// Words of an entry before its name.
pub const ENTRY: usize = 4;

fn read_dir(store: &Store<'_>, transport: &mut impl Transport, dir: u64, from: u64, room: u64) -> Answer {
    let (mut at, mut from) = (0, from);
    while let Some(entry) = store.next_entry(dir, from)? {
        let name = entry.name;
        let (head, padded) = (8 * ENTRY as u64, (name.len() as u64).next_multiple_of(8));
        if at + head + padded > room {
            break;
        }
        let words =
            [entry.file, entry.next, u64::from(entry.directory), name.len() as u64].map(u64::to_le_bytes);
        if !transport.write(at, words.as_flattened()) || !transport.write(at + head, name) {
            return Err(Failed::FAULT);
        }
        (at, from) = (at + head + padded, entry.next);
    }
    Ok(first(at))
}
