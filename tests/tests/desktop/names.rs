//! Where a name leads: the resolver, what takes its place, and addresses that need none.

use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sortie::{ErrorKind, Session, SessionConfiguration};
use sortie_core::{Timer, Transport};

use crate::helpers::{Noting, script};
use crate::{Near, Origin, PATIENCE, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An origin that gives so many connections an answer each, and its port. What it got is in the
/// list.
fn origin(connections: usize) -> (Origin, u16, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let serve = |_| {
        let heads = heads.clone();
        script(move |near: &mut Near| {
            let head = near.request();
            heads.lock().unwrap().push(head);
            near.send(OK);
        })
    };
    let origin = Origin::new((0..connections).map(serve).collect());
    let port = origin.address().port();
    (origin, port, heads)
}

/// A session whose resolver must not be asked.
fn without_resolver() -> SessionConfiguration {
    Session::builder().resolver(|host, _| async move {
        Err(io::Error::other(format!("{host} is looked up, and should not be")))
    })
}

fn get(session: &Session, url: &str) {
    session.flush();
    assert_eq!(session.data_blocking(url).unwrap_or_else(|why| panic!("{why}")).1, b"ok");
}

fn unresolved() -> ErrorKind {
    ErrorKind::Task(sortie_core::Error::Transport(Transport::NameNotResolved))
}

fn detail(error: &sortie::Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

// Resolvers

#[test]
fn a_resolver_of_the_users_is_given_host_and_port_and_its_addresses_are_used() {
    let (origin, port, heads) = origin(1);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asks = asked.clone();
    let session = Session::builder()
        .resolver(move |host, asked_port| {
            asks.lock().unwrap().push((host, asked_port));
            async move { Ok(vec![(LOCALHOST, port).into()]) }
        })
        .build();
    get(&session, "http://Some.Example:8080/x");
    assert_eq!(*asked.lock().unwrap(), [("Some.Example".to_owned(), 8080)]);
    assert!(heads.lock().unwrap()[0].contains("\r\nHost: Some.Example:8080\r\n"));
    origin.done();
}

#[test]
fn an_unknown_name_is_told_with_what_the_resolver_says() {
    let session = without_resolver().build();
    let error = session.data_blocking("http://nowhere.example/").unwrap_err();
    assert_eq!((error.kind(), error.code()), (unresolved(), -1003));
    assert_eq!(detail(&error), "nowhere.example is looked up, and should not be");
    let shown = "the host name could not be resolved (nowhere.example is looked up, and should \
                 not be): http://nowhere.example/";
    assert_eq!(error.to_string(), shown);

    let nothing = Session::builder().resolver(|_, _| async { Ok(Vec::new()) }).build();
    let error = nothing.data_blocking("http://nowhere.example/").unwrap_err();
    assert_eq!((error.kind(), detail(&error)), (unresolved(), String::new()));
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// A look-up that never ends.
fn hangs(
    begun: impl FnOnce(),
    dropped: Dropped,
) -> impl Future<Output = io::Result<Vec<SocketAddr>>> {
    begun();
    async move {
        let _dropped = dropped;
        pending().await
    }
}

/// curl 8.20: a hanging look-up kept its handle for ever.
#[test]
fn a_resolver_that_hangs_is_given_up_at_the_request_timeout() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let drops = dropped.clone();
    let timeout = Duration::from_millis(120);
    let session = Session::builder()
        .resolver(move |_, _| hangs(|| (), Dropped(drops.clone())))
        .request_timeout(timeout)
        .build();
    let begin = Instant::now();
    let error = session.data_blocking("http://slow.example/").unwrap_err();
    assert!(begin.elapsed() >= timeout && begin.elapsed() < PATIENCE);
    let timed_out = ErrorKind::Task(sortie_core::Error::TimedOut(Timer::Request));
    assert_eq!((error.kind(), error.code()), (timed_out, -1001));
    assert_eq!(dropped.load(Ordering::Acquire), 1);
}

#[test]
fn a_task_is_cancelled_at_once_while_its_resolver_hangs() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let drops = dropped.clone();
    let (begun, is_begun) = channel();
    let session = Session::builder()
        .resolver(move |_, _| {
            let begun = begun.clone();
            hangs(move || begun.send(()).unwrap(), Dropped(drops.clone()))
        })
        .build();
    let task = session.task("http://slow.example/").unwrap();
    task.resume();
    pass(&is_begun);
    task.cancel();
    assert_eq!(task.wait().unwrap_err().code(), -999);
    assert_eq!(dropped.load(Ordering::Acquire), 1);
}

/// What the system's resolver does in a thread of the pool when it hangs.
#[test]
fn a_look_up_that_blocks_a_thread_keeps_no_other_waiting() {
    let (origin, port, _) = origin(1);
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let session = Session::builder()
        .resolver(move |host, _| {
            let released = released.clone();
            blocking::unblock(move || {
                if host == "slow.example" {
                    pass(&released.lock().unwrap());
                }
                Ok(vec![(LOCALHOST, port).into()])
            })
        })
        .request_timeout(Duration::from_secs(2))
        .build();
    let task = session.data_task("http://slow.example/").request_timeout(Duration::from_millis(50));
    let task = task.create().unwrap();
    task.resume();
    let begin = Instant::now();
    get(&session, &format!("http://quick.example:{port}/"));
    assert_eq!(task.wait().unwrap_err().code(), -1001);
    assert!(begin.elapsed() < PATIENCE / 2, "while the thread still hangs");
    release.send(()).unwrap();
    origin.done();
}

// What takes the place of a resolver

#[test]
fn addresses_that_are_said_take_the_place_of_the_resolver() {
    let (origin, port, heads) = origin(3);
    let wrong = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))];
    let session = without_resolver()
        .resolve("staging.example", Some(port), wrong)
        .resolve("STAGING.example", Some(port), [LOCALHOST])
        .resolve("staging.example", Some(1), wrong)
        .resolve("any.example", None, [LOCALHOST])
        .resolve("empty.example", None, [])
        .build();
    get(&session, &format!("http://staging.Example:{port}/"));
    get(&session, &format!("http://any.example:{port}/"));
    assert!(heads.lock().unwrap()[0].contains(&format!("\r\nHost: staging.Example:{port}\r\n")));
    // One that nothing was said of, and one without addresses.
    for host in ["other.example", "empty.example"] {
        let error = session.data_blocking(&format!("http://{host}:{port}/")).unwrap_err();
        assert_eq!(error.kind(), unresolved(), "{host}");
    }
    // An address is not looked up, but can be said to be elsewhere, as with curl.
    let elsewhere = without_resolver().resolve("192.0.2.1", None, [LOCALHOST]).build();
    get(&elsewhere, &format!("http://192.0.2.1:{port}/"));
    origin.done();
}

