//! [`Files`]: the descriptors of a program, and the system calls on files, in musl's terms for wasm.
//!
//! Source: musl's `arch/emscripten`: the numbers of errors are those of WASI, the layouts are of 32 bits with 64-bit times.

use alloc::vec::Vec;

use kos_vfs::{Attr, Call, Ctx, Errno, FileType, How, Mode, OpenFlags, ResolveFlags, SeekFrom, View};

use super::asks;
use super::engine::low;
use super::ram::Ram;
use super::refused::Refused;
use super::roots::{Roots, Way};
use super::rules::Rules;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;
use crate::shell::File;

/// Descriptors of a program, besides the first three.
const MOST: usize = 32;
/// The first of them.
const FIRST: i32 = 3;
/// Bytes of an entry of a directory.
const ENTRY: u32 = 280;
/// "Where it stands", in place of a directory's descriptor.
const AT_CWD: i32 = -100;
/// Paths of which the hook of imports asks whether they are allowed; there is no such file.
pub(super) const ASK_IMPORT: &[u8] = b"/.import/";

/// The open files of a program, and where it may open others.
pub(super) struct Files<'k, P: Platform> {
    pub(super) view: View<'k, FilesEnv<P>>,
    pub(super) ctx: Ctx<'static>,
    pub(super) roots: Roots<'k, P>,
    pub(super) rules: Rules,
    open: Vec<Option<File<'k, P>>>,
}

/// What was denied: the name of a module.
pub(super) type Denied = Option<Vec<u8>>;

impl<'k, P: Platform> Files<'k, P> {
    pub(super) const fn new(
        view: View<'k, FilesEnv<P>>,
        ctx: Ctx<'static>,
        roots: Roots<'k, P>,
        rules: Rules,
    ) -> Self {
        Self { view, ctx, roots, rules, open: Vec::new() }
    }

    fn call(&self) -> Call<'_, 'k, FilesEnv<P>> {
        self.view.call(&self.ctx)
    }

