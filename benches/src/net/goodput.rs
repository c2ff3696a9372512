//! How much gets through a path that loses? Both stacks over the same links in virtual time: the figures do not depend on the machine.

use std::io::{self, Write};

use kos_net::testing::link::{Cable, LinkConfig};
use kos_net::time::{Duration, Instant};

use super::host::{Control, Host, Port};
use super::kos::{Kos, Uncontrolled};
use super::smol::Smol;
use crate::harness::report::{self, Style};

pub(crate) const NAME: &str = "net-goodput";
const SHARED: &str = "net-flows-64";

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];
const START: u64 = 1_000_000_000;
const SECONDS: u64 = 30;
const SEEDS: u64 = 8;
const LOSSES: [u32; 4] = [0, 10_000, 30_000, 100_000];
const BUFFERS: [usize; 4] = [16 << 10, 32 << 10, 64 << 10, 128 << 10];

/// Two hosts of one kind, and the link between them.
struct Lab<H: Host> {
    hosts: [H; 2],
    cable: Cable,
    now: u64,
}

impl<H: Host> Lab<H> {
    fn new(seed: u64, link: LinkConfig, buffer: usize, control: Control, backlog: usize) -> Self {
        let mut hosts = [CLIENT, SERVER].map(|at| H::new(at, Port::new(1500), buffer, control));
        let [_, server] = &mut hosts;
        server.listen(80, backlog);
        Self { hosts, cable: Cable::new(seed, link), now: START }
    }

    /// Brings what arrives, polls both, sends on what they say; `longer` says how much longer a frame is under way.
    fn exchange(&mut self, longer: impl Fn(&[u8]) -> u64) {
        let now = Instant::from_ticks(self.now);
        while let Some((side, bytes)) = self.cable.arrive(now) {
            if let Some(host) = self.hosts.get_mut(side) {
                host.port().inbox.push_back(bytes);
            }
        }
        for (side, host) in self.hosts.iter_mut().enumerate() {
            host.poll(self.now);
            while let Some(bytes) = host.port().outbox.pop_front() {
                self.cable.send(now, side, &bytes, Duration::from_ticks(longer(&bytes)));
            }
        }
    }

    fn advance(&mut self) {
        let now = self.now;
        let due = self.hosts.iter_mut().filter_map(|host| host.poll_at(now));
        let arrival = self.cable.next_arrival().map(|at| at.as_ticks());
        // smoltcp counts microseconds.
        self.now = due.chain(arrival).min().unwrap_or(u64::MAX).clamp(now + 1_000, now + 1_000_000_000);
    }
}

/// Bytes a second of one connection.
fn alone<H: Host>(seed: u64, loss: u32, buffer: usize, control: Control) -> u64 {
    let link = LinkConfig {
        rate: Some(10_000_000),
        queue: 64 << 10,
        loss,
        ..LinkConfig::perfect(Duration::from_millis(50))
    };
    let mut lab = Lab::<H>::new(seed, link, buffer, control, 1);
    let client = lab.hosts[0].connect(SERVER, 80, 5000);
    let (mut server, mut got) = (None, 0);
    while lab.now < START + SECONDS * 1_000_000_000 {
        lab.exchange(|_| 0);
        if lab.hosts[0].is_open(client) {
            lab.hosts[0].write(client, usize::MAX);
        }
        server = server.or_else(|| lab.hosts[1].accept());
        got += server.map_or(0, |server| lab.hosts[1].read(server));
        lab.exchange(|_| 0);
        lab.advance();
    }
    got as u64 / SECONDS
}

fn mean<H: Host>(loss: u32, buffer: usize, control: Control) -> u64 {
    (0..SEEDS).map(|seed| alone::<H>(seed, loss, buffer, control)).sum::<u64>() / SEEDS
}

const FLOWS: u16 = 64;

