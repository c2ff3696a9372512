//! Against a server that speaks through dhcproto, so that each message is read and written by somebody else.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption as Theirs, Message, MessageType, OptionCode};
use dhcproto::{Decodable as _, Encodable as _};
use proptest::prelude::*;

use super::{DhcpClient, DhcpConfig, DhcpDrop, DhcpError, DhcpState, DhcpTransmit};
use crate::ports::{Entropy, EntropyError};
use crate::time::Instant;
use crate::wire::MacAddr;

const S: u64 = 1_000_000_000;
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// Counts; fails when it is empty.
struct Bytes(u32);

impl Entropy for Bytes {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.0 = self.0.checked_sub(1).ok_or(EntropyError)?;
        out.iter_mut().for_each(|byte| *byte = self.0.wrapping_mul(0x9e37_79b9).to_le_bytes()[3]);
        Ok(())
    }
}

struct Bench {
    client: DhcpClient<'static>,
    entropy: Bytes,
    now: u64,
}

impl Bench {
    fn new(previous: Option<Ipv4Addr>) -> Self {
        let config = DhcpConfig { mac: MAC, previous, host_name: b"kos" };
        Self { client: DhcpClient::new(Instant::from_ticks(0), config), entropy: Bytes(1 << 20), now: 0 }
    }

    fn now(&self) -> Instant {
        Instant::from_ticks(self.now)
    }

    fn poll(&mut self) -> Option<(DhcpTransmit, Message)> {
        let mut out = [0; 600];
        let sent = self.client.poll(self.now(), &mut self.entropy, &mut out).unwrap()?;
        Some((sent, Message::from_bytes(&out[..sent.length]).unwrap()))
    }

    /// Sleeps as long as the client says, then takes the message that is due.
    fn wait(&mut self) -> (DhcpTransmit, Message) {
        let due = self.client.poll_at().unwrap().as_ticks();
        assert!(due >= self.now, "stale");
        self.now = due;
        self.poll().unwrap()
    }

    fn answer(&mut self, request: &Message, kind: MessageType, options: &[Theirs]) -> Result<(), DhcpDrop> {
        let bytes = answer(request, kind, options);
        self.client.on_message(self.now(), &bytes)
    }

    fn bind(&mut self, times: &[Theirs]) -> Message {
        let (_, discover) = self.wait();
        self.answer(&discover, MessageType::Offer, &lease(3600)).unwrap();
        let (_, request) = self.poll().unwrap();
        self.answer(&request, MessageType::Ack, times).unwrap();
        assert_eq!((self.client.state(), self.client.take_change()), (DhcpState::Bound, true));
        assert_eq!(self.poll(), None);
        request
    }
}

fn lease(seconds: u32) -> Vec<Theirs> {
    alloc::vec![
        Theirs::AddressLeaseTime(seconds),
        Theirs::SubnetMask([255, 255, 255, 0].into()),
        Theirs::Router(alloc::vec![SERVER]),
        Theirs::DomainNameServer(alloc::vec![SERVER, [9, 9, 9, 9].into()]),
    ]
}

fn answer(request: &Message, kind: MessageType, options: &[Theirs]) -> Vec<u8> {
    let mut message = request.clone();
    message.set_opcode(dhcproto::v4::Opcode::BootReply).set_yiaddr(if kind == MessageType::Nak {
        NONE
    } else {
        ADDRESS
    });
    message.opts_mut().clear();
    message.opts_mut().insert(Theirs::MessageType(kind));
    message.opts_mut().insert(Theirs::ServerIdentifier(SERVER));
    for option in options {
        message.opts_mut().insert(option.clone());
    }
    message.to_vec().unwrap()
}

fn kind(message: &Message) -> MessageType {
    message.opts().msg_type().unwrap()
}

fn requested(message: &Message) -> Option<Ipv4Addr> {
    match message.opts().get(OptionCode::RequestedIpAddress) {
        Some(Theirs::RequestedIpAddress(address)) => Some(*address),
        _ => None,
    }
}

fn server(message: &Message) -> Option<Ipv4Addr> {
    match message.opts().get(OptionCode::ServerIdentifier) {
        Some(Theirs::ServerIdentifier(address)) => Some(*address),
        _ => None,
    }
}

