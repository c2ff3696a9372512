//! The console: COM1, and beside it a keyboard and a screen where there are any. All output shows on both; either types.
//!
//! The screen has pixels where there is a Bochs display, else text. Interrupts of the inputs only end a sleep; bytes are read by whoever
//! wakes, so none is lost between.

use core::ops::Range;

use kos_demo_kernel::platform::{DeviceError, FrameShape, Framebuffer, Listening, Mapping};
use kos_demo_kernel::text::Text;
use kos_x86_64::pci::Function;
use kos_x86_64::screen::font::Font;
use kos_x86_64::screen::{Screen, Size, TextMemory};
use lock_api::{Mutex, RawMutex};
use spin::Once;

use crate::apic::FIRST_LINE_VECTOR;
use crate::display::{Display, DisplayError};
use crate::env::IrqGuard;
use crate::keyboard::{self, Keyboard};
use crate::lock::KernelLock;
use crate::serial::COM1;
use crate::shown::Shown;
use crate::vga::Vga;

/// The console.
#[derive(Debug)]
pub(crate) struct Console {
    keyboard: Mutex<KernelLock, Option<Keyboard>>,
    screen: Mutex<KernelLock, Screen<Shown>>,
    screen_found: Once<Found>,
    font: Once<Font>,
    /// Whether the inputs interrupt.
    lines: Once<Result<(), DeviceError>>,
    keyboard_found: Once<Result<(), DeviceError>>,
}

/// What kind of screen there is; of text, why not of pixels.
#[derive(Clone, Debug)]
enum Found {
    Absent,
    Text(DisplayError),
    Pixels(FrameShape, Size, Mapping),
}

impl Console {
    /// A console that is COM1.
    pub(crate) const fn new() -> Self {
        Self {
            keyboard: Mutex::const_new(KernelLock::INIT, None),
            screen: Mutex::const_new(KernelLock::INIT, Screen::new()),
            screen_found: Once::new(),
            font: Once::new(),
            lines: Once::new(),
            keyboard_found: Once::new(),
        }
    }

    /// Looks for a screen; what is written from now on shows on it. `display` is the function that may show pixels, `is_memory` says
    /// whether the kernel has memory there.
    pub(crate) fn start_screen(
        &'static self,
        display: Option<Function>,
        is_memory: impl Fn(&Range<u64>) -> bool,
    ) {
        let _masked = IrqGuard::new();
        let mut screen = self.screen.lock();
        self.screen_found.call_once(|| {
            // Where there is no text there is no font.
            let Some(vga) = Vga::find() else { return Found::Absent };
            let pixels = display.ok_or(DisplayError::Absent);
            match pixels.and_then(|function| Display::start(function, &self.font, is_memory)) {
                Ok(pixels) => {
                    let display = pixels.memory();
                    let found = Found::Pixels(display.shape(), pixels.size(), display.mapping());
                    screen.show_on(Shown::Pixels(pixels));
                    found
                }
                Err(error) => {
                    screen.show_on(Shown::Text(vga));
                    Found::Text(error)
                }
            }
        });
    }

    /// Looks for a keyboard, and lets the inputs interrupt: `route` leads a line of the ISA bus to a vector.
    pub(crate) fn start_input(&self, route: impl Fn(u8, u8) -> Result<(), DeviceError>) {
        let masked = IrqGuard::new();
        let lines = [COM1.line(), keyboard::LINE];
        self.lines.call_once(|| lines.into_iter().try_for_each(|line| route(line, FIRST_LINE_VECTOR + line)));
        let found = Keyboard::start();
        self.keyboard_found.call_once(|| found.as_ref().map(drop).map_err(|error| *error));
        *self.keyboard.lock() = found.ok();
        drop(masked);
    }

