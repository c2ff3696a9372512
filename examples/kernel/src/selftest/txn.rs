//! Transactions and reservations on the kernel's own heap.

use core::alloc::Layout;

use kos_alloc::{AllocError, Env};

use super::hoard::Hoard;
use super::{Failure, Test};
use crate::Kernel;
use crate::cmds::txn::{create, take_apart};
use crate::ensure;
use crate::owned::Space;
use crate::platform::Platform;

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "txn::each_frame_allocation_may_fail", run: kth_failure },
        Test { name: "txn::a_reservation_outlasts_exhaustion", run: reservation },
    ]
}

/// A process comes into being while the k-th frame allocation of the whole kernel fails, for every k.
fn kth_failure<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for k in 0..100 {
        let before = kernel.in_use();
        kernel.injector().arm(k);
        let process = create(kernel.heap());
        kernel.injector().disarm();
        let Err(error) = process else {
            ensure!(k > 0, "a process cost no frame");
            take_apart(kernel, process?);
            return Ok(());
        };
        ensure!(matches!(error, AllocError::NoMemory { .. } | AllocError::Frames(_)), "{k}: {error}");
        let after = kernel.in_use();
        ensure!(after == before, "failure {k} kept memory: before {before}, after {after}");
    }
    Err(Failure::new(format_args!("100 frames were not enough for a process")))
}

/// What was reserved is there with interrupts masked and not a frame left.
fn reservation<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let heap = kernel.heap();
    let mut reserved =
        heap.reserve(&[(Layout::new::<[u64; 8]>(), 20), (Layout::new::<[u64; 512]>(), 2)], &[])?;
    let hoard = Hoard::<P>::new(kernel.frames(), 0)?;
    let more = Space::new(heap, Layout::new::<[u64; 2500]>()).map(drop);
    ensure!(matches!(more, Err(AllocError::NoMemory { .. })), "memory is exhausted, but {more:?}");
    let env = kernel.platform().env();
    let masked = env.irq_save();
    for number in 0..20_u64 {
        ensure!(*reserved.take_box([number; 8])? == [number; 8]);
    }
    let large = [reserved.take_box([1_u64; 512])?, reserved.take_box([2; 512])?];
    drop(masked);
    let over = reserved.take_box([0_u64; 8]).map(drop);
    ensure!(over.is_err(), "more was taken than was reserved");
    ensure!(large[0].iter().all(|&word| word == 1) && large[1].iter().all(|&word| word == 2));
    drop((large, reserved, hoard));
    Ok(kernel.check()?)
}
