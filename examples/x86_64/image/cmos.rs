//! The clock that runs on a battery, in the chip that PCs call CMOS. Read once, before it matters that nobody else selects a
//! register of it.

use kos_demo_kernel::time::Duration;
use kos_demo_kernel::time_of_day::Date;
use kos_x86_64::rtc::{Reading, Registers};
use x86_64::instructions::port::Port;

use crate::env::IrqGuard;

const SELECT: u16 = 0x70;
const DATA: u16 = 0x71;

const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
/// In register A: the others change.
const UPDATING: u8 = 1 << 7;
/// An update takes 2 ms; a chip that always updates is none.
const LOOKS: u32 = 10_000;

/// Since 1970, taking the clock for UTC; `None` without a clock that says something sensible.
pub(crate) fn time_of_day() -> Option<Duration> {
    let _masked = IrqGuard::new();
    let mut last = None;
    for _ in 0..LOOKS {
        if read(STATUS_A) & UPDATING != 0 {
            last = None;
            continue;
        }
        let now = registers();
        if last == Some(now) {
            let Reading { year, month, day, hour, minute, second } = now.read()?;
            let seconds = u64::try_from(Date::of(year, month, day, hour, minute, second)?.0).ok()?;
            return Some(Duration::from_ticks(seconds.checked_mul(1_000_000_000)?));
        }
        last = Some(now);
    }
    None
}

fn registers() -> Registers {
    let [second, minute, hour, day, month, year] = [0, 2, 4, 7, 8, 9].map(read);
    Registers { second, minute, hour, day, month, year, format: read(STATUS_B) }
}

fn read(register: u8) -> u8 {
    // SAFETY: selecting a register changes nothing but what the data port shows; the top bit, which masks NMIs, stays clear.
    unsafe { Port::new(SELECT).write(register) };
    // SAFETY: reading a register of the clock touches no memory; where no chip is it reads as ones.
    unsafe { Port::new(DATA).read() }
}
