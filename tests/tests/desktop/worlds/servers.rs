//! Servers of every bad kind, met by a task that is awaited, by one that nobody awaits, and by a
//! download.

use std::time::Duration;

use sortie::{ErrorKind, Session, TaskState};
use sortie_core::{Error, Limit, PeerError, Timer, Transport, limits};

use crate::helpers::{Folder, alone, descriptors, eventually, threads};
use crate::{Near, Origin, PATIENCE};

/// How long a task waits for a byte that never comes.
const SHORT: Duration = Duration::from_millis(150);

const SILENT: Error = Error::TimedOut(Timer::Request);
const NO_RESPONSE: Error = Error::Transport(Transport::NoResponse);
const LOST: Error = Error::Transport(Transport::Lost);

/// A server, and how a task ends that meets it: with this content, or with an error.
struct World {
    name: &'static str,
    server: fn(&mut Near),
    ends: Result<Vec<u8>, Error>,
}

fn fails(name: &'static str, error: Error, server: fn(&mut Near)) -> World {
    World { name, server, ends: Err(error) }
}

fn succeeds(name: &'static str, content: &str, server: fn(&mut Near)) -> World {
    World { name, server, ends: Ok(content.into()) }
}

/// Takes a request, sends this, and closes.
fn sends(near: &mut Near, text: &str) {
    near.request();
    // Whoever sees nonsense does not wait for its end.
    let _ = near.send_if_wanted(text);
}

/// Takes a request, sends this, and waits for the client to close.
fn stops(near: &mut Near, text: &str) {
    near.request();
    near.send(text);
    near.closed();
}

/// Sends this and resets the connection: a part of the request is not read before the close.
fn resets(near: &mut Near, text: &str) {
    near.only(1);
    near.send(text);
}

/// Takes a request, sends this, and this over and over until the client closes.
fn never_stops(near: &mut Near, begin: &str, on_and_on: &str) {
    near.request();
    near.send(begin);
    let many = on_and_on.repeat(1 + 4096 / on_and_on.len());
    while near.send_if_wanted(&many).is_ok() {}
}

/// A head of so many bytes, for no content.
fn head_of(bytes: usize) -> String {
    let (begin, end) = ("HTTP/1.1 204 No\r\nX: ", "\r\n\r\n");
    format!("{begin}{}{end}", "x".repeat(bytes - begin.len() - end.len()))
}