#[test]
fn four_messages_make_a_lease() {
    let mut bench = Bench::new(None);
    let (sent, discover) = bench.wait();
    assert_eq!((sent.from, sent.to, kind(&discover)), (NONE, Ipv4Addr::BROADCAST, MessageType::Discover));
    assert!(discover.flags().broadcast() && discover.ciaddr() == NONE && discover.chaddr() == MAC.0);
    assert_eq!((requested(&discover), server(&discover)), (None, None));
    assert!(discover.opts().get(OptionCode::ParameterRequestList).is_some());
    assert_eq!(discover.opts().get(OptionCode::Hostname), Some(&Theirs::Hostname("kos".into())));
    bench.answer(&discover, MessageType::Offer, &lease(3600)).unwrap();
    let (sent, request) = bench.poll().unwrap();
    assert_eq!(
        (sent.to, kind(&request), request.xid()),
        (Ipv4Addr::BROADCAST, MessageType::Request, discover.xid())
    );
    assert_eq!(
        (requested(&request), server(&request), request.ciaddr()),
        (Some(ADDRESS), Some(SERVER), NONE)
    );
    bench.answer(&request, MessageType::Ack, &lease(3600)).unwrap();
    assert!(bench.client.take_change() && !bench.client.take_change());
    let lease = bench.client.lease().unwrap();
    assert_eq!((lease.address, lease.prefix, lease.routes[0].router), (ADDRESS, 24, SERVER));
    assert_eq!(
        (lease.name_servers.len(), lease.mtu, lease.times.renew),
        (2, None, Some(Instant::from_ticks(1800 * S)))
    );
    assert_eq!(bench.client.poll_at(), Some(Instant::from_ticks(1800 * S)));
}

#[test]
fn silence_is_asked_again_more_and_more_slowly() {
    let mut bench = Bench::new(None);
    let (_, first) = bench.wait();
    for seconds in [4, 8, 16, 32, 64, 64, 64] {
        let before = bench.now;
        let (_, again) = bench.wait();
        assert!((bench.now - before).abs_diff(seconds * S) <= S, "{seconds} s");
        assert_eq!((kind(&again), again.xid()), (MessageType::Discover, first.xid()));
        assert!(u64::from(again.secs()) == bench.now / S);
    }
    bench.answer(&first, MessageType::Offer, &lease(60)).unwrap();
    let begin = bench.now;
    assert_eq!((0..4).map(|_| kind(&bench.wait().1)).filter(|&kind| kind == MessageType::Request).count(), 4);
    let (_, anew) = bench.wait();
    assert!(kind(&anew) == MessageType::Discover && anew.xid() != first.xid());
    assert!((bench.now - begin).abs_diff(60 * S) <= 4 * S);
}

#[test]
fn a_lease_is_renewed_by_the_server_then_by_any_then_gone() {
    let mut bench = Bench::new(None);
    bench.bind(&lease(4000));
    let (sent, renew) = bench.wait();
    assert_eq!((bench.now, sent.from, sent.to), (2000 * S, ADDRESS, SERVER));
    assert_eq!((kind(&renew), renew.ciaddr()), (MessageType::Request, ADDRESS));
    assert_eq!((requested(&renew), server(&renew), renew.flags().broadcast()), (None, None, false));
    bench.answer(&renew, MessageType::Ack, &lease(4000)).unwrap();
    assert_eq!(bench.client.poll_at(), Some(Instant::from_ticks(4000 * S)), "counted from the question");
    let mut kinds = Vec::new();
    while bench.client.lease().is_some() {
        kinds.push((bench.now / S, bench.wait().0.to == SERVER));
    }
    let (renewing, rebinding) =
        (kinds.iter().filter(|kind| kind.1).count(), kinds.iter().filter(|kind| !kind.1).count());
    assert!((4..8).contains(&renewing) && (3..8).contains(&rebinding), "{kinds:?}");
    assert_eq!((bench.now, bench.client.state()), (6000 * S, DhcpState::Selecting));
    assert!(bench.client.take_change());
}

