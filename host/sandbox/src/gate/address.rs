//! Which addresses a name may lead to. Pure: it never resolves anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reachable from everywhere.
    Public,
    /// Belongs to this host or its neighbourhood, or to nobody.
    Private(&'static str),
    /// Hands out the credentials of the machine to whoever asks.
    Metadata,
}

/// The kind of an address (IANA special-purpose registries, RFC 6890).
pub(crate) fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

fn kind_v4(v4: Ipv4Addr) -> Kind {
    match v4.octets() {
        // AWS and most others; ECS and EKS (169.254.170); Alibaba; Azure; Oracle.
        [169, 254, 169..=170, _] | [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => Kind::Metadata,
        [0, ..] => Kind::Private("unspecified"),
        [127, ..] => Kind::Private("loopback"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private("private"),
        [169, 254, ..] => Kind::Private("link-local"),
        [100, 64..=127, ..] => Kind::Private("shared (carrier-grade NAT)"),
        [192, 0, 0 | 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => {
            Kind::Private("reserved")
        }
        [224..=239, ..] => Kind::Private("multicast"),
        [240..=255, ..] => Kind::Private("reserved"),
        _ => Kind::Public,
    }
}

fn kind_v6(v6: Ipv6Addr) -> Kind {
    if let Some(v4) = embedded_v4(v6) {
        return kind_v4(v4);
    }
    match v6.segments() {
        // AWS (IMDS, EKS), Google, Scaleway.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, _]
        | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254]
        | [0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042] => Kind::Metadata,
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Private("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private("loopback"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Kind::Private("unique local"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Kind::Private("link-local"),
        [first, ..] if first & 0xffc0 == 0xfec0 => Kind::Private("site-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Kind::Private("multicast"),
        [first, ..] if first & 0xe000 != 0x2000 => Kind::Private("reserved"),
        [0x2001, 0x0db8, ..] | [0x2001, 0..=0x01ff, ..] | [0x3fff, 0..=0x0fff, ..] => Kind::Private("reserved"),
        _ => Kind::Public,
    }
}

/// The IPv4 address behind an IPv6 one: mapped and compatible (RFC 4291, 2.5.5), translated (RFC 6052) and 6to4
/// (RFC 3056). The local-use prefix of RFC 8215 is not read: where in it an address lies is the network's choice, and
/// all of it is reserved.
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let join = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(w, x, y, z)
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) => Some(join(g, h)),
        (0, 0, 0, 0, 0, 0) if g != 0 || h > 1 => Some(join(g, h)),
        (0x0064, 0xff9b, 0, 0, 0, 0) => Some(join(g, h)),
        (0x2002, high, low, ..) => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(address: &str) -> Kind {
        kind(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_public() {
        for address in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::200e"] {
            assert_eq!(of(address), Kind::Public, "{address}");
        }
        for address in ["::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"] {
            assert_eq!(of(address), Kind::Public, "{address}");
        }
    }

    #[test]
    fn addresses_of_this_host_and_its_neighbourhood_are_private() {
        for address in [
            "0.0.0.0",
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::",
            "::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "100::1",
            "3fff::1",
            // Local-use translation: what looks like a public address at the end may be one of 10.0.0.0/8 before it.
            "64:ff9b:1:a00:0:100:101:101",
            "64:ff9b:1::1.1.1.1",
            "64:ff9b:0:1::1.1.1.1",
        ] {
            assert!(matches!(of(address), Kind::Private(_)), "{address}: {:?}", of(address));
        }
    }

    #[test]
    fn an_ipv4_address_within_an_ipv6_one_is_what_it_is_by_itself() {
        for address in ["::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "::ffff:0:192.168.0.1"]
        {
            assert!(matches!(of(address), Kind::Private(_)), "{address}: {:?}", of(address));
        }
    }

    #[test]
    fn metadata_services_are_known_in_every_form() {
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
            "100.100.100.200",
            "169.254.170.2",
            "fd00:ec2::23",
            "fd20:ce::254",
        ] {
            assert_eq!(of(address), Kind::Metadata, "{address}");
        }
    }
}
