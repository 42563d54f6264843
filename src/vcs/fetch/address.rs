//! Which hosts a repository may be fetched from.
//!
//! A URL may come from somebody who wants to see what only this machine sees: a service on loopback, the metadata
//! service of a cloud. So a host is looked up, every address is checked, and the connection goes to an address that was
//! checked, never to what a second look-up says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What may be fetched beyond public hosts. By default nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// Folders of this machine, by path or `file:`.
    pub file: bool,
    /// This machine itself, over the network.
    pub loopback: bool,
    /// Private, link-local and other addresses that are not part of the public network.
    pub private: bool,
}

impl Allowed {
    /// For URLs that the user has typed.
    pub const EVERYTHING: Self = Self {
        file: true,
        loopback: true,
        private: true,
    };

    /// Tells whether no address needs a look.
    pub(super) fn any_host(self) -> bool {
        self.loopback && self.private
    }

    /// What is wrong with connecting to an address, if something is.
    pub(super) fn objection(self, address: IpAddr) -> Option<&'static str> {
        match kind(address) {
            Kind::Public => None,
            Kind::Loopback if self.loopback => None,
            Kind::Private if self.private => None,
            Kind::Loopback => Some("an address of this machine itself"),
            Kind::Private => Some("a private or link-local address"),
            Kind::Never => Some("no address of a host"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Loopback,
    Private,
    /// Nobody can be reached there.
    Never,
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        // All of 0/8 is "this host" to some systems.
        [0 | 127, ..] => Kind::Loopback,
        [10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [169, 254, ..]
        // Shared by a provider's customers, protocol assignments, documentation, benchmarks.
        | [100, 64..=127, ..]
        | [192, 0, 0 | 2, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Kind::Private,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => Kind::Never,
        _ => Kind::Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> Kind {
    if let Some(inner) = address.to_ipv4_mapped() {
        return kind_v4(inner);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Kind::Loopback,
        // Addresses that lead to the IPv4 address inside: compatible, translated, 6to4.
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        // Translated by the own network, Teredo, documentation, unique local, link-local, site-local.
        [0x64, 0xff9b, ..] | [0x2001, 0 | 0xdb8, ..] | [0xfc00..=0xfdff | 0xfe80..=0xfeff, ..] => {
            Kind::Private
        }
        [0xff00..=0xffff, ..] => Kind::Never,
        _ => Kind::Public,
    }
}

/// What an address that leads to an IPv4 address is: what that is.
fn inner(high: u16, low: u16) -> Kind {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    kind_v4(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass_by_default() {
        let public = [
            "1.1.1.1",
            "140.82.121.4",
            "2606:4700::1111",
            "64:ff9b::808:808",
        ];
        let loopback = [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ];
        let private = [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:a9fe:a9fe::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
        ];
        let never = ["224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1"];
        let objection = |allowed: Allowed, text: &str| allowed.objection(text.parse().unwrap());
        for address in public {
            assert_eq!(objection(Allowed::default(), address), None, "{address}");
        }
        let only_loopback = Allowed {
            loopback: true,
            ..Allowed::default()
        };
        let only_private = Allowed {
            private: true,
            ..Allowed::default()
        };
        for address in loopback {
            assert!(objection(only_private, address).is_some(), "{address}");
            assert_eq!(objection(only_loopback, address), None, "{address}");
        }
        for address in private {
            assert!(objection(only_loopback, address).is_some(), "{address}");
            assert_eq!(objection(only_private, address), None, "{address}");
        }
        for address in never {
            assert!(
                objection(Allowed::EVERYTHING, address).is_some(),
                "{address}"
            );
        }
    }
}