    /// The file behind a descriptor.
    pub(super) fn file(&self, descriptor: i32) -> Result<&File<'k, P>, Refused> {
        let index = usize::try_from(i64::from(descriptor) - i64::from(FIRST)).map_err(|_| Errno::EBADF)?;
        self.open.get(index).and_then(Option::as_ref).ok_or(Refused(Errno::EBADF))
    }

    /// Writes to a file.
    pub(super) fn write(&self, descriptor: i32, bytes: &[u8]) -> Result<usize, Refused> {
        Ok(self.call().write(self.file(descriptor)?, bytes)?)
    }

    /// Does a system call; what it answers. `denied` gets the module that somebody wanted and may not.
    pub(super) fn answer(
        &mut self,
        call: asks::Call,
        words: &[i64; asks::WORDS],
        ram: &mut Ram<'_>,
        denied: &mut Denied,
    ) -> Result<i32, Refused> {
        let [a, b, c, d, ..] = words.map(low);
        match call {
            asks::Call::Chdir => self.chdir(ram.text(a)?),
            asks::Call::Close => self.close(a),
            asks::Call::Getcwd => self.getcwd(a, b, ram),
            asks::Call::List => self.list(a, b, c, ram),
            asks::Call::Stat | asks::Call::Lstat => {
                let attr = self.stat(ram.text(a)?, call == asks::Call::Stat, denied)?;
                put_attr(ram, b, &attr)
            }
            asks::Call::StatAt => {
                let attr = match (a, ram.text(b)?) {
                    (fd, b"") => self.attr_of(fd)?,
                    (AT_CWD, path) => self.stat(path, d & 0x100 == 0, denied)?,
                    (_, path) if path.first() == Some(&b'/') => self.stat(path, d & 0x100 == 0, denied)?,
                    _ => return Err(Refused(Errno::ENOSYS)),
                };
                put_attr(ram, c, &attr)
            }
            asks::Call::StatOpen => put_attr(ram, b, &self.attr_of(a)?),
            asks::Call::StatFs => {
                let bytes = self.statfs(ram.text(a)?)?;
                ram.put(c, &bytes)?;
                Ok(0)
            }
            asks::Call::Mkdir => {
                let mode = Mode::of(u16::try_from(c & 0o7777).unwrap_or(0o777));
                self.change(ram.text(b)?, |call, at, name| Ok(call.mkdir(at, name, mode)?))
            }
            asks::Call::Rmdir => self.change(ram.text(a)?, |call, at, name| Ok(call.rmdir(at, name)?)),
            asks::Call::Remove if c == 0x200 => {
                self.change(ram.text(b)?, |call, at, name| Ok(call.rmdir(at, name)?))
            }
            asks::Call::Remove => self.change(ram.text(b)?, |call, at, name| Ok(call.unlink(at, name)?)),
            asks::Call::Rename => self.rename(ram.text(b)?, ram.text(d)?),
            asks::Call::Open => {
                let mode = if d == 0 { 0 } else { ram.word(d)? };
                self.open(ram.text(b)?, c, mode, denied)
            }
            asks::Call::Seek => self.seek(a, words[1], c, d, ram),
            asks::Call::Sync => {
                self.file(a)?.sync(kos_vfs::fs::SyncMode::All)?;
                Ok(0)
            }
            asks::Call::Poll | asks::Call::Read | asks::Call::Write => Err(Refused(Errno::ENOSYS)),
        }
    }

    /// Where `path` leads, unless it is a module that is denied.
    fn way(&self, path: &[u8], denied: &mut Denied) -> Result<Way<'_, 'k, P>, Refused> {
        if let Some(module) = path.strip_prefix(ASK_IMPORT) {
            return Err(self.denied(module, denied).err().unwrap_or(Refused(Errno::ENOENT)));
        }
        let way = self.roots.way(path)?;
        if way.of_modules {
            let first = way.rest.split(|&byte| byte == b'/').next().unwrap_or_default();
            let module = first.split(|&byte| byte == b'.').next().unwrap_or_default();
            self.denied(module, denied)?;
        }
        Ok(way)
    }

    fn denied(&self, module: &[u8], denied: &mut Denied) -> Result<(), Refused> {
        if self.rules.allows(module) {
            return Ok(());
        }
        *denied = super::roots::joined(&[module]).ok();
        Err(Refused(Errno::EACCES))
    }

    fn open(&mut self, path: &[u8], flags: i32, mode: u32, denied: &mut Denied) -> Result<i32, Refused> {
        let way = self.way(path, denied)?;
        let flags = OpenFlags::from_bits_truncate(flags.cast_unsigned());
        if way.of_modules && (flags.writes() || flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)) {
            return Err(Refused(Errno::EROFS));
        }
        let mode = Mode::of(u16::try_from(mode & 0o777).unwrap_or(0o666));
        let how = How { flags, mode, resolve: ResolveFlags::BENEATH };
        let file = self.call().open(way.at, &way.rest, &how)?;
        let free = self.open.iter().position(Option::is_none);
        let index = free.unwrap_or(self.open.len());
        if index >= MOST {
            return Err(Refused(Errno::EMFILE));
        }
        if free.is_none() {
            self.open.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.open.push(None);
        }
        if let Some(slot) = self.open.get_mut(index) {
            *slot = Some(file);
        }
        Ok(i32::try_from(index).unwrap_or(0) + FIRST)
    }

    fn close(&mut self, descriptor: i32) -> Result<i32, Refused> {
        self.file(descriptor)?;
        let index = usize::try_from(descriptor - FIRST).map_err(|_| Errno::EBADF)?;
        if let Some(slot) = self.open.get_mut(index) {
            *slot = None;
        }
        Ok(0)
    }

    fn stat(&self, path: &[u8], follow: bool, denied: &mut Denied) -> Result<Attr, Refused> {
        let way = self.way(path, denied)?;
        let call = self.call();
        let place = call.resolve_within(way.at, &way.rest, follow, ResolveFlags::BENEATH);
        let place = place?;
        Ok(call.stat(&place)?.attr)
    }

    fn attr_of(&self, descriptor: i32) -> Result<Attr, Refused> {
        let file = self.file(descriptor)?;
        Ok(self.call().stat(file.place())?.attr)
    }

    fn chdir(&mut self, path: &[u8]) -> Result<i32, Refused> {
        if self.stat(path, true, &mut None)?.kind != FileType::Directory {
            return Err(Refused(Errno::ENOTDIR));
        }
        self.roots.stand(path)?;
        Ok(0)
    }

    fn getcwd(&self, to: i32, size: i32, ram: &mut Ram<'_>) -> Result<i32, Refused> {
        let mut path = self.roots.standing()?;
        path.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        path.push(0);
        let length = i32::try_from(path.len()).map_err(|_| Errno::ERANGE)?;
        if length > size {
            return Err(Refused(Errno::ERANGE));
        }
        ram.put(to, &path)?;
        Ok(length)
    }

    /// Makes or removes a name: `change` gets the directory and the last component.
    fn change(
        &self,
        path: &[u8],
        change: impl FnOnce(
            &Call<'_, 'k, FilesEnv<P>>,
            kos_vfs::At<'_, 'k, FilesEnv<P>>,
            &[u8],
        ) -> Result<(), Refused>,
    ) -> Result<i32, Refused> {
        let way = self.way(path, &mut None)?;
        if way.of_modules {
            return Err(Refused(Errno::EROFS));
        }
        let (dir, name) = split(&way.rest)?;
        let call = self.call();
        let dir = call.resolve_within(way.at, dir, true, ResolveFlags::BENEATH);
        let dir = dir?;
        change(&call, kos_vfs::At::Place(&dir), name)?;
        Ok(0)
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> Result<i32, Refused> {
        self.change(from, |call, from_dir, from_name| {
            self.change(to, |_, to_dir, to_name| {
                let flags = kos_vfs::fs::RenameFlags::empty();
                Ok(call.rename(from_dir, from_name, to_dir, to_name, flags)?)
            })?;
            Ok(())
        })
    }

    fn seek(
        &self,
        descriptor: i32,
        offset: i64,
        whence: i32,
        to: i32,
        ram: &mut Ram<'_>,
    ) -> Result<i32, Refused> {
        let file = self.file(descriptor)?;
        let target = match whence {
            0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::EINVAL)?),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => return Err(Refused(Errno::EINVAL)),
        };
        let position = file.seek(target)?;
        ram.put(to, &position.to_le_bytes())?;
        Ok(0)
    }

    fn list(&self, descriptor: i32, to: i32, size: i32, ram: &mut Ram<'_>) -> Result<i32, Refused> {
        let bytes = ram.get_mut(to, size.cast_unsigned())?;
        let mut room = bytes.chunks_exact_mut(ENTRY as usize);
        let (mut count, mut position) = (0_i32, 0_u64);
        let listed = self.file(descriptor)?.list(|entry| {
            let Some(slot) = room.next() else { return false };
            position = entry.next.0;
            put_entry(slot, entry);
            count += ENTRY.cast_signed();
            true
        });
        listed?;
        Ok(count)
    }

    fn statfs(&self, path: &[u8]) -> Result<[u8; 88], Refused> {
        let way = self.way(path, &mut None)?;
        let call = self.call();
        let place = call.resolve_within(way.at, &way.rest, true, ResolveFlags::BENEATH);
        let place = place?;
        let unit = call.stat(&place)?.block_size;
        let all = call.statfs(&place)?;
        let mut bytes = [0; 88];
        let mut put = Put(&mut bytes);
        put.at(4, &unit.to_le_bytes());
        put.at(60, &unit.to_le_bytes());
        let counts = [all.blocks, all.free, all.available, all.files, all.files_free];
        for (index, count) in counts.iter().enumerate() {
            put.at(8 + 8 * index, &count.to_le_bytes());
        }
        put.at(56, &255_u32.to_le_bytes());
        Ok(bytes)
    }
}

