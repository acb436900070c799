//! Which connection a task gets, and what becomes of it.

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Timer, with_timeout};
use sortie_core::{Error, Transport};
use sortie_embassy::{Config, Failure, Resources, Session};
use sortie_tests::embassy::run;
use sortie_tests::script::{Body, Part, Script, Step};
use sortie_tests::trace::Released;

use crate::{GOOD, HELLO, agreed, answers, answers_again, get, origin};

const URL: &str = "http://192.0.2.1/a";

type One<'d> = Session<'d, 1>;

/// A GET of `url`; its content as text.
async fn text<const N: usize>(session: &Session<'_, N>, url: &str) -> Result<String, Failure> {
    let (mut content, request) = ([0; 100], get(url));
    let response = session.data(&request, &[], &mut content).await?;
    Ok(String::from_utf8_lossy(response.content()).into_owned())
}

#[test]
fn a_connection_is_used_again_for_the_same_origin() {
    // The second request is taken by its length: the origin is the same, on one connection.
    let second = "GET /a HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".len();
    let steps =
        [Step::Send(HELLO.into()), Step::Expect(Part::Bytes(second)), Step::Send(HELLO.into())];
    let run = run(GOOD, &[origin(steps)], async |stack, _| {
        let mut resources = Resources::<2, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        [text(&session, URL).await, text(&session, URL).await]
    });
    assert_eq!(run.output, [Ok("hello".into()), Ok("hello".into())]);
    assert_eq!(run.openings(), 1);
}

#[test]
fn a_reused_connection_that_is_dead_is_replaced_once() {
    let stale = [Step::Expect(Part::Request), Step::Close];
    let script = Script::get().reused_origin(stale.clone()).answered(HELLO);
    let trace = agreed(&script, GOOD);
    assert_eq!((trace.text().as_str(), trace.connections.len()), ("hello", 2));
    let script = Script::get().reused_origin(stale.clone()).origin(stale.clone());
    let trace = agreed(&script, GOOD);
    assert_eq!(trace.result, Err(Error::Transport(Transport::NoResponse)));
    let post = Script::new("POST", Body::Bytes(b"once".into())).reused_origin(stale);
    let trace = agreed(&post, GOOD);
    assert_eq!(trace.result, Err(Error::Transport(Transport::NoResponse)));
}

#[test]
fn an_idle_connection_that_the_server_closed_is_not_tried() {
    let close = origin([Step::Send(HELLO.into()), Step::Close]);
    let run = run(GOOD, &[close, answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = One::new(stack, &mut resources, Config::default());
        let first = text(&session, URL).await;
        Timer::after_millis(20).await;
        [first, text(&session, URL).await]
    });
    assert_eq!(run.output, [Ok("hello".into()), Ok("hello".into())]);
    assert_eq!(run.openings(), 2);
    assert_eq!(run.requests[1].iter().filter(|byte| **byte == b'G').count(), 1);
}

#[test]
fn a_connection_with_bytes_that_nobody_asked_for_is_not_used_again() {
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let at_once = answers([HELLO, forged].concat());
    let later = origin([Step::Send(HELLO.into()), Step::Wait(5000), Step::Send(forged.into())]);
    for first in [at_once, later] {
        let run = run(GOOD, &[first, answers(HELLO)], async |stack, _| {
            let mut resources = Resources::<1, 1024>::new();
            let session = One::new(stack, &mut resources, Config::default());
            let first = text(&session, URL).await;
            Timer::after_millis(20).await;
            [first, text(&session, URL).await]
        });
        assert_eq!(run.output, [Ok("hello".into()), Ok("hello".into())]);
        assert_eq!(run.openings(), 2);
    }
}

#[test]
fn a_connection_to_another_origin_takes_the_place_of_an_idle_one() {
    let run = run(GOOD, &[answers(HELLO), answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = One::new(stack, &mut resources, Config::default());
        [text(&session, URL).await, text(&session, "http://origin.example/").await]
    });
    assert_eq!(run.output, [Ok("hello".into()), Ok("hello".into())]);
    assert_eq!(run.openings(), 2);
}

#[test]
fn a_task_waits_while_all_connections_are_taken() {
    let slow = origin([Step::Wait(30_000), Step::Send(HELLO.into()), Step::Close]);
    let mut config = Config::default();
    // The wait does not count.
    config.request_timeout = Duration::from_micros(40_000);
    let origins = [slow.clone(), slow.clone(), slow];
    let run = run(GOOD, &origins, async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = One::new(stack, &mut resources, config);
        let two = join(text(&session, URL), text(&session, URL));
        let (one, (two, three)) = Box::pin(join(text(&session, URL), two)).await;
        [one, two, three]
    });
    assert_eq!(run.output, [(); 3].map(|()| Ok("hello".into())));
    assert!(run.ended > 90_000);
}

/// Drops a GET of `/a` after so many microseconds and gets `/b`. Returns whether `/a` was whole.
fn dropped_after(micros: u64) -> bool {
    let halting = origin([
        Step::Wait(100),
        Step::Send(HELLO[..20].into()),
        Step::Wait(100),
        Step::Send(HELLO[20..].into()),
        Step::Close,
    ]);
    let origins = [halting, answers(HELLO), answers(HELLO)];
    let run = run(GOOD, &origins, async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = One::new(stack, &mut resources, Config::default());
        let cut = with_timeout(Duration::from_micros(micros), text(&session, URL)).await;
        let was_whole = cut.is_ok();
        (was_whole, text(&session, "http://192.0.2.1/b").await)
    });
    let (was_whole, second) = run.output;
    assert_eq!(second, Ok("hello".into()), "dropped after {micros}");
    for request in run.requests {
        let has = |path: &[u8]| request.windows(6).any(|bytes| bytes == path);
        assert!(!(has(b"GET /a") && has(b"GET /b")), "dropped after {micros}");
    }
    was_whole
}

