//! What mappings show: files of the VFS, and memory that a program shares with its children.
//!
//! A file has one object as long as somebody maps it, so that all who do see the same frames. What `read` and `write` do
//! meanwhile is not seen: the object is written to the file when a shared mapping of it goes, and by `msync`.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;

use kos_alloc::Locked;
use kos_paging::object::{MemoryObject, Store};
use kos_vfs::{Ctx, Errno, FileType, Ino, OpenFlags};
use lock_api::Mutex;

use super::ports::Ports;
use crate::Kernel;
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;
use crate::shell::File;

/// Pages that are mapped.
pub(crate) type Object<P> = Arc<MemoryObject<Ports<P>, SleepLock<P>, Backing<P>>>;

/// Where their content comes from.
pub(crate) enum Backing<P: Platform> {
    /// Nowhere: zeros.
    Zeros,
    /// A file.
    File(FileStore<P>),
}

/// A file whose pages are mapped.
pub(crate) struct FileStore<P: Platform> {
    kernel: &'static Kernel<P>,
    /// Open for writing as soon as somebody maps it so.
    file: Mutex<SleepLock<P>, File<'static, P>>,
}

impl<P: Platform> FileStore<P> {
    fn write(&self, offset: u64, from: &[u8]) -> Result<(), Errno> {
        let file = self.file.lock().clone();
        let view = self.kernel.files().and_then(|files| files.view()).ok_or(Errno::EIO)?;
        let ctx = Ctx::root();
        let call = view.call(&ctx);
        // A file that was cut meanwhile stays as short.
        let size = call.stat(file.place()).map_err(|error| error.errno())?.attr.size;
        let inside = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(from.len());
        let (mut rest, mut at) = (from.get(..inside).unwrap_or_default(), offset);
        while !rest.is_empty() {
            let written = call.pwrite(&file, rest, at).map_err(|error| error.errno())?;
            rest = rest.get(written..).filter(|_| written > 0).ok_or(Errno::EIO)?;
            at += written as u64;
        }
        Ok(())
    }
}

impl<P: Platform> Store for Backing<P> {
    type Error = Errno;

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        let Self::File(store) = self else { return Ok(()) };
        let file = store.file.lock().clone();
        let mut done = 0;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.pread(rest, offset + done as u64).map_err(|error| error.errno())? {
                0 => break,
                read => done += read,
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, from: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Zeros => Ok(()),
            Self::File(store) => store.write(offset, from),
        }
    }
}

impl<P: Platform> fmt::Debug for Backing<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Zeros) { "Zeros" } else { "File" })
    }
}

/// Which file an object shows, and as it was when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    ino: Ino,
}

/// The objects that there are: those of files that somebody maps are found again, of the others it is known what they hold.
pub(super) struct Objects<P: Platform>(Locked<P::Env, Vec<Known<P>>>);

/// An object, and which file it shows, if it shows one.
type Known<P> = (Option<Identity>, Weak<MemoryObjectOf<P>>);

type MemoryObjectOf<P> = MemoryObject<Ports<P>, SleepLock<P>, Backing<P>>;

impl<P: Platform> Objects<P> {
    pub(super) const fn new(env: P::Env) -> Self {
        Self(Locked::new(env, Vec::new()))
    }

    /// The object of an open file, as long as the file is now.
    pub(super) fn of_file(
        &self,
        kernel: &'static Kernel<P>,
        ports: &Ports<P>,
        file: &File<'static, P>,
    ) -> Result<Object<P>, Errno> {
        let view = kernel.files().and_then(|files| files.view()).ok_or(Errno::EIO)?;
        let stat = view.call(&Ctx::root()).stat(file.place()).map_err(|error| error.errno())?;
        if stat.attr.kind != FileType::Regular {
            return Err(Errno::ENODEV);
        }
        let identity = Identity { device: stat.device, ino: stat.attr.ino };
        let object = match self.find(identity) {
            Some(object) => object,
            None => self.add(identity, kernel, ports, file)?,
        };
        if let Backing::File(store) = object.store()
            && writes(file)
        {
            *store.file.lock() = file.clone();
        }
        object.grow(stat.attr.size).map_err(|_| Errno::ENOMEM)?;
        Ok(object)
    }

    fn find(&self, identity: Identity) -> Option<Object<P>> {
        let find = |list: &Vec<Known<P>>| {
            list.iter().find(|(known, _)| *known == Some(identity)).and_then(|(_, object)| object.upgrade())
        };
        self.0.with(|list| find(list))
    }

    /// Shows each object, without the lock; one that comes or goes meanwhile may be left out.
    pub(super) fn each(&self, mut show: impl FnMut(&Object<P>)) {
        let mut place = 0;
        while let Some(object) = self.0.with(|list| Some(list.get(place)?.1.upgrade())) {
            object.iter().for_each(&mut show);
            place += 1;
        }
    }

    /// Makes one, unless another thread was quicker.
    fn add(
        &self,
        identity: Identity,
        kernel: &'static Kernel<P>,
        ports: &Ports<P>,
        file: &File<'static, P>,
    ) -> Result<Object<P>, Errno> {
        if !kernel.has_room_for::<MemoryObjectOf<P>>() {
            return Err(Errno::ENOMEM);
        }
        let store = FileStore { kernel, file: Mutex::new(file.clone()) };
        self.keep(Some(identity), Arc::new(MemoryObject::new(ports.clone(), Backing::File(store))))
    }

    /// Knows a new object from now on, unless there is one of its file already: that one then.
    fn keep(&self, identity: Option<Identity>, new: Object<P>) -> Result<Object<P>, Errno> {
        // What is dropped is dropped without the lock.
        let mut gone = Vec::new();
        let is_of_file = |known: &Option<Identity>| known.is_some() && *known == identity;
        let added = self.0.with(|list| {
            let known = list.iter().find(|(known, _)| is_of_file(known));
            if let Some(object) = known.and_then(|(_, object)| object.upgrade()) {
                return Ok(object);
            }
            list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            gone.try_reserve(list.len()).map_err(|_| Errno::ENOMEM)?;
            gone.extend(
                list.extract_if(.., |(known, object)| is_of_file(known) || object.strong_count() == 0),
            );
            list.push((identity, Arc::downgrade(&new)));
            Ok(Arc::clone(&new))
        });
        drop(gone);
        added
    }

    /// Forgets what nobody maps any more.
    pub(super) fn trim(&self) {
        let dead = self.0.with(|list| {
            let mut kept = core::mem::take(list);
            let dead: Vec<_> = kept.extract_if(.., |(_, object)| object.strong_count() == 0).collect();
            if !kept.is_empty() {
                *list = kept;
            }
            dead
        });
        drop(dead);
    }
}

/// Whether a file is open for writing.
pub(super) fn writes<P: Platform>(file: &File<'_, P>) -> bool {
    file.flags().intersects(OpenFlags::WRITE_ONLY | OpenFlags::READ_WRITE)
}

/// Memory that a program shares with its children.
pub(crate) fn shared_memory<P: Platform>(
    kernel: &Kernel<P>,
    ports: &Ports<P>,
    bytes: u64,
) -> Result<Object<P>, Errno> {
    if !kernel.has_room_for::<MemoryObjectOf<P>>() {
        return Err(Errno::ENOMEM);
    }
    let object = Arc::new(MemoryObject::new(ports.clone(), Backing::Zeros));
    let object = kernel.processes.objects.keep(None, object)?;
    object.grow(bytes).map_err(|_| Errno::ENOMEM)?;
    Ok(object)
}
