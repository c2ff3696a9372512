//! The bytes of a file: blocks in a chain, without holes.

use super::{Attr, BLOCK, Block, Failed, NONE, Store};
use crate::ramfs::Time;

impl Store<'_> {
    fn block(&self, number: u32) -> Option<&Block> {
        self.blocks.get(number as usize)
    }

    fn block_mut(&mut self, number: u32) -> Option<&mut Block> {
        self.blocks.get_mut(number as usize)
    }

    /// The block of a file that has byte `offset`.
    fn at(&self, file: u64, offset: u64) -> Result<u32, Failed> {
        let mut number = self.node(file)?.first;
        for _ in 0..offset / BLOCK as u64 {
            number = self.block(number).map_or(NONE, |block| block.next);
        }
        Ok(number)
    }

    /// Gives every block beyond `size` back.
    pub(super) fn cut(&mut self, file: u64, size: u64) -> Result<(), Failed> {
        let mut next = match size {
            0 => core::mem::replace(&mut self.node_mut(file)?.first, NONE),
            size => {
                let last = self.at(file, size - 1)?;
                self.block_mut(last).map_or(NONE, |block| core::mem::replace(&mut block.next, NONE))
            }
        };
        while let Some(block) = self.blocks.get_mut(next as usize) {
            let behind = core::mem::replace(&mut block.next, self.free);
            (self.free, self.free_blocks) = (next, self.free_blocks + 1);
            next = behind;
        }
        Ok(())
    }

    /// Has blocks for `size` bytes, those behind the old end zeroed.
    fn grow(&mut self, file: u64, size: u64) -> Result<(), Failed> {
        let old = self.node(file)?.size;
        let (have, want) = (old.div_ceil(BLOCK as u64), size.div_ceil(BLOCK as u64));
        if want.saturating_sub(have) > self.free_blocks {
            return Err(Failed::NO_SPACE);
        }
        let mut last = if old == 0 { NONE } else { self.at(file, old - 1)? };
        if let Some(block) = self.block_mut(last) {
            let end = usize::try_from(old % BLOCK as u64).unwrap_or(0);
            if end != 0 {
                block.bytes.get_mut(end..).unwrap_or_default().fill(0);
            }
        }
        for _ in have..want {
            let new = self.free;
            let Some(block) = self.block_mut(new) else { return Err(Failed::NO_SPACE) };
            let free = core::mem::replace(&mut block.next, NONE);
            block.bytes.fill(0);
            (self.free, self.free_blocks) = (free, self.free_blocks - 1);
            match self.block_mut(last) {
                Some(block) => block.next = new,
                None => self.node_mut(file)?.first = new,
            }
            last = new;
        }
        self.node_mut(file)?.size = size;
        Ok(())
    }

    /// Sets the size.
    ///
    /// # Errors
    /// [`Failed`]; the size stays.
    pub fn truncate(&mut self, file: u64, size: u64, now: Time) -> Result<Attr, Failed> {
        let old = self.regular(file)?.size;
        if size > old {
            self.grow(file, size)?;
        } else {
            self.cut(file, size)?;
        }
        let node = self.node_mut(file)?;
        node.size = size;
        let [_, modified, changed] = &mut node.times;
        (*modified, *changed) = (now, now);
        self.attr(file)
    }

    /// Gives bytes of a file to `put`, with their place in what is read; how many.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn read(
        &self,
        file: u64,
        offset: u64,
        bytes: u64,
        mut put: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<u64, Failed> {
        let there = self.regular(file)?.size.saturating_sub(offset).min(bytes);
        let (mut done, mut number) = (0, self.at(file, offset)?);
        while done < there {
            let Some(block) = self.block(number) else { return Err(Failed::STALE) };
            let inside = usize::try_from((offset + done) % BLOCK as u64).unwrap_or(0);
            let most = usize::try_from(there - done).unwrap_or(BLOCK);
            let part = block.bytes.get(inside..).unwrap_or_default();
            let part = part.get(..most.min(part.len())).unwrap_or_default();
            if !put(done, part) {
                return Err(Failed::FAULT);
            }
            (done, number) = (done + part.len() as u64, block.next);
        }
        Ok(there)
    }

    /// Has `get` fill bytes of a file, with their place in what is written; how many.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn write(
        &mut self,
        file: u64,
        offset: u64,
        bytes: u64,
        now: Time,
        mut get: impl FnMut(u64, &mut [u8]) -> bool,
    ) -> Result<u64, Failed> {
        let end = offset.checked_add(bytes).ok_or(Failed::NO_SPACE)?;
        if end > self.regular(file)?.size {
            self.grow(file, end)?;
        }
        let (mut done, mut number) = (0, self.at(file, offset)?);
        while done < bytes {
            let Some(block) = self.block_mut(number) else { return Err(Failed::STALE) };
            let inside = usize::try_from((offset + done) % BLOCK as u64).unwrap_or(0);
            let most = usize::try_from(bytes - done).unwrap_or(BLOCK);
            let part = block.bytes.get_mut(inside..).unwrap_or_default();
            let length = most.min(part.len());
            let part = part.get_mut(..length).unwrap_or_default();
            if !get(done, part) {
                return Err(Failed::FAULT);
            }
            (done, number) = (done + length as u64, block.next);
        }
        let [_, modified, changed] = &mut self.node_mut(file)?.times;
        (*modified, *changed) = (now, now);
        Ok(done)
    }
}
