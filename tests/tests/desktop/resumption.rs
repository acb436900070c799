//! Downloads that were cut off, and what goes on from what is stored.

use sortie::{ErrorKind, Request, ResumeData, Session, TaskState};

use crate::helpers::{Folder, Noting, Script, answer, eventually, read, script};
use crate::{Origin, gate, pass};

const FIRST: &str = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 10\r\n\r\nfirst";

/// A folder with half a download, and what it can be gone on with.
fn half(folder: &Folder, then: Vec<Script>) -> (Origin, Session, ResumeData) {
    let mut scripts = vec![answer(FIRST)];
    scripts.extend(then);
    let origin = Origin::new(scripts);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(folder.path("a")).create().unwrap();
    let error = task.clone().wait().unwrap_err();
    assert_eq!((error.code(), task.state()), (-1005, TaskState::Completed));
    let data = error.resume_data().expect("resume data").clone();
    assert_eq!((data.url(), data.received(), data.total()), (origin.url.clone(), 5, Some(10)));
    assert_eq!(data.destination(), folder.path("a"));
    assert_eq!(read(folder.path("a.part")), b"first");
    assert!(!folder.path("a").exists());
    (origin, session, data)
}

/// Expects a request for the rest, and gives it this.
fn rest(response: &str) -> Script {
    let response = response.to_owned();
    script(move |near| {
        let head = near.request();
        assert!(head.contains("\r\nRange: bytes=5-\r\n"), "{head}");
        assert!(head.contains("\r\nIf-Range: \"1\"\r\n"), "{head}");
        near.send(response);
    })
}

const REST: &str = "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\n\
    Content-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nlater";

#[test]
fn a_download_that_was_cut_off_goes_on_where_it_was() {
    let folder = Folder::new();
    let (origin, session, data) = half(&folder, vec![rest(REST)]);
    let delegate = Noting::default();
    let (log, sum, last) = (delegate.log(), delegate.sum.clone(), delegate.last.clone());
    let task = session.download_task_with_resume_data(&data).delegate(delegate).create().unwrap();
    let (response, _) = task.clone().wait().unwrap();
    assert_eq!(response.status(), 206);
    assert_eq!((task.counts().received, task.counts().expected_to_receive), (10, Some(10)));
    assert_eq!(
        (read(folder.path("a")), folder.names()),
        (b"firstlater".to_vec(), vec!["a".into()])
    );
    let want =
        ["response 206", "resumed at 5 of Some(10)", "wrote", "finished", "metrics", "complete"];
    let calls = log.calls();
    let resumed = calls.iter().position(|call| call.starts_with("resumed")).unwrap();
    let wrote = calls.iter().position(|call| call == "wrote").unwrap();
    assert!(resumed < wrote && calls.len() == want.len(), "{calls:?}");
    assert!(want.iter().all(|call| calls.iter().any(|other| other == call)), "{calls:?}");
    assert_eq!(calls[3..], want[3..]);
    assert_eq!(sum.load(std::sync::atomic::Ordering::Acquire), 5, "what came now");
    assert_eq!(*last.lock().unwrap(), (10, Some(10)));
    origin.done();
}

#[test]
fn a_download_to_the_same_place_goes_on_without_resume_data() {
    let folder = Folder::new();
    let (origin, session, _) = half(&folder, vec![rest(REST)]);
    session.download_task(&origin.url).to(folder.path("a")).create().unwrap().wait().unwrap();
    assert_eq!(read(folder.path("a")), b"firstlater");
    origin.done();
}

