//! How much the peer may send: the receiver's side of the silly window, and the promise that is kept.

use super::Receiver;

/// The smallest shift with which a window of `capacity` bytes can be said.
pub(crate) fn scale_for(capacity: usize) -> u8 {
    let mut scale = 0;
    while scale < crate::wire::MAX_WINDOW_SCALE && capacity >> scale > usize::from(u16::MAX) {
        scale += 1;
    }
    scale
}

impl Receiver {
    /// The window to say in the next segment, for a ring of `capacity` bytes; the promise grows with it.
    ///
    /// The edge moves on by at least a segment or half the ring (RFC 9293 section 3.8.6.2.2). Shifting cuts bits off; so
    /// the number is rounded up where the ring has the room, as the edge would seem to move back.
    pub(crate) fn window(&mut self, capacity: usize, mss: u16, scale: u8) -> u16 {
        let (limit, right) = self.edges(capacity, mss);
        let unit = 1_u64 << scale;
        let space = right.saturating_sub(self.nxt);
        let mut count = space / unit;
        let rounded_up = (count + 1) * unit;
        if count * unit < space && self.nxt.saturating_add(rounded_up) <= limit {
            count += 1;
        }
        let field = u16::try_from(count).unwrap_or(u16::MAX);
        self.right = self.right.max(self.nxt + u64::from(field) * unit);
        field
    }

    /// How far the ring reaches, and the edge that is offered.
    fn edges(&self, capacity: usize, mss: u16) -> (u64, u64) {
        let bytes = u64::try_from(capacity).unwrap_or(u64::MAX);
        let limit = self.read.saturating_add(bytes);
        let step = (bytes / 2).min(mss.into()).max(1);
        let grows = limit >= self.right.saturating_add(step);
        (limit, if grows { limit } else { self.right })
    }

    /// Whether the peer ought to hear that the window has opened: it was less than half open, and has doubled.
    pub(crate) fn opened(&self, capacity: usize, mss: u16) -> bool {
        let (_, offered) = self.edges(capacity, mss);
        let (now, then) = (self.right.saturating_sub(self.nxt), offered.saturating_sub(self.nxt));
        let half = u64::try_from(capacity / 2).unwrap_or(u64::MAX);
        !self.finished() && now <= half && then > now && then >= now.saturating_mul(2)
    }
}
