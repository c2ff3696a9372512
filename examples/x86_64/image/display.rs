//! The Bochs display: its memory as pixels, its registers through ports.
//!
//! It is found on the buses, and it is an emulated VGA at the same time: firmware has put that into text mode and loaded the font which
//! is drawn here.

use core::error::Error;
use core::fmt;
use core::ops::Range;

use kos_demo_kernel::platform::{FrameShape, Mapping, Rights};
use kos_x86_64::dispi::{self, DispiError, Mode, Registers};
use kos_x86_64::layout::{BOOT_MAPPED, DEVICES};
use kos_x86_64::pci::{self, Function};
use kos_x86_64::screen::font::{Font, FontError};
use kos_x86_64::screen::pixels::{PixelMemory, Pixels};
use spin::Once;
use x86_64::instructions::port::Port;
use zerocopy::{FromBytes, IntoBytes};

use crate::address::pointer;
use crate::font::{self, TextMode};
use crate::pci::Ports;

/// Bytes of a pixel.
pub(crate) const PIXEL_BYTES: usize = dispi::PIXEL as usize;

/// Where a register is chosen; the next port is what is in it.
const INDEX: u16 = 0x1ce;

/// A display that shows pixels.
#[derive(Debug)]
pub(crate) struct Display {
    /// Where its memory is, as much as is used.
    physical: Range<u64>,
    mode: Mode,
}

/// The registers of the display. They are used under the lock of the screen, once there is one.
#[derive(Clone, Copy, Debug)]
struct Dispi;

impl Registers for Dispi {
    fn read(&self, register: u16) -> u16 {
        // SAFETY: choosing a register changes nothing else.
        unsafe { Port::new(INDEX).write(register) };
        // SAFETY: reading these registers touches no memory.
        unsafe { Port::new(INDEX + 1).read() }
    }

    fn write(&self, register: u16, value: u16) {
        // SAFETY: as above.
        unsafe { Port::new(INDEX).write(register) };
        // SAFETY: the registers say what of its own memory the display shows, and how.
        unsafe { Port::new(INDEX + 1).write(value) }
    }
}

impl Display {
    /// Shows pixels on the display which is that function, with characters of `font`, which firmware has loaded. The screen shows text until then, and does so again if this fails.
    ///
    /// # Errors
    /// What is missing, or not as it should be.
    pub(crate) fn start(
        function: Function,
        font: &'static Once<Font>,
        is_memory: impl Fn(&Range<u64>) -> bool,
    ) -> Result<Pixels<'static, Self>, DisplayError> {
        let all = pci::memory(&Ports, function, 0).ok_or(DisplayError::NoMemory)?;
        // The boot tables map no more, and what the kernel has is not the display's.
        if !crate::pci::mappable(&all) || all.end > BOOT_MAPPED || is_memory(&all) {
            return Err(DisplayError::Place(all));
        }
        if !pci::answers_in_memory(&Ports, function) {
            return Err(DisplayError::NoMemory);
        }
        let font = font.try_call_once(font::read).map_err(DisplayError::Font)?;
        let before = TextMode::save();
        let mode = dispi::start(&Dispi, all.end - all.start);
        let mode = mode.inspect_err(|_| before.restore()).map_err(DisplayError::Dispi)?;
        let physical = all.start..all.start + (mode.lines * mode.stride) as u64;
        let (width, height, lines) = (mode.width, mode.height, mode.lines);
        Ok(Pixels::new(Self { physical, mode }, font, width, height, lines))
    }

    /// Where its memory must be mapped.
    pub(crate) fn mapping(&self) -> Mapping {
        let Range { start, end } = self.physical;
        // The tables' memory types are those after reset, of which none combines writes.
        Mapping {
            name: "screen",
            virt: DEVICES + start,
            phys: start,
            length: end - start,
            rights: Rights::Device,
        }
    }

    /// What is seen of it.
    pub(crate) const fn shape(&self) -> FrameShape {
        FrameShape { width: self.mode.width, height: self.mode.height, stride: self.mode.stride }
    }

    /// Bytes of the picture that is seen, from `offset` on. What is beyond the memory stays as it is.
    pub(crate) fn read(&self, offset: usize, out: &mut [u8]) {
        let start = self.start_of_picture() + offset;
        // Words where they are aligned.
        let (words, rest) = if start.is_multiple_of(size_of::<u64>()) {
            out.as_chunks_mut()
        } else {
            (Default::default(), out)
        };
        let behind = start + size_of_val(words);
        for (word, at) in words.iter_mut().zip((start..).step_by(size_of::<u64>())) {
            self.get(at).map(|seen: u64| *word = seen.to_le_bytes()).unwrap_or_default();
        }
        rest.iter_mut().zip(behind..).for_each(|(byte, at)| *byte = self.get(at).unwrap_or(*byte));
    }

    /// Sets bytes of the picture that is seen. What is beyond the memory is not set.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let start = self.start_of_picture() + offset;
        let (words, rest) = if start.is_multiple_of(size_of::<u64>()) {
            bytes.as_chunks()
        } else {
            (Default::default(), bytes)
        };
        let behind = start + size_of_val(words);
        for (word, at) in words.iter().zip((start..).step_by(size_of::<u64>())) {
            self.set(at, u64::from_le_bytes(*word));
        }
        rest.iter().zip(behind..).for_each(|(&byte, at)| self.set(at, byte));
    }

    /// Where in its memory what is seen begins.
    fn start_of_picture(&self) -> usize {
        let most = self.mode.lines - self.mode.height;
        dispi::shown_from(&Dispi).min(most) * self.mode.stride
    }

    fn get<T: FromBytes>(&self, at: usize) -> Option<T> {
        let place = self.place::<T>(at)?;
        // SAFETY: `place` is in the memory of the display, which is mapped as long as there is one; any bytes are a value.
        Some(unsafe { place.read_volatile() })
    }

    fn set<T: IntoBytes>(&mut self, at: usize, value: T) {
        if let Some(place) = self.place::<T>(at) {
            // SAFETY: `place` is in the memory of the display, which is mapped as long as there is one.
            unsafe { place.write_volatile(value) }
        }
    }

    /// That byte of its memory and what a value from there on takes, if all of it is the display's and it is aligned.
    fn place<T>(&self, at: usize) -> Option<*mut T> {
        let length = self.mode.lines * self.mode.stride;
        let fits = at.is_multiple_of(align_of::<T>()) && at.checked_add(size_of::<T>())? <= length;
        fits.then(|| pointer(DEVICES + self.physical.start + at as u64))
    }
}

impl PixelMemory for Display {
    fn put(&mut self, line: usize, column: usize, pixels: [u64; 4]) {
        let Mode { width, stride, .. } = self.mode;
        if column < width / 8 {
            let start = line * stride + column * 8 * PIXEL_BYTES;
            self.set(start, pixels);
        }
    }

    fn show_from(&mut self, line: usize) {
        dispi::show_from(&Dispi, line);
    }
}

/// Why the screen shows text only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DisplayError {
    /// There is no Bochs display.
    Absent,
    /// It has no memory that can be reached.
    NoMemory,
    /// Its memory is where it cannot be.
    Place(Range<u64>),
    /// There are no shapes of characters.
    Font(FontError),
    /// It does not do what it is told.
    Dispi(DispiError),
}

impl fmt::Display for DisplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no Bochs display"),
            Self::NoMemory => f.write_str("display without memory"),
            Self::Place(range) => write!(f, "display at {:#x}, where it cannot be", range.start),
            Self::Font(error) => error.fmt(f),
            Self::Dispi(error) => error.fmt(f),
        }
    }
}

impl Error for DisplayError {}
