//! The programs.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{TC_ACT_UNSPEC, xdp_action::XDP_PASS},
    helpers::bpf_loop,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use ftpwatch_common::{
    counter::Counter,
    engine::{self, Interest, Ports as _, Request, Scene, Store as _},
    packet::{Bytes, Icmp, Link, Segment, Skip, lets_go, walk},
};

use super::{
    gate::Passing,
    maps::{PASSED, SCRATCH, tls_run},
    outline,
    packet::{Copied, Packet},
    skb::Skb,
    store::Maps,
    trace,
    xdp::Frame,
};

/// tc, ingress and egress, on a link with Ethernet headers.
#[classifier]
pub fn ftpwatch_ether(context: TcContext) -> i32 {
    classify(&Skb::new(context.skb.skb), Link::Ethernet);
    // "No opinion": the next program, or the qdisc's other filters, go on as if this one were not there.
    TC_ACT_UNSPEC
}

/// tc, ingress and egress, on a link without Ethernet headers.
#[classifier]
pub fn ftpwatch_ip(context: TcContext) -> i32 {
    classify(&Skb::new(context.skb.skb), Link::Ip);
    TC_ACT_UNSPEC
}

/// XDP, for the ingress half. XDP never sees what is sent.
#[xdp]
pub fn ftpwatch_xdp(context: XdpContext) -> u32 {
    classify(&Frame::new(context.ctx), Link::Ethernet);
    XDP_PASS
}

/// Attached beside the others for a moment, to see whether any packets reach that place.
#[classifier]
pub fn ftpwatch_in(_: TcContext) -> i32 {
    count_passing(0);
    TC_ACT_UNSPEC
}

/// The same for what goes out: nothing else tells the two apart.
#[classifier]
pub fn ftpwatch_out(_: TcContext) -> i32 {
    count_passing(1);
    TC_ACT_UNSPEC
}

#[inline(always)]
fn count_passing(way: u32) {
    if let Some(passed) = PASSED.get_ptr_mut(way) {
        // SAFETY: the entry is this processor's own.
        unsafe { *passed += 1 };
    }
}

/// Attached nowhere: the user half runs it on a "packet" of [`Request`]s, so that what it is done with is taken out
/// under the same locks as everything else.
#[classifier]
pub fn ftpwatch_retire(context: TcContext) -> i32 {
    let mut skb = Skb::new(context.skb.skb);
    let requests = skb.total().saturating_sub(REQUESTS_OFFSET) / REQUEST_BYTES;
    // SAFETY: `retire` takes what `skb` is, which outlives the call.
    unsafe {
        bpf_loop(requests, retire as *mut c_void, (&raw mut skb).cast(), 0);
    }
    TC_ACT_UNSPEC
}

/// The kernel takes the first bytes of a test packet for its Ethernet header.
const REQUESTS_OFFSET: u32 = 14;
const REQUEST_BYTES: u32 = size_of::<Request>() as u32;

/// The request number `index`. Zero goes on.
unsafe extern "C" fn retire(index: u32, skb: *mut c_void) -> i64 {
    // SAFETY: the program passes its own `Skb`, which lives until the loop is over.
    let skb = unsafe { &*skb.cast::<Skb>() };
    let offset = REQUESTS_OFFSET + index * REQUEST_BYTES;
    if let Some(bytes) = Copied(skb).load::<{ size_of::<Request>() }>(offset as usize) {
        engine::retire(&Maps, &bytemuck::pod_read_unaligned(&bytes));
    }
    0
}

/// Most packets end here: without a call, so that no register has to be saved.
#[inline(always)]
fn classify<P: Packet>(packet: &P, link: Link) {
    let dull = |from, to, flags| {
        !Passing.is_control(from)
            && !Passing.is_control(to)
            && !engine::gate_data(&Passing, from, to, flags)
    };
    if !lets_go(&packet.linear(), link, dull) {
        packet.take(link);
    }
}

