//! The module's memory: [`Ram`]. Whatever it gives as an address may lie anywhere.

use kos_vfs::Errno;

/// Longest path that is taken.
const PATH: usize = 1024;

/// The memory of the module.
pub(super) struct Ram<'m>(pub(super) &'m mut [u8]);

impl Ram<'_> {
    /// `length` bytes at `address`.
    pub(super) fn get(&self, address: i32, length: u32) -> Result<&[u8], Errno> {
        let range = range(address, length)?;
        self.0.get(range).ok_or(Errno::EFAULT)
    }

    /// The same, to be written.
    pub(super) fn get_mut(&mut self, address: i32, length: u32) -> Result<&mut [u8], Errno> {
        let range = range(address, length)?;
        self.0.get_mut(range).ok_or(Errno::EFAULT)
    }

    /// The text at `address`, up to its NUL.
    pub(super) fn text(&self, address: i32) -> Result<&[u8], Errno> {
        let start = range(address, 0)?.start;
        let bytes = self.0.get(start..).ok_or(Errno::EFAULT)?;
        let bytes = bytes.get(..PATH).unwrap_or(bytes);
        let end = bytes.iter().position(|&byte| byte == 0).ok_or(Errno::ENAMETOOLONG)?;
        bytes.get(..end).ok_or(Errno::EFAULT)
    }

    /// The word at `address`.
    pub(super) fn word(&self, address: i32) -> Result<u32, Errno> {
        let bytes = self.get(address, 4)?;
        Ok(bytes.try_into().map_or(0, u32::from_le_bytes))
    }

    /// Writes `bytes` at `address`.
    pub(super) fn put(&mut self, address: i32, bytes: &[u8]) -> Result<(), Errno> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::EFAULT)?;
        self.get_mut(address, length)?.copy_from_slice(bytes);
        Ok(())
    }
}

fn range(address: i32, length: u32) -> Result<core::ops::Range<usize>, Errno> {
    let start = usize::try_from(address.cast_unsigned()).map_err(|_| Errno::EFAULT)?;
    let length = usize::try_from(length).map_err(|_| Errno::EFAULT)?;
    Ok(start..start.checked_add(length).ok_or(Errno::EFAULT)?)
}

#[cfg(test)]
mod tests {
    use super::Ram;
    use kos_vfs::Errno;

    #[test]
    fn no_address_is_believed() {
        let mut memory = *b"abc\0xyz!";
        let mut ram = Ram(&mut memory);
        assert_eq!(ram.text(0), Ok(&b"abc"[..]));
        assert_eq!(ram.text(4), Err(Errno::ENAMETOOLONG));
        assert_eq!(ram.text(-1), Err(Errno::EFAULT));
        assert_eq!(ram.get(8, 0), Ok(&b""[..]));
        assert_eq!(ram.get(5, 4), Err(Errno::EFAULT));
        assert_eq!(ram.get(4, u32::MAX), Err(Errno::EFAULT));
        assert_eq!(ram.word(4), Ok(u32::from_le_bytes(*b"xyz!")));
        assert_eq!(ram.put(6, b"123"), Err(Errno::EFAULT));
        assert_eq!(ram.put(6, b"12"), Ok(()));
    }
}
