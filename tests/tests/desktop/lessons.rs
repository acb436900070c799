//! What others ran into and only a whole process shows.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use sortie::{Request, Session};

use crate::{Near, Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// More than the system buffers for a server that does not read.
const HUGE: usize = 24 << 20;

/// Wakes a thread that waits, and tells it from a wait that is over by itself.
struct Bell {
    thread: Thread,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Polls a future that does not end, whenever it is woken, for so long. Returns how often that was
/// in the second half of the time.
fn polls<R: std::fmt::Debug>(future: impl Future<Output = R>, time: Duration) -> usize {
    let bell = Arc::new(Bell { thread: thread::current(), rung: AtomicBool::new(true) });
    let waker = Waker::from(bell.clone());
    let (mut future, begin, mut late) = (pin!(future), Instant::now(), 0);
    while begin.elapsed() < time {
        if bell.rung.swap(false, Ordering::AcqRel) {
            let poll =
                future.as_mut().poll(&mut Context::from_waker(&waker)).map(|r| format!("{r:?}"));
            assert!(poll.is_pending(), "it ended after {:?}: {poll:?}", begin.elapsed());
            late += usize::from(begin.elapsed() > time / 2);
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    late
}

/// An upload to a server that does not read it. Returns how often it was polled while it waited.
fn polls_of_an_upload(server: impl FnOnce(&mut Near) + Send + 'static) -> usize {
    let (over, is_over) = gate();
    let origin = Origin::new(vec![move |near: &mut Near| {
        near.request();
        server(near);
        pass(&is_over);
        near.ended();
    }]);
    let session = Session::new();
    let request = Request::new("POST", &origin.url).unwrap().body(vec![b'x'; HUGE]).unwrap();
    let task = session.task(request).unwrap();
    let count = polls(task.clone().into_future(), Duration::from_millis(600));
    assert!(task.counts().sent > 0 && task.counts().sent < HUGE as u64, "it waits half-way");
    task.cancel();
    let _ = task.wait();
    over.send(()).unwrap();
    origin.done();
    count
}

/// hyper#3952, hyper#3977: what mended a missed wake-up burnt the processor instead.
#[test]
fn an_upload_that_waits_for_the_server_is_not_polled_meanwhile() {
    let count = polls_of_an_upload(|_| {});
    assert!(count <= 5, "polled {count} times");
}

/// The same with both halves open and the answer begun (hyper#4085 is about one of them).
#[test]
fn an_upload_that_waits_behind_an_early_answer_is_not_polled_meanwhile() {
    let count =
        polls_of_an_upload(|near| near.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"));
    assert!(count <= 5, "polled {count} times");
}

/// ureq#950: stacks of the usual size were too small for one request.
#[test]
fn a_task_runs_on_a_small_stack() {
    const STACK: usize = 128 << 10;
    let moved = "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
    let origin = Origin::answering(&[moved, OK]);
    let url = origin.url.clone();
    let run = move || Session::new().data_blocking(&url).unwrap().1;
    let thread = thread::Builder::new().stack_size(STACK).spawn(run).unwrap();
    assert_eq!(thread.join().unwrap(), b"ok");
    origin.done();
}

/// ureq#1205: a signal during a read with a timeout was taken for the end of the connection.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_is_stopped_and_goes_on_loses_nothing() {
    if !crate::helpers::alone("lessons::a_process_that_is_stopped_and_goes_on_loses_nothing") {
        return;
    }
    // Whoever waits for events is interrupted by being continued.
    let script = "for i in $(seq 40); do kill -STOP $PPID; kill -CONT $PPID; sleep 0.005; done";
    let mut shell = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n");
        for _ in 0..300 {
            near.send("x");
            thread::sleep(Duration::from_millis(1));
        }
    }]);
    let session = Session::builder().request_timeout(Duration::from_secs(20)).build();
    assert_eq!(session.data_blocking(&origin.url).unwrap().1, [b'x'; 300]);
    assert!(shell.wait().unwrap().success());
    origin.done();
}
