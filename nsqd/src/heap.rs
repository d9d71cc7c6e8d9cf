//! The heap.

/// Returns what is free in the heap to the system.
#[expect(unsafe_code, reason = "the C library's call has no safe form")]
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes a number and may be called by any thread at any time; it touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_heap_can_be_trimmed() {
        super::trim();
    }
}
