//! Against servers that speak through simple-dns, so that each message is read and written by somebody else.

use alloc::format;
use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use proptest::prelude::*;
use simple_dns::rdata::{A, AAAA, CNAME, PTR, RData, SOA, SRV, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use super::{Answer, DnsClient, DnsDrop, DnsError, DnsTransmit, Over, ResolveError};
use crate::ports::{Entropy, EntropyError};
use crate::time::Instant;
use crate::wire::dns::{DnsCode, DnsData, DnsType};

const S: u64 = 1_000_000_000;
const SERVERS: [SocketAddr; 3] = [server(1, 53), server(2, 53), server(3, 5353)];

const fn server(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port)
}

/// A generator of xorshift; fails when told so.
struct Bytes(u64);

impl Entropy for Bytes {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        for byte in out {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *byte = self.0.to_be_bytes()[3];
        }
        if self.0 == 0 { Err(EntropyError) } else { Ok(()) }
    }
}

struct Bench {
    client: DnsClient<4, 4>,
    entropy: Bytes,
    now: u64,
}

/// A question as the server sees it.
struct Asked {
    sent: DnsTransmit,
    bytes: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let mut client = DnsClient::new();
        client.set_servers(SERVERS);
        Self { client, entropy: Bytes(7), now: 0 }
    }

    fn now(&self) -> Instant {
        Instant::from_ticks(self.now)
    }

    fn poll(&mut self) -> Option<Asked> {
        let mut out = [0; 320];
        let sent = self.client.poll(self.now(), &mut self.entropy, &mut out).unwrap()?;
        Some(Asked { sent, bytes: out[..sent.length].to_vec() })
    }

    fn ask(&mut self, name: &str, kind: DnsType) -> Asked {
        self.client.resolve(self.now(), name, kind).unwrap();
        self.poll().unwrap()
    }

    fn hear(&mut self, asked: &Asked, bytes: &[u8]) -> Result<(), DnsDrop> {
        match asked.sent.over {
            Over::Udp { port } => self.client.on_message(self.now(), asked.sent.to, port, bytes),
            Over::Tcp => self.client.on_tcp(self.now(), asked.sent.query, Some(bytes)),
        }
    }

    fn answer(
        &mut self,
        asked: &Asked,
        records: Vec<ResourceRecord<'_>>,
    ) -> Option<Result<Answer, DnsError>> {
        self.hear(asked, &reply(asked, RCODE::NoError, records)).unwrap();
        self.client.answer(asked.sent.query)
    }
}

fn record<'a>(name: &'a str, ttl: u32, data: RData<'a>) -> ResourceRecord<'a> {
    ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, ttl, data)
}

fn a(name: &str, last: u8) -> ResourceRecord<'_> {
    record(name, 60, RData::A(A { address: Ipv4Addr::new(192, 0, 2, last).to_bits() }))
}

fn cname<'a>(name: &'a str, to: &'a str) -> ResourceRecord<'a> {
    record(name, 30, RData::CNAME(CNAME(Name::new_unchecked(to))))
}

fn soa(zone: &str, ttl: u32, minimum: u32) -> ResourceRecord<'_> {
    let (mname, rname) = (Name::new_unchecked("ns"), Name::new_unchecked("root"));
    record(zone, ttl, RData::SOA(SOA { mname, rname, serial: 1, refresh: 2, retry: 3, expire: 4, minimum }))
}

/// What a server answers. Records of start of authority go where they belong.
fn reply(asked: &Asked, code: RCODE, records: Vec<ResourceRecord<'_>>) -> Vec<u8> {
    let question = Packet::parse(&asked.bytes).unwrap();
    let mut packet = Packet::new_reply(question.id());
    packet.questions = question.questions.clone();
    *packet.rcode_mut() = code;
    for record in records {
        match record.rdata {
            RData::SOA(_) => packet.name_servers.push(record),
            _ => packet.answers.push(record),
        }
    }
    packet.build_bytes_vec_compressed().unwrap()
}

