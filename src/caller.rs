//! Tells callers apart, as far as what one caller does must not cost another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who asks, as far as what one caller does must not cost another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// The holder of the access key with this number.
    Key(u32),
    /// A client at this address, or in the IPv6 network that it stands for.
    Address(IpAddr),
}

impl Caller {
    /// The first 64 bits of an IPv6 address: what one customer is given at least.
    const NETWORK: u128 = u128::MAX << 64;

    /// The caller at an address. An IPv6 customer is given at least a /64, and could take another address of it for every
    /// request.
    pub fn at(address: Option<IpAddr>) -> Self {
        Caller::Address(match address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & Self::NETWORK).into(),
            address => address,
        })
    }
}
