//! A TLS library: functions with the names of OpenSSL's, which do whatever a test wants while they are called.

#![expect(
    unsafe_code,
    reason = "the probes are put on functions by their names, and are given pointers"
)]

use std::cell::RefCell;
use std::ffi::c_void;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    /// What happens during the next call.
    static DURING: RefCell<Option<Box<dyn FnOnce() -> i32>>> = RefCell::new(None);
}

/// `function` makes a function's code another than every other's: the compiler would make one of them, with one address.
fn during(function: u8) -> i32 {
    black_box(function);
    let during = DURING.take();
    during.map_or(0, |during| during())
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn SSL_write(_: *mut c_void, _: *const u8, _: i32) -> i32 {
    during(1)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn SSL_read(_: *mut c_void, _: *mut u8, _: i32) -> i32 {
    during(2)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn SSL_write_ex(_: *mut c_void, _: *const u8, _: usize, count: *mut usize) -> i32 {
    let written = during(3);
    // SAFETY: the caller has a place for it.
    unsafe { *count = written.max(0) as usize };
    i32::from(written > 0)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn SSL_read_ex(_: *mut c_void, _: *mut u8, _: usize, count: *mut usize) -> i32 {
    let read = during(4);
    // SAFETY: the caller has a place for it.
    unsafe { *count = read.max(0) as usize };
    i32::from(read > 0)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn SSL_free(_: *mut c_void) {
    black_box(during(5));
}

// Called through pointers of which the compiler knows nothing: it passes what the functions do not look at, for it is the
// probes that do.
type Call<Buffer, Length> = extern "C" fn(*mut c_void, Buffer, Length) -> i32;
type Counted<Buffer> = extern "C" fn(*mut c_void, Buffer, usize, *mut usize) -> i32;

/// An object of the library.
pub struct Object {
    address: usize,
    /// The functions whose names end in `_ex` are called.
    pub extended: bool,
}

impl Object {
    /// One that there was not before.
    pub fn new() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0x1000);
        Self {
            address: LAST.fetch_add(16, Ordering::Relaxed),
            extended: false,
        }
    }

    pub const fn address(&self) -> u64 {
        self.address as u64
    }

    fn pointer(&self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.address)
    }

    /// Writes `bytes`; `during` happens meanwhile.
    pub fn writes(&self, bytes: &[u8], during: impl FnOnce()) {
        let length = i32::try_from(bytes.len()).expect("it is short");
        self.write(bytes.as_ptr(), bytes.len(), during, length);
    }

    /// Tries to write `bytes`, which does not go through.
    pub fn fails_to_write(&self, bytes: &[u8]) {
        self.write(bytes.as_ptr(), bytes.len(), || {}, -1);
    }

    /// Writes `length` bytes from where there is nothing.
    pub fn writes_nothing_at(&self, length: usize) {
        self.write(std::ptr::without_provenance(8), length, || {}, -1);
    }

    fn write(&self, bytes: *const u8, length: usize, during: impl FnOnce(), result: i32) {
        scoped(during, result, || {
            if self.extended {
                black_box(SSL_write_ex as Counted<_>)(self.pointer(), bytes, length, &mut 0)
            } else {
                black_box(SSL_write as Call<_, _>)(self.pointer(), bytes, length as i32)
            }
        });
    }

    /// Reads `bytes`.
    pub fn reads(&self, bytes: &[u8]) {
        let mut room = vec![0; 16_384];
        let into = room.as_mut_ptr();
        let length = bytes.len();
        let fill = || {
            // SAFETY: there is room for so much, and nobody looks at it meanwhile.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), into, length) };
        };
        scoped(fill, length as i32, || {
            if self.extended {
                black_box(SSL_read_ex as Counted<_>)(self.pointer(), into, 16_384, &mut 0)
            } else {
                black_box(SSL_read as Call<_, _>)(self.pointer(), into, 16_384)
            }
        });
        black_box(room);
    }

    /// Is done with.
    pub fn frees(&self) {
        black_box(SSL_free as extern "C" fn(_))(self.pointer());
    }
}

/// Calls `call`, during which `during` happens, and which returns `result`.
fn scoped(during: impl FnOnce(), result: i32, call: impl FnOnce() -> i32) {
    let during: Box<dyn FnOnce() -> i32 + '_> = Box::new(move || {
        during();
        result
    });
    // SAFETY: it is called in `call`, or dropped below: before what it borrows is.
    let during: Box<dyn FnOnce() -> i32 + 'static> = unsafe { std::mem::transmute(during) };
    DURING.set(Some(during));
    black_box(call());
    DURING.set(None);
}