#[test]
fn a_question_is_read_as_it_was_meant() {
    let mut bench = Bench::new();
    let asked = bench.ask("Some.Name-with-Letters.example.", DnsType::AAAA);
    let packet = Packet::parse(&asked.bytes).unwrap();
    let question = &packet.questions[0];
    let name = question.qname.to_string();
    assert_eq!(name.to_lowercase(), "some.name-with-letters.example");
    assert!(name != name.to_lowercase() && name != name.to_uppercase(), "{name}: the case is random");
    assert_eq!(
        (question.qtype, packet.has_flags(PacketFlag::RECURSION_DESIRED)),
        (QTYPE::TYPE(TYPE::AAAA), true)
    );
    assert_eq!(packet.opt().unwrap().udp_packet_size, 1232);
    assert_eq!(asked.sent.to, SERVERS[0]);
    assert!(matches!(asked.sent.over, Over::Udp { port: 49_152.. }));
}

#[test]
fn every_kind_of_record_is_answered() {
    let mut bench = Bench::new();
    let data = [
        (DnsType::A, RData::A(A { address: 0xc000_0207 })),
        (DnsType::AAAA, RData::AAAA(AAAA { address: 1 })),
        (DnsType::CNAME, RData::CNAME(CNAME(Name::new_unchecked("b.example")))),
        (DnsType::PTR, RData::PTR(PTR(Name::new_unchecked("c.example")))),
        (
            DnsType::SRV,
            RData::SRV(SRV { priority: 1, weight: 2, port: 3, target: Name::new_unchecked("d.example") }),
        ),
        (DnsType::TXT, RData::TXT(TXT::new().with_string("hello").unwrap())),
    ];
    for (kind, data) in data {
        let asked = bench.ask("a.example", kind);
        let answer = bench.answer(&asked, vec![record("a.example", 60, data)]).unwrap().unwrap();
        let record = answer.records().next().unwrap();
        assert_eq!((answer.records().count(), answer.ttl, record.kind), (1, 60, kind));
        match record.data {
            DnsData::A(address) => assert_eq!(address, Ipv4Addr::new(192, 0, 2, 7)),
            DnsData::Aaaa(address) => assert_eq!(address.to_bits(), 1),
            DnsData::Cname(name) => assert!(name.is(b"b.example")),
            DnsData::Ptr(name) => assert!(name.is(b"c.example")),
            DnsData::Srv { priority: 1, weight: 2, port: 3, target } => assert!(target.is(b"d.example")),
            DnsData::Txt(text) => assert_eq!(text, b"\x05hello"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn only_the_name_and_its_aliases_count() {
    let mut bench = Bench::new();
    let asked = bench.ask("www.example", DnsType::A);
    let records = vec![
        a("bank.example", 66),
        a("host.example", 1),
        cname("www.example", "HOST.example"),
        a("host.example", 2),
    ];
    let answer = bench.answer(&asked, records).unwrap().unwrap();
    let addresses: Vec<IpAddr> = answer.addresses().collect();
    assert_eq!((addresses, answer.ttl), (vec![SERVERS[0].ip(), SERVERS[1].ip()], 30));
    let asked = bench.ask("bank.example", DnsType::A);
    assert_eq!(bench.answer(&asked, vec![a("evil.example", 66)]), Some(Err(DnsError::NoRecords)));
    let asked = bench.ask("circle.example", DnsType::A);
    let circle = vec![cname("circle.example", "b.example"), cname("b.example", "circle.example")];
    assert_eq!(bench.answer(&asked, circle), Some(Err(DnsError::NoRecords)));
}

#[test]
fn forged_answers_are_not_believed() {
    let mut bench = Bench::new();
    let asked = bench.ask("www.example", DnsType::A);
    let good = reply(&asked, RCODE::NoError, vec![a("www.example", 1)]);
    let Over::Udp { port } = asked.sent.over else { panic!() };
    for guess in (0..=u16::MAX).filter(|&guess| guess.to_be_bytes() != good[..2]) {
        let mut forged = good.clone();
        forged[..2].copy_from_slice(&guess.to_be_bytes());
        assert_eq!(bench.hear(&asked, &forged), Err(DnsDrop::Mismatch));
    }
    for other in [SERVERS[1], server(1, 54)] {
        assert_eq!(bench.client.on_message(bench.now(), other, port, &good), Err(DnsDrop::NotAsked));
    }
    assert_eq!(bench.client.on_message(bench.now(), asked.sent.to, port ^ 1, &good), Err(DnsDrop::NotAsked));
    // Byte 13 is a letter, 2 the flags, 5 the number of questions, 26 the type, 28 the class.
    for (at, bit, why) in [
        (13, 0x20, DnsDrop::Mismatch),
        (2, 0x80, DnsDrop::Malformed),
        (2, 8, DnsDrop::Malformed),
        (5, 2, DnsDrop::Mismatch),
        (26, 16, DnsDrop::Mismatch),
        (28, 2, DnsDrop::Mismatch),
    ] {
        let mut forged = good.clone();
        forged[at] ^= bit;
        assert_eq!(bench.hear(&asked, &forged), Err(why), "byte {at}");
    }
    bench.hear(&asked, &good).unwrap();
    assert!(bench.client.answer(asked.sent.query).unwrap().is_ok());
    assert_eq!(bench.hear(&asked, &good), Err(DnsDrop::NotAsked), "once");
}

#[test]
fn each_server_is_asked_twice() {
    let mut bench = Bench::new();
    let first = bench.ask("www.example", DnsType::A);
    let (mut asked, mut secrets) = (vec![first.sent.to], vec![first.bytes[..2].to_vec()]);
    for _ in 0..5 {
        bench.now = bench.client.poll_at(bench.now()).unwrap().as_ticks();
        let again = bench.poll().unwrap();
        asked.push(again.sent.to);
        secrets.push(again.bytes[..2].to_vec());
    }
    assert_eq!(asked, [SERVERS, SERVERS].concat());
    assert_eq!(bench.now, 25 * S);
    secrets.dedup();
    assert_eq!(secrets.len(), 6, "each time with other secrets");
    bench.now += 5 * S;
    assert!(bench.poll().is_none());
    assert_eq!(bench.client.answer(first.sent.query), Some(Err(DnsError::TimedOut)));
    assert_eq!((bench.client.answer(first.sent.query), bench.client.poll_at(bench.now())), (None, None));
}

#[test]
fn a_server_that_fails_is_not_waited_for() {
    let mut bench = Bench::new();
    let first = bench.ask("www.example", DnsType::A);
    bench.hear(&first, &reply(&first, RCODE::FormatError, vec![])).unwrap();
    let second = bench.poll().unwrap();
    assert_eq!((second.sent.to, Packet::parse(&second.bytes).unwrap().opt().is_none()), (SERVERS[1], true));
    for _ in 0..4 {
        let asked = bench.client.poll(bench.now(), &mut bench.entropy, &mut [0; 320]).unwrap();
        assert_eq!(asked, None, "asked already");
    }
    let mut asked = second;
    for _ in 0..5 {
        bench.hear(&asked, &reply(&asked, RCODE::ServerFailure, vec![])).unwrap();
        match bench.poll() {
            Some(next) => asked = next,
            None => break,
        }
    }
    assert_eq!(bench.client.answer(first.sent.query), Some(Err(DnsError::Failed(DnsCode::SERVER_FAILURE))));
}

#[test]
fn what_was_cut_is_asked_for_over_tcp() {
    let mut bench = Bench::new();
    let asked = bench.ask("www.example", DnsType::A);
    let mut cut = reply(&asked, RCODE::NoError, vec![]);
    cut[2] |= 2;
    bench.hear(&asked, &cut).unwrap();
    let over = bench.poll().unwrap();
    assert_eq!((over.sent.over, over.sent.to, over.sent.query), (Over::Tcp, asked.sent.to, asked.sent.query));
    assert_eq!(bench.hear(&asked, &cut), Err(DnsDrop::NotAsked), "not over UDP any more");
    let records: Vec<_> = (0..40).map(|last| a("www.example", last)).collect();
    let answer = bench.answer(&over, records).unwrap().unwrap();
    assert_eq!(answer.addresses().count(), (512 - 17) / 15, "what fits");
    let asked = bench.ask("two.example", DnsType::A);
    let mut cut = reply(&asked, RCODE::NoError, vec![]);
    cut[2] |= 2;
    bench.hear(&asked, &cut).unwrap();
    let over = bench.poll().unwrap();
    bench.client.on_tcp(bench.now(), over.sent.query, None).unwrap();
    assert_eq!(bench.poll().unwrap().sent.to, SERVERS[1]);
}

#[test]
fn answers_are_remembered_as_long_as_they_hold() {
    let mut bench = Bench::new();
    let asked = bench.ask("www.example", DnsType::A);
    bench.answer(&asked, vec![a("www.example", 1)]).unwrap().unwrap();
    bench.now = 60 * S - 1;
    let id = bench.client.resolve(bench.now(), "WWW.example.", DnsType::A).unwrap();
    assert!(bench.client.answer(id).unwrap().is_ok() && bench.poll().is_none());
    bench.now += 1;
    let asked = bench.ask("www.example", DnsType::A);
    bench.client.cancel(asked.sent.query);
    // A full cache forgets what was not used for longest.
    for name in ["a.example", "b.example", "c.example", "d.example"] {
        let asked = bench.ask(name, DnsType::A);
        bench.answer(&asked, vec![a(name, 1)]).unwrap().unwrap();
        bench.now += S;
    }
    let id = bench.client.resolve(bench.now(), "a.example", DnsType::A).unwrap();
    assert!(bench.client.answer(id).is_some());
    let asked = bench.ask("e.example", DnsType::A);
    bench.now += S;
    bench.answer(&asked, vec![a("e.example", 1)]).unwrap().unwrap();
    bench.client.resolve(bench.now(), "b.example", DnsType::A).unwrap();
    assert!(bench.poll().is_some(), "b was forgotten");
    let id = bench.client.resolve(bench.now(), "a.example", DnsType::A).unwrap();
    assert!(bench.client.answer(id).is_some());
    bench.client.set_servers([SERVERS[2]]);
    bench.client.resolve(bench.now(), "a.example", DnsType::A).unwrap();
    assert!(bench.poll().is_some(), "other servers may know it otherwise");
}

#[test]
fn that_there_is_nothing_is_remembered_if_the_zone_says_so() {
    for (zone, held) in [("example", 20), ("www.example", 20), ("other", 0), ("w.example", 0)] {
        let mut bench = Bench::new();
        let asked = bench.ask("www.example", DnsType::A);
        bench.hear(&asked, &reply(&asked, RCODE::NameError, vec![soa(zone, 20, 300)])).unwrap();
        assert_eq!(bench.client.answer(asked.sent.query), Some(Err(DnsError::NoSuchName)));
        for (after, known) in [(held * S, false), ((held * S).saturating_sub(1), held > 0)] {
            let mut bench = Bench { client: bench.client.clone(), entropy: Bytes(3), now: after };
            let id = bench.client.resolve(bench.now(), "www.example", DnsType::A).unwrap();
            assert_eq!(
                bench.client.answer(id),
                known.then_some(Err(DnsError::NoSuchName)),
                "{zone} after {after}"
            );
        }
    }
}

#[test]
fn what_cannot_be_asked_is_said_at_once() {
    let mut bench = Bench::new();
    let now = bench.now();
    assert!(matches!(bench.client.resolve(now, "a..b", DnsType::A), Err(ResolveError::Name(_))));
    assert!(matches!(bench.client.resolve(now, &"a.".repeat(200), DnsType::A), Err(ResolveError::Name(_))));
    assert_eq!(bench.client.resolve(now, "a", DnsType::SOA), Err(ResolveError::Kind(DnsType::SOA)));
    let ids: Vec<_> =
        (0..4).map(|number| bench.client.resolve(now, &format!("n{number}"), DnsType::A).unwrap()).collect();
    assert_eq!(bench.client.resolve(now, "a", DnsType::A), Err(ResolveError::Full));
    ids.into_iter().for_each(|id| bench.client.cancel(id));
    let id = bench.client.resolve(now, "a", DnsType::A).unwrap();
    assert_eq!(
        bench.client.poll(now, &mut Bytes(0), &mut [0; 320]),
        Err(ResolveError::Entropy(EntropyError))
    );
    assert_eq!(bench.client.answer(id), Some(Err(DnsError::TimedOut)));
    assert_eq!(DnsClient::<1, 0>::new().resolve(now, "a", DnsType::A), Err(ResolveError::NoServers));
}

proptest! {
    #![proptest_config(crate::testing::config())]
    /// An answer in which bytes were changed is dropped or read, and what is held stays in its bounds.
    #[test]
    fn any_answer_is_survived(changes in prop::collection::vec((12..200_usize, any::<u8>()), 0..8)) {
        let mut bench = Bench::new();
        let asked = bench.ask("www.example", DnsType::A);
        let records = vec![cname("www.example", "host.example"), a("host.example", 2), soa("example", 60, 60)];
        let mut bytes = reply(&asked, RCODE::NoError, records);
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if bench.hear(&asked, &bytes).is_ok() {
            match bench.client.answer(asked.sent.query).unwrap() {
                Ok(answer) => prop_assert!(answer.ttl >= 1 && answer.ttl <= 86_400 && answer.records().count() >= 1),
                Err(error) => prop_assert!(matches!(error, DnsError::NoRecords), "{error}"),
            }
        }
    }
}
