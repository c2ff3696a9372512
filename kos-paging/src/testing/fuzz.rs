//! Bodies of the fuzz targets.

use super::machine::run;
use super::rig::Rig;

/// `page_table_ops`: operations on two formats, each for a new and an old CPU; the first byte says which.
///
/// # Panics
///
/// If table, model, MMU and TLB differ.
pub fn page_table_ops(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let verdict = match choice % 4 {
        0 => run(Rig::long(), bytes),
        1 => run(Rig::two_level(), bytes),
        2 => run(Rig::early_long(), bytes),
        _ => run(Rig::early_two_level(), bytes),
    };
    #[expect(clippy::panic, reason = "how a fuzz target reports")]
    if let Err(told) = verdict {
        panic!("{told}");
    }
}

/// `space`: operations on four spaces beside deep copies; the first byte says how many frames there are.
///
/// # Panics
///
/// If a space and its model differ, or a frame is lost.
#[cfg(feature = "vma")]
pub fn space(data: &[u8]) {
    let Some((frames, bytes)) = data.split_first() else { return };
    #[expect(clippy::panic, reason = "how a fuzz target reports")]
    if let Err(told) = super::space::machine::run(bytes, 60 + usize::from(*frames)) {
        panic!("{told}");
    }
}
