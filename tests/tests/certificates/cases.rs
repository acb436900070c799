//! Chains of every shape that RFC 5280 and RFC 9525 have a rule for, and what both think of them.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P384_SHA384, date_time_ymd,
};

use sortie_core::TlsError;

use super::chain::{HOST, KEYS, extension, extensions, new_extension, set_value, sign};
use super::der::{Content, Node};
use super::judge::{Chain, judge};

/// An extension that nobody knows.
const UNKNOWN: [u8; 4] = [0x2a, 3, 4, 5];

fn plain(between: usize) -> Chain {
    Chain::new(between, |_| ())
}

/// The same but for one of its certificates.
fn with(between: usize, place: usize, change: impl FnOnce(&mut CertificateParams)) -> Chain {
    Chain::new(between, |all| change(&mut all[place]))
}

fn for_host(mut chain: Chain, host: &str) -> Chain {
    host.clone_into(&mut chain.host);
    chain
}

fn named(names: &[&str]) -> Chain {
    with(0, 1, |leaf| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        leaf.subject_alt_names = CertificateParams::new(names).unwrap().subject_alt_names;
    })
}

fn purposes(of: &mut CertificateParams, purposes: &[ExtendedKeyUsagePurpose]) {
    of.extended_key_usages = purposes.to_vec();
}

fn near(most: u8) -> IsCa {
    IsCa::Ca(BasicConstraints::Constrained(most))
}

fn limited(to: &str) -> Option<NameConstraints> {
    let permitted_subtrees = vec![GeneralSubtree::DnsName(to.to_owned())];
    Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() })
}

/// Changes the order or number of what is shown.
fn shown(mut chain: Chain, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Chain {
    change(&mut chain.shown);
    chain
}

fn dated(tag: u8, from: &str, until: &str) -> Chain {
    plain(0).edit(1, |signed| {
        let dates = [from, until].map(|date| Node::new(tag, date.as_bytes()));
        signed.nodes()[4].content = Content::Nodes(dates.to_vec());
    })
}

/// The leaf with this in the place of its names.
fn names_of(bytes: &[u8]) -> Chain {
    plain(0).edit(1, |signed| set_value(extension(signed, 17), bytes))
}

fn added(place: usize, of: Node) -> Chain {
    plain(1).edit(place, |signed| extensions(signed).push(of))
}

fn usage_of(place: usize, bytes: &[u8]) -> Chain {
    plain(1).edit(place, |signed| set_value(extension(signed, 15), bytes))
}

/// One with a name of the length that is asked for.
fn long_name(length: usize) -> Chain {
    let name = format!("{}.{HOST}", "a".repeat(length));
    for_host(named(&[&name]), &name)
}

fn assert_all(table: Vec<(&str, Chain)>, expected: (bool, bool)) {
    for (what, chain) in table {
        let why = || format!("{what}: {:?}, {:?}", chain.ours().err(), chain.theirs().err());
        assert_eq!(judge(&chain, &|| what.to_owned()), expected, "{}", why());
    }
}

#[test]
fn good_chains_are_accepted_by_both() {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let mut crossed = plain(1);
    crossed.roots.insert(0, Chain::new(0, |_| ()).roots[0].clone());
    let table = vec![
        ("a root and a leaf", plain(0)),
        ("one between", plain(1)),
        ("four between", plain(4)),
        ("in another order", shown(plain(3), |all| all[1..].reverse())),
        ("with the root", {
            let chain = plain(1);
            let root = chain.roots[0].clone();
            shown(chain, |all| all.push(root))
        }),
        ("with one that has no part in it", {
            let other = plain(2).shown[1].clone();
            shown(plain(1), |all| all.insert(1, other))
        }),
        ("with one that is none", shown(plain(1), |all| all.insert(1, b"none".to_vec()))),
        ("two roots of one name and key", crossed),
        ("a root that is none beside it", {
            let mut chain = plain(0);
            chain.roots.insert(0, b"none".to_vec());
            chain
        }),
        ("a path as long as it may be", with(3, 1, |above| above.is_ca = near(2))),
        ("a purpose at the leaf", with(0, 1, |leaf| purposes(leaf, &[ServerAuth]))),
        ("a purpose among others", with(0, 1, |leaf| purposes(leaf, &[ClientAuth, ServerAuth]))),
        ("a purpose above", with(1, 1, |above| purposes(above, &[ServerAuth]))),
        ("no key usage", with(0, 1, |leaf| leaf.key_usages.clear())),
        ("no key usage above", with(1, 1, |above| above.key_usages.clear())),
        ("another extension", added(2, new_extension(&UNKNOWN, false, b"x"))),
        ("another extension above", added(1, new_extension(&UNKNOWN, false, b"x"))),
        ("an address", for_host(named(&["10.0.0.1"]), "10.0.0.1")),
        ("one of several names", named(&["x.example", "10.0.0.1", HOST])),
        ("a name in capitals", named(&["A.Origin.EXAMPLE"])),
        ("a host in capitals", for_host(plain(0), "A.ORIGIN.example")),
        ("a host with a dot behind", for_host(plain(0), "a.origin.example.")),
        ("a wildcard", named(&["*.origin.example"])),
        ("a wildcard before one label of the host's", named(&["x.y", "*.origin.example"])),
        ("a label of 63 bytes", long_name(63)),
        (
            "dates of two kinds",
            dated(0x17, "250101000000Z", "270101000000Z").edit(1, |signed| {
                signed.nodes()[4].nodes()[0] = Node::new(0x18, b"20250101000000Z");
            }),
        ),
        ("the last second", dated(0x17, "250101000000Z", "260101000000Z")),
        ("the first second", dated(0x17, "260101000000Z", "270101000000Z")),
        ("long dates", dated(0x18, "19700101000000Z", "99991231235959Z")),
        ("a root that has expired", with(0, 0, |root| root.not_after = date_time_ymd(2001, 1, 1))),
        (
            "a critical purpose",
            plain(0).edit(1, |signed| {
                let value = [&[0x30, 10, 6, 8][..], &[0x2b, 6, 1, 5, 5, 7, 3, 1]].concat();
                extensions(signed).push(new_extension(&[0x55, 0x1d, 37], true, &value));
            }),
        ),
        (
            "a serial number that is negative",
            plain(0).edit(1, |signed| {
                signed.nodes()[1] = Node::new(2, &[0xff; 30]);
            }),
        ),
        ("a server that is its own root", its_own_root()),
    ];
    assert_all(table, (true, true));
}

/// Not an authority, but trusted by itself.
fn its_own_root() -> Chain {
    let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "alone");
    let own = params.self_signed(&KEYS[1]).unwrap().der().to_vec();
    Chain { roots: vec![own.clone()], shown: vec![own], host: HOST.to_owned() }
}

