//! Tells callers apart, so that one caller's requests are not charged to the others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
