//! Functions that the verifier checks on their own.
//!
//! Exported functions with numbers, and pointers to structures (kernel 5.12), for arguments are "global" to it: each is
//! followed once, and not again for every way that leads to a call. What fits into neither waits in the scratch space.
//!
//! A pointer may be null, as far as the verifier knows.

use aya_ebpf::bindings::{__sk_buff, xdp_md};
use ftpwatch_common::{
    control::Control,
    endpoint::GiveUp,
    engine::{self, Said},
    packet::Link,
    window,
};

use super::{
    maps::{SCRATCH, tls_run},
    programs,
    scan::View,
    skb::Skb,
    store::Maps,
    xdp::Frame,
};

/// [`programs::look`], on tc, with Ethernet headers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn look_ether(context: *mut __sk_buff) -> u32 {
    programs::look(&Skb::new(context), Link::Ethernet)
}

/// [`programs::look`], on tc, without.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn look_ip(context: *mut __sk_buff) -> u32 {
    programs::look(&Skb::new(context), Link::Ip)
}

/// [`programs::look`], on XDP.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn look_xdp(context: *mut xdp_md) -> u32 {
    programs::look(&Frame::new(context), Link::Ethernet)
}

/// [`programs::take`], on tc, with Ethernet headers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn take_ether(context: *mut __sk_buff) -> u32 {
    programs::take(&Skb::new(context), Link::Ethernet);
    0
}

/// [`programs::take`], on tc, without.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn take_ip(context: *mut __sk_buff) -> u32 {
    programs::take(&Skb::new(context), Link::Ip);
    0
}

/// [`programs::take`], on XDP.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn take_xdp(context: *mut xdp_md) -> u32 {
    programs::take(&Frame::new(context), Link::Ethernet);
    0
}

/// [`engine::say`], with a packed [`Said`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn say(id: u64, said: u64) -> u32 {
    engine::say(&Maps, id, Said::unpack(said));
    0
}

/// [`engine::reindex`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn reindex(id: u64) -> u32 {
    engine::reindex(&Maps, id);
    0
}

/// [`engine::begin`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn begin() -> u32 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::begin(&Maps, unsafe { &(*scratch).scene });
    0
}

/// [`engine::command`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn command(control: *mut Control) -> u32 {
    // SAFETY: the caller holds the entry, and lends it.
    if let Some(control) = unsafe { control.as_mut() } {
        engine::command(&Maps, control);
    }
    0
}

/// [`engine::reply`]. Non-zero when it goes on to [`advertise`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn reply(control: *mut Control) -> u32 {
    // SAFETY: the caller holds the entry, and lends it.
    unsafe { control.as_mut() }.map_or(0, |control| u32::from(engine::reply(&Maps, control)))
}

/// [`engine::advertise`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn advertise(control: *mut Control, sequence: u32) -> u64 {
    // SAFETY: the caller holds the entry, and lends it.
    match unsafe { control.as_mut() } {
        Some(control) => engine::advertise(&Maps, control, sequence),
        None => 0,
    }
}

/// [`engine::end`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn end(control: *mut Control, how: u32) -> u32 {
    // SAFETY: the caller holds the entry, and lends it.
    if let Some(control) = unsafe { control.as_mut() } {
        engine::end(&Maps, control, GiveUp::from_number(how as u8));
    }
    0
}

/// [`window::find`] in the scratch space's chunk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn find(at: u32, end: u32, one: u32, other: u32) -> u32 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return end;
    };
    // SAFETY: no reference is made.
    let view = View(unsafe { &raw mut (*scratch).scan });
    window::find(&view, at, end, one as u8, other as u8)
}

/// [`engine::late`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn late() -> u32 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::late(&Maps, unsafe { &(*scratch).scene });
    0
}

/// [`engine::learn`], with the scratch space's scene and header.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn learn() -> u32 {
    // Without the probes it is never called, and the verifier looks at it all the same: to it this is a constant.
    if tls_run() == 0 {
        return 0;
    }
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller uses neither meanwhile.
    let (scene, header) = unsafe { (&mut (*scratch).scene, (*scratch).header) };
    engine::learn(&Maps, scene, header);
    0
}

/// [`engine::listen`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn listen(from_server: u32) -> u32 {
    if tls_run() == 0 {
        return 0;
    }
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller does not use the scene meanwhile.
    engine::listen(&Maps, unsafe { &mut (*scratch).scene }, from_server != 0);
    0
}

/// [`engine::data`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn data() -> u32 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::data(&Maps, unsafe { &(*scratch).scene });
    0
}

/// [`engine::guess`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn guess() -> u64 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::guess(&Maps, unsafe { &(*scratch).scene })
}

/// [`engine::rejected`], with the scratch space's scene.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rejected() -> u32 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and the caller changes nothing meanwhile.
    engine::rejected(&Maps, unsafe { &(*scratch).scene });
    0
}
