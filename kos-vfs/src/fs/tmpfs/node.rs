//! A file in memory, and the table of one shard.

use alloc::vec::Vec;

use super::dir::Names;
use super::pages::Pages;
use super::xattr::Xattrs;
use crate::attr::{Attr, Ino};
use crate::error::FsError;

/// What is in a file.
#[derive(Debug)]
pub(super) enum Body {
    File(Pages),
    Dir(Names),
    Link(Vec<u8>),
    /// Pipes, sockets and devices have nothing.
    Special,
    /// A slot without a file; the next such slot of the shard.
    Free(Option<usize>),
}

/// One file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) attr: Attr,
    pub(super) uses: u32,
    pub(super) body: Body,
    pub(super) xattrs: Xattrs,
}

impl Node {
    pub(super) fn is(&self, ino: Ino) -> bool {
        self.attr.ino == ino && !matches!(self.body, Body::Free(_))
    }

    pub(super) fn names(&self) -> Result<&Names, FsError> {
        match &self.body {
            Body::Dir(names) => Ok(names),
            _ => Err(FsError::NotDirectory),
        }
    }

    pub(super) fn names_mut(&mut self) -> Result<&mut Names, FsError> {
        match &mut self.body {
            Body::Dir(names) => Ok(names),
            _ => Err(FsError::NotDirectory),
        }
    }

    pub(super) fn pages(&self) -> Result<&Pages, FsError> {
        match &self.body {
            Body::File(pages) => Ok(pages),
            Body::Dir(_) => Err(FsError::IsDirectory),
            _ => Err(FsError::Unsupported),
        }
    }

    pub(super) fn pages_mut(&mut self) -> Result<&mut Pages, FsError> {
        match &mut self.body {
            Body::File(pages) => Ok(pages),
            Body::Dir(_) => Err(FsError::IsDirectory),
            _ => Err(FsError::Unsupported),
        }
    }
}

/// Some of the files.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) nodes: Vec<Node>,
    pub(super) free: Option<usize>,
}

impl Shard {
    /// Puts a file with one use into a slot; `number` says what number it has there.
    pub(super) fn add(
        &mut self,
        mut attr: Attr,
        body: Body,
        number: impl Fn(usize) -> u64,
    ) -> Result<Ino, FsError> {
        let slot = self.free.unwrap_or(self.nodes.len());
        attr.ino = Ino { number: number(slot), generation: 0 };
        if let Some(old) = self.nodes.get_mut(slot) {
            if let Body::Free(next) = old.body {
                self.free = next;
            }
            attr.ino.generation = old.attr.ino.generation.wrapping_add(1);
            *old = Node { attr, uses: 1, body, xattrs: Xattrs::default() };
        } else {
            self.nodes.try_reserve(1)?;
            self.nodes.push(Node { attr, uses: 1, body, xattrs: Xattrs::default() });
        }
        Ok(attr.ino)
    }

    pub(super) fn free(&mut self, slot: usize) {
        if let Some(node) = self.nodes.get_mut(slot) {
            node.body = Body::Free(self.free.replace(slot));
        }
    }
}
