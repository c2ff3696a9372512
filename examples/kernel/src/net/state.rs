//! What the network consists of: [`State`], one value under one lock.

use core::error::Error;
use core::fmt;

use kos_net::dev::HeapFrame;
use kos_net::link::InterfaceId;
use kos_net::services::dns::DnsClient;
use kos_net::sock::HeapStorage;
use kos_net::{
    BindError, Budget, Config, ConfigError, InterfaceError, LinkControl, NetDevice, SocketId, Stack,
};

use super::lease::Lessee;
use crate::glue::entropy::KernelEntropy;
use crate::platform::Platform;
use crate::text::Text;
use crate::time::Instant;

/// Sockets at most.
const SOCKETS: u32 = 4096;
/// Neighbours that are known at most.
const NEIGHBOURS: usize = 128;
/// Questions about names at a time, and answers that are remembered.
const QUERIES: usize = 4;
const ANSWERS: usize = 16;
/// Polls of a turn, so that others get the lock, too.
const POLLS: usize = 8;

type KernelStack = Stack<HeapFrame, HeapStorage<HeapFrame>>;

/// Stack, card, and what they need.
pub(crate) struct State<P: Platform> {
    pub(crate) stack: KernelStack,
    pub(crate) entropy: KernelEntropy,
    pub(crate) card: P::Net,
    pub(crate) interface: InterfaceId,
    pub(crate) lessee: Option<Lessee>,
    pub(crate) names: DnsClient<QUERIES, ANSWERS>,
    /// Where the HTTP server listens.
    pub(crate) web: Option<SocketId>,
    /// What the card failed with, once it did.
    pub(crate) failed: Option<Text>,
}

impl<P: Platform> State<P> {
    /// A stack over `card`, without addresses.
    #[expect(clippy::large_stack_frames, reason = "made on a stack that is large enough")]
    pub(super) fn new(platform: &P, card: P::Net) -> Result<Self, NetError> {
        let mut entropy = KernelEntropy::new(platform);
        let (stack, interface) = open(&card, &mut entropy)?;
        let names = DnsClient::new();
        Ok(Self { stack, entropy, card, interface, lessee: None, names, web: None, failed: None })
    }

    /// Does what is to be done at `now`: when there is more, and whether there is news of a socket.
    pub(super) fn turn(&mut self, now: Instant) -> (Option<Instant>, bool) {
        if self.failed.is_some() {
            return (None, false);
        }
        let mut more = true;
        for _ in 0..POLLS {
            match self.stack.poll(now, self.interface, &mut self.card, Budget::default()) {
                Ok(progress) if progress.more => continue,
                Ok(_) => more = false,
                Err(error) => {
                    self.failed.get_or_insert_with(|| Text::new(format_args!("{error}")));
                    more = false;
                }
            }
            break;
        }
        let mut news = self.lease(now);
        while self.stack.next_ready().is_some() {
            news = true;
        }
        // What the client said is to be sent.
        let lease = self.lessee.as_ref().and_then(Lessee::poll_at);
        let next = [self.stack.poll_at(), lease].into_iter().flatten().min();
        (if more { Some(now) } else { next }, news)
    }
}

/// Makes a stack with one interface.
#[expect(clippy::large_stack_frames, reason = "made on a stack that is large enough")]
fn open<N: NetDevice + LinkControl>(
    card: &N,
    entropy: &mut KernelEntropy,
) -> Result<(KernelStack, InterfaceId), NetError> {
    let storage = HeapStorage::new(SOCKETS, NEIGHBOURS);
    let mut stack = Stack::new(Config::new(), storage, entropy).map_err(NetError::Config)?;
    let interface = stack.add_interface(card.capabilities(), card.mac(), entropy);
    interface.map(|interface| (stack, interface)).map_err(NetError::Interface)
}

/// Why there is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetError {
    /// The stack cannot be.
    Config(ConfigError),
    /// It cannot have the card.
    Interface(InterfaceError),
    /// There is no socket to lease an address with.
    Lease(BindError),
    /// There is no memory for them.
    NoMemory,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(cause) => cause.fmt(f),
            Self::Interface(cause) => cause.fmt(f),
            Self::Lease(cause) => cause.fmt(f),
            Self::NoMemory => f.write_str("no memory for a network"),
        }
    }
}

impl Error for NetError {}
