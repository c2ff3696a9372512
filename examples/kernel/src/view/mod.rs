//! A picture of the kernel, again and again: free memory by zone and order, run queues, the page cache, pressure.
//!
//! A frame fits 80 columns and 24 lines of any terminal. What it shows was true at moments close to each other, not at one.

mod heat;
mod queues;

use core::fmt::{self, Write};

use crate::Kernel;
use crate::platform::Platform;
use crate::pressure;
use crate::text::Grouped;
pub(crate) use queues::Queues;

/// Characters of a bar.
const BAR: usize = 30;

/// One frame; `queues` knows the one before.
pub(crate) fn frame<P: Platform>(
    kernel: &Kernel<P>,
    queues: &mut Queues,
    number: u32,
    out: &mut dyn Write,
) -> fmt::Result {
    let millis = kernel.platform().now().duration_since_epoch().as_millis();
    let stats = kernel.frames().stats();
    writeln!(
        out,
        "kos  frame {number}, {}.{:03} s up, {} of {} frames free",
        millis / 1000,
        millis % 1000,
        Grouped(stats.free as u64),
        Grouped(stats.managed as u64)
    )?;
    heat::show(kernel, out)?;
    queues.show(kernel, out)?;
    cache(kernel, out)?;
    pressure::show(kernel, out)
}

/// What is in the page cache: clean `=`, to be written `#`, busy `*`; how often a page was there.
fn cache<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let Some(files) = kernel.files() else { return writeln!(out, "page cache: there are no files") };
    let cache = files.vfs().stats().cache;
    let busy = cache.uninit + cache.writeback;
    let all = u64::from(cache.clean) + u64::from(cache.dirty) + u64::from(busy);
    write!(out, "page cache ")?;
    bar(&[(u64::from(cache.clean), '='), (cache.dirty.into(), '#'), (busy.into(), '*')], all, out)?;
    let asked = cache.hits.saturating_add(cache.misses);
    let share = cache.hits.saturating_mul(100).checked_div(asked).unwrap_or(0);
    writeln!(
        out,
        " {} clean, {} dirty, {busy} busy; {share} % of {} reads found",
        cache.clean,
        cache.dirty,
        Grouped(asked)
    )
}

/// Parts of a whole as a bar. What is there at all has a character.
fn bar(parts: &[(u64, char)], whole: u64, out: &mut dyn Write) -> fmt::Result {
    let mut left = BAR;
    out.write_char('[')?;
    for &(part, character) in parts {
        let share = (part * BAR as u64).div_ceil(whole.max(1));
        let length = usize::try_from(share).unwrap_or(BAR).min(left);
        left -= length;
        (0..length).try_for_each(|_| out.write_char(character))?;
    }
    write!(out, "{:left$}]", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn a_bar_is_as_long_as_ever() {
        let drawn = |parts: &[(u64, char)], whole| {
            let mut text = String::new();
            bar(parts, whole, &mut text).unwrap();
            text
        };
        assert_eq!(drawn(&[(1, '='), (1, '#')], 2), "[===============###############]");
        assert_eq!(drawn(&[(1000, '='), (1, '#'), (0, '*')], 10_000), "[===#                          ]");
        assert_eq!(drawn(&[(0, '=')], 0).len(), BAR + 2);
        assert_eq!(drawn(&[(5, '='), (5, '#')], 5).len(), BAR + 2);
    }
}
