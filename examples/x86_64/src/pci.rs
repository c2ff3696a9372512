//! PCI: the functions on the buses, their base addresses and capabilities, read through [`ConfigSpace`].
//!
//! Everything that a function says of itself is bounded: lists of capabilities may be cyclic or lead nowhere, bridges may name
//! buses that were seen, base addresses may reach beyond the address space.
//!
//! Source: PCI Local Bus Specification 3.0, chapter 6; PCI Express Base Specification, 7.5 and 7.7.2 (MSI-X).

use core::ops::Range;

/// A function of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// Bus.
    pub bus: u8,
    /// Device: 0 to 31.
    pub device: u8,
    /// Function: 0 to 7.
    pub function: u8,
}

/// The configuration registers of all functions. A function that is not there reads as ones.
pub trait ConfigSpace {
    /// The four bytes at `register`, a multiple of 4.
    fn read(&self, function: Function, register: u8) -> u32;
    /// Sets them.
    fn write(&self, function: Function, register: u8, value: u32);
}

/// What a function says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub function: Function,
    /// Who made it.
    pub vendor: u16,
    /// The maker's number for it.
    pub device: u16,
    /// Class, subclass and interface.
    pub class: [u8; 3],
}

const COMMAND: u8 = 0x04;
const HEADER: u8 = 0x0c;
const BARS: u8 = 0x10;
const BUSES: u8 = 0x18;
const CAPABILITIES: u8 = 0x34;

/// In the command register: answers at its memory addresses; reads and writes memory itself; does not use its interrupt pin.
const MEMORY: u32 = 1 << 1;
const MASTER: u32 = 1 << 2;
const NO_PIN: u32 = 1 << 10;
/// In the status register, above the command.
const HAS_CAPABILITIES: u32 = 1 << 20;

/// Most capabilities: the space for them holds no more.
const MOST_CAPABILITIES: usize = 48;

/// The id of the capability of MSI-X, and of one that only its maker knows.
pub const MSIX: u8 = 0x11;
/// See [`MSIX`].
pub const VENDOR: u8 = 0x09;

/// Every function that can be reached from bus 0, each once.
pub fn functions<C: ConfigSpace>(config: &C) -> impl Iterator<Item = Found> {
    // One bit a bus: those behind bridges that were found, and those that were looked at.
    let (mut known, mut seen) = ([1_u64, 0, 0, 0], [0_u64; 4]);
    let mut next = Some(Function { bus: 0, device: 0, function: 0 });
    core::iter::from_fn(move || {
        loop {
            let at = next?;
            let id = config.read(at, 0);
            let header = config.read(at, HEADER) >> 16;
            let there = id != u32::MAX && id & 0xffff != 0;
            if there && header & 0x7f == 1 {
                let behind = config.read(at, BUSES) >> 8 & 0xff;
                set(&mut known, byte(behind));
            }
            let many = at.function > 0 || there && header & 0x80 != 0;
            next = following(at, many).or_else(|| {
                set(&mut seen, at.bus);
                let bus = (0..=u8::MAX).find(|&bus| has(&known, bus) && !has(&seen, bus))?;
                Some(Function { bus, device: 0, function: 0 })
            });
            if there {
                let [_, interface, subclass, class] = config.read(at, 8).to_le_bytes();
                let [vendor, device] = [half(id), half(id >> 16)];
                return Some(Found { function: at, vendor, device, class: [class, subclass, interface] });
            }
        }
    })
}

/// The function behind `at` on its bus.
const fn following(at: Function, many: bool) -> Option<Function> {
    match at {
        Function { function: 0..7, .. } if many => Some(Function { function: at.function + 1, ..at }),
        Function { device: 0..31, .. } => Some(Function { device: at.device + 1, function: 0, ..at }),
        _ => None,
    }
}

/// The low byte of a register.
const fn byte(word: u32) -> u8 {
    let [low, ..] = word.to_le_bytes();
    low
}

/// Its low half.
const fn half(word: u32) -> u16 {
    let [low, high, ..] = word.to_le_bytes();
    u16::from_le_bytes([low, high])
}

fn set(bits: &mut [u64; 4], bus: u8) {
    if let Some(word) = bits.get_mut(usize::from(bus / 64)) {
        *word |= 1 << (bus % 64);
    }
}

fn has(bits: &[u64; 4], bus: u8) -> bool {
    bits.get(usize::from(bus / 64)).is_some_and(|word| word >> (bus % 64) & 1 != 0)
}

/// Where the capabilities of a function stand: id and register.
pub fn capabilities<C: ConfigSpace>(config: &C, function: Function) -> impl Iterator<Item = (u8, u8)> {
    let there = config.read(function, COMMAND) & HAS_CAPABILITIES != 0;
    let mut at = if there { byte(config.read(function, CAPABILITIES)) } else { 0 };
    let list = core::iter::from_fn(move || {
        let here = at & !3;
        if here < 0x40 {
            return None;
        }
        let head = config.read(function, here);
        at = byte(head >> 8);
        Some((byte(head), here))
    });
    list.take(MOST_CAPABILITIES)
}