/// Bytes that are laid out.
struct Put<'b>(&'b mut [u8]);

impl Put<'_> {
    fn at(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(to) = self.0.get_mut(offset..offset + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }
}

fn put_entry(slot: &mut [u8], entry: &kos_vfs::Entry<'_>) {
    let mut put = Put(slot);
    put.at(0, &entry.number.to_le_bytes());
    put.at(8, &entry.next.0.to_le_bytes());
    put.at(16, &280_u16.to_le_bytes());
    // `DT_…` are the bits of the mode.
    put.at(18, &[u8::try_from(entry.kind.bits() >> 12).unwrap_or(0)]);
    let name = entry.name.get(..255).unwrap_or(entry.name);
    put.at(19, name);
    put.at(19 + name.len(), &[0]);
}

fn put_attr(ram: &mut Ram<'_>, to: i32, attr: &Attr) -> Result<i32, Refused> {
    let mut bytes = [0; 96];
    let mut put = Put(&mut bytes);
    let words = [1, u32::from(attr.mode_word()), attr.links, attr.uid, attr.gid, 0];
    for (index, word) in words.iter().enumerate() {
        put.at(4 * index, &word.to_le_bytes());
    }
    put.at(24, &attr.size.to_le_bytes());
    put.at(32, &4096_u32.to_le_bytes());
    put.at(36, &u32::try_from(attr.blocks).unwrap_or(u32::MAX).to_le_bytes());
    for (index, time) in [attr.accessed, attr.modified, attr.changed].iter().enumerate() {
        put.at(40 + 16 * index, &time.seconds.to_le_bytes());
        put.at(48 + 16 * index, &time.nanos().to_le_bytes());
    }
    put.at(88, &attr.ino.number.to_le_bytes());
    ram.put(to, &bytes)?;
    Ok(0)
}

