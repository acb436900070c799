//! Who is told and asked what a task does: which calls, in which order, and what answers do.

use std::sync::Arc;
use std::thread;

use sortie::{Request, Session, TaskState, UploadSource};

use crate::helpers::{Folder, Log, Noting, answer, eventually, read, script};
use crate::{Near, Origin, gate, pass};

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub(crate) fn moved(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 5\r\n\r\nmoved")
}

#[test]
fn a_data_task_tells_redirects_response_data_metrics_and_the_end() {
    let origin = Origin::answering(&[&moved(302, "/a"), &moved(301, "/b?c"), OK]);
    let delegate = Noting::default();
    let (log, data) = (delegate.log(), delegate.data.clone());
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    assert!(task.has_delegate());
    assert_eq!(task.wait().unwrap().1, b"ok", "what a delegate hears is still the result");
    let calls = log.calls();
    let want = ["redirect 302 GET /a", "redirect 301 GET /b?c", "response 200", "data", "metrics"];
    assert_eq!(calls[..5], want);
    assert_eq!(calls[5..], ["complete"]);
    assert_eq!(*data.lock().unwrap(), b"ok");
    origin.done();
}

#[test]
fn each_connection_that_a_task_gets_is_told_before_its_request_is_sent() {
    let origin = Origin::new(vec![
        script(|near: &mut Near| {
            near.request();
            near.send(moved(302, "/a"));
            near.request();
        }),
        answer(OK),
    ]);
    let delegate = Noting::default();
    let (log, connections) = (delegate.log(), delegate.connections.clone());
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    // The second one had died meanwhile, and the request was sent once more.
    let told = connections.lock().unwrap();
    let reuses: Vec<_> = told.iter().map(|it| it.is_reused).collect();
    assert_eq!(reuses, [false, true, false]);
    for it in told.iter() {
        let port = it.remote_address.unwrap().port();
        assert_eq!(origin.url, format!("http://127.0.0.1:{port}/"));
        assert!(it.request_start.is_some() && it.response_end.is_none(), "{it:?}");
    }
    assert_eq!(log.calls()[0], "redirect 302 GET /a");
    origin.done();
}

#[test]
fn addresses_that_were_tried_in_vain_are_told_with_the_connection() {
    let origin = Origin::new(vec![answer(OK)]);
    let port = origin.url.trim_end_matches('/').rsplit(':').next().unwrap();
    // Nobody listens at the first one: the origin has the port at 127.0.0.1 only.
    let addresses = ["127.0.0.9", "127.0.0.1"].map(|address| address.parse().unwrap());
    let session = Session::builder().resolve("two.test", None, addresses).build();
    let delegate = Noting::default();
    let connections = delegate.connections.clone();
    let task = session.data_task(&*format!("http://two.test:{port}/")).delegate(delegate);
    assert_eq!(task.create().unwrap().wait().unwrap().1, b"ok");
    let told = connections.lock().unwrap();
    let [(address, why)] = &told[0].other_addresses[..] else {
        panic!("one other address: {told:?}");
    };
    assert_eq!(address.to_string(), format!("127.0.0.9:{port}"));
    assert_eq!(why, "Connection refused");
    origin.done();
}

#[test]
fn answers_without_content_tell_no_data() {
    let answers = ["HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n", OK];
    let origin = Origin::answering(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"]);
    let head = Request::new("HEAD", &origin.url).unwrap();
    let session = Session::new();
    let (log, status) = run(&session, head);
    assert_eq!((log, status), (calls(&["response 200", "metrics", "complete"]), 200));
    origin.done();
    for (text, status) in [(answers[0], 204), (answers[1], 304)] {
        let origin = Origin::answering(&[text]);
        let (log, got) = run(&session, Request::get(&origin.url).unwrap());
        let response = format!("response {status}");
        assert_eq!((log, got), (calls(&[&response, "metrics", "complete"]), status));
        origin.done();
    }
}

pub(crate) fn calls(calls: &[&str]) -> Vec<String> {
    calls.iter().map(|call| (*call).to_owned()).collect()
}

#[test]
fn a_failure_tells_metrics_and_the_end_and_nothing_before() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
    }]);
    let (log, _) = run(&Session::new(), Request::get(&origin.url).unwrap());
    assert_eq!(log, calls(&["metrics", "complete -1005"]));
    origin.done();
}

fn run(session: &Session, request: Request) -> (Vec<String>, u16) {
    let delegate = Noting::default();
    let log = delegate.log();
    let task = session.data_task(request).delegate(delegate).create().unwrap();
    let status = task.wait().map_or(0, |(response, _)| response.status());
    (log.calls(), status)
}

