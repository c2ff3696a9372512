//! A link that loses, doubles, swaps and damages frames, as chance has it, which a seed foresees: [`Rough`], by [`Roughness`].

use alloc::collections::VecDeque;
use core::str::FromStr;

use kos_net::dev::{Batch, Capabilities, HeapFrame, Meta};
use kos_net::time::Instant;
use kos_net::{Frame as _, NetDevice};

use crate::dice::Dice;

/// How long a frame that is to come later waits for another one, in nanoseconds.
const HELD: u64 = 10_000_000;

/// A share of frames, in millionths; written in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share(u32);

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let percent = text.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
        let millionths = percent.ok_or("a share is a number of percent, as 0.5")? * 10_000.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a million")]
        Ok(Self(millionths.round() as u32))
    }
}

/// What befalls frames, of both directions.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "A rough link")]
pub(super) struct Roughness {
    /// Percent of frames that are lost.
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    loss: Share,
    /// Percent that come twice.
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    dup: Share,
    /// Percent that come behind the next.
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    reorder: Share,
    /// Percent in which a bit is another. Not together with --gso, by which sums are worked out behind the damage.
    #[arg(long, value_name = "PERCENT", default_value = "0", conflicts_with = "gso")]
    corrupt: Share,
    /// Chooses which: the same frames for the same seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What befell frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Befell {
    pub(super) passed: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) swapped: u64,
    pub(super) damaged: u64,
}

/// One direction.
#[derive(Debug)]
struct Way {
    share: Roughness,
    dice: Dice,
    /// A frame that is to come later, and until when it waits for another one.
    held: Option<(HeapFrame, u64)>,
    befell: Befell,
}

impl Way {
    fn new(share: Roughness, number: u64) -> Self {
        let dice = Dice::new(share.seed.wrapping_mul(2).wrapping_add(number));
        Self { share, dice, held: None, befell: Befell::default() }
    }

    /// What becomes of a frame; what is to come now goes to `out`. `copy` makes another of the same length, if there is memory.
    fn frame(
        &mut self,
        now: Instant,
        mut frame: HeapFrame,
        copy: impl FnOnce(&HeapFrame) -> Option<HeapFrame>,
        out: &mut Vec<HeapFrame>,
    ) {
        let (share, befell) = (self.share, &mut self.befell);
        if self.dice.happens(share.loss.0) {
            befell.lost += 1;
            return;
        }
        if self.dice.happens(share.corrupt.0) && !frame.bytes().is_empty() {
            let bit = self.dice.below(8 * frame.bytes().len() as u64);
            let place = usize::try_from(bit / 8).ok().and_then(|place| frame.bytes_mut().get_mut(place));
            place.into_iter().for_each(|byte| *byte ^= 1 << (bit % 8));
            // Nobody has looked at its sums.
            *frame.meta_mut() = Meta::default();
            befell.damaged += 1;
        }
        if self.dice.happens(share.dup.0)
            && let Some(twin) = copy(&frame)
        {
            befell.doubled += 1;
            out.push(twin);
        }
        befell.passed += 1;
        if self.held.is_none() && self.dice.happens(share.reorder.0) {
            befell.swapped += 1;
            self.held = Some((frame, now.as_ticks().saturating_add(HELD)));
            return;
        }
        out.push(frame);
        out.extend(self.held.take().map(|(frame, _)| frame));
    }

    /// What has waited long enough.
    fn late(&mut self, now: Instant) -> Option<HeapFrame> {
        self.held.take_if(|(_, until)| *until <= now.as_ticks()).map(|(frame, _)| frame)
    }
}

/// A device, and what befalls its frames.
#[derive(Debug)]
pub(super) struct Rough<D> {
    pub(super) device: D,
    ways: [Way; 2],
    clock: fn() -> Instant,
    /// Frames that came and found no room.
    inward: VecDeque<HeapFrame>,
}

impl<D: NetDevice<Frame = HeapFrame>> Rough<D> {
    pub(super) fn new(device: D, share: Roughness, clock: fn() -> Instant) -> Self {
        let ways = [Way::new(share, 0), Way::new(share, 1)];
        Self { device, ways, clock, inward: VecDeque::new() }
    }

    /// When a frame has waited long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        if !self.inward.is_empty() {
            return Some((self.clock)());
        }
        let held = self.ways.iter().filter_map(|way| way.held.as_ref());
        held.map(|(_, until)| Instant::from_ticks(*until)).min()
    }

    /// What befell frames that came, and that went.
    pub(super) fn befell(&self) -> [Befell; 2] {
        self.ways.each_ref().map(|way| way.befell)
    }

    fn twin(device: &mut D, frame: &HeapFrame) -> Option<HeapFrame> {
        let mut twin = device.lease(frame.bytes().len())?;
        twin.bytes_mut().copy_from_slice(frame.bytes());
        *twin.meta_mut() = *frame.meta();
        Some(twin)
    }
}

/// Another with the same bytes.
fn again(frame: &HeapFrame) -> HeapFrame {
    let mut twin = HeapFrame::new(frame.bytes().to_vec());
    *twin.meta_mut() = *frame.meta();
    twin
}

