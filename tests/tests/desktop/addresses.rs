//! Servers with several addresses, some of which do not answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sortie::{Error, ErrorKind, Session, SessionConfiguration, TaskMetrics};
use sortie_core::{Timer, Transport, limits};

use crate::helpers::{Noting, alone, answer, descriptors, eventually};
use crate::{Near, Origin};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const DELAY: Duration = Duration::from_micros(limits::ATTEMPT_DELAY);

/// Another address of this machine, of the other family if it has that.
fn other_loopback() -> IpAddr {
    match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(_) => Ipv6Addr::LOCALHOST.into(),
        Err(_) => Ipv4Addr::new(127, 0, 0, 2).into(),
    }
}

/// An address that swallows what is sent to it: a listener that takes no more connections.
struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    fn new(address: IpAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queue.push(stream);
            assert!(queue.len() < 5000, "the queue of the listener never fills");
        }
        Self { address, _listener: listener, _queue: queue }
    }
}

/// An address at which nobody listens.
fn refusing(address: IpAddr) -> SocketAddr {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap()
}

/// Has every name lead to these addresses.
fn leading_to(addresses: Vec<SocketAddr>) -> SessionConfiguration {
    Session::builder().resolver(move |_, _| {
        let addresses = addresses.clone();
        async { Ok(addresses) }
    })
}

fn metrics(session: &Session, url: &str) -> TaskMetrics {
    let delegate = Arc::new(Noting::default());
    let task = session.data_task(url).shared_delegate(delegate.clone());
    task.create().unwrap().wait().unwrap();
    let metrics = delegate.metrics.lock().unwrap().take();
    metrics.expect("metrics")
}

fn transport(why: Transport) -> ErrorKind {
    ErrorKind::Task(sortie_core::Error::Transport(why))
}

/// ureq#535, and every client that tries one address after the other.
#[test]
fn an_address_that_swallows_everything_costs_the_attempt_delay_and_no_more() {
    let origin = Origin::answering(&[OK]);
    let hole = BlackHole::new(other_loopback());
    let session = leading_to(vec![hole.address, origin.address()]).build();
    let begin = Instant::now();
    let metrics = metrics(&session, "http://two.example/");
    assert!(begin.elapsed() >= DELAY, "{:?}", begin.elapsed());
    let [got] = &metrics.transactions[..] else { panic!("one transaction: {metrics:?}") };
    assert_eq!(got.remote_address, Some(origin.address()));
    assert!(got.connect_end >= got.domain_lookup_end.map(|end| end + DELAY), "{got:?}");
    origin.done();
}

/// ureq#1195: the next address was tried only after some of the errors.
#[test]
fn an_address_that_refuses_costs_no_delay() {
    const TRIES: usize = 20;
    let origin = Origin::new((0..TRIES).map(|_| answer(OK)).collect());
    let first = refusing(other_loopback());
    let session = leading_to(vec![first, origin.address()]).build();
    let quickest = (0..TRIES).map(|_| {
        session.flush();
        let begin = Instant::now();
        assert_eq!(session.data_blocking("http://two.example/").unwrap().1, b"ok");
        begin.elapsed()
    });
    assert!(quickest.min().unwrap() < DELAY, "one of them at least");
    origin.done();
}

#[test]
fn when_no_address_answers_the_error_lists_each_with_its_reason() {
    let addresses = [
        refusing(other_loopback()),
        refusing(Ipv4Addr::LOCALHOST.into()),
        refusing(Ipv4Addr::LOCALHOST.into()),
    ];
    // What is there twice is tried once.
    let session = leading_to(addresses.repeat(3)).build();
    let error = session.data_blocking("http://two.example/x").unwrap_err();
    assert_eq!((error.kind(), error.code()), (transport(Transport::Refused), -1004));
    let detail = std::error::Error::source(&error).unwrap().to_string();
    let each = addresses.map(|address| format!("{address}: Connection refused"));
    let mut listed: Vec<&str> = detail.split("; ").collect();
    listed.sort_unstable();
    let mut wanted: Vec<&str> = each.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(listed, wanted);
    let shown = format!("the server refused the connection ({detail}): http://two.example/x");
    assert_eq!(error.to_string(), shown);
}

#[test]
fn of_a_thousand_addresses_so_many_are_tried_as_the_limit_says() {
    let port = refusing(Ipv4Addr::LOCALHOST.into()).port();
    let address = |number: u32| Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + number);
    let addresses = (0..1000).map(|number| (address(number), port).into()).collect();
    let error = leading_to(addresses).build().data_blocking("http://pool.example/").unwrap_err();
    let detail = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(detail.split("; ").count(), limits::RACE_ADDRESSES, "{detail}");
}

#[test]
fn a_black_hole_meets_the_request_timeout() {
    let hole = BlackHole::new(Ipv4Addr::LOCALHOST.into());
    let session = leading_to(vec![hole.address]).request_timeout(DELAY / 2).build();
    let error = session.data_blocking("http://hole.example/").unwrap_err();
    let timed_out = sortie_core::Error::TimedOut(Timer::Request);
    assert_eq!((error.kind(), error.code()), (ErrorKind::Task(timed_out), -1001));
}

#[test]
fn a_race_leaves_no_socket_behind_however_it_ends() {
    if !alone("addresses::a_race_leaves_no_socket_behind_however_it_ends") {
        return;
    }
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send(OK);
        near.closed();
    }]);
    let holes =
        [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)].map(|to| BlackHole::new(to.into()));
    let mut addresses: Vec<_> = holes.iter().map(|hole| hole.address).collect();
    // The origin's thread takes its connection only when it is there.
    let before = descriptors("socket:");

    // Cancelled, out of time, and won by the last.
    let losing = leading_to(addresses.clone()).build();
    let task = losing.task("http://hole.example/").unwrap();
    task.resume();
    eventually("both attempts", || descriptors("socket:") == before + 2);
    task.cancel();
    assert_eq!(task.wait().unwrap_err().code(), -999);
    assert_eq!(descriptors("socket:"), before);
    let brief = leading_to(addresses.clone()).request_timeout(DELAY + DELAY / 2).build();
    assert_eq!(brief.data_blocking("http://hole.example/").unwrap_err().code(), -1001);
    assert_eq!(descriptors("socket:"), before);

    addresses.push(origin.address());
    let session = leading_to(addresses).build();
    session.data_blocking("http://three.example/").unwrap();
    assert_eq!(descriptors("socket:"), before + 2, "both ends of the one that won");
    drop(session);
    origin.done();
    assert!(descriptors("socket:") < before, "the origin's listener is gone, too");
}

#[test]
fn an_error_about_an_address_in_a_url_names_it() {
    let address = refusing(Ipv4Addr::LOCALHOST.into());
    let error: Error = Session::new().data_blocking(&format!("http://{address}/")).unwrap_err();
    let detail = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(detail, format!("{address}: Connection refused"));
}
