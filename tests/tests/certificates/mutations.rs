//! Chains of which something was changed, and mostly signed again, so that the signature is not
//! what finds it.

use std::collections::BTreeMap;
use std::ops::Range;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};

use super::chain::{self, new_extension, sign};
use super::der::{Content, Node, OPERATIONS};
use super::judge::{Chain, judge};

/// Of the changes this share is tried: all where the code is optimized, for our signatures take
/// twenty times as long where it is not.
const SHARE: u64 = if cfg!(debug_assertions) { 16 } else { 1 };

/// The fields in what is signed, each with where it is.
fn fields(signed: &[u8]) -> Vec<(Range<usize>, String)> {
    const NAMES: [&str; 7] =
        ["version", "serial", "algorithm", "issuer", "validity", "subject", "key"];
    let mut all = Vec::new();
    let mut whole = Node::parse(signed);
    let mut at = header(&mut whole);
    for (number, node) in whole.nodes().iter_mut().enumerate() {
        let length = node.bytes().len();
        match NAMES.get(number) {
            Some(name) => all.push((at..at + length, (*name).to_owned())),
            None => {
                let mut at = at + header(node);
                let list = &mut node.nodes()[0];
                at += header(list);
                for extension in list.nodes() {
                    let length = extension.bytes().len();
                    let Content::Bytes(oid) = &extension.nodes()[0].content else { continue };
                    all.push((at..at + length, format!("extension {}", oid[2])));
                    at += length;
                }
            }
        }
        at += length;
    }
    all
}

/// How long the tag and the length of what has parts are.
fn header(node: &mut Node) -> usize {
    let parts: usize = node.nodes().iter().map(|node| node.bytes().len()).sum();
    node.bytes().len() - parts
}

/// The field that a byte belongs to.
fn field(fields: &[(Range<usize>, String)], at: usize) -> &str {
    let found = fields.iter().find(|(range, _)| range.contains(&at));
    found.map_or("frame", |(_, name)| name)
}

/// How many chains both accept, neither accepts, and only theirs accepts.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    both: usize,
    neither: usize,
    theirs: usize,
}

/// Counts by the field that was changed.
#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<String, Counts>,
    number: u64,
}

impl Tally {
    /// Whether the next change is one of those that are tried.
    fn is_next(&mut self) -> bool {
        self.number += 1;
        numbers(self.number).is_multiple_of(SHARE)
    }

    fn judge(&mut self, field: &str, chain: &Chain, what: &dyn Fn() -> String) {
        let counts = self.counts.entry(field.to_owned()).or_default();
        match judge(chain, what) {
            (true, _) => counts.both += 1,
            (false, true) => counts.theirs += 1,
            (false, false) => counts.neither += 1,
        }
    }

    /// The fields in which ours alone refuses something are these.
    fn assert_stricter_in(&self, fields: &[&str]) {
        for (field, counts) in &self.counts {
            let is_listed = fields.contains(&field.as_str());
            assert!(counts.theirs == 0 || is_listed, "{field} is not listed: {counts:?}");
            assert!(SHARE > 1 || counts.theirs > 0 || !is_listed, "{field}: {counts:?}");
        }
    }

    fn sum(&self) -> Counts {
        self.counts.values().fold(Counts::default(), |sum, counts| Counts {
            both: sum.both + counts.both,
            neither: sum.neither + counts.neither,
            theirs: sum.theirs + counts.theirs,
        })
    }
}