#[test]
fn any_server_may_answer_a_rebinding_client() {
    let mut bench = Bench::new(None);
    bench.bind(&lease(4000));
    let mut sent = bench.wait();
    while sent.0.to != Ipv4Addr::BROADCAST {
        sent = bench.wait();
    }
    assert_eq!((bench.now, bench.client.state()), (3500 * S, DhcpState::Rebinding));
    let mut options = lease(4000);
    options.push(Theirs::ServerIdentifier([192, 0, 2, 2].into()));
    bench.answer(&sent.1, MessageType::Ack, &options).unwrap();
    assert_eq!(bench.client.lease().unwrap().server, Ipv4Addr::new(192, 0, 2, 2));
}

#[test]
fn a_nak_takes_the_lease() {
    let mut bench = Bench::new(None);
    bench.bind(&lease(4000));
    let (_, renew) = bench.wait();
    bench.answer(&renew, MessageType::Nak, &[]).unwrap();
    assert!(bench.client.lease().is_none() && bench.client.take_change());
    let (_, anew) = bench.wait();
    assert_eq!((kind(&anew), requested(&anew)), (MessageType::Discover, None));
}

#[test]
fn the_address_of_before_is_asked_for_first() {
    let mut bench = Bench::new(Some(ADDRESS));
    let (sent, request) = bench.wait();
    assert_eq!(
        (kind(&request), requested(&request), server(&request)),
        (MessageType::Request, Some(ADDRESS), None)
    );
    assert_eq!((sent.from, request.ciaddr()), (NONE, NONE));
    bench.answer(&request, MessageType::Ack, &lease(60)).unwrap();
    assert_eq!(bench.client.state(), DhcpState::Bound);
    bench.client.restart(bench.now());
    assert!(bench.client.lease().is_none());
    assert_eq!(kind(&bench.wait().1), MessageType::Request);
    assert_eq!(kind(&bench.wait().1), MessageType::Request);
    assert_eq!(kind(&bench.wait().1), MessageType::Discover, "nobody knows it");
}

#[test]
fn what_is_somebody_elses_is_declined_and_what_is_ours_released() {
    let mut bench = Bench::new(None);
    bench.bind(&lease(4000));
    bench.client.decline(bench.now());
    let (sent, decline) = bench.poll().unwrap();
    assert_eq!(
        (kind(&decline), sent.to, decline.ciaddr()),
        (MessageType::Decline, Ipv4Addr::BROADCAST, NONE)
    );
    assert_eq!((requested(&decline), server(&decline)), (Some(ADDRESS), Some(SERVER)));
    let before = bench.now;
    bench.bind(&lease(4000));
    assert_eq!(bench.now - before, 10 * S);
    bench.client.release(bench.now());
    let (sent, release) = bench.poll().unwrap();
    assert_eq!(
        (kind(&release), sent.from, sent.to, release.ciaddr()),
        (MessageType::Release, ADDRESS, SERVER, ADDRESS)
    );
    assert_eq!((requested(&release), server(&release)), (None, Some(SERVER)));
    assert_eq!((bench.client.poll_at(), bench.client.state()), (None, DhcpState::Released));
    bench.client.release(bench.now());
    assert_eq!(bench.poll(), None);
}

/// smoltcp#1029, the part of DHCP.
#[test]
fn bad_dhcp_timers_survive() {
    let numbers = [0, 1, 2, 59, 60, 100, u32::MAX - 1, u32::MAX];
    for all in numbers.iter().flat_map(|&end| numbers.map(|t1| (end, t1))) {
        for t2 in numbers {
            let mut bench = Bench::new(None);
            let mut options = lease(all.0);
            options.extend([Theirs::Renewal(all.1), Theirs::Rebinding(t2)]);
            bench.bind(&options);
            let times = bench.client.lease().unwrap().times;
            assert!(
                all.0 == u32::MAX || times.renew <= times.rebind && times.rebind < times.end,
                "{times:?}"
            );
            // However short: it asks a bounded number of times before it looks for another lease.
            for asked in 0.. {
                assert!(asked < 200);
                if bench.client.poll_at().is_none() || kind(&bench.wait().1) == MessageType::Discover {
                    break;
                }
            }
        }
    }
}