/// Directory and last component; that one is a name.
fn split(path: &[u8]) -> Result<(&[u8], &[u8]), Errno> {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    let path = path.get(..end).unwrap_or_default();
    let (dir, name) = match path.iter().rposition(|&byte| byte == b'/') {
        None => (&b"."[..], path),
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
    };
    match name {
        b"" | b"." | b".." => Err(Errno::EINVAL),
        name => Ok((if dir.is_empty() { b"." } else { dir }, name)),
    }
}

/// The number of an error as wasm's C library has it.
pub(super) const fn number(errno: Errno) -> i32 {
    match errno {
        Errno::E2BIG => 1,
        Errno::EACCES => 2,
        Errno::EAGAIN => 6,
        Errno::EBADF => 8,
        Errno::EBUSY => 10,
        Errno::EEXIST => 20,
        Errno::EFAULT => 21,
        Errno::EFBIG => 22,
        Errno::EILSEQ => 25,
        Errno::EINTR => 27,
        Errno::EINVAL => 28,
        Errno::EISDIR => 31,
        Errno::ELOOP => 32,
        Errno::EMFILE => 33,
        Errno::EMLINK => 34,
        Errno::ENAMETOOLONG => 37,
        Errno::ENFILE => 41,
        Errno::ENODEV => 43,
        Errno::ENOENT => 44,
        Errno::ENOMEM => 48,
        Errno::ENOSPC => 51,
        Errno::ENOSYS => 52,
        Errno::ENOTDIR => 54,
        Errno::ENOTEMPTY => 55,
        Errno::EOPNOTSUPP => 138,
        Errno::EPERM => 63,
        Errno::EPIPE => 64,
        Errno::ERANGE => 68,
        Errno::EROFS => 69,
        Errno::ESPIPE => 70,
        Errno::EXDEV => 75,
        _ => 29,
    }
}

#[cfg(test)]
mod tests {
    use super::{number, split};
    use kos_vfs::Errno;

    #[test]
    fn last_components_are_names() {
        assert_eq!(split(b"a/b/c//"), Ok((&b"a/b"[..], &b"c"[..])));
        assert_eq!(split(b"a"), Ok((&b"."[..], &b"a"[..])));
        for wrong in [&b"a/.."[..], b".", b"..", b"/", b""] {
            assert_eq!(split(wrong), Err(Errno::EINVAL));
        }
    }

    #[test]
    fn errors_have_the_numbers_of_wasi() {
        assert_eq!([Errno::ENOENT, Errno::EXDEV, Errno::EUCLEAN].map(number), [44, 75, 29]);
    }
}
