//! What a server must not get that is refused: a single byte of a request. And downgrades.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;

use rcgen::date_time_ymd;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection};
use sortie::{Request, TlsConfiguration};
use sortie_core::TlsError;

use super::server::{Leaf, OTHER, Server, Serves, TRUSTED, good, session, trusting};
use super::tls;

/// Bytes that a client sends at most to end a handshake: a change of ciphers and an alert, each in
/// a record, the latter coded. Any request is longer.
const GOODBYE: usize = 64;

/// What came from a client.
#[derive(Debug, Default)]
struct Came {
    /// Behind its first flight, on the wire.
    behind: Vec<u8>,
    /// Of that, what was sent as content of TLS.
    content: Vec<u8>,
}

/// Shakes hands as far as the client does, and takes all that comes.
fn take(mut stream: TcpStream, config: ServerConfig) -> Came {
    let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
    let (mut came, mut is_behind) = (Came::default(), false);
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if is_behind {
            came.behind.extend_from_slice(&buffer[..count]);
        }
        let mut left = &buffer[..count];
        while !left.is_empty() && tls.read_tls(&mut left).is_ok_and(|count| count > 0) {
            if tls.process_new_packets().is_err() {
                break;
            }
        }
        let _ = tls.reader().read_to_end(&mut came.content);
        while tls.wants_write() && tls.write_tls(&mut stream).is_ok() {
            is_behind = true;
        }
    }
    came
}

/// A POST with secrets, to a server that is not to be trusted.
fn refused(config: ServerConfig, client: TlsConfiguration, host: &str) -> (TlsError, Came) {
    let (sent, came) = channel();
    let serve = move |stream: TcpStream| sent.send(take(stream, config)).unwrap();
    let server = Server::raw(vec![serve]);
    let request = Request::new("POST", &server.url().replace("localhost", host)).unwrap();
    let request = request.field("Authorization", "Bearer secret").unwrap().body("secret").unwrap();
    let session = session(client);
    let task = session.task(request).unwrap();
    let error = task.clone().wait().unwrap_err();
    let why = [
        TlsError::Expired,
        TlsError::NotYetValid,
        TlsError::WrongName,
        TlsError::SelfSigned,
        TlsError::UnknownRoot,
        TlsError::Untrusted,
        TlsError::KeyNotPinned,
        TlsError::Handshake,
    ];
    let why = why.into_iter().find(|why| error.kind() == tls(*why)).expect("an error of TLS");
    assert_eq!(task.counts().sent, 0, "{why:?}");
    server.done();
    (why, came.recv().unwrap())
}

