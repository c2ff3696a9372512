//! One end as a script drives it: a listener, a connection, or its rest, and the time: [`Host`].
//!
//! Before the opening: `set mss N`, `ring N` (bytes of each ring), `gaps N`, `clocks`, `nosack`, `scale`, `retries N`, `limit N`
//! (bytes in one unit), `rtt MS` (of the handshake by `open`). Then `connect` or `listen N`, or `open WINDOW <options>` for a
//! whole handshake from our side. At any time: `set nodelay|cork|linger0|keepalive IDLE INTERVAL COUNT|uto MS`, and with `off` behind it the contrary. The user: `write N`,
//! `write N = M` if only M fit, `read N`, `shutdown`, `close`, `abort`. The network: `icmp KIND PLACE`, `path MSS`. What must be:
//! `state S`, `end E`, `drop REASON` (of the last segment), `readable N`, `writable N`, `drained`.

mod acts;
mod arrivals;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use super::segment::{Pattern, number, shifted, text_of};
use crate::DropReason;
use crate::tcp::challenge::Challenges;
use crate::tcp::clock::{after, since};
use crate::tcp::congestion::NewReno;
use crate::tcp::listener::{Listener, SynRecord};
use crate::tcp::loss::Sent;
use crate::tcp::output::Outgoing;
use crate::tcp::receiver::Gap;
use crate::tcp::tcb::{Buffers, End, Tcb};
use crate::tcp::time_wait::TimeWait;
use crate::tcp::{TcpConfig, ring};
use crate::time::{Duration, Instant};
use crate::wire::{SeqNumber, TcpFlags, TcpOptions};

/// Near the end, so that every script crosses it.
const LOCAL: SeqNumber = SeqNumber(u32::MAX - 1499);
const PEER: SeqNumber = SeqNumber(u32::MAX - 99);
const START: Instant = Instant::from_ticks(1_000_000_000_000);
/// The clock of the wire says this at the start.
const CLOCK: u32 = 1000;

pub(super) struct Host {
    config: TcpConfig,
    mss: u16,
    limit: u32,
    now: Instant,
    /// How long `open` waits for the answer to our SYN.
    round_trip: Duration,
    local: SeqNumber,
    peer: SeqNumber,
    tcb: Option<Tcb<NewReno>>,
    rest: Option<TimeWait>,
    listener: Option<(Listener, Vec<Option<SynRecord>>)>,
    challenges: Challenges,
    send: Vec<u8>,
    receive: Vec<u8>,
    sent: Vec<Sent>,
    gaps: Vec<Gap>,
    out: VecDeque<(Instant, Outgoing)>,
    ended: Option<End>,
    dropped: Option<DropReason>,
    read: u64,
    written: u64,
}

type Done = Result<(), String>;

/// The byte at a place, of either side.
fn byte(place: u64) -> u8 {
    u8::try_from(place.wrapping_mul(167) % 251).unwrap_or(0)
}

fn addresses() -> (SocketAddr, SocketAddr) {
    ((Ipv4Addr::new(192, 0, 2, 1), 80).into(), (Ipv4Addr::new(192, 0, 2, 2), 40_000).into())
}

fn check(right: bool, what: impl FnOnce() -> String) -> Done {
    if right { Ok(()) } else { Err(what()) }
}

impl Host {
    pub(super) fn new() -> Self {
        let config = TcpConfig { timestamps: false, window_scaling: false, ..TcpConfig::default() };
        Self {
            config,
            mss: 1460,
            limit: 0,
            now: START,
            round_trip: Duration::from_ticks(0),
            local: LOCAL,
            peer: PEER,
            tcb: None,
            rest: None,
            listener: None,
            challenges: Challenges::new(),
            send: vec![0; 65_535],
            receive: vec![0; 65_535],
            sent: vec![Sent::EMPTY; 64],
            gaps: vec![Gap::default(); 32],
            out: VecDeque::new(),
            ended: None,
            dropped: None,
            read: 1,
            written: 1,
        }
    }

    /// Nothing may be left that no line expected.
    pub(super) fn finish(&mut self) -> Done {
        self.collect();
        match self.out.front() {
            None => Ok(()),
            Some((at, outgoing)) => Err(format!("nothing expects {}", self.show(*at, outgoing))),
        }
    }

