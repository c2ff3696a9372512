//! The heap: contents, alignment, wrong frees, lack of memory, Rust's collections.

use core::alloc::Layout;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use kos_alloc::{AllocError, FreeError};

use super::hoard::Hoard;
use super::{Failure, Test};
use crate::Kernel;
use crate::cmds::mode::MODES;
use crate::ensure;
use crate::kernel::Heap;
use crate::owned::{Block, HeapBlock, JUNK, Wrong, free_wrongly};
use crate::platform::Platform;
use crate::storm;

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "heap::blocks_of_every_size_are_apart", run: sizes },
        Test { name: "heap::churn_keeps_contents", run: churn },
        Test { name: "heap::zeroed_memory_is_zero_after_use", run: zeroed },
        Test { name: "heap::alignment_is_kept_to_2_mib", run: alignment },
        Test { name: "heap::impossible_requests_are_refused", run: impossible },
        Test { name: "heap::wrong_frees_are_named", run: wrong_frees },
        Test { name: "heap::modes_switch_under_live_blocks", run: modes },
        Test { name: "heap::lack_of_frames_is_an_error", run: lack },
        Test { name: "heap::interrupts_allocate_while_the_kernel_does", run: interrupts },
        Test { name: "heap::collections_grow_and_shrink", run: collections },
    ]
}

fn layout(size: usize, align: usize) -> Result<Layout, Failure> {
    Ok(Layout::from_size_align(size, align)?)
}

/// Sizes around every class border, and beyond the classes.
fn sizes<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut blocks = heapless::Vec::<HeapBlock<'_, P>, 64>::new();
    for size in (3..14).flat_map(|order| [(1 << order) - 1, 1 << order, (1 << order) + 1]).chain([100_000]) {
        let mut block = Block::new(kernel.heap(), layout(size, 8)?)?;
        block.bytes().fill(stamp(size));
        ensure!(blocks.push(block).is_ok());
    }
    for block in &mut blocks {
        let bytes = block.bytes();
        let stamp = stamp(bytes.len());
        ensure!(bytes.iter().all(|&byte| byte == stamp), "a block of {} bytes was overwritten", bytes.len());
    }
    Ok(kernel.heap().check()?)
}

fn stamp(size: usize) -> u8 {
    u8::try_from(size % 251).unwrap_or(0)
}

/// Two thousand random allocations and frees; each block keeps its stamp.
fn churn<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut slots: [Option<HeapBlock<'_, P>>; 48] = [const { None }; 48];
    let mut random: u32 = 0x9e37_79b9;
    for _ in 0..2000 {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let size = 1 + (random >> 8) as usize % 3000;
        let slot = slots.get_mut(random as usize % 48);
        let Some(slot) = slot else { continue };
        if let Some(mut block) = slot.take() {
            let bytes = block.bytes();
            let stamp = stamp(bytes.len());
            ensure!(bytes.iter().all(|&byte| byte == stamp), "a block of {} bytes changed", bytes.len());
            block.free()?;
        } else {
            let mut block = Block::new(kernel.heap(), layout(size, 1)?)?;
            block.bytes().fill(stamp(size));
            *slot = Some(block);
        }
    }
    drop(slots);
    Ok(kernel.heap().check()?)
}

fn zeroed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for size in [24, 640, 4096, 20_000] {
        let dirty = Block::new(kernel.heap(), layout(size, 8)?)?;
        dirty.free()?;
        let mut block = Block::zeroed(kernel.heap(), layout(size, 8)?)?;
        ensure!(block.bytes().iter().all(|&byte| byte == 0), "{size} zeroed bytes are not zero");
        block.bytes().fill(JUNK);
    }
    Ok(())
}

fn alignment<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for order in 0..=21 {
        let align = 1_usize << order;
        let block = Block::new(kernel.heap(), layout(64, align)?)?;
        ensure!(
            block.start().addr().get().is_multiple_of(align),
            "{:?} is not aligned to {align}",
            block.start()
        );
    }
    Ok(())
}

fn impossible<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let before = kernel.heap().stats().live;
    let empty = Block::new(kernel.heap(), layout(0, 4096)?)?;
    ensure!(empty.start().addr().get().is_multiple_of(4096), "0 bytes are not aligned");
    let most = isize::MAX.unsigned_abs();
    for (size, align) in [(most, 1), (most - 4095, 4096), (1, 1 << (usize::BITS - 2))] {
        let answer = Block::new(kernel.heap(), layout(size, align)?).map(|block| block.start());
        let refused = matches!(answer, Err(AllocError::NoMemory { .. } | AllocError::BadRequest { .. }));
        ensure!(refused, "{size} bytes aligned to {align}: {answer:?}");
    }
    ensure!(kernel.heap().stats().live == before, "a refused request holds memory");
    Ok(())
}

