//! Memory that comes and goes while it is in use, beside the model: [`regions`].

use alloc::vec;

use super::machine::Machine;
use super::model::{Fit, FrameModel};
use super::ops::{self, FrameOp, decode_near, drive};
use crate::frame::{Bitmap, Buddy, Grow, InitError, NotAdded, REGION_WORDS};
use crate::testing::Bytes;
use crate::types::{FrameRange, Pfn};

/// Regions that calls of `reserve` may make in one input.
const SPARE_REGIONS: usize = 200;

/// Words for the books of memory that is added; when they are used up, adding fails.
const SPARE_WORDS: usize = 8192;

/// What rounds requests in its own way.
trait Fits {
    fn fit(&self) -> Fit;
}

impl Fits for Buddy<'_> {
    fn fit(&self) -> Fit {
        Fit::Blocks { top: self.max_order() }
    }
}

impl Fits for Bitmap<'_> {
    fn fit(&self) -> Fit {
        Fit::Exact
    }
}

/// The fuzz body: decodes a machine, calls, frames that are reserved and memory that is added, and runs them on a buddy
/// and on a bitmap beside the model.
///
/// # Panics
///
/// On the first difference.
pub fn regions(data: &[u8]) {
    let mut bytes = Bytes::new(data.get(..ops::INPUT_LIMIT).unwrap_or(data));
    let Machine { usable, reserved, config } = Machine::decode(&mut bytes);
    let spare = SPARE_WORDS + SPARE_REGIONS * REGION_WORDS;
    if let Ok(words) = Buddy::storage_words(config, &usable, &reserved) {
        let mut storage = vec![!0; words + spare];
        let (first, rest) = storage.split_at_mut(words + SPARE_REGIONS * REGION_WORDS);
        let buddy = Buddy::new(first, config, &usable, &reserved);
        run(buddy, |fit| FrameModel::new(fit, &usable, &reserved), bytes.clone(), rest);
    }
    if let Ok(words) = Bitmap::storage_words(&usable, &reserved) {
        let mut storage = vec![!0; words + spare];
        let (first, rest) = storage.split_at_mut(words + SPARE_REGIONS * REGION_WORDS);
        let bitmap = Bitmap::new(first, &usable, &reserved);
        run(bitmap, |fit| FrameModel::new(fit, &usable, &reserved), bytes, rest);
    }
}

#[expect(clippy::panic, reason = "a test helper: the words were counted")]
fn run<'m, S: Grow<'m> + Fits>(
    subject: Result<S, InitError>,
    model: impl Fn(Fit) -> FrameModel,
    bytes: Bytes<'_>,
    mut rest: &'m mut [u64],
) {
    let mut subject = subject.unwrap_or_else(|error| panic!("the words were counted, yet {error}"));
    let mut model = model(subject.fit());
    drive(&mut subject, &mut model, bytes, |subject, model, bytes| match bytes.u8() % 8 {
        0 => add(subject, model, decode_region(bytes, model), &mut rest),
        1 => ops::step(subject, model, FrameOp::Reserve(decode_near(bytes, &model.free_runs()))),
        2 => ops::step(subject, model, FrameOp::Reserve(decode_near(bytes, &model.managed()))),
        3 => ops::step(subject, model, FrameOp::Largest(bytes.below(1500))),
        _ => ops::step(subject, model, FrameOp::decode(bytes, model)),
    });
}

/// Adds memory, first without storage, then with words out of `rest` as long as they last.
fn add<'m, S: Grow<'m> + Fits>(
    subject: &mut S,
    model: &mut FrameModel,
    added: FrameRange,
    rest: &mut &'m mut [u64],
) {
    let reason = |refused: NotAdded<'_>| refused.reason;
    let words = subject.words_with(added);
    let short = subject.add(&mut [], added).map_err(reason).err();
    let told = matches!(short, Some(InitError::Storage { given: 0, .. }));
    assert!(if words.is_ok() { told } else { short == words.err() }, "{added:?} without storage: {short:?}");
    let needed = words.map_or(0, |words| words.saturating_add(SPARE_REGIONS * REGION_WORDS));
    if needed > rest.len() || words == Err(InitError::TooLarge) {
        return;
    }
    let (storage, left) = core::mem::take(rest).split_at_mut(needed);
    *rest = left;
    let given = subject.add(storage, added).map_err(reason);
    assert_eq!(given.map(|_| ()), model.add(added, subject.fit()), "{added:?}");
    ops::compare(subject, model);
}

/// Frames that are adjacent to the managed ones, overlap them, or lie anywhere.
fn decode_region(bytes: &mut Bytes<'_>, model: &FrameModel) -> FrameRange {
    let managed = model.managed();
    let near = managed.get(bytes.below(managed.len())).copied().unwrap_or(FrameRange::EMPTY);
    let count = bytes.below(700);
    let region = match bytes.u8() % 4 {
        0 => FrameRange::new(near.end(), count),
        1 => Some(FrameRange::between(Pfn(near.start().0.saturating_sub(count)), near.start())),
        2 => Some(decode_near(bytes, &managed)),
        _ => FrameRange::new(Pfn(1 << (u32::from(bytes.u8()) % usize::BITS)), count),
    };
    region.unwrap_or(FrameRange::EMPTY)
}
