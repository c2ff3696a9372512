//! Tests of the driver by itself; those beside other programs are in `tests/fat_interop.rs`.

mod names;
