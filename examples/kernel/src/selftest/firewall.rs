//! Tests of the firewall over this host itself. Where there are rules already they are somebody's: skipped.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kos_net::{AcceptError, ReceiveError, StreamError};

use super::lines::{in_scratch, told};
use super::patience::{PATIENCE, insist, soon};
use super::sockets::{Open, PORT, connect, here, net, served};
use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::net::State;
use crate::net::firewall::{Count, RULES_MAX};
use crate::net::stream::Stream;
use crate::platform::Platform;
use crate::time::Duration;

/// How long one waits for what does not come.
const LITTLE: Duration = Duration::from_millis(20);
/// How often one calls who does not answer.
const TRIES: usize = 8;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "net::what_is_dropped_is_silent_and_others_go_on", run: silent },
        Test { name: "net::who_accepts_established_is_not_called", run: established },
        Test { name: "net::rules_tell_families_and_links_apart", run: families },
        Test { name: "net::rules_are_listed_as_they_are_typed", run: listed },
        Test { name: "net::a_file_of_rules_is_taken_whole_or_not_at_all", run: loaded },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// No rules are left when this goes.
struct Ruled<'k, P: Platform>(&'k Kernel<P>);

impl<'k, P: Platform> Ruled<'k, P> {
    /// Lines behind `firewall`, where there are no rules yet.
    fn new(kernel: &'k Kernel<P>, lines: &[&str]) -> Result<Self, Failure> {
        if !net(kernel)?.with(kernel, |state| state.firewall.is_open()) {
            return Err(Failure::skip(format_args!("there are rules")));
        }
        let ruled = Self(kernel);
        lines.iter().try_for_each(|line| ruled.line(line))?;
        Ok(ruled)
    }

    fn line(&self, words: &str) -> Result<(), Failure> {
        let line = crate::text::Text::new(format_args!("firewall {words}"));
        told(self.0, line.as_str(), 0).map(drop)
    }

    /// What came under the rule of this place, from 0 on.
    fn came(&self, place: usize) -> Result<Count, Failure> {
        let came = net(self.0)?.with(self.0, |state| state.firewall.rules().nth(place).map(|(_, came)| came));
        came.ok_or_else(|| Failure::new(format_args!("no rule {place}")))
    }
}

impl<P: Platform> Drop for Ruled<'_, P> {
    fn drop(&mut self) {
        if let Some(net) = self.0.net() {
            net.with(self.0, |state| state.firewall.flush());
        }
    }
}

fn echo<P: Platform>(stream: Stream<'_, P>) {
    let mut bytes = [0; 16];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        if stream.write(bytes.get(..count).unwrap_or_default()).is_err() {
            break;
        }
    }
}

/// Says something to who says the same.
fn talk<P: Platform>(stream: &Stream<'_, P>) -> Result<(), Failure> {
    let mut heard = [0; 5];
    stream.write(b"hello")?;
    let count = stream.read(&mut heard)?;
    ensure!(heard.get(..count) == Some(b"hello"), "{heard:?}");
    Ok(())
}

/// What one expects of what one sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It comes, if one is patient.
    Comes,
    /// One waits a little, in vain.
    Never,
}

/// Sends something, and what `receive` says of what comes.
fn sent<P: Platform, R>(
    kernel: &Kernel<P>,
    fate: Fate,
    mut send: impl FnMut(&mut State<P>) -> Result<(), Failure>,
    receive: impl FnMut(&mut State<P>) -> Option<R>,
) -> Result<Option<R>, Failure> {
    match fate {
        Fate::Comes => insist(kernel, send, receive),
        Fate::Never => {
            net(kernel)?.with(kernel, &mut send)?;
            Ok(net(kernel)?.wait(kernel, soon(kernel, LITTLE), receive))
        }
    }
}

/// A datagram to oneself, and whether it does as it is to.
fn datagram<P: Platform>(kernel: &Kernel<P>, fate: Fate) -> Result<bool, Failure> {
    let socket = Open::datagrams(kernel, PORT)?;
    let send = |state: &mut State<P>| Ok(state.stack.udp_send(socket.1, Some(here(PORT)), b"datagram")?);
    let heard = sent(kernel, fate, send, |state| {
        match state.stack.udp_receive(socket.1, |_, bytes| bytes == b"datagram") {
            Err(ReceiveError::Empty) => None,
            other => Some(other),
        }
    })?;
    Ok(heard.transpose()? == (fate == Fate::Comes).then_some(true))
}

/// A port that is dropped answers nobody; connections that stand, datagrams and other ports go on; without the rule it answers.
fn silent<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let free = Ruled::new(kernel, &[])?;
    served(kernel, echo, || {
        let old = connect(kernel, PATIENCE)?;
        talk(&old)?;
        free.line("add in drop tcp to 127.0.0.0/8 port 9100 on lo syn")?;
        let mut came = Count::default();
        // Who calls may be lost before the rule sees him.
        for _ in 0..TRIES {
            let said = connect(kernel, LITTLE)?.read(&mut [0; 8]);
            ensure!(said == Err(StreamError::NotNow), "{said:?}");
            came = free.came(0)?;
            if came.packets > 0 {
                break;
            }
        }
        ensure!(came.packets > 0 && came.bytes >= 40 * came.packets, "{came:?}");
        talk(&old)?;
        ensure!(datagram(kernel, Fate::Comes)?, "a datagram was dropped");
        free.line("flush")?;
        // Connections are served one after the other.
        drop(old);
        talk(&connect(kernel, PATIENCE)?)
    })
}