impl<D: NetDevice<Frame = HeapFrame>> NetDevice for Rough<D> {
    type Frame = HeapFrame;
    type Error = D::Error;

    fn capabilities(&self) -> &Capabilities {
        self.device.capabilities()
    }

    fn receive(&mut self, into: &mut Batch<HeapFrame>) -> Result<(), D::Error> {
        let now = (self.clock)();
        let mut came: Batch<HeapFrame, _> = Batch::new();
        self.device.receive(&mut came)?;
        let ([way, _], mut all) = (&mut self.ways, Vec::new());
        while let Some(frame) = came.pop() {
            way.frame(now, frame, |frame| Some(again(frame)), &mut all);
        }
        all.extend(way.late(now));
        self.inward.extend(all);
        while into.room() > 0
            && let Some(frame) = self.inward.pop_front()
        {
            drop(into.push(frame)); // There is room.
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        self.device.lease(bytes)
    }

    fn recycle(&mut self, frame: HeapFrame) {
        self.device.recycle(frame);
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> Result<(), D::Error> {
        let now = (self.clock)();
        let ([_, way], device, mut all) = (&mut self.ways, &mut self.device, Vec::new());
        while let Some(frame) = from.pop() {
            way.frame(now, frame, |frame| Self::twin(device, frame), &mut all);
        }
        all.extend(way.late(now));
        for frame in all {
            let mut one: Batch<HeapFrame, _> = Batch::new();
            drop(one.push(frame)); // It is empty.
            // What finds no room is lost, as in a full queue.
            self.device.transmit(&mut one)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kos_net::dev::Loopback;

    fn roughness(loss: &str, dup: &str, reorder: &str, corrupt: &str) -> Roughness {
        let [loss, dup, reorder, corrupt] = [loss, dup, reorder, corrupt].map(|text| text.parse().unwrap());
        Roughness { loss, dup, reorder, corrupt, seed: 7 }
    }

    fn start() -> Instant {
        Instant::from_ticks(0)
    }

    fn late() -> Instant {
        Instant::from_ticks(u64::MAX / 2)
    }

    /// Numbers of frames as they come that were sent in their order, and how many of them are damaged.
    fn carried(share: Roughness, frames: u32) -> (Vec<u32>, [Befell; 2]) {
        let mut link = Rough::new(Loopback::<Vec<u8>, 64>::new(1500), share, start);
        let mut came = Vec::new();
        for number in 0..=frames {
            if number < frames {
                let mut frame = link.lease(64).unwrap();
                frame.bytes_mut().fill(0);
                frame.bytes_mut()[..4].copy_from_slice(&number.to_be_bytes());
                let mut batch: Batch<HeapFrame, _> = Batch::new();
                batch.push(frame).unwrap();
                link.transmit(&mut batch).unwrap();
            } else {
                // Nobody is left behind.
                link.clock = late;
                link.transmit(&mut Batch::new()).unwrap();
            }
            let mut batch: Batch<HeapFrame, _> = Batch::new();
            link.receive(&mut batch).unwrap();
            while let Some(frame) = batch.pop() {
                came.push(u32::from_be_bytes(frame.bytes()[..4].try_into().unwrap()));
            }
        }
        assert_eq!(link.due(), None);
        (came, link.befell())
    }

    #[test]
    fn a_smooth_link_changes_nothing() {
        let (came, befell) = carried(Roughness::default(), 1000);
        assert!(came.into_iter().eq(0..1000));
        assert_eq!(befell, [Befell { passed: 1000, ..Befell::default() }; 2]);
    }

    #[test]
    fn what_befalls_frames_is_counted_and_the_same_for_a_seed() {
        let share = roughness("2", "3", "4", "0");
        let (came, befell) = carried(share, 20_000);
        assert_eq!((&came, befell), (&carried(share, 20_000).0, befell));
        let [inward, outward] = befell;
        let sent = 20_000 - outward.lost + outward.doubled;
        assert_eq!(inward.passed + inward.lost, sent);
        assert_eq!(came.len() as u64, inward.passed + inward.doubled);
        for (count, expected) in [(outward.lost, 400), (outward.doubled, 588), (outward.swapped, 784)] {
            assert!(count.abs_diff(expected) < expected / 5, "{befell:?}");
        }
        assert!(!came.is_sorted(), "some were swapped");
    }

    #[test]
    fn damage_is_one_bit() {
        let mut way = Way::new(roughness("0", "0", "0", "100"), 0);
        let mut out = Vec::new();
        way.frame(start(), HeapFrame::new(vec![0; 60]), |_| None, &mut out);
        let ones: u32 = out[0].bytes().iter().map(|byte| byte.count_ones()).sum();
        assert_eq!((ones, way.befell.damaged), (1, 1));
    }

    #[test]
    fn shares_are_percent() {
        assert_eq!("0.5".parse(), Ok(Share(5000)));
        for bad in ["", "-1", "100.1", "NaN", "x"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }
}
