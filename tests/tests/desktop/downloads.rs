//! Downloads: where the content is while it comes, and what must be right before it is in place.

use std::fmt::Write as _;

use sortie::{ErrorKind, FileErrorKind, Session};
use sortie_core::Error;

use crate::helpers::{Crowd, Folder, alone, answer, eventually, memory, read, script};
use crate::{Near, Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst";

/// SHA-256 of `ok`.
const OK_SHA256: [u8; 32] = [
    0x26, 0x89, 0x36, 0x7b, 0x20, 0x5c, 0x16, 0xce, 0x32, 0xed, 0x42, 0x00, 0x94, 0x2b, 0x8b, 0x8b,
    0x1e, 0x26, 0x2d, 0xfc, 0x70, 0xd9, 0xbc, 0x9f, 0xbc, 0x77, 0xc4, 0x96, 0x99, 0xa4, 0xf1, 0xdf,
];

#[test]
fn content_is_beside_its_place_until_it_is_whole() {
    let folder = Folder::new();
    let to = folder.path("image");
    std::fs::write(&to, "old").unwrap();
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
    })]);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(&to).create().unwrap();
    assert_eq!((task.file(), folder.names()), (Some(to.clone()), vec!["image".to_owned()]));
    task.resume();
    eventually("content", || task.counts().received == 5);
    assert!(folder.names().contains(&"image.part".to_owned()), "{:?}", folder.names());
    assert_eq!(read(&to), b"old");
    go.send(()).unwrap();
    let (response, content) = task.wait().unwrap();
    assert_eq!((response.status(), content.len()), (200, 0), "the content is in the file");
    assert_eq!((read(&to), folder.names()), (b"firstlater".to_vec(), vec!["image".to_owned()]));
    origin.done();
}

#[test]
fn a_one_liner_downloads_large_content() {
    let folder = Folder::new();
    let to = folder.path("large");
    let content: Vec<u8> = (0..5_000_000_u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let sent = content.clone();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
        near.send(sent);
    })]);
    let session = Session::new();
    let response = futures_lite::future::block_on(session.download(&origin.url, &to)).unwrap();
    assert_eq!(response.status(), 200);
    assert!(read(&to) == content);
    assert_eq!(folder.names(), ["large"]);
    origin.done();
}

#[test]
fn a_one_liner_that_is_dropped_keeps_what_came_for_the_next_one() {
    use std::future::Future;
    let folder = Folder::new();
    let to = folder.path("a");
    let origin = Origin::new(vec![
        script(|near| {
            near.request();
            near.send("HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 10\r\n\r\nfirst");
            near.closed();
        }),
        script(|near| {
            let head = near.request();
            assert!(head.contains("\r\nRange: bytes=5-\r\n"), "{head}");
            let range = "Content-Range: bytes 5-9/10\r\nETag: \"1\"\r\nContent-Length: 5\r\n\r\n";
            near.send(format!("HTTP/1.1 206 Partial Content\r\n{range}later"));
        }),
    ]);
    let session = Session::new();
    let mut task = None;
    {
        let mut future = std::pin::pin!(session.download(&origin.url, &to));
        let waker = std::task::Waker::noop();
        let mut cx = std::task::Context::from_waker(waker);
        while task.as_ref().is_none_or(|task: &sortie::Task| task.counts().received < 5) {
            assert!(future.as_mut().poll(&mut cx).is_pending());
            task = session.all_tasks().pop();
        }
    }
    let mut changes = task.unwrap().changes();
    while changes.next_blocking().is_some() {}
    futures_lite::future::block_on(session.download(&origin.url, &to)).unwrap();
    assert_eq!((read(&to), folder.names()), (b"firstlater".to_vec(), vec!["a".to_owned()]));
    origin.done();
}

#[test]
fn a_download_without_a_place_is_in_a_temporary_file() {
    let folder = Folder::new();
    let origin = Origin::answering(&[OK, OK]);
    let session = Session::new();
    let task = session.download_task(&origin.url).create().unwrap();
    let to = folder.path("moved");
    assert_eq!(task.file(), None);
    assert!(task.move_file(&to).is_err(), "it is not there yet");
    task.clone().wait().unwrap();
    let temporary = task.file().unwrap();
    assert_eq!(read(&temporary), b"ok");
    let refused = task.move_file(folder.path("missing/x")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::File(FileErrorKind::NoFolder));
    assert_eq!(read(&temporary), b"ok", "a move that is refused loses nothing");
    task.move_file(&to).unwrap();
    assert_eq!(read(&to), b"ok");
    assert!(!temporary.exists());
    assert!(task.move_file(&to).is_err(), "it was moved");
    let task = session.download_task(&origin.url).create().unwrap();
    task.clone().wait().unwrap();
    let temporary = task.file().unwrap();
    assert!(temporary.exists());
    drop(task);
    assert!(!temporary.exists(), "it goes with its task");
    origin.done();
}

