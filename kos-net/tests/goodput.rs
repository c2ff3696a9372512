//! How much of one connection gets through, by loss, policy and buffer: whole stacks in a simulated world. The table is `goodput.txt`.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

use core::fmt::{Debug, Write as _};
use core::net::{Ipv4Addr, SocketAddr};

use kos_net::Config;
use kos_net::tcp::congestion::{CongestionControl, Cubic, Fixed, NewReno};
use kos_net::testing::link::LinkConfig;
use kos_net::testing::world::World;
use kos_net::time::Duration;

const SERVER: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);
const BUFFERS: [usize; 4] = [16, 32, 64, 128];
/// In thousandths.
const LOSSES: [u32; 4] = [0, 10, 30, 100];
const SECONDS: u64 = 30;

type Row = [u64; BUFFERS.len()];

/// Seeds of each mean. CI takes two of one policy, and only looks for falls; `KOS_GOODPUT_SEEDS=8` compares the table.
fn seeds() -> u64 {
    std::env::var("KOS_GOODPUT_SEEDS").map_or(2, |text| text.parse().unwrap())
}

/// Bytes a second over 10 Mbit/s, 100 ms there and back, a queue of 64 KiB; acknowledgements are lost like data.
fn goodput<C: CongestionControl + Debug>(seed: u64, loss: u32, kib: usize) -> u64 {
    let link = LinkConfig {
        rate: Some(10_000_000),
        queue: 64 << 10,
        loss: loss * 1000,
        ..LinkConfig::perfect(Duration::from_millis(50))
    };
    let mut config = Config::new();
    (config.limits.send_bytes, config.limits.receive_bytes) = (kib << 10, kib << 10);
    let (mut world, a, b) = World::<C>::pair_of(seed, link, config);
    let host = world.host(b);
    let listener = host.stack.tcp_listen(SERVER, 1, &mut host.entropy).unwrap();
    let host = world.host(a);
    let client = host.stack.tcp_connect(SERVER, None, &mut host.entropy).unwrap();
    let (mut server, mut got) = (None, 0);
    let end = world.now().checked_add_duration(Duration::from_secs(SECONDS)).unwrap();
    while world.step(end) {
        while world.host(a).stack.tcp_send(client, |room| (room.len(), ())).is_ok() {}
        let stack = &mut world.host(b).stack;
        server = server.or_else(|| stack.tcp_accept(listener).ok().map(|(id, _)| id));
        let Some(server) = server else { continue };
        while let Ok(count) = stack.tcp_receive(server, |bytes| (bytes.len(), bytes.len())) {
            got += count as u64;
        }
    }
    got / SECONDS
}

fn row<C: CongestionControl + Debug>(loss: u32) -> Row {
    BUFFERS.map(|kib| (0..seeds()).map(|seed| goodput::<C>(seed, loss, kib)).sum::<u64>() / seeds())
}

type Policy = (&'static str, fn(u32) -> Row);

#[test]
fn goodput_by_loss_and_buffer_is_as_noted_and_never_falls() {
    let policies: [Policy; 3] =
        [("cubic", row::<Cubic>), ("newreno", row::<NewReno>), ("fixed", row::<Fixed>)];
    let mut table = format!("{:<8}{:>7}", "", "loss");
    BUFFERS.iter().for_each(|kib| write!(table, "{kib:>6} KiB").unwrap());
    let tried = if seeds() == 8 { policies.len() } else { 1 };
    for (name, row) in policies.into_iter().take(tried) {
        for loss in LOSSES {
            let row = row(loss);
            write!(table, "\n{name:<8}{:>5} %", loss / 10).unwrap();
            row.iter().for_each(|bytes| write!(table, "{bytes:>10}").unwrap());
            for pair in row.windows(2) {
                assert!(
                    pair[1] * 100 >= pair[0] * 95,
                    "{name} falls at {loss}/1000 when the buffer doubles: {row:?}"
                );
            }
        }
    }
    table.push('\n');
    if seeds() == 8 {
        assert_eq!(table, include_str!("goodput.txt"), "the table is now:\n{table}");
    }
}
