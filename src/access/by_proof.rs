//! Rights of the rules with the same `who`, looked up by what a client shows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{AddressRange, Rights};

/// Rights by keys, or by secrets.
#[derive(Debug)]
pub(super) struct ByProof<P> {
    each: BTreeMap<P, Rights>,
    /// Rights of all rules together.
    all: Option<Rights>,
}

/// Rights by address ranges.
#[derive(Debug, Default)]
pub(super) struct ByAddress {
    ranges: ByProof<AddressRange>,
    /// Bits of the ranges, so that only ranges that may exist are looked up.
    bits: BTreeSet<u8>,
}

impl<P> Default for ByProof<P> {
    fn default() -> Self {
        Self { each: BTreeMap::new(), all: None }
    }
}

impl<P: Ord> ByProof<P> {
    pub(super) fn add(&mut self, proof: P, rights: Rights) {
        let of_proof = self.each.entry(proof).or_insert(rights);
        *of_proof = of_proof.union(rights);
        add(&mut self.all, rights);
    }

    pub(super) fn get(&self, proof: &P) -> Option<Rights> {
        self.each.get(proof).copied()
    }

    /// Returns the rights of all rules together; `None` if there are none.
    pub(super) const fn all(&self) -> Option<Rights> {
        self.all
    }
}

impl ByAddress {
    pub(super) fn add(&mut self, range: AddressRange, rights: Rights) {
        self.ranges.add(range, rights);
        self.bits.insert(range.bits());
    }

    /// Returns the rights of all ranges that contain an address. At most one range of each length
    /// does, so the number of rules has no effect on the time.
    pub(super) fn get(&self, ip: IpAddr) -> Option<Rights> {
        let mut rights = None;
        let ranges = self.bits.iter().map_while(|bits| AddressRange::around(ip, *bits));
        let fitting = ranges.filter_map(|range| self.ranges.get(&range));
        fitting.for_each(|of_range| add(&mut rights, of_range));
        rights
    }

    /// Returns the rights of all rules together; `None` if there are none.
    pub(super) const fn all(&self) -> Option<Rights> {
        self.ranges.all()
    }
}

/// Adds the rights of a further rule.
pub(super) fn add(all: &mut Option<Rights>, rights: Rights) {
    *all = Some(all.map_or(rights, |others| others.union(rights)));
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of_rate(rate: u32) -> Rights {
        Rights { rate: Some(rate), ..Rights::ALL }
    }

    /// Ranges of all lengths around few addresses: many contain each other.
    fn any_range() -> impl Strategy<Value = AddressRange> {
        (any_ip(), 0_u8..=128).prop_map(|(ip, bits)| {
            let bits = if ip.to_canonical().is_ipv4() { bits % 33 } else { bits };
            AddressRange::around(ip, bits).unwrap()
        })
    }

    fn any_ip() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0_u32..8, 0_u32..32).prop_map(|(bits, at)| IpAddr::V4((bits << at).into())),
            (0_u128..8, 0_u32..128).prop_map(|(bits, at)| IpAddr::V6((bits << at).into())),
            (0_u128..8, 0_u32..32)
                .prop_map(|(bits, at)| IpAddr::V6((0xffff << 32 | bits << at).into())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn an_address_gets_the_rights_of_all_ranges_that_contain_it(
            rules in vec((any_range(), 1_u32..99), 0..20),
            ip in any_ip(),
        ) {
            let mut by_address = ByAddress::default();
            rules.iter().for_each(|(range, rate)| by_address.add(*range, of_rate(*rate)));
            let fitting = rules.iter().filter(|(range, _)| range.contains(ip));
            let expected = fitting.map(|(_, rate)| of_rate(*rate)).reduce(Rights::union);
            assert_eq!(by_address.get(ip), expected);
            let all = rules.iter().map(|(_, rate)| of_rate(*rate)).reduce(Rights::union);
            assert_eq!(by_address.all(), all);
        }
    }

    /// A walk over all ranges for each address would take many minutes here.
    #[test]
    fn an_address_is_not_compared_with_all_ranges() {
        let count = 200_000;
        let mut by_address = ByAddress::default();
        for lowest in 0..count {
            let range = AddressRange::around(IpAddr::V4((lowest << 8).into()), 24).unwrap();
            by_address.add(range, Rights::ALL);
        }
        for lowest in 0..count {
            let stranger = IpAddr::V4((1 << 31 | lowest).into());
            assert_eq!(by_address.get(stranger), None);
        }
    }
}
