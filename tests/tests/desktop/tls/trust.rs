//! Who is trusted beside the system's roots, or in spite of them.

use std::sync::{Arc, Mutex};

use sortie::{
    ErrorKind, SessionConfiguration, TlsConfiguration, TlsConfigurationError, TrustDecision,
};
use sortie_core::TlsError;

use super::server::{Leaf, OK, OTHER, Server, Serves, TRUSTED, good, script, session, trusting};
use super::tls;

fn get(settings: TlsConfiguration, leaf: &Leaf) -> Result<Vec<u8>, ErrorKind> {
    let server = Server::once(leaf.config(), 1);
    let got = session(settings).data_blocking(&server.url());
    server.done();
    got.map(|(_, content)| content).map_err(|error| error.kind())
}

fn digest(leaf: &Leaf) -> [u8; 32] {
    let key = rcgen::PublicKeyData::subject_public_key_info(&leaf.key);
    let digest = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let rustls::SupportedCipherSuite::Tls13(suite) = digest else {
        panic!("a suite of TLS 1.3");
    };
    suite.common.hash_provider.hash(&key).as_ref().try_into().unwrap()
}

fn ok() -> Result<Vec<u8>, ErrorKind> {
    Ok(b"ok".to_vec())
}

#[test]
fn own_roots_take_the_place_of_the_others() {
    let only_other = TlsConfiguration::new().trusted_roots_pem(OTHER.pem().as_bytes()).unwrap();
    assert_eq!(get(only_other.clone(), &OTHER.leaf(&["localhost"])), ok());
    assert_eq!(get(only_other, &good()), Err(tls(TlsError::UnknownRoot)));
}

#[test]
fn own_roots_add_up() {
    let both = trusting().trusted_roots_pem(OTHER.pem().as_bytes()).unwrap();
    let beside = trusting().additional_roots_pem(OTHER.pem().as_bytes()).unwrap();
    for settings in [both, beside] {
        assert_eq!(get(settings.clone(), &good()), ok());
        assert_eq!(get(settings, &OTHER.leaf(&["localhost"])), ok());
    }
    let one_file = TRUSTED.pem() + "\nbetween\n" + &OTHER.pem();
    let settings = TlsConfiguration::new().trusted_roots_pem(one_file.as_bytes()).unwrap();
    assert_eq!(get(settings, &OTHER.leaf(&["localhost"])), ok());
}

#[test]
fn roots_that_cannot_be_used_are_told_at_once() {
    use TlsConfigurationError as Why;
    let whole = TRUSTED.pem();
    let not_base64 = whole.replace("MII", "M!!");
    let not_x509 = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
    let cases = [
        ("", Why::NoCertificate),
        ("no certificate", Why::NoCertificate),
        (&whole[..whole.len() / 2], Why::Malformed),
        (not_base64.as_str(), Why::Malformed),
        (not_x509, Why::BadCertificate),
    ];
    for (pem, why) in cases {
        let errors = [
            TlsConfiguration::new().trusted_roots_pem(pem.as_bytes()).unwrap_err(),
            TlsConfiguration::new().additional_roots_pem(pem.as_bytes()).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Tls(why), -1200), "{pem:?}");
        }
    }
}

#[test]
fn a_pinned_key_is_asked_for_on_top_of_trust() {
    let leaf = good();
    assert_eq!(get(trusting().pinned_keys([[7; 32], digest(&leaf)]), &leaf), ok());
    let other = good();
    assert_eq!(get(trusting().pinned_keys([digest(&other)]), &leaf), Err(not_pinned()));
    let foreign = OTHER.leaf(&["localhost"]);
    let pinned = trusting().pinned_keys([digest(&foreign)]);
    assert_eq!(get(pinned, &foreign), Err(tls(TlsError::UnknownRoot)));
    assert_eq!(get(trusting().pinned_keys([]), &leaf), ok());
}

fn not_pinned() -> ErrorKind {
    tls(TlsError::KeyNotPinned)
}

fn untrusted() -> ErrorKind {
    tls(TlsError::Untrusted)
}

