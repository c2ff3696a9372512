//! A link that loses, doubles, swaps and damages frames, as chance has it, which a seed foresees: [`Rough`], by [`Roughness`]. It is
//! before a TAP device, and in a machine that is to be rough on its packets to itself.

use alloc::collections::VecDeque;
use core::fmt;
use core::ops::AddAssign;
use core::str::FromStr;

use kos_net::dev::{Batch, Capabilities, HeapFrame, Meta, Offloads};
use kos_net::time::Instant;
use kos_net::{Frame as _, NetDevice};

use crate::dice::Dice;

/// How long a frame that is to come later waits for another one, in nanoseconds.
const HELD: u64 = 10_000_000;

/// A share of frames, in millionths; written in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share(u32);

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let percent = text.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
        let millionths = percent.ok_or("a share is a number of percent, as 0.5")? * 10_000.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a million")]
        Ok(Self(millionths.round() as u32))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (f64::from(self.0) / 10_000.0).fmt(f)
    }
}

/// What befalls frames. Written as the options that ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "A rough link")]
pub struct Roughness {
    /// Percent of frames that are lost.
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub loss: Share,
    /// Percent that come twice.
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub dup: Share,
    /// Percent that come behind the next.
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub reorder: Share,
    /// Percent in which a bit is another.
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    pub corrupt: Share,
}

impl Roughness {
    /// Whether nothing befalls them.
    #[must_use]
    pub fn is_smooth(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Roughness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { loss, dup, reorder, corrupt } = self;
        let all = [("loss", loss), ("dup", dup), ("reorder", reorder), ("corrupt", corrupt)];
        let mut asked = all.into_iter().filter(|(_, share)| share.0 > 0);
        asked.try_for_each(|(name, share)| write!(f, " --{name} {share}"))
    }
}

/// What befell frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Befell {
    /// Those that were not lost.
    pub passed: u64,
    /// Those that were.
    pub lost: u64,
    /// Those that came twice.
    pub doubled: u64,
    /// Those that came behind the next.
    pub swapped: u64,
    /// Those in which a bit was another.
    pub damaged: u64,
}

impl fmt::Display for Befell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, lost, doubled, swapped, damaged } = self;
        write!(f, "{passed} passed, {lost} lost, {doubled} doubled, {swapped} swapped, {damaged} damaged")
    }
}

