//! A rule from its words: [`rule`]; what becomes of packets that none fits: [`default`].
//!
//! `[in|out] accept|drop [tcp|udp|icmp|any] [from NET] [sport N[-M]] [to NET] [port N[-M]] [on lo|eth0] [syn|established]`, in any
//! order, each at most once. NET is an address or one with a prefix.

use core::error::Error;
use core::fmt;

use super::{Action, Direction, Flags, Kind, Link, Network, Ports, Rule};

/// Why words are no rule. A place is counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WordError {
    /// The word at this place means nothing here.
    Unknown(usize),
    /// The word at this place says what was said before.
    Twice(usize),
    /// There is nothing behind the word at this place.
    Lacks(usize),
    /// The word at this place is no address, with a prefix or without.
    NoNetwork(usize),
    /// The word at this place is no port, nor two with the lower first.
    NoPorts(usize),
    /// It does not say what becomes of packets.
    NoAction,
    /// Packets are from and to addresses of one family.
    Families,
    /// ICMP has no ports.
    PortsOfIcmp,
    /// Only TCP has connections.
    FlagsWithoutTcp,
}

impl WordError {
    /// The place of the word, if it is one word's fault.
    #[must_use]
    pub const fn place(self) -> Option<usize> {
        match self {
            Self::Unknown(place)
            | Self::Twice(place)
            | Self::Lacks(place)
            | Self::NoNetwork(place)
            | Self::NoPorts(place) => Some(place),
            _ => None,
        }
    }
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown(_) => "means nothing in a rule",
            Self::Twice(_) => "says what was said before",
            Self::Lacks(_) => "has nothing behind it",
            Self::NoNetwork(_) => "is no address, nor one with a prefix, as 10.0.2.0/24",
            Self::NoPorts(_) => "is no port, nor two, as 8000-8080",
            Self::NoAction => "say accept or drop",
            Self::Families => "nothing goes from one family of addresses to the other",
            Self::PortsOfIcmp => "ICMP has no ports",
            Self::FlagsWithoutTcp => "only TCP has connections",
        })
    }
}

impl Error for WordError {}

fn direction(word: &str) -> Option<Direction> {
    match word {
        "in" => Some(Direction::In),
        "out" => Some(Direction::Out),
        _ => None,
    }
}

fn action(word: &str) -> Option<Action> {
    match word {
        "accept" => Some(Action::Accept),
        "drop" => Some(Action::Drop),
        _ => None,
    }
}

fn kind(word: &str) -> Option<Kind> {
    match word {
        "any" => Some(Kind::Any),
        "tcp" => Some(Kind::Tcp),
        "udp" => Some(Kind::Udp),
        "icmp" => Some(Kind::Icmp),
        _ => None,
    }
}

fn flags(word: &str) -> Option<Flags> {
    match word {
        "syn" => Some(Flags::Syn),
        "established" => Some(Flags::Established),
        _ => None,
    }
}

/// Reads `[in|out] accept|drop`: of which directions what becomes. [`None`] if it is anything else.
#[must_use]
pub fn default<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<(&'static [Direction], Action)> {
    let (first, second, rest) = (words.next()?, words.next(), words.next());
    let (directions, last): (&[Direction], _) = match (second, direction(first)) {
        (None, _) => (&Direction::ALL, first),
        (Some(last), Some(Direction::In)) => (&[Direction::In], last),
        (Some(last), Some(Direction::Out)) => (&[Direction::Out], last),
        (Some(_), None) => return None,
    };
    Some((directions, action(last)?)).filter(|_| rest.is_none())
}

