//! Uploads to servers that do not take them as they should.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use futures_lite::io::Cursor;
use sortie::{ErrorKind, Request, Session, UploadSource};
use sortie_core::{Error, Timer, Transport};

use crate::helpers::{Folder, alone, descriptors, eventually, threads};
use crate::{Near, Origin, PATIENCE, gate, pass};

/// More than the buffers of both ends hold.
const LARGE: usize = 32 << 20;

/// Every kind of source, of so many bytes.
fn sources(folder: &Folder) -> [UploadSource; 4] {
    let path = folder.path("body");
    std::fs::write(&path, vec![b'x'; LARGE]).unwrap();
    let reader = || Cursor::new(vec![b'x'; LARGE]);
    [
        UploadSource::from(vec![b'x'; LARGE]),
        UploadSource::file(path),
        UploadSource::reader(reader()),
        UploadSource::sized_reader(reader(), LARGE as u64),
    ]
}

fn put(url: &str) -> Request {
    Request::new("PUT", url).unwrap()
}

/// What takes an upload. The gate is opened when the task has ended.
type Server = fn(&mut Near, &Receiver<()>);

/// Uploads from every kind of source to this server: how each ends.
fn upload(server: Server, patience: Duration) -> Vec<Result<u16, ErrorKind>> {
    let folder = Folder::new();
    let mut ends = Vec::new();
    for source in sources(&folder) {
        let (open, is_open) = gate();
        let origin = Origin::new(vec![move |near: &mut Near| server(near, &is_open)]);
        let session = Session::builder().request_timeout(patience).build();
        let task = session.upload_task(put(&origin.url), source).create().unwrap();
        let end = task.wait().map(|(response, _)| response.status()).map_err(|why| why.kind());
        ends.push(end);
        let _ = open.send(());
        drop(session);
        origin.done();
        eventually("no connection", || descriptors("socket") == 0);
        eventually("no thread", || threads("sortie") == 0);
    }
    assert_eq!(descriptors("sortie-desktop"), 0, "the file is closed");
    ends
}

#[test]
fn an_upload_whose_connection_is_reset_fails() {
    if !alone("worlds::bodies::an_upload_whose_connection_is_reset_fails") {
        return;
    }
    let ends = upload(|near, _| near.only(1000), PATIENCE);
    assert_eq!(ends, [Err(ErrorKind::Task(Error::Transport(Transport::NoResponse))); 4]);
}

#[test]
fn an_upload_fails_that_the_server_ends_without_an_answer() {
    if !alone("worlds::bodies::an_upload_fails_that_the_server_ends_without_an_answer") {
        return;
    }
    let server: Server = |near, _| {
        near.request();
        near.finish_sending();
        near.ended();
    };
    let ends = upload(server, PATIENCE);
    assert_eq!(ends, [Err(ErrorKind::Task(Error::Transport(Transport::NoResponse))); 4]);
}

#[test]
fn an_upload_that_the_server_stops_taking_meets_the_request_timeout() {
    if !alone("worlds::bodies::an_upload_that_the_server_stops_taking_meets_the_request_timeout") {
        return;
    }
    let server: Server = |near, is_over| {
        near.request();
        pass(is_over);
        near.ended();
    };
    let ends = upload(server, Duration::from_millis(150));
    assert_eq!(ends, [Err(ErrorKind::Task(Error::TimedOut(Timer::Request))); 4]);
}

/// The server answers early, sends its end, and takes the whole body all the same: it is sent.
#[test]
fn an_upload_goes_on_behind_an_early_success_and_the_servers_end() {
    if !alone("worlds::bodies::an_upload_goes_on_behind_an_early_success_and_the_servers_end") {
        return;
    }
    let server: Server = |near, _| {
        near.request();
        near.send("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
        near.finish_sending();
        near.ended();
    };
    assert_eq!(upload(server, PATIENCE), [Ok(201); 4]);
}
