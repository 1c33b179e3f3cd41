//! Probes on TLS libraries: what a server gives them to encrypt, and has them decrypt.
//!
//! They run in the process, and may be interrupted by the programs on the wire, and by each other: so they use none of
//! the scratch space, and hold no lock. What they know of an object is used by the thread alone that uses the object.
//!
//! Data connections use the same libraries. Of an object that says what no FTP server says, nothing is read but its first
//! four bytes.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_ANY,
    check_bounds_signed,
    helpers::{
        bpf_get_attach_cookie, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_loop,
        bpf_probe_read_user, generated,
    },
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use ftpwatch_common::{
    counter::Counter,
    reply::begins_reply,
    tls::{Call, Conversation, Object, PIECE, begins_command},
};

use super::{
    lock::{add, exchange},
    maps::{TALLY, TLS_BLANK, TLS_CALLS, TLS_CONVERSATIONS, TLS_DULL, tls_run},
};

/// The most that is read of one call. Control connections say less.
const LONGEST: u64 = 8192;

/// `SSL_write`, `SSL_write_ex`, `gnutls_record_send`: the object, where the plaintext is, how long it is.
#[uprobe]
pub fn ftpwatch_tls_write(context: ProbeContext) -> u32 {
    let _ = write(&context);
    0
}

/// `SSL_read`, `SSL_read_ex`, `gnutls_record_recv`: the object, where the plaintext goes, how much room there is; with
/// cookie 1, where its length goes.
#[uprobe]
pub fn ftpwatch_tls_read(context: ProbeContext) -> u32 {
    let _ = read(&context);
    0
}

/// Any of these returns.
#[uretprobe]
pub fn ftpwatch_tls_return(context: RetProbeContext) -> u32 {
    let _ = returned(&context);
    0
}

/// `SSL_free`, `gnutls_deinit`: the object is done with.
#[uprobe]
pub fn ftpwatch_tls_free(context: ProbeContext) -> u32 {
    if let Some(object) = object(&context) {
        // Failing means that it was not there.
        let _ = TLS_DULL.remove(object);
        let _ = TLS_CONVERSATIONS.remove(object);
    }
    0
}

#[inline(always)]
fn object(context: &ProbeContext) -> Option<Object> {
    let process = bpf_get_current_pid_tgid() >> 32;
    Some(Object {
        process: u64::from(tls_run()) << 32 | process,
        address: context.arg(0)?,
    })
}

#[inline(always)]
fn task() -> u64 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_get_current_task() }
}

#[inline(always)]
fn write(context: &ProbeContext) -> Option<()> {
    let object = object(context)?;
    if TLS_DULL.get_ptr(object).is_some() {
        return None;
    }
    let buffer: u64 = context.arg(1)?;
    // It is an int, or a size_t.
    let length = context.arg::<u64>(2)? & 0x7fff_ffff;
    let task = task();
    if let Some(call) = TLS_CALLS.get_ptr(task) {
        // SAFETY: the entry is this task's own.
        let call = unsafe { &*call };
        // One of the library's functions calls another.
        if call.object == object && call.buffer == buffer && call.length == length {
            return None;
        }
    }
    let conversation = conversation(&object, buffer, length, begins_reply)?;
    // SAFETY: the entry is this task's own, while it is in the call.
    let (again, wrote) = unsafe { ((*conversation).again != 0, (*conversation).wrote != 0) };
    // What a client sends first may look like a command, and be none.
    if !wrote && !begins(buffer, length, begins_reply) {
        let _ = TLS_CONVERSATIONS.remove(object);
        dull(&object);
        return None;
    }
    if !again {
        // SAFETY: as above.
        unsafe { (*conversation).wrote = 1 };
        take(conversation, buffer, length, Way::Written);
    }
    call(&Call {
        object,
        buffer,
        count_at: 0,
        length,
        sent_by: 0,
    })
}

#[inline(always)]
fn read(context: &ProbeContext) -> Option<()> {
    let object = object(context)?;
    if TLS_DULL.get_ptr(object).is_some() {
        return None;
    }
    // SAFETY: the helper takes the program's context.
    let counted = unsafe { bpf_get_attach_cookie(context.as_ptr()) } != 0;
    call(&Call {
        object,
        buffer: context.arg(1)?,
        count_at: if counted { context.arg(3)? } else { 0 },
        length: 0,
        sent_by: 0,
    })
}

#[inline(always)]
fn call(call: &Call) -> Option<()> {
    TLS_CALLS.insert(task(), call, u64::from(BPF_ANY)).ok()
}