/// Who is vouched for as an authority has signed a certificate for a server of the same name and
/// key.
fn its_own_authority() -> Chain {
    let key = rcgen::PublicKeyData::subject_public_key_info(&KEYS[1]);
    let chain = Chain::new(1, |all| {
        all[2].distinguished_name = all[1].distinguished_name.clone();
    });
    chain.edit(2, |signed| signed.nodes()[6] = Node::parse(&key))
}

#[test]
fn bad_dates_are_refused_by_both() {
    let table = vec![
        ("expired", dated(0x17, "240101000000Z", "251231235959Z")),
        ("not yet valid", dated(0x17, "260101000001Z", "270101000000Z")),
        ("expired above", with(1, 1, |above| above.not_after = date_time_ymd(2025, 12, 31))),
        ("not yet valid above", with(1, 1, |above| above.not_before = date_time_ymd(2026, 1, 2))),
        ("dates in the wrong order", dated(0x17, "270101000000Z", "250101000000Z")),
        ("a date before 1970", dated(0x17, "500101000000Z", "270101000000Z")),
        ("a thirtieth of February", dated(0x17, "250230000000Z", "270101000000Z")),
        ("a date without seconds", dated(0x17, "2501010000Z", "270101000000Z")),
        ("a fraction of a second", dated(0x18, "20250101000000.0Z", "20270101000000Z")),
        ("another time zone", dated(0x17, "250101000000+0000", "270101000000Z")),
        ("another kind of date", dated(0x16, "250101000000Z", "270101000000Z")),
    ];
    assert_all(table, (false, false));
}

