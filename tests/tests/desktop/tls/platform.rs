//! The system's roots. Each test runs in a process of its own, whose environment names the file
//! that holds them, as OpenSSL has it.

#![cfg(target_os = "linux")]

use std::process::Command;

use sortie::{Session, SessionConfiguration, TlsConfiguration};
use sortie_core::{TlsError, Transport};

use super::server::{OTHER, Server, Serves, TRUSTED, good};
use super::{tls, transport};
use crate::Origin;
use crate::helpers::{Folder, answer};

const ROOTS: &str = "SSL_CERT_FILE";

/// Runs a test again with a file for the roots that does not exist yet: then it is named.
fn with_roots(name: &str) -> Option<String> {
    if let (Ok(file), Ok(_)) = (std::env::var(ROOTS), std::env::var("SORTIE_TESTS_ROOTS")) {
        return Some(file);
    }
    let folder = Folder::new();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ROOTS, folder.path("roots.pem"))
        .env("SORTIE_TESTS_ROOTS", "1")
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}\n{errors}");
    assert!(shown.contains("1 passed"), "no test is named {name}: {shown}");
    None
}

#[test]
fn the_system_roots_are_loaded_at_the_first_secure_connection_and_not_before() {
    let name = "tls::platform::\
                the_system_roots_are_loaded_at_the_first_secure_connection_and_not_before";
    let Some(file) = with_roots(name) else {
        return;
    };
    let session = Session::new();
    let plain = Origin::new(vec![answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]);
    assert_eq!(session.data_blocking(&plain.url).unwrap().1, b"ok");
    plain.done();

    let server = Server::once(good().config(), 2);
    let error = session.data_blocking(&server.url()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (transport(Transport::TlsUnavailable), -1200));
    assert!(error.to_string().contains("No CA certificates"), "{error}");
    // What failed is tried again.
    std::fs::write(&file, TRUSTED.pem()).unwrap();
    assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    server.done();
    // Once is enough.
    std::fs::remove_file(&file).unwrap();
    let server = Server::once(OTHER.leaf(&["localhost"]).config(), 1);
    let error = session.data_blocking(&server.url()).unwrap_err();
    assert_eq!(error.kind(), tls(TlsError::UnknownRoot));
    server.done();
}

#[test]
fn additional_roots_are_trusted_beside_those_of_the_system() {
    let name = "tls::platform::additional_roots_are_trusted_beside_those_of_the_system";
    let Some(file) = with_roots(name) else {
        return;
    };
    std::fs::write(&file, TRUSTED.pem()).unwrap();
    let roots = TlsConfiguration::new().additional_roots_pem(OTHER.pem().as_bytes()).unwrap();
    let session = SessionConfiguration::new().tls(roots).build();
    for leaf in [good(), OTHER.leaf(&["localhost"])] {
        let server = Server::once(leaf.config(), 1);
        assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
        server.done();
    }
}
