//! The programs.

use aya_ebpf::{
    bindings::{TC_ACT_UNSPEC, xdp_action::XDP_PASS},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use ftpwatch_common::{
    engine::{self, Interest, Next, Request, Scene},
    packet::{Bytes, Icmp, Link, Skip, walk},
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
    classify(&Skb::new(&context), Link::Ethernet);
    // "No opinion": the next program, or the qdisc's other filters, go on as if this one were not there.
    TC_ACT_UNSPEC
}

/// tc, ingress and egress, on a link without Ethernet headers.
#[classifier]
pub fn ftpwatch_ip(context: TcContext) -> i32 {
    classify(&Skb::new(&context), Link::Ip);
    TC_ACT_UNSPEC
}

/// XDP, for the ingress half. XDP never sees what is sent.
#[xdp]
pub fn ftpwatch_xdp(context: XdpContext) -> u32 {
    classify(&Frame::new(&context), Link::Ethernet);
    XDP_PASS
}

/// Attached nowhere: the user half runs it on a "packet" that is a [`Request`], so that what it is done
/// with is taken out under the same locks as everything else.
#[classifier]
pub fn ftpwatch_retire(context: TcContext) -> i32 {
    let skb = Skb::new(&context);
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
            if interest.any() {
                go_on(take(packet, link, interest));
            }
        }
        Err(Skip::Icmp(icmp)) => take_icmp(packet, icmp),
        Err(Skip::Short) => go_on(take_slowly(packet, link)),
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
fn take<P: Packet>(packet: &P, link: Link, interest: Interest) -> u32 {
    if let Some(scene) = scene()
        && let Ok(segment) = walk(&packet.linear(), link, packet.total())
    {
        scene.segment = segment;
        let next = pack(engine::take(&Copied(packet), &Maps, scene, interest));
        trace::segment(scene);
        return next;
    }
    0
}

/// Headers beyond the linear part: rare, and worth a copy.
#[inline(never)]
fn take_slowly<P: Packet>(packet: &P, link: Link) -> u32 {
    if let Some(scene) = scene()
        && let Ok(segment) = walk(&Copied(packet), link, packet.total())
    {
        scene.segment = segment;
        let interest = engine::gate(&Maps, &scene.segment);
        if interest.any() {
            return pack(engine::take(&Copied(packet), &Maps, scene, interest));
        }
    }
    0
}

/// An ICMP message, whose quotation is read by copying: errors are rare.
#[inline(never)]
fn take_icmp<P: Packet>(packet: &P, icmp: Icmp) {
    if let Some(scene) = scene() {
        engine::take_icmp(&Copied(packet), &Maps, icmp, scene);
    }
}