#[test]
fn a_download_that_starts_over_asks_for_everything() {
    let folder = Folder::new();
    let whole = script(|near| {
        let head = near.request();
        assert!(!head.contains("Range"), "{head}");
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let (origin, session, _) = half(&folder, vec![whole]);
    let task = session.download_task(&origin.url).to(folder.path("a")).starts_over();
    task.create().unwrap().wait().unwrap();
    assert_eq!(read(folder.path("a")), b"ok");
    origin.done();
}

#[test]
fn what_is_stored_of_another_url_is_not_gone_on_with() {
    let folder = Folder::new();
    let whole = script(|near| {
        let head = near.request();
        assert!(head.starts_with("GET /other ") && !head.contains("Range"), "{head}");
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let (origin, session, _) = half(&folder, vec![whole]);
    let url = format!("{}other", origin.url);
    session.download_task(&url).to(folder.path("a")).create().unwrap().wait().unwrap();
    assert_eq!(read(folder.path("a")), b"ok");
    origin.done();
}

#[test]
fn other_content_replaces_what_is_stored() {
    let folder = Folder::new();
    let other = "HTTP/1.1 200 OK\r\nETag: \"2\"\r\nContent-Length: 3\r\n\r\nnew";
    let (origin, session, data) = half(&folder, vec![rest(other)]);
    let task = session.download_task_with_resume_data(&data).create().unwrap();
    task.clone().wait().unwrap();
    assert_eq!((read(folder.path("a")), task.counts().received), (b"new".to_vec(), 3));
    assert_eq!(folder.names(), ["a"]);
    origin.done();
}

#[test]
fn a_range_beyond_the_end_of_whole_content_is_the_end() {
    let folder = Folder::new();
    let other = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */5\r\n\
        Content-Length: 0\r\n\r\n";
    let unknown = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst";
    let origin = Origin::new(vec![answer(unknown), rest(other)]);
    let session = Session::new();
    let download = || session.download_task(&origin.url).to(folder.path("a")).create().unwrap();
    let error = download().wait().unwrap_err();
    assert_eq!(error.resume_data().map(|data| (data.received(), data.total())), Some((5, None)));
    download().wait().unwrap();
    assert_eq!((read(folder.path("a")), folder.names()), (b"first".to_vec(), vec!["a".into()]));
    origin.done();
}

#[test]
fn a_range_that_was_not_asked_for_is_not_stored() {
    let wrong = [
        "Content-Range: bytes 4-9/10\r\nContent-Length: 6\r\n\r\ntlater",
        "Content-Range: bytes 5-10/11\r\nContent-Length: 6\r\n\r\nlater!",
        "Content-Length: 5\r\n\r\nlater",
    ];
    for wrong in wrong {
        let folder = Folder::new();
        let wrong =
            format!("HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nConnection: close\r\n{wrong}");
        let whole = script(|near| {
            let head = near.request();
            assert!(!head.contains("Range"), "{head}");
            near.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirstlater");
        });
        let (origin, session, data) = half(&folder, vec![rest(&wrong), whole]);
        let task = session.download_task_with_resume_data(&data).create().unwrap();
        task.wait().unwrap();
        assert_eq!(read(folder.path("a")), b"firstlater", "{wrong}");
        origin.done();
    }
}

#[test]
fn a_download_whose_part_file_is_gone_begins_anew() {
    let folder = Folder::new();
    let whole = script(|near| {
        let head = near.request();
        assert!(!head.contains("Range"), "{head}");
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let (origin, session, data) = half(&folder, vec![whole]);
    std::fs::remove_file(folder.path("a.part")).unwrap();
    session.download_task_with_resume_data(&data).create().unwrap().wait().unwrap();
    assert_eq!(read(folder.path("a")), b"ok");
    origin.done();
}

#[test]
fn a_download_can_be_cut_off_many_times() {
    let folder = Folder::new();
    let part = |at: usize, text: &str| {
        let (text, last) = (text.to_owned(), 9);
        script(move |near| {
            let head = near.request();
            assert!(head.contains(&format!("\r\nRange: bytes={at}-\r\n")), "{head}");
            let length = 10 - at;
            near.send(format!(
                "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nContent-Range: bytes \
                 {at}-{last}/10\r\nContent-Length: {length}\r\n\r\n{text}"
            ));
        })
    };
    let then = vec![part(5, "l"), part(6, "at"), part(8, "er")];
    let (origin, session, mut data) = half(&folder, then);
    for received in [6, 8] {
        let task = session.download_task_with_resume_data(&data).create().unwrap();
        data = task.wait().unwrap_err().resume_data().unwrap().clone();
        assert_eq!(data.received(), received);
    }
    session.download_task_with_resume_data(&data).create().unwrap().wait().unwrap();
    assert_eq!(read(folder.path("a")), b"firstlater");
    origin.done();
}

#[test]
fn cancelling_gives_resume_data_and_keeps_the_part() {
    let folder = Folder::new();
    let origin = Origin::new(vec![
        script(|near| {
            near.request();
            near.send(FIRST);
            near.closed();
        }),
        rest(REST),
    ]);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(folder.path("a")).create().unwrap();
    task.resume();
    eventually("content", || task.counts().received == 5);
    let data = futures_lite::future::block_on(task.cancel_producing_resume_data()).unwrap();
    assert_eq!((data.received(), task.state()), (5, TaskState::Completed));
    assert_eq!(read(folder.path("a.part")), b"first");
    let error = task.clone().wait().unwrap_err();
    assert_eq!((error.code(), error.resume_data()), (-999, Some(&data)));
    let again = futures_lite::future::block_on(task.cancel_producing_resume_data());
    assert_eq!(again, Some(data.clone()), "asked twice, it gives the same");
    session.download_task_with_resume_data(&data).create().unwrap().wait().unwrap();
    assert_eq!(read(folder.path("a")), b"firstlater");
    origin.done();
}

#[test]
fn there_is_no_resume_data_where_nothing_can_be_gone_on_with() {
    let folder = Folder::new();
    let session = Session::new();
    let cancel =
        |task: &sortie::Task| futures_lite::future::block_on(task.cancel_producing_resume_data());
    let never = session.download_task("http://127.0.0.1:1/").to(folder.path("a"));
    assert_eq!(cancel(&never.create().unwrap()), None);
    assert_eq!(cancel(&session.task("http://127.0.0.1:1/").unwrap()), None);
    // Nothing shows that the content stays the same.
    let origin = Origin::new(vec![script(|near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nETag: W/\"1\"\r\nContent-Length: 10\r\n\r\nfirst");
        near.closed();
    })]);
    let task = session.download_task(&origin.url).to(folder.path("a")).create().unwrap();
    task.resume();
    eventually("content", || task.counts().received == 5);
    assert_eq!(cancel(&task), None);
    origin.done();
}

#[test]
fn resume_data_is_stored_as_bytes_and_damage_is_seen() {
    let folder = Folder::new();
    let (origin, _, data) = half(&folder, vec![]);
    let bytes = data.to_bytes();
    assert_eq!(ResumeData::from_bytes(&bytes).unwrap(), data);
    let refused = |bytes: &[u8]| {
        let error = ResumeData::from_bytes(bytes).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ResumeData(_)), "{error}");
    };
    refused(b"");
    refused(b"something else");
    for length in 0..bytes.len() {
        refused(&bytes[..length]);
    }
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x20;
        refused(&damaged);
    }
    assert!(!format!("{data:?}").contains("127.0.0.1"), "the URL may hold secrets");
    origin.done();
}

#[test]
fn resume_data_is_stored_by_serde() {
    let folder = Folder::new();
    let (origin, _, data) = half(&folder, vec![]);
    let json = serde_json::to_string(&data).unwrap();
    let back: ResumeData = serde_json::from_str(&json).unwrap();
    assert_eq!(back, data);
    assert!(serde_json::from_str::<ResumeData>("[1,2,3]").is_err());
    origin.done();
}

#[test]
fn resume_data_goes_on_with_a_request_of_the_users_own() {
    let folder = Folder::new();
    let check = script(|near| {
        let head = near.request();
        assert!(head.contains("X-Key: 1\r\n") && head.contains("If-Range"), "{head}");
        near.send(REST);
    });
    let (origin, session, data) = half(&folder, vec![check]);
    let request = Request::get(&data.url()).unwrap().field("X-Key", "1").unwrap();
    let task = session.download_task(request).resume_data(&data).create().unwrap();
    task.wait().unwrap();
    assert_eq!(read(folder.path("a")), b"firstlater");
    origin.done();
}

#[test]
fn a_resumed_download_follows_redirects_with_its_range() {
    let folder = Folder::new();
    let found = "HTTP/1.1 302 Found\r\nLocation: /b\r\nConnection: close\r\n\
        Content-Length: 0\r\n\r\n";
    let (origin, session, data) = half(&folder, vec![rest(found), rest(REST)]);
    let task = session.download_task_with_resume_data(&data).create().unwrap();
    task.clone().wait().unwrap();
    assert_eq!((read(folder.path("a")), task.redirect_count()), (b"firstlater".to_vec(), 1));
    origin.done();
}

/// What is stored after a redirect is asked for at the task's own URL again.
#[test]
fn a_redirected_download_that_was_cut_off_goes_on_from_its_own_url() {
    let folder = Folder::new();
    let found = "HTTP/1.1 302 Found\r\nLocation: /b\r\nConnection: close\r\n\
        Content-Length: 0\r\n\r\n";
    let origin = Origin::new(vec![answer(found), answer(FIRST), rest(found), rest(REST)]);
    let session = Session::new();
    let download = || session.download_task(&origin.url).to(folder.path("a")).create().unwrap();
    let error = download().wait().unwrap_err();
    assert_eq!(error.resume_data().map(ResumeData::url), Some(origin.url.clone()));
    download().wait().unwrap();
    assert_eq!(read(folder.path("a")), b"firstlater");
    origin.done();
}

#[test]
fn a_resumed_download_can_be_suspended() {
    let folder = Folder::new();
    let (go, is_go) = gate();
    let slow = script(move |near| {
        near.request();
        near.send(REST.strip_suffix("ter").unwrap());
        pass(&is_go);
        near.send("ter");
    });
    let (origin, session, data) = half(&folder, vec![slow]);
    let task = session.download_task_with_resume_data(&data).create().unwrap();
    task.resume();
    eventually("content", || task.counts().received == 7);
    let progress = task.progress().receive();
    assert_eq!((progress.completed, progress.total), (7, Some(10)));
    task.suspend().unwrap();
    task.resume();
    go.send(()).unwrap();
    task.wait().unwrap();
    assert_eq!(read(folder.path("a")), b"firstlater");
    origin.done();
}

/// What another request would give is not what is stored.
#[test]
fn only_a_plain_get_leaves_something_to_go_on_from() {
    let folder = Folder::new();
    let part = "HTTP/1.1 206 X\r\nETag: \"1\"\r\nContent-Range: bytes 2-9/10\r\n\
        Content-Length: 8\r\n\r\n234";
    let origin = Origin::new(vec![answer(FIRST), answer(part)]);
    let session = Session::new();
    let post = Request::new("POST", &origin.url).unwrap();
    let ranged = Request::get(&origin.url).unwrap().field("Range", "bytes=2-").unwrap();
    for request in [post, ranged] {
        let task = session.download_task(request).to(folder.path("a")).create().unwrap();
        let error = task.wait().unwrap_err();
        assert_eq!((error.code(), error.resume_data().is_none()), (-1005, true), "{error}");
        assert!(
            !folder.names().iter().any(|name| name.ends_with(".resume")),
            "{:?}",
            folder.names()
        );
    }
    origin.done();
}

/// The part of a GET stays until other content comes, and is not told to be another request's.
#[test]
fn a_post_does_not_go_on_from_the_part_of_a_get() {
    let folder = Folder::new();
    let whole = script(|near| {
        let head = near.request();
        assert!(head.starts_with("POST ") && !head.contains("Range"), "{head}");
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let (origin, session, _) = half(&folder, vec![whole]);
    let post = Request::new("POST", &origin.url).unwrap();
    session.download_task(post).to(folder.path("a")).create().unwrap().wait().unwrap();
    assert_eq!((read(folder.path("a")), folder.names()), (b"ok".to_vec(), vec!["a".into()]));
    origin.done();
}
