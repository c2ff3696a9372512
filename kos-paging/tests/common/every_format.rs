//! The same for each format.

/// A test of each name, which runs its body on the machines of all formats.
macro_rules! in_every_format {
    ($($test:ident => $body:ident;)*) => { $(
        #[test]
        fn $test() {
            $body(Rig::two_level());
            $body(Rig::pae());
            $body(Rig::long());
            $body(Rig::five_levels());
            $body(Rig::<A64<12>>::a64_low());
            $body(Rig::<A64<14>>::a64_low());
            $body(Rig::<A64<16>>::a64_low());
            $body(Rig::<A64<12, true>>::a64_high());
            $body(Rig::<Riscv<3>>::riscv());
            $body(Rig::<Riscv<4>>::riscv());
            $body(Rig::<Riscv<5>>::riscv());
        }
    )* };
}