#[test]
fn a_connection_that_leads_elsewhere_keeps_the_host_of_its_url() {
    let (origin, port, heads) = origin(4);
    let to = (Some("127.0.0.1"), Some(port));
    for (configuration, url) in [
        (without_resolver().connect_to((Some("a.example"), Some(80)), to), "http://A.example/"),
        (without_resolver().connect_to((None, None), to), "http://a.example:81/"),
        // The first that fits counts, and the host of it is looked up as any.
        (
            without_resolver()
                .connect_to((Some("b.example"), None), (Some("wrong.example"), None))
                .connect_to((None, Some(82)), (Some("inner.example"), Some(port)))
                .connect_to((Some("a.example"), None), (Some("wrong.example"), None))
                .resolve("inner.example", Some(port), [LOCALHOST]),
            "http://a.example:82/",
        ),
        (
            without_resolver().connect_to((None, None), (None, Some(port))).resolve(
                "a.example",
                Some(port),
                [LOCALHOST],
            ),
            "http://a.example:83/",
        ),
    ] {
        get(&configuration.build(), url);
    }
    origin.done();
    let heads = heads.lock().unwrap();
    let hosts = ["A.example", "a.example:81", "a.example:82", "a.example:83"];
    for (head, host) in heads.iter().zip(hosts) {
        assert!(head.contains(&format!("\r\nHost: {host}\r\n")), "{head}");
    }
}

