//! Physical frames: uniqueness, alignment, refusals, exhaustion.

use kos_alloc::{FrameAlloc, FrameError, FrameRange, FrameRequest, FreeError, Pfn};

use super::hoard::Hoard;
use super::{Failure, Test};
use crate::ensure;
use crate::owned::Run;
use crate::platform::Platform;
use crate::{Kernel, KernelFrames};

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "frames::no_frame_is_given_twice", run: unique },
        Test { name: "frames::counts_are_exact_and_aligned", run: exact },
        Test { name: "frames::reserved_frames_are_never_given", run: reserved },
        Test { name: "frames::bad_requests_are_refused", run: bad_requests },
        Test { name: "frames::double_free_is_refused", run: double_free },
        Test { name: "frames::exhaustion_is_an_error_and_heals", run: exhaustion },
        Test { name: "frames::halves_coalesce", run: coalesce },
    ]
}

fn unique<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut runs = heapless::Vec::<Run<'_, KernelFrames<P>>, 64>::new();
    for step in 0..64 {
        let run = Run::new(kernel.frames(), FrameRequest::new(1 + step % 5))?;
        let clash = runs.iter().find(|other| !other.range().intersection(&run.range()).is_empty());
        ensure!(clash.is_none(), "{:?} given twice", run.range());
        ensure!(runs.push(run).is_ok());
    }
    Ok(kernel.frames().check()?)
}

fn exact<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for (count, align) in [(1, 1), (3, 1), (7, 8), (1, 64), (33, 32), (100, 4)] {
        let free = kernel.frames().stats().free;
        let run = Run::new(kernel.frames(), FrameRequest::new(count).aligned(align))?;
        let range = run.range();
        ensure!(range.count() == count, "{count} asked, {range} given");
        ensure!(range.start().0.is_multiple_of(align), "{range} is not aligned to {align}");
        ensure!(kernel.frames().stats().free == free - count, "{count} frames cost another number");
    }
    Ok(())
}

fn reserved<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for piece in &kernel.accounts().reserved {
        let Some(first) = FrameRange::new(piece.range.start(), 1) else { continue };
        let answer = kernel.frames().allocate_at(first);
        ensure!(answer == Err(FrameError::NotManaged(first)), "'{}' at {first}: {answer:?}", piece.name);
    }
    Ok(())
}

fn bad_requests<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let ask = |count, align| {
        Run::new(kernel.frames(), FrameRequest::new(count).aligned(align)).map(|run| run.range())
    };
    for (count, align) in [(0, 1), (1, 0), (1, 3)] {
        let answer = ask(count, align);
        ensure!(
            answer == Err(FrameError::BadRequest { count, align }),
            "{count} aligned to {align}: {answer:?}"
        );
    }
    for (count, align) in [(usize::MAX, 1), (1, 1 << (usize::BITS - 1))] {
        let answer = ask(count, align);
        ensure!(matches!(answer, Err(FrameError::NoMemory { .. })), "{count} aligned to {align}: {answer:?}");
    }
    let nowhere = FrameRange::between(Pfn(usize::MAX - 1), Pfn(usize::MAX));
    let answer = kernel.frames().allocate_at(nowhere);
    ensure!(answer == Err(FrameError::NotManaged(nowhere)), "{answer:?}");
    Ok(())
}

fn double_free<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let run = Run::new(kernel.frames(), FrameRequest::new(6))?;
    let range = run.range();
    let answer = run.free_twice();
    ensure!(answer == Err(FreeError::DoubleFree(range)), "{answer:?}");
    Ok(kernel.frames().check()?)
}

fn exhaustion<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let before = kernel.frames().stats().free;
    let mut hoard = Hoard::<P>::new(kernel.frames(), 1)?;
    hoard.release_one();
    let last = Run::new(kernel.frames(), FrameRequest::new(1))?;
    let none = Run::new(kernel.frames(), FrameRequest::new(1)).map(|run| run.range());
    ensure!(matches!(none, Err(FrameError::NoMemory { .. })), "more frames than there are: {none:?}");
    drop((last, hoard));
    ensure!(kernel.frames().stats().free == before, "frames are missing");
    Ok(kernel.frames().check()?)
}

fn coalesce<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    // What rests with the CPU does not grow together with its neighbours.
    let histogram = || {
        kernel.frames().drain_local();
        kernel.frames().histogram()
    };
    let before = histogram();
    let mut runs = heapless::Vec::<Run<'_, KernelFrames<P>>, 32>::new();
    for _ in 0..32 {
        ensure!(runs.push(Run::new(kernel.frames(), FrameRequest::new(1))?).is_ok());
    }
    // Every second one first, so that buddies meet late.
    let odd = runs.iter().map(|run| run.range()).enumerate().filter(|(index, _)| index % 2 == 1).count();
    for index in (0..odd).rev() {
        drop(runs.swap_remove(index * 2));
    }
    drop(runs);
    ensure!(histogram() == before, "blocks did not grow together again");
    Ok(())
}
