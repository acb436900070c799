//! Connections that die between two requests, or just as the second one is sent.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sortie::{ErrorKind, Request, Session};
use sortie_core::{Error, Timer, Transport};

use crate::helpers::{Noting, answer, script};
use crate::{Near, Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An origin that closes each connection a moment after it answered, just when the next request may
/// be on its way: at once, or up to some ten microseconds later.
struct Hasty {
    url: String,
    address: std::net::SocketAddr,
    ends: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: JoinHandle<usize>,
}

impl Hasty {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (ends, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (is_end, count) = (ends.clone(), answered.clone());
        let thread = thread::spawn(move || {
            let mut connections = 0;
            loop {
                let (stream, _) = listener.accept().unwrap();
                if is_end.load(Ordering::Acquire) {
                    return connections;
                }
                let mut near = Near::new(stream);
                if near.request().starts_with("POST") {
                    near.body(1);
                }
                count.fetch_add(1, Ordering::AcqRel);
                near.send(OK);
                let pause = Duration::from_micros(connections as u64 * 7 % 120);
                let since = Instant::now();
                while since.elapsed() < pause {
                    std::hint::spin_loop();
                }
                connections += 1;
            }
        });
        Self { url: format!("http://{address}/"), address, ends, answered, thread }
    }

    /// Ends it. Returns how many requests it took and answered.
    fn done(self) -> usize {
        self.ends.store(true, Ordering::Release);
        drop(std::net::TcpStream::connect(self.address));
        assert_eq!(self.thread.join().expect("the origin"), self.answered.load(Ordering::Acquire));
        self.answered.load(Ordering::Acquire)
    }
}

/// hyper#2136: the server's keep-alive time is over just as the next request is sent.
#[test]
fn a_get_on_a_connection_that_closes_as_it_is_used_is_made_again() {
    const ROUNDS: usize = 1000;
    let origin = Hasty::new();
    let session = Session::new();
    let mut reused = 0;
    for _ in 0..ROUNDS {
        let noting = Noting::default();
        let metrics = noting.metrics.clone();
        let task = session.data_task(&origin.url).delegate(noting).create().unwrap();
        assert_eq!(task.wait().unwrap().0.status(), 200);
        let metrics = metrics.lock().unwrap().take().expect("metrics");
        reused += usize::from(metrics.transactions[0].is_reused);
        assert!(metrics.transactions.len() <= 2, "one retry");
    }
    assert!(reused > 0, "no connection was used again: nothing was tried");
    drop(session);
    assert_eq!(origin.done(), ROUNDS);
}

#[test]
fn a_post_on_a_connection_that_closes_as_it_is_used_fails_or_was_never_sent() {
    const ROUNDS: usize = 1000;
    let origin = Hasty::new();
    let session = Session::new();
    let mut succeeded = 0;
    for _ in 0..ROUNDS {
        let post = Request::new("POST", &origin.url).unwrap().body("x").unwrap();
        match session.data_blocking(post) {
            Ok((response, _)) => {
                assert_eq!(response.status(), 200);
                succeeded += 1;
            }
            Err(why) => {
                let lost = Error::Transport(Transport::NoResponse);
                assert_eq!((why.kind(), why.code()), (ErrorKind::Task(lost), -1005));
            }
        }
    }
    drop(session);
    assert_eq!(origin.done(), succeeded, "what the server took was answered");
}

/// Nobody has to wait a moment for that: what must not be sent twice looks first.
#[test]
fn a_post_right_behind_the_servers_end_goes_over_a_new_connection() {
    for _ in 0..20 {
        let (closed, is_closed) = gate();
        let origin = Origin::new(vec![
            script(move |near| {
                near.request();
                near.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
                near.finish_sending();
                closed.send(()).unwrap();
                near.closed();
            }),
            script(|near| {
                near.request();
                assert_eq!(near.body(1), b"x");
                near.send(OK);
            }),
        ]);
        let session = Session::new();
        let post = Request::new("POST", &origin.url).unwrap().body("x").unwrap();
        session.data_blocking(&origin.url).unwrap();
        pass(&is_closed);
        assert_eq!(session.data_blocking(post).unwrap().1, b"ok");
        drop(session);
        origin.done();
    }
}

/// Its host lost power, or a box on the way forgot the connection: nobody says so.
#[test]
fn a_connection_that_fell_silent_between_two_requests_is_given_up_and_not_used_again() {
    let origin = Origin::new(vec![
        script(|near| {
            near.request();
            near.send(OK);
            near.request();
            near.closed();
        }),
        answer(OK),
    ]);
    let session = Session::new();
    session.data_blocking(&origin.url).unwrap();
    let task = session.data_task(&origin.url).request_timeout(Duration::from_millis(150));
    let error = task.create().unwrap().wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::TimedOut(Timer::Request)));
    assert_eq!(session.data_blocking(&origin.url).unwrap().1, b"ok");
    drop(session);
    origin.done();
}
