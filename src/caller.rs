//! Tells callers apart, so that one caller's requests are not charged to the others.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Who is at this address, in its shortest form.
    Address(IpAddr),
    /// Who has come through a socket in the file system, and is therefore on this machine. Such peers cannot be told apart.
    UnixSocket,
}

impl Peer {
    /// Its address, if it has one.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Peer::Address(address) => Some(address),
            Peer::UnixSocket => None,
        }
    }
}

impl From<IpAddr> for Peer {
    /// A listener on `[::]` sees IPv4 clients as IPv6 addresses.
    fn from(address: IpAddr) -> Self {
        Peer::Address(address.to_canonical())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Address(address) => address.fmt(f),
            Peer::UnixSocket => f.write_str("unix"),
        }
    }
}

/// A caller, as far as callers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// The holder of the access key with this number.
    Key(u32),
    /// A client at this IPv4 address, or in this IPv6 network.
    Address(IpAddr),
}

impl Caller {
    /// The first 64 bits of an IPv6 address: the smallest network that one customer is given.
    const NETWORK: u128 = u128::MAX << 64;

    /// The caller at an address. All of an IPv6 /64 is one caller, because a customer has at least a /64 and could use
    /// another of its addresses for every request.
    pub fn at(address: Option<IpAddr>) -> Self {
        Caller::Address(match address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & Self::NETWORK).into(),
            address => address,
        })
    }
}
