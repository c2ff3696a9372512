//! References of frames against whatever holds them, over all spaces at once.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use super::env::SimEnv;
use crate::addr::{VirtAddr, VirtRange};
use crate::space::{FrameTable, Space};

/// Every count is what entries of `spaces` and `holds`, the frames of objects and pins, come to.
///
/// # Errors
///
/// The first frame whose count is another.
pub fn recount<'s>(
    env: SimEnv,
    spaces: impl IntoIterator<Item = &'s Space<SimEnv>>,
    holds: impl IntoIterator<Item = u64>,
) -> Result<(), String> {
    let mut found = BTreeMap::<u64, usize>::new();
    holds.into_iter().for_each(|phys| *found.entry(phys).or_default() += 1);
    for space in spaces {
        let all = VirtRange::inclusive(VirtAddr::new(0), VirtAddr::new((1 << 47) - 1));
        let Ok(all) = all else { return Err("no range".into()) };
        let mut count = |run: &crate::Mapping| {
            for page in 0..run.range.bytes() / 4096 {
                let phys = crate::PhysAddr::new(run.phys.get() + page * 4096);
                if FrameTable::meta(&env, phys).is_some() {
                    *found.entry(phys.get()).or_default() += 1;
                }
            }
        };
        space.runs(all, &mut count).map_err(|error| format!("{error}"))?;
    }
    let counted: BTreeMap<u64, usize> = env.counts().map(|(phys, refs)| (phys.get(), refs)).collect();
    let wrong = counted.iter().chain(&found).find(|(phys, _)| counted.get(phys) != found.get(phys));
    match wrong {
        None => Ok(()),
        Some((phys, _)) => {
            let (counted, found) = (counted.get(phys), found.get(phys));
            Err(format!("frame {phys:#x} has {counted:?} references, a recount finds {found:?}"))
        }
    }
}
