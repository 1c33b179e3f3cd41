//! The TCP sockets of this network namespace, from /proc/net/tcp and /proc/net/tcp6 (proc_net_tcp in the kernel's
//! documentation; `tcp4_seq_show` in net/ipv4/tcp_ipv4.c).

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

/// TCP_LISTEN (`net/tcp_states.h`), as it is printed.
const LISTEN: &str = "0A";

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its own address. An IPv4-mapped one is shown as IPv4.
    pub local: SocketAddr,
    /// The peer's; unspecified while it listens.
    pub remote: SocketAddr,
    /// It listens.
    pub listening: bool,
    /// Its number, by which its owner is found. Zero where nobody holds it any more.
    pub inode: u64,
}

impl Socket {
    /// Whether it is the one that a connection to `address` may come to.
    #[must_use]
    pub fn is_for(&self, address: IpAddr) -> bool {
        match self.local.ip() {
            IpAddr::V4(own) => address == own || (own.is_unspecified() && address.is_ipv4()),
            // It takes IPv4 too, unless told not to (IPV6_V6ONLY), which the table does not show.
            IpAddr::V6(own) => address == own || own.is_unspecified(),
        }
    }
}

/// All listening sockets.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn listening() -> io::Result<Vec<Socket>> {
    select(|socket| socket.listening)
}

/// The sockets that are `wanted`. This thread's network namespace is the one that is looked at.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn select(wanted: impl Fn(&Socket) -> bool) -> io::Result<Vec<Socket>> {
    select_of("thread-self", wanted)
}

/// The same, in the network namespace of `process`.
///
/// # Errors
///
/// When /proc cannot be read.
pub fn select_of(process: &str, wanted: impl Fn(&Socket) -> bool) -> io::Result<Vec<Socket>> {
    let mut found = Vec::new();
    read(
        File::open(format!("/proc/{process}/net/tcp"))?,
        &wanted,
        &mut found,
    )?;
    match File::open(format!("/proc/{process}/net/tcp6")) {
        Ok(table) => read(table, &wanted, &mut found)?,
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(found)
}

/// Reads a table. There may be very many lines: they share one buffer, and few become anything.
fn read(
    table: impl io::Read,
    wanted: &impl Fn(&Socket) -> bool,
    found: &mut Vec<Socket>,
) -> io::Result<()> {
    let mut table = BufReader::with_capacity(1 << 16, table);
    let mut line = String::new();
    while table.read_line(&mut line)? > 0 {
        found.extend(socket(&line).filter(wanted));
        line.clear();
    }
    Ok(())
}

/// A line of the table; `None` for its head.
pub(super) fn socket(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = endpoint(fields.next()?)?;
    let remote = endpoint(fields.next()?)?;
    let listening = fields.next()? == LISTEN;
    // Queues, timer, retransmissions, user and time-out stand between.
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Socket {
        local,
        remote,
        listening,
        inode,
    })
}

fn endpoint(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Words of four bytes, each printed as the number that this machine sees in it.
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok();
    let ip = match address.len() {
        8 => IpAddr::from(word(0)?.to_ne_bytes()),
        32 => {
            let mut bytes = [0; 16];
            for (number, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(number * 8)?.to_ne_bytes());
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}
