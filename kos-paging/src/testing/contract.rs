//! Contract checks: run them on your own ports.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ptr::NonNull;

use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::flush::FlushSet;
use crate::ports::{FrameRequest, FrameSource, OutOfFrames, PhysMapper, TlbFlush};

/// What a check came to; a breach is told in words.
pub type Verdict = Result<(), String>;

const FRAME: u64 = 4096;

/// Frames are aligned, distinct, below the limit; what is freed can be had again; an impossible limit is refused.
///
/// Takes up to `most` frames at once and gives all back.
///
/// # Errors
///
/// The first breach of [`FrameSource`]'s contract.
pub fn check_frame_source<S: FrameSource + ?Sized>(source: &S, most: usize) -> Verdict {
    let highest = PhysAddr::new(u64::MAX);
    let first = take(source, highest, most)?;
    let second = take(source, highest, first)?;
    if first != second {
        return Err(format!("{first} frames at first, {second} after they went back"));
    }
    match source.allocate(FrameRequest::below(PhysAddr::new(FRAME - 2))) {
        Err(OutOfFrames) => {}
        Ok(frame) => {
            let at = frame.address();
            source.free(frame);
            return Err(format!("a frame that ends below {:#x} is at {at}", FRAME - 2));
        }
    }
    limit(source)
}

/// Takes frames until there are no more or `most`, checks them and gives them back.
fn take<S: FrameSource + ?Sized>(source: &S, highest: PhysAddr, most: usize) -> Result<usize, String> {
    let frames: Vec<_> =
        (0..most).map_while(|_| source.allocate(FrameRequest::below(highest)).ok()).collect();
    let addresses: BTreeSet<_> = frames.iter().map(|frame| frame.address().get()).collect();
    let count = frames.len();
    frames.into_iter().for_each(|frame| source.free(frame));
    if addresses.len() < count {
        return Err("a frame was given twice".into());
    }
    match addresses.iter().find(|address| !address.is_multiple_of(FRAME)) {
        Some(address) => Err(format!("frame {address:#x} is not aligned")),
        None => Ok(count),
    }
}

/// The limit of a frame that was given is one that can be kept.
fn limit<S: FrameSource + ?Sized>(source: &S) -> Verdict {
    let Ok(frame) = source.allocate(FrameRequest::below(PhysAddr::new(u64::MAX))) else { return Ok(()) };
    let highest = PhysAddr::new(frame.address().get() + FRAME - 1);
    source.free(frame);
    let Ok(frame) = source.allocate(FrameRequest::below(highest)) else {
        return Err(format!("a frame that ends at {highest} was there, and is not given"));
    };
    let last = frame.address().get() + FRAME - 1;
    source.free(frame);
    if last > highest.get() { Err(format!("a frame ends at {last:#x}, beyond {highest}")) } else { Ok(()) }
}

/// Frames of the source can be seen, aligned and apart, always at the same place; what is no memory cannot.
///
/// # Errors
///
/// The first breach of [`PhysMapper`]'s contract.
pub fn check_phys_mapper<P: FrameSource + PhysMapper + ?Sized>(ports: &P) -> Verdict {
    let allocate = || ports.allocate(FrameRequest::below(PhysAddr::new(u64::MAX)));
    let (Ok(one), Ok(other)) = (allocate(), allocate()) else {
        return Err("no two frames to look at".into());
    };
    let verdict = seen(ports, one.address()).and_then(|one| {
        let other = seen(ports, other.address())?;
        if one.abs_diff(other) < 4096 { Err("two frames share bytes".into()) } else { Ok(()) }
    });
    ports.free(one);
    ports.free(other);
    verdict?;
    let nowhere = PhysAddr::new(u64::MAX - (FRAME - 1));
    if ports.table(nowhere, 4096).is_some() { Err(format!("{nowhere} is taken for memory")) } else { Ok(()) }
}

fn seen<P: PhysMapper + ?Sized>(ports: &P, frame: PhysAddr) -> Result<usize, String> {
    let address = |pointer: NonNull<u8>| pointer.addr().get();
    let place = ports.table(frame, 4096).map(address).ok_or_else(|| format!("{frame} cannot be seen"))?;
    if !place.is_multiple_of(4096) {
        return Err(format!("{frame} is seen at {place:#x}, which is not aligned"));
    }
    if ports.table(frame, 4096).map(address) == Some(place) {
        Ok(place)
    } else {
        Err(format!("{frame} moved"))
    }
}

/// A flush drops the translation of every page of its set.
///
/// `fill` makes the TLB hold the translation of an address, `holds` asks whether it does; `base` is where 64 pages of
/// 4 KiB are mapped.
///
/// # Errors
///
/// The first breach of [`TlbFlush`]'s contract.
pub fn check_tlb_control<T: TlbFlush + ?Sized>(
    tlb: &T,
    base: VirtAddr,
    mut fill: impl FnMut(VirtAddr),
    mut holds: impl FnMut(VirtAddr) -> bool,
) -> Verdict {
    for pages in [1, 2, 33, 34, 64] {
        let range = VirtRange::new(base, pages * FRAME).map_err(|error| format!("{base}: {error}"))?;
        let page = |index: u64| VirtAddr::new(base.get() + index * FRAME);
        (0..pages).for_each(|index| fill(page(index)));
        let set = FlushSet::new(range, FRAME).with_global().with_tables();
        tlb.flush(&set).map_err(|error| format!("flushing {pages} pages: {error}"))?;
        if let Some(at) = (0..pages).map(page).find(|at| holds(*at)) {
            return Err(format!("{at} outlives a flush of {pages} pages"));
        }
    }
    Ok(())
}
