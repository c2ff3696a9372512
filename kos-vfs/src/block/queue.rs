//! Devices with several requests in flight: the port [`QueuedDevice`], and [`QueuedBlock`], which makes a [`BlockDevice`] of one:
//! it cuts a call into requests, sends as many at once as the device takes, and sleeps until they are back.
//!
//! Who sleeps and who is woken is the integrator's: [`Completion`]. Only [`QueuedBlock::complete`] may be called in interrupts; it
//! takes back what is complete, puts it where its caller looks, and wakes.
//!
//! Invariant: each buffer is in the pool, on its way in the device, or with the call that took it from the pool.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use lock_api::{Mutex, RawMutex};

use super::bio::{Bio, BioKind, Done, Refusal, Refused};
use super::device::{BlockDevice, DeviceFeatures, Geometry, WriteMode};
use crate::error::{DeviceError, FsError};

/// A device that works on several requests at a time and finishes them in any order. Nothing here waits.
///
/// A wrong implementation breaks what is stored, or lets a caller sleep for ever; never memory.
/// [`check_queued_device`](crate::testing::check_queued_device) checks one.
pub trait QueuedDevice: Send + Sync {
    /// Memory that it reaches.
    type Buffer: AsRef<[u8]> + AsMut<[u8]> + Send;

    /// What kind of device it is: always the same answer, and cheap.
    fn geometry(&self) -> Geometry;

    /// How many requests it works on at a time: at least 1.
    fn depth(&self) -> usize;

    /// Starts a request. Task context; takes a bounded time.
    ///
    /// # Errors
    /// The request, untouched, and why it was not taken.
    fn submit(&self, bio: Bio<Self::Buffer>) -> Result<(), Refused<Self::Buffer>>;

    /// Gives everything that is complete to `take`. Any context, interrupts too; does not wait, allocate or submit. `take` is called
    /// with the device locked, and must not come back to it.
    fn reap(&self, take: &mut dyn FnMut(Done<Self::Buffer>));

    /// Nothing came back for too long: ends the device's use. What is on its way comes back from [`reap`](Self::reap) as
    /// [`DeviceError::Gone`] once the device cannot reach its memory any more, and nothing more is taken. Task context.
    fn give_up(&self);
}

/// How calls wait for the device. Both sides run with interrupts as the caller has them; [`Lock`](Self::Lock) is taken only while
/// what [`mask`](Self::mask) gave lives.
pub trait Completion: Send + Sync {
    /// Spins, never sleeps.
    type Lock: RawMutex + Send + Sync;
    /// Masks interrupts while it lives.
    type Irq;

    /// Masks the interrupts of this CPU.
    fn mask(&self) -> Self::Irq;

    /// Sleeps until `ready` says so; it is asked at once, and after each [`wake`](Self::wake). False, after some time that the
    /// integrator chooses, if it does not: the device may be silent. Task context.
    fn wait_until(&self, ready: &mut dyn FnMut() -> bool) -> bool;

    /// Lets everybody who waits ask again. Any context.
    fn wake(&self);
}

/// Counters of a [`QueuedBlock`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Requests that were sent.
    pub submitted: u64,
    /// Requests that came back.
    pub completed: u64,
    /// Of these, with an error.
    pub failed: u64,
    /// The most that were on their way at a time.
    pub most_in_flight: usize,
    /// Times that a call went to sleep, or looked again, while its requests were on their way.
    pub waits: u64,
    /// Times that the device was given up, for it was silent.
    pub silences: u64,
}

/// What a buffer is doing.
enum Slot<B> {
    /// Nothing: it can be taken.
    Free(B),
    /// A call has taken it, or the device has it.
    Away,
    /// It came back, and its call has not looked yet.
    Back(B, Result<(), DeviceError>),
}

struct Pool<B> {
    slots: Vec<Slot<B>>,
    in_flight: usize,
    stats: QueueStats,
}

/// A [`BlockDevice`] over a [`QueuedDevice`].
pub struct QueuedBlock<D: QueuedDevice, C: Completion> {
    device: D,
    completion: C,
    pool: Mutex<C::Lock, Pool<D::Buffer>>,
    /// Bytes of each buffer: whole sectors.
    piece: usize,
}

