//! The kinds of servers that a client meets, good and bad: each outcome exactly.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rcgen::{DnType, date_time_ymd};
use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use sortie::{ErrorKind, SessionConfiguration};
use sortie_core::{Error, Timer, TlsError, Transport};

use super::server::{
    Leaf, OK, OTHER, Peer, Script, Server, Serves, TRUSTED, good, script, session, trusting,
};
use super::{tls, transport};
use crate::{gate, pass};

const CLOSE_DELIMITED: &str = "HTTP/1.1 200 OK\r\n\r\nok";

/// One GET, of a session that trusts [`TRUSTED`]: content, or the kind and code of the error.
fn get(url: &str) -> Result<Vec<u8>, (ErrorKind, i32)> {
    let got = session(trusting()).data_blocking(url);
    got.map(|(_, content)| content).map_err(|error| (error.kind(), error.code()))
}

/// Likewise from a server that answers in order.
fn get_from(config: ServerConfig, host: &str) -> Result<Vec<u8>, (ErrorKind, i32)> {
    let server = Server::once(config, 1);
    let got = get(&server.url().replace("localhost", host));
    server.done();
    got
}

/// Likewise from one that sends this, and ends as it is told.
fn get_raw(text: &'static str, end: fn(&mut Peer)) -> Result<Vec<u8>, (ErrorKind, i32)> {
    let answer: Script = script(move |peer| {
        peer.request();
        peer.send(text);
        end(peer);
    });
    let server = Server::new(good().config(), vec![answer]);
    let got = get(&server.url());
    server.done();
    got
}

fn refuses(leaf: &Leaf, host: &str, why: TlsError, code: i32) {
    assert_eq!(get_from(leaf.config(), host), Err((tls(why), code)));
}

#[test]
fn a_name_or_an_address_in_the_certificate_is_good() {
    assert_eq!(get_from(good().config(), "localhost"), Ok(b"ok".to_vec()));
    assert_eq!(get_from(good().config(), "127.0.0.1"), Ok(b"ok".to_vec()));
    let wildcard = TRUSTED.leaf(&["*.example.org", "localhost"]);
    assert_eq!(get_from(wildcard.config(), "localhost"), Ok(b"ok".to_vec()));
}

#[test]
fn tls_1_2_and_1_3_are_spoken() {
    for version in [&TLS12, &TLS13] {
        let config = good().config_of(&[version], false);
        assert_eq!(get_from(config, "localhost"), Ok(b"ok".to_vec()), "{version:?}");
    }
}

#[test]
fn an_intermediate_certificate_must_be_sent() {
    let intermediate = TRUSTED.intermediate(|_| ());
    let whole = intermediate.leaf(&["localhost"]).with(&intermediate);
    assert_eq!(get_from(whole.config(), "localhost"), Ok(b"ok".to_vec()));
    let incomplete = intermediate.leaf(&["localhost"]);
    refuses(&incomplete, "localhost", TlsError::UnknownRoot, -1203);
}

#[test]
fn an_authority_that_is_not_trusted_is_an_unknown_root() {
    refuses(&OTHER.leaf(&["localhost"]), "localhost", TlsError::UnknownRoot, -1203);
    let with_root = OTHER.leaf(&["localhost"]).with(&OTHER);
    refuses(&with_root, "localhost", TlsError::UnknownRoot, -1203);
}