/// Nothing comes in but answers: this host calls one that is let in by its port, and nobody else.
fn established<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let free = Ruled::new(kernel, &[])?;
    served(kernel, echo, || {
        for line in
            ["default in drop", "add in accept tcp established on lo", "add in accept port 9100 on lo syn"]
        {
            free.line(line)?;
        }
        talk(&connect(kernel, PATIENCE)?)?;
        let other = Open::new(kernel, |state| state.stack.tcp_listen(here(PORT + 1), 1, &mut state.entropy))?;
        let stream = Stream::connect(kernel, here(PORT + 1), LITTLE);
        let stream = stream.ok_or_else(|| Failure::new(format_args!("no network")))??;
        let said = stream.read(&mut [0; 8]);
        ensure!(said == Err(StreamError::NotNow), "{said:?}");
        let accepted = net(kernel)?.with(kernel, |state| state.stack.tcp_accept(other.1));
        ensure!(matches!(accepted, Err(AcceptError::Empty)), "{accepted:?}");
        ensure!(datagram(kernel, Fate::Never)?, "a datagram came in");
        free.line("add in accept udp on lo")?;
        ensure!(datagram(kernel, Fate::Comes)?, "a datagram was dropped");
        Ok(())
    })
}

/// A ping, and whether its echo does as it is to.
fn echoed<P: Platform>(kernel: &Kernel<P>, to: IpAddr, fate: Fate) -> Result<bool, Failure> {
    let socket = Open::new(kernel, |state| state.stack.ping_open(to, &mut state.entropy))?;
    let send = |state: &mut State<P>| Ok(state.stack.ping_send(socket.1, to, 1, b"echo")?);
    let heard = sent(kernel, fate, send, |state| state.stack.ping_receive(socket.1, |_, _| ()).ok())?;
    Ok(heard.is_some() == (fate == Fate::Comes))
}

fn families<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let [v4, v6]: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let free =
        Ruled::new(kernel, &["add out drop icmp to ::/0 on lo", "add drop any on eth0 from 127.0.0.1"])?;
    let of_v6 = echoed(kernel, v4, Fate::Comes)? && echoed(kernel, v6, Fate::Never)?;
    ensure!(of_v6, "the rule is of IPv6");
    free.line("insert 1 accept from ::1 to ::1")?;
    ensure!(echoed(kernel, v6, Fate::Comes)?, "the first rule decides");
    free.line("del 1")?;
    ensure!(echoed(kernel, v6, Fate::Never)?, "that rule is gone");
    let came = free.came(0)?;
    ensure!(came.packets >= 2, "{came:?}");
    Ok(())
}

fn listed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let free = Ruled::new(kernel, &["default out drop", "default out accept"])?;
    for _ in 0..RULES_MAX {
        free.line("add port 80-90 established drop from 10.1.2.3/8 in")?;
    }
    let listed = told(kernel, "firewall | grep -v number", 0)?;
    let rules =
        listed.lines().filter(|line| line.contains("  in drop tcp from 10.0.0.0/8 port 80-90 established  "));
    let rest = listed.lines().filter(|line| line.starts_with("default  "));
    ensure!(rules.count() == RULES_MAX && rest.count() == 2, "{listed}");
    for (line, status, said) in [
        ("firewall add drop", 1, "room for no more"),
        ("firewall del 33", 1, "no rule 33: they go from 1 to 32"),
        ("firewall add drop from 10.0.0.0/33", 2, "'10.0.0.0/33' is no address"),
        ("firewall default in maybe", 2, "accept or drop"),
    ] {
        let told = told(kernel, line, status)?;
        ensure!(told.contains(said), "{line}: {told}");
    }
    Ok(())
}

/// What is dumped is loaded as the same; a file with a bad line leaves the rules that are.
fn loaded<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let free = Ruled::new(kernel, &["default in drop", "add accept on lo", "add in accept tcp port 22 syn"])?;
    in_scratch(kernel, |kernel| {
        let dumped = told(kernel, "firewall dump > /mnt/rules; cat /mnt/rules", 0)?;
        ensure!(dumped.ends_with("accept any on lo\nin accept tcp port 22 syn\n"), "{dumped}");
        free.line("flush")?;
        ensure!(told(kernel, "firewall load /mnt/rules; firewall dump", 0)? == dumped, "other rules");
        let said =
            told(kernel, "echo drop >> /mnt/rules; echo drop it >> /mnt/rules; firewall load /mnt/rules", 1)?;
        ensure!(said.contains("/mnt/rules: line 6: word 2 means nothing in a rule"), "{said}");
        ensure!(told(kernel, "firewall dump", 0)? == dumped, "some of a bad file counts");
        told(kernel, "firewall load /mnt/none", 1).map(drop)
    })
}