impl<D: QueuedDevice, C: Completion> fmt::Debug for QueuedBlock<D, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedBlock").field("piece", &self.piece).finish_non_exhaustive()
    }
}

impl<D: QueuedDevice, C: Completion> QueuedBlock<D, C> {
    /// The device with its buffers, all of one size: as many requests as there are buffers can be in flight.
    ///
    /// # Errors
    /// No memory, or no buffer that holds a sector.
    pub fn new(device: D, completion: C, buffers: Vec<D::Buffer>) -> Result<Self, FsError> {
        let sector = device.geometry().sector_size();
        let smallest = buffers.iter().map(|buffer| buffer.as_ref().len()).min().unwrap_or(0);
        let piece = smallest / sector * sector;
        if piece == 0 {
            return Err(DeviceError::Unaligned { length: smallest }.into());
        }
        let mut slots = Vec::new();
        slots.try_reserve_exact(buffers.len())?;
        slots.extend(buffers.into_iter().map(Slot::Free));
        let pool = Pool { slots, in_flight: 0, stats: QueueStats::default() };
        Ok(Self { device, completion, pool: Mutex::new(pool), piece })
    }

    /// The device.
    pub const fn device(&self) -> &D {
        &self.device
    }

    /// What calls wait by.
    pub const fn completion(&self) -> &C {
        &self.completion
    }

    /// What it did so far.
    pub fn stats(&self) -> QueueStats {
        self.pool(|pool| pool.stats)
    }

    /// Takes back what the device has done, and wakes who waits for it. Any context: a driver's interrupt handler calls it.
    pub fn complete(&self) {
        let mut any = false;
        self.device.reap(&mut |done| {
            any = true;
            self.pool(|pool| pool.come_back(done));
        });
        if any {
            self.completion.wake();
        }
    }

    fn pool<R>(&self, work: impl FnOnce(&mut Pool<D::Buffer>) -> R) -> R {
        let _masked = self.completion.mask();
        work(&mut self.pool.lock())
    }

    /// Sends the pieces of a call, round by round, as many at once as there is room for.
    fn transfer(&self, pieces: u64, call: &mut dyn Pieces) -> Result<(), DeviceError> {
        let mut next = 0;
        while next < pieces {
            let mut batch = Batch::new();
            let mut result = self.send(next..pieces, call, &mut batch);
            next += batch.len() as u64;
            for (slot, piece) in batch {
                result = result.and(self.collect(slot, piece, call));
            }
            result?;
        }
        Ok(())
    }

    /// Sends pieces until there is no more room: at least one, or it fails.
    fn send(&self, pieces: Range<u64>, call: &mut dyn Pieces, batch: &mut Batch) -> Result<(), DeviceError> {
        for piece in pieces {
            if batch.is_full() {
                break;
            }
            let taken = if batch.is_empty() {
                Some(self.wait_for_slot()?)
            } else {
                self.pool(|pool| pool.take(self.device.depth()))
            };
            let Some((slot, mut buffer)) = taken else { break };
            let (kind, sector, length) = call.request(piece);
            call.fill(piece, buffer.as_mut().get_mut(..length).unwrap_or_default());
            match self.device.submit(Bio { kind, sector, buffer, length, tag: slot }) {
                // There is room: it was just asked.
                Ok(()) => drop(batch.push((slot, piece))),
                Err(Refused { bio, why }) => {
                    let alone = self.give_unsent(slot, bio.buffer);
                    return match why {
                        Refusal::Device(error) => Err(error),
                        Refusal::Full if !batch.is_empty() => Ok(()),
                        // A device that is full of nothing does not tell the truth of its depth.
                        Refusal::Full if alone => Err(DeviceError::Failed { sector }),
                        Refusal::Full => {
                            self.wait_for_change();
                            Ok(())
                        }
                    };
                }
            }
        }
        Ok(())
    }

