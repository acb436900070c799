//! Connections that are kept, resumed, given up and closed.

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use sortie::{SessionConfiguration, TaskState};
use sortie_core::{Error, Timer};

use super::server::{OK, Peer, Script, Server, Serves, good, script, session, trusting};
use crate::helpers::eventually;
use crate::{gate, pass};

/// Longer than a connection is trusted to be quiet without a look at it.
fn idle() {
    thread::sleep(Duration::from_millis(5));
}

#[test]
fn requests_one_after_another_share_a_connection() {
    let server = Server::new(
        good().config(),
        vec![script(|peer| {
            for _ in 0..20 {
                peer.request();
                peer.send(OK);
            }
            peer.ended();
        })],
    );
    let session = session(trusting());
    for _ in 0..20 {
        assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    }
    session.flush();
    server.done();
}

/// Session tickets need not come before the first response.
#[test]
fn tickets_that_come_while_a_connection_is_idle_do_not_end_it() {
    let (sent, is_sent) = gate();
    let mut config = good().config_of(&[&TLS13], false);
    // The response goes out before the client's part of the handshake is read, and the tickets
    // behind that.
    config.send_half_rtt_data = true;
    let server = Server::new(
        config,
        vec![script(move |peer| {
            peer.first_flight();
            peer.send_unread(OK);
            peer.request_silently();
            assert!(peer.tls.conn.wants_write(), "the tickets");
            thread::sleep(Duration::from_millis(2));
            peer.send("");
            sent.send(()).unwrap();
            peer.request();
            peer.send(OK);
        })],
    );
    let session = session(trusting());
    assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    pass(&is_sent);
    idle();
    assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    server.done();
}

#[test]
fn new_keys_on_an_idle_connection_do_not_end_it() {
    let (sent, is_sent) = gate();
    let server = Server::new(
        good().config_of(&[&TLS13], false),
        vec![script(move |peer| {
            peer.request();
            peer.send(OK);
            peer.tls.conn.refresh_traffic_keys().unwrap();
            peer.send("");
            sent.send(()).unwrap();
            peer.request();
            peer.send(OK);
        })],
    );
    let session = session(trusting());
    assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    pass(&is_sent);
    idle();
    assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    server.done();
}

/// An end with or without notice, or bytes that nobody asked for: the next request, which could
/// not be sent twice, goes over a new connection.
#[test]
fn an_idle_connection_that_is_not_quiet_is_not_used_again() {
    let ends: [fn(&mut Peer); 3] = [Peer::close, Peer::cut, |peer| peer.send("HTTP/1.1 200 OK")];
    for end in ends {
        let (sent, is_sent) = gate();
        let (done, is_done) = gate();
        let answers = |after: Box<dyn FnOnce(&mut Peer) + Send>| -> Script {
            script(move |peer| {
                peer.request();
                peer.send(OK);
                after(peer);
            })
        };
        let first = answers(Box::new(move |peer| {
            end(peer);
            sent.send(()).unwrap();
        }));
        let second = answers(Box::new(move |_| pass(&is_done)));
        let server = Server::new(good().config(), vec![first, second]);
        let session = session(trusting());
        session.data_blocking(&server.url()).unwrap();
        pass(&is_sent);
        idle();
        let post = sortie::Request::new("POST", &server.url()).unwrap();
        assert_eq!(session.data_blocking(post).unwrap().1, b"ok");
        done.send(()).unwrap();
        server.done();
    }
}

#[test]
fn the_second_connection_of_a_session_resumes_the_first() {
    for version in [&TLS12, &TLS13] {
        let visit = |want: HandshakeKind| -> Script {
            script(move |peer| {
                peer.request();
                assert_eq!(peer.tls.conn.handshake_kind(), Some(want));
                peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
                peer.close();
            })
        };
        let config = good().config_of(&[version], false);
        let scripts = [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full];
        let server = Server::new(config, scripts.map(visit).into());
        let first = session(trusting());
        for _ in 0..2 {
            assert_eq!(first.data_blocking(&server.url()).unwrap().1, b"ok");
        }
        // Sessions have nothing in common.
        let second = session(trusting());
        assert_eq!(second.data_blocking(&server.url()).unwrap().1, b"ok");
        server.done();
    }
}

#[test]
fn a_reset_forgets_connections_and_what_was_agreed_on() {
    let visit = |want: HandshakeKind| -> Script {
        script(move |peer| {
            peer.request();
            assert_eq!(peer.tls.conn.handshake_kind(), Some(want));
            peer.send(OK);
            // Kept, until the client closes it.
            assert_eq!(peer.tls.read(&mut [0]).unwrap_or(0), 0);
        })
    };
    let scripts = [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full];
    let server = Server::new(good().config(), scripts.map(visit).into());
    let session = session(trusting());
    assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    session.flush();
    assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    session.reset();
    assert_eq!(session.data_blocking(&server.url()).unwrap().1, b"ok");
    drop(session);
    server.done();
}

#[test]
fn a_handshake_that_does_not_go_on_meets_the_request_timeout() {
    let server = Server::raw(vec![|mut stream: TcpStream| {
        let mut all = Vec::new();
        // To the end that the client makes.
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all[0], 22);
    }]);
    let settings = SessionConfiguration::new().tls(trusting());
    let session = settings.request_timeout(Duration::from_millis(50)).build();
    let begin = Instant::now();
    let error = session.data_blocking(&server.url()).unwrap_err();
    assert_eq!(error.kind(), sortie::ErrorKind::Task(Error::TimedOut(Timer::Request)));
    assert!(begin.elapsed() < Duration::from_secs(10));
    server.done();
}

#[test]
fn a_task_that_is_cancelled_in_the_handshake_closes_the_connection() {
    let (met, is_met) = gate();
    let server = Server::raw(vec![move |mut stream: TcpStream| {
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        met.send(()).unwrap();
        assert_eq!(stream.read(&mut [0; 4096]).unwrap(), 0);
    }]);
    let session = session(trusting());
    let task = session.task(&server.url()).unwrap();
    task.resume();
    pass(&is_met);
    task.cancel();
    assert_eq!(task.wait().unwrap_err().code(), -999);
    server.done();
}

#[test]
fn a_suspended_task_receives_nothing_until_it_is_resumed() {
    let (go, may_go) = gate();
    let (sent, is_sent) = gate();
    let server = Server::new(
        good().config(),
        vec![script(move |peer| {
            peer.request();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            pass(&may_go);
            peer.send("later");
            sent.send(()).unwrap();
            peer.ended();
        })],
    );
    let session = session(trusting());
    let task = session.task(&server.url()).unwrap();
    task.resume();
    eventually("the first half", || task.counts().received == 5);
    task.suspend().unwrap();
    go.send(()).unwrap();
    pass(&is_sent);
    idle();
    assert_eq!((task.state(), task.counts().received), (TaskState::Suspended, 5));
    task.resume();
    assert_eq!(task.wait().unwrap().1, b"firstlater");
    session.flush();
    server.done();
}

#[test]
fn a_response_that_is_cancelled_ends_with_notice() {
    let server = Server::new(
        good().config(),
        vec![script(|peer| {
            peer.request();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            peer.ended();
        })],
    );
    let session = session(trusting());
    let task = session.task(&server.url()).unwrap();
    task.resume();
    eventually("the first half", || task.counts().received == 5);
    task.cancel();
    assert_eq!(task.wait().unwrap_err().code(), -999);
    server.done();
}
