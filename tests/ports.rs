//! Ports for peers that must be told one before they start.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context as _;

/// Below the ports that the kernel gives to outgoing connections (`ip_local_port_range` begins at
/// 32 768), so that none of those takes it before the peer does.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// A port that is free, and is given once by this process.
///
/// # Errors
/// When none is free.
pub fn free_port() -> anyhow::Result<u16> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Processes beside each other begin at different places.
    let begin = u16::try_from(std::process::id() * 97 % u32::from(COUNT))?;
    (0..COUNT)
        .map(|_| begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT + FIRST)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no port between 12000 and 31999 is free")
}
