//! The programs.

use aya_ebpf::{
    bindings::{TC_ACT_UNSPEC, xdp_action::XDP_PASS},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use ftpwatch_common::{
    engine::{self, Interest, Next, Request, Scene},
    packet::{self, Bytes, Icmp, Link, Skip},
};

use super::{maps::SCRATCH, outline, skb::Skb, store::Maps, trace, xdp::Frame};

/// tc, ingress and egress, on a link with Ethernet headers.
#[classifier]
pub fn ftpwatch_ether(context: TcContext) -> i32 {
    classify(&context, Link::Ethernet);
    // "No opinion": the next program, or the qdisc's other filters, go on as if this one were not there.
    TC_ACT_UNSPEC
}

/// tc, ingress and egress, on a link without Ethernet headers.
#[classifier]
pub fn ftpwatch_ip(context: TcContext) -> i32 {
    classify(&context, Link::Ip);
    TC_ACT_UNSPEC
}

/// XDP, for the ingress half. XDP never sees what is sent.
#[xdp]
pub fn ftpwatch_xdp(context: XdpContext) -> u32 {
    let frame = Frame::new(&context);
    match packet::walk(&frame.linear(), Link::Ethernet, frame.total()) {
        Ok(segment) => {
            let interest = engine::gate(&Maps, &segment);
            if interest.any() {
                go_on(take_frame(&frame, interest));
            }
        }
        Err(Skip::Icmp(icmp)) => take_icmp(&frame, icmp),
        Err(_) => {}
    }
    XDP_PASS
}

/// Attached nowhere: the user half runs it on a "packet" that is a [`Request`], so that what it is done
/// with is taken out under the same locks as everything else.
#[classifier]
pub fn ftpwatch_retire(context: TcContext) -> i32 {
    let skb = Skb::new(&context);
    if let Some(bytes) = skb.load::<{ size_of::<Request>() }>(REQUEST_OFFSET) {
        engine::retire(&Maps, &bytemuck::pod_read_unaligned(&bytes));
    }
    TC_ACT_UNSPEC
}

/// The kernel takes the first bytes of a test packet for its Ethernet header.
const REQUEST_OFFSET: usize = 14;

#[inline(always)]
fn classify(context: &TcContext, link: Link) {
    let skb = Skb::new(context);
    match packet::walk(&skb.linear(), link, skb.total()) {
        // Most packets end here.
        Ok(segment) => {
            let interest = engine::gate(&Maps, &segment);
            if interest.any() {
                go_on(take(&skb, link, interest));
            }
        }
        Err(Skip::Icmp(icmp)) => take_icmp(&skb, icmp),
        Err(Skip::Short) => go_on(take_slowly(&skb, link)),
        Err(_) => {}
    }
}

/// What is left to do with a segment: [`LATE`] and [`DATA`].
#[inline(always)]
fn go_on(next: u32) {
    if next & LATE != 0 {
        outline::late();
    }
    if next & DATA != 0 {
        outline::data();
    }
}

const LATE: u32 = 1;
const DATA: u32 = 2;

/// As one number: a function of its own can return no more.
#[inline(always)]
const fn pack(next: Next) -> u32 {
    next.late as u32 * LATE | next.data as u32 * DATA
}

/// This processor's scene.
#[inline(always)]
fn scene() -> Option<&'static mut Scene> {
    let scratch = SCRATCH.get_ptr_mut(0)?;
    // SAFETY: the scratch space is this processor's own, and a program asks for its scene once.
    Some(unsafe { &mut (*scratch).scene })
}

// What follows are functions of their own, and walk again, so that the gate's stack stays small: it and
// theirs together must fit into 512 bytes.

/// A segment of interest. Returns what is left to do.
#[inline(never)]
fn take(skb: &Skb, link: Link, interest: Interest) -> u32 {
    if let Some(scene) = scene()
        && let Ok(segment) = packet::walk(&skb.linear(), link, skb.total())
    {
        scene.segment = segment;
        let next = pack(engine::take(skb, &Maps, scene, interest));
        trace::segment(scene);
        return next;
    }
    0
}

/// An ICMP message, whose quotation is read by copying: errors are rare.
#[inline(never)]
fn take_icmp<B: Bytes>(packet: &B, icmp: Icmp) {
    if let Some(scene) = scene() {
        engine::take_icmp(packet, &Maps, icmp, scene);
    }
}

/// Headers beyond the linear part: rare, and worth a copy.
#[inline(never)]
fn take_slowly(skb: &Skb, link: Link) -> u32 {
    if let Some(scene) = scene()
        && let Ok(segment) = packet::walk(skb, link, skb.total())
    {
        scene.segment = segment;
        let interest = engine::gate(&Maps, &scene.segment);
        if interest.any() {
            return pack(engine::take(skb, &Maps, scene, interest));
        }
    }
    0
}

/// [`take`] for XDP.
#[inline(never)]
fn take_frame(frame: &Frame, interest: Interest) -> u32 {
    if let Some(scene) = scene()
        && let Ok(segment) = packet::walk(&frame.linear(), Link::Ethernet, frame.total())
    {
        scene.segment = segment;
        let next = pack(engine::take(frame, &Maps, scene, interest));
        trace::segment(scene);
        return next;
    }
    0
}
