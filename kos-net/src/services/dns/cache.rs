//! What was answered before: [`Cache`].

use heapless::Vec;

use super::answer::Answer;
use super::query::DnsError;
use crate::time::Instant;
use crate::wire::dns::DnsType;

/// A name as it is asked for: labels with dots between them, in lower case.
pub(super) type Name = Vec<u8, 253>;

#[derive(Clone, Debug)]
struct Entry {
    name: Name,
    kind: DnsType,
    result: Result<Answer, DnsError>,
    until: Instant,
    used: Instant,
}

/// Up to `N` answers, negative ones too.
#[derive(Clone, Debug)]
pub(super) struct Cache<const N: usize>(Vec<Entry, N>);

impl<const N: usize> Cache<N> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn get(
        &mut self,
        now: Instant,
        name: &Name,
        kind: DnsType,
    ) -> Option<&Result<Answer, DnsError>> {
        let entry =
            self.0.iter_mut().find(|entry| entry.kind == kind && entry.name == *name && entry.until > now)?;
        entry.used = now;
        Some(&entry.result)
    }

    /// Remembers an answer for `ttl` seconds, in place of an older one, one that ended, or the one not used for longest.
    pub(super) fn put(
        &mut self,
        now: Instant,
        name: &Name,
        kind: DnsType,
        result: Result<Answer, DnsError>,
        ttl: u32,
    ) {
        let ns = u64::from(ttl) * 1_000_000_000;
        let Some(until) = now.as_ticks().checked_add(ns).map(Instant::from_ticks) else { return };
        let entry = Entry { name: name.clone(), kind, result, until, used: now };
        let same = self.0.iter().position(|other| other.kind == kind && other.name == *name);
        let Some(place) = same.or_else(|| self.0.is_full().then(|| self.oldest(now)).flatten()) else {
            let _full = self.0.push(entry); // Only without room for a single one.
            return;
        };
        if let Some(place) = self.0.get_mut(place) {
            *place = entry;
        }
    }

    fn oldest(&self, now: Instant) -> Option<usize> {
        let rank = |entry: &Entry| (entry.until > now).then_some(entry.used);
        self.0.iter().enumerate().min_by_key(|(_, entry)| rank(entry)).map(|(place, _)| place)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
