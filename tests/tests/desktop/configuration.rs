//! What a session is made with, and the sessions that are made with little.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use sortie::{Request, Session, SessionConfiguration, TaskState, UploadSource};

use crate::helpers::{Folder, alone_with, answer, eventually, script};
use crate::{Near, Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Takes as many requests as there are names, and shows the value of the field of each in turn.
fn shows(names: &'static [&'static str]) -> Origin {
    Origin::new(vec![move |near: &mut Near| {
        for name in names {
            let head = near.request();
            let mut found = head.lines().filter_map(|line| line.split_once(": "));
            let found = found.find(|(other, _)| other.eq_ignore_ascii_case(name));
            let value = found.map_or("none", |(_, value)| value);
            let length = value.len();
            near.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{value}"));
        }
    }])
}

fn shown(session: &Session, origin: &Origin) -> String {
    String::from_utf8(session.data_blocking(&origin.url).unwrap().1).unwrap()
}

#[test]
fn a_configuration_is_copied_when_a_session_is_made() {
    let origin = shows(&["x-name"; 3]);
    let named = |configuration: SessionConfiguration, name: &str| {
        configuration.additional_field("X-Name", name).unwrap()
    };
    let mut configuration = named(SessionConfiguration::default(), "first");
    let session = configuration.clone().build();
    configuration = named(configuration, "second");
    assert_eq!(shown(&session, &origin), "first", "what is changed later is for the next one");
    let copy = named(session.configuration(), "third");
    assert_eq!(shown(&session, &origin), "first", "a copy of it is not it");
    drop((configuration, copy));
    // On the same connection: the origin has no other.
    assert_eq!(shown(&session, &origin), "first");
    origin.done();
    let origin = shows(&["x-name"]);
    assert_eq!(shown(&session.configuration().build(), &origin), "first");
    origin.done();
}

#[test]
fn additional_fields_are_added_where_a_request_has_none() {
    let origin = shows(&["x-name", "x-name", "user-agent", "accept", "x-name", "x-empty"]);
    let configuration = SessionConfiguration::new()
        .additional_field("X-Name", "first")
        .and_then(|configuration| configuration.additional_field("x-name", "session"))
        .and_then(|configuration| configuration.additional_field("User-Agent", "updater/3"))
        .and_then(|configuration| configuration.additional_field("X-Empty", ""));
    let session = configuration.unwrap().build();
    assert_eq!(shown(&session, &origin), "session", "set again, it is replaced");
    let own = Request::get(&origin.url).unwrap().field("X-NAME", "request").unwrap();
    assert_eq!(session.data_blocking(own).unwrap().1, b"request");
    assert_eq!(shown(&session, &origin), "updater/3", "it takes the place of ours");
    assert_eq!(shown(&session, &origin), "*/*", "which is sent otherwise");
    let upload = session.upload_task(&*origin.url, "").create().unwrap();
    assert_eq!(upload.original_request().fields().count(), 3);
    assert_eq!(upload.wait().unwrap().1, b"session");
    assert_eq!(shown(&session, &origin), "");
    origin.done();
    for (name, value) in [("no token", "x"), ("X-Name", "line\nbreak")] {
        assert!(SessionConfiguration::new().additional_field(name, value).is_err());
    }
}

/// Runs three tasks more than there are to be connections: the first connection serves them all.
fn connections(session: &Session, most: usize) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let tasks: Vec<_> = (0..most + 3).map(|_| session.task(&url).unwrap()).collect();
    tasks.iter().for_each(sortie::Task::resume);
    let open = RefCell::new(Vec::new());
    eventually("so many connections", || {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            open.borrow_mut().push(Near::new(stream));
        }
        open.borrow().len() >= most
    });
    let mut open = open.into_inner();
    for _ in 0..3 {
        open[0].request();
        open[0].send(OK);
    }
    for near in &mut open {
        near.request();
        near.send(OK);
    }
    for task in tasks {
        assert_eq!(task.wait().unwrap().1, b"ok");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(open.len(), most);
}

#[test]
fn an_origin_has_no_more_connections_than_are_allowed() {
    // The default of URLSession.
    connections(&Session::new(), 6);
    connections(&Session::builder().max_connections_per_host(2).build(), 2);
    connections(&Session::builder().max_connections(3).build(), 3);
}

#[test]
fn a_connection_that_was_idle_for_too_long_is_not_used_again() {
    let once = || {
        script(|near| {
            near.request();
            near.send(OK);
            near.closed();
        })
    };
    let origin = Origin::new(vec![once(), once()]);
    let session = Session::builder().idle_timeout(Duration::ZERO).build();
    for _ in 0..2 {
        session.data_blocking(&origin.url).unwrap();
    }
    drop(session);
    origin.done();
}

#[test]
fn an_idle_connection_makes_room_for_another_origin() {
    let (other, is_other) = gate();
    let first = Origin::new(vec![script(move |near| {
        near.request();
        near.send(OK);
        near.closed();
        pass(&is_other);
    })]);
    let second = Origin::new(vec![answer(OK)]);
    let session = Session::builder().max_connections(1).build();
    session.data_blocking(&first.url).unwrap();
    session.data_blocking(&second.url).unwrap();
    other.send(()).unwrap();
    first.done();
    second.done();
}

#[test]
fn the_shared_session_is_one_and_is_never_invalidated() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        pass(&is_go);
        near.send(OK);
        near.request();
        near.send(OK);
    })]);
    Session::shared().set_description(Some("everybody's".to_owned()));
    assert_eq!(Session::shared().description().as_deref(), Some("everybody's"));
    let task = Session::shared().task(&origin.url).unwrap();
    task.resume();
    eventually("the request", || task.counts().wire_sent > 0);
    Session::shared().invalidate_and_cancel();
    Session::shared().finish_tasks_and_invalidate();
    assert_eq!(task.state(), TaskState::Running);
    go.send(()).unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    // On the same connection: it is the same session.
    assert_eq!(Session::shared().data_blocking(&origin.url).unwrap().1, b"ok");
    Session::shared().flush();
    origin.done();
}

#[test]
fn a_session_has_a_description_of_its_own() {
    let session = Session::new();
    assert_eq!(session.description(), None);
    session.clone().set_description(Some("mine".to_owned()));
    assert_eq!(session.description().as_deref(), Some("mine"));
    assert_eq!(Session::new().description(), None);
}

/// In a process of its own, whose home and temporary folder are empty.
#[test]
fn an_ephemeral_session_leaves_nothing_on_the_disk() {
    let folder = Folder::new();
    let names = ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"];
    let places = names.map(|name| (name, folder.path("")));
    let name = "configuration::an_ephemeral_session_leaves_nothing_on_the_disk";
    if !alone_with(name, &places) {
        assert!(folder.names().is_empty(), "{:?}", folder.names());
        return;
    }
    assert!(!Session::new().configuration().is_ephemeral());
    let session = Session::ephemeral();
    assert!(session.configuration().is_ephemeral());
    let cookie = "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nCache-Control: max-age=60\r\n\
         Content-Length: 2\r\n\r\nok";
    let origin = Origin::answering(&[cookie, cookie]);
    session.data_blocking(&origin.url).unwrap();
    let source = UploadSource::from("text");
    session.upload_task(&*origin.url, source).create().unwrap().wait().unwrap();
    drop(session);
    origin.done();
    drop(folder);
    let home = std::env::var_os("HOME").unwrap();
    assert!(std::fs::read_dir(home).unwrap().next().is_none());
}