#[test]
fn a_task_that_is_cancelled_before_it_ran_tells_only_the_end() {
    let delegate = Noting::default();
    let log = delegate.log();
    let session = Session::new();
    let task = session.data_task("http://127.0.0.1:1/").delegate(delegate).create().unwrap();
    task.cancel();
    log.wait_for("complete");
    assert_eq!(task.wait().unwrap_err().code(), -999);
    assert_eq!(log.calls(), calls(&["metrics", "complete -999"]));
}

#[test]
fn a_streamed_upload_tells_what_is_sent_and_then_the_answer() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        assert_eq!(near.chunked().len(), 300_000);
        near.send(OK);
    }]);
    let delegate = Noting::default();
    let (log, sum, last) = (delegate.log(), delegate.sum.clone(), delegate.last.clone());
    let source = UploadSource::reader(futures_lite::io::Cursor::new(vec![7; 300_000]));
    let session = Session::new();
    let task = session.upload_task(post(&origin.url), source).delegate(delegate).create().unwrap();
    assert_eq!(task.wait().unwrap().0.status(), 200);
    assert_eq!(log.calls(), calls(&["sent", "response 200", "data", "metrics", "complete"]));
    assert_eq!(sum.load(std::sync::atomic::Ordering::Acquire), 300_000);
    assert_eq!(last.lock().unwrap().0, 300_000);
    origin.done();
}

pub(crate) fn post(url: &str) -> Request {
    Request::new("POST", url).unwrap()
}

/// An answer that begins while the body is being sent: what is sent with it is told, too.
#[test]
fn every_byte_that_is_sent_is_told_also_while_an_answer_comes() {
    const LENGTH: usize = 8 << 20;
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut left = LENGTH;
        while left > 0 {
            let count = left.min(64 << 10);
            near.exactly(count);
            near.send("400\r\n");
            near.send([b'x'; 1024]);
            near.send("\r\n");
            left -= count;
        }
        near.send("0\r\n\r\n");
    }]);
    let delegate = Noting::default();
    let (sum, last) = (delegate.sum.clone(), delegate.last.clone());
    let session = Session::new();
    let task = session.upload_task(post(&origin.url), vec![1; LENGTH]).delegate(delegate);
    let (_, content) = task.create().unwrap().wait().unwrap();
    assert_eq!(content.len(), LENGTH / (64 << 10) * 1024);
    assert_eq!(sum.load(std::sync::atomic::Ordering::Acquire), LENGTH as u64);
    assert_eq!(*last.lock().unwrap(), (LENGTH as u64, Some(LENGTH as u64)));
    origin.done();
}

#[test]
fn a_download_tells_what_is_written_and_its_file_before_the_end() {
    let folder = Folder::new();
    let to = folder.path("a");
    let origin = Origin::answering(&[OK]);
    let delegate = Noting::default();
    let (log, sum, last) = (delegate.log(), delegate.sum.clone(), delegate.last.clone());
    let session = Session::new();
    let task = session.download_task(&origin.url).to(&to).delegate(delegate).create().unwrap();
    task.wait().unwrap();
    let want = ["response 200", "wrote", "finished", "metrics", "complete"];
    assert_eq!(log.calls(), calls(&want));
    assert_eq!(sum.load(std::sync::atomic::Ordering::Acquire), 2);
    assert_eq!(*last.lock().unwrap(), (2, Some(2)));
    assert_eq!(read(to), b"ok");
    origin.done();
}

/// The end is the last call, also where somebody else awaits the task meanwhile.
#[test]
fn nobody_is_told_the_end_before_the_file() {
    let folder = Folder::new();
    for number in 0..20 {
        let origin = Origin::answering(&[OK]);
        let (entered, is_entered) = gate();
        let (go, is_go) = gate();
        let is_go = std::sync::Mutex::new(is_go);
        let log = Log::default();
        let left = log.clone();
        let delegate = Noting {
            log: log.clone(),
            on_finish: Some(Box::new(move |_| {
                entered.send(()).unwrap();
                // The other one has time to overtake; it must not.
                let _ = is_go.lock().unwrap().recv_timeout(std::time::Duration::from_millis(20));
                left.note("left");
            })),
            ..Noting::default()
        };
        let session = Session::new();
        let task = session.download_task(&origin.url).to(folder.path(&format!("{number}")));
        let task = task.delegate(delegate).create().unwrap();
        task.resume();
        pass(&is_entered);
        let waits = task.clone();
        let waiting = thread::spawn(move || waits.wait().map(|_| ()));
        waiting.join().unwrap().unwrap();
        let _ = go.send(());
        log.wait_for("complete");
        let want = ["response 200", "wrote", "finished", "left", "metrics", "complete"];
        assert_eq!(log.calls(), calls(&want));
        origin.done();
    }
}