/// A packet that may be of interest.
#[inline(always)]
pub fn take<P: Packet>(packet: &P, link: Link) {
    let found = packet.look(link);
    if found == REJECTED {
        outline::rejected();
        return;
    }
    let Some(interest) = unpack(found) else {
        return;
    };
    let of_control = interest.to_server || interest.from_server;
    if of_control && control(packet, interest) {
        outline::late();
    }
    if interest.data {
        outline::data();
    }
}

/// The part of [`engine::take`] that is about control connections. Returns whether [`outline::late`] is due.
#[inline(always)]
fn control<P: Packet>(packet: &P, interest: Interest) -> bool {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: the scratch space is this processor's own, and its scene is used here alone.
    let scene = unsafe { &mut (*scratch).scene };
    if tls_run() != 0 {
        overhear(packet, scene, interest);
    }
    engine::take(&Copied(packet), &Maps, scene, interest).late
}

/// What is said in TLS, and what was said until this segment.
#[inline(always)]
fn overhear<P: Packet>(packet: &P, scene: &Scene, interest: Interest) {
    if interest.from_server {
        let header = match scene.segment.length {
            0 => None,
            _ => Copied(packet).load(scene.segment.payload as usize),
        };
        if let (Some(header), Some(scratch)) = (header, SCRATCH.get_ptr_mut(0)) {
            // SAFETY: the scratch space is this processor's own, and the header is used here alone.
            unsafe { (*scratch).header = header };
            outline::learn();
        }
        outline::listen(1);
    }
    if interest.to_server {
        outline::listen(0);
    }
}

/// Takes the segment into the scene, if it is of interest. Returns the interest, packed, or [`REJECTED`].
#[inline(always)]
pub fn look<P: Packet>(packet: &P, link: Link) -> u32 {
    let linear = packet.linear();
    match walk(&linear, link, packet.total()) {
        Ok(segment) => see(&linear, segment),
        Err(Skip::Icmp(icmp)) => look_icmp(packet, icmp),
        Err(Skip::Short) => look_slowly(packet, link),
        Err(_) => 0,
    }
}

/// Headers beyond the linear part: rare, and worth a copy.
#[inline(never)]
fn look_slowly<P: Packet>(packet: &P, link: Link) -> u32 {
    let copied = Copied(packet);
    walk(&copied, link, packet.total()).map_or(0, |segment| see(&copied, segment))
}

#[inline(always)]
fn see<B: Bytes>(bytes: &B, segment: Segment) -> u32 {
    let [from, to] = segment.ports();
    let interest = engine::gate(&Maps, from, to, segment.flags);
    let Some(scene) = scene().filter(|_| interest.any()) else {
        return 0;
    };
    if !scene.look(bytes, segment) {
        Maps.count(Counter::Unreadable);
        return 0;
    }
    trace::segment(scene);
    pack(interest)
}

/// As one number: that is what functions take that the verifier checks on their own.
#[inline(always)]
const fn pack(interest: Interest) -> u32 {
    interest.to_server as u32 | (interest.from_server as u32) << 1 | (interest.data as u32) << 2
}

/// From [`pack`]'s number, unless there is nothing of interest.
#[inline(always)]
fn unpack(packed: u32) -> Option<Interest> {
    (packed != 0).then_some(Interest {
        to_server: packed & 1 != 0,
        from_server: packed & 2 != 0,
        data: packed & 4 != 0,
    })
}

/// This processor's scene, for another packet.
#[inline(always)]
fn scene() -> Option<&'static mut Scene> {
    let scratch = SCRATCH.get_ptr_mut(0)?;
    // SAFETY: the scratch space is this processor's own, and a program asks for its scene once.
    unsafe {
        (*scratch).now = 0;
        Some(&mut (*scratch).scene)
    }
}

/// An ICMP message, whose quotation is read by copying: errors are rare.
#[inline(never)]
fn look_icmp<P: Packet>(packet: &P, icmp: Icmp) -> u32 {
    if let Some(scene) = scene()
        && engine::look_icmp(&Copied(packet), &Maps, icmp, scene)
    {
        return REJECTED;
    }
    0
}

/// An ICMP error about a segment of interest, where otherwise there is a packed interest.
const REJECTED: u32 = 1 << 3;
