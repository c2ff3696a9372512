//! What IP needs beside its formats, as machines that see no packets: time and facts in, decisions out.
//!
//! | question | machine |
//! |---|---|
//! | where does it go | [`Routes`], then [`link::neighbour`](crate::link::neighbour) |
//! | from which address | [`source_select`] |
//! | can it have come from there | [`martian`] |
//! | how is it cut | [`Pieces`], [`Identifications`] |
//! | may this error go out | [`IcmpLimit`] |

pub mod fragment;
pub mod icmp_limit;
pub mod martian;
mod prefix;
pub mod route;
pub mod source_select;

pub use fragment::{Identifications, Pieces};
pub use icmp_limit::{Bucket, IcmpLimit, IcmpLimitConfig, Rate};
pub use prefix::Prefix;
pub use route::{Route, RouteError, RouteKind, RouteSlot, Routes};
