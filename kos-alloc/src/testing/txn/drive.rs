//! Transactions stepped beside the model: each operation is done with both, and the results are compared.

use core::alloc::Layout;

use super::faulty::{FaultyHeap, Live};
use super::model::{Did, Reserved, TxnModel};
use super::ops::TxnOp;
use super::thing::{Thing, Value};
use crate::error::AllocError;
use crate::ports::BlockAlloc;
use crate::testing::Bytes;
use crate::txn::{Log, Reservation, SavepointError, TakeError, Transaction};
use crate::types::FrameRequest;

/// Transactions inside one another, at most.
const DEPTH: usize = 4;

type Tx<'a, A, L> = Transaction<'a, FaultyHeap<A>, L>;

impl<'a, A: BlockAlloc> TxnModel<'a, A> {
    /// Does what `bytes` stand for with an outermost transaction, until it ends or they do.
    ///
    /// # Panics
    ///
    /// If a transaction does not do what it must.
    pub fn run<L: Log>(&mut self, transaction: Tx<'a, A, L>, bytes: &mut Bytes<'_>) {
        self.savepoints.clear();
        self.level(transaction, bytes, 0);
        assert!(self.log.is_empty());
    }

    /// A transaction inside `depth` others.
    fn level<L: Log>(&mut self, mut tx: Tx<'a, A, L>, bytes: &mut Bytes<'_>, depth: usize) {
        let base = self.log.len();
        while !bytes.is_empty() {
            match TxnOp::decode(bytes) {
                TxnOp::Nest if depth < DEPTH => self.level(tx.nested(), bytes, depth + 1),
                TxnOp::Commit => {
                    assert_eq!(tx.commit(), None);
                    return if depth == 0 { self.settle() } else { self.check() };
                }
                TxnOp::RollBack => {
                    assert_eq!(tx.rollback(), Ok(()));
                    return self.undo(base);
                }
                TxnOp::Drop => break,
                op => self.step(&mut tx, base, op),
            }
            assert_eq!(tx.room(), self.capacity - self.log.len(), "room");
            self.check();
        }
        drop(tx);
        self.undo(base);
    }

    fn step<L: Log>(&mut self, tx: &mut Tx<'a, A, L>, base: usize, op: TxnOp) {
        match op {
            TxnOp::Allocate(layout) => self.allocate(tx, layout),
            TxnOp::Frames(request) => self.allocate_frames(tx, &request),
            TxnOp::Box => self.make(tx, None),
            TxnOp::BoxWith(layout) => self.make(tx, Some(layout)),
            TxnOp::Keep => self.keep(tx),
            TxnOp::Defer(number) => self.defer(tx, number),
            TxnOp::Savepoint => self.remember(tx.savepoint()),
            TxnOp::RollbackTo(number) => self.roll_back_to(tx, base, number),
            TxnOp::Free(number) => self.free(number),
            TxnOp::Reserve(layout, blocks, request, runs) => self.reserve(layout, blocks, request, runs),
            TxnOp::Take => self.take(),
            TxnOp::TakeFrames => self.take_frames(),
            TxnOp::Fail(k) => {
                self.heap.fail_at(Some(k));
                self.fuse = Some(k);
            }
            TxnOp::Nest | TxnOp::Commit | TxnOp::RollBack | TxnOp::Drop => {}
        }
    }

    fn allocate<L: Log>(&mut self, tx: &Tx<'a, A, L>, layout: Layout) {
        let must = self.must_fail(layout.size());
        let result = tx.allocate(layout);
        assert_eq!(result.err(), must);
        if let Ok(block) = result {
            assert_eq!(block.addr().get() % layout.align(), 0);
            self.enter(Did::Allocated(Thing::Block(block, layout)));
        }
    }

    fn allocate_frames<L: Log>(&mut self, tx: &Tx<'a, A, L>, request: &FrameRequest) {
        let must = self.must_fail(0);
        match tx.allocate_frames(request) {
            Ok(range) => {
                assert_eq!((must, range.count()), (None, request.count));
                self.enter(Did::Allocated(Thing::Frames(range)));
            }
            Err(AllocError::Frames(_)) => {
                assert!(matches!(must, Some(AllocError::NoMemory { .. })), "{must:?}");
            }
            Err(error) => assert_eq!(Some(error), must),
        }
    }