    pub(super) fn line(&mut self, line: &str) -> Done {
        if let Some(text) = line.strip_prefix('>') {
            self.collect();
            return self.expect(&Pattern::parse(text)?);
        }
        self.finish()?;
        if let Some(text) = line.strip_prefix('<') {
            return self.inject(&Pattern::parse(text)?);
        }
        if let Some(text) = line.strip_prefix('+') {
            return self.wait(text);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (command, rest) = words.split_first().ok_or("an empty line")?;
        match *command {
            "set" => self.set(rest),
            "open" => self.open(line),
            "state" | "end" | "drop" | "readable" | "writable" | "drained" => self.must(command, rest),
            command => self.act(command, rest),
        }
    }

    fn show(&self, at: Instant, outgoing: &Outgoing) -> String {
        let length = outgoing.data.end - outgoing.data.start;
        let start = outgoing.sequence.since(self.local);
        format!(
            "{} ms: {} {start}:{} ack {} win {} <{}>",
            since(at, START).as_micros() / 1000,
            outgoing.flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>().join("+"),
            i64::from(start) + i64::try_from(length).unwrap_or(0),
            outgoing.acknowledgement.since(self.peer),
            outgoing.window,
            text_of(&outgoing.options, self.peer)
        )
    }

    fn must(&mut self, command: &str, rest: &[&str]) -> Done {
        self.collect();
        let capacity = self.send.len();
        let wanted = rest.join(" ");
        let tcb = self.tcb.as_ref();
        let found = match command {
            "state" => tcb.map_or_else(|| "none".to_string(), |tcb| format!("{:?}", tcb.state())),
            "end" => self.ended.map_or_else(|| "none".to_string(), |end| format!("{end:?}")),
            "drop" => self.dropped.map_or_else(|| "none".to_string(), |why| format!("{why:?}")),
            "readable" => tcb.map_or(0, Tcb::readable).to_string(),
            "drained" => return check(tcb.is_some_and(Tcb::is_drained), || "it is not".to_string()),
            _ => tcb.map_or(0, |tcb| tcb.writable(capacity)).to_string(),
        };
        check(found == wanted, || format!("it is {found}"))
    }

    /// Lets the connection say all it has to say now.
    fn collect(&mut self) {
        let mut buffers = Buffers {
            send: &mut self.send,
            receive: &mut self.receive,
            sent: &mut self.sent,
            gaps: &mut self.gaps,
        };
        if let Some(tcb) = &mut self.tcb {
            while let Some(outgoing) = tcb.transmit(self.now, &mut buffers, self.limit) {
                self.out.push_back((self.now, outgoing));
            }
            if let Some(end) = tcb.end() {
                self.ended = Some(end);
                let (local, remote) = addresses();
                self.rest = (end == End::TimeWait).then(|| TimeWait::new(self.now, tcb, local, remote));
                self.tcb = None;
            }
        }
        if let Some((listener, records)) = &mut self.listener {
            while let Some((.., outgoing)) = listener.on_timer(self.now, &self.config, records, |_, _| true) {
                self.out.push_back((self.now, outgoing));
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let tcb = self.tcb.as_ref().and_then(Tcb::deadline);
        let listener = self.listener.as_ref().and_then(|(listener, _)| listener.deadline());
        crate::tcp::clock::earlier(tcb, listener)
    }

    /// `+MS`, or `+MS..MS` for the first segment.
    fn wait(&mut self, text: &str) -> Done {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (after(self.now, millis(from)?), after(self.now, millis(to)?));
        let ranged = text.contains("..");
        while let Some(at) = self.deadline().filter(|at| *at <= last) {
            self.now = self.now.max(at);
            if let Some(tcb) = &mut self.tcb {
                tcb.on_timer(self.now, &mut self.sent);
            }
            self.collect();
            match self.out.front() {
                Some((at, outgoing)) if *at < first => {
                    return Err(format!("too early: {}", self.show(*at, outgoing)));
                }
                Some(_) if ranged => return Ok(()),
                _ => {}
            }
        }
        self.now = last;
        check(!ranged, || "nothing came".to_string())
    }

    fn expect(&mut self, pattern: &Pattern) -> Done {
        let Some((at, outgoing)) = self.out.pop_front() else { return Err("nothing came".to_string()) };
        let shown = self.show(at, &outgoing);
        check(at == self.now, || format!("at another time: {shown}"))?;
        let all = |flags: TcpFlags| flags.difference(TcpFlags::PSH);
        let places = pattern.end - pattern.start;
        let start = outgoing.sequence.since(self.local);
        let right = all(outgoing.flags) == all(pattern.flags)
            && i64::from(start) == i64::try_from(pattern.start).unwrap_or(-1)
            && outgoing.data.end - outgoing.data.start == places
            && pattern.ack.is_none_or(|ack| {
                Ok(outgoing.acknowledgement) == u32::try_from(ack).map(|ack| self.peer.plus(ack))
            })
            && pattern.window.is_none_or(|window| window == outgoing.window);
        check(right, || format!("it is {shown}"))?;
        let wanted = pattern.options.map_or(outgoing.options, |options| shifted(options, self.peer));
        check(same(&wanted, &outgoing.options), || format!("it is {shown}"))?;
        let base = self.tcb.as_ref().map_or(0, Tcb::ring_base);
        let (head, tail) = ring::held(&self.send, base, &outgoing.data);
        let mut bytes = head.iter().chain(tail).zip(outgoing.data.clone());
        check(bytes.all(|(found, place)| *found == byte(place)), || "the bytes are wrong".to_string())
    }
}

fn same(a: &TcpOptions, b: &TcpOptions) -> bool {
    a.sack.as_slice() == b.sack.as_slice()
        && (a.mss, a.window_scale, a.sack_permitted, a.timestamps)
            == (b.mss, b.window_scale, b.sack_permitted, b.timestamps)
}

fn millis(text: &str) -> Result<Duration, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<3}");
    let micros =
        number::<u64>(whole)?.saturating_mul(1000).saturating_add(number(part.get(..3).unwrap_or("0"))?);
    Ok(Duration::from_ticks(micros.saturating_mul(1000)))
}
