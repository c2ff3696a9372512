//! The options of TCP: [`TcpOptions`].
//!
//! Source: RFC 9293 section 3.1, RFC 7323 (scale, timestamps), RFC 2018 (SACK). They are written in the order and with the
//! padding that Linux writes, since middleboxes are tested with that. An option that is malformed ends the reading; what was
//! read before it counts.

use super::bytes::{Reader, Writer};
use super::{NoRoom, SeqNumber};

/// The most bytes of options.
pub const MAX_OPTIONS: usize = 40;
/// The most blocks of a selective acknowledgement.
pub const MAX_SACK_BLOCKS: usize = 4;
/// The largest shift of a window (RFC 7323, section 2.3).
pub const MAX_WINDOW_SCALE: u8 = 14;

const END: u8 = 0;
const NOTHING: u8 = 1;
const MSS: u8 = 2;
const SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// Two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpTimestamps {
    /// The sender's.
    pub value: u32,
    /// The last that it got, if the segment acknowledges something; else it means nothing.
    pub echo: u32,
}

/// A range of bytes that came: from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlock {
    /// Its first byte.
    pub start: SeqNumber,
    /// The byte behind its last.
    pub end: SeqNumber,
}

/// Up to [`MAX_SACK_BLOCKS`] of them, the newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlocks {
    blocks: [SackBlock; MAX_SACK_BLOCKS],
    count: usize,
}

impl SackBlocks {
    /// As many of `blocks` as there is room for.
    #[must_use]
    pub fn new(blocks: impl IntoIterator<Item = SackBlock>) -> Self {
        let mut all = Self::default();
        for (slot, block) in all.blocks.iter_mut().zip(blocks) {
            *slot = block;
            all.count += 1;
        }
        all
    }

    /// The blocks.
    #[must_use]
    pub fn as_slice(&self) -> &[SackBlock] {
        self.blocks.get(..self.count).unwrap_or_default()
    }
}

/// The options of one segment. Unknown ones are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// The largest segment that the sender takes, in bytes of data.
    pub mss: Option<u16>,
    /// By how many bits its window is shifted; read as at most [`MAX_WINDOW_SCALE`].
    pub window_scale: Option<u8>,
    /// Whether it understands SACK.
    pub sack_permitted: bool,
    /// Its clocks.
    pub timestamps: Option<TcpTimestamps>,
    /// What came beyond the acknowledgement.
    pub sack: SackBlocks,
}