    /// Waits for a piece, takes its bytes and gives its buffer back.
    fn collect(&self, slot: usize, piece: u64, call: &mut dyn Pieces) -> Result<(), DeviceError> {
        let mut back = None;
        self.wait(&mut || {
            back = back.take().or_else(|| self.pool(|pool| pool.look(slot)));
            back.is_some()
        });
        // A device that keeps its memory keeps the buffer.
        let Some((buffer, result)) = back else { return Err(DeviceError::Gone) };
        if result.is_ok() {
            let (_, _, length) = call.request(piece);
            call.empty(piece, buffer.as_ref().get(..length).unwrap_or_default());
        }
        self.pool(|pool| pool.put(slot, Slot::Free(buffer)));
        self.completion.wake();
        result
    }

    fn wait_for_slot(&self) -> Result<(usize, D::Buffer), DeviceError> {
        let mut taken = None;
        self.wait(&mut || {
            taken = taken.take().or_else(|| self.pool(|pool| pool.take(self.device.depth())));
            taken.is_some()
        });
        taken.ok_or(DeviceError::Gone)
    }

    fn wait_for_change(&self) {
        let before = self.stats().completed;
        self.wait(&mut || self.pool(|pool| pool.stats.completed != before || pool.in_flight == 0));
    }

    /// Sleeps unless what is waited for is there. It is not there afterwards if the device was silent, and keeps what it has.
    fn wait(&self, ready: &mut dyn FnMut() -> bool) {
        if ready() {
            return;
        }
        self.pool(|pool| pool.stats.waits += 1);
        let mut before = self.stats().completed;
        while !self.completion.wait_until(ready) {
            // An interrupt may be lost; what came back for others says that it is not silent.
            self.complete();
            let completed = self.stats().completed;
            if core::mem::replace(&mut before, completed) == completed {
                self.pool(|pool| pool.stats.silences += 1);
                self.device.give_up();
                self.complete();
                ready();
                return;
            }
        }
    }

    /// Takes a request back that never left; whether no other is on its way.
    fn give_unsent(&self, slot: usize, buffer: D::Buffer) -> bool {
        let alone = self.pool(|pool| {
            pool.in_flight = pool.in_flight.saturating_sub(1);
            pool.stats.submitted -= 1;
            pool.put(slot, Slot::Free(buffer));
            pool.in_flight == 0
        });
        self.completion.wake();
        alone
    }
}

/// Pieces of one call that are on their way: slot and piece.
type Batch = heapless::Vec<(usize, u64), MOST>;

/// Most requests that one call has in flight.
const MOST: usize = 16;

/// A call, cut into pieces.
trait Pieces {
    /// What is to be done for a piece: kind, sector, bytes.
    fn request(&self, piece: u64) -> (BioKind, u64, usize);
    /// Puts what is to be written into a buffer.
    fn fill(&mut self, _piece: u64, _buffer: &mut [u8]) {}
    /// Takes what was read.
    fn empty(&mut self, _piece: u64, _buffer: &[u8]) {}
}

/// Where the bytes of a piece lie in the caller's.
#[derive(Clone, Copy)]
struct Cut {
    sector: u64,
    shift: u32,
    piece: usize,
    length: usize,
}

impl Cut {
    fn pieces(self) -> u64 {
        self.length.div_ceil(self.piece) as u64
    }

    /// Its bytes in the caller's.
    fn bytes(self, piece: u64) -> Range<usize> {
        let from = usize::try_from(piece).unwrap_or(usize::MAX).saturating_mul(self.piece);
        from.min(self.length)..from.saturating_add(self.piece).min(self.length)
    }

    fn place(self, piece: u64) -> (u64, usize) {
        let bytes = self.bytes(piece);
        (self.sector + (bytes.start as u64 >> self.shift), bytes.len())
    }
}

struct Reading<'b>(Cut, &'b mut [u8]);

impl Pieces for Reading<'_> {
    fn request(&self, piece: u64) -> (BioKind, u64, usize) {
        let (sector, length) = self.0.place(piece);
        (BioKind::Read, sector, length)
    }

    fn empty(&mut self, piece: u64, buffer: &[u8]) {
        copy(buffer, self.1.get_mut(self.0.bytes(piece)).unwrap_or_default());
    }
}

