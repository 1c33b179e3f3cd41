//! Gives back to the system what starting took: a process that watches runs for long, and needs little of it.

#![expect(unsafe_code, reason = "no library gives pages back")]

use std::{ffi::c_int, ptr, slice};

use nix::libc;

/// Gives back memory that is free, and the pages of code and constants. What of these is used again, is read from its
/// file again.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches only what is free.
    unsafe {
        libc::malloc_trim(0);
    }
    // SAFETY: the function does what it is to do for each object, and the data that it is handed is none.
    unsafe {
        libc::dl_iterate_phdr(Some(give_back_object), ptr::null_mut());
    }
}

/// Gives back what was never written to of the program, or of a library.
unsafe extern "C" fn give_back_object(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> c_int {
    // SAFETY: asking for the size of a page does nothing else.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) });
    let Ok(page @ 1..) = page else {
        return 0;
    };
    // SAFETY: the loader hands over an object that is loaded, with as many headers as it says.
    let (base, headers) = unsafe {
        let headers = slice::from_raw_parts((*object).dlpi_phdr, (*object).dlpi_phnum.into());
        ((*object).dlpi_addr as usize, headers)
    };
    let unwritten = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0);
    for header in unwritten {
        // Whole pages of it alone.
        let first = base + header.p_vaddr as usize;
        let start = first.next_multiple_of(page);
        let end = (first + header.p_memsz as usize) / page * page;
        if let Some(length) = end.checked_sub(start) {
            // SAFETY: these pages are as they are in their file, where they are read from when they are touched. A
            // mapping that is of no file refuses: the kernel's own (vDSO).
            unsafe {
                libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED);
            }
        }
    }
    0
}