impl TcpOptions {
    /// Reads options, up to the first that is malformed.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let (mut options, mut reader) = (Self::default(), Reader::new(bytes));
        while let Ok(kind) = reader.byte() {
            match kind {
                END => break,
                NOTHING => {}
                kind => {
                    let length = reader.byte().ok().and_then(|length| usize::from(length).checked_sub(2));
                    let Some(Ok(data)) = length.map(|length| reader.take(length)) else { break };
                    options.learn(kind, data);
                }
            }
        }
        options
    }

    /// Takes one option in; one of the wrong length is skipped.
    fn learn(&mut self, kind: u8, data: &[u8]) {
        match (kind, data) {
            (MSS, &[a, b]) => self.mss = Some(u16::from_be_bytes([a, b])),
            (SCALE, &[shift]) => self.window_scale = Some(shift.min(MAX_WINDOW_SCALE)),
            (SACK_PERMITTED, []) => self.sack_permitted = true,
            (SACK, blocks) => {
                let (blocks, []) = blocks.as_chunks::<8>() else { return };
                self.sack = SackBlocks::new(blocks.iter().map(|&[a, b, c, d, e, f, g, h]| SackBlock {
                    start: SeqNumber(u32::from_be_bytes([a, b, c, d])),
                    end: SeqNumber(u32::from_be_bytes([e, f, g, h])),
                }));
            }
            (TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
                let (value, echo) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                self.timestamps = Some(TcpTimestamps { value, echo });
            }
            _ => {}
        }
    }

    /// Writes the options; returns how many bytes that is, a multiple of 4. With timestamps there is room for three blocks of
    /// SACK; a fourth is left out.
    ///
    /// # Errors
    /// `out` is too short; [`MAX_OPTIONS`] are always enough.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        if let Some(mss) = self.mss {
            writer.bytes(&[MSS, 4])?;
            writer.bytes(&mss.to_be_bytes())?;
        }
        match (self.sack_permitted, self.timestamps) {
            (true, Some(_)) => writer.bytes(&[SACK_PERMITTED, 2])?,
            (true, None) => writer.bytes(&[NOTHING, NOTHING, SACK_PERMITTED, 2])?,
            (false, Some(_)) => writer.bytes(&[NOTHING, NOTHING])?,
            (false, None) => {}
        }
        if let Some(TcpTimestamps { value, echo }) = self.timestamps {
            writer.bytes(&[TIMESTAMPS, 10])?;
            writer.bytes(&value.to_be_bytes())?;
            writer.bytes(&echo.to_be_bytes())?;
        }
        if let Some(shift) = self.window_scale {
            writer.bytes(&[NOTHING, SCALE, 3, shift])?;
        }
        self.emit_sack(&mut writer)?;
        Ok(writer.position())
    }

    fn emit_sack(&self, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        let room = (MAX_OPTIONS.saturating_sub(writer.position() + 4)) / 8;
        let blocks = self.sack.as_slice();
        let blocks = blocks.get(..room.min(blocks.len())).unwrap_or_default();
        let Some(length) = u8::try_from(blocks.len() * 8 + 2).ok().filter(|_| !blocks.is_empty()) else {
            return Ok(());
        };
        writer.bytes(&[NOTHING, NOTHING, SACK, length])?;
        for block in blocks {
            writer.bytes(&block.start.0.to_be_bytes())?;
            writer.bytes(&block.end.0.to_be_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use super::{MAX_OPTIONS, SackBlock, SackBlocks, TcpOptions, TcpTimestamps};
    use crate::wire::SeqNumber;

    fn emit(options: &TcpOptions) -> Vec<u8> {
        let mut out = [0; MAX_OPTIONS];
        let length = options.emit(&mut out).unwrap();
        out[..length].to_vec()
    }

    #[test]
    fn a_syn_has_the_layout_of_linux() {
        let options = TcpOptions {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(TcpTimestamps { value: 1, echo: 0 }),
            sack: SackBlocks::default(),
        };
        let layout = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
        assert_eq!(emit(&options), layout);
        assert_eq!(TcpOptions::parse(&layout), options);
    }

    #[test]
    fn a_fourth_block_has_no_room_beside_timestamps() {
        let block = |start| SackBlock { start: SeqNumber(start), end: SeqNumber(start + 1) };
        let mut options = TcpOptions { sack: SackBlocks::new((0..9).map(block)), ..TcpOptions::default() };
        assert_eq!(TcpOptions::parse(&emit(&options)), options);
        options.timestamps = Some(TcpTimestamps::default());
        let read = TcpOptions::parse(&emit(&options));
        assert_eq!(read.sack.as_slice(), [block(0), block(1), block(2)]);
    }

    #[test]
    fn reading_ends_at_the_first_malformed_option() {
        for bad in [&[3][..], &[3, 0], &[3, 1], &[3, 3], &[8, 11, 0]] {
            let bytes = [&[2, 4, 5, 180], bad].concat();
            assert_eq!(TcpOptions::parse(&bytes).mss, Some(1460), "{bad:?}");
        }
        assert_eq!(TcpOptions::parse(&[0, 2, 4, 5, 180]), TcpOptions::default(), "the end of options");
        assert_eq!(TcpOptions::parse(&[3, 3, 99]).window_scale, Some(14));
        // Wrong lengths of known options are skipped, so are unknown options.
        assert_eq!(TcpOptions::parse(&[4, 3, 9, 254, 4, 1, 2, 2, 4, 5, 180]).mss, Some(1460));
    }

    fn any_options() -> impl Strategy<Value = TcpOptions> {
        let block = (any::<u32>(), any::<u32>())
            .prop_map(|(start, end)| SackBlock { start: SeqNumber(start), end: SeqNumber(end) });
        let clocks = (any::<u32>(), any::<u32>()).prop_map(|(value, echo)| TcpTimestamps { value, echo });
        let all = (
            any::<Option<u16>>(),
            prop::option::of(0..=14_u8),
            any::<bool>(),
            prop::option::of(clocks),
            prop::collection::vec(block, 0..=2),
        );
        all.prop_map(|(mss, window_scale, sack_permitted, timestamps, blocks)| TcpOptions {
            mss,
            window_scale,
            sack_permitted,
            timestamps,
            sack: SackBlocks::new(if mss.is_some() { Vec::new() } else { blocks }),
        })
    }

    proptest! {
        #![proptest_config(crate::testing::config())]
        #[test]
        fn what_was_written_is_read(options in any_options()) {
            let bytes = emit(&options);
            prop_assert_eq!(bytes.len() % 4, 0);
            prop_assert_eq!(TcpOptions::parse(&bytes), options);
        }

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..=40)) {
            let once = TcpOptions::parse(&bytes);
            let mut out = [0; MAX_OPTIONS];
            let length = once.emit(&mut out).unwrap();
            let twice = TcpOptions::parse(&out[..length]);
            let kept = |options: &TcpOptions| TcpOptions { sack: SackBlocks::default(), ..*options };
            prop_assert_eq!(kept(&twice), kept(&once));
            prop_assert!(once.sack.as_slice().starts_with(twice.sack.as_slice()));
        }
    }
}
