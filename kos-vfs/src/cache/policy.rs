//! Which page goes: [`Clock`], second chance. Another policy has this module's interface and nothing else.
//!
//! A hit marks its page, a hand goes round: a marked page loses its mark, the first one without goes. New pages have no mark, so
//! that a scan takes the place of what was read once. Source: Corbató, "A Paging Experiment with the Multics System", 1968.

use super::page::Page;
use crate::tree::slots::Slots;

/// The hand.
#[derive(Debug, Default)]
pub(super) struct Clock {
    hand: u32,
}

impl Clock {
    /// A page was read.
    pub(super) const fn touch(page: &mut Page) {
        page.touched = true;
    }

    /// The next page to go, of those that may. Two rounds at most.
    pub(super) fn victim(
        &mut self,
        pages: &mut Slots<Page>,
        mut may_go: impl FnMut(u32, &Page) -> bool,
    ) -> Option<u32> {
        for _ in 0..pages.capacity() * 2 {
            let at = self.hand;
            self.hand = if at as usize + 1 < pages.capacity() { at + 1 } else { 0 };
            let Some(page) = pages.get_mut(at) else { continue };
            if !may_go(at, page) {
                continue;
            }
            if !core::mem::take(&mut page.touched) {
                return Some(at);
            }
        }
        None
    }
}