/// Reads a rule.
///
/// # Errors
/// [`WordError`]: the first word that is wrong, or what is wrong with all of them.
pub fn rule<'w>(words: impl Iterator<Item = &'w str>) -> Result<Rule, WordError> {
    let (mut reader, mut some) = (Words { words, place: 0 }, Parts::default());
    while let Some(word) = reader.words.next() {
        let at = reader.place;
        reader.place += 1;
        match word {
            "from" => put(&mut some.from, reader.network(at)?, at)?,
            "to" => put(&mut some.to, reader.network(at)?, at)?,
            "sport" => put(&mut some.from_port, reader.ports(at)?, at)?,
            "port" => put(&mut some.to_port, reader.ports(at)?, at)?,
            "on" => put(&mut some.link, reader.link(at)?, at)?,
            word => some.word(word, at)?,
        }
    }
    some.whole()
}

/// Keeps what was not said before.
fn put<T>(to: &mut Option<T>, new: T, at: usize) -> Result<(), WordError> {
    to.replace(new).map_or(Ok(()), |_| Err(WordError::Twice(at)))
}

/// What was said so far.
#[derive(Default)]
struct Parts {
    direction: Option<Direction>,
    action: Option<Action>,
    kind: Option<Kind>,
    from: Option<Network>,
    from_port: Option<Ports>,
    to: Option<Network>,
    to_port: Option<Ports>,
    link: Option<Link>,
    flags: Option<Flags>,
}

impl Parts {
    /// A word that stands alone.
    fn word(&mut self, word: &str, at: usize) -> Result<(), WordError> {
        if let Some(new) = direction(word) {
            put(&mut self.direction, new, at)
        } else if let Some(new) = action(word) {
            put(&mut self.action, new, at)
        } else if let Some(new) = kind(word) {
            put(&mut self.kind, new, at)
        } else {
            put(&mut self.flags, flags(word).ok_or(WordError::Unknown(at))?, at)
        }
    }

    fn whole(self) -> Result<Rule, WordError> {
        let Self { direction, from, from_port, to, to_port, link, flags, .. } = self;
        let action = self.action.ok_or(WordError::NoAction)?;
        let kind = match (self.kind.unwrap_or(Kind::Any), flags) {
            (Kind::Any, Some(_)) => Kind::Tcp,
            (Kind::Udp | Kind::Icmp, Some(_)) => return Err(WordError::FlagsWithoutTcp),
            (kind, _) => kind,
        };
        if kind == Kind::Icmp && (from_port.is_some() || to_port.is_some()) {
            return Err(WordError::PortsOfIcmp);
        }
        if from.zip(to).is_some_and(|(from, to)| from.is_ipv4() != to.is_ipv4()) {
            return Err(WordError::Families);
        }
        Ok(Rule { direction, action, kind, from, from_port, to, to_port, link, flags })
    }
}

/// The words, and the place of the next.
struct Words<I> {
    words: I,
    place: usize,
}

impl<'w, I: Iterator<Item = &'w str>> Words<I> {
    /// What stands behind the word at `at`.
    fn value(&mut self, at: usize) -> Result<(&'w str, usize), WordError> {
        let word = self.words.next().ok_or(WordError::Lacks(at))?;
        self.place += 1;
        Ok((word, at + 1))
    }

    fn network(&mut self, at: usize) -> Result<Network, WordError> {
        let (word, at) = self.value(at)?;
        network(word).ok_or(WordError::NoNetwork(at))
    }

    fn ports(&mut self, at: usize) -> Result<Ports, WordError> {
        let (word, at) = self.value(at)?;
        ports(word).ok_or(WordError::NoPorts(at))
    }

    fn link(&mut self, at: usize) -> Result<Link, WordError> {
        match self.value(at)? {
            ("lo", _) => Ok(Link::Own),
            ("eth0", _) => Ok(Link::Card),
            (_, at) => Err(WordError::Unknown(at)),
        }
    }
}

fn network(word: &str) -> Option<Network> {
    let (address, prefix) =
        word.split_once('/').map_or((word, None), |(address, prefix)| (address, Some(prefix)));
    let address: core::net::IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    Network::new(address, prefix.map_or(Some(most), number)?)
}

fn ports(word: &str) -> Option<Ports> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(Ports { first, last })
}

/// Digits only.
fn number<N: core::str::FromStr>(word: &str) -> Option<N> {
    word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()))
}