fn vanished() -> Vec<World> {
    vec![
        fails("a server that says nothing", SILENT, |near| stops(near, "")),
        fails("silence within a head", SILENT, |near| stops(near, "HTTP/1.1 200 OK\r\nX: ")),
        fails("silence within a body", SILENT, |near| {
            stops(near, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        }),
        fails("silence behind a chunk", SILENT, |near| {
            stops(near, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        }),
    ]
}

fn broken_off() -> Vec<World> {
    vec![
        fails("an end at once", NO_RESPONSE, |near| sends(near, "")),
        fails("an end, and still it reads", NO_RESPONSE, |near| {
            near.request();
            near.finish_sending();
            near.ended();
        }),
        fails("an end within a status line", LOST, |near| sends(near, "HTTP/1.1 2")),
        fails("an end within a head", LOST, |near| sends(near, "HTTP/1.1 200 OK\r\nX: y\r\n")),
        fails("an end within a body", LOST, |near| {
            sends(near, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        }),
        fails("an end within a chunk", LOST, |near| {
            sends(near, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nfirst");
        }),
        fails("an end before the last chunk", LOST, |near| {
            sends(near, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        }),
        fails("a reset before an answer", NO_RESPONSE, |near| resets(near, "")),
        fails("a reset within a head", LOST, |near| resets(near, "HTTP/1.1 200 OK\r\nX: y\r\n")),
        fails("a reset within a body", LOST, |near| {
            resets(near, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        }),
        fails("a reset of a body that ends with the connection", LOST, |near| {
            resets(near, "HTTP/1.1 200 OK\r\n\r\nfirst");
        }),
        fails("a length that never comes", LOST, |near| {
            sends(near, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nfirst");
        }),
    ]
}

fn nonsense() -> Vec<World> {
    let not_http = Error::Peer(PeerError::NotHttp);
    vec![
        fails("ssh", not_http, |near| sends(near, "SSH-2.0-OpenSSH_9.6\r\n")),
        fails("mail", not_http, |near| sends(near, "220 mail.example ESMTP\r\n")),
        fails("a TLS alert", not_http, |near| sends(near, "\u{15}\u{3}\u{1}\0\u{2}\u{2}F")),
        fails("HTTP/2", not_http, |near| sends(near, "\0\0\u{12}\u{4}\0\0\0\0\0\0\u{3}\0\0\0d")),
        fails("HTTP/0.9", not_http, |near| sends(near, "<html>hello</html>")),
        fails("a radio", not_http, |near| sends(near, "ICY 200 OK\r\n\r\n")),
        fails("version 2.0", not_http, |near| sends(near, "HTTP/2.0 200 OK\r\n\r\n")),
        fails("zeros without end", not_http, |near| never_stops(near, "", "\0")),
        fails("a status of letters", Error::Peer(PeerError::StatusLine), |near| {
            sends(near, "HTTP/1.1 two OK\r\n\r\n");
        }),
        fails("a chunk size of letters", Error::Peer(PeerError::ChunkSize), |near| {
            sends(near, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nfirst\r\n");
        }),
    ]
}

fn too_much() -> Vec<World> {
    vec![
        succeeds("a head at the limit", "", |near| sends(near, &head_of(limits::HEAD_BYTES))),
        fails("a head above the limit", Error::Limit(Limit::HeadBytes), |near| {
            sends(near, &head_of(limits::HEAD_BYTES + 1));
        }),
        fails("a head without end", Error::Limit(Limit::HeadBytes), |near| {
            never_stops(near, "HTTP/1.1 200 OK\r\n", "X: y\r\n");
        }),
        succeeds("many interim responses", "", |near| {
            let most = usize::from(limits::INTERIM_RESPONSES);
            let interim = "HTTP/1.1 102 Wait\r\n\r\n".repeat(most);
            sends(near, &format!("{interim}HTTP/1.1 204 No\r\n\r\n"));
        }),
        fails("interim responses without end", Error::Limit(Limit::InterimResponses), |near| {
            never_stops(near, "", "HTTP/1.1 100 Continue\r\n\r\n");
        }),
        succeeds("a server that goes on behind the end", "ok", |near| {
            never_stops(near, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "more");
        }),
        succeeds("a body where there can be none", "", |near| {
            never_stops(near, "HTTP/1.1 204 No\r\n\r\n", "more");
        }),
        succeeds("a server that goes on behind the last chunk", "ok", |near| {
            let begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
            never_stops(near, begin, "5\r\nmore!\r\n");
        }),
    ]
}

fn odd_but_good() -> Vec<World> {
    vec![
        succeeds("an end right behind the last chunk", "ok", |near| {
            sends(
                near,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            );
        }),
        succeeds("a reset right behind the end", "ok", |near| {
            resets(near, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }),
        succeeds("an answer before the request was read", "ok", |near| {
            near.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            near.ended();
        }),
        succeeds("a byte at a time", "ok", |near| {
            near.request();
            let head = head_of(1000).replace("204 No\r\n", "200 OK\r\nContent-Length: 2\r\n");
            for byte in format!("{head}ok").as_bytes() {
                near.send([*byte]);
            }
        }),
    ]
}

/// How a task is made and brought to its end.
#[derive(Debug, Clone, Copy)]
enum Way {
    Awaited,
    /// Resumed and awaited by nobody.
    Background,
    Download,
}

fn meet(world: &World, way: Way) {
    let folder = Folder::new();
    let origin = Origin::new(vec![world.server]);
    let patience = if world.ends == Err(SILENT) { SHORT } else { PATIENCE };
    let session = Session::builder().request_timeout(patience).build();
    let task = match way {
        Way::Awaited | Way::Background => session.task(&origin.url),
        Way::Download => session.download_task(&origin.url).to(folder.path("file")).create(),
    };
    let task = task.unwrap();
    if matches!(way, Way::Background) {
        task.resume();
        eventually("the end", || task.state() == TaskState::Completed);
    }
    let ends = task.wait();
    let context = format!("{}, {way:?}", world.name);
    match (&world.ends, way) {
        (Ok(content), Way::Awaited | Way::Background) => {
            assert_eq!(&ends.expect(&context).1, content, "{context}");
        }
        (Ok(content), Way::Download) => {
            assert!(ends.is_ok(), "{context}: {ends:?}");
            assert_eq!(&std::fs::read(folder.path("file")).unwrap(), content, "{context}");
            std::fs::remove_file(folder.path("file")).unwrap();
        }
        (Err(error), _) => {
            let failed = ends.unwrap_err();
            assert_eq!(failed.kind(), ErrorKind::Task(*error), "{context}");
            assert_eq!((failed.code(), failed.failing_url()), (error.code(), &*origin.url));
        }
    }
    drop(session);
    origin.done();
    assert_eq!(folder.names(), [""; 0], "{context}: no file is left");
    eventually("no connection", || descriptors("socket") == 0);
    eventually("no thread", || threads("sortie") == 0);
}

#[test]
fn every_kind_ends_as_documented_and_leaves_nothing() {
    if !alone("worlds::servers::every_kind_ends_as_documented_and_leaves_nothing") {
        return;
    }
    let worlds = [vanished(), broken_off(), nonsense(), too_much(), odd_but_good()];
    for world in worlds.iter().flatten() {
        for way in [Way::Awaited, Way::Background, Way::Download] {
            meet(world, way);
        }
    }
}

/// A length is what the server says; memory is set aside for what comes.
#[test]
fn a_huge_length_costs_no_memory() {
    const LENGTHS: [u64; 3] = [1 << 30, 1 << 40, u64::MAX];
    if !alone("worlds::servers::a_huge_length_costs_no_memory") {
        return;
    }
    let get = |length: u64| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nfirst");
        let origin = Origin::new(vec![move |near: &mut Near| sends(near, &head)]);
        let session = Session::builder().build();
        let task = session.data_task(&origin.url).max_content(usize::MAX).create().unwrap();
        let counts = task.clone();
        assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Task(LOST));
        assert_eq!(
            (counts.counts().received, counts.counts().expected_to_receive),
            (5, Some(length))
        );
        origin.done();
    };
    get(10);
    let before = crate::helpers::peak_memory();
    LENGTHS.into_iter().for_each(get);
    let grown = crate::helpers::peak_memory() - before;
    assert!(grown < 4 << 20, "{grown} bytes");
}
