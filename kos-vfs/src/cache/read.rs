//! Reading through the cache. The file's lock is held, shared at least.

use heapless::Vec as Few;

use super::page::Held;
use super::readahead::Readahead;
use super::{Cache, PAGE, length, page, place, start_of};
use crate::attr::Attr;
use crate::error::FsError;
use crate::ports::Env;
use crate::tree::Node;
use crate::vfs::Vfs;

/// Pages that are copied without asking the table again.
const HITS: usize = 16;

/// What the table has at some place of a file.
struct Hits<'c, E: Env> {
    /// How large the file is, if that is known.
    size: Option<u64>,
    /// Pages one behind the other.
    pages: Few<Held<'c, E>, HITS>,
}

impl<E: Env> Vfs<E> {
    /// What is known of a file now, by its driver and here.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn attr(&self, node: &Node) -> Result<Attr, FsError> {
        if !node.cached {
            return node.fs.attr(node.ino);
        }
        loop {
            let before = self.cache.table.lock().file(node.inode).settled;
            let mut attr = node.fs.attr(node.ino)?;
            let table = self.cache.table.lock();
            let file = table.file(node.inode);
            // Where all of it was written in between, the driver may have been asked before and knew less.
            if file.settled == before {
                file.show(&mut attr);
                return Ok(attr);
            }
        }
    }

    /// The size of a cached file whose lock is held.
    pub(super) fn size_of(&self, node: &Node) -> Result<u64, FsError> {
        let known = self.cache.table.lock().file(node.inode).size;
        if let Some(size) = known {
            return Ok(size);
        }
        let size = node.fs.attr(node.ino)?.size;
        Ok(*self.cache.table.lock().file_mut(node.inode).size.get_or_insert(size))
    }

    /// Fills `out` from byte `offset` of a file on; returns how much there was.
    ///
    /// # Errors
    /// What the driver says, and nothing was read.
    pub(crate) fn read_cached(
        &self,
        node: &Node,
        offset: u64,
        out: &mut [u8],
        ahead: &mut Readahead,
    ) -> Result<usize, FsError> {
        let mut done = 0;
        loop {
            let at = offset.saturating_add(done as u64);
            let hits = self.cache.hits(node.inode, at, out.len() - done);
            let size = hits.size.map_or_else(|| self.size_of(node), Ok)?;
            let left = length(size.saturating_sub(at));
            let rest = out.get_mut(done..).unwrap_or_default();
            let rest = rest.split_at_mut(left.min(rest.len())).0;
            if rest.is_empty() {
                return Ok(done);
            }
            let copied = self.cache.copy(&hits, at, rest);
            drop(hits);
            done += match copied {
                0 => match self.fill(node, at, rest, size, ahead) {
                    Err(error) if done == 0 => return Err(error),
                    Err(_) => return Ok(done),
                    Ok(count) => count,
                },
                count => count,
            };
        }
    }

    /// Reads what is missing at byte `at`, and more if that looks worth it. `out` is not empty and ends within the file, which has
    /// `size` bytes. Returns how much of `out` was filled; nothing, if somebody else has read it just now.
    fn fill(
        &self,
        node: &Node,
        at: u64,
        out: &mut [u8],
        size: u64,
        ahead: &mut Readahead,
    ) -> Result<usize, FsError> {
        let cache = &self.cache;
        let _fill = cache.fill_lock(node.inode).lock();
        let (first, within) = place(at);
        let asked = u32::try_from((within + out.len()).div_ceil(PAGE)).unwrap_or(u32::MAX);
        let window = ahead.window(first, asked, cache.window);
        let in_file = u32::try_from((size - start_of(first)).div_ceil(PAGE as u64)).unwrap_or(u32::MAX);
        let run = cache.table.lock().gap(node.inode, first, window.min(in_file));
        if run == 0 {
            return Ok(0);
        }
        ahead.ends(first + u64::from(run));
        let bytes = length(size - start_of(first)).min(run as usize * PAGE);
        if within == 0 && out.len() >= bytes {
            let out = out.split_at_mut(bytes).0;
            read_whole(node, at, out)?;
            cache.keep(node.inode, first, out, asked);
            return Ok(bytes);
        }
        let Ok(mut buffer) = page::zeroes(bytes) else { return cache.stream(node, at, out) };
        if read_whole(node, start_of(first), &mut buffer).is_err() {
            // What fails may be what nobody asked for.
            return cache.stream(node, at, out);
        }
        cache.keep(node.inode, first, &buffer, asked);
        let found = buffer.get(within..).unwrap_or_default();
        let count = found.len().min(out.len());
        out.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
        Ok(count)
    }
}

/// Fills `out` from byte `at` of a file on: with zeroes what the driver does not have yet.
fn read_whole(node: &Node, at: u64, out: &mut [u8]) -> Result<(), FsError> {
    let count = node.fs.files().read_at(node.ino, at, out)?;
    out.iter_mut().skip(count).for_each(|byte| *byte = 0);
    Ok(())
}

impl<E: Env> Cache<E> {
    /// Pages that hold the `wanted` bytes at `at`, as far as they are there, ready to be copied.
    fn hits(&self, inode: u32, at: u64, wanted: usize) -> Hits<'_, E> {
        let (first, within) = place(at);
        let most = within.saturating_add(wanted).div_ceil(PAGE).min(HITS);
        let mut pages = Few::new();
        let mut table = self.table.lock();
        for index in (first..).take(most) {
            let found = table.find_to_read(inode, index).and_then(|slot| self.frames.try_hold(slot));
            let Some(page) = found else { break };
            if pages.push(page).is_err() {
                break;
            }
        }
        table.stats.hits += pages.len() as u64;
        Hits { size: table.file(inode).size, pages }
    }

    /// Copies what was found at `at`; returns how much.
    fn copy(&self, hits: &Hits<'_, E>, at: u64, out: &mut [u8]) -> usize {
        let (mut done, mut within) = (0, place(at).1);
        for page in &hits.pages {
            let rest = out.get_mut(done..).unwrap_or_default();
            let piece = rest.split_at_mut(rest.len().min(PAGE - within)).0;
            self.frames.copy_held(page, within, piece);
            done += piece.len();
            within = 0;
        }
        done
    }

    /// Keeps bytes that were read, from page `first` on, as far as there are pages for them. `asked` were wanted, the rest was
    /// read ahead.
    fn keep(&self, inode: u32, first: u64, bytes: &[u8], asked: u32) {
        let count = bytes.len().div_ceil(PAGE) as u64;
        {
            let mut table = self.table.lock();
            let misses = count.min(asked.into());
            table.stats.misses += misses;
            table.stats.ahead += count - misses;
        }
        for (index, bytes) in (first..).zip(bytes.chunks(PAGE)) {
            let Some(slot) = self.take_page() else { return };
            self.frames.copy_in(slot, 0, bytes);
            self.frames.zero_from(slot, bytes.len());
            self.table.lock().insert(slot, inode, index);
        }
    }

    /// Reads past the cache what is not in it, from byte `at` on and within one page; returns how much.
    fn stream(&self, node: &Node, at: u64, out: &mut [u8]) -> Result<usize, FsError> {
        self.table.lock().stats.streamed += 1;
        let piece = out.split_at_mut(out.len().min(PAGE - place(at).1)).0;
        read_whole(node, at, piece)?;
        Ok(piece.len())
    }
}
