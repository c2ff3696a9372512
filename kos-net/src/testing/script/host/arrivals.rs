//! A segment comes in: to the connection, its rest, the listener, or nobody.

use alloc::format;
use alloc::vec::Vec;

use super::super::segment::{Pattern, shifted};
use super::{Done, Host, addresses, byte};
use crate::DropReason;
use crate::tcp::isn::Secret;
use crate::tcp::listener::{Place, Rules, Verdict};
use crate::tcp::output::reset_for;
use crate::tcp::tcb::{Buffers, Tcb};
use crate::tcp::time_wait::Verdict as Rest;
use crate::wire::{MAX_OPTIONS, TcpFields, TcpFlags, TcpHeader, TcpSegment};

impl Host {
    pub(super) fn inject(&mut self, pattern: &Pattern) -> Done {
        if pattern.flags.contains(TcpFlags::SYN)
            && !pattern.flags.contains(TcpFlags::ACK)
            && self.tcb.is_none()
        {
            (self.read, self.written) = (1, 1);
        }
        let mut options = [0; MAX_OPTIONS];
        let parsed = shifted(pattern.options.unwrap_or_default(), self.local);
        let length = parsed.emit(&mut options).map_err(|error| format!("{error:?}"))?;
        let fields = TcpFields {
            source: 40_000,
            destination: 80,
            sequence: self.peer.plus(u32::try_from(pattern.start).unwrap_or(0)),
            acknowledgement: self.local.plus(u32::try_from(pattern.ack.unwrap_or(0)).unwrap_or(0)),
            flags: pattern.flags,
            window: pattern.window.unwrap_or(65_535),
        };
        let header = TcpHeader::new(&fields, length);
        let data: Vec<u8> = (pattern.start..pattern.end).map(byte).collect();
        let options = options.get(..length).unwrap_or_default();
        self.arrive(&TcpSegment { header: &header, options, data: &data });
        Ok(())
    }

    fn arrive(&mut self, segment: &TcpSegment<'_>) {
        self.dropped = None;
        if self.tcb.is_some() {
            self.hand_to_connection(segment);
        } else if let Some(mut rest) = self.rest {
            match rest.on_segment(self.now, segment) {
                Rest::Drop(why) => self.dropped = Some(why),
                Rest::Answer(outgoing) => self.out.push_back((self.now, outgoing)),
                Rest::Reopen(_) => (self.rest, self.dropped) = (None, None),
            }
        } else if self.listener.is_some() {
            self.hand_to_listener(segment);
        } else {
            self.dropped = Some(DropReason::NoSocket);
            self.out.extend(reset_for(segment).map(|outgoing| (self.now, outgoing)));
        }
    }

    fn hand_to_connection(&mut self, segment: &TcpSegment<'_>) {
        let mut buffers = Buffers {
            send: &mut self.send,
            receive: &mut self.receive,
            sent: &mut self.sent,
            gaps: &mut self.gaps,
        };
        let Some(tcb) = &mut self.tcb else { return };
        let input = tcb.on_segment(self.now, segment, &mut buffers);
        if input.challenge && self.challenges.permit(self.now, || 0) {
            tcb.challenge(self.now);
        }
        if input.reset {
            self.out.extend(reset_for(segment).map(|outgoing| (self.now, outgoing)));
        }
        self.dropped = input.dropped;
    }

    fn hand_to_listener(&mut self, segment: &TcpSegment<'_>) {
        let (local, remote) = addresses();
        let place = Place { local, remote, mss: self.mss, capacity: self.receive.len(), initial: None };
        let secret = Secret::new([9; 16]);
        let rules = Rules { config: &self.config, secret: &secret };
        let Some((listener, records)) = &mut self.listener else { return };
        match listener.on_segment(self.now, &rules, &place, segment, records) {
            Verdict::Drop(why) => self.dropped = Some(why),
            Verdict::Answer(outgoing) => {
                self.local = outgoing.sequence;
                self.out.push_back((self.now, outgoing));
            }
            Verdict::Reset => self.out.extend(reset_for(segment).map(|outgoing| (self.now, outgoing))),
            Verdict::Accept(record) => {
                self.tcb = Some(Tcb::accepted(self.now, &self.config, &record, &mut self.sent));
                self.hand_to_connection(segment);
            }
        }
    }
}
