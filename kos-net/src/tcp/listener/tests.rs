//! Handshakes with a listener, floods, cookies.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use super::{Listener, Place, Rules, SynRecord, Verdict};
use crate::DropReason;
use crate::tcp::TcpConfig;
use crate::tcp::fsm::State;
use crate::tcp::input::Change;
use crate::tcp::isn::Secret;
use crate::tcp::output::Outgoing;
use crate::tcp::tests::side::{Flying, Side};
use crate::time::{Duration, Instant};
use crate::wire::{SeqNumber, TcpFlags};

struct Server {
    listener: Listener,
    records: Vec<Option<SynRecord>>,
    config: TcpConfig,
    secret: Secret,
    now: Instant,
}

fn place(client: u16) -> Place {
    let at = |port| SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), port));
    Place { local: at(80), remote: at(client), mss: 1460, capacity: 100_000, initial: None }
}

impl Server {
    fn new(backlog: u16) -> Self {
        let listener = Listener::new(backlog);
        let records = vec![None; listener.records()];
        let now = Instant::from_ticks(1 << 40);
        Self { listener, records, config: TcpConfig::default(), secret: Secret::new([3; 16]), now }
    }

    fn take(&mut self, client: u16, flying: &Flying) -> Verdict {
        let rules = Rules { config: &self.config, secret: &self.secret };
        self.listener.on_segment(self.now, &rules, &place(client), &flying.segment(), &mut self.records)
    }

    fn client(&self, initial: u32) -> Side {
        Side::connect(self.now, &self.config, initial, 100_000)
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.checked_add_duration(time).unwrap();
    }

    /// The handshake up to its last segment.
    fn shake(&mut self, client: u16, side: &mut Side) -> Option<Flying> {
        let syn = side.transmit(self.now).unwrap();
        let Verdict::Answer(answer) = self.take(client, &syn) else { return None };
        side.take(self.now, &Flying::new(answer, Vec::new()));
        side.transmit(self.now)
    }
}

fn syn(initial: u32) -> Flying {
    Flying::new(
        Outgoing {
            sequence: SeqNumber(initial),
            acknowledgement: SeqNumber(0),
            flags: TcpFlags::SYN,
            window: 1000,
            options: Default::default(),
            data: 0..0,
            segment: 0,
        },
        Vec::new(),
    )
}

/// Both ends exchange a word.
fn talk(server: &Server, record: &SynRecord, last: &Flying, client: &mut Side) {
    let mut side = Side::accepted(server.now, &server.config, record, 100_000);
    let input = side.take(server.now, last);
    assert!(input.change.contains(Change::CONNECTED), "{input:?}");
    assert_eq!(side.tcb.state(), State::Established);
    assert_eq!(client.write(b"word"), 4);
    while let Some(flying) = client.transmit(server.now) {
        side.take(server.now, &flying);
    }
    assert_eq!(side.read(server.now), b"word");
    assert_eq!(side.write(&[7; 9000]), 9000);
    while let Some(flying) = side.transmit(server.now) {
        assert!(flying.data.len() <= 1448);
        client.take(server.now, &flying);
    }
    assert_eq!(client.read(server.now), [7; 9000]);
}

#[test]
fn a_handshake_makes_a_connection() {
    let mut server = Server::new(4);
    let mut client = server.client(77);
    let last = server.shake(5000, &mut client).unwrap();
    let Verdict::Accept(record) = server.take(5000, &last) else { panic!("not accepted") };
    assert!(server.records.iter().all(Option::is_none), "the record is gone");
    talk(&server, &record, &last, &mut client);
}

#[test]
fn a_cookie_makes_a_connection_without_a_record() {
    let mut server = Server::new(4);
    for port in 1..4000 {
        assert!(matches!(server.take(port, &syn(port.into())), Verdict::Answer(_)), "SYN {port}");
    }
    let full = server.records.clone();
    let mut client = server.client(77);
    let last = server.shake(5000, &mut client).unwrap();
    assert_eq!(server.records, full, "nothing was stored");
    let mut guess = last.outgoing.clone();
    guess.acknowledgement = guess.acknowledgement.plus(1);
    assert_eq!(server.take(5000, &Flying::new(guess, Vec::new())), Verdict::Reset);
    let Verdict::Accept(record) = server.take(5000, &last) else { panic!("not accepted") };
    assert_eq!((record.peer_mss, record.sack, record.scales), (1460, true, Some((1, 1))));
    talk(&server, &record, &last, &mut client);
}

#[test]
fn a_cookie_is_stale_after_two_minutes() {
    let mut server = Server::new(1);
    for port in 1..4000 {
        let _ = server.take(port, &syn(7));
    }
    let mut client = server.client(77);
    let last = server.shake(5000, &mut client).unwrap();
    server.wait(Duration::from_secs(127));
    let _ = server.take(1, &syn(9));
    server.listener.cookie_at = Some(server.now);
    server.wait(Duration::from_secs(2));
    assert_eq!(server.take(5000, &last), Verdict::Reset);
}

