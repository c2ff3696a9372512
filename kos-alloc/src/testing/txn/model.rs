//! What transactions must do, in a form that cannot be wrong: [`TxnModel`].
//!
//! The model keeps the whole log as a list of what was done, and a savepoint as a copy of that list: it is good while the
//! copy is a prefix of the log. After each step it compares what is live in the heap and which values were dropped, in
//! order. The steps are in `drive`.

use core::alloc::Layout;
use core::cell::RefCell;
use core::ptr::NonNull;

use alloc::vec::Vec;

use super::faulty::{FaultyHeap, Live};
use super::thing::{Thing, Value};
use crate::error::AllocError;
use crate::ports::BlockAlloc;
use crate::txn::{BlockBox, Reservation, Savepoint};
use crate::types::FrameRequest;

/// Things that are left lying about, and moments remembered, at most.
const KEPT: usize = 12;

/// What a step of a transaction did, as the log has to remember it.
#[derive(Debug)]
pub(super) enum Did<'a, A: BlockAlloc> {
    Allocated(Thing<'a, A>),
    Made(NonNull<Value<'a>>, usize),
    Deferred(Thing<'a, A>),
    /// Nothing, or something that left the transaction.
    Nothing,
}

/// A reservation, and what must be in it.
#[derive(Debug)]
pub(super) struct Reserved<'a, A: BlockAlloc> {
    pub(super) reservation: Reservation<'a, FaultyHeap<A>>,
    pub(super) layout: Layout,
    /// Blocks that are still there, and that there were.
    pub(super) blocks: (usize, usize),
    pub(super) request: FrameRequest,
    /// Runs of frames that are still there, and that there were.
    pub(super) runs: (usize, usize),
    /// Its list of them.
    pub(super) list: Live,
}

/// A heap, and what must be live in it because of transactions and after them. The wrapped heap must have room.
#[derive(Debug)]
pub struct TxnModel<'a, A: BlockAlloc> {
    pub(super) heap: &'a FaultyHeap<A>,
    dropped: &'a RefCell<Vec<usize>>,
    pub(super) must_drop: Vec<usize>,
    /// Of all transactions that run, each entry with a number of its own.
    pub(super) log: Vec<(usize, Did<'a, A>)>,
    pub(super) capacity: usize,
    /// What no transaction undoes.
    pub(super) left: Vec<Thing<'a, A>>,
    pub(super) savepoints: Vec<(Savepoint, Vec<usize>)>,
    pub(super) reserved: Option<Reserved<'a, A>>,
    numbers: usize,
    /// Allocations until one fails.
    pub(super) fuse: Option<usize>,
}

impl<'a, A: BlockAlloc> TxnModel<'a, A> {
    /// A model of transactions on `heap` with logs of `capacity` entries. `dropped` takes down the values that are
    /// dropped.
    pub fn new(heap: &'a FaultyHeap<A>, dropped: &'a RefCell<Vec<usize>>, capacity: usize) -> Self {
        Self {
            heap,
            dropped,
            must_drop: Vec::new(),
            log: Vec::new(),
            capacity,
            left: Vec::new(),
            savepoints: Vec::new(),
            reserved: None,
            numbers: 0,
            fuse: None,
        }
    }

    /// Frees all that is left.
    ///
    /// # Panics
    ///
    /// If the heap refuses it, or something was lost.
    pub fn finish(mut self) {
        self.reserved = None;
        while !self.left.is_empty() {
            self.free(0);
        }
        self.check();
        assert_eq!(self.heap.live(), Live::default());
    }

    /// Compares what is live and what was dropped.
    pub(super) fn check(&self) {
        let logged = self.log.iter().map(|(_, did)| match did {
            Did::Allocated(thing) | Did::Deferred(thing) => thing.live(),
            Did::Made(..) => Value::LIVE,
            Did::Nothing => Live::default(),
        });
        let left = self.left.iter().map(Thing::live);
        let must =
            logged.chain(left).chain(self.reserved.iter().map(Reserved::live)).fold(Live::default(), sum);
        assert_eq!(self.heap.live(), must);
        assert_eq!(*self.dropped.borrow(), self.must_drop);
    }

    /// What an allocation of so many bytes must fail with, if it must: the log is full, or it is the one that is told to.
    pub(super) fn must_fail(&mut self, requested: usize) -> Option<AllocError> {
        if self.is_full() {
            return Some(AllocError::LogFull { capacity: self.capacity });
        }
        self.blow().then_some(AllocError::NoMemory { requested, largest_free: 0 })
    }

    pub(super) fn is_full(&self) -> bool {
        self.log.len() == self.capacity
    }

    /// Whether the heap, which is asked for something now, fails.
    pub(super) fn blow(&mut self) -> bool {
        let left = self.fuse;
        self.fuse = left.and_then(|left| left.checked_sub(1));
        left == Some(0)
    }

    /// A number that no other thing has.
    pub(super) fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn value(&mut self) -> Value<'a> {
        Value::new(self.number(), self.dropped)
    }

    /// The log has one more entry.
    pub(super) fn enter(&mut self, did: Did<'a, A>) {
        let number = self.number();
        self.log.push((number, did));
    }

    pub(super) fn remember(&mut self, savepoint: Savepoint) {
        let entries = self.log.iter().map(|(number, _)| *number).collect();
        self.savepoints.truncate(KEPT - 1);
        self.savepoints.insert(0, (savepoint, entries));
    }

    /// Whether a transaction that began with `base` entries may return to where the log had `entries`.
    pub(super) fn is_good(&self, entries: &[usize], base: usize) -> bool {
        let log = self.log.iter().map(|(number, _)| *number);
        entries.len() >= base
            && entries.len() <= self.log.len()
            && log.take(entries.len()).eq(entries.iter().copied())
    }

    /// The entries from `base` on are undone.
    pub(super) fn undo(&mut self, base: usize) {
        while self.log.len() > base {
            match self.log.pop() {
                Some((_, Did::Made(_, number))) => self.must_drop.push(number),
                Some((_, Did::Deferred(thing))) => self.left.push(thing),
                _ => {}
            }
        }
        self.check();
    }

    /// The outermost transaction was committed.
    pub(super) fn settle(&mut self) {
        for (_, did) in core::mem::take(&mut self.log) {
            match did {
                Did::Allocated(thing) => self.left.push(thing),
                Did::Made(value, _) => {
                    // SAFETY: the commit left the value to the holder of its pointer: the model alone has one.
                    let value = unsafe { BlockBox::from_raw(self.heap, value) };
                    self.left.push(Thing::Value(value));
                }
                Did::Deferred(_) | Did::Nothing => {}
            }
        }
        self.check();
        while self.left.len() > KEPT {
            self.free(0);
        }
    }

    /// Frees something that is left.
    pub(super) fn free(&mut self, number: usize) {
        let Some(index) = number.checked_rem(self.left.len()) else { return };
        let thing = self.left.swap_remove(index);
        if let Thing::Value(value) = &thing {
            self.must_drop.push(value.number());
        }
        thing.free(self.heap);
    }
}

impl<A: BlockAlloc> Reserved<'_, A> {
    fn live(&self) -> Live {
        let (blocks, bytes) = (self.blocks.0, self.blocks.0 * self.layout.size());
        sum(self.list, Live { blocks, bytes, frames: self.runs.0 * self.request.count })
    }
}

fn sum(a: Live, b: Live) -> Live {
    Live { blocks: a.blocks + b.blocks, bytes: a.bytes + b.bytes, frames: a.frames + b.frames }
}