#[test]
fn who_does_not_know_the_transaction_is_not_heard() {
    let mut bench = Bench::new(None);
    let (_, discover) = bench.wait();
    let offer = answer(&discover, MessageType::Offer, &lease(60));
    for at in [0, 4, 7, 28, 33] {
        let mut forged = offer.clone();
        forged[at] ^= 3;
        assert_eq!(bench.client.on_message(bench.now(), &forged), Err(DhcpDrop::NotOurs), "byte {at}");
    }
    assert_eq!(bench.answer(&discover, MessageType::Ack, &lease(60)), Err(DhcpDrop::Unexpected));
    for bad in [Theirs::SubnetMask([255, 0, 255, 0].into()), Theirs::SubnetMask(NONE)] {
        let mut options = lease(60);
        options.push(bad);
        assert!(matches!(bench.answer(&discover, MessageType::Offer, &options), Err(DhcpDrop::Malformed(_))));
    }
    assert!(matches!(bench.answer(&discover, MessageType::Offer, &[]), Err(DhcpDrop::Malformed(_))));
    bench.client.on_message(bench.now(), &offer).unwrap();
    let (_, request) = bench.poll().unwrap();
    let mut options = lease(60);
    options.push(Theirs::ServerIdentifier([192, 0, 2, 2].into()));
    assert_eq!(bench.answer(&request, MessageType::Ack, &options), Err(DhcpDrop::OtherServer));
    assert_eq!(bench.answer(&request, MessageType::Offer, &lease(60)), Err(DhcpDrop::Unexpected));
}

#[test]
fn routes_stand_in_for_routers() {
    let mut bench = Bench::new(None);
    let (_, discover) = bench.wait();
    bench.answer(&discover, MessageType::Offer, &lease(60)).unwrap();
    let (_, request) = bench.poll().unwrap();
    let mut bytes = answer(&request, MessageType::Ack, &lease(60));
    let end = bytes.iter().rposition(|&byte| byte == 255).unwrap();
    bytes.truncate(end);
    bytes.extend([121, 13, 0, 192, 0, 2, 7, 16, 10, 1, 192, 0, 2, 8, 0, 26, 2, 5, 0, 255]);
    bytes[end + 1] = 12;
    bytes.remove(end + 14);
    bench.client.on_message(bench.now(), &bytes).unwrap();
    let lease = bench.client.lease().unwrap();
    let routers: Vec<(u8, Ipv4Addr)> = lease.routes.iter().map(|route| (route.bits, route.router)).collect();
    assert_eq!(routers, [(0, [192, 0, 2, 7].into()), (16, [192, 0, 2, 8].into())]);
    assert_eq!(lease.mtu, Some(1280));
}

#[test]
fn without_randomness_or_room_nothing_changes() {
    let mut bench = Bench::new(None);
    let mut out = [0; 600];
    let error = bench.client.poll(bench.now(), &mut Bytes(0), &mut out);
    assert_eq!(error, Err(DhcpError::Entropy(EntropyError)));
    assert_eq!(bench.client.poll_at(), Some(Instant::from_ticks(S)));
    bench.now = S;
    let error = bench.client.poll(bench.now(), &mut bench.entropy, &mut out[..100]);
    assert!(matches!(error, Err(DhcpError::NoRoom(_))));
    assert_eq!(kind(&bench.poll().unwrap().1), MessageType::Discover);
}

proptest! {
    #![proptest_config(crate::testing::config())]
    /// What the server sends in whatever order: the client goes on, and never is due in the past.
    #[test]
    fn any_server_is_survived(steps in prop::collection::vec((0..6_u8, 0..4_u8, any::<u32>(), any::<u32>()), 1..60)) {
        let mut bench = Bench::new(None);
        let (_, mut last) = bench.wait();
        for (what, kind, first, second) in steps {
            let kind = [MessageType::Offer, MessageType::Ack, MessageType::Nak, MessageType::Inform][usize::from(kind)];
            match what {
                0..3 => {
                    let mut options = lease(first);
                    options.extend([Theirs::Renewal(second), Theirs::Rebinding(first ^ second)]);
                    let _dropped = bench.answer(&last, kind, &options);
                }
                3 => bench.client.decline(bench.now()),
                4 => bench.client.restart(bench.now()),
                _ => {
                    bench.now = bench.client.poll_at().map_or(bench.now, |due| due.as_ticks().max(bench.now));
                }
            }
            let mut sent = 0;
            while let Some((_, message)) = bench.poll() {
                last = message;
                sent += 1;
                prop_assert!(sent < 5);
            }
            prop_assert!(bench.client.poll_at().is_none_or(|due| due.as_ticks() > bench.now));
        }
    }
}
