//! What must hold between steps of the machine, and at its end.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::env::SimEnv;
use super::machine::{Machine, Told};
use super::model::ModelSpace;
use super::recount;
use super::step::PAGE;
use crate::addr::VirtAddr;
use crate::space::{Behaviour, Space};

impl Machine {
    /// Everything that is resident reads as the model says, mappings are the model's, counts are right.
    pub(super) fn check(&self) -> Told {
        for (space, model) in self.spaces.iter().zip(&self.models) {
            space.check().map_err(|error| format!("{error}"))?;
            self.check_space(space, model)?;
        }
        let frames = self.objects.iter().flat_map(|(memory, _)| {
            let mut frames = Vec::new();
            memory.frames(|phys| frames.push(phys.get()));
            frames
        });
        recount(self.env, &self.spaces, frames.chain(self.pins.iter().map(|pin| pin.address().get())))
    }

    fn check_space(&self, space: &Space<SimEnv>, model: &ModelSpace) -> Told {
        let mut next = Some(VirtAddr::new(0));
        let mut pages = 0;
        while let Some(vma) = next.and_then(|next| space.vma_at_or_after(next)) {
            next = vma.range.last().checked_add(1);
            for number in vma.range.first().get() / PAGE..=vma.range.last().get() / PAGE {
                let Some(page) = model.pages.get(&number) else {
                    return Err(format!("page {number:#x} is mapped"));
                };
                pages += 1;
                let dont_fork = vma.behaviour.contains(Behaviour::DONT_FORK);
                if vma.rights != page.rights || vma.is_shared() != page.shared || dont_fork != page.dont_fork
                {
                    return Err(format!("page {number:#x}: {vma}, expected {page:?}"));
                }
            }
        }
        if pages == model.pages.len() {
            Ok(())
        } else {
            Err(format!("{pages} pages, expected {}", model.pages.len()))
        }
    }

    /// Drops all and finds no frame left.
    pub(super) fn end(mut self) -> Result<Self, String> {
        self.pins.clear();
        self.spaces.clear();
        self.objects.clear();
        let used = self.env.used();
        if used > 0 { Err(format!("{used} frames are left")) } else { Ok(self) }
    }
}