#[test]
fn half_open_syn_never_blocks_listener() {
    let mut server = Server::new(1);
    for port in 1..200 {
        assert!(matches!(server.take(port, &syn(7)), Verdict::Answer(_)));
    }
    let mut client = server.client(1);
    let last = server.shake(5000, &mut client).unwrap();
    assert!(matches!(server.take(5000, &last), Verdict::Accept(_)));
    // Those that never answered are asked again five times, and forgotten.
    let mut again = 0;
    while let Some(at) = server.listener.deadline() {
        server.now = at;
        while server.listener.on_timer(at, &server.config, &mut server.records, |_, _| true).is_some() {
            again += 1;
        }
    }
    assert_eq!(again, 16 * 5);
    assert!(server.records.iter().all(Option::is_none));
    assert_eq!(server.listener.half_open, 0);
}

#[test]
fn syn_burst_beyond_backlog_gets_no_reset() {
    let mut server = Server::new(2);
    for port in [5000, 5001] {
        let mut client = server.client(1);
        let last = server.shake(port, &mut client).unwrap();
        assert!(matches!(server.take(port, &last), Verdict::Accept(_)));
    }
    for port in 6000..6100 {
        assert_eq!(server.take(port, &syn(7)), Verdict::Drop(DropReason::BacklogFull));
    }
    server.listener.left();
    assert!(matches!(server.take(6000, &syn(7)), Verdict::Answer(_)), "there is room again");
}

#[test]
fn the_last_segment_waits_while_the_queue_is_full() {
    let mut server = Server::new(1);
    let (mut first, mut second) = (server.client(1), server.client(2));
    let last = [server.shake(5000, &mut first).unwrap(), server.shake(5001, &mut second).unwrap()];
    assert!(matches!(server.take(5000, &last[0]), Verdict::Accept(_)));
    assert_eq!(server.take(5001, &last[1]), Verdict::Drop(DropReason::BacklogFull));
    server.listener.left();
    assert!(matches!(server.take(5001, &last[1]), Verdict::Accept(_)), "its record was kept");
}

#[test]
fn a_peer_that_begins_anew_gets_through() {
    let mut server = Server::new(4);
    let _ = server.take(5000, &syn(7));
    let mut client = server.client(1 << 30);
    let first = client.transmit(server.now).unwrap();
    let Verdict::Answer(answer) = server.take(5000, &first) else { panic!("no answer") };
    let answer = Flying::new(answer, Vec::new());
    let input = client.take(server.now, &answer);
    assert!(input.reset, "it answers another SYN");
    let reset = crate::tcp::output::reset_for(&answer.segment()).unwrap();
    assert_eq!(server.take(5000, &Flying::new(reset, Vec::new())), Verdict::Drop(DropReason::BadState));
    assert!(server.records.iter().all(Option::is_none));
    assert!(matches!(server.take(5000, &first), Verdict::Answer(_)), "its SYN again");
}

#[test]
fn off_path_segments_open_nothing() {
    let mut server = Server::new(4);
    let _ = server.take(5000, &syn(7));
    let forged = |flags, sequence: u32| {
        let outgoing = Outgoing { flags, sequence: SeqNumber(sequence), ..syn(0).outgoing };
        Flying::new(outgoing, Vec::new())
    };
    assert_eq!(server.take(5000, &forged(TcpFlags::RST, 9)), Verdict::Drop(DropReason::Challenged));
    assert_eq!(server.take(5000, &forged(TcpFlags::ACK, 8)), Verdict::Reset);
    assert_eq!(server.take(5000, &forged(TcpFlags::FIN, 8)), Verdict::Drop(DropReason::BadState));
    assert_eq!(server.records.iter().flatten().count(), 1);
    assert_eq!(server.take(5001, &forged(TcpFlags::ACK, 8)), Verdict::Reset);
    assert_eq!(server.take(5001, &forged(TcpFlags::SYN | TcpFlags::ACK, 8)), Verdict::Reset);
    assert_eq!(server.take(5001, &forged(TcpFlags::RST, 8)), Verdict::Drop(DropReason::BadState));
}

#[test]
fn a_connection_that_follows_another_begins_behind_it() {
    let mut server = Server::new(1);
    let place = Place { initial: Some(SeqNumber(77)), ..place(5000) };
    let rules = Rules { config: &server.config, secret: &server.secret };
    let syn = syn(1);
    let verdict = server.listener.on_segment(server.now, &rules, &place, &syn.segment(), &mut server.records);
    let Verdict::Answer(answer) = verdict else { panic!("{verdict:?}") };
    assert_eq!(answer.sequence, SeqNumber(77));
}
