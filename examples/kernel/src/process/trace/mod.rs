//! The system calls of a job, as it makes them: [`Trace`], a ring that a slow reader neither stops nor is stopped by.
//!
//! Who calls puts a record in if there is room, and goes on; what there was no room for is counted, and said in its place. A job
//! that nobody traces has no ring: its calls pay one comparison.

mod record;
mod table;

use alloc::collections::VecDeque;

use kos_alloc::Locked;
use kos_paging::VirtAddr;

use super::space::UserSpace;
use crate::platform::{Platform, UserCall};
pub(crate) use record::Record;
use record::{BYTES, Kept, Place};
pub(super) use table::native;
pub(crate) use table::{Names, Signature, Word};

/// Records that wait for who reads.
const RECORDS: usize = 256;

/// The calls of a job that nobody has read yet.
pub(crate) struct Trace<P: Platform>(Locked<P::Env, Ring>);

impl<P: Platform> Trace<P> {
    /// An empty one; [`None`]: no memory.
    pub(crate) fn new(env: P::Env) -> Option<Self> {
        Self::of(env, RECORDS)
    }

    /// The same with room for so many calls.
    pub(crate) fn of(env: P::Env, room: usize) -> Option<Self> {
        Some(Self(Locked::new(env, Ring::new(room)?)))
    }

    /// A call that `process` makes: read before it is served, as it may change what its words lead to.
    pub(super) fn begin(
        process: u32,
        space: &UserSpace<P>,
        call: UserCall,
        signature: Option<&'static Signature>,
    ) -> Record {
        let record = Record::new(process, call, signature);
        Record { kept: read(&record, space), ..record }
    }

    /// The same call has answered. Whether somebody should read soon.
    pub(super) fn end(&self, mut record: Record, space: &UserSpace<P>, answer: Option<u64>) -> bool {
        record.answer = answer;
        record.kept = read(&record, space).or(record.kept);
        self.0.with(|ring| ring.push(record))
    }

    /// The next call, the oldest first.
    pub(crate) fn next(&self) -> Option<Record> {
        self.0.with(Ring::pop)
    }

    /// Whether half of the room has been taken since this was asked last.
    pub(super) fn take_pressing(&self) -> bool {
        self.0.with(|ring| core::mem::take(&mut ring.pressing))
    }

    /// Calls that were not kept and stand in no record.
    pub(crate) fn lost(&self) -> u64 {
        self.0.with(|ring| ring.lost)
    }
}

/// The first of the bytes that a call is about; [`None`]: there are none, or they cannot be read.
fn read<P: Platform>(record: &Record, space: &UserSpace<P>) -> Option<Kept> {
    let mut bytes = heapless::Vec::new();
    let cut = match record.place()? {
        Place::Bytes(at, length) => {
            bytes.resize_default(usize::try_from(length).unwrap_or(BYTES).min(BYTES)).ok()?;
            space.copy_in(VirtAddr::new(at), &mut bytes).ok()?;
            length > BYTES as u64
        }
        Place::Path(at) => {
            // Its end has to be seen as well.
            let mut path = [0; BYTES + 1];
            let found = match space.copy_string(VirtAddr::new(at), &mut path) {
                Ok(length) => Some(length),
                Err(error) if error.done == path.len() => None,
                Err(_) => return None,
            };
            bytes.extend_from_slice(path.get(..found.unwrap_or(BYTES))?).ok()?;
            found.is_none()
        }
    };
    Some(Kept { bytes, cut })
}

/// A bounded queue of records.
struct Ring {
    records: VecDeque<Record>,
    room: usize,
    /// Not kept since the last that was.
    lost: u64,
    /// Half of the room was taken, and nobody asked.
    pressing: bool,
}

impl Ring {
    fn new(room: usize) -> Option<Self> {
        let mut records = VecDeque::new();
        records.try_reserve_exact(room).ok()?;
        Some(Self { records, room, lost: 0, pressing: false })
    }

    /// Keeps a record if there is room; whether half of the room is taken just now.
    fn push(&mut self, record: Record) -> bool {
        if self.records.len() >= self.room {
            self.lost += 1;
            return false;
        }
        self.records.push_back(Record { lost: core::mem::take(&mut self.lost), ..record });
        let pressing = self.records.len() == self.room / 2;
        self.pressing |= pressing;
        pressing
    }

    fn pop(&mut self) -> Option<Record> {
        self.records.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn numbered(number: u64) -> Record {
        Record::new(1, UserCall { number, arguments: [0; 6] }, None)
    }

    proptest! {
        /// Whoever reads however seldom gets calls in their order, and hears of each that was not kept.
        #[test]
        fn calls_come_in_order_and_each_lost_one_is_counted(steps in prop::collection::vec(any::<bool>(), 0..200)) {
            let (mut ring, mut made, mut seen) = (Ring::new(8).unwrap(), 0, 0);
            let mut model = Vec::new();
            for push in steps {
                if push {
                    let kept = model.len() < 8;
                    let pressing = ring.push(numbered(made));
                    prop_assert!(!pressing || (kept && model.len() == 3));
                    if kept {
                        model.push(made);
                    }
                    made += 1;
                } else if let Some(record) = ring.pop() {
                    prop_assert_eq!(record.call.number, seen + record.lost, "what was lost stands before it");
                    prop_assert_eq!(record.call.number, model.remove(0));
                    seen = record.call.number + 1;
                } else {
                    prop_assert!(model.is_empty());
                }
            }
            while let Some(record) = ring.pop() {
                prop_assert_eq!(record.call.number, seen + record.lost);
                seen = record.call.number + 1;
            }
            prop_assert_eq!(seen + ring.lost, made);
        }
    }

    #[test]
    fn no_memory_is_no_ring() {
        assert!(Ring::new(usize::MAX).is_none());
    }
}
