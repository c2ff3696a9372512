//! Segments as text: `SA 0 ack 1 win 1000 <mss 1460,sackok,scale 7,ts 5:6,sack 10-20 30-40>`, data as `A 1:101 ack 1`.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::wire::{SackBlock, SackBlocks, SeqNumber, TcpFlags, TcpOptions, TcpTimestamps};

/// A segment of a script; what it does not say is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) flags: TcpFlags,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) ack: Option<u64>,
    pub(super) window: Option<u16>,
    pub(super) options: Option<TcpOptions>,
}

pub(super) fn number<T: core::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number"))
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (fields, options) = match text.split_once('<') {
            None => (text, None),
            Some((fields, rest)) => (fields, Some(options(rest.trim_end_matches('>'))?)),
        };
        let words: Vec<&str> = fields.split_whitespace().collect();
        let (Some(flags), Some(places)) = (words.first(), words.get(1)) else {
            return Err("flags and a place are wanted".to_string());
        };
        let (start, end) = places.split_once(':').unwrap_or((places, places));
        let value = |name: &str| {
            let at = words.iter().position(|word| *word == name);
            at.and_then(|at| words.get(at + 1))
        };
        Ok(Self {
            flags: self::flags(flags)?,
            start: number(start)?,
            end: number(end)?,
            ack: value("ack").map(|text| number(text)).transpose()?,
            window: value("win").map(|text| number(text)).transpose()?,
            options,
        })
    }
}

fn flags(text: &str) -> Result<TcpFlags, String> {
    text.chars().try_fold(TcpFlags::empty(), |all, one| {
        Ok(all
            | match one {
                'S' => TcpFlags::SYN,
                'F' => TcpFlags::FIN,
                'R' => TcpFlags::RST,
                'P' => TcpFlags::PSH,
                'A' => TcpFlags::ACK,
                'U' => TcpFlags::URG,
                '-' => TcpFlags::empty(),
                other => return Err(format!("{other:?} is no flag")),
            })
    })
}

/// The places of SACK blocks are taken as they are: who knows the initial number adds it.
fn options(text: &str) -> Result<TcpOptions, String> {
    let mut options = TcpOptions::default();
    for option in text.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        let (name, rest) = option.split_once(' ').unwrap_or((option, ""));
        match name {
            "mss" => options.mss = Some(number(rest)?),
            "scale" => options.window_scale = Some(number(rest)?),
            "sackok" => options.sack_permitted = true,
            "ts" => {
                let (value, echo) = rest.split_once(':').ok_or("ts is value:echo")?;
                options.timestamps = Some(TcpTimestamps { value: number(value)?, echo: number(echo)? });
            }
            "sack" => options.sack = SackBlocks::new(blocks(rest)?),
            other => return Err(format!("{other:?} is no option")),
        }
    }
    Ok(options)
}

fn blocks(text: &str) -> Result<Vec<SackBlock>, String> {
    text.split_whitespace()
        .map(|block| {
            let (start, end) = block.split_once('-').ok_or("a block is start-end")?;
            Ok(SackBlock { start: SeqNumber(number(start)?), end: SeqNumber(number(end)?) })
        })
        .collect()
}

/// The blocks of `options`, `by` further on.
pub(super) fn shifted(mut options: TcpOptions, by: SeqNumber) -> TcpOptions {
    let shift = |block: &SackBlock| SackBlock { start: by.plus(block.start.0), end: by.plus(block.end.0) };
    let blocks: Vec<SackBlock> = options.sack.as_slice().iter().map(shift).collect();
    options.sack = SackBlocks::new(blocks);
    options
}

/// Options as a script writes them, blocks counted from `origin`.
pub(super) fn text_of(options: &TcpOptions, origin: SeqNumber) -> String {
    let place = |place: SeqNumber| place.since(origin);
    let blocks = options.sack.as_slice().iter();
    let blocks: Vec<String> =
        blocks.map(|block| format!("{}-{}", place(block.start), place(block.end))).collect();
    let all = [
        options.mss.map(|mss| format!("mss {mss}")),
        options.sack_permitted.then(|| "sackok".to_string()),
        options.timestamps.map(|clock| format!("ts {}:{}", clock.value, clock.echo)),
        options.window_scale.map(|scale| format!("scale {scale}")),
        (!blocks.is_empty()).then(|| format!("sack {}", blocks.join(" "))),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(",")
}
