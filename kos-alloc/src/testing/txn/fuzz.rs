//! Bytes of a fuzzer as transactions: [`txn_ops`].

use core::cell::RefCell;

use alloc::vec;
use alloc::vec::Vec;

use super::fake::FakeHeap;
use super::faulty::FaultyHeap;
use super::model::TxnModel;
use crate::ports::BlockAlloc;
use crate::testing::Bytes;
use crate::txn::{LogEntry, Transaction};

/// Any operations on transactions, one after the other and in each other, compared with the model after each.
///
/// # Panics
///
/// If transactions and model differ, or something is lost.
pub fn txn_ops(data: &[u8]) {
    run_transactions(FakeHeap::new(), data);
}

/// The same on any heap. The first byte is the number of entries in a lent log; every other transaction has eight inline.
pub(crate) fn run_transactions(heap: impl BlockAlloc, data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let (heap, dropped) = (FaultyHeap::new(heap), RefCell::new(Vec::new()));
    let mut log = vec![LogEntry::EMPTY; usize::from(bytes.u8() % 25)];
    let mut model = TxnModel::new(&heap, &dropped, 0);
    while !bytes.is_empty() {
        model.capacity = log.len();
        model.run(Transaction::begin_in(&heap, &mut log), &mut bytes);
        model.capacity = 8;
        model.run(Transaction::begin::<8>(&heap), &mut bytes);
    }
    model.finish();
}