#[test]
fn content_must_have_the_digest_that_was_asked_for() {
    let folder = Folder::new();
    let origin = Origin::answering(&[OK, OK]);
    let session = Session::new();
    let to = folder.path("a");
    let task = session.download_task(&origin.url).to(&to).sha256(OK_SHA256).create().unwrap();
    task.wait().unwrap();
    assert_eq!(read(&to), b"ok");
    let task = session.download_task(&origin.url).to(&to).sha256([1; 32]).create().unwrap();
    let error = task.wait().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::File(FileErrorKind::Digest { found, .. })
            if found.0 == OK_SHA256),
        "{error}"
    );
    assert!(error.resume_data().is_none());
    assert_eq!((read(&to), folder.names()), (b"ok".to_vec(), vec!["a".to_owned()]));
    origin.done();
}

#[test]
fn content_must_have_the_digest_that_the_server_names() {
    let folder = Folder::new();
    let digest = |bytes: &[u8]| {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let at = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for place in 0..4 {
                let is_there = place <= three.len();
                let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if is_there { char::from(digit) } else { '=' });
            }
        }
        let mut field = String::new();
        write!(field, "Repr-Digest: sha-256=:{text}:\r\n").unwrap();
        field
    };
    let with = |field: String| format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 2\r\n\r\nok");
    let (right, wrong) = (with(digest(&OK_SHA256)), with(digest(&[0; 32])));
    let origin = Origin::answering(&[&right, &wrong]);
    let session = Session::new();
    let to = folder.path("a");
    session.download_task(&origin.url).to(&to).create().unwrap().wait().unwrap();
    let error = session.download_task(&origin.url).to(&to).create().unwrap().wait().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::File(FileErrorKind::Digest { .. })), "{error}");
    assert_eq!(error.code(), -1015);
    assert_eq!((read(&to), folder.names()), (b"ok".to_vec(), vec!["a".to_owned()]));
    origin.done();
}

#[test]
fn an_error_page_is_not_stored() {
    let folder = Folder::new();
    let to = folder.path("a");
    std::fs::write(&to, "old").unwrap();
    let page = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\npage";
    let origin = Origin::new(vec![answer(page), answer(page)]);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(&to).create().unwrap();
    let error = task.clone().wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Status(404)));
    assert_eq!(task.response().map(|response| response.status()), Some(404));
    assert_eq!((read(&to), folder.names()), (b"old".to_vec(), vec!["a".to_owned()]));
    session.flush();
    let task = session.download_task(&origin.url).to(&to).requires_success(false);
    assert_eq!(task.create().unwrap().wait().unwrap().0.status(), 404);
    assert_eq!((read(&to), folder.names()), (b"page".to_vec(), vec!["a".to_owned()]));
    origin.done();
}

/// Whatever a server says when it cannot serve: what was stored before is worth more.
#[test]
fn an_error_page_leaves_what_an_earlier_download_stored() {
    let folder = Folder::new();
    let to = folder.path("a");
    let half = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 10\r\n\r\nfirst";
    let range = "Content-Range: bytes 5-9/10\r\nETag: \"1\"\r\nContent-Length: 5\r\n\r\nlater";
    let rest = format!("HTTP/1.1 206 Partial Content\r\n{range}");
    let pages = ["503 Service Unavailable", "404 Not Found", "500 No", "403 No"];
    let page = |status: &&str| answer(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno"));
    let mut scripts = vec![answer(half)];
    scripts.extend(pages.iter().map(page));
    scripts.push(script(move |near| {
        assert!(near.request().contains("\r\nRange: bytes=5-\r\n"));
        near.send(rest);
    }));
    let origin = Origin::new(scripts);
    let session = Session::new();
    let download = || {
        session.flush();
        session.download_task(&origin.url).to(&to).create().unwrap().wait()
    };
    assert_eq!(download().unwrap_err().code(), -1005);
    for page in pages {
        let error = download().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Task(Error::Status(_))), "{page}: {error}");
        assert_eq!(error.resume_data().map(sortie::ResumeData::received), Some(5), "{page}");
        assert_eq!(read(folder.path("a.part")), b"first", "{page}");
    }
    download().unwrap();
    assert_eq!(read(&to), b"firstlater");
    origin.done();
}

