//! [`Fixed`]: a directory of names that stay, and perhaps another behind them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Body, Identity, Listed, Synthetic, SyntheticDir};
use crate::attr::Mode;
use crate::name::{Name, NameError};

/// Names that stay, in the order in which they were added; behind them those of another directory, as in `/proc`.
#[derive(Debug, Default)]
pub struct Fixed {
    entries: Vec<(&'static str, Mode, Body)>,
    rest: Option<Arc<dyn SyntheticDir>>,
}

impl Fixed {
    /// No names.
    pub const fn new() -> Self {
        Self { entries: Vec::new(), rest: None }
    }

    /// Adds a name of root's. Of two equal names the first is found. Allocates.
    ///
    /// # Errors
    /// What makes it no name.
    pub fn with(mut self, name: &'static str, mode: Mode, body: Body) -> Result<Self, NameError> {
        Name::new(name.as_bytes())?;
        self.entries.push((name, mode, body));
        Ok(self)
    }

    /// Adds the names of `rest` behind these; its keys are counted from the last of these on.
    #[must_use]
    pub fn and(mut self, rest: Arc<dyn SyntheticDir>) -> Self {
        self.rest = Some(rest);
        self
    }
}

impl SyntheticDir for Fixed {
    fn find(&self, name: Name<'_>) -> Option<Synthetic> {
        let mut entries = (0..).zip(&self.entries);
        if let Some((key, (_, mode, body))) = entries.find(|(_, entry)| entry.0.as_bytes() == name.as_bytes())
        {
            let found = Synthetic::new(body.clone(), Identity { key, generation: 0 });
            return Some(Synthetic { mode: *mode, ..found });
        }
        let mut found = self.rest.as_ref()?.find(name)?;
        found.identity.key += self.entries.len() as u64;
        Some(found)
    }

    fn list(&self, from: u64, each: &mut dyn FnMut(Listed<'_>) -> bool) {
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        for (key, (name, _, body)) in (0..).zip(&self.entries).skip(skip) {
            let Ok(name) = Name::new(name.as_bytes()) else { continue };
            if !each(Listed { name, identity: Identity { key, generation: 0 }, kind: body.kind() }) {
                return;
            }
        }
        let count = self.entries.len() as u64;
        if let Some(rest) = &self.rest {
            rest.list(from.saturating_sub(count), &mut |listed| {
                let identity = Identity { key: listed.identity.key + count, ..listed.identity };
                each(Listed { identity, ..listed })
            });
        }
    }
}
