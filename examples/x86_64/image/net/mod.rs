//! The network: a virtio card on PCI, whose interrupt wakes the thread that owns it.
//!
//! | module | idea |
//! |---|---|
//! | [`header`] | what stands before each frame: sums and segments that the device works out |
//! | [`lane`] | frames on their way through one queue |
//!
//! Source: virtio 1.2, 5.1 (network device).

mod header;
mod lane;

use kos_demo_kernel::platform::{DeviceError, DeviceFault, NetCard};
use kos_net::dev::{Batch, Capabilities, HeapFrame, Medium, Offloads};
use kos_net::wire::MacAddr;
use kos_net::{Frame as _, LinkControl, NetDevice};
use virtio_drivers::transport::{DeviceStatus, Transport};

use crate::apic::NET_VECTOR;
use crate::pci::VirtioFunction;
use crate::virtio::{Interrupting, Wiring};
use header::Header;
use lane::{Broken, Done, Lane, Way};

const NAME: &str = "virtio net";
/// Bytes of an IP packet that every Ethernet carries.
const MTU: u16 = 1500;
/// Bytes of a buffer to receive into: a frame with a tag, and a little.
const BUFFER: usize = 1536;
/// Bytes of the largest IP packet that the device cuts.
const GSO_MAX: u32 = 65_535;
/// Looks at the status until a device that was reset says so.
const LOOKS: u32 = 1_000_000;

bitflags::bitflags! {
    /// What the device offers and this driver uses.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const CHECKSUM_TX = 1 << 0;
        const CHECKSUM_RX = 1 << 1;
        const MAC = 1 << 5;
        const GSO_TCP_V4 = 1 << 11;
        const GSO_TCP_V6 = 1 << 12;
        const STATUS = 1 << 16;
        const VERSION_1 = 1 << 32;
    }
}

const fn fault(fault: DeviceFault) -> DeviceError {
    DeviceError { device: NAME, fault }
}

/// The card. One thread owns it.
pub(crate) struct VirtioNet {
    transport: Interrupting,
    receive: Lane,
    transmit: Lane,
    capabilities: Capabilities,
    mac: MacAddr,
    /// Whether the device tells of its link.
    tells_link: bool,
    /// Whether there was no memory for all the empty frames that the device takes.
    starved: bool,
    broken: bool,
}

impl core::fmt::Debug for VirtioNet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("VirtioNet").field("mac", &self.mac).finish_non_exhaustive()
    }
}

// SAFETY: what it holds belongs to no thread: memory of the device and of the heap.
unsafe impl Send for VirtioNet {}

/// Resets the card and sets its queues up; its interrupts go to the CPU with this APIC id.
pub(crate) fn start(found: &VirtioFunction, apic_id: u8) -> Result<VirtioNet, DeviceError> {
    let mut transport = Interrupting::new(found, Wiring { device: NAME, vector: NET_VECTOR, apic_id })?;
    let features: Features = transport.begin_init(Features::all());
    if !features.contains(Features::VERSION_1) || !transport.get_status().contains(DeviceStatus::FEATURES_OK)
    {
        return Err(fault(DeviceFault::Implausible { value: features.bits() }));
    }
    let mac = transport.read_config_space::<[u8; 6]>(0).map_err(|_| fault(DeviceFault::Silent))?;
    let mac = MacAddr(mac);
    if !features.contains(Features::MAC) || !mac.is_unicast() {
        return Err(fault(DeviceFault::Implausible { value: 0 }));
    }
    let receive = Lane::new(&mut transport, Way::In)?;
    let transmit = Lane::new(&mut transport, Way::Out)?;
    if !transport.has_vector {
        return Err(fault(DeviceFault::NoInterrupt));
    }
    transport.finish_init();
    let tells_link = features.contains(Features::STATUS);
    let capabilities = capabilities(features);
    let (starved, broken) = (false, false);
    let mut card = VirtioNet { transport, receive, transmit, capabilities, mac, tells_link, starved, broken };
    card.refill();
    Ok(card)
}

