//! `ftpwatch run` at work: what its process uses when nothing happens and when much does, and whether anything is lost.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ftpwatch_common::packet::Link;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::lab::netns::{Namespace, cable};
use crate::lab::process::Process;
use crate::lab::{Directory, SOON, wait_until, watch};
use crate::packets::{Conversation, Packet};

/// How long it is watched with nothing to do.
const IDLE: Duration = Duration::from_secs(20);
/// How long each load lasts.
const LOADED: Duration = Duration::from_secs(5);
/// Clients with a control connection each.
const CLIENTS: u16 = 500;

/// Runs it, and prints what came of it.
pub fn run() -> Result<()> {
    println!("| endpoints a second | sent | processor | resident | said at the end |");
    println!("|---|---|---|---|---|");
    for rate in [0, 1_000, 10_000, 100_000] {
        one(rate)?;
    }
    Ok(())
}

/// ftpwatch on one end of a cable, and packets from the other.
fn one(rate: u32) -> Result<()> {
    let server = Namespace::new("bench-server");
    let client = Namespace::new("bench-client");
    cable((&server, "s0"), (&client, "c0"));
    let directory = Directory::new("bench");
    let ready = directory.path().join("ready");
    let mut command: Command = server.command(watch::FTPWATCH);
    command
        .args(["run", "-i", "s0", "--ready-file"])
        .arg(&ready);
    let mut process = Process::start(&mut command);
    wait_until("ftpwatch is ready", SOON, || {
        assert!(!process.has_ended(), "ftpwatch ended: {process}");
        ready.exists().then_some(())
    });
    let wire = client.enter(|| Wire::new("c0"))?;
    let before = Used::of(process.id())?;
    let started = Instant::now();
    let mut sent = 0;
    if rate == 0 {
        std::thread::sleep(IDLE);
    } else {
        sent = load(&wire, rate)?;
    }
    let elapsed = started.elapsed();
    let after = Used::of(process.id())?;
    process.signal(rustix::process::Signal::INT);
    let ended = process.wait(SOON * 4);
    let share = (after.processor - before.processor) / elapsed.as_secs_f64() * 100.0;
    println!(
        "| {rate} | {sent} in {:.1} s | {share:.2} % | {:.1} MB | {} |",
        elapsed.as_secs_f64(),
        after.resident_kb as f64 / 1024.0,
        ended.stderr.trim().replace('\n', "; "),
    );
    Ok(())
}

/// Sends endpoints, each advertised and connected to, at `rate` or as fast as it goes. Returns how many.
fn load(wire: &Wire, rate: u32) -> Result<u64> {
    let server = SocketAddr::new(Ipv4Addr::new(203, 0, 113, 10).into(), 21);
    let mut talks: Vec<Conversation> = (0..CLIENTS)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            let client = Ipv4Addr::new(198, 18, high, low);
            let mut talk = Conversation::between(SocketAddr::new(client.into(), 40_000), server);
            // With the same numbers they would be one, seen before and after address translation.
            talk.client_next ^= u32::from(number) << 8;
            talk.server_next ^= u32::from(number) << 8;
            talk
        })
        .collect();
    for talk in &mut talks {
        wire.send(&talk.opening())?;
    }
    let started = Instant::now();
    let mut sent = 0_u64;
    while started.elapsed() < LOADED {
        let due = u64::from(rate) * started.elapsed().as_micros() as u64 / 1_000_000;
        // A burst at a time; what is late is made up for, up to a point.
        let burst = due.saturating_sub(sent).min(64);
        if burst == 0 {
            std::thread::sleep(Duration::from_micros(500));
        }
        for _ in 0..burst {
            let count = talks.len() as u64;
            let talk = &mut talks[(sent % count) as usize];
            let port = 20_000 + (sent % 40_000) as u16;
            let mut packets: Vec<Packet> = talk.exchange(port).into();
            packets.push(talk.client("RETR a"));
            packets.extend(talk.data(port).handshake());
            packets.push(talk.server("150 Here it comes"));
            packets.push(talk.server("226 Done"));
            wire.send(&packets)?;
            sent += 1;
        }
    }
    Ok(sent)
}

/// What a process has used.
struct Used {
    processor: f64,
    resident_kb: u64,
}

impl Used {
    fn of(id: u32) -> Result<Self> {
        let schedule = std::fs::read_to_string(format!("/proc/{id}/schedstat"))?;
        let nanoseconds: u64 = schedule.split(' ').next().context("no time")?.parse()?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no size")?;
        Ok(Self {
            processor: nanoseconds as f64 / 1e9,
            resident_kb: resident.trim().trim_end_matches(" kB").parse()?,
        })
    }
}

/// A socket that sends frames as they are.
struct Wire {
    socket: OwnedFd,
}

impl Wire {
    fn new(interface: &str) -> Result<Self> {
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )?;
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            // Nothing is to be received.
            sll_protocol: 0,
            sll_ifindex: nix::net::if_::if_nametoindex(interface)? as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        // SAFETY: the address is of the socket's family, and of that size.
        let bound = unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        if bound != 0 {
            return Err(io::Error::last_os_error()).context("cannot bind to the interface");
        }
        Ok(Self { socket })
    }

    /// Sends them all.
    fn send(&self, packets: &[Packet]) -> Result<()> {
        let mut frames: Vec<Vec<u8>> = packets
            .iter()
            .map(|packet| packet.bytes(Link::Ethernet))
            .collect();
        let mut parts: Vec<libc::iovec> = frames
            .iter_mut()
            .map(|frame| libc::iovec {
                iov_base: frame.as_mut_ptr().cast(),
                iov_len: frame.len(),
            })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .map(|part| {
                // SAFETY: zeros are a message of nothing to nobody.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = part;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        let mut sent = 0;
        while sent < messages.len() {
            let rest = &mut messages[sent..];
            // SAFETY: the messages, their parts and the frames outlive the call.
            let count = unsafe {
                libc::sendmmsg(
                    self.socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as u32,
                    0,
                )
            };
            match usize::try_from(count) {
                Ok(count) => sent += count,
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if error.raw_os_error() != Some(libc::ENOBUFS) {
                        return Err(error).context("cannot send");
                    }
                }
            }
        }
        Ok(())
    }
}