#[test]
fn forms_that_no_certificate_has_are_refused_by_both() {
    let edit = |change: fn(&mut Node)| plain(0).edit(1, change);
    let version = |bytes: &[u8]| {
        plain(1).edit(1, |signed| signed.nodes()[0].nodes()[0] = Node::new(2, bytes))
    };
    let mut unused = plain(0);
    *unused.certificate(1) = {
        let mut certificate = Node::parse(unused.certificate(1));
        let Content::Bytes(bits) = &mut certificate.nodes()[2].content else { panic!("bits") };
        bits[0] = 1;
        certificate.bytes()
    };
    let mut outside = plain(0);
    *outside.certificate(1) = {
        let mut certificate = Node::parse(outside.certificate(1));
        certificate.nodes()[1].nodes().push(Node::new(5, &[]));
        certificate.bytes()
    };
    let table = vec![
        ("version 1 above", plain(1).edit(1, |signed| drop(signed.nodes().remove(0)))),
        ("version 2 above", version(&[1])),
        ("version 4 above", version(&[3])),
        ("a long version", version(&[0, 2])),
        ("version 1", edit(|signed| drop(signed.nodes().remove(0)))),
        ("identifiers of subjects", edit(|signed| signed.nodes().insert(7, Node::new(0x82, &[0])))),
        (
            "another algorithm inside",
            edit(|signed| signed.nodes()[2].nodes().push(Node::new(5, &[]))),
        ),
        ("another algorithm outside", outside),
        ("bits of the signature that are not used", unused),
        (
            "two known extensions of one kind",
            edit(|signed| {
                let first = extension(signed, 17).clone();
                extensions(signed).push(first);
            }),
        ),
        ("a critical extension", added(2, new_extension(&UNKNOWN, true, b"x"))),
        ("a critical extension above", added(1, new_extension(&UNKNOWN, true, b"x"))),
        (
            "something behind an extension",
            edit(|signed| {
                extension(signed, 17).nodes().push(Node::new(5, &[]));
            }),
        ),
        (
            "a boolean of another value",
            edit(|signed| {
                extension(signed, 15).nodes()[1] = Node::new(1, &[1]);
            }),
        ),
        (
            "a damaged list of revocation",
            added(2, new_extension(&[0x55, 0x1d, 31], false, &[5, 0])),
        ),
        (
            "two lists of revocation",
            added(2, new_extension(&[0x55, 0x1d, 31], false, &[0x30, 0])).edit(2, |signed| {
                extensions(signed).push(new_extension(&[0x55, 0x1d, 31], false, &[0x30, 0]));
            }),
        ),
    ];
    assert_all(table, (false, false));
}

#[test]
fn chains_of_who_may_not_vouch_are_refused_by_both() {
    let other = KeyPair::generate().unwrap();
    let mut forged = plain(1);
    // The names fit, and the key does not.
    *forged.certificate(2) = {
        let signed = Node::parse(forged.certificate(2)).nodes()[0].bytes();
        sign(&signed, 4)
    };
    let mut foreign = plain(0);
    foreign.roots = vec![{
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority 0");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&other).unwrap().der().to_vec()
    }];
    let mut rootless = plain(1);
    rootless.roots.clear();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let table = vec![
        ("no authority", with(1, 1, |above| above.is_ca = IsCa::ExplicitNoCa)),
        ("who does not say so", with(1, 1, |above| above.is_ca = IsCa::NoCa)),
        ("a leaf that vouches", {
            Chain::new(2, |all| {
                let leaf = all[3].clone();
                all[2].is_ca = leaf.is_ca;
                all[2].key_usages = leaf.key_usages;
            })
        }),
        (
            "an authority as a leaf",
            with(0, 1, |leaf| {
                leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }),
        ),
        ("a path that is too long", with(3, 1, |above| above.is_ca = near(1))),
        ("a path without any between", with(2, 1, |above| above.is_ca = near(0))),
        ("one that is missing", shown(plain(2), |all| drop(all.remove(1)))),
        ("its own signature", {
            let mut chain = its_own_root();
            chain.roots = plain(0).roots;
            chain
        }),
        ("another key", forged),
        ("another root of that name", foreign),
        ("no root", rootless),
        (
            "a name that may not be",
            with(1, 1, |above| above.name_constraints = limited("b.example")),
        ),
        ("a key of another curve above", {
            let mut chain = plain(1);
            let info = rcgen::PublicKeyData::subject_public_key_info(&p384);
            *chain.certificate(1) = chain
                .clone()
                .edit(1, |signed| signed.nodes()[6] = Node::parse(&info))
                .certificate(1)
                .clone();
            chain
        }),
        ("the leaf behind another", shown(plain(1), |all| all.swap(0, 1))),
        ("an authority with the name and the key of the leaf", its_own_authority()),
    ];
    assert_all(table, (false, false));
}

