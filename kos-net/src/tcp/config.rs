//! What holds for every connection: [`TcpConfig`]; what each may choose: [`TcpSettings`].
//!
//! Source: RFC 9293 section 3.8, RFC 1122 section 4.2.3.6, RFC 5482; the figures are those of Linux.

use super::loss::LossConfig;
use crate::time::Duration;

/// The limits and times of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpConfig {
    /// How often a SYN is sent again.
    pub syn_retries: u8,
    /// How often a listener sends a SYN-ACK again.
    pub syn_ack_retries: u8,
    /// How often data are sent again without any answer before the connection is given up.
    pub retries: u8,
    /// The same for a connection that its user has closed.
    pub orphan_retries: u8,
    /// The limits of the timer that sends again, and of the first window.
    pub loss: LossConfig,
    /// How long an acknowledgement may wait for data to travel with.
    pub delayed_ack: Duration,
    /// How long a connection that its user has closed waits for the peer to close.
    pub orphan_timeout: Duration,
    /// The least time between two answers of one connection to segments out of its window that carry nothing.
    pub answer_interval: Duration,
    /// Whether timestamps are offered (RFC 7323).
    pub timestamps: bool,
    /// Whether selective acknowledgement is offered (RFC 2018).
    pub sack: bool,
    /// Whether window scaling is offered (RFC 7323).
    pub window_scaling: bool,
    /// What each connection starts with.
    pub settings: TcpSettings,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            syn_retries: 6,
            syn_ack_retries: 5,
            retries: 15,
            orphan_retries: 8,
            loss: LossConfig::default(),
            delayed_ack: Duration::from_millis(40),
            orphan_timeout: Duration::from_secs(60),
            answer_interval: Duration::from_millis(500),
            timestamps: true,
            sack: true,
            window_scaling: true,
            settings: TcpSettings::default(),
        }
    }
}

/// When a silent connection is asked whether it still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Seconds of silence before the first question.
    pub idle: u32,
    /// Seconds between two questions.
    pub interval: u32,
    /// Questions without an answer before the connection is given up.
    pub count: u8,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { idle: 7200, interval: 75, count: 9 }
    }
}

/// What the user of a connection may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpSettings {
    /// Small segments go at once (`TCP_NODELAY`).
    pub no_delay: bool,
    /// Only full segments go, at most 200 ms late (`TCP_CORK`).
    pub cork: bool,
    /// Closing throws away what was not sent, and resets (`SO_LINGER` with zero).
    pub reset_on_close: bool,
    /// Whether and how to ask a silent peer (`SO_KEEPALIVE`).
    pub keep_alive: Option<KeepAlive>,
    /// Milliseconds that data may stay without an answer (`TCP_USER_TIMEOUT`); 0: as many as the tries take.
    pub user_timeout: u32,
}

/// [`TcpSettings`] in 16 bytes, as each connection keeps them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    idle: u32,
    interval: u32,
    user_timeout: u32,
    count: u8,
    bits: Bits,
}

bitflags::bitflags! {
    #[derive(Clone, Copy, Debug)]
    struct Bits: u8 {
        const NO_DELAY = 1 << 0;
        const CORK = 1 << 1;
        const RESET_ON_CLOSE = 1 << 2;
        const KEEP_ALIVE = 1 << 3;
    }
}

impl From<TcpSettings> for Chosen {
    fn from(settings: TcpSettings) -> Self {
        let TcpSettings { no_delay, cork, reset_on_close, keep_alive, user_timeout } = settings;
        let mut bits = Bits::empty();
        bits.set(Bits::NO_DELAY, no_delay);
        bits.set(Bits::CORK, cork);
        bits.set(Bits::RESET_ON_CLOSE, reset_on_close);
        bits.set(Bits::KEEP_ALIVE, keep_alive.is_some());
        let KeepAlive { idle, interval, count } = keep_alive.unwrap_or_default();
        Self { idle, interval, user_timeout, count, bits }
    }
}

impl Chosen {
    pub(super) const fn settings(&self) -> TcpSettings {
        let keep_alive = KeepAlive { idle: self.idle, interval: self.interval, count: self.count };
        TcpSettings {
            no_delay: self.bits.contains(Bits::NO_DELAY),
            cork: self.bits.contains(Bits::CORK),
            reset_on_close: self.bits.contains(Bits::RESET_ON_CLOSE),
            keep_alive: if self.bits.contains(Bits::KEEP_ALIVE) { Some(keep_alive) } else { None },
            user_timeout: self.user_timeout,
        }
    }
}
