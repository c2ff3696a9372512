//! [`write_svg`]: a Gantt chart: a lane for each CPU, a colour for each task, an axis of time, a legend.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt::{Result, Write};

use super::super::record::{Mark, Slice, Trace};
use super::super::workload::Workload;
use super::text;

/// Pixels: the chart without its margins, and the margins.
const WIDTH: u64 = 1200;
const LEFT: u64 = 70;
const TOP: u64 = 46;
const RIGHT: u64 = 24;
/// Pixels of a lane, and how much of that its bar takes.
const LANE: u64 = 26;
const BAR: u64 = 20;
/// Pixels of a legend entry, and how many tasks it names.
const ENTRY: (u64, u64) = (150, 20);
const NAMED: usize = 48;

/// Writes the trace as a picture.
///
/// # Errors
/// Those of `out`.
pub fn write_svg(out: &mut impl Write, load: &Workload, trace: &Trace) -> Result {
    let tasks: BTreeSet<u32> = trace.slices().iter().map(|slice| slice.task).collect();
    let lanes = TOP + u64::from(trace.cpus()) * LANE;
    let columns = (WIDTH / ENTRY.0).max(1);
    let rows = (tasks.len().min(NAMED + 1) as u64).div_ceil(columns);
    let height = lanes + 34 + rows * ENTRY.1 + 12;
    let width = LEFT + WIDTH + RIGHT;
    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" "
    )?;
    writeln!(
        out,
        "height=\"{height}\" font-family=\"system-ui,sans-serif\" font-size=\"12\" fill=\"#333\">"
    )?;
    writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")?;
    let end = text::time(trace.length());
    writeln!(out, "<text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{} tasks, {end}</text>", tasks.len())?;
    axis(out, trace, lanes)?;
    lane_names(out, trace.cpus())?;
    for slice in trace.slices() {
        bar(out, load, trace, slice)?;
    }
    marks(out, load, trace)?;
    legend(out, load, &tasks, (lanes + 34, columns))?;
    writeln!(out, "</svg>")
}

/// Hundredths of a pixel from the left edge to `at`.
fn x(trace: &Trace, at: u64) -> u64 {
    let scaled = u128::from(at) * u128::from(WIDTH * 100) / u128::from(trace.length().max(1));
    LEFT * 100 + u64::try_from(scaled).unwrap_or(0)
}

/// Hundredths of a pixel as a number.
struct Hundredths(u64);

impl core::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

fn axis(out: &mut impl Write, trace: &Trace, bottom: u64) -> Result {
    let step = text::step(trace.length());
    for mark in (0..=trace.length() / step).map(|mark| mark * step) {
        let x = Hundredths(x(trace, mark));
        writeln!(out, "<path d=\"M{x} {}V{bottom}\" stroke=\"#ddd\"/>", TOP - 6)?;
        let time = text::time(mark);
        writeln!(
            out,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{time}</text>",
            bottom + 16
        )?;
    }
    Ok(())
}

fn lane_names(out: &mut impl Write, cpus: u32) -> Result {
    for cpu in 0..cpus {
        let y = TOP + u64::from(cpu) * LANE;
        writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{BAR}\" fill=\"#000\" opacity=\".04\"/>"
        )?;
        writeln!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">CPU {cpu}</text>", LEFT - 8, y + 14)?;
    }
    Ok(())
}

fn bar(out: &mut impl Write, load: &Workload, trace: &Trace, slice: &Slice) -> Result {
    let (left, right) = (x(trace, slice.since), x(trace, slice.until));
    // Thin slices stay visible.
    let width = (right - left).max(20);
    let y = TOP + u64::from(slice.cpu) * LANE;
    let (at, width, colour) = (Hundredths(left), Hundredths(width), text::colour(slice.task));
    let (name, since) = (text::xml(&load.name(slice.task)), text::time(slice.since));
    let length = text::time(slice.until - slice.since);
    write!(
        out,
        "<rect x=\"{at}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\" rx=\"1.5\" fill=\"{colour}\">"
    )?;
    writeln!(out, "<title>{name}: {length} from {since}</title></rect>")
}

/// A red triangle above everything for each missed deadline.
fn marks(out: &mut impl Write, load: &Workload, trace: &Trace) -> Result {
    for (at, mark) in trace.marks() {
        let Mark::Late { task } = mark else { continue };
        let (x, name) = (Hundredths(x(trace, *at)), text::xml(&load.name(*task)));
        write!(out, "<path d=\"M{x} {}l-5 -9h10z\" fill=\"#c00\">", TOP - 4)?;
        writeln!(out, "<title>{name}: deadline missed</title></path>")?;
    }
    Ok(())
}

fn legend(
    out: &mut impl Write,
    load: &Workload,
    tasks: &BTreeSet<u32>,
    (top, columns): (u64, u64),
) -> Result {
    let named: Vec<u32> = tasks.iter().copied().take(NAMED).collect();
    let place = |entry: u64| (LEFT + entry % columns * ENTRY.0, top + entry / columns * ENTRY.1);
    for (entry, &task) in (0..).zip(&named) {
        let ((x, y), colour) = (place(entry), text::colour(task));
        write!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{colour}\"/>")?;
        writeln!(out, "<text x=\"{}\" y=\"{}\">{}</text>", x + 18, y + 10, text::xml(&load.name(task)))?;
    }
    if tasks.len() > named.len() {
        let (x, y) = place(named.len() as u64);
        writeln!(out, "<text x=\"{x}\" y=\"{}\">and {} more</text>", y + 10, tasks.len() - named.len())?;
    }
    Ok(())
}
