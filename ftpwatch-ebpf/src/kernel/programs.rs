//! The programs.

use aya_ebpf::{
    bindings::{TC_ACT_UNSPEC, xdp_action::XDP_PASS},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use ftpwatch_common::{
    counter::Counter,
    engine::{self, Interest, Request, Scene, Store as _},
    packet::{Bytes, Icmp, Link, Segment, Skip, walk},
};

use super::{
    maps::SCRATCH,
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

/// Attached nowhere: the user half runs it on a "packet" that is a [`Request`], so that what it is done
/// with is taken out under the same locks as everything else.
#[classifier]
pub fn ftpwatch_retire(context: TcContext) -> i32 {
    let skb = Skb::new(context.skb.skb);
    if let Some(bytes) = Copied(&skb).load::<{ size_of::<Request>() }>(REQUEST_OFFSET) {
        engine::retire(&Maps, &bytemuck::pod_read_unaligned(&bytes));
    }
    TC_ACT_UNSPEC
}

/// The kernel takes the first bytes of a test packet for its Ethernet header.
const REQUEST_OFFSET: usize = 14;

#[inline(always)]
fn classify<P: Packet>(packet: &P, link: Link) {
    match walk(&packet.linear(), link, packet.total()) {
        // Most packets end here.
        Ok(segment) => {
            let interest = engine::gate(&Maps, &segment);
            if interest.any() && look(packet, link) {
                go_on(packet, interest);
            }
        }
        Err(Skip::Icmp(icmp)) => take_icmp(packet, icmp),
        Err(Skip::Short) => {
            if let Some(interest) = unpack(look_slowly(packet, link)) {
                go_on(packet, interest);
            }
        }
        Err(_) => {}
    }
}

/// A segment of interest, which the scene has.
#[inline(always)]
fn go_on<P: Packet>(packet: &P, interest: Interest) {
    let mut late = false;
    if interest.to_server || interest.from_server {
        late = packet.control(pack(interest)) != 0;
    }
    if late {
        outline::late();
    }
    if interest.data {
        outline::data();
    }
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

// What follows are functions of their own, and walk again, so that the gate's stack stays small: it and
// theirs together must fit into 512 bytes.

/// Takes a segment of interest into the scene.
#[inline(never)]
fn look<P: Packet>(packet: &P, link: Link) -> bool {
    let linear = packet.linear();
    match (scene(), walk(&linear, link, packet.total())) {
        (Some(scene), Ok(segment)) => seen(scene, &linear, segment),
        _ => false,
    }
}

/// Headers beyond the linear part: rare, and worth a copy. Returns the interest, packed.
#[inline(never)]
fn look_slowly<P: Packet>(packet: &P, link: Link) -> u32 {
    let copied = Copied(packet);
    if let Some(scene) = scene()
        && let Ok(segment) = walk(&copied, link, packet.total())
    {
        let interest = engine::gate(&Maps, &segment);
        if interest.any() && seen(scene, &copied, segment) {
            return pack(interest);
        }
    }
    0
}

#[inline(always)]
fn seen<B: Bytes>(scene: &mut Scene, bytes: &B, segment: Segment) -> bool {
    let whole = scene.look(bytes, segment);
    if whole {
        trace::segment(scene);
    } else {
        Maps.count(Counter::Unreadable);
    }
    whole
}

/// The part of [`engine::take`] that is about control connections. Returns whether [`outline::late`] is due.
#[inline(always)]
pub fn control<P: Packet>(packet: &P, interest: u32) -> u32 {
    let (Some(scratch), Some(interest)) = (SCRATCH.get_ptr_mut(0), unpack(interest)) else {
        return 0;
    };
    // SAFETY: the scratch space is this processor's own, and its scene is used here alone.
    let scene = unsafe { &mut (*scratch).scene };
    u32::from(engine::take(&Copied(packet), &Maps, scene, interest).late)
}

/// An ICMP message, whose quotation is read by copying: errors are rare.
#[inline(never)]
fn take_icmp<P: Packet>(packet: &P, icmp: Icmp) {
    if let Some(scene) = scene() {
        engine::take_icmp(&Copied(packet), &Maps, icmp, scene);
    }
}