#[test]
fn other_purposes_than_that_of_servers_are_refused_by_both() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth};
    let table = vec![
        ("a purpose of clients", with(0, 1, |leaf| purposes(leaf, &[ClientAuth]))),
        ("any purpose", with(0, 1, |leaf| purposes(leaf, &[Any]))),
        ("a purpose of clients above", with(1, 1, |above| purposes(above, &[ClientAuth]))),
        (
            "no purpose at all",
            plain(0).edit(1, |signed| {
                extensions(signed).push(new_extension(&[0x55, 0x1d, 37], false, &[0x30, 0]));
            }),
        ),
    ];
    assert_all(table, (false, false));
}

#[test]
fn names_that_do_not_fit_are_refused_by_both() {
    let nameless = with(0, 1, |leaf| {
        leaf.subject_alt_names.clear();
        leaf.distinguished_name.push(DnType::CommonName, HOST);
    });
    let by_text = names_of(&[&[0x30, 10, 0x82, 8][..], b"10.0.0.1"].concat());
    let wildcard = named(&["*.origin.example"]);
    let table = vec![
        ("another name", named(&["b.origin.example"])),
        ("a common name", nameless),
        ("a parent", named(&["origin.example"])),
        ("a child", for_host(plain(0), "origin.example")),
        ("no wildcard for the parent", for_host(wildcard.clone(), "origin.example")),
        ("no wildcard for two labels", for_host(wildcard.clone(), "a.a.origin.example")),
        ("a wildcard as a host", for_host(wildcard, "*.origin.example")),
        ("a wildcard in the second place", named(&["a.*.example"])),
        (
            "a wildcard for a part",
            names_of(&[&[0x30, 19, 0x82, 17][..], b"a*.origin.example"].concat()),
        ),
        ("a wildcard before one label", for_host(named(&["*.example"]), "a.example")),
        ("a wildcard alone", for_host(names_of(&[0x30, 3, 0x82, 1, b'*']), "a")),
        ("an address as a name", for_host(by_text.clone(), "10.0.0.1")),
        ("an address as a name, with a dot", for_host(by_text, "10.0.0.1.")),
        ("another address", for_host(named(&["10.0.0.2"]), "10.0.0.1")),
        (
            "an address of six bytes",
            for_host(names_of(&[0x30, 10, 0x87, 8, 10, 0, 0, 1, 255, 255, 255, 255]), "10.0.0.1"),
        ),
        ("a name as an address", names_of(&[&[0x30, 18, 0x87, 16][..], HOST.as_bytes()].concat())),
        ("a name as a mailbox", names_of(&[&[0x30, 18, 0x81, 16][..], HOST.as_bytes()].concat())),
        ("a name with a dot behind", named(&["a.origin.example."])),
        ("a name with a zero", named(&["a.origin.example\0.b"])),
        ("no names", names_of(&[0x30, 0])),
        (
            "a kind of name that there is not",
            names_of(&[&[0x30, 20, 0x89, 0, 0x82, 16][..], HOST.as_bytes()].concat()),
        ),
        ("a label of 64 bytes", long_name(64)),
        ("a host that is a number", for_host(named(&["7"]), "7")),
        ("a host with a hyphen before", for_host(named(&["-a.example"]), "-a.example")),
        ("no host", for_host(names_of(&[0x30, 2, 0x82, 0]), "")),
    ];
    assert_all(table, (false, false));
}

/// SECURITY.md has these.
#[test]
fn who_may_not_sign_and_roots_beyond_their_bounds_are_accepted_by_webpki_alone() {
    let table = vec![
        // Key usage, of which it looks at none (RFC 5280 §4.2.1.3, §6.1.4 (n)).
        (
            "no signatures of certificates",
            with(1, 1, |above| {
                above.key_usages = vec![KeyUsagePurpose::CrlSign];
            }),
        ),
        ("no signatures", with(0, 1, |leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement])),
        ("bits that are not used", usage_of(2, &[3, 2, 7, 0x81])),
        ("no bits", usage_of(1, &[3, 1, 0])),
        // A root is a name and a key to it (§6.1.1 (d)). Here it may do no more than others.
        ("a root that may not", with(0, 0, |root| root.is_ca = IsCa::ExplicitNoCa)),
        (
            "a root that signs no certificates",
            with(0, 0, |root| {
                root.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            }),
        ),
        ("a root that is near", with(1, 0, |root| root.is_ca = near(0))),
        (
            "a root for clients",
            with(0, 0, |root| {
                purposes(root, &[ExtendedKeyUsagePurpose::ClientAuth]);
            }),
        ),
        (
            "a critical extension of a root",
            plain(0).edit(0, |signed| {
                extensions(signed).push(new_extension(&UNKNOWN, true, b"x"));
            }),
        ),
    ];
    assert_all(table, (false, true));
}

