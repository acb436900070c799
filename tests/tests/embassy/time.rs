//! Timers, exact to the microsecond, and runs that repeat.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant};
use sortie_core::{Error, Timer};
use sortie_embassy::{Config, ControlBlock, Resources, Session};
use sortie_tests::embassy::{Cable, play, run};
use sortie_tests::script::{Body, Origin, Part, Script, Step};

use crate::{GOOD, HELLO, agreed, content, get, of_length, origin};

const TIMEOUT: u64 = 150_000;

/// Runs a GET that will time out. Returns the error, when it came, and when a byte last moved.
fn timed_out(url: &str, origins: &[Origin], config: Config) -> (Error, u64, u64) {
    let run = run(GOOD, origins, async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, config);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let (mut content, request) = ([0; 100], get(url));
        let (last, moved) = (Cell::new(Instant::now()), Cell::new(0));
        let task = session.data_task(&request).control(&mut seat);
        // Polled with the task, after it, at the same time.
        let watch = poll_fn(|_| {
            let counts = control.counts();
            if moved.replace(counts.wire_sent + counts.wire_received) != moved.get() {
                last.set(Instant::now());
            }
            Poll::<()>::Pending
        });
        match select(task.receive(&mut content), watch).await {
            Either::First(answer) => {
                let error = answer.expect_err("it times out").error;
                (error, Instant::now().as_micros(), last.get().as_micros())
            }
            Either::Second(()) => unreachable!("it never ends"),
        }
    });
    run.output
}

fn within(timeout: u64) -> Config {
    let mut config = Config::default();
    config.request_timeout = Duration::from_micros(timeout);
    config
}

#[test]
fn the_request_timer_runs_out_at_the_very_microsecond() {
    let request = Error::TimedOut(Timer::Request);
    // Nobody is there: from the attempt on.
    let (error, ended, began) = timed_out("http://192.0.2.77/", &[], within(TIMEOUT));
    assert_eq!((error, ended - began), (request, TIMEOUT));
    // No answer: from the last byte of the request on.
    let (error, ended, last) = timed_out("http://192.0.2.1/", &[origin([])], within(TIMEOUT));
    assert_eq!((error, ended - last), (request, TIMEOUT));
    // Half an answer, slowly: from its last byte on.
    let steps = HELLO.as_bytes()[..40]
        .chunks(8)
        .flat_map(|piece| [Step::Wait(100_000), Step::Send(piece.into())]);
    let half = origin(steps);
    let (error, ended, last) = timed_out("http://192.0.2.1/", &[half], within(TIMEOUT));
    assert_eq!((error, ended - last), (request, TIMEOUT));
    assert!(last > 400_000, "the timer started again with every byte: {last}");
}

#[test]
fn the_resource_timer_runs_out_at_the_very_microsecond() {
    let steps =
        (0..100).flat_map(|_| [Step::Wait(10_000), Step::Send(b"HTTP/1.1 102 A\r\n\r\n".into())]);
    let mut config = within(TIMEOUT);
    config.resource_timeout = Duration::from_micros(333_333);
    let (error, ended, _) = timed_out("http://192.0.2.1/", &[origin(steps)], config);
    assert_eq!((error, ended), (Error::TimedOut(Timer::Resource), 333_333));
}

#[test]
fn nothing_is_sent_before_the_earliest_begin() {
    let begin = Instant::from_micros(70_000);
    let run = run(GOOD, &[origin([Step::Send(HELLO.into())])], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        // The request timer does not run meanwhile.
        let session = Session::new(stack, &mut resources, within(30_000));
        let (mut content, request) = ([0; 100], get("http://192.0.2.1/"));
        let late = session.data_task(&request).earliest_begin(begin);
        let status = late.receive(&mut content).await.map(|response| response.status());
        let never = session.data_task(&request).earliest_begin(Instant::MAX);
        let never = select(never.receive(&mut content), embassy_time::Timer::after_secs(1)).await;
        (status, matches!(never, Either::Second(())))
    });
    assert_eq!(run.output, (Ok(200), true));
    assert_eq!(run.frames.first().map(|frame| frame.at), Some(70_000));
    assert_eq!(run.openings(), 1);
}

#[test]
fn a_body_waits_for_100_continue_no_longer_than_a_second() {
    let script = Script::new("POST", Body::Bytes(b"body".into()))
        .field("Expect", "100-continue")
        .origin([Step::Expect(Part::Head), Step::Expect(Part::Request), Step::Send(HELLO.into())]);
    let trace = agreed(&script, GOOD);
    assert!((1_000_000..1_001_000).contains(&trace.ended), "{}", trace.ended);
}

#[test]
fn two_runs_have_the_same_frames_at_the_same_times() {
    let cable = Cable { loses_every: 9, delay: 700, ..Cable::COARSE };
    let response = of_length(&content(65_536));
    let once = || {
        run(cable, &[origin([Step::Send(response.clone())])], async |stack, _| {
            let mut resources = Box::new(Resources::<1, 4096>::new());
            let session = Session::new(stack, &mut resources, Config::default());
            let mut content = vec![0; 65_536];
            let answer = session.data(&get("http://192.0.2.1/"), &[], &mut content).await;
            answer.map(|answer| answer.content().len())
        })
    };
    let (one, two) = (once(), once());
    assert_eq!(one.output, Ok(65_536));
    assert!(one.frames.iter().filter(|frame| frame.is_lost).count() > 3);
    assert!(one == two, "{} and {} frames", one.frames.len(), two.frames.len());
    let script = Script::get().answered(response);
    assert!(play(&script, cable) == play(&script, cable));
}