#[test]
fn a_server_that_is_refused_gets_no_byte_of_the_request() {
    let from = |year, until| {
        TRUSTED.leaf_with(&["localhost"], |params| {
            params.not_before = date_time_ymd(year, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
        })
    };
    let purpose = TRUSTED.leaf_with(&["localhost"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let kinds: [(TlsError, Leaf); 6] = [
        (TlsError::Expired, from(2001, 2002)),
        (TlsError::NotYetValid, from(3001, 3002)),
        (TlsError::WrongName, TRUSTED.leaf(&["other.example.org"])),
        (TlsError::SelfSigned, Leaf::self_signed(&["localhost"], |_| ())),
        (TlsError::UnknownRoot, OTHER.leaf(&["localhost"])),
        (TlsError::Untrusted, purpose),
    ];
    for version in [&TLS12, &TLS13] {
        for (why, leaf) in &kinds {
            let config = leaf.config_of(&[version], false);
            let (found, came) = refused(config, trusting(), "localhost");
            assert_eq!(found, *why, "{version:?}");
            assert!(came.content.is_empty(), "{why:?}, {version:?}: {came:?}");
            assert!(came.behind.len() <= GOODBYE, "{why:?}, {version:?}: {came:?}");
        }
        let pinned = trusting().pinned_keys([[1; 32]]);
        let (found, came) = refused(good().config_of(&[version], false), pinned, "localhost");
        assert_eq!(found, TlsError::KeyNotPinned);
        assert!(came.content.is_empty() && came.behind.len() <= GOODBYE, "{version:?}: {came:?}");
    }
}

/// The same server does get a request that is meant for it: the test above looks where it would be.
#[test]
fn a_server_that_is_trusted_gets_the_request() {
    for version in [&TLS12, &TLS13] {
        let (sent, came) = channel();
        let config = good().config_of(&[version], false);
        let serve = move |stream: TcpStream| {
            stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
            sent.send(take(stream, config)).unwrap();
        };
        let server = Server::raw(vec![serve]);
        session(trusting()).data_blocking(server.url().as_str()).unwrap_err();
        let came = came.recv().unwrap();
        assert!(came.content.starts_with(b"GET / HTTP/1.1\r\n"), "{came:?}");
        assert!(came.behind.len() > GOODBYE);
        server.done();
    }
}

/// A handshake that ends behind these bytes of the server's. What came behind the first flight.
fn answered_with(bytes: Vec<u8>) -> Vec<u8> {
    let (sent, came) = channel();
    let serve = move |mut stream: TcpStream| {
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream.write_all(&bytes).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        let mut behind = Vec::new();
        // The client may reset the connection, with what it has not read.
        let _ = stream.read_to_end(&mut behind);
        sent.send(behind).unwrap();
    };
    let server = Server::raw(vec![serve]);
    let request = Request::new("POST", &server.url()).unwrap().body("secret").unwrap();
    let session = session(trusting());
    let task = session.task(request).unwrap();
    let error = task.clone().wait().unwrap_err();
    assert_eq!((error.kind(), error.code()), (tls(TlsError::Handshake), -1200), "{error}");
    assert_eq!(task.counts().sent, 0);
    server.done();
    came.recv().unwrap()
}

/// A hello of a server that chooses this version below 1.3, and TLS_ECDHE_ECDSA_WITH_AES_128_GCM.
fn hello(version: [u8; 2], random: [u8; 32]) -> Vec<u8> {
    let mut body = [&version[..], &random, &[0, 0xc0, 0x2b, 0]].concat();
    // Extended master secret, and secure renegotiation.
    body.extend([0, 9, 0, 0x17, 0, 0, 0xff, 0x01, 0, 1, 0]);
    let length = body.len() as u8;
    [&[22, 3, 3, 0, length + 4, 2, 0, 0, length][..], &body].concat()
}

fn alert(behind: &[u8]) -> Option<u8> {
    match behind {
        [21, 3, _, 0, 2, 2, what, ..] => Some(*what),
        _ => None,
    }
}

/// RFC 8446 §4.1.3: a server that speaks 1.3 says so in its random when it is made to speak less.
#[test]
fn a_downgrade_is_noticed_and_refused() {
    const ILLEGAL_PARAMETER: u8 = 47;
    let mut random = [7; 32];
    assert_eq!(alert(&answered_with(hello([3, 3], random))), None, "1.2 is spoken");
    random[24..].copy_from_slice(b"DOWNGRD\x01");
    assert_eq!(alert(&answered_with(hello([3, 3], random))), Some(ILLEGAL_PARAMETER));
}

#[test]
fn versions_below_1_2_are_refused() {
    const PROTOCOL_VERSION: u8 = 70;
    for version in [[3, 2], [3, 1], [3, 0], [2, 0]] {
        let behind = answered_with(hello(version, [7; 32]));
        assert_eq!(alert(&behind), Some(PROTOCOL_VERSION), "{version:?}: {behind:?}");
    }
}

#[test]
fn garbage_in_the_handshake_fails_it_and_nothing_is_sent() {
    let mut seed = 1_u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    };
    let mut answers = vec![
        Vec::new(),
        vec![0; 100_000],
        vec![22; 3],
        // A record that is larger than may be, and one that never ends.
        [&[22, 3, 3, 0xff, 0xff][..], &[2; 70_000]].concat(),
        [&[22, 3, 3, 0x40, 0][..], &[2; 100]].concat(),
        // Content, and the end of the handshake, before there was one.
        [&[23, 3, 3, 0, 5][..], b"hello"].concat(),
        vec![22, 3, 3, 0, 4, 20, 0, 0, 0],
        vec![20, 3, 3, 0, 1, 1],
        // Alerts, of which one is a warning.
        vec![21, 3, 3, 0, 2, 2, 40],
        vec![21, 3, 3, 0, 2, 1, 0],
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(),
    ];
    for length in [1, 5, 6, 100, 5000] {
        let plain = noise(length);
        answers.push([&[22, 3, 3, (length >> 8) as u8, length as u8][..], &plain].concat());
        answers.push(plain);
    }
    for answer in answers {
        let begin: Vec<u8> = answer.iter().copied().take(40).collect();
        let behind = answered_with(answer);
        assert!(behind.len() <= GOODBYE, "{begin:?}: {behind:?}");
    }
}