#[test]
fn a_dropped_task_leaves_its_slot_free_and_its_connection_unused() {
    // At every time of an exchange: while connecting, sending, waiting, receiving.
    let whole = (0..).find(|micros| dropped_after(*micros));
    assert!(whole > Some(200), "{whole:?}");
}

#[test]
fn tasks_that_share_a_connection_take_turns() {
    let request = |path| format!("GET /{path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n").len();
    let again = [Step::Expect(Part::Bytes(request("a"))), Step::Send(HELLO.into())];
    let steps = (0..5).flat_map(|_| again.clone());
    let shared = origin([Step::Send(HELLO.into())].into_iter().chain(steps));
    let run = run(GOOD, &[shared], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = One::new(stack, &mut resources, Config::default());
        let three = async |url| {
            for _ in 0..3 {
                assert_eq!(text(&session, url).await, Ok("hello".into()));
            }
        };
        join(three("http://192.0.2.1/a"), three("http://192.0.2.1/b")).await;
    });
    let request = String::from_utf8_lossy(&run.requests[0]).into_owned();
    let order: Vec<&str> = request.split("GET /").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!(order, ["a", "b", "a", "b", "a", "b"]);
}

#[test]
fn a_dropped_task_resets_its_connection() {
    let run = run(GOOD, &[origin([]), answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = One::new(stack, &mut resources, Config::default());
        let dropped = select(text(&session, URL), Timer::after_millis(5)).await;
        assert!(matches!(dropped, Either::Second(())));
        text(&session, URL).await
    });
    assert_eq!(run.output, Ok("hello".into()));
    let resets = run.frames.iter().filter(|frame| frame.is_outbound && frame.is_reset);
    assert_eq!(resets.count(), 1);
}

#[test]
fn a_refused_connection_is_a_typed_error() {
    let trace = agreed(&Script::get().origin([Step::Refuse]), GOOD);
    assert_eq!(trace.result, Err(Error::Transport(Transport::Refused)));
    assert_eq!(trace.released(), [Released::NotOpened]);
}

#[test]
fn https_is_refused_and_nothing_is_sent() {
    for url in ["https://192.0.2.1/", "https://192.0.2.1:80/", "wss://192.0.2.1/"] {
        let run = run(GOOD, &[answers(HELLO)], async |stack, _| {
            let mut resources = Resources::<1, 1024>::new();
            let session = One::new(stack, &mut resources, Config::default());
            text(&session, url).await.map_err(|failure| failure.error)
        });
        assert_eq!(run.output, Err(Error::Transport(Transport::TlsUnavailable)));
        assert_eq!(run.frames, []);
    }
}

#[test]
fn a_host_name_is_resolved_and_an_unknown_one_is_a_typed_error() {
    let run = run(GOOD, &[answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = One::new(stack, &mut resources, Config::default());
        let known = text(&session, "http://origin.example/").await;
        let unknown = text(&session, "http://nowhere.invalid/").await;
        (known, unknown.map_err(|failure| failure.error))
    });
    let (known, unknown) = run.output;
    assert_eq!(known, Ok("hello".into()));
    assert_eq!(unknown, Err(Error::Transport(Transport::NameNotResolved)));
    let request = String::from_utf8_lossy(&run.requests[0]).into_owned();
    assert!(request.contains("Host: origin.example\r\n"), "{request}");
}

/// embassy#1237: a host that is an address was looked up as a name.
#[test]
fn an_address_is_not_looked_up() {
    let outbound = |url: &str| {
        let run = run(GOOD, &[answers(HELLO)], async |stack, _| {
            let mut resources = Resources::<1, 1024>::new();
            let session = One::new(stack, &mut resources, Config::default());
            text(&session, url).await.map_err(|failure| failure.error)
        });
        assert_eq!(run.output, Ok("hello".into()));
        let opening = run.frames.iter().position(|frame| frame.is_opening);
        let before = &run.frames[..opening.expect("a connection")];
        before.iter().filter(|frame| frame.is_outbound).count()
    };
    // Before the connection is asked for: who has the address, and for a name what it is.
    assert_eq!(outbound("http://192.0.2.1/") + 1, outbound("http://origin.example/"));
}

#[test]
fn a_body_that_is_not_as_long_as_the_request_says_is_not_sent() {
    let run = run(GOOD, &[answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = One::new(stack, &mut resources, Config::default());
        let answer = session.data(&get(URL), b"no", &mut []).await;
        answer.map(|_| ()).map_err(|failure| failure.error)
    });
    assert_eq!(run.output, Err(Error::Source));
    assert!(run.requests.concat().is_empty(), "not even the head is sent");
}

#[test]
fn a_used_connection_is_handed_over_as_such() {
    let trace = agreed(&Script::get().reused_origin(answers_again(HELLO).steps), GOOD);
    assert_eq!((trace.text().as_str(), trace.connections.len()), ("hello", 1));
}
