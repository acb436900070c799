//! Nothing is left behind: by tasks that are dropped anywhere, and by sessions that close.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use embassy_time::{Duration, Instant, Timer, with_timeout};
use sortie_core::{BodyLength, Request, Url};
use sortie_embassy::{Config, Resources, Session};
use sortie_tests::embassy::{Cable, Heap, Pieces, Served, run, run_served};
use sortie_tests::script::{Part, Step};

use crate::{GOOD, HELLO, answers, content, get, origin};

const A: &str = "http://192.0.2.1/a";

/// Polls `future` so many times and drops it, or less often if it ends before. Returns what it
/// returned.
async fn polled<R>(times: usize, future: impl Future<Output = R>) -> Option<R> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(move |cx| {
        if polls == times {
            return Poll::Ready(None);
        }
        polls += 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// What is dropped at one of its polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Upload,
    Reader,
    Download,
    Body,
}

/// Drops a task of this kind at a poll, on a connection that is new or was used before, and has
/// another one go over the same slot. Returns whether the first had ended before.
fn dropped_at(kind: Kind, is_reused: bool, times: usize) -> bool {
    let run = run_served(Cable::GOOD, &Served::default(), async |stack| {
        let mut resources = Resources::<1, 512>::new();
        // No longer, so that it is told soon if anything is left behind.
        let mut config = Config::default();
        config.request_timeout = Duration::from_millis(200);
        let session = Session::new(stack, &mut resources, config);
        if is_reused {
            let (request, mut room) = (get("http://192.0.2.1/length/9"), [0; 9]);
            let first = session.data(&request, &[], &mut room).await;
            assert!(first.is_ok());
        }
        let (mut room, mut stage) = (vec![0; 3000], [0; 50]);
        let (request, bytes) = (get("http://192.0.2.1/slow/2000"), content(900));
        let url = Url::parse("http://192.0.2.1/slow/700").expect("a URL");
        let post = |length| Request::new("POST", url, &[], length).expect("a request");
        let (known, unknown) = (post(BodyLength::Known(900)), post(BodyLength::Unknown));
        let mut sink = Heap { pause: 50, most: 300, ..Heap::default() };
        let mut reader = Pieces { pause: 50, ..Pieces::new([bytes.clone()]) };
        let is_whole = match kind {
            Kind::Data => {
                polled(times, session.data(&request, &[], &mut room)).await.map(|r| r.is_ok())
            }
            Kind::Upload => {
                polled(times, session.data(&known, &bytes, &mut room)).await.map(|r| r.is_ok())
            }
            Kind::Reader => {
                let task = session.upload(&unknown, &mut reader, &mut stage, &mut room);
                polled(times, task).await.map(|r| r.is_ok())
            }
            Kind::Download => {
                polled(times, session.download(&request, &mut sink)).await.map(|r| r.is_ok())
            }
            Kind::Body => {
                let read = async {
                    let mut body = session.data_task(&request).open().await?;
                    body.copy_to(&mut sink).await
                };
                polled(times, read).await.map(|r| r.is_ok())
            }
        };
        assert_ne!(is_whole, Some(false), "{kind:?} at poll {times}");
        if is_whole.is_some() {
            return true;
        }
        let mut room = [0; 10];
        let next = session.data(&get("http://192.0.2.1/length/10"), &[], &mut room).await;
        let next = next.map(|response| response.content().to_vec());
        assert_eq!(next, Ok(content(10)), "{kind:?} at poll {times}");
        false
    });
    run.output
}

#[test]
fn a_task_that_is_dropped_at_any_await_point_leaves_no_half_used_connection() {
    for kind in [Kind::Data, Kind::Upload, Kind::Reader, Kind::Download, Kind::Body] {
        for is_reused in [false, true] {
            let polls = (0..).find(|times| dropped_at(kind, is_reused, *times));
            assert!(polls > Some(3), "{kind:?}: {polls:?}");
        }
    }
}

#[test]
fn closing_a_session_ends_idle_connections_in_order() {
    let closes = origin([Step::Send(HELLO.into()), Step::Next, Step::Expect(Part::Request)]);
    let run = run(GOOD, &[closes, answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<2, 512>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (request, mut room) = (get(A), [0; 10]);
        let first = session.data(&request, &[], &mut room).await.is_ok();
        let before = Instant::now();
        session.close(Duration::from_secs(5)).await;
        let closed = Instant::now();
        // The session goes on, over a new connection.
        let second = session.data(&request, &[], &mut room).await.is_ok();
        (first, second, closed - before < Duration::from_millis(100), closed.as_micros())
    });
    let (first, second, was_quick, closed) = run.output;
    assert_eq!((first, second, was_quick, run.openings()), (true, true, true, 2));
    let resets = run.frames.iter().filter(|frame| frame.is_reset && frame.at < closed);
    assert_eq!(resets.count(), 0, "in order");
}

#[test]
fn closing_a_session_waits_no_longer_than_it_may() {
    // Nothing arrives from the tenth millisecond on, so that nobody takes note.
    let cable = Cable { is_out: (10_000, 1_000_000), ..Cable::COARSE };
    let run = run(cable, &[answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 512>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (request, mut room) = (get(A), [0; 10]);
        let first = session.data(&request, &[], &mut room).await.is_ok();
        Timer::at(Instant::from_millis(20)).await;
        session.close(Duration::from_millis(300)).await;
        let took = Instant::now().as_millis();
        // What was not sent by now is lost.
        drop(session);
        Timer::after_millis(1).await;
        (first, took)
    });
    assert_eq!(run.output, (true, 320));
    assert!(run.frames.iter().any(|frame| frame.is_reset && frame.at >= 320_000));
}

#[test]
fn closing_a_session_waits_for_the_reset_of_a_task_that_was_dropped() {
    let stalls = origin([Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".into())]);
    let run = run(GOOD, &[stalls], async |stack, _| {
        let mut resources = Resources::<1, 512>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (request, mut room) = (get(A), [0; 10]);
        let task = session.data(&request, &[], &mut room);
        let is_dropped = with_timeout(Duration::from_millis(20), task).await.is_err();
        session.close(Duration::from_millis(300)).await;
        // With it goes the socket, and what it did not send.
        drop(session);
        let dropped = Instant::now().as_micros();
        Timer::after_millis(1).await;
        (is_dropped, dropped)
    });
    let (is_dropped, dropped) = run.output;
    assert!(is_dropped && dropped < 21_000, "{dropped}");
    let resets = run.frames.iter().filter(|frame| frame.is_reset && frame.is_outbound);
    assert!(resets.map(|frame| frame.at).min().is_some_and(|at| at <= dropped));
}

#[test]
fn closing_a_session_leaves_the_connections_of_tasks_alone() {
    let slow = origin([Step::Wait(50_000), Step::Send(HELLO.into())]);
    let run = run(GOOD, &[slow], async |stack, _| {
        let mut resources = Resources::<1, 512>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (request, mut room) = (get(A), [0; 10]);
        let close = async {
            Timer::after_millis(10).await;
            session.close(Duration::from_secs(1)).await;
            Instant::now().as_millis()
        };
        let task = session.data(&request, &[], &mut room);
        let (answer, closed) = embassy_futures::join::join(task, close).await;
        (answer.is_ok(), closed)
    });
    assert_eq!(run.output, (true, 10));
}

#[test]
fn a_connection_that_is_still_closing_is_reset_when_its_slot_is_needed() {
    // The server asks for the end, and never ends its own side.
    let ends = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    let run = run(GOOD, &[answers(ends), answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 512>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (request, mut room) = (get(A), [0; 10]);
        let first = session.data(&request, &[], &mut room).await.is_ok();
        Timer::after_millis(5).await;
        let second = session.data(&request, &[], &mut room).await.is_ok();
        (first, second)
    });
    assert_eq!((run.output, run.openings()), ((true, true), 2));
    assert!(run.frames.iter().any(|frame| frame.is_reset));
}