fn capabilities(features: Features) -> Capabilities {
    const PAIRS: [(Features, Offloads); 4] = [
        (Features::CHECKSUM_TX, Offloads::CHECKSUM_TX),
        (Features::CHECKSUM_RX, Offloads::CHECKSUM_RX),
        (Features::GSO_TCP_V4, Offloads::GSO_TCP_V4),
        (Features::GSO_TCP_V6, Offloads::GSO_TCP_V6),
    ];
    let mut able = Capabilities::new(Medium::Ethernet, MTU);
    for (feature, offload) in PAIRS {
        able.offloads.set(offload, features.contains(feature));
    }
    if able.offloads.intersects(Offloads::GSO_TCP_V4.union(Offloads::GSO_TCP_V6)) {
        able.gso_max = GSO_MAX;
    }
    able
}

impl VirtioNet {
    /// Gives the device as many empty frames as it takes, and there is memory for. A device that has none does not interrupt
    /// again: who owns the card comes back for more.
    fn refill(&mut self) {
        self.starved = false;
        while self.receive.has_room() {
            let frame = HeapFrame::allocate(BUFFER);
            let given = frame.is_some_and(|frame| self.receive.submit(Header::default(), frame).is_ok());
            if !given {
                self.starved = true;
                break;
            }
        }
        self.receive.notify(&mut self.transport);
    }

    /// Takes back what was sent.
    fn reclaim(&mut self) -> Result<(), DeviceError> {
        loop {
            match self.transmit.next() {
                Ok(Some(Done { frame, .. })) => drop(frame),
                Ok(None) => return Ok(()),
                Err(Broken) => return Err(self.give_up()),
            }
        }
    }

    /// Takes the device's hands off the memory. If it does not let go, the memory stays its own.
    fn give_up(&mut self) -> DeviceError {
        if !self.broken {
            self.broken = true;
            self.transport.set_status(DeviceStatus::empty());
            let reset = (0..LOOKS).any(|_| self.transport.get_status().is_empty());
            if !reset {
                self.receive.forget();
                self.transmit.forget();
            }
        }
        fault(DeviceFault::Silent)
    }
}

impl NetDevice for VirtioNet {
    type Frame = HeapFrame;
    type Error = DeviceError;

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, into: &mut Batch<HeapFrame>) -> Result<(), DeviceError> {
        if self.broken {
            return Err(fault(DeviceFault::Silent));
        }
        while into.room() > 0 {
            let done = match self.receive.next() {
                Ok(Some(done)) => done,
                Ok(None) => break,
                Err(Broken) => return Err(self.give_up()),
            };
            let Done { header, mut frame, length } = done;
            frame.truncate(length);
            frame.meta_mut().checksum = header.received();
            // There is room: a frame that came back would be lost.
            drop(into.push(frame));
        }
        self.refill();
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        HeapFrame::allocate(bytes)
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> Result<(), DeviceError> {
        if self.broken {
            return Err(fault(DeviceFault::Silent));
        }
        self.reclaim()?;
        // Only who waits for room wants to hear of it.
        self.transmit.tell(from.len() > self.transmit.room());
        while self.transmit.has_room()
            && let Some(frame) = from.pop()
        {
            let header = Header::to_send(frame.meta());
            if let Err(frame) = self.transmit.submit(header, frame) {
                // It came out of this batch.
                drop(from.put_back(frame));
                break;
            }
        }
        self.transmit.notify(&mut self.transport);
        Ok(())
    }
}

impl LinkControl for VirtioNet {
    type Error = DeviceError;

    fn is_up(&self) -> bool {
        const STATUS: usize = 6;
        const UP: u16 = 1;
        let status = || self.transport.read_config_space::<u16>(STATUS);
        !self.broken && (!self.tells_link || status().is_ok_and(|status| status & UP != 0))
    }

    fn mac(&self) -> MacAddr {
        self.mac
    }

    fn filter(&mut self, _: MacAddr, _: bool) -> Result<(), DeviceError> {
        // Without a control queue the device lets all groups in.
        Ok(())
    }
}

impl NetCard for VirtioNet {
    fn is_starved(&self) -> bool {
        self.starved && !self.broken
    }
}