#[test]
fn a_destination_that_cannot_be_is_refused_when_the_task_is_made() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("sub")).unwrap();
    let session = Session::new();
    let refused = |name: &str| {
        let task = session.download_task("http://127.0.0.1:1/").to(folder.path(name));
        let error = task.create().unwrap_err();
        assert!(error.path().is_some() && error.to_string().contains("127.0.0.1"), "{error}");
        error.kind()
    };
    assert_eq!(refused("sub"), ErrorKind::File(FileErrorKind::IsFolder));
    assert_eq!(refused("sub/"), ErrorKind::File(FileErrorKind::IsFolder));
    assert_eq!(refused("missing/a"), ErrorKind::File(FileErrorKind::NoFolder));
    assert_eq!(folder.names(), ["sub"], "nothing was made");
}

#[test]
fn two_downloads_to_the_same_place_do_not_mix() {
    let folder = Folder::new();
    let to = folder.path("a");
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
    })]);
    let other = Origin::new(vec![|_: &mut Near| {}]);
    let session = Session::new();
    let first = session.download_task(&origin.url).to(&to).create().unwrap();
    first.resume();
    eventually("content", || first.counts().received == 5);
    let second = session.download_task(&other.url).to(&to).create().unwrap();
    assert_eq!(second.wait().unwrap_err().kind(), ErrorKind::File(FileErrorKind::Busy));
    go.send(()).unwrap();
    first.wait().unwrap();
    assert_eq!(read(&to), b"firstlater");
    other.done();
    origin.done();
}

#[test]
fn a_download_follows_redirects_to_its_content() {
    let folder = Folder::new();
    let to = folder.path("a");
    let found = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 4\r\n\r\npage";
    let origin = Origin::answering(&[found, OK]);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(&to).create().unwrap();
    let (response, _) = task.wait().unwrap();
    assert_eq!((response.status(), read(&to)), (200, b"ok".to_vec()));
    assert_eq!(folder.names(), ["a"]);
    origin.done();
}

#[test]
fn empty_content_makes_an_empty_file() {
    let folder = Folder::new();
    let origin = Origin::answering(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]);
    let session = Session::new();
    let to = folder.path("a");
    session.download_task(&origin.url).to(&to).create().unwrap().wait().unwrap();
    assert_eq!((read(&to).len(), folder.names()), (0, vec!["a".to_owned()]));
    origin.done();
}

#[test]
fn a_suspended_download_takes_no_more_and_goes_on() {
    let folder = Folder::new();
    let to = folder.path("a");
    let (go, is_go) = gate();
    let (sent, is_sent) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
        sent.send(()).unwrap();
    })]);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(&to).create().unwrap();
    task.resume();
    eventually("content", || task.counts().received == 5);
    task.suspend().unwrap();
    go.send(()).unwrap();
    pass(&is_sent);
    std::thread::sleep(std::time::Duration::from_millis(30));
    assert_eq!(task.counts().received, 5);
    task.resume();
    task.wait().unwrap();
    assert_eq!(read(&to), b"firstlater");
    origin.done();
}

/// Each of many downloads at once had a buffer for a fast one.
#[cfg(target_os = "linux")]
#[test]
fn a_download_that_trickles_holds_little_memory() {
    const COUNT: u16 = 100;
    if !alone("downloads::a_download_that_trickles_holds_little_memory") {
        return;
    }
    let folder = Folder::new();
    let crowd = Crowd::begun(HALF, "later");
    let session = Session::builder().max_connections_per_host(COUNT).build();
    let before = memory();
    let begin = |number: u16| {
        let to = folder.path(&number.to_string());
        let task = session.download_task(&crowd.url).to(to).create().unwrap();
        task.resume();
        task
    };
    let tasks: Vec<_> = (0..COUNT).map(begin).collect();
    eventually("all of them", || tasks.iter().all(|task| task.counts().received == 5));
    let each = memory().saturating_sub(before) / u64::from(COUNT);
    assert!(each < 192 << 10, "{each} bytes each, with what the origin takes");
    crowd.open();
    for (number, task) in tasks.into_iter().enumerate() {
        task.wait().unwrap();
        assert_eq!(read(folder.path(&number.to_string())), b"firstlater");
    }
    session.flush();
    assert_eq!(crowd.done(), usize::from(COUNT));
}
