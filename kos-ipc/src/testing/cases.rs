//! The length of property tests: [`cases`].

/// Number of sequences that a property test runs: `KOS_PROPTEST_CASES` from the process environment, else 256, which
/// takes a few seconds in a development build.
///
/// # Panics
///
/// If the variable is set to something that is not a number: a typing error must not pass as a short run.
#[must_use]
#[expect(clippy::panic, reason = "a test helper; the value comes from who runs the tests")]
pub fn cases() -> u32 {
    match std::env::var("KOS_PROPTEST_CASES") {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("KOS_PROPTEST_CASES={value} is not a number")),
        Err(_) => 256,
    }
}