#[test]
fn informational_responses_are_told_with_their_fields() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        near.send("HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n");
        near.send(OK);
    }]);
    let (log, status) = run(&Session::new(), Request::get(&origin.url).unwrap());
    assert_eq!(
        (&log[..2], status),
        (&calls(&["informational 103 </a>", "informational 103 </b>"])[..], 200)
    );
    origin.done();
}

#[test]
fn metrics_have_a_transaction_for_every_hop() {
    let (close, elsewhere) = ("Connection: close\r\n", Origin::answering(&[OK]));
    let to = elsewhere.url.clone();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(moved(302, "/a"));
        near.request();
        let text = format!("HTTP/1.1 302 Found\r\n{close}Location: {to}\r\n\r\n");
        near.send(text);
    })]);
    let delegate = Noting::default();
    let metrics = delegate.metrics.clone();
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    task.wait().unwrap();
    let metrics = metrics.lock().unwrap().clone().unwrap();
    assert_eq!((metrics.redirect_count, metrics.transactions.len()), (2, 3));
    let [first, second, third] = &metrics.transactions[..] else { panic!() };
    assert_eq!((&first.url, first.status, first.is_reused), (&origin.url, Some(302), false));
    assert_eq!((second.status, second.is_reused), (Some(302), true));
    assert_eq!((&third.url, third.status), (&elsewhere.url, Some(200)));
    assert_eq!(third.counts.received, 2);
    assert!(second.connect_start.is_none() && second.connect_end.is_none());
    for transaction in &metrics.transactions {
        assert!(transaction.request_start <= transaction.response_end);
        assert!(transaction.response_end.unwrap() <= metrics.duration);
    }
    origin.done();
    elsewhere.done();
}

/// What a transaction got nothing for has no status, whatever the one before it got.
#[test]
fn metrics_show_no_status_where_no_answer_came() {
    let origin = Origin::new(vec![
        script(|near| {
            near.request();
            near.send("HTTP/1.1 302 Found\r\nLocation: /a\r\nConnection: close\r\n\r\n");
        }),
        script(|near| {
            near.request();
        }),
    ]);
    let delegate = Noting::default();
    let metrics = delegate.metrics.clone();
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    task.wait().unwrap_err();
    let metrics = metrics.lock().unwrap().clone().unwrap();
    let statuses: Vec<_> = metrics.transactions.iter().map(|t| t.status).collect();
    assert_eq!(statuses, [Some(302), None]);
    origin.done();
}

#[test]
fn a_delegate_may_use_its_task_in_any_call() {
    struct Curious;
    impl sortie::TaskDelegate for Curious {
        fn did_receive_response(
            &self,
            task: &sortie::Task,
            response: &sortie::Response,
            decision: sortie::Disposition,
        ) {
            assert_eq!(task.response().as_ref(), Some(response));
            assert!(task.error().is_none() && task.redirect_count() == 0);
            assert_eq!(task.snapshot().state, TaskState::Running);
            assert_eq!(task.current_request().url(), task.original_request().url());
            task.suspend().unwrap();
            decision.allow();
            task.resume();
        }

        fn did_receive_data(&self, task: &sortie::Task, _: &[u8]) {
            assert!(task.counts().received > 0);
            task.cancel();
        }
    }
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok");
        near.closed();
    }]);
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(Curious).create().unwrap();
    assert_eq!(task.wait().unwrap_err().code(), -999);
    origin.done();
}

/// A delegate that holds the handle of its task does not keep itself.
#[test]
fn a_delegate_is_released_when_its_task_has_ended() {
    let origin = Origin::new(vec![answer(OK)]);
    let delegate = Arc::new(Noting::default());
    let log = delegate.log();
    let session = Session::new();
    let task = session.data_task(&origin.url).shared_delegate(delegate.clone()).create().unwrap();
    task.resume();
    log.wait_for("complete");
    let held = task.clone();
    task.wait().unwrap();
    eventually("the delegate is released", || Arc::strong_count(&delegate) == 1);
    assert_eq!(held.state(), TaskState::Completed);
    origin.done();
}

#[test]
fn a_session_has_become_invalid_only_after_the_last_end_was_told() {
    let origin = Origin::new(vec![answer(OK)]);
    let (told, is_told) = gate();
    struct Slow(std::sync::Mutex<std::sync::mpsc::Sender<()>>, Noting);
    impl sortie::TaskDelegate for Slow {
        fn did_complete(&self, task: &sortie::Task, result: Result<(), sortie::Error>) {
            thread::sleep(std::time::Duration::from_millis(50));
            self.1.did_complete(task, result);
            self.0.lock().unwrap().send(()).unwrap();
        }
    }
    let delegate = Slow(std::sync::Mutex::new(told), Noting::default());
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    task.resume();
    session.finish_tasks_and_invalidate();
    futures_lite::future::block_on(session.did_become_invalid());
    is_told.try_recv().expect("the end was told before");
    origin.done();
}
