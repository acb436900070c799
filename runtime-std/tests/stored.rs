//! What is stored of a download stays what it was, whatever the server answers next; and a task
//! that a builder made is read as it comes.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use sortie::core::{Error as Core, PeerError};
use sortie::{ErrorKind, FileErrorKind, Session};

/// An origin that gives each connection the next of these responses, and closes it. It tells what
/// was requested.
fn origin(responses: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let answer = |response: String| {
            let mut stream = listener.accept().unwrap().0;
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                head.extend_from_slice(&byte);
            }
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8(head).unwrap()
        };
        responses.into_iter().map(answer).collect()
    });
    (url, thread)
}

/// A folder that is removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sortie-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The first 5 of 10 bytes, then the end.
fn cut() -> String {
    "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 10\r\n\r\n01234".to_owned()
}

/// The other 5, in chunks, with what follows them.
fn rest(more: &str) -> String {
    let (length, content) = (5 + more.len(), format!("56789{more}"));
    format!(
        "HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\nContent-Range: bytes 5-9/10\r\n\
         Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{content}\r\n0\r\n\r\n"
    )
}

/// A download that is cut, gets this answer, which fails it, and comes to its end with the rest.
fn survives(name: &str, answer: String, why: Core) {
    let folder = Folder::new(name);
    let file = folder.0.join("file");
    let (url, origin) = origin(vec![cut(), answer, rest("")]);
    let session = Session::new();
    let run = || session.download_task(&url).to(&file).create().unwrap().wait();

    let error = run().unwrap_err();
    assert_eq!(error.resume_data().unwrap().received(), 5);
    let error = run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(why));
    assert_eq!(fs::read(folder.0.join("file.part")).unwrap(), b"01234");
    run().unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"0123456789");
    let requests = origin.join().unwrap();
    assert!(requests[2].contains("Range: bytes=5-\r\n"), "{}", requests[2]);
}

#[test]
fn an_error_page_leaves_what_is_stored() {
    let page = "HTTP/1.1 503 Busy\r\nETag: \"page\"\r\nContent-Length: 4\r\n\r\nbusy";
    survives("page", page.to_owned(), Core::Status(503));
}

#[test]
fn content_beyond_its_range_is_taken_back() {
    survives("range", rest("more"), Core::Peer(PeerError::RangeLength));
}

#[test]
fn content_with_a_wrong_digest_leaves_nothing_to_go_on_with() {
    let folder = Folder::new("digest");
    let whole = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 2\r\n\r\nno";
    let (url, origin) = origin(vec![whole.to_owned()]);
    let session = Session::new();
    let task = session.download_task(&url).to(folder.0.join("file")).sha256([0; 32]);
    let error = task.create().unwrap().wait().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::File(FileErrorKind::Digest { .. })), "{error}");
    assert!(error.resume_data().is_none());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    origin.join().unwrap();
}

#[test]
fn a_task_that_ran_before_gives_all_of_its_content_as_it_comes() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789".to_owned();
    let (url, origin) = origin(vec![whole]);
    let session = Session::new();
    let task = session.task(&url).unwrap();
    task.resume();
    let mut changes = task.changes();
    while changes.next_blocking().is_some() {}
    let (response, mut body) = task.bytes_blocking().unwrap();
    let (mut content, mut buffer) = (Vec::new(), [0; 4]);
    loop {
        match body.read_blocking(&mut buffer).unwrap() {
            0 => break,
            count => content.extend_from_slice(&buffer[..count]),
        }
    }
    assert_eq!((response.status(), content.as_slice()), (200, &b"0123456789"[..]));
    origin.join().unwrap();
}

#[test]
fn the_content_of_a_download_goes_to_its_file_even_if_somebody_reads() {
    let folder = Folder::new("read");
    let file = folder.0.join("file");
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789".to_owned();
    let (url, origin) = origin(vec![whole]);
    let session = Session::new();
    let task = session.download_task(&url).to(&file).create().unwrap();
    let (_, mut body) = task.bytes_blocking().unwrap();
    assert_eq!(body.read_blocking(&mut [0; 64]).unwrap(), 0);
    assert_eq!(fs::read(&file).unwrap(), b"0123456789");
    origin.join().unwrap();
}
