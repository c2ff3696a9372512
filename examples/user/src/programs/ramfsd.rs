//! A file system as a program: [`ramfs`] behind an endpoint.

use crate::abi::{FOR_EVER, Incoming, rights};
use crate::io::{Line, Words};
use crate::ipc::{self, Cap};
use crate::ramfs::store::{Block, Entry, Node, Store};
use crate::ramfs::{self, SERVICE, SIZES, Transport};
use crate::sys::{self, Errno};

/// `ramfsd`: serves until it is ended.
pub(super) fn run(_: Words<'_>) -> u8 {
    match start() {
        Ok(()) => 0,
        Err(error) => {
            Line::say(format_args!("ramfsd: error {}", error.0));
            1
        }
    }
}

fn start() -> Result<(), Errno> {
    let nodes = sys::memory(SIZES.0, Node::new)?;
    let (entries, blocks) = (sys::memory(SIZES.1, Entry::new)?, sys::memory(SIZES.2, Block::new)?);
    let mut store = Store::new(nodes, entries, blocks).ok_or(Errno::NOMEM)?;
    let endpoint = ipc::endpoint()?;
    let client = ipc::duplicate(endpoint, rights::WRITE | rights::DUPLICATE | rights::TRANSFER)?;
    ipc::publish(ipc::names()?, SERVICE, client)?;
    ramfs::serve(&mut store, &mut Calls { endpoint, incoming: Incoming::default() });
    Ok(())
}

/// Calls of an endpoint as requests.
struct Calls {
    endpoint: Cap,
    incoming: Incoming,
}

impl Transport for Calls {
    fn next(&mut self, answer: Option<ramfs::Words>) -> Option<ramfs::Words> {
        let message = &mut self.incoming.message;
        match answer {
            Some(answer) => {
                (message.label, message.words) = (answer.label, answer.words);
                message.caps = [0; 4];
                ipc::reply_receive(self.endpoint, &mut self.incoming, FOR_EVER).ok()?;
            }
            None => ipc::receive(self.endpoint, &mut self.incoming, FOR_EVER).ok()?,
        }
        let message = &self.incoming.message;
        Some(ramfs::Words { label: message.label, words: message.words })
    }

    fn read(&mut self, offset: u64, to: &mut [u8]) -> bool {
        ipc::lease_read(self.incoming.reply, 0, offset, to).is_ok()
    }

    fn write(&mut self, offset: u64, from: &[u8]) -> bool {
        ipc::lease_write(self.incoming.reply, 0, offset, from).is_ok()
    }
}