/// Bytes a second of all, and Jain's index, of 64 connections whose round trips are 50 to 150 ms.
fn shared<H: Host>(seed: u64, control: Control) -> (u64, f64) {
    let link = LinkConfig {
        rate: Some(200_000_000),
        queue: 64 << 10,
        ..LinkConfig::perfect(Duration::from_millis(25))
    };
    let mut lab = Lab::<H>::new(seed, link, 256 << 10, control, FLOWS.into());
    let clients: Vec<_> = (0..FLOWS).map(|number| lab.hosts[0].connect(SERVER, 80, 5000 + number)).collect();
    let mut servers: Vec<(H::Flow, u64)> = Vec::new();
    // The port of the client, whichever way the segment goes, says how far away it is.
    let longer = |frame: &[u8]| {
        let port = |at: usize| frame.get(at..)?.first_chunk().map(|&port| u16::from_be_bytes(port));
        let client = port(20).max(port(22)).and_then(|port| port.checked_sub(5000)).unwrap_or(0);
        u64::from(client) * 50_000_000 / u64::from(FLOWS)
    };
    while lab.now < START + SECONDS * 1_000_000_000 {
        lab.exchange(longer);
        for &client in &clients {
            if lab.hosts[0].is_open(client) {
                lab.hosts[0].write(client, usize::MAX);
            }
        }
        servers.extend(lab.hosts[1].accept().map(|server| (server, 0)));
        for (server, got) in &mut servers {
            *got += lab.hosts[1].read(*server) as u64;
        }
        lab.exchange(longer);
        lab.advance();
    }
    let all: u64 = servers.iter().map(|(_, got)| got).sum();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let (sum, squares) = servers.iter().fold((0.0, 0.0), |(sum, squares), &(_, got)| {
        let got = got as f64;
        (sum + got, squares + got * got)
    });
    (all / SECONDS, sum * sum / (f64::from(FLOWS) * squares))
}

pub(crate) fn print(out: &mut dyn Write, style: Style, only: &str) -> io::Result<()> {
    if NAME.contains(only) {
        let what = format!(
            "Bytes a second of one connection over 10 Mbit/s, 100 ms there and back, a queue of 64 KiB; means of {SEEDS} seeds of \
             {SECONDS} simulated seconds. By loss, then by the bytes of both rings."
        );
        report::print_heading(out, style, NAME, &what)?;
        writeln!(out)?;
        report::print_table(
            out,
            style,
            ["subject", "loss", "16 KiB", "32 KiB", "64 KiB", "128 KiB", ""],
            &grid(),
        )?;
    }
    if SHARED.contains(only) {
        let what = format!(
            "{FLOWS} connections over 200 Mbit/s with a queue of 64 KiB, round trips of 50 to 150 ms, rings of 256 KiB, {SECONDS} \
             simulated seconds."
        );
        report::print_heading(out, style, SHARED, &what)?;
        writeln!(out)?;
        let row = |name: &str, (rate, jain): (u64, f64)| {
            [name.to_owned(), rate.to_string(), format!("{jain:.2}"), String::new()]
        };
        let rows = [
            row("kos-net Cubic", shared::<Kos>(1, Control::Cubic)),
            row("smoltcp 0.14.0 Cubic", shared::<Smol>(1, Control::Cubic)),
            row("smoltcp 0.14.0 uncontrolled", shared::<Smol>(1, Control::None)),
        ];
        report::print_table(out, style, ["subject", "bytes a second", "Jain's index", ""], &rows)?;
    }
    Ok(())
}

type Mean = fn(u32, usize, Control) -> u64;

fn grid() -> Vec<[String; 7]> {
    let subjects: [(&str, Mean, Control); 4] = [
        ("kos-net Cubic", mean::<Kos>, Control::Cubic),
        ("smoltcp 0.14.0 Cubic", mean::<Smol>, Control::Cubic),
        ("kos-net Fixed", mean::<Uncontrolled>, Control::None),
        ("smoltcp 0.14.0 uncontrolled", mean::<Smol>, Control::None),
    ];
    let row = |(name, of, control): &(&str, Mean, Control), loss: u32| {
        let [a, b, c, d] = BUFFERS.map(|buffer| of(loss, buffer, *control).to_string());
        [(*name).to_owned(), format!("{} %", loss / 10_000), a, b, c, d, String::new()]
    };
    LOSSES.iter().flat_map(|&loss| subjects.iter().map(move |subject| row(subject, loss))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Control, Kos, Smol, alone};

    #[test]
    fn more_of_ours_gets_through_a_path_that_loses() {
        let [ours, theirs] = [alone::<Kos>, alone::<Smol>].map(|of| of(1, 10_000, 32 << 10, Control::Cubic));
        assert!(theirs > 0 && ours > theirs, "{ours} and {theirs} bytes a second");
        // 0.7 of the bound of Mathis: 1.22 segments a round trip over the root of the loss.
        assert!(ours > 178_120 * 7 / 10, "{ours} bytes a second");
    }
}
