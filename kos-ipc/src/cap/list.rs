//! What is in a space, for who shows it: `each`.

use super::id::{CapId, Name};
use super::rights::Rights;
use super::space::{CapInfo, CapSpace, Object};
use crate::ports::Env;

impl<E: Env, O: Object> CapSpace<'_, E, O> {
    /// Shows each capability with what is known of it, and its object unless it was revoked. It takes as long as there are slots,
    /// and one that comes or goes meanwhile is shown or not. No lock is held while `show` runs.
    pub fn each(&self, mut show: impl FnMut(CapId, CapInfo, Option<&O>)) {
        for (number, slot) in (0..u32::MAX).zip(self.slots) {
            let Some(generation) = slot.generation() else { continue };
            let Some((facts, ())) = slot.facts(generation, |_| ()) else { continue };
            let Ok(kind) = u8::try_from(facts.kind) else { continue };
            let id = CapId::new(Name { slot: number, kind, generation }, self.salt);
            let info = CapInfo { kind, rights: Rights::from_bits_retain(facts.rights), badge: facts.badge };
            let guard = self.get(id, kind, Rights::empty()).ok();
            show(id, info, guard.as_deref());
        }
    }
}
