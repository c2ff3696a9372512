//! A connection with its buffers: [`Side`].

use alloc::vec;
use alloc::vec::Vec;

use crate::tcp::TcpConfig;
use crate::tcp::congestion::NewReno;
use crate::tcp::input::{Change, Input};
use crate::tcp::listener::SynRecord;
use crate::tcp::loss::Sent;
use crate::tcp::output::Outgoing;
use crate::tcp::receiver::Gap;
use crate::tcp::ring;
use crate::tcp::tcb::{Buffers, Opening, Tcb};
use crate::time::Instant;
use crate::wire::{MAX_OPTIONS, SeqNumber, TcpFields, TcpHeader, TcpSegment};

/// A segment on its way.
#[derive(Clone, Debug)]
pub(crate) struct Flying {
    pub(crate) outgoing: Outgoing,
    header: TcpHeader,
    options: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

impl Flying {
    pub(crate) fn new(outgoing: Outgoing, data: Vec<u8>) -> Self {
        let mut options = vec![0; MAX_OPTIONS];
        let length = outgoing.options.emit(&mut options).unwrap();
        options.truncate(length);
        let fields = TcpFields {
            source: 1,
            destination: 2,
            sequence: outgoing.sequence,
            acknowledgement: outgoing.acknowledgement,
            flags: outgoing.flags,
            window: outgoing.window,
        };
        let header = TcpHeader::new(&fields, length);
        assert!(length + data.len() <= usize::from(outgoing.segment).max(60) + 40, "{outgoing:?}");
        Self { outgoing, header, options, data }
    }

    pub(crate) fn segment(&self) -> TcpSegment<'_> {
        TcpSegment { header: &self.header, options: &self.options, data: &self.data }
    }
}

/// One end.
pub(crate) struct Side {
    pub(crate) tcb: Tcb<NewReno>,
    pub(crate) send: Vec<u8>,
    pub(crate) receive: Vec<u8>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) gaps: Vec<Gap>,
    /// Segments of its own that it gets no more than this many bytes in.
    pub(crate) limit: u32,
}

macro_rules! buffers {
    ($side:expr) => {
        Buffers {
            send: &mut $side.send,
            receive: &mut $side.receive,
            sent: &mut $side.sent,
            gaps: &mut $side.gaps,
        }
    };
}

impl Side {
    pub(crate) fn connect(now: Instant, config: &TcpConfig, initial: u32, capacity: usize) -> Self {
        let opening = Opening { initial: SeqNumber(initial), clock_offset: initial, mss: 1460, capacity };
        Self {
            tcb: Tcb::connect(now, config, &opening),
            send: vec![0; capacity],
            receive: vec![0; capacity],
            sent: vec![Sent::EMPTY; 64],
            gaps: vec![Gap::default(); 32],
            limit: 1,
        }
    }

    pub(crate) fn accepted(now: Instant, config: &TcpConfig, record: &SynRecord, capacity: usize) -> Self {
        let mut side = Self::connect(now, config, 0, capacity);
        side.tcb = Tcb::accepted(now, config, record, &mut side.sent);
        side
    }

    pub(crate) fn transmit(&mut self, now: Instant) -> Option<Flying> {
        let outgoing = self.tcb.transmit(now, &mut buffers!(self), self.limit)?;
        let (head, tail) = ring::held(&self.send, self.tcb.ring_base(), &outgoing.data);
        let data = [head, tail].concat();
        self.check();
        Some(Flying::new(outgoing, data))
    }

    pub(crate) fn take(&mut self, now: Instant, flying: &Flying) -> Input {
        let input = self.tcb.on_segment(now, &flying.segment(), &mut buffers!(self));
        self.check();
        input
    }

    pub(crate) fn on_timer(&mut self, now: Instant) -> Change {
        self.tcb.on_timer(now, &mut self.sent)
    }

    /// Writes what fits; how much that is.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let count = self.tcb.send(&mut self.send, |room| {
                let count = room.len().min(bytes.len() - done);
                room[..count].copy_from_slice(&bytes[done..done + count]);
                (count, count)
            });
            match count {
                Some(count) if count > 0 => done += count,
                _ => break,
            }
        }
        done
    }

    /// Reads all there is.
    pub(crate) fn read(&mut self, now: Instant) -> Vec<u8> {
        let mut all = Vec::new();
        while self.tcb.readable() > 0 {
            all.extend(self.tcb.receive(now, &mut self.receive, |bytes| (bytes.len(), bytes.to_vec())));
        }
        self.check();
        all
    }

    pub(crate) fn check(&mut self) {
        assert!(self.tcb.check(&buffers!(self)), "{:#?}", self.tcb);
    }
}