/// The memory behind base address `index` (0 to 5); `None` if it is no memory, or beyond the address space. The function does not
/// answer there while this looks.
pub fn memory<C: ConfigSpace>(config: &C, function: Function, index: u8) -> Option<Range<u64>> {
    let register = BARS + 4 * Some(index).filter(|&index| index < 6)?;
    let low = config.read(function, register);
    let wide = low >> 1 & 3 == 2 && index < 5;
    if low & 1 != 0 || !wide && low >> 1 & 3 != 0 {
        return None;
    }
    let command = config.read(function, COMMAND) & 0xffff;
    config.write(function, COMMAND, command & !MEMORY);
    let size = |register: u8, value: u32| {
        config.write(function, register, u32::MAX);
        let size = config.read(function, register);
        config.write(function, register, value);
        size
    };
    let (mut start, mut mask) = (u64::from(low & !0xf), u64::from(size(register, low) & !0xf) | !0xffff_ffff);
    if wide {
        let high = config.read(function, register + 4);
        start |= u64::from(high) << 32;
        mask &= u64::from(size(register + 4, high)) << 32 | 0xffff_ffff;
    }
    config.write(function, COMMAND, command);
    let length = mask.wrapping_neg();
    let end = start.checked_add(length)?;
    (start > 0 && length > 0 && mask & 0xffff_ffff != 0).then_some(start..end)
}

/// Lets a function answer at its addresses and reach memory, without its interrupt pin.
pub fn enable<C: ConfigSpace>(config: &C, function: Function) {
    let command = config.read(function, COMMAND) & 0xffff;
    config.write(function, COMMAND, command | MEMORY | MASTER | NO_PIN);
}

/// Whether a function answers at its memory addresses.
pub fn answers_in_memory<C: ConfigSpace>(config: &C, function: Function) -> bool {
    config.read(function, COMMAND) & MEMORY != 0
}

/// A piece of the memory behind a base address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which base address.
    pub bar: u8,
    /// Where in it.
    pub offset: u32,
    /// Its bytes.
    pub length: u32,
}

/// The table of MSI-X of a function: the register of its capability, and where the table lies.
pub fn msix<C: ConfigSpace>(config: &C, function: Function) -> Option<(u8, Piece)> {
    let (_, at) = capabilities(config, function).find(|&(id, _)| id == MSIX)?;
    let entries = (config.read(function, at) >> 16 & 0x7ff) + 1;
    let place = config.read(function, at.checked_add(4)?);
    Some((at, Piece { bar: byte(place & 7), offset: place & !7, length: entries * 16 }))
}

/// Turns MSI-X on.
pub fn enable_msix<C: ConfigSpace>(config: &C, function: Function, capability: u8) {
    let head = config.read(function, capability);
    config.write(function, capability, head & !(1 << 30) | 1 << 31);
}

/// The piece that a virtio function keeps for `kind` (1: the common registers).
pub fn virtio_piece<C: ConfigSpace>(config: &C, function: Function, kind: u8) -> Option<Piece> {
    let mut own = capabilities(config, function).filter(|&(id, at)| id == VENDOR && at <= 0xf0);
    own.find_map(|(_, at)| {
        let head = config.read(function, at);
        let long = head >> 16 & 0xff >= 16;
        let [bar, offset, length] = [4, 8, 12].map(|more| config.read(function, at + more));
        let piece = Piece { bar: byte(bar), offset, length };
        (head >> 24 == u32::from(kind) && long && piece.bar < 6).then_some(piece)
    })
}

impl Piece {
    /// Where it lies, if the function has that much memory.
    pub fn within(self, memory: &Range<u64>) -> Option<Range<u64>> {
        let start = memory.start.checked_add(u64::from(self.offset))?;
        let end = start.checked_add(u64::from(self.length))?;
        (end <= memory.end && start < end).then_some(start..end)
    }
}

