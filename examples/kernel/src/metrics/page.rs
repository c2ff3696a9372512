//! [`Page`]: text of OpenMetrics 1.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), family by family.

use alloc::string::String;
use core::fmt::{self, Write};

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What there is now.
    Gauge,
    /// What only grows.
    Counter,
}

/// A page that grows as long as there is memory.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    name: &'static str,
    counter: bool,
}

impl Page {
    /// Begins a family. A name that ends in a unit of OpenMetrics has it told.
    ///
    /// # Errors
    /// There is no memory.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> fmt::Result {
        const UNITS: [&str; 3] = ["bytes", "seconds", "ratio"];
        (self.name, self.counter) = (name, kind == Kind::Counter);
        let kind = if self.counter { "counter" } else { "gauge" };
        writeln!(self, "# TYPE {name} {kind}")?;
        let unit = name.rsplit('_').next().filter(|unit| UNITS.contains(unit));
        unit.map_or(Ok(()), |unit| writeln!(self, "# UNIT {name} {unit}"))?;
        writeln!(self, "# HELP {name} {help}")
    }

    /// A sample of the family. Values of labels are escaped.
    ///
    /// # Errors
    /// There is no memory.
    pub fn sample(&mut self, labels: &[(&str, &dyn fmt::Display)], value: impl fmt::Display) -> fmt::Result {
        let total = if self.counter { "_total" } else { "" };
        let name = self.name;
        write!(self, "{name}{total}")?;
        for (index, (name, value)) in labels.iter().enumerate() {
            write!(self, "{}{name}=\"", if index == 0 { '{' } else { ',' })?;
            write!(Escaped(self), "{value}")?;
            self.write_char('"')?;
        }
        if !labels.is_empty() {
            self.write_char('}')?;
        }
        writeln!(self, " {value}")
    }

    /// The whole page.
    ///
    /// # Errors
    /// There is no memory.
    pub fn finish(mut self) -> Result<String, fmt::Error> {
        self.write_str("# EOF\n")?;
        Ok(self.text)
    }
}

impl Write for Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
}

/// The value of a label.
struct Escaped<'a>(&'a mut Page);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            '\\' => self.0.write_str("\\\\"),
            '"' => self.0.write_str("\\\""),
            '\n' => self.0.write_str("\\n"),
            other => self.0.write_char(other),
        })
    }
}

/// Parts of a whole as a decimal fraction: nanoseconds of a second, millionths of one.
#[derive(Clone, Copy, Debug)]
pub struct Fraction<const DIGITS: usize>(pub u64);

/// Nanoseconds in seconds.
#[must_use]
pub const fn seconds(ns: u64) -> Fraction<9> {
    Fraction(ns)
}

/// Parts per million of the whole.
#[must_use]
pub const fn ratio(ppm: u32) -> Fraction<6> {
    Fraction(ppm as u64)
}

impl<const DIGITS: usize> fmt::Display for Fraction<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = (0..DIGITS).fold(1_u64, |whole, _| whole.saturating_mul(10));
        write!(f, "{}.{:0DIGITS$}", self.0 / whole, self.0 % whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_family_is_written_as_the_specification_has_it() {
        let mut page = Page::default();
        page.family("kos_cpu_seconds", Kind::Counter, "Time.").unwrap();
        page.sample(&[("cpu", &0), ("mode", &"bu\"s\\y\n")], seconds(1_500_000_000)).unwrap();
        page.family("kos_cpus", Kind::Gauge, "CPUs.").unwrap();
        page.sample(&[], 4).unwrap();
        let text = "# TYPE kos_cpu_seconds counter\n# UNIT kos_cpu_seconds seconds\n# HELP kos_cpu_seconds Time.\n\
            kos_cpu_seconds_total{cpu=\"0\",mode=\"bu\\\"s\\\\y\\n\"} 1.500000000\n\
            # TYPE kos_cpus gauge\n# HELP kos_cpus CPUs.\nkos_cpus 4\n# EOF\n";
        assert_eq!(page.finish().unwrap(), text);
    }

    #[test]
    fn fractions_keep_their_zeros() {
        assert_eq!(ratio(1_000_001).to_string(), "1.000001");
        assert_eq!(seconds(7).to_string(), "0.000000007");
    }
}