    /// A value, and what is allocated while it is made.
    fn make<L: Log>(&mut self, tx: &Tx<'a, A, L>, inside: Option<Layout>) {
        let (must, value, place) = (self.must_fail(size_of::<Value<'_>>()), self.value(), self.log.len());
        let number = value.number();
        let made = tx.new_box_with(|| {
            self.enter(Did::Nothing);
            inside.into_iter().for_each(|layout| self.allocate(tx, layout));
            value
        });
        match (made, self.log.get_mut(place)) {
            (Ok(made), Some((_, did))) => *did = Did::Made(made.pointer(), number),
            (made, _) => {
                assert_eq!(made.err(), must);
                self.must_drop.push(number);
            }
        }
    }

    fn keep<L: Log>(&mut self, tx: &Tx<'a, A, L>) {
        let (must, value) = (self.must_fail(size_of::<Value<'_>>()), self.value());
        let number = value.number();
        match tx.new_box(value) {
            Ok(made) => {
                self.left.push(Thing::Value(made.keep()));
                self.enter(Did::Nothing);
            }
            Err(error) => {
                assert_eq!(Some(error), must);
                self.must_drop.push(number);
            }
        }
    }

    fn defer<L: Log>(&mut self, tx: &Tx<'a, A, L>, number: usize) {
        let Some(index) = number.checked_rem(self.left.len()) else { return };
        let Some(thing) = self.left.get(index) else { return };
        let result = match thing {
            // SAFETY: the block is live, and the model forgets it when the transaction commits.
            Thing::Block(block, layout) => unsafe { tx.defer_free(*block, *layout) },
            // SAFETY: as above.
            Thing::Frames(range) => unsafe { tx.defer_free_frames(*range) },
            Thing::Value(_) => return,
        };
        let must = if self.is_full() { Err(AllocError::LogFull { capacity: self.capacity }) } else { Ok(()) };
        assert_eq!(result, must);
        if result.is_ok() {
            let thing = self.left.swap_remove(index);
            self.enter(Did::Deferred(thing));
        }
    }

    fn roll_back_to<L: Log>(&mut self, tx: &mut Tx<'a, A, L>, base: usize, number: usize) {
        let Some(index) = number.checked_rem(self.savepoints.len()) else { return };
        let Some((savepoint, entries)) = self.savepoints.get(index) else { return };
        let (good, length) = (self.is_good(entries, base), entries.len());
        let must = if good { Ok(()) } else { Err(SavepointError::Stale) };
        assert_eq!(tx.rollback_to(*savepoint), must);
        if good {
            self.undo(length);
        }
    }

    fn reserve(&mut self, layout: Layout, blocks: usize, request: FrameRequest, runs: usize) {
        self.reserved = None;
        let fails = (0..1 + blocks + runs).any(|_| self.blow());
        let before = self.heap.live();
        let result = Reservation::new(self.heap, &[(layout, blocks)], &[(request, runs)]);
        assert_eq!(result.is_err(), fails);
        let Ok(reservation) = result else { return };
        let (blocks, runs) = ((blocks, blocks), (runs, runs));
        let bytes = self.heap.live().bytes - before.bytes - blocks.0 * layout.size();
        let list = Live { blocks: 1, bytes, frames: 0 };
        self.reserved = Some(Reserved { reservation, layout, blocks, request, runs, list });
    }

    fn take(&mut self) {
        let Some(reserved) = &mut self.reserved else { return };
        let result = reserved.reservation.take(reserved.layout);
        assert_eq!(result.err(), must_lack(reserved.blocks));
        if let Ok(block) = result {
            reserved.blocks.0 -= 1;
            self.left.push(Thing::Block(block, reserved.layout));
        }
    }

    fn take_frames(&mut self) {
        let Some(reserved) = &mut self.reserved else { return };
        let result = reserved.reservation.take_frames(&reserved.request);
        assert_eq!(result.err(), must_lack(reserved.runs));
        if let Ok(range) = result {
            reserved.runs.0 -= 1;
            assert_eq!(range.count(), reserved.request.count);
            self.left.push(Thing::Frames(range));
        }
    }
}

/// What taking one of so many must fail with, if it must.
fn must_lack((left, reserved): (usize, usize)) -> Option<TakeError> {
    match (left, reserved) {
        (0, 0) => Some(TakeError::NotReserved),
        (0, reserved) => Some(TakeError::UsedUp { reserved }),
        _ => None,
    }
}
