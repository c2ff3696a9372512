//! A device in this process that does what it is told, lies too: [`Device`], with the queues that the driver gave it.
//!
//! Addresses on its bus are those of this process. It reads and writes the rings as a device does, one field at a time.

use core::cell::{Cell, RefCell};
use core::ptr::with_exposed_provenance_mut;

use virtio_drivers::transport::DeviceStatus;

/// Entries of the largest queue.
pub(crate) const SIZE: u16 = 128;

/// The rings of a queue, and how far the device has read and written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rings {
    pub(crate) descriptors: u64,
    pub(crate) available: u64,
    pub(crate) used: u64,
    /// Entries of each.
    pub(crate) size: u16,
    pub(crate) seen: u16,
    pub(crate) written: u16,
}

/// What the driver lent: where, how long, and whether the device is to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) address: u64,
    pub(crate) length: u32,
    pub(crate) writable: bool,
}

/// The device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) features: Cell<u64>,
    /// What it says of itself.
    pub(crate) config: Cell<[u8; 8]>,
    pub(crate) largest_queue: Cell<u32>,
    pub(crate) has_vector: Cell<bool>,
    /// Whether it lets go of the memory when it is reset.
    pub(crate) resets: Cell<bool>,
    pub(crate) status: Cell<DeviceStatus>,
    pub(crate) rings: RefCell<[Option<Rings>; 2]>,
}

impl Device {
    /// One that tells the truth.
    pub(crate) fn new(config: [u8; 8]) -> Self {
        Self {
            features: Cell::new(u64::MAX),
            config: Cell::new(config),
            largest_queue: Cell::new(SIZE.into()),
            has_vector: Cell::new(true),
            resets: Cell::new(true),
            status: Cell::new(DeviceStatus::empty()),
            rings: RefCell::default(),
        }
    }

    fn with<R>(&self, queue: usize, work: impl FnOnce(&mut Rings) -> R) -> R {
        work(self.rings.borrow_mut()[queue].as_mut().expect("a queue that was set up"))
    }

    /// The heads that were made available since the last look.
    pub(crate) fn available(&self, queue: usize) -> Vec<u16> {
        self.with(queue, |rings| {
            let end: u16 = read(rings.available + 2);
            let mut heads = Vec::new();
            while rings.seen != end {
                heads.push(read(rings.available + 4 + 2 * u64::from(rings.seen % rings.size)));
                rings.seen = rings.seen.wrapping_add(1);
            }
            heads
        })
    }

    /// What was lent under a head.
    pub(crate) fn pieces(&self, queue: usize, head: u16) -> Vec<Piece> {
        let descriptors = self.with(queue, |rings| rings.descriptors);
        let (mut pieces, mut next) = (Vec::new(), Some(head));
        while let Some(at) = next {
            let place = descriptors + 16 * u64::from(at);
            let flags: u16 = read(place + 12);
            pieces.push(Piece { address: read(place), length: read(place + 8), writable: flags & 2 != 0 });
            next = (flags & 1 != 0).then(|| read(place + 14));
        }
        pieces
    }

    /// Says that what has this id came back, with `length` bytes written.
    pub(crate) fn give_back(&self, queue: usize, id: u32, length: u32) {
        self.with(queue, |rings| {
            let place = rings.used + 4 + 8 * u64::from(rings.written % rings.size);
            write(place, id);
            write(place + 4, length);
        });
        self.jump(queue, 1);
    }

    /// The index of what came back moves by `by`.
    pub(crate) fn jump(&self, queue: usize, by: u16) {
        self.with(queue, |rings| {
            rings.written = rings.written.wrapping_add(by);
            write(rings.used + 2, rings.written);
        });
    }

    /// Writes `bytes` where the pieces under a head say.
    pub(crate) fn fill(&self, queue: usize, head: u16, bytes: &[u8]) {
        let mut bytes = bytes.iter();
        for piece in self.pieces(queue, head).iter().filter(|piece| piece.writable) {
            for (place, &byte) in (piece.address..piece.address + u64::from(piece.length)).zip(&mut bytes) {
                write(place, byte);
            }
        }
    }

    /// Writes `fill` all over a piece, whoever has its head by now.
    pub(crate) fn write_at(piece: Piece, fill: u8) {
        (piece.address..piece.address + u64::from(piece.length)).for_each(|place| write(place, fill));
    }

    /// Reads what the pieces under a head hold.
    pub(crate) fn content(&self, queue: usize, head: u16) -> Vec<u8> {
        let bytes = |piece: Piece| (piece.address..).take(piece.length as usize).map(read::<u8>);
        self.pieces(queue, head).into_iter().flat_map(bytes).collect()
    }
}

fn pointer<T>(address: u64) -> *mut T {
    with_exposed_provenance_mut(usize::try_from(address).expect("an address"))
}

/// What the driver's memory holds at an address that it told of.
fn read<T: Copy>(address: u64) -> T {
    let place = pointer::<T>(address);
    // SAFETY: memory that the driver lent, and that is not given back before the device is reset.
    unsafe { place.read_volatile() }
}

fn write<T: Copy>(address: u64, value: T) {
    let place = pointer::<T>(address);
    // SAFETY: as for reading.
    unsafe { place.write_volatile(value) }
}