    /// What there is.
    pub(crate) fn report(&self) -> Text {
        let (com1, why) = match self.lines.get() {
            Some(Ok(())) => ("COM1 by interrupt", Text::default()),
            Some(Err(error)) => ("COM1 without interrupt: ", Text::new(format_args!("{error}"))),
            None => ("COM1 without interrupt: no local APIC", Text::default()),
        };
        let keyboard = match self.keyboard_found.get() {
            Some(Ok(())) => Text::new(format_args!("PS/2 keyboard")),
            Some(Err(error)) => Text::new(format_args!("{error}")),
            None => Text::new(format_args!("PS/2 keyboard not looked for")),
        };
        let screen = match self.screen_found.get() {
            Some(Found::Pixels(FrameShape { width, height, .. }, Size { columns, rows, .. }, _)) => {
                Text::new(format_args!("screen {width}x{height}, {columns}x{rows} characters"))
            }
            Some(Found::Text(why)) => Text::new(format_args!("text screen: {why}")),
            Some(Found::Absent) | None => Text::new(format_args!("screen is absent")),
        };
        Text::new(format_args!("{com1}{why}; {keyboard}; {screen}"))
    }

    /// Whether there is a screen.
    pub(crate) fn has_screen(&self) -> bool {
        matches!(self.screen_found.get(), Some(Found::Text(_) | Found::Pixels(..)))
    }

    /// Whether there is a keyboard.
    pub(crate) fn has_keyboard(&self) -> bool {
        self.keyboard_found.get().is_some_and(Result::is_ok)
    }

    /// Where the screen must be mapped.
    pub(crate) fn mappings(&self) -> impl Iterator<Item = Mapping> {
        let mapping = match self.screen_found.get() {
            Some(Found::Pixels(.., mapping)) => Some(*mapping),
            Some(Found::Text(_)) => Some(Vga::mapping()),
            Some(Found::Absent) | None => None,
        };
        mapping.into_iter()
    }

    /// Shows bytes everywhere.
    pub(crate) fn write(&self, bytes: &[u8]) {
        COM1.write(bytes);
        if self.has_screen() {
            let _masked = IrqGuard::new();
            self.screen.lock().write(bytes);
        }
    }

    /// The same in a fault: a screen that somebody was writing to stays as it is.
    pub(crate) fn write_last(&self, bytes: &[u8]) {
        COM1.write(bytes);
        if let Some(mut screen) = self.screen.try_lock() {
            screen.write(bytes);
        }
    }

    /// The next byte that somebody typed.
    pub(crate) fn read(&self) -> Option<u8> {
        COM1.read().or_else(|| {
            let _masked = IrqGuard::new();
            self.keyboard.lock().as_mut()?.read()
        })
    }

    fn has_input(&self) -> bool {
        let _masked = IrqGuard::new();
        COM1.has_input() || self.keyboard.lock().as_ref().is_some_and(Keyboard::has_input)
    }

    /// Lets the inputs tell when something is typed from now on.
    pub(crate) fn listen(&self) -> Listening {
        let interrupts = matches!(self.lines.get(), Some(Ok(())));
        if interrupts {
            COM1.listen();
        }
        match () {
            () if self.has_input() => Listening::Ready,
            () if interrupts => Listening::Interrupts,
            () => Listening::Silent,
        }
    }
}

impl Console {
    /// Its pixels, if it has any.
    pub(crate) fn framebuffer(&self) -> Option<&dyn Framebuffer> {
        matches!(self.screen_found.get(), Some(Found::Pixels(..))).then_some(self)
    }

    /// Does something with the screen as it is shown, which nobody changes meanwhile.
    pub(crate) fn with_screen<R>(&self, look: impl FnOnce(&mut Screen<Shown>) -> R) -> R {
        let _masked = IrqGuard::new();
        look(&mut self.screen.lock())
    }
}

impl Framebuffer for Console {
    fn shape(&self) -> FrameShape {
        match self.screen_found.get() {
            Some(Found::Pixels(shape, ..)) => *shape,
            _ => FrameShape::default(),
        }
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        self.with_screen(|screen| {
            if let Some(Shown::Pixels(pixels)) = screen.memory() {
                pixels.memory().read(offset, out);
            }
        });
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.with_screen(|screen| {
            if let Some(Shown::Pixels(pixels)) = screen.memory_mut() {
                pixels.memory_mut().write(offset, bytes);
            }
        });
    }
}