struct Writing<'b>(Cut, &'b [u8], WriteMode);

impl Pieces for Writing<'_> {
    fn request(&self, piece: u64) -> (BioKind, u64, usize) {
        let (sector, length) = self.0.place(piece);
        (BioKind::Write(self.2), sector, length)
    }

    fn fill(&mut self, piece: u64, buffer: &mut [u8]) {
        copy(self.1.get(self.0.bytes(piece)).unwrap_or_default(), buffer);
    }
}

/// A request without bytes.
struct Order(BioKind, u64);

impl Pieces for Order {
    fn request(&self, _: u64) -> (BioKind, u64, usize) {
        (self.0, self.1, 0)
    }
}

/// Both have the same length.
fn copy(from: &[u8], to: &mut [u8]) {
    if from.len() == to.len() {
        to.copy_from_slice(from);
    }
}

impl<B> Pool<B> {
    /// A buffer for a request that is to be sent, if the device takes one more.
    fn take(&mut self, depth: usize) -> Option<(usize, B)> {
        if self.in_flight >= depth {
            return None;
        }
        let (index, slot) =
            self.slots.iter_mut().enumerate().find(|(_, slot)| matches!(slot, Slot::Free(_)))?;
        let Slot::Free(buffer) = core::mem::replace(slot, Slot::Away) else { return None };
        self.in_flight += 1;
        self.stats.submitted += 1;
        self.stats.most_in_flight = self.stats.most_in_flight.max(self.in_flight);
        Some((index, buffer))
    }

    fn put(&mut self, slot: usize, state: Slot<B>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = state;
        }
    }

    /// A request that is back goes to where its call looks. One that was not away, of a device that lies, is dropped.
    fn come_back(&mut self, done: Done<B>) {
        let Done { bio, result } = done;
        let Some(slot) = self.slots.get_mut(bio.tag).filter(|slot| matches!(slot, Slot::Away)) else {
            return;
        };
        *slot = Slot::Back(bio.buffer, result);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.stats.completed += 1;
        self.stats.failed += u64::from(result.is_err());
    }

    fn look(&mut self, slot: usize) -> Option<(B, Result<(), DeviceError>)> {
        let place = self.slots.get_mut(slot).filter(|slot| matches!(slot, Slot::Back(..)))?;
        match core::mem::replace(place, Slot::Away) {
            Slot::Back(buffer, result) => Some((buffer, result)),
            Slot::Free(_) | Slot::Away => None,
        }
    }
}

impl<D: QueuedDevice, C: Completion> QueuedBlock<D, C> {
    fn cut(&self, sector: u64, length: usize) -> Cut {
        Cut { sector, shift: self.device.geometry().sector_shift(), piece: self.piece, length }
    }
}

impl<D: QueuedDevice, C: Completion> BlockDevice for QueuedBlock<D, C> {
    fn geometry(&self) -> Geometry {
        self.device.geometry()
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.geometry().check(sector, out.len())?;
        let cut = self.cut(sector, out.len());
        self.transfer(cut.pieces(), &mut Reading(cut, out))
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        let geometry = self.geometry();
        geometry.check_write(sector, bytes.len())?;
        let cut = self.cut(sector, bytes.len());
        // A device that does not force single writes flushes behind them, as the port wants it.
        let forced = mode == WriteMode::Through && !geometry.features().contains(DeviceFeatures::FUA);
        let each = if forced { WriteMode::Cached } else { mode };
        self.transfer(cut.pieces(), &mut Writing(cut, bytes, each))?;
        if forced { self.flush() } else { Ok(()) }
    }

    fn flush(&self) -> Result<(), DeviceError> {
        if !self.geometry().features().contains(DeviceFeatures::FLUSH) {
            return Ok(());
        }
        self.transfer(1, &mut Order(BioKind::Flush, 0))
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        let geometry = self.geometry();
        geometry.check_write(sector, 0)?;
        geometry.check_sectors(sector, count)?;
        if count == 0 || !geometry.features().contains(DeviceFeatures::DISCARD) {
            return Ok(());
        }
        self.transfer(1, &mut Order(BioKind::Discard { sectors: count }, sector))
    }
}
