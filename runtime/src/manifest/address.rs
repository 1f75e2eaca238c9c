//! Which addresses are the public internet's, and which lead to the runtime's own surroundings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// The internet.
    Public,
    /// This machine, or the networks around it.
    Private,
    /// Link-local, where the providers of machines hand out credentials to who asks (169.254.169.254), and the other
    /// addresses of such services. No name should lead there.
    Metadata,
    /// Nobody to talk to: multicast, broadcast, reserved, unspecified.
    Nobody,
}

/// Where an address leads. One that carries an IPv4 address within it is that address.
///
/// Source: the IANA special-purpose address registries (RFC 6890 and what it is kept up by).
pub fn kind_of(address: IpAddr) -> AddressKind {
    match address.to_canonical() {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

fn of_v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        // Services for metadata (Alibaba, Oracle, Azure).
        [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => AddressKind::Metadata,
        [127, ..] | [10, ..] | [192, 168, ..] => AddressKind::Private,
        [172, second, ..] if second & 0xf0 == 16 => AddressKind::Private,
        // Shared address space of carriers (RFC 6598).
        [100, second, ..] if second & 0xc0 == 64 => AddressKind::Private,
        // Benchmarks (RFC 2544), and IETF protocol assignments (RFC 6890).
        [198, 18 | 19, ..] | [192, 0, 0, _] => AddressKind::Private,
        [169, 254, ..] => AddressKind::Metadata,
        // "This network": some systems take 0.0.0.0 for this machine.
        [0, ..] => AddressKind::Nobody,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => AddressKind::Nobody,
        // Documentation (RFC 5737), and the old 6to4 relays (RFC 7526).
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => AddressKind::Nobody,
        _ => AddressKind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressKind {
    let [first, second, third, ..] = address.segments();
    let [.., sixth, last] = address.segments();
    let carried = |high: u16, low: u16| of_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressKind::Nobody,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Private,
        // IPv4-compatible (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0 | 0xffff, _, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => carried(sixth, last),
        // NAT64 of a network's own (RFC 8215): what it leads to is that network's business.
        [0x64, 0xff9b, ..] => AddressKind::Private,
        // 6to4 (RFC 3056).
        [0x2002, ..] => carried(second, third),
        // Services for metadata (Amazon, Google, Oracle).
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] | [0xfd00, 0xc1, ..] => AddressKind::Metadata,
        _ if first & 0xfe00 == 0xfc00 => AddressKind::Private,
        _ if first & 0xffc0 == 0xfe80 => AddressKind::Metadata,
        // Site-local (RFC 3879).
        _ if first & 0xffc0 == 0xfec0 => AddressKind::Private,
        // IETF protocol assignments with Teredo (RFC 2928, 4380), documentation (RFC 3849, 9637), discard (RFC 6666).
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, ..] | [0x100, ..] => AddressKind::Nobody,
        // Global unicast is 2000::/3; nothing else is given out.
        _ if first & 0xe000 == 0x2000 => AddressKind::Public,
        _ => AddressKind::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> AddressKind {
        kind_of(text.parse().unwrap())
    }

    #[test]
    fn only_what_is_public_is_public() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::",
        ] {
            assert_eq!(kind(address), AddressKind::Public, "{address}");
        }
    }

    #[test]
    fn what_is_around_the_runtime_is_private_in_each_of_its_forms() {
        for address in [
            "127.0.0.1",
            "127.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "fd00::1",
            "fc00::1",
            "fec0::1",
        ] {
            assert_eq!(kind(address), AddressKind::Private, "{address}");
        }
    }

    #[test]
    fn metadata_and_nobody_are_kinds_of_their_own() {
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd00:c1::a9fe:a9fe",
            "168.63.129.16",
            "100.100.100.200",
        ] {
            assert_eq!(kind(address), AddressKind::Metadata, "{address}");
        }
        for address in [
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "203.0.113.1",
            "4000::1",
        ] {
            assert_eq!(kind(address), AddressKind::Nobody, "{address}");
        }
    }
}
