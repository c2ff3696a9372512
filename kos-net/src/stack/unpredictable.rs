//! What an attacker who sees numbers of a host learns about the next ones: nothing.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::ip::Identifications;
use crate::services::dns::DnsClient;
use crate::sock::choose_port;
use crate::tcp::isn::Secret;
use crate::testing::fakes::SeededEntropy;
use crate::time::Instant;
use crate::wire::IpProtocol;
use crate::wire::dns::DnsType;

const NUMBERS: u16 = 4000;

fn host(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    [10, 9, high, low].into()
}

/// Neither a number nor a step between neighbours comes up much more often than by chance, in 16 bits of each.
fn spread(what: &str, numbers: &[u16], least: usize) {
    let steps: Vec<u16> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    for (which, numbers) in [("numbers", numbers), ("steps", &steps)] {
        let mut counts = BTreeMap::<u16, u32>::new();
        numbers.iter().for_each(|number| *counts.entry(*number).or_default() += 1);
        let most = counts.values().max().copied().unwrap_or(0);
        assert!(counts.len() >= least && most <= 8, "{what}: {} {which}, one {most} times", counts.len());
    }
}

#[test]
fn isn_port_dns_id_unpredictable() {
    let (secret, now) = (Secret::new([7; 16]), Instant::from_ticks(1 << 40));
    let server = SocketAddr::new([192, 0, 2, 1].into(), 80);
    let initial = |number| secret.initial(now, server, SocketAddr::new(host(number), 1000)).0;
    let initials: Vec<u32> = (0..NUMBERS).map(initial).collect();
    spread(
        "the low half of initial numbers",
        &initials.iter().map(|&n| (n & 0xffff) as u16).collect::<Vec<_>>(),
        3500,
    );
    spread(
        "the high half of initial numbers",
        &initials.iter().map(|&n| (n >> 16) as u16).collect::<Vec<_>>(),
        3500,
    );

    let mut entropy = SeededEntropy::new(18);
    let ports: Vec<u16> =
        (0..NUMBERS).map(|_| choose_port(&mut entropy, |_| true).unwrap().unwrap()).collect();
    spread("ports", &ports, 3000);

    let mut identifications = Identifications::new([1, 2, 3]);
    let numbers: Vec<u16> = (0..NUMBERS)
        .map(|number| (identifications.next(server.ip(), host(number), IpProtocol::UDP) & 0xffff) as u16)
        .collect();
    spread("identifications towards different hosts", &numbers, 3500);

    let mut identifiers = Vec::new();
    for _ in 0..NUMBERS {
        let mut client = DnsClient::<1, 1>::new();
        client.set_servers([SocketAddr::new(host(1), 53)]);
        client.resolve(now, "example.org", DnsType::A).unwrap();
        let mut message = [0; 320];
        client.poll(now, &mut entropy, &mut message).unwrap().expect("a question");
        identifiers.push(u16::from_be_bytes([message[0], message[1]]));
    }
    spread("identifiers of DNS", &identifiers, 3500);
}