/// And these.
#[test]
fn what_else_webpki_alone_accepts_is_this() {
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = Node::parse(&rcgen::PublicKeyData::subject_public_key_info(&p384));
    let behind = [&[0x30, 20, 0x82, 16][..], HOST.as_bytes(), &[0x89, 0]].concat();
    let revocation = new_extension(&[0x55, 0x1d, 31], true, &[0x30, 0]);
    let again = new_extension(&UNKNOWN, false, b"x");
    let table = vec![
        // Constraints of names (§4.2.1.10) are not looked at, and so refused.
        ("names within bounds", with(1, 1, |above| above.name_constraints = limited("example"))),
        (
            "names within bounds of a root",
            with(0, 0, |root| {
                root.name_constraints = limited("example");
            }),
        ),
        // What is not known is not critical (§4.2), and revocation is not known.
        ("a critical list of revocation", added(2, revocation)),
        // No extension comes twice (§4.2), not even one that nobody knows. Nor are there so many.
        (
            "twice what nobody knows",
            added(2, again.clone()).edit(2, |signed| {
                extensions(signed).push(again);
            }),
        ),
        ("forty extensions", extended(40)),
        // The whole of a value is looked at, also behind what was looked for.
        ("a bad name behind the good one", names_of(&behind)),
        (
            "a bad purpose behind the good one",
            plain(0).edit(1, |signed| {
                let value = [&[0x30, 12, 6, 8][..], &[0x2b, 6, 1, 5, 5, 7, 3, 1], &[5, 0]].concat();
                extensions(signed).push(new_extension(&[0x55, 0x1d, 37], false, &value));
            }),
        ),
        // Bounds of a device.
        ("five between", plain(5)),
        ("a path of 128", with(1, 1, |above| above.is_ca = near(128))),
        ("a key of another curve", plain(0).edit(1, |signed| signed.nodes()[6] = p384)),
    ];
    assert_all(table, (false, true));
}

/// A leaf with so many extensions more.
fn extended(count: u8) -> Chain {
    plain(0).edit(1, |signed| {
        for number in 0..count {
            extensions(signed).push(new_extension(&[0x2a, 3, number], false, b"x"));
        }
    })
}

#[test]
fn as_many_extensions_as_the_limit_says() {
    let own = extensions(&mut Node::parse(plain(0).certificate(1)).nodes()[0]).len() as u8;
    assert_all(vec![("thirty-two", extended(32 - own))], (true, true));
    assert_all(vec![("one more", extended(33 - own))], (false, true));
}

#[test]
fn no_more_signatures_are_looked_at_than_the_limit_says() {
    // Roots of one name with other keys are tried before the right one.
    let foreign = |count: usize| {
        let mut chain = plain(0);
        for _ in 0..count {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "authority 0");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let other = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            chain.roots.insert(0, other.der().to_vec());
        }
        chain
    };
    assert_all(vec![("the eighth", foreign(7))], (true, true));
    assert_all(vec![("the ninth", foreign(8))], (false, true));
    assert_eq!(foreign(8).ours(), Err(TlsError::Untrusted));
}

/// SECURITY.md has this, too.
#[test]
fn what_webpki_gives_up_it_accepts_without_what_leads_nowhere() {
    // All of one name, and the third one has the key.
    let mut chain = Chain::new(1, |all| {
        let name = all[0].distinguished_name.clone();
        all[1].distinguished_name = name;
    });
    let named = |place: usize| {
        plain(0).edit(0, |signed| {
            let key = rcgen::PublicKeyData::subject_public_key_info(&KEYS[place]);
            signed.nodes()[6] = Node::parse(&key);
        })
    };
    let others: Vec<_> = (4..8).map(|place| named(place).roots.remove(0)).collect();
    chain.shown.splice(1..1, others[..2].to_vec());
    chain.shown.extend_from_slice(&others[2..]);
    assert_eq!(chain.theirs(), Err(webpki::Error::MaximumSignatureChecksExceeded));
    assert_eq!(judge(&chain, &|| "of one name".to_owned()), (true, true));
}
