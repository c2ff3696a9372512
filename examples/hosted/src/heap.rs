//! The global allocator of the process: the host's, with the interrupts of the calling CPU masked, for a handler may switch to
//! a stack whose code allocates, too.
#![expect(unsafe_code, reason = "forwards to the host's allocator")]

use core::alloc::{GlobalAlloc, Layout};
use std::alloc::System;

use crate::engine;

struct Masking;

#[global_allocator]
static GLOBAL: Masking = Masking;

// SAFETY: every call is the host's.
unsafe impl GlobalAlloc for Masking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _masked = engine::mask_signals();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let _masked = engine::mask_signals();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _masked = engine::mask_signals();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}
