//! What is agreed on, and what is told of it.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use sortie::{TaskMetrics, TlsConfiguration, TlsVersion};
use sortie_core::TlsError;

use super::server::{OK, Peer, Server, Serves, TRUSTED, good, script, session, trusting};
use super::tls;
use crate::helpers::Noting;

/// The metrics of a GET.
fn measure(settings: TlsConfiguration, server: &Server) -> TaskMetrics {
    let delegate = Arc::new(Noting::default());
    let session = session(settings);
    let task = session.data_task(&*server.url()).shared_delegate(delegate.clone());
    task.create().unwrap().wait().unwrap();
    let metrics = delegate.metrics.lock().unwrap().take();
    metrics.expect("metrics")
}

#[test]
fn metrics_say_what_was_agreed_on_and_when() {
    let names = [(&TLS12, "TLSv1.2", "TLS_ECDHE_"), (&TLS13, "TLSv1.3", "TLS_AES_")];
    for (version, name, suite) in names {
        let server = Server::once(good().config_of(&[version], false), 1);
        let metrics = measure(trusting(), &server);
        let [got] = &metrics.transactions[..] else {
            panic!("one transaction: {metrics:?}");
        };
        assert_eq!(got.tls_version, Some(name));
        assert!(got.tls_cipher_suite.is_some_and(|got| got.starts_with(suite)), "{got:?}");
        assert_eq!(got.network_protocol_name, Some("http/1.1"));
        assert!(got.connect_start <= got.secure_connection_start, "{got:?}");
        assert!(got.secure_connection_start < got.secure_connection_end, "{got:?}");
        assert!(got.secure_connection_end <= got.connect_end, "{got:?}");
        server.done();
    }
}

#[test]
fn metrics_say_whether_tls_was_resumed() {
    let answer = || {
        script(|peer: &mut Peer| {
            peer.request();
            peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            peer.close();
        })
    };
    let server = Server::new(good().config(), vec![answer(), answer()]);
    let session = session(trusting());
    for is_resumed in [false, true] {
        let delegate = Arc::new(Noting::default());
        let task = session.data_task(&*server.url()).shared_delegate(delegate.clone());
        task.create().unwrap().wait().unwrap();
        // Known as soon as there is the connection.
        assert_eq!(delegate.connections.lock().unwrap()[0].is_tls_resumed, is_resumed);
        let metrics = delegate.metrics.lock().unwrap().take().unwrap();
        assert_eq!(metrics.transactions[0].is_tls_resumed, is_resumed);
    }
    server.done();
}

#[test]
fn a_server_without_alpn_is_spoken_to_in_http_1_1_all_the_same() {
    let mut config = good().config();
    config.alpn_protocols.clear();
    let server = Server::once(config, 1);
    let metrics = measure(trusting(), &server);
    assert_eq!(metrics.transactions[0].network_protocol_name, None);
    server.done();
}

#[test]
fn a_server_that_speaks_another_protocol_only_fails_the_handshake() {
    let mut config = good().config();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = Server::once(config, 1);
    let error = session(trusting()).data_blocking(&server.url()).unwrap_err();
    assert_eq!(error.kind(), tls(TlsError::Handshake));
    server.done();
}

/// ureq#1171: the brackets of an IPv6 address reached the server as a name.
#[test]
fn an_ipv6_address_is_no_name_and_has_no_brackets() {
    let server = Server::new(
        TRUSTED.leaf(&["::1"]).config(),
        vec![script(|peer| {
            let head = peer.request();
            assert!(head.contains("\r\nHost: [::1]:"), "{head}");
            assert_eq!(peer.tls.conn.server_name(), None);
            peer.send(OK);
        })],
    );
    // The certificate is for the address of the URL, wherever that leads.
    let configuration = sortie::SessionConfiguration::new().tls(trusting());
    let session = configuration.connect_to((None, None), (Some("127.0.0.1"), None)).build();
    let url = server.url().replace("localhost", "[::1]");
    assert_eq!(session.data_blocking(&url).unwrap().1, b"ok");
    server.done();
}

#[test]
fn the_server_is_told_the_name_and_http_1_1() {
    let server = Server::new(
        good().config(),
        vec![
            script(|peer| {
                peer.request();
                assert_eq!(peer.tls.conn.server_name(), Some("localhost"));
                assert_eq!(peer.tls.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
                peer.send(OK);
            }),
            script(|peer| {
                peer.request();
                // Addresses are not names (RFC 6066 §3).
                assert_eq!(peer.tls.conn.server_name(), None);
                peer.send(OK);
            }),
        ],
    );
    let session = session(trusting());
    assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    session.flush();
    let address = server.url().replace("localhost", "127.0.0.1");
    assert_eq!(session.data_blocking(&address).unwrap().1, b"ok");
    server.done();
}

#[test]
fn versions_are_bounded_from_both_sides() {
    let cases = [
        (TlsVersion::Tls12, TlsVersion::Tls12, Some("TLSv1.2")),
        (TlsVersion::Tls12, TlsVersion::Tls13, Some("TLSv1.3")),
        (TlsVersion::Tls13, TlsVersion::Tls13, Some("TLSv1.3")),
    ];
    for (minimum, maximum, want) in cases {
        let server = Server::once(good().config(), 1);
        let settings = trusting().minimum_version(minimum).maximum_version(maximum);
        assert_eq!(measure(settings, &server).transactions[0].tls_version, want);
        server.done();
    }
}

#[test]
fn secrets_are_not_shown() {
    let client = good();
    let key = client.key.serialize_pem();
    let settings = trusting().client_certificate_pem(client.pem.as_bytes(), key.as_bytes());
    let shown = format!("{:?}", settings.unwrap());
    assert!(shown.contains("has_client_certificate: true") && shown.len() < 250, "{shown}");
}
