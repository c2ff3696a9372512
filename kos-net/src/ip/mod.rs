//! What IP needs beside its formats, as machines that see no packets: time and facts in, decisions out.
//!
//! | question | machine |
//! |---|---|
//! | where does it go | [`Routes`], then [`link::neighbour`](crate::link::neighbour) |
//! | from which address | [`source_select`] |
//! | which addresses are ours | [`slaac`]; [`Dad`] says whether one is free |
//! | can it have come from there | [`martian`] |
//! | who listens to which group | [`multicast`] |
//! | how is it cut, how put together | [`Pieces`], [`Identifications`]; [`reassembly`] |
//! | how large may it be | [`pmtu`], by what an ICMP error [quotes](quote) |
//! | may this error go out | [`IcmpLimit`] |

pub mod dad;
pub mod fragment;
pub mod icmp_limit;
pub mod martian;
pub mod multicast;
pub mod pmtu;
mod prefix;
pub mod quote;
pub mod reassembly;
pub mod route;
pub mod slaac;
pub mod source_select;

pub use dad::{Dad, DadStep, Verdict};
pub use fragment::{Identifications, Pieces};
pub use icmp_limit::{Bucket, IcmpLimit, IcmpLimitConfig, Rate};
pub use multicast::Multicast;
pub use pmtu::{PathMtu, PathMtus, PathSlot};
pub use prefix::Prefix;
pub use quote::{Believed, Quote};
pub use reassembly::{DatagramKey, Fragment, Reassembly, ReassemblySlot};
pub use route::{Route, RouteError, RouteKind, RouteSlot, Routes};
pub use slaac::Slaac;