#[test]
fn a_connection_that_leads_to_an_address_of_the_other_family_may_have_brackets() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let origin = thread::spawn(move || {
        for _ in 0..2 {
            let mut near = Near::new(listener.accept().unwrap().0);
            assert!(near.request().contains("\r\nHost: a.example\r\n"));
            near.send(OK);
        }
    });
    for host in ["::1", "[::1]"] {
        let to = (Some(host), Some(port));
        get(&without_resolver().connect_to((None, None), to).build(), "http://a.example/");
    }
    origin.join().unwrap();
}

#[test]
fn what_a_name_leads_to_is_fixed_when_the_session_is_made() {
    let (origin, port, _) = origin(1);
    let configuration = without_resolver();
    let session = configuration.clone().build();
    let later = configuration.resolve("a.example", None, [LOCALHOST]).build();
    let url = format!("http://a.example:{port}/");
    assert_eq!(session.data_blocking(&url).unwrap_err().kind(), unresolved());
    get(&later, &url);
    origin.done();
}

#[test]
fn a_redirect_to_another_name_is_led_by_what_was_said_of_it() {
    let (origin, port, heads) = origin(1);
    let first = Origin::new(vec![move |near: &mut Near| {
        near.request();
        near.send(format!(
            "HTTP/1.1 302 Found\r\nLocation: http://b.example:{port}/y\r\nContent-Length: 0\r\n\r\n"
        ));
    }]);
    let session = without_resolver().resolve("b.example", None, [LOCALHOST]).build();
    get(&session, &first.url);
    assert!(heads.lock().unwrap()[0].contains(&format!("\r\nHost: b.example:{port}\r\n")));
    first.done();
    origin.done();
}

// Addresses

#[test]
fn an_address_is_not_looked_up_and_takes_no_look_up_in_the_metrics() {
    let (origin, port, _) = origin(3);
    let run = |configuration: SessionConfiguration, url: &str| {
        let delegate = Arc::new(Noting::default());
        let session = configuration.build();
        let task = session.data_task(url).shared_delegate(delegate.clone());
        task.create().unwrap().wait().unwrap();
        let metrics = delegate.metrics.lock().unwrap().take().expect("metrics");
        let [got] = &metrics.transactions[..] else { panic!("one transaction: {metrics:?}") };
        assert_eq!(got.remote_address, Some((LOCALHOST, port).into()));
        assert!(got.connect_start <= got.connect_end && got.connect_end.is_some(), "{got:?}");
        (got.domain_lookup_start.is_some(), got.domain_lookup_end.is_some())
    };
    let literal = format!("http://127.0.0.1:{port}/");
    assert_eq!(run(without_resolver(), &literal), (false, false));
    let named = format!("http://a.example:{port}/");
    let said = without_resolver().resolve("a.example", None, [LOCALHOST]);
    assert_eq!(run(said, &named), (false, false));
    let asked = Session::builder()
        .resolver(|_, port| async move { Ok(vec![SocketAddr::from((LOCALHOST, port))]) });
    assert_eq!(run(asked, &named), (true, true));
    origin.done();
}

#[test]
fn a_zone_is_for_this_machine_and_is_not_sent() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let origin = thread::spawn(move || {
        let mut near = Near::new(listener.accept().unwrap().0);
        let head = near.request();
        near.send(OK);
        head
    });
    get(&without_resolver().build(), &format!("http://[::1%251]:{port}/"));
    let head = origin.join().unwrap();
    assert!(head.contains(&format!("\r\nHost: [::1]:{port}\r\n")), "{head}");
}

/// No link-local address is there on loopback, so that the way there ends on this machine: what
/// matters is where it would have led.
#[test]
fn the_zone_of_a_link_local_address_is_an_interface_by_name_or_number() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    let session = without_resolver().request_timeout(Duration::from_millis(200)).build();
    for url in ["http://[fe80::1%25lo]:9/", "http://[fe80::1%251]:9/"] {
        let error = session.data_blocking(url).unwrap_err();
        assert_ne!(error.kind(), unresolved(), "{error}");
        let says = detail(&error);
        assert!(error.code() == -1001 || says.starts_with("[fe80::1%1]:9: "), "{error}");
    }
    let error = session.data_blocking("http://[fe80::1%25no-such-one]:9/").unwrap_err();
    assert_eq!(error.kind(), unresolved());
    assert!(!detail(&error).is_empty());
}