fn wrong_frees<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let heap = kernel.heap();
    let refused = heap.stats().refused.total();
    for size in [64, 1024, 40_000] {
        let layout = layout(size, 8)?;
        let answer = free_wrongly(heap, Wrong::Twice(Block::new(heap, layout)?));
        ensure!(matches!(answer, Err(FreeError::DoubleFree(_))), "twice, {size} bytes: {answer:?}");
        let block = Block::new(heap, layout)?;
        let answer = free_wrongly(heap, Wrong::Inside(&block));
        ensure!(matches!(answer, Err(FreeError::Interior { .. })), "inside {size} bytes: {answer:?}");
        let larger = Layout::from_size_align(size * 3, 8)?;
        let answer = free_wrongly(heap, Wrong::Layout(&block, larger));
        ensure!(matches!(answer, Err(FreeError::WrongSize { .. })), "{size} bytes as {larger:?}: {answer:?}");
    }
    let foreign = free_wrongly(heap, Wrong::Foreign(&[0; 64], layout(64, 1)?));
    ensure!(
        matches!(foreign, Err(FreeError::NotManaged(_) | FreeError::DoubleFree(_))),
        "foreign: {foreign:?}"
    );
    let counted = heap.stats().refused.total() - refused;
    ensure!(counted == 10, "10 wrong frees, {counted} counted");
    Ok(heap.check()?)
}

/// Blocks of each mode are freed in each other one, and in their own.
fn modes<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (heap, usual) = (kernel.heap(), kernel.heap().mode());
    let result = switch::<P>(heap);
    heap.set_mode(usual)?;
    result?;
    Ok(heap.check()?)
}

fn switch<P: Platform>(heap: &Heap<P>) -> Result<(), Failure> {
    let mut slots: [Option<HeapBlock<'_, P>>; 32] = [const { None }; 32];
    for step in 0..600_usize {
        // A switch every seven steps; the blocks of 32 steps live on.
        if let Some(named) = MODES.get(step / 7 % MODES.len()).filter(|_| step.is_multiple_of(7)) {
            heap.set_mode(named.mode)?;
        }
        let Some(slot) = slots.get_mut(step % 32) else { continue };
        if let Some(mut block) = slot.take() {
            let bytes = block.bytes();
            let stamp = stamp(bytes.len());
            ensure!(bytes.iter().all(|&byte| byte == stamp), "a block of {} bytes changed", bytes.len());
            block.free()?;
        }
        let mut block = Block::new(heap, layout(1 + step * step % 9000, 8)?)?;
        let stamp = stamp(block.bytes().len());
        block.bytes().fill(stamp);
        *slot = Some(block);
    }
    Ok(())
}

fn lack<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    kernel.heap().shrink();
    let hoard = Hoard::<P>::new(kernel.frames(), 0)?;
    let answer = Block::new(kernel.heap(), layout(20_000, 8)?).map(|block| block.start());
    ensure!(matches!(answer, Err(AllocError::NoMemory { largest_free: 0, .. })), "{answer:?}");
    drop(hoard);
    Block::new(kernel.heap(), layout(20_000, 8)?)?.free()?;
    Ok(kernel.heap().check()?)
}

/// Short; the command `storm` does the same as long as one likes.
fn interrupts<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let report = storm::rage(kernel, 20_000, 100);
    if let Some(error) = report.calm {
        return Err(Failure::skip(format_args!("{error}")));
    }
    let (mut all, ticks) = (report.kernel, report.ticks);
    all += report.handler;
    ensure!(ticks >= 100 && report.handler.operations >= 8 * ticks, "{report:?}");
    ensure!(report.kernel.received > 0 && report.handler.received > 0, "{report:?}");
    ensure!(all.damaged == 0 && all.refused == 0, "{report:?}");
    Ok(kernel.check()?)
}

/// On bare metal this is the kernel's own heap, in a process the host's.
fn collections<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    let mut squares = BTreeMap::new();
    let mut numbers = Vec::new();
    for number in 0..500_u64 {
        squares.insert(number, Box::new(number * number));
        numbers.push(number);
    }
    numbers.retain(|number| number % 2 == 0);
    squares.retain(|number, _| number % 2 == 0);
    let agree =
        numbers.iter().all(|number| squares.get(number).is_some_and(|square| **square == number * number));
    ensure!(numbers.len() == 250 && squares.len() == 250 && agree);
    Ok(())
}
