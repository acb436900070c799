//! Servers that are refused: each with its error, and without a byte of the request.

use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use rustls::version::TLS12;
use sha2::{Digest, Sha256};
use sortie_embassy::tls::{Clock, NoClock, PreSharedKey};

use super::*;

static OTHER: LazyLock<Authority> = LazyLock::new(|| Authority::new("other"));

/// A certificate that is good within these years.
fn within(from: i32, until: i32) -> Leaf {
    TRUSTED.leaf_with(&[HOST], |params| {
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
    })
}

fn for_clients() -> Leaf {
    TRUSTED.leaf_with(&[HOST], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    })
}

/// A certificate that one vouches for who may not.
fn by_no_authority() -> Leaf {
    let own = TRUSTED.intermediate(|params| params.is_ca = IsCa::ExplicitNoCa);
    own.leaf(&[HOST]).with(&own)
}

fn digest(leaf: &Leaf) -> [u8; 32] {
    Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&leaf.key)).into()
}

/// What became of a POST with secrets; nothing of it was sent.
fn refused_by<T: Trust>(server: &Server, trust: T) -> Error {
    let run = run_with(server, trust, async |session, tls| {
        let url = format!("https://{HOST}/length/5");
        let url = sortie_embassy::Url::parse(&url).unwrap();
        let fields = [sortie_embassy::field!("Authorization", "Bearer secret")];
        let length = sortie_embassy::BodyLength::Known(6);
        let request = Request::new("POST", url, &fields, length).unwrap();
        let mut bytes = [0; 100];
        session.secure_data(tls, &request, b"secret", &mut bytes).await.unwrap_err()
    });
    let seen = server.seen.borrow();
    assert_eq!((seen.connections, seen.content, seen.goodbyes), (1, 0, 0), "{:?}", run.output);
    run.output.error
}

fn refused(server: &Server) -> TlsError {
    let root = TRUSTED.der();
    let roots = [root.as_ref()];
    let error = refused_by(server, Roots::new(&roots, NewYear));
    let Error::Transport(Transport::Tls(why)) = error else { panic!("{error:?}") };
    why
}

#[test]
fn a_server_that_is_not_to_be_trusted_gets_no_byte_of_the_request() {
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let table: [(TlsError, Leaf); 9] = [
        (TlsError::Expired, within(2001, 2002)),
        (TlsError::NotYetValid, within(2030, 2031)),
        (TlsError::WrongName, TRUSTED.leaf(&["other.example"])),
        (TlsError::WrongName, TRUSTED.leaf(&["a.origin.example", "*.example.org"])),
        (TlsError::UnknownRoot, OTHER.leaf(&[HOST])),
        (TlsError::SelfSigned, Leaf::self_signed(&[HOST], |_| ())),
        (TlsError::Untrusted, for_clients()),
        (TlsError::Untrusted, by_no_authority()),
        (TlsError::Untrusted, TRUSTED.leaf_of(p384, &[HOST])),
    ];
    for (why, leaf) in &table {
        assert_eq!(refused(&serves(leaf)), *why);
    }
}

#[test]
fn a_server_that_speaks_no_tls_or_another_is_refused() {
    let alert = [21, 3, 3, 0, 2, 2, 40];
    let garbage: [&[u8]; 7] = [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0; 100],
        &alert,
        // A change of ciphers and content, before any hello.
        &[20, 3, 3, 0, 1, 1],
        &[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
        // A record that is longer than any.
        &[22, 3, 3, 0xff, 0xff, 2],
    ];
    for what in garbage {
        let server = Server::new(good().serving(&[&TLS13]), [Doing::Says(what.to_vec())]);
        assert_eq!(refused(&server), TlsError::Handshake, "{what:?}");
    }
    let server = Server::new(good().serving(&[&TLS12]), [Doing::Serves]);
    assert_eq!(refused(&server), TlsError::Handshake);
}

#[test]
fn a_handshake_that_is_cut_off_anywhere_is_refused() {
    // All that the server sends before the client's last word is some 900 bytes.
    for bytes in (0..600).step_by(23) {
        let server = Server::new(good().serving(&[&TLS13]), [Doing::Stops(bytes)]);
        assert_eq!(refused(&server), TlsError::Handshake, "{bytes}");
    }
}

#[test]
fn a_clock_that_is_not_set_trusts_nobody() {
    struct Unset;
    impl Clock for Unset {
        fn unix_seconds(&self) -> Option<u64> {
            None
        }
    }
    let root = TRUSTED.der();
    let error = refused_by(&serves(&good()), Roots::new(&[root.as_ref()], Unset));
    assert_eq!(error, Error::Transport(Transport::Tls(TlsError::NotYetValid)));
}

#[test]
fn without_a_clock_no_date_is_looked_at() {
    let root = TRUSTED.der();
    for leaf in [within(2001, 2002), within(3001, 3002), good()] {
        let roots = [root.as_ref()];
        let trust = Roots::new(&roots, NoClock);
        let run = run_with(&serves(&leaf), trust, async |session, tls| {
            fetch(session, tls, "/length/5").await
        });
        assert_eq!(run.output, Ok(content(5)));
    }
    // Never valid at once.
    let above = TRUSTED.intermediate(|params| params.not_after = date_time_ymd(2002, 1, 1));
    let late = above.leaf_with(&[HOST], |params| params.not_before = date_time_ymd(2003, 1, 1));
    let error = refused_by(&serves(&late.with(&above)), Roots::new(&[root.as_ref()], NoClock));
    assert_eq!(error, Error::Transport(Transport::Tls(TlsError::Expired)));
    // All else is looked at.
    let other = serves(&TRUSTED.leaf(&["other.example"]));
    let error = refused_by(&other, Roots::new(&[root.as_ref()], NoClock));
    assert_eq!(error, Error::Transport(Transport::Tls(TlsError::WrongName)));
}

