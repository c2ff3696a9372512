//! What stands between the stack and a device: [`Batch`], [`Meta`], [`Capabilities`]; frames in owned memory, [`BufferFrame`];
//! and a device that is none, [`Loopback`]. Drivers of smoltcp are devices by `SmoltcpDevice` (feature `smoltcp-phy-014`).

mod batch;
mod buffer_frame;
mod capabilities;
mod loopback;
mod meta;
pub mod pcap;
#[cfg(feature = "smoltcp-phy-014")]
mod smoltcp;
mod vnet;

pub use batch::{BATCH, Batch};
#[cfg(feature = "alloc")]
pub use buffer_frame::HeapFrame;
pub use buffer_frame::{ArrayFrame, Buffer, BufferFrame};
pub use capabilities::{Capabilities, Medium, Offloads};
pub use loopback::Loopback;
pub use meta::{FrameChecksum, Gso, GsoKind, Meta};
#[cfg(feature = "smoltcp-phy-014")]
pub use smoltcp::{SmoltcpDevice, UnknownMedium};
pub use vnet::VnetHeader;
