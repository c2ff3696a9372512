//! What a fuzz target does with any bytes: [`frame`].

use alloc::string::ToString;

use kos_net::dev::Medium;

use super::{Action, Direction, Firewall, Link, Packet, Rule, rule};

/// Any bytes as a file, and as a rule, a line, and a frame behind it. A file that is said is read as the same, and so is a rule; the
/// rule decides about what it fits and the default about the rest; what is no packet passes uncounted.
///
/// # Panics
/// One of these does not hold.
pub fn frame(data: &[u8]) {
    if let Ok(file) = Firewall::read(data) {
        let said = file.lines().to_string();
        let again = Firewall::read(said.as_bytes()).map(|again| again.lines().to_string());
        assert_eq!(again.as_ref(), Ok(&said), "a file");
    }
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (line, frame) = data.split_at(end);
    let words = core::str::from_utf8(line).unwrap_or_default().split_ascii_whitespace();
    let read = rule(words).ok();
    if let Some(one) = read {
        assert_eq!(rule(one.to_string().split(' ')), Ok(one), "'{one}'");
    }
    let frame = frame.get(1..).unwrap_or_default();
    for medium in [Medium::Ip, Medium::Ethernet] {
        for direction in Direction::ALL {
            judged(read.unwrap_or(Rule::new(Action::Drop)), direction, medium, frame);
        }
    }
}

fn judged(rule: Rule, direction: Direction, medium: Medium, frame: &[u8]) {
    let mut firewall = Firewall::new();
    let default = if rule.action == Action::Drop { Action::Accept } else { Action::Drop };
    firewall.set_default(direction, default);
    // There is room for one.
    let _ = firewall.add(rule);
    let verdict = firewall.judge(direction, Link::Card, medium, frame);
    let packet = Packet::read(medium, frame);
    let fits = packet.is_some_and(|packet| rule.fits(direction, Link::Card, &packet));
    let wanted = match packet {
        None => Action::Accept,
        Some(_) if fits => rule.action,
        Some(_) => default,
    };
    assert_eq!(verdict, wanted, "'{rule}' and {packet:?}");
    let ruled = firewall.rules().map(|(_, count)| count.packets).sum::<u64>();
    let rest = firewall.default_of(direction).1.packets;
    assert_eq!((ruled, rest), (u64::from(fits), u64::from(packet.is_some() && !fits)), "'{rule}'");
}
