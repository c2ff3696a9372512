//! [`Fixed`]: a window that never changes, for laboratories and paths that nobody shares.

use super::{AckSample, CongestionControl, LossEvent};
use crate::time::Duration;

/// A window of `BYTES`, whatever is lost. On a shared path it takes what others leave and more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed<const BYTES: u32 = { u32::MAX }>;

impl<const BYTES: u32> CongestionControl for Fixed<BYTES> {
    fn start(&mut self, _: u32, _: u32) {}

    fn on_ack(&mut self, _: &AckSample) {}

    fn on_loss(&mut self, _: &LossEvent) {}

    fn on_rto(&mut self, _: &LossEvent) {}

    fn on_undo(&mut self) {}

    fn on_idle(&mut self, _: Duration, _: u32) {}

    fn cwnd(&self) -> u32 {
        BYTES
    }

    fn ssthresh(&self) -> u32 {
        BYTES
    }
}