impl AddAssign for Befell {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.swapped += other.swapped;
        self.damaged += other.damaged;
    }
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
    fn new(share: Roughness, seed: u64, number: u64) -> Self {
        let dice = Dice::new(seed.wrapping_mul(2).wrapping_add(number));
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
pub(crate) struct Rough<D, C = fn() -> Instant> {
    pub(crate) device: D,
    capabilities: Capabilities,
    /// Inward, outward.
    ways: [Way; 2],
    clock: C,
    /// Frames that came and found no room.
    inward: VecDeque<HeapFrame>,
}

impl<D: NetDevice<Frame = HeapFrame>, C: Fn() -> Instant> Rough<D, C> {
    /// What befalls frames that come, and those that go; the same frames for the same seed.
    pub(crate) fn new(device: D, shares: [Roughness; 2], seed: u64, clock: C) -> Self {
        let mut capabilities = *device.capabilities();
        if shares.iter().any(|share| share.corrupt.0 > 0) {
            // Behind the damage, nobody's sums would tell of it.
            capabilities.offloads = Offloads::empty();
        }
        let [inward, outward] = shares;
        let ways = [Way::new(inward, seed, 0), Way::new(outward, seed, 1)];
        Self { device, capabilities, ways, clock, inward: VecDeque::new() }
    }

    /// When a frame has waited long enough.
    pub(crate) fn due(&self) -> Option<Instant> {
        if !self.inward.is_empty() {
            return Some((self.clock)());
        }
        let held = self.ways.iter().filter_map(|way| way.held.as_ref());
        held.map(|(_, until)| Instant::from_ticks(*until)).min()
    }

    /// What befell frames that came, and that went.
    pub(crate) fn befell(&self) -> [Befell; 2] {
        self.ways.each_ref().map(|way| way.befell)
    }

    /// Sends all of them. What finds no room is lost, as in a full queue.
    fn send(&mut self, frames: impl IntoIterator<Item = HeapFrame>) -> Result<(), D::Error> {
        for frame in frames {
            let mut one: Batch<HeapFrame, _> = Batch::new();
            drop(one.push(frame)); // It is empty.
            self.device.transmit(&mut one)?;
        }
        Ok(())
    }

    fn twin(device: &mut D, frame: &HeapFrame) -> Option<HeapFrame> {
        let mut twin = device.lease(frame.bytes().len())?;
        twin.bytes_mut().copy_from_slice(frame.bytes());
        *twin.meta_mut() = *frame.meta();
        Some(twin)
    }
}

impl<D: NetDevice<Frame = HeapFrame>, C: Fn() -> Instant> NetDevice for Rough<D, C> {
    type Frame = HeapFrame;
    type Error = D::Error;

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, into: &mut Batch<HeapFrame>) -> Result<(), D::Error> {
        let now = (self.clock)();
        // Who has nothing to send does not call `transmit`.
        let [_, outward] = &mut self.ways;
        let late = outward.late(now);
        self.send(late)?;
        let mut came: Batch<HeapFrame, _> = Batch::new();
        self.device.receive(&mut came)?;
        let ([way, _], device, mut all) = (&mut self.ways, &mut self.device, Vec::new());
        while let Some(frame) = came.pop() {
            way.frame(now, frame, |frame| Self::twin(device, frame), &mut all);
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
        self.send(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kos_net::dev::Loopback;

    fn roughness(loss: &str, dup: &str, reorder: &str, corrupt: &str) -> Roughness {
        let [loss, dup, reorder, corrupt] = [loss, dup, reorder, corrupt].map(|text| text.parse().unwrap());
        Roughness { loss, dup, reorder, corrupt }
    }

    fn start() -> Instant {
        Instant::from_ticks(0)
    }

    fn late() -> Instant {
        Instant::from_ticks(u64::MAX / 2)
    }

    /// Numbers of frames as they come that were sent in their order, and how many of them are damaged.
    fn carried(share: Roughness, frames: u32) -> (Vec<u32>, [Befell; 2]) {
        let mut link =
            Rough::new(Loopback::<Vec<u8>, 64>::new(1500), [share; 2], 7, start as fn() -> Instant);
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
    fn who_was_to_go_behind_the_next_goes_when_it_is_late_and_there_is_none() {
        let shares = [Roughness::default(), roughness("0", "0", "100", "0")];
        let mut link = Rough::new(Loopback::<Vec<u8>, 2>::new(1500), shares, 7, start as fn() -> Instant);
        let (mut out, mut back) = (Batch::<HeapFrame, _>::new(), Batch::<HeapFrame, _>::new());
        out.push(link.lease(64).unwrap()).unwrap();
        link.transmit(&mut out).unwrap();
        link.receive(&mut back).unwrap();
        assert!(back.is_empty() && link.due().is_some());
        link.clock = late;
        link.receive(&mut back).unwrap();
        assert_eq!((back.len(), link.due()), (1, None));
    }

    #[test]
    fn damage_is_one_bit() {
        let mut way = Way::new(roughness("0", "0", "0", "100"), 7, 0);
        let mut out = Vec::new();
        way.frame(start(), HeapFrame::new(vec![0; 60]), |_| None, &mut out);
        let ones: u32 = out[0].bytes().iter().map(|byte| byte.count_ones()).sum();
        assert_eq!((ones, way.befell.damaged), (1, 1));
    }

    #[test]
    fn who_may_be_damaged_is_summed_by_the_stack() {
        let offloads = |corrupt| {
            let share = roughness("9", "9", "9", corrupt);
            let smooth = Roughness::default();
            Rough::new(Loopback::<Vec<u8>, 2>::new(1500), [share, smooth], 7, start).capabilities().offloads
        };
        assert_eq!(offloads("1"), Offloads::empty());
        assert_eq!(offloads("0"), Loopback::<Vec<u8>, 2>::new(1500).capabilities().offloads);
    }

    #[test]
    fn roughness_is_written_as_it_is_asked_for() {
        assert_eq!(
            roughness("0.5", "0", "100", "0.0001").to_string(),
            " --loss 0.5 --reorder 100 --corrupt 0.0001"
        );
        assert!(Roughness::default().to_string().is_empty() && Roughness::default().is_smooth());
    }

    #[test]
    fn shares_are_percent() {
        assert_eq!("0.5".parse(), Ok(Share(5000)));
        for bad in ["", "-1", "100.1", "NaN", "x"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }
}
