//! Lists that grow as far as they may, and as far as there is memory.

use alloc::vec::Vec;

use super::Problem;

/// Adds `item`.
///
/// # Errors
/// `full` if there are `most` already, [`Problem::NoMemory`]; the list is as before.
pub(super) fn push<T>(list: &mut Vec<T>, item: T, most: usize, full: Problem) -> Result<(), Problem> {
    if list.len() >= most {
        return Err(full);
    }
    list.try_reserve(1).map_err(|_| Problem::NoMemory)?;
    list.push(item);
    Ok(())
}
