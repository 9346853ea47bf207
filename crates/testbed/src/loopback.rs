//! Addresses of a cluster's own, so that clusters started at the same time do not meet.
//!
//! Drivers learn nodes from `system.peers`, which has no ports: nodes on one machine differ by address. Linux has all of
//! 127.0.0.0/8 without further ado; a cluster takes a 127.x.y.0/24 of it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// How often another block is tried before giving up.
const TRIES: usize = 64;

/// A block of 256 loopback addresses. Held by listening on its last one, which the system ends with the process.
pub(crate) struct Block {
    second: u8,
    third: u8,
    _held: TcpListener,
}

impl Block {
    pub(crate) fn take() -> io::Result<Block> {
        let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            let [low, third, ..] = RandomState::new().hash_one(()).to_ne_bytes();
            // The blocks of people and their tools are at the low end.
            let second = low | 0x40;
            match TcpListener::bind((Ipv4Addr::new(127, second, third, 254), HOLDING_PORT)) {
                Ok(held) => {
                    return Ok(Block {
                        second,
                        third,
                        _held: held,
                    });
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    pub(crate) fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.second, self.third, last)
    }
}

/// Below what the system gives to clients by itself.
const HOLDING_PORT: u16 = 7000;
