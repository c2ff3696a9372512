//! What the user of a connection does, and the network around it.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use super::super::segment::number;
use super::{CLOCK, Done, Host, START, byte, check};
use crate::tcp::clock::after;
use crate::tcp::congestion::NewReno;
use crate::tcp::listener::Listener;
use crate::tcp::receiver::Gap;
use crate::tcp::tcb::{Opening, Tcb};
use crate::tcp::{KeepAlive, Unreachable};
use crate::time::Duration;

impl Host {
    pub(super) fn set(&mut self, words: &[&str]) -> Done {
        let [name, values @ ..] = words else { return Err("what is to be set?".to_string()) };
        let on = values.last() != Some(&"off");
        let value = || values.first().copied().ok_or_else(|| "a value is wanted".to_string());
        let mut settings = self.tcb.as_ref().map_or(self.config.settings, |tcb| tcb.settings());
        match *name {
            "mss" => self.mss = number(value()?)?,
            "limit" => self.limit = number(value()?)?,
            "ring" => {
                let length = number(value()?)?;
                (self.send, self.receive) = (vec![0; length], vec![0; length]);
            }
            "gaps" => self.gaps = vec![Gap::default(); number(value()?)?],
            "rtt" => self.round_trip = Duration::from_millis(number(value()?)?),
            "clocks" => self.config.timestamps = true,
            "nosack" => self.config.sack = false,
            "scale" => self.config.window_scaling = true,
            "retries" => {
                self.config.retries = number(value()?)?;
                (self.config.syn_retries, self.config.orphan_retries) =
                    (self.config.retries, self.config.retries);
            }
            "nodelay" => settings.no_delay = on,
            "cork" => settings.cork = on,
            "linger0" => settings.reset_on_close = on,
            "uto" => settings.user_timeout = number(value()?)?,
            "keepalive" => {
                let [idle, interval, count] = values else { return Err("three numbers".to_string()) };
                let keep =
                    KeepAlive { idle: number(idle)?, interval: number(interval)?, count: number(count)? };
                settings.keep_alive = Some(keep);
            }
            other => return Err(format!("{other:?} cannot be set")),
        }
        match &mut self.tcb {
            Some(tcb) => tcb.set(settings),
            None => self.config.settings = settings,
        }
        Ok(())
    }

    /// The handshake from our side, with the peer's window and options.
    pub(super) fn open(&mut self, line: &str) -> Done {
        let rest = line.strip_prefix("open").unwrap_or_default();
        let (window, options) = rest.split_once('<').unwrap_or((rest, ""));
        self.act("connect", &[])?;
        self.line("> S 0")?;
        self.now = after(self.now, self.round_trip);
        let options = options.trim_end_matches('>');
        self.line(&format!("< SA 0 ack 1 win {} <{options}>", window.trim()))?;
        self.line("> A 1 ack 1")
    }

    pub(super) fn act(&mut self, command: &str, words: &[&str]) -> Done {
        let first = words.first().copied().unwrap_or_default();
        match command {
            "connect" => self.connect(),
            "listen" => {
                let listener = Listener::new(number(first)?);
                self.listener = Some((listener, vec![None; listener.records()]));
            }
            "write" => return self.write(words),
            "read" => return self.take(number(first)?),
            "icmp" => return self.icmp(words),
            "path" => return self.set_path_mss(number(first)?),
            "shutdown" | "close" | "abort" => {
                let now = self.now;
                let tcb = self.connection()?;
                match command {
                    "shutdown" => tcb.shutdown_write(now),
                    "close" => tcb.close(now),
                    _ => tcb.abort(now),
                }
            }
            other => return Err(format!("{other:?} is no command")),
        }
        Ok(())
    }

    fn set_path_mss(&mut self, mss: u16) -> Done {
        let tcb = self.tcb.as_mut().ok_or_else(|| "there is no connection".to_string())?;
        tcb.set_path_mss(mss, &mut self.sent);
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut Tcb<NewReno>, String> {
        self.tcb.as_mut().ok_or_else(|| "there is no connection".to_string())
    }

    fn connect(&mut self) {
        self.rest = None;
        let opening = Opening {
            initial: self.local,
            clock_offset: CLOCK.wrapping_sub(crate::tcp::clock_of_wire(START)),
            mss: self.mss,
            capacity: self.receive.len(),
        };
        self.tcb = Some(Tcb::connect(self.now, &self.config, &opening));
    }

    fn write(&mut self, words: &[&str]) -> Done {
        let (count, fits) = match words {
            [count] => (number(count)?, number(count)?),
            [count, "=", fits] => (number::<usize>(count)?, number::<usize>(fits)?),
            _ => return Err("write N, or write N = M".to_string()),
        };
        let mut done = 0;
        let at = self.written;
        let Some(tcb) = &mut self.tcb else { return Err("there is no connection".to_string()) };
        loop {
            let wrote = tcb.send(&mut self.send, |room| {
                let room_length = room.len().min(count - done);
                for (place, slot) in room.iter_mut().take(room_length).enumerate() {
                    *slot = byte(at + (done + place) as u64);
                }
                (room_length, room_length)
            });
            match wrote {
                Some(wrote) if wrote > 0 => done += wrote,
                _ => break,
            }
        }
        self.written += done as u64;
        check(done == fits, || format!("{done} bytes fit"))
    }

    fn take(&mut self, count: usize) -> Done {
        let now = self.now;
        let mut all = Vec::new();
        let Some(tcb) = &mut self.tcb else { return Err("there is no connection".to_string()) };
        while all.len() < count && tcb.readable() > 0 {
            let left = count - all.len();
            all.extend(tcb.receive(now, &mut self.receive, |bytes| {
                let some: Vec<u8> = bytes.iter().copied().take(left).collect();
                (some.len(), some)
            }));
        }
        let right = all.iter().zip(self.read..).all(|(found, place)| *found == byte(place));
        self.read += all.len() as u64;
        check(all.len() == count, || format!("{} bytes were there", all.len()))?;
        check(right, || "the bytes are wrong".to_string())
    }

    fn icmp(&mut self, words: &[&str]) -> Done {
        let [kind, place] = words else { return Err("icmp KIND PLACE".to_string()) };
        let error = match *kind {
            "network" => Unreachable::Network,
            "host" => Unreachable::Host,
            "protocol" => Unreachable::Protocol,
            "port" => Unreachable::Port,
            "prohibited" => Unreachable::Prohibited,
            "expired" => Unreachable::Expired,
            other => return Err(format!("{other:?} is no error")),
        };
        let (now, quoted) = (self.now, self.local.plus(number(place)?));
        self.connection()?.on_icmp(now, quoted, error);
        Ok(())
    }
}