/// Numbers in no order, the same in each run.
const fn numbers(seed: u64) -> u64 {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Where ours is stricter: in the authority key usage (15), which webpki does not look at, and the
/// purposes (37) behind that of servers. In the leaf also the names (17) behind the one that fits,
/// its key, which has to be one of P-256, and what becomes constraints of names (30) of 31.
const STRICTER: [&[&str]; 2] = [
    &["extension 15", "extension 37"],
    &["extension 15", "extension 17", "extension 31", "extension 37", "key"],
];

/// Every kind of extension that either of both knows is in it, and an address.
fn rich() -> Chain {
    let purposes = |params: &mut CertificateParams| {
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    };
    let chain = Chain::new(1, |all| {
        all[1].is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        all[1].use_authority_key_identifier_extension = true;
        all[2].is_ca = rcgen::IsCa::ExplicitNoCa;
        all[2].subject_alt_names.push(rcgen::SanType::IpAddress([10, 0, 0, 1].into()));
        purposes(&mut all[1]);
        purposes(&mut all[2]);
    });
    let chain = chain.edit(2, |signed| {
        chain::extensions(signed).push(new_extension(&[0x55, 0x1d, 31], false, &[0x30, 0]));
    });
    assert_eq!(judge(&chain, &|| "as it is".to_owned()), (true, true));
    chain
}

/// What a byte becomes.
fn others(byte: u8) -> Vec<u8> {
    let mut others: Vec<u8> = (0..8).map(|bit| byte ^ (1 << bit)).collect();
    others.extend([0, 0xff, byte.wrapping_add(1), byte.wrapping_sub(1)]);
    others.sort_unstable();
    others.dedup();
    others.retain(|other| *other != byte);
    others
}

#[test]
fn what_is_accepted_with_any_byte_changed_and_signed_again_is_accepted_by_webpki() {
    let chain = rich();
    for (place, stricter) in [1, 2].into_iter().zip(STRICTER) {
        let mut tally = Tally::default();
        let signed = Node::parse(chain.clone().certificate(place)).nodes()[0].bytes();
        let fields = fields(&signed);
        for (at, byte) in signed.iter().enumerate() {
            for other in others(*byte) {
                if !tally.is_next() {
                    continue;
                }
                let (mut chain, mut signed) = (chain.clone(), signed.clone());
                signed[at] = other;
                *chain.certificate(place) = sign(&signed, place);
                let what =
                    || format!("byte {at} of certificate {place}: {byte:#x}, now {other:#x}");
                tally.judge(field(&fields, at), &chain, &what);
            }
        }
        tally.assert_stricter_in(stricter);
        assert!(tally.sum().both > 0 && tally.sum().neither > 0);
    }
}

#[test]
fn what_is_accepted_with_any_byte_changed_is_accepted_by_webpki() {
    let chain = rich();
    for place in 0..=2 {
        let mut tally = Tally::default();
        let bytes = chain.clone().certificate(place).clone();
        for (at, byte) in bytes.iter().enumerate() {
            for other in others(*byte) {
                if !tally.is_next() {
                    continue;
                }
                let mut chain = chain.clone();
                chain.certificate(place)[at] = other;
                let what =
                    || format!("byte {at} of certificate {place}: {byte:#x}, now {other:#x}");
                tally.judge("any", &chain, &what);
            }
        }
        let sum = tally.sum();
        // Of a root only the name and the key count, and its signature for nobody.
        assert_eq!((sum.both > 0, sum.theirs > 0), (place == 0, place == 0));
    }
}

#[test]
fn what_is_cut_off_or_goes_on_is_refused_by_both() {
    let chain = rich();
    for place in 0..=2 {
        let bytes = chain.clone().certificate(place).clone();
        let longer = [&bytes[..], &[0]].concat();
        let twice = [&bytes[..], &bytes].concat();
        let shorter = (0..bytes.len()).map(|length| bytes[..length].to_vec());
        for changed in shorter.chain([longer, twice]) {
            let mut chain = chain.clone();
            let length = changed.len();
            *chain.certificate(place) = changed;
            let what = || format!("{length} bytes of certificate {place}");
            assert_eq!(judge(&chain, &what), (false, false), "{}", what());
        }
    }
}

#[test]
fn what_is_accepted_with_any_value_misplaced_is_accepted_by_webpki() {
    let chain = rich();
    let mut tally = Tally::default();
    for place in [1, 2] {
        let count = Node::parse(chain.clone().certificate(place)).nodes()[0].count();
        for number in 1..count {
            for (name, operation) in &OPERATIONS {
                let chain = chain.clone().edit(place, |signed| {
                    signed.at(number, &mut |nodes, at| operation(nodes, at));
                });
                let what = || format!("value {number} of certificate {place}: {name}");
                tally.judge(name, &chain, &what);
            }
        }
    }
    assert!(tally.sum().both > 0 && tally.sum().neither > 0);
}

#[test]
fn what_is_accepted_with_several_values_misplaced_is_accepted_by_webpki() {
    let chain = rich();
    let mut tally = Tally::default();
    for round in 0..16_000 / SHARE {
        let place = 1 + (numbers(round) % 2) as usize;
        let count = 2 + numbers(round + 1_000_000) % 3;
        let chain = chain.clone().edit(place, |signed| {
            for step in 0..count {
                let number = numbers(round * 8 + step);
                let (_, operation) = OPERATIONS[(number % 16) as usize];
                let at = 1 + (number >> 8) as usize % (signed.count() - 1).max(1);
                signed.at(at, &mut |nodes, at| operation(nodes, at));
            }
        });
        tally.judge("any", &chain, &|| format!("round {round}"));
    }
    assert!(tally.sum().both > 0 && tally.sum().neither > 0);
}
