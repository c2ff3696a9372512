//! Kernels of a few bytes: an ELF header, a PVH note, and 32-bit code put together by hand.

use std::path::PathBuf;

use crate::support::folder;

/// The first serial port.
pub(crate) const COM1: u16 = 0x3f8;
/// The second.
pub(crate) const COM2: u16 = 0x2f8;

const LOAD: u32 = 0x10_0000;
const HEADERS: u32 = 64 + 2 * 56;
const NOTE: u32 = 24;

/// Code under construction.
#[derive(Default)]
pub(crate) struct Tiny {
    code: Vec<u8>,
}

impl Tiny {
    /// Writes bytes to a serial port.
    pub(crate) fn write(mut self, port: u16, bytes: &[u8]) -> Self {
        for &byte in bytes {
            // mov dx, port; mov al, byte; out dx, al
            let [low, high] = port.to_le_bytes();
            self.code.extend([0x66, 0xba, low, high, 0xb0, byte, 0xee]);
        }
        self
    }

    /// Writes one record.
    pub(crate) fn record(self, kind: u8, payload: &[u8]) -> Self {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        self.write(COM2, &[&[kind], &length[..], payload].concat())
    }

    /// A run of one command that prints `output` and ends with `code`.
    pub(crate) fn one_command(self, output: &str, code: u32) -> Self {
        let status = [&code.to_le_bytes()[..], b"tiny"].concat();
        self.record(b'O', output.as_bytes()).record(b'S', &status).record(b'E', &1u32.to_le_bytes())
    }

    /// Asks QEMU to exit with an odd status.
    pub(crate) fn exit(mut self, status: u32) -> Self {
        // mov dx, 0xf4; mov eax, value; out dx, eax
        self.code.extend([0x66, 0xba, 0xf4, 0x00, 0xb8]);
        self.code.extend(((status - 1) / 2).to_le_bytes());
        self.code.push(0xef);
        self
    }

    /// Loads an empty interrupt table and takes an interrupt.
    pub(crate) fn triple_fault(mut self) -> Self {
        // push 0; push 0; lidt [esp]; ud2 - with a stack in low memory
        self.code.extend([
            0xbc, 0x00, 0x70, 0x00, 0x00, 0x6a, 0x00, 0x6a, 0x00, 0x0f, 0x01, 0x1c, 0x24, 0x0f, 0x0b,
        ]);
        self
    }

    /// Writes a byte to a serial port without end.
    pub(crate) fn flood(mut self, port: u16) -> Self {
        // mov dx, port; mov al, 'x'; then out dx, al and a jmp to it
        let [low, high] = port.to_le_bytes();
        self.code.extend([0x66, 0xba, low, high, 0xb0, b'x', 0xee, 0xeb, 0xfd]);
        self
    }

    /// Stops for good and makes the image.
    pub(crate) fn finish(mut self, name: &str) -> PathBuf {
        // cli; hlt; jmp to the hlt
        self.code.extend([0xfa, 0xf4, 0xeb, 0xfd]);
        let path = folder("tiny").join(name);
        std::fs::write(&path, elf(&self.code)).expect("the image can be written");
        path
    }
}

fn elf(code: &[u8]) -> Vec<u8> {
    let entry = LOAD + HEADERS + NOTE;
    let size = HEADERS + NOTE + u32::try_from(code.len()).unwrap();
    let mut file = Vec::new();
    file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]); // executable, x86_64, version
    for field in [u64::from(entry), 64, 0] {
        file.extend(field.to_le_bytes());
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 2, 0, 64, 0, 0, 0, 0, 0]); // flags, header sizes, two segments
    let segment = |kind: u32, at: u32, size: u32| {
        let mut header = [kind.to_le_bytes(), 7u32.to_le_bytes()].concat();
        for field in [at, LOAD + at, LOAD + at, size, size, 4] {
            header.extend(u64::from(field).to_le_bytes());
        }
        header
    };
    file.extend(segment(4, HEADERS, NOTE));
    file.extend(segment(1, 0, size));
    for field in [4, 8, 18, u32::from_le_bytes(*b"Xen\0"), entry, 0] {
        file.extend(field.to_le_bytes());
    }
    file.extend(code);
    file
}
