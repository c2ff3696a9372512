//! `/dev/kmsg`: the log, to be read from its oldest line on, and written to.
//!
//! Who reads has a place of his own; where lines left the log before he came to them he goes on with the oldest. At the end there is
//! nothing more for now, as of a file. What is written is one line or more of text, each of which is in the log with its time.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_vfs::fs::devfs::{Device, Presence, Present};
use kos_vfs::{Errno, OpenFlags, SpecialFile, SpecialOpen};

use crate::platform::Platform;
use crate::text::TEXT_MAX;

/// The device.
pub(super) struct Kmsg<P> {
    presence: Presence,
    machine: PhantomData<fn() -> P>,
}

impl<P: Platform> Kmsg<P> {
    pub(super) fn new() -> Self {
        Self { presence: Presence::new(), machine: PhantomData }
    }
}

impl<P> fmt::Debug for Kmsg<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kmsg")
    }
}

impl<P: Platform> Device for Kmsg<P> {
    fn presence(&self) -> &Presence {
        &self.presence
    }

    fn open(self: Arc<Self>, _: &SpecialOpen<'_>) -> Result<Arc<dyn SpecialFile>, Errno> {
        let room = P::with_kernel(|kernel| kernel.has_room_for::<Present<Reader<P>>>());
        room.filter(|room| *room).ok_or(Errno::ENOMEM)?;
        let reader = Reader { place: AtomicU64::new(0), machine: PhantomData::<fn() -> P> };
        Ok(Arc::new(Present::of(self.presence.clone(), reader)))
    }
}

/// An open file: where in the endless text of the log it is.
struct Reader<P> {
    place: AtomicU64,
    machine: PhantomData<fn() -> P>,
}

impl<P> fmt::Debug for Reader<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.place).finish()
    }
}

impl<P: Platform> SpecialFile for Reader<P> {
    fn read(&self, _: u64, out: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        P::with_kernel(|kernel| {
            loop {
                let place = self.place.load(Relaxed);
                let (next, count) = kernel.log().read(place, out);
                // Another reader of this file took the same bytes: they come once.
                if self.place.compare_exchange(place, next, Relaxed, Relaxed).is_ok() {
                    return count;
                }
            }
        })
        .ok_or(Errno::EIO)
    }

    fn write(&self, _: u64, bytes: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
        if text.lines().any(|line| line.len() > TEXT_MAX) {
            return Err(Errno::EINVAL);
        }
        P::with_kernel(|kernel| {
            let now = kernel.threads.runtime().now();
            text.lines()
                .for_each(|line| kernel.tell(now, format_args!("user     says      {}", Plain(line))));
        })
        .ok_or(Errno::EIO)?;
        Ok(bytes.len())
    }
}

/// Text without what terminals obey.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |letter: char| if letter.is_control() && letter != '\t' { '?' } else { letter };
        self.0.chars().map(plain).try_for_each(|letter| fmt::Write::write_char(f, letter))
    }
}
