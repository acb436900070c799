//! Client certificates: asked for, shown, refused.

use rustls::version::{TLS12, TLS13};
use sortie::{Error, ErrorKind, TlsConfiguration, TlsConfigurationError};
use sortie_core::TlsError;

use super::server::{OTHER, Server, Serves, TRUSTED, good, session, trusting};
use super::tls;

/// What comes of a GET to a server that demands a certificate of [`TRUSTED`].
fn get(settings: &TlsConfiguration, version: &'static rustls::SupportedProtocolVersion) -> Got {
    let server = Server::once(good().config_of(&[version], true), 1);
    let got = session(settings.clone()).data_blocking(&server.url());
    server.done();
    got.map(|(_, content)| content).map_err(|error| (error.kind(), error.code()))
}

type Got = Result<Vec<u8>, (ErrorKind, i32)>;

#[test]
fn a_client_certificate_that_the_server_trusts_is_shown() {
    let client = TRUSTED.leaf(&["client.example.org"]);
    let key = client.key.serialize_pem();
    let settings = trusting().client_certificate_pem(client.pem.as_bytes(), key.as_bytes());
    for version in [&TLS12, &TLS13] {
        assert_eq!(get(settings.as_ref().unwrap(), version), Ok(b"ok".to_vec()), "{version:?}");
    }
    let both = client.pem.clone() + &key;
    let settings = trusting().client_certificate_pem(both.as_bytes(), both.as_bytes()).unwrap();
    assert_eq!(get(&settings, &TLS13), Ok(b"ok".to_vec()));
}

#[test]
fn a_client_certificate_that_is_missing_is_told_as_required() {
    for version in [&TLS12, &TLS13] {
        let why = (tls(TlsError::ClientCertificateRequired), -1206);
        assert_eq!(get(&trusting(), version), Err(why), "{version:?}");
    }
}

#[test]
fn a_client_certificate_that_the_server_does_not_trust_is_told_as_rejected() {
    let client = OTHER.leaf(&["client.example.org"]);
    let key = client.key.serialize_pem();
    let settings = trusting().client_certificate_pem(client.pem.as_bytes(), key.as_bytes());
    for version in [&TLS12, &TLS13] {
        let why = (tls(TlsError::ClientCertificateRejected), -1205);
        assert_eq!(get(settings.as_ref().unwrap(), version), Err(why), "{version:?}");
    }
}

#[test]
fn a_client_certificate_that_cannot_be_used_is_told_at_once() {
    use TlsConfigurationError as Why;
    let (client, other) = (TRUSTED.leaf(&["client"]), TRUSTED.leaf(&["client"]));
    let (chain, key) = (client.pem.as_bytes(), client.key.serialize_pem());
    let refuses = |chain: &[u8], key: &[u8], why| {
        let error = trusting().client_certificate_pem(chain, key).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Tls(why), -1205), "{error}");
    };
    refuses(b"", key.as_bytes(), Why::NoClientCertificate);
    refuses(key.as_bytes(), key.as_bytes(), Why::NoClientCertificate);
    refuses(&chain[..chain.len() / 2], key.as_bytes(), Why::BadClientCertificate);
    refuses(chain, chain, Why::NoKey);
    refuses(chain, other.key.serialize_pem().as_bytes(), Why::KeyMismatch);
    let nonsense = "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n";
    refuses(chain, nonsense.as_bytes(), Why::BadKey);
    let encrypted = nonsense.replace("PRIVATE", "ENCRYPTED PRIVATE");
    refuses(chain, encrypted.as_bytes(), Why::EncryptedKey);
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
               DEK-Info: AES-128-CBC,00\n\nQUJD\n-----END RSA PRIVATE KEY-----\n";
    refuses(chain, old.as_bytes(), Why::EncryptedKey);
}

#[test]
fn an_error_of_the_settings_says_what_to_do_and_nothing_of_a_url() {
    let error: Error = trusting().client_certificate_pem(b"", b"").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("BEGIN CERTIFICATE") && !text.ends_with(": "), "{text}");
}