#[inline(always)]
fn returned(context: &RetProbeContext) -> Option<()> {
    let task = task();
    // SAFETY: the entry is this task's own. It is copied, before it is taken out.
    let call = unsafe { *TLS_CALLS.get_ptr(task)? };
    let _ = TLS_CALLS.remove(task);
    let result = context.ret::<u64>() as i32;
    if call.length > 0 {
        let conversation = TLS_CONVERSATIONS.get_ptr_mut(call.object)?;
        // SAFETY: the entry is this task's own, as it was in the call until now.
        unsafe { (*conversation).again = u32::from(result <= 0) };
        return None;
    }
    if result <= 0 {
        return None;
    }
    let length = if call.count_at == 0 {
        u64::from(result.cast_unsigned())
    } else {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_user(call.count_at as *const u64) }.ok()?
    };
    let conversation = conversation(&call.object, call.buffer, length, begins_command)?;
    take(conversation, call.buffer, length, Way::Read);
    None
}

/// What is known of the object. Of a new one, if it begins like one that speaks FTP.
#[inline(always)]
fn conversation(
    object: &Object,
    buffer: u64,
    length: u64,
    like: fn([u8; 4]) -> bool,
) -> Option<*mut Conversation> {
    if let Some(known) = TLS_CONVERSATIONS.get_ptr_mut(object) {
        // SAFETY: it is one word, which only ever is set.
        return (unsafe { (*known).lost } == 0).then_some(known);
    }
    if !begins(buffer, length, like) {
        dull(object);
        return None;
    }
    let blank = TLS_BLANK.get_ptr(0)?;
    // SAFETY: nobody changes the blank one.
    if TLS_CONVERSATIONS
        .insert(object, unsafe { &*blank }, u64::from(BPF_ANY))
        .is_err()
    {
        if let Some(tally) = TALLY.get_ptr_mut(Counter::TlsFull as u32) {
            add(tally, 1);
        }
        return None;
    }
    TLS_CONVERSATIONS.get_ptr_mut(object)
}

#[inline(always)]
fn begins(buffer: u64, length: u64, like: fn([u8; 4]) -> bool) -> bool {
    // SAFETY: the helper checks the address.
    let head = unsafe { bpf_probe_read_user(buffer as *const [u8; 4]) };
    length >= 4 && head.is_ok_and(like)
}

/// Nothing of the object is of interest from now on.
#[inline(always)]
fn dull(object: &Object) {
    let _ = TLS_DULL.insert(object, 1, u64::from(BPF_ANY));
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Way {
    Written,
    Read,
}

/// What the loop needs.
struct Listen {
    conversation: *mut Conversation,
    buffer: u64,
    length: u64,
    way: Way,
}

/// Takes `length` bytes of the process's memory.
#[inline(always)]
fn take(conversation: *mut Conversation, buffer: u64, length: u64, way: Way) {
    let mut listen = Listen {
        conversation,
        buffer,
        length,
        way,
    };
    if length <= LONGEST {
        // SAFETY: `each` takes what `listen` is, which outlives the call.
        unsafe {
            bpf_loop(
                length as u32,
                each as *mut c_void,
                (&raw mut listen).cast(),
                0,
            );
        }
    } else {
        // SAFETY: the entry is this task's own.
        unsafe { (*conversation).lost = 1 };
    }
    // SAFETY: the entry is this task's own. Who else reads the number may see what it counts.
    unsafe {
        // A password, perhaps.
        (*conversation).piece = [0; _];
        exchange(&raw mut (*conversation).head, (*conversation).said);
    }
}

/// The byte number `index`. Non-zero ends the loop.
unsafe extern "C" fn each(index: u32, listen: *mut c_void) -> i64 {
    // SAFETY: `take` passes its own `Listen`, which lives until the loop is over.
    let listen = unsafe { &mut *listen.cast::<Listen>() };
    // SAFETY: the entry is this task's own, while it is in the call.
    let conversation = unsafe { &mut *listen.conversation };
    if index.is_multiple_of(PIECE) && !load(listen, conversation, index) {
        conversation.lost = 1;
        return 1;
    }
    let byte = conversation.piece[(index & (PIECE - 1)) as usize];
    match listen.way {
        Way::Written => conversation.written(byte),
        Way::Read => conversation.read(byte),
    }
    i64::from(conversation.lost != 0)
}

#[inline(always)]
fn load(listen: &Listen, conversation: &mut Conversation, index: u32) -> bool {
    let left = listen.length.wrapping_sub(u64::from(index));
    let length = left.min(u64::from(PIECE)) as i64;
    // The verifier refuses a length that may be zero.
    if !check_bounds_signed(length, 1, i64::from(PIECE)) {
        return false;
    }
    // SAFETY: there is room for `length` bytes, which is checked above. The helper checks the address that it reads.
    let read = unsafe {
        generated::bpf_probe_read_user(
            conversation.piece.as_mut_ptr().cast(),
            length as u32,
            (listen.buffer + u64::from(index)) as *const c_void,
        )
    };
    read == 0
}
