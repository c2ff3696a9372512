//! [`Quota`]: what a group of processes may take.

use core::fmt;

/// What a group of processes may take; [`None`]: as much as there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of memory, tables included.
    pub mem: Option<u64>,
    /// Percent of one CPU.
    pub cpu: Option<u32>,
    /// Processes at a time.
    pub pids: Option<u32>,
    /// Open files at a time.
    pub fds: Option<u32>,
}

/// What each key takes.
const BYTES: &str = "bytes such as 4M, 4096 at least";
const SHARE: &str = "a share such as 20%, 1% to 100%";
const NUMBER: &str = "a number from 1 on";

impl Quota {
    /// The keys, as unit files and the command `limit` have them.
    pub const KEYS: [&str; 4] = ["mem", "cpu", "pids", "fds"];

    /// Sets one.
    ///
    /// # Errors
    /// What the key takes; nothing changed.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match key {
            "mem" => self.mem = Some(bytes(value).filter(|&bytes| bytes >= 4096).ok_or(BYTES)?),
            "cpu" => self.cpu = Some(share(value).ok_or(SHARE)?),
            "pids" => self.pids = Some(number(value).ok_or(NUMBER)?),
            "fds" => self.fds = Some(number(value).ok_or(NUMBER)?),
            _ => return Err("mem, cpu, pids or fds"),
        }
        Ok(())
    }

    /// As lines of a unit file.
    pub(super) fn lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mem.map_or(Ok(()), |bytes| writeln!(f, "mem = {bytes}"))?;
        self.cpu.map_or(Ok(()), |percent| writeln!(f, "cpu = {percent}%"))?;
        self.pids.map_or(Ok(()), |most| writeln!(f, "pids = {most}"))?;
        self.fds.map_or(Ok(()), |most| writeln!(f, "fds = {most}"))
    }
}

fn digits<T: core::str::FromStr>(word: &str) -> Option<T> {
    word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()))
}

fn number(word: &str) -> Option<u32> {
    digits(word).filter(|&number| number > 0)
}

fn share(word: &str) -> Option<u32> {
    digits(word.strip_suffix('%')?).filter(|percent| (1..=100).contains(percent))
}

/// `512`, `512K`, `4M`, `1G`.
fn bytes(word: &str) -> Option<u64> {
    let units = [("K", 10), ("M", 20), ("G", 30)];
    let unit = units.iter().find_map(|(unit, shift)| Some((word.strip_suffix(unit)?, *shift)));
    let (number, shift) = unit.unwrap_or((word, 0));
    digits::<u64>(number)?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_and_bounds() {
        for (key, value, fine) in [
            ("mem", "4096", true),
            ("mem", "4K", true),
            ("mem", "4095", false),
            ("mem", "18446744073709551615G", false),
            ("mem", "+5000", false),
            ("cpu", "100%", true),
            ("cpu", "101%", false),
            ("cpu", "20", false),
            ("pids", "1", true),
            ("fds", "0", false),
            ("net", "1", false),
        ] {
            let mut quota = Quota::default();
            assert_eq!(quota.set(key, value).is_ok(), fine, "{key} = {value}");
            assert_eq!(quota != Quota::default(), fine, "{key} = {value}");
        }
    }
}
