//! `/proc/NUMBER`: what is known of each process. A directory lives as long as its process is known.

use alloc::sync::Arc;
use core::fmt::{self, Write};
use core::marker::PhantomData;

use kos_vfs::fs::procfs::{Body, Content, Identity, Listed, Synthetic, SyntheticDir, SyntheticFile};
use kos_vfs::{Errno, FileType, Name};

use crate::Kernel;
use crate::cmds::{memory, programs};
use crate::platform::Platform;
use crate::process::MOST;
use crate::shell::CommandError;

/// Says something of a process.
type Say<P> = fn(&Kernel<P>, u32, &mut dyn Write) -> Result<(), CommandError>;

/// The files of a process, and what says what is in them.
const fn files<P: Platform>() -> [(&'static str, Say<P>); 2] {
    [("maps", maps), ("memory", memory)]
}

fn maps<P: Platform>(kernel: &Kernel<P>, id: u32, out: &mut dyn Write) -> Result<(), CommandError> {
    let process = kernel.processes.of_number(id).ok_or(CommandError::Quiet)?;
    let space = process.space().ok_or(CommandError::Quiet)?;
    programs::mappings(&space, out).map(drop)
}

fn memory<P: Platform>(kernel: &Kernel<P>, id: u32, out: &mut dyn Write) -> Result<(), CommandError> {
    memory::of(kernel, id, out)
}

/// The processes by number.
pub(super) struct Processes<P>(pub(super) PhantomData<fn() -> P>);

impl<P> fmt::Debug for Processes<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Processes")
    }
}

/// Who is there, by number, from `from` on.
fn numbers<P: Platform>(from: u64) -> heapless::Vec<u32, MOST> {
    let all = P::with_kernel(|kernel| kernel.processes.all()).unwrap_or_default();
    let numbers = all.iter().map(|process| process.id).filter(|&id| u64::from(id) >= from);
    let mut numbers: heapless::Vec<u32, MOST> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// The same number is never given twice.
const fn identity(key: u64) -> Identity {
    Identity { key, generation: 0 }
}

impl<P: Platform> SyntheticDir for Processes<P> {
    fn find(&self, name: Name<'_>) -> Option<Synthetic> {
        let text = core::str::from_utf8(name.as_bytes()).ok()?;
        let id = text.parse().ok().filter(|_| !text.starts_with(['0', '+']))?;
        let dir = OfProcess::<P> { id, machine: PhantomData };
        let body = P::with_kernel(|kernel| {
            kernel.processes.of_number(id).filter(|_| kernel.has_room_for::<OfProcess<P>>())?;
            Some(Body::Dir(Arc::new(dir)))
        });
        Some(Synthetic::new(body??, identity(id.into())))
    }

    fn list(&self, from: u64, each: &mut dyn FnMut(Listed<'_>) -> bool) {
        for id in numbers::<P>(from) {
            let mut text = heapless::String::<10>::new();
            // Ten digits fit.
            let _ = write!(text, "{id}");
            let Ok(name) = Name::new(text.as_bytes()) else { continue };
            if !each(Listed { name, identity: identity(id.into()), kind: FileType::Directory }) {
                return;
            }
        }
    }
}

/// The files of one process.
struct OfProcess<P> {
    id: u32,
    machine: PhantomData<fn() -> P>,
}

impl<P> fmt::Debug for OfProcess<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfProcess({})", self.id)
    }
}

impl<P: Platform> SyntheticDir for OfProcess<P> {
    fn find(&self, name: Name<'_>) -> Option<Synthetic> {
        let mut all = (0..).zip(files::<P>());
        let (key, (_, say)) = all.find(|(_, (known, _))| known.as_bytes() == name.as_bytes())?;
        let file = Said::<P> { id: self.id, say };
        let body =
            P::with_kernel(|kernel| kernel.has_room_for::<Said<P>>().then(|| Body::File(Arc::new(file))));
        Some(Synthetic::new(body??, identity(key)))
    }

    fn list(&self, from: u64, each: &mut dyn FnMut(Listed<'_>) -> bool) {
        for (key, (name, _)) in (0..).zip(files::<P>()).filter(|(key, _)| *key >= from) {
            let Ok(name) = Name::new(name.as_bytes()) else { continue };
            if !each(Listed { name, identity: identity(key), kind: FileType::Regular }) {
                return;
            }
        }
    }
}

/// What is said of a process.
struct Said<P: Platform> {
    id: u32,
    say: Say<P>,
}

impl<P: Platform> fmt::Debug for Said<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Said({})", self.id)
    }
}

impl<P: Platform> SyntheticFile for Said<P> {
    fn generate(&self, out: &mut Content) -> fmt::Result {
        let said = P::with_kernel(|kernel| {
            // It may have ended meanwhile.
            kernel.processes.of_number(self.id).ok_or(Errno::ESRCH)?;
            (self.say)(kernel, self.id, out).map_err(|_| Errno::EIO)
        });
        said.unwrap_or(Err(Errno::EIO)).map_err(|errno| out.fail(errno))
    }
}