#[test]
fn any_certificate_is_accepted_where_that_is_asked_for_but_pins_hold() {
    let any = TlsConfiguration::new().accept_any_certificate();
    let leaf = Leaf::self_signed(&["localhost"], |_| ());
    assert_eq!(get(any.clone(), &leaf), ok());
    assert_eq!(get(any.clone(), &OTHER.leaf(&["elsewhere"])), ok());
    assert_eq!(get(any.clone().pinned_keys([digest(&leaf)]), &leaf), ok());
    assert_eq!(get(any.pinned_keys([[0; 32]]), &leaf), Err(not_pinned()));
}

type Told = Arc<Mutex<Vec<(String, Result<(), TlsError>, Vec<Vec<u8>>)>>>;

/// Settings that answer so, and what they were told.
fn answering(decision: TrustDecision) -> (TlsConfiguration, Told) {
    let told = Told::default();
    let noted = told.clone();
    let settings = trusting().server_trust(move |trust| {
        let chain = trust.certificates().map(<[u8]>::to_vec).collect();
        noted.lock().unwrap().push((trust.host().to_owned(), trust.evaluation(), chain));
        decision
    });
    (settings, told)
}

#[test]
fn the_program_is_told_what_was_found_and_decides() {
    let intermediate = OTHER.intermediate(|_| ());
    let foreign = intermediate.leaf(&["localhost"]).with(&intermediate);
    let unknown = Err(TlsError::UnknownRoot);
    let cases = [
        (TrustDecision::Default, good(), Ok(()), ok()),
        (TrustDecision::Default, foreign, unknown, Err(tls(TlsError::UnknownRoot))),
        (TrustDecision::Trust, OTHER.leaf(&["localhost"]), unknown, ok()),
        (TrustDecision::Trust, good(), Ok(()), ok()),
        (TrustDecision::Refuse, good(), Ok(()), Err(untrusted())),
        (TrustDecision::Refuse, OTHER.leaf(&["localhost"]), unknown, Err(untrusted())),
    ];
    for (decision, leaf, evaluation, want) in cases {
        let (settings, told) = answering(decision);
        assert_eq!(get(settings, &leaf), want, "{decision:?} {evaluation:?}");
        let chain = leaf.chain.iter().map(|one| one.to_vec()).collect();
        assert_eq!(*told.lock().unwrap(), [("localhost".to_owned(), evaluation, chain)]);
    }
}

#[test]
fn the_program_is_told_of_a_pin_that_does_not_hold() {
    let (settings, told) = answering(TrustDecision::Default);
    assert_eq!(get(settings.pinned_keys([[0; 32]]), &good()), Err(not_pinned()));
    assert_eq!(told.lock().unwrap()[0].1, Err(TlsError::KeyNotPinned));
}

/// A server that has a trusted certificate and not its key.
#[test]
fn a_signature_of_the_handshake_is_checked_even_where_any_certificate_is_accepted() {
    let mut thief = good();
    thief.chain = OTHER.leaf(&["localhost"]).chain;
    let resolver = thief.unchecked_config(&thief.key);
    let server = Server::once(resolver, 1);
    let any = TlsConfiguration::new().accept_any_certificate();
    let error = session(any).data_blocking(&server.url()).unwrap_err();
    assert_eq!(error.kind(), tls(TlsError::Untrusted));
    server.done();
}

/// Whoever answers where the connection leads must be whom the URL names.
#[test]
fn a_connection_that_leads_elsewhere_is_secured_for_the_host_of_its_url() {
    let (asked, names) = std::sync::mpsc::channel();
    let serve = |_| {
        let asked = asked.clone();
        script(move |peer| {
            if peer.shakes_hands() {
                asked.send(peer.tls.conn.server_name().map(str::to_owned)).unwrap();
                peer.request();
                peer.send(OK);
            }
        })
    };
    let leaf = TRUSTED.leaf(&["shop.example"]);
    let server = Server::new(leaf.config(), (0..3).map(serve).collect());
    let to = (Some("127.0.0.1"), Some(server.port));
    let session = SessionConfiguration::new().tls(trusting()).connect_to((None, None), to).build();
    assert_eq!(session.data_blocking("https://shop.example/").unwrap().1, b"ok");
    assert_eq!(names.recv().unwrap().as_deref(), Some("shop.example"));
    let other = session.data_blocking("https://other.example/").unwrap_err();
    assert_eq!(other.kind(), tls(TlsError::WrongName));
    let address = format!("https://127.0.0.1:{}/", server.port);
    assert_eq!(session.data_blocking(&address).unwrap_err().kind(), tls(TlsError::WrongName));
    server.done();
}