#[test]
fn a_certificate_that_is_its_own_issuer_is_called_so() {
    let leaf = Leaf::self_signed(&["localhost"], |_| ());
    refuses(&leaf, "localhost", TlsError::SelfSigned, -1202);
    // As `openssl req -x509` makes them: the certificate may also sign others.
    let root = Leaf::self_signed(&["localhost"], |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    refuses(&root, "localhost", TlsError::SelfSigned, -1202);
}

#[test]
fn an_expired_certificate_is_told_from_one_that_is_not_valid_yet() {
    let expired = TRUSTED.leaf_with(&["localhost"], |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    refuses(&expired, "localhost", TlsError::Expired, -1201);
    let early = TRUSTED.leaf_with(&["localhost"], |params| {
        params.not_before = date_time_ymd(3001, 1, 1);
        params.not_after = date_time_ymd(3002, 1, 1);
    });
    refuses(&early, "localhost", TlsError::NotYetValid, -1204);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let other = TRUSTED.leaf(&["other.example.org"]);
    refuses(&other, "localhost", TlsError::WrongName, -1202);
    let name_only = TRUSTED.leaf(&["localhost"]);
    refuses(&name_only, "127.0.0.1", TlsError::WrongName, -1202);
    let common_name_only = TRUSTED.leaf_with(&["x.example.org"], |params| {
        params.distinguished_name.push(DnType::CommonName, "localhost");
    });
    refuses(&common_name_only, "localhost", TlsError::WrongName, -1202);
}

#[test]
fn a_certificate_for_another_purpose_is_not_trusted() {
    let client = TRUSTED.leaf_with(&["localhost"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    refuses(&client, "localhost", TlsError::Untrusted, -1202);
}

#[test]
fn a_server_that_speaks_plain_http_fails_the_handshake_and_sees_no_request() {
    let server = Server::raw(vec![|mut stream: TcpStream| {
        let mut seen = vec![0; 64];
        let count = stream.read(&mut seen).unwrap();
        stream.write_all(OK.as_bytes()).unwrap();
        seen.truncate(count);
        stream.read_to_end(&mut seen).unwrap();
        // A record of the handshake, or of an alert.
        assert_eq!(seen[0], 22);
        assert!(!seen.windows(3).any(|window| window == b"GET"), "{seen:?}");
    }]);
    assert_eq!(get(&server.url()), Err((tls(TlsError::Handshake), -1200)));
    server.done();
}

#[test]
fn a_server_that_ends_the_handshake_fails_it() {
    let server = Server::raw(vec![|mut stream: TcpStream| {
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    }]);
    let error = session(trusting()).data_blocking(&server.url()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (tls(TlsError::Handshake), -1200));
    assert!(error.to_string().contains("within the handshake"), "{error}");
    server.done();
}

/// RUSTSEC-2024-0336: a close_notify within the handshake made a loop without end. As an alert that
/// anybody can send it ends nothing; what counts is the end of the connection, or the timeout.
#[test]
fn a_server_that_takes_leave_within_the_handshake_is_waited_for_like_any_other() {
    let leave = |stream: &mut TcpStream| {
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream.write_all(&[21, 3, 3, 0, 2, 1, 0]).unwrap();
    };
    let server = Server::raw(vec![move |mut stream: TcpStream| leave(&mut stream)]);
    assert_eq!(get(&server.url()), Err((tls(TlsError::Handshake), -1200)));
    server.done();

    let (over, is_over) = gate();
    let server = Server::raw(vec![move |mut stream: TcpStream| {
        leave(&mut stream);
        pass(&is_over);
    }]);
    let patience = Duration::from_millis(200);
    let session = SessionConfiguration::new().tls(trusting()).request_timeout(patience).build();
    let error = session.data_blocking(&server.url()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::TimedOut(Timer::Request)));
    over.send(()).unwrap();
    server.done();
}

#[test]
fn no_common_version_fails_the_handshake() {
    let server = Server::once(good().config_of(&[&TLS12], false), 1);
    let settings = trusting().minimum_version(sortie::TlsVersion::Tls13);
    let error = session(settings).data_blocking(&server.url()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (tls(TlsError::Handshake), -1200));
    server.done();
}

#[test]
fn a_body_of_known_length_needs_no_close_notify() {
    assert_eq!(get_raw(OK, Peer::cut), Ok(b"ok".to_vec()));
}

#[test]
fn a_close_delimited_body_needs_close_notify() {
    assert_eq!(get_raw(CLOSE_DELIMITED, Peer::close), Ok(b"ok".to_vec()));
    assert_eq!(get_raw(CLOSE_DELIMITED, Peer::cut), Err((transport(Transport::Lost), -1005)));
}

#[test]
fn a_body_that_is_cut_short_with_notice_is_incomplete() {
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
    assert_eq!(get_raw(short, Peer::close), Err((transport(Transport::Lost), -1005)));
}

#[test]
fn a_connection_that_ends_before_an_answer_is_no_answer() {
    for end in [Peer::close, Peer::cut] {
        assert_eq!(get_raw("", end), Err((transport(Transport::NoResponse), -1005)));
    }
}

#[test]
fn the_details_are_told_with_the_error() {
    let server = Server::once(TRUSTED.leaf(&["other.example.org"]).config(), 1);
    let error = session(trusting()).data_blocking(&server.url()).unwrap_err();
    let text = "(it is for other.example.org, and the URL has localhost)";
    assert!(error.to_string().contains(text), "{error}");
    server.done();
    let expired = TRUSTED.leaf_with(&["localhost"], |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let server = Server::once(expired.config(), 1);
    let error = session(trusting()).data_blocking(&server.url()).unwrap_err();
    assert!(error.to_string().contains("(it was valid until 2002-01-01 00:00:00 UTC)"), "{error}");
    server.done();
    let answer = script(|peer| {
        peer.request();
        peer.send(CLOSE_DELIMITED);
        peer.cut();
    });
    let server = Server::new(good().config(), vec![answer]);
    let error = session(trusting()).data_blocking(&server.url()).unwrap_err();
    assert!(error.to_string().contains("close_notify"), "{error}");
    server.done();
}
