//! The console: COM1, and beside it a keyboard and a text screen where there are any. All output shows on both; either types.
//!
//! Interrupts of the inputs only end a sleep; bytes are read by whoever wakes, so none is lost between.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kos_demo_kernel::platform::{DeviceError, Listening, Mapping};
use kos_demo_kernel::text::Text;
use kos_x86_64::screen::Screen;
use lock_api::{Mutex, RawMutex};
use spin::Once;

use crate::apic::FIRST_LINE_VECTOR;
use crate::env::IrqGuard;
use crate::keyboard::{self, Keyboard};
use crate::lock::KernelLock;
use crate::serial::COM1;
use crate::vga::Vga;

/// The console.
#[derive(Debug)]
pub(crate) struct Console {
    keyboard: Mutex<KernelLock, Option<Keyboard>>,
    screen: Mutex<KernelLock, Option<Screen<Vga>>>,
    has_screen: AtomicBool,
    /// Whether the inputs interrupt.
    lines: Once<Result<(), DeviceError>>,
    keyboard_found: Once<Result<(), DeviceError>>,
}

impl Console {
    /// A console that is COM1.
    pub(crate) const fn new() -> Self {
        Self {
            keyboard: Mutex::const_new(KernelLock::INIT, None),
            screen: Mutex::const_new(KernelLock::INIT, None),
            has_screen: AtomicBool::new(false),
            lines: Once::new(),
            keyboard_found: Once::new(),
        }
    }

    /// Looks for a screen; what is written from now on shows on it.
    pub(crate) fn start_screen(&self) {
        let _masked = IrqGuard::new();
        *self.screen.lock() = Vga::find().map(Screen::new);
        self.has_screen.store(self.screen.lock().is_some(), Relaxed);
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
        let screen = if self.has_screen() { "text screen" } else { "text screen is absent" };
        Text::new(format_args!("{com1}{why}; {keyboard}; {screen}"))
    }

    /// Whether there is a screen.
    pub(crate) fn has_screen(&self) -> bool {
        self.has_screen.load(Relaxed)
    }

    /// Whether there is a keyboard.
    pub(crate) fn has_keyboard(&self) -> bool {
        self.keyboard_found.get().is_some_and(Result::is_ok)
    }

    /// Where the screen must be mapped.
    pub(crate) fn mappings(&self) -> impl Iterator<Item = Mapping> {
        self.has_screen().then(Vga::mapping).into_iter()
    }

    /// Shows bytes everywhere.
    pub(crate) fn write(&self, bytes: &[u8]) {
        COM1.write(bytes);
        if self.has_screen() {
            let _masked = IrqGuard::new();
            self.screen.lock().as_mut().map(|screen| screen.write(bytes)).unwrap_or_default();
        }
    }

    /// The same in a fault: a screen that somebody was writing to stays as it is.
    pub(crate) fn write_last(&self, bytes: &[u8]) {
        COM1.write(bytes);
        if let Some(mut screen) = self.screen.try_lock() {
            screen.as_mut().map(|screen| screen.write(bytes)).unwrap_or_default();
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