#[test]
fn a_chain_leads_by_way_of_others_to_any_of_the_roots() {
    let above = TRUSTED.intermediate(|_| ());
    let leaf = above.leaf(&[HOST]).with(&above).with(&TRUSTED);
    let (other, root) = (OTHER.der(), TRUSTED.der());
    let roots = [b"no certificate".as_slice(), other.as_ref(), root.as_ref()];
    let run = run_with(&serves(&leaf), Roots::new(&roots, NewYear), async |session, tls| {
        fetch(session, tls, "/length/5").await
    });
    assert_eq!(run.output, Ok(content(5)));
    // Without the one between there is no way.
    let above = TRUSTED.intermediate(|_| ());
    assert_eq!(refused(&serves(&above.leaf(&[HOST]))), TlsError::UnknownRoot);
}

#[test]
fn an_address_is_looked_for_among_the_addresses_of_the_certificate() {
    let root = TRUSTED.der();
    for (name, expected) in [
        ("192.0.2.1", Ok(())),
        ("192.0.2.2", Err(Error::Transport(Transport::Tls(TlsError::WrongName)))),
    ] {
        let server = serves(&TRUSTED.leaf(&[name]));
        let roots = [root.as_ref()];
        let trust = Roots::new(&roots, NewYear);
        let run = run_with(&server, trust, async |session, tls| {
            let (mut bytes, request) = ([0; 100], get("https://192.0.2.1/length/5"));
            let done = session.secure_data(tls, &request, &[], &mut bytes).await;
            done.map(drop).map_err(|failure| failure.error)
        });
        assert_eq!(run.output, expected);
        // And is no name to be asked for.
        assert!(server.seen.borrow().names.iter().all(Option::is_none));
    }
}

#[test]
fn a_pinned_key_is_trusted_and_no_other() {
    let leaf = Leaf::self_signed(&["nobody.example"], |_| ());
    let pins = [[1; 32], digest(&leaf)];
    let run = run_with(&serves(&leaf), PinnedKeys::new(&pins), async |session, tls| {
        fetch(session, tls, "/length/5").await
    });
    assert_eq!(run.output, Ok(content(5)));
    let error = refused_by(&serves(&good()), PinnedKeys::new(&pins));
    assert_eq!(error, Error::Transport(Transport::Tls(TlsError::KeyNotPinned)));
}

#[test]
fn a_server_that_has_the_certificate_and_not_its_key_is_refused() {
    // The certificate is public: whoever stands between can show it.
    let shown = good();
    let key = KeyPair::generate().unwrap();
    let server = serves_unchecked(&shown, &key);
    assert_eq!(refused(&server), TlsError::Untrusted);
    let server = serves_unchecked(&shown, &key);
    let error = refused_by(&server, PinnedKeys::new(&[digest(&shown)]));
    assert_eq!(error, Error::Transport(Transport::Tls(TlsError::Untrusted)));
}

#[test]
fn a_server_that_does_not_know_the_shared_key_is_refused() {
    let error = refused_by(&serves(&good()), PreSharedKey::new(b"device", &[7; 32]));
    assert_eq!(error, Error::Transport(Transport::Tls(TlsError::Handshake)));
}

#[test]
fn a_certificate_of_which_any_byte_was_changed_is_refused() {
    let leaf = good();
    let length = leaf.chain[0].len();
    for at in (0..length).step_by(7) {
        let mut changed = leaf.chain[0].as_ref().to_vec();
        changed[at] ^= 1 << (at % 8);
        let shown = Leaf { chain: vec![changed.into()], ..good() };
        let server = Server::new(shown.unchecked_config(&leaf.key), [Doing::Serves]);
        let why = refused(&server);
        assert_ne!(why, TlsError::KeyNotPinned, "{at}");
    }
}

#[test]
fn an_authority_vouches_for_no_more_than_it_may() {
    let near = TRUSTED.intermediate(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let nearest = near.intermediate(|_| ());
    let far = nearest.leaf(&[HOST]).with(&nearest).with(&near);
    let no_certificates = TRUSTED.intermediate(|params| {
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    });
    let no_servers = TRUSTED.intermediate(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    // What is in constraints of names nobody looks at: so there is no way through it.
    let some_names = TRUSTED.intermediate(|params| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example".into())];
        let constraints = NameConstraints { permitted_subtrees, excluded_subtrees: vec![] };
        params.name_constraints = Some(constraints);
    });
    assert_eq!(refused(&serves(&far)), TlsError::Untrusted);
    for (above, why) in [
        (no_certificates, TlsError::Untrusted),
        (no_servers, TlsError::Untrusted),
        (some_names, TlsError::UnknownRoot),
    ] {
        let leaf = above.leaf(&[HOST]).with(&above);
        assert_eq!(refused(&serves(&leaf)), why);
    }
    // One may be between.
    let leaf = near.leaf(&[HOST]).with(&near);
    let run = run(&serves(&leaf), async |session, tls| fetch(session, tls, "/length/5").await);
    assert_eq!(run.output, Ok(content(5)));
}

fn serves_unchecked(shown: &Leaf, key: &KeyPair) -> Server {
    Server::new(shown.unchecked_config(key), [Doing::Serves])
}
