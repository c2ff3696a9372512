//! The end of a space, and of pages whose object became shorter.
#![expect(unsafe_code, reason = "gives the root back: nobody has it loaded")]

use core::mem::ManuallyDrop;

use super::error::SpaceError;
use super::ports::SpaceEnv;
use super::pt::page_bytes;
use super::state::State;

impl<E: SpaceEnv> Drop for State<E> {
    /// Gives all pages, mappings and frames up. What a stuck CPU may still use is leaked.
    fn drop(&mut self) {
        let (first, last) = (self.config.range.first().get(), self.config.range.last().get());
        let _ = self.drop_pages(first, last);
        self.drop_vmas(first, last);
        self.set.clear(&self.env);
        // SAFETY: the table is taken once, here: nobody sees the state any more.
        let table = unsafe { ManuallyDrop::take(&mut self.pt.0) };
        // SAFETY: who loads the root of a space loads another one before the space is dropped (`Space::root`); a child
        // that did not come about was never loaded.
        let _ = unsafe { table.destroy() };
    }
}

impl<E: SpaceEnv> State<E> {
    pub(super) fn zap(&mut self, object: &E::Object, from: u64) -> Result<(), SpaceError> {
        // The page that holds the new end stays.
        let from = from.checked_next_multiple_of(page_bytes::<E>()).unwrap_or(u64::MAX);
        let mut next = Some(0);
        while let Some(vma) = next.and_then(|next| self.set.at_or_after(next)) {
            let (first, last) = (vma.first(), vma.last());
            next = last.checked_add(1);
            let Some(backing) = vma.backing.as_ref().filter(|backing| backing.object == *object) else {
                continue;
            };
            let skip = from.saturating_sub(backing.offset);
            if skip <= last - first {
                self.drop_pages(first + skip, last)?;
            }
        }
        Ok(())
    }
}
