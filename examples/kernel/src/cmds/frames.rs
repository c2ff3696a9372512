//! `frames`: physical memory as a picture, zone by zone. Each character is some frames; it tells how large the free block is.

use core::fmt::{self, Write};
use core::iter::Peekable;

use kos_alloc::frame::MAX_ORDER;
use kos_alloc::{Env, FrameRange, Inventory, Pfn};

use super::no_arguments;
use crate::Kernel;
use crate::accounts::{Accounts, FRAME_BYTES};
use crate::boot::frames_of;
use crate::firmware;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::text::{Bytes, Grouped};

/// Characters in a line; with the address before them they fit 100 columns.
const COLUMNS: usize = 64;
/// About so many lines of picture.
const LINES: usize = 24;
/// What a free block of each order looks like.
const ORDERS: &[u8; MAX_ORDER as usize + 1] = b"0123456789abcdefghi";

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    let frames: usize = usable(kernel).map(|range| range.count()).sum();
    let cell = frames.div_ceil(COLUMNS * LINES).next_power_of_two();
    writeln!(out, "{:>16}  one character is {}", "address", Bytes(cell as u64 * FRAME_BYTES))?;
    zones(kernel, cell, out)?;
    writeln!(
        out,
        "         0-9 a-i  in a free block of 2^0 to 2^18 frames   :  free in smaller pieces   +  partly free"
    )?;
    writeln!(
        out,
        "         #        in use, or with a CPU                   R  reserved                 .  not usable"
    )?;
    orders(kernel, out)?;
    Ok(Next::Continue)
}

/// Usable memory in ascending order.
fn usable<P: Platform>(kernel: &Kernel<P>) -> impl Iterator<Item = FrameRange> {
    let platform = kernel.platform();
    let reach = platform.env().direct_map().frames();
    firmware::pieces(|| platform.memory_map()).filter_map(move |piece| frames_of(piece, reach))
}

/// A picture of each zone that has memory, with a title.
fn zones<P: Platform>(kernel: &Kernel<P>, cell: usize, out: &mut dyn Write) -> fmt::Result {
    let frames = kernel.frames();
    let mut start = Pfn(0);
    for (index, kind) in frames.kinds().iter().enumerate() {
        let bounds = FrameRange::between(start, kind.end);
        start = kind.end;
        let Some(zone) = frames.zone(index).filter(|zone| zone.managed > 0) else { continue };
        writeln!(
            out,
            "{:>16}  {} of {} frames free, {} of them with the CPUs{}",
            zone.name,
            Grouped(zone.free as u64),
            Grouped(zone.managed as u64),
            Grouped(zone.cached as u64),
            if zone.free < zone.low { ", under pressure" } else { "" }
        )?;
        picture(kernel, bounds, cell, out)?;
    }
    Ok(())
}

/// The lines of `bounds` that hold usable memory; dots stand for what lies between them.
fn picture<P: Platform>(
    kernel: &Kernel<P>,
    bounds: FrameRange,
    cell: usize,
    out: &mut dyn Write,
) -> fmt::Result {
    let line_frames = cell * COLUMNS;
    let within =
        || usable(kernel).map(move |range| range.intersection(&bounds)).filter(|part| !part.is_empty());
    let free = kernel.frames().free_blocks().filter(move |block| bounds.contains(block.start()));
    let mut view = View { usable: Along::new(within()), free: Along::new(free) };
    let mut next = 0;
    for range in within() {
        let first = range.start().0 / line_frames * line_frames;
        if first > next {
            writeln!(out, "{:>16}", "...")?;
        }
        let mut at = first.max(next);
        while at < range.end().0 {
            write!(out, "{:>#16x}  ", at as u64 * FRAME_BYTES)?;
            for start in (at..at + line_frames).step_by(cell) {
                let cell = FrameRange::between(Pfn(start), Pfn(start + cell));
                out.write_char(view.symbol(kernel.accounts(), cell))?;
            }
            writeln!(out)?;
            at += line_frames;
        }
        next = at;
    }
    Ok(())
}

/// What a picture is made of, taken along with ascending cells.
struct View<U: Iterator<Item = FrameRange>, F: Iterator<Item = FrameRange>> {
    usable: Along<U>,
    free: Along<F>,
}

impl<U: Iterator<Item = FrameRange>, F: Iterator<Item = FrameRange>> View<U, F> {
    fn symbol(&mut self, accounts: &Accounts, cell: FrameRange) -> char {
        let (usable, free) = (self.usable.within(cell), self.free.within(cell));
        let reserved: usize =
            accounts.reserved.iter().map(|piece| piece.range.intersection(&cell).count()).sum();
        match free.frames {
            0 if usable.frames == 0 => '.',
            0 if reserved >= usable.frames => 'R',
            0 => '#',
            some if some < cell.count() => '+',
            _ => free
                .around
                .and_then(|block| ORDERS.get(block.count().ilog2() as usize))
                .map_or(':', |&b| b.into()),
        }
    }
}

/// What ascending ranges have in a cell.
#[derive(Clone, Copy, Default)]
struct Share {
    frames: usize,
    /// The range in which the whole cell lies.
    around: Option<FrameRange>,
}

/// Ascending ranges, for a walk over ascending cells.
struct Along<I: Iterator<Item = FrameRange>> {
    ranges: Peekable<I>,
}

impl<I: Iterator<Item = FrameRange>> Along<I> {
    fn new(ranges: I) -> Self {
        Self { ranges: ranges.peekable() }
    }

    fn within(&mut self, cell: FrameRange) -> Share {
        let mut share = Share::default();
        while let Some(&range) = self.ranges.peek().filter(|range| range.start() < cell.end()) {
            share.frames += range.intersection(&cell).count();
            share.around = share.around.or(Some(range).filter(|range| range.contains_range(&cell)));
            if range.end() > cell.end() {
                break;
            }
            self.ranges.next();
        }
        share
    }
}

/// Free blocks of all zones by order; a bar shows each order's share of what is free.
fn orders<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let histogram = kernel.frames().histogram();
    let free = histogram.frames().max(1);
    writeln!(out, "{:>16}  {:>7}   {:<9} share of what is free", "order", "blocks", "of")?;
    for (order, &letter) in (0..).zip(ORDERS).filter(|&(order, _)| histogram.of(order) > 0) {
        let (blocks, size) = (histogram.of(order), Bytes(FRAME_BYTES << order));
        let bar = ((blocks << order) * 48).div_ceil(free);
        writeln!(out, "{:>16}  {blocks:>7} x {size:<9} {:=<bar$}", char::from(letter), "")?;
    }
    Ok(())
}