/// What a class is, in a word or two.
#[must_use]
pub const fn class_name(class: [u8; 3]) -> &'static str {
    match class {
        [1, 0, _] => "SCSI storage",
        [1, 1, _] => "IDE interface",
        [1, 6, _] => "SATA controller",
        [1, 8, _] => "NVMe controller",
        [1, ..] => "storage",
        [2, ..] => "network",
        [3, ..] => "display",
        [6, 0, _] => "host bridge",
        [6, 1, _] => "ISA bridge",
        [6, 4, _] => "PCI bridge",
        [6, ..] => "bridge",
        [0xc, 3, _] => "USB controller",
        [0xc, 5, _] => "SMBus",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::cell::RefCell;

    const AT: Function = Function { bus: 0, device: 3, function: 0 };

    /// One function; base addresses behave as such: what `sizes` leaves out of them stays 0. A size of 0 is the upper half of one.
    struct Fake {
        registers: RefCell<[u32; 64]>,
        sizes: [u32; 6],
    }

    impl ConfigSpace for Fake {
        fn read(&self, function: Function, register: u8) -> u32 {
            if function == AT { self.registers.borrow()[usize::from(register / 4)] } else { u32::MAX }
        }

        fn write(&self, function: Function, register: u8, value: u32) {
            assert_eq!(function, AT);
            let index = usize::from(register / 4);
            let bar = index.checked_sub(4).filter(|&bar| bar < 6);
            let kept = self.registers.borrow()[index];
            let value = match bar.map(|bar| self.sizes[bar]) {
                None | Some(0) => value,
                Some(size) => value & !(size - 1) & !0xf | kept & 0xf,
            };
            self.registers.borrow_mut()[index] = value;
        }
    }

    fn fake() -> Fake {
        let mut registers = [0; 64];
        registers[0] = 0x1042_1af4;
        registers[1] = HAS_CAPABILITIES | 7;
        registers[2] = 0x0100_0001;
        Fake { registers: RefCell::new(registers), sizes: [0x1000; 6] }
    }

    #[test]
    fn functions_are_found_once() {
        let fake = fake();
        let found: Vec<_> = functions(&fake).collect();
        assert_eq!(found, [Found { function: AT, vendor: 0x1af4, device: 0x1042, class: [1, 0, 0] }]);
        // A bridge to its own bus, and one that claims eight functions.
        fake.registers.borrow_mut()[3] = 0x0081_0000;
        assert_eq!(functions(&fake).count(), 1);
        fake.registers.borrow_mut()[6] = 0x00ff_ff00;
        assert_eq!(functions(&fake).count(), 1);
    }

    #[test]
    fn capability_lists_end() {
        let fake = fake();
        for (first, next, count) in
            [(0x40, 0x00, 1), (0x40, 0x40, MOST_CAPABILITIES), (0x10, 0, 0), (0xfc, 0x40, 2)]
        {
            fake.registers.borrow_mut()[13] = first;
            fake.registers.borrow_mut()[16] = next << 8 | 9;
            fake.registers.borrow_mut()[63] = 0x4000 | 9;
            let found = capabilities(&fake, AT).count();
            assert_eq!(found, if first == 0xfc { MOST_CAPABILITIES } else { count }, "{first:#x}");
        }
        fake.registers.borrow_mut()[1] = 0;
        assert_eq!(capabilities(&fake, AT).count(), 0);
    }

    #[test]
    fn base_addresses_are_sized_and_kept() {
        let fake = fake();
        fake.registers.borrow_mut()[4] = 0xfebd_0000;
        assert_eq!(memory(&fake, AT, 0), Some(0xfebd_0000..0xfebd_1000));
        fake.registers.borrow_mut()[5] = 0xc041;
        assert_eq!(memory(&fake, AT, 1), None, "input and output ports");
        (fake.registers.borrow_mut()[8], fake.registers.borrow_mut()[9]) = (0xc, 0x80);
        let wide = Fake { sizes: [0x1000, 1, 1, 1, 0x4000, 0], registers: fake.registers };
        assert_eq!(memory(&wide, AT, 4), Some(0x80_0000_0000..0x80_0000_4000));
        assert_eq!((memory(&wide, AT, 6), memory(&wide, AT, 2)), (None, None));
        let kept = *wide.registers.borrow();
        assert_eq!((kept[4], kept[8], kept[9], kept[1] & 0xffff), (0xfebd_0000, 0xc, 0x80, 7));
        assert!(answers_in_memory(&wide, AT));
        wide.registers.borrow_mut()[1] = 5;
        assert!(!answers_in_memory(&wide, AT));
    }

    #[test]
    fn pieces_lie_within_their_memory() {
        let fake = fake();
        fake.registers.borrow_mut()[13] = 0x40;
        fake.registers.borrow_mut()[16..20].copy_from_slice(&[0x0110_5009, 4, 0x100, 0x38]);
        fake.registers.borrow_mut()[20..22].copy_from_slice(&[0x0001_0011, 0x801]);
        assert_eq!(virtio_piece(&fake, AT, 1), Some(Piece { bar: 4, offset: 0x100, length: 0x38 }));
        assert_eq!(virtio_piece(&fake, AT, 2), None);
        assert_eq!(msix(&fake, AT), Some((0x50, Piece { bar: 1, offset: 0x800, length: 32 })));
        enable_msix(&fake, AT, 0x50);
        assert_eq!(fake.read(AT, 0x50), 0x8001_0011);
        let piece = Piece { bar: 0, offset: 0xfff, length: 1 };
        assert_eq!(piece.within(&(0x1000..0x2000)), Some(0x1fff..0x2000));
        assert_eq!(Piece { length: 2, ..piece }.within(&(0x1000..0x2000)), None);
        assert_eq!(Piece { offset: u32::MAX, ..piece }.within(&(u64::MAX - 9..u64::MAX)), None);
    }
}
