//! Bodies that come from a reader.

use embassy_time::{Duration, Timer as Wait, with_timeout};
use sortie_core::{BodyLength, Error, Request, Timer, Transport, Url};
use sortie_embassy::{Config, Failure, Resources, Session};
use sortie_tests::embassy::{Cable, Pieces, Run, run};
use sortie_tests::script::{Body, Origin, Part, Script, Step};

use crate::{GOOD, HELLO, agreed, answers, answers_again, content, origin, session};

const URL: &str = "http://192.0.2.1/";

fn post(length: BodyLength) -> Request<'static> {
    let url = Url::parse(URL).expect("a URL");
    Request::new("POST", url, &[], length).expect("a request")
}

/// Sends what `reader` gives, by way of `stage` bytes, as a body of this length. Returns the length
/// of the answer's content, and how much is left in the reader.
fn sent(
    origins: &[Origin],
    mut reader: Pieces,
    length: BodyLength,
    stage: usize,
) -> Run<(Result<usize, Failure>, usize)> {
    run(GOOD, origins, async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let (request, mut content) = (post(length), [0; 100]);
        let mut stage = vec![0; stage];
        let answer = session.upload(&request, &mut reader, &mut stage, &mut content).await;
        let answer = answer.map(|answer| answer.content().len());
        // A reset leaves with the next poll of the stack.
        Wait::after_millis(1).await;
        (answer, reader.length())
    })
}

fn known(length: usize) -> BodyLength {
    BodyLength::Known(length as u64)
}

#[test]
fn a_body_of_known_length_comes_from_a_reader() {
    for (length, stage) in [(1, 1), (3000, 1), (5000, 64), (100, 1000), (70_000, 100_000)] {
        let body = content(length);
        let pieces = Pieces::new(body.chunks(777).map(<[u8]>::to_vec));
        let run = sent(&[answers(HELLO)], pieces, known(length), stage);
        assert_eq!(run.output, (Ok(5), 0));
        assert!(run.requests[0].ends_with(&body), "{length} by way of {stage}");
    }
}

#[test]
fn not_more_is_read_than_the_request_says() {
    let pieces = Pieces::new([content(50), content(60)]);
    let run = sent(&[answers(HELLO)], pieces, known(70), 1000);
    assert_eq!(run.output, (Ok(5), 40));
    assert!(run.requests[0].ends_with(&[content(50), content(20)].concat()));
}

#[test]
fn an_empty_reader_is_an_empty_body() {
    for length in [BodyLength::Unknown, BodyLength::Known(0)] {
        let run = sent(&[answers(HELLO)], Pieces::default(), length, 10);
        assert_eq!(run.output.0, Ok(5), "{length:?}");
    }
}

#[test]
fn a_reader_that_ends_too_early_or_fails_is_a_typed_error() {
    let short = || Pieces::new([content(50)]);
    let failing = || Pieces { fails: true, ..short() };
    let unknown = BodyLength::Unknown;
    for (reader, length) in [(short(), known(51)), (failing(), known(51)), (failing(), unknown)] {
        let run = sent(&[answers(HELLO)], reader, length, 1000);
        assert_eq!(run.output.0.map_err(|failure| failure.error), Err(Error::Source));
        assert!(run.frames.iter().any(|frame| frame.is_reset), "no half of a request is left");
    }
}

#[test]
fn a_stage_of_no_bytes_and_a_request_without_a_body_are_refused() {
    for (length, stage) in [(BodyLength::Unknown, 0), (known(5), 0), (BodyLength::None, 10)] {
        let run = sent(&[answers(HELLO)], Pieces::new([content(5)]), length, stage);
        assert_eq!(run.output.0.map_err(|failure| failure.error), Err(Error::Source));
    }
}

#[test]
fn an_early_answer_is_received_while_the_reader_is_waited_for() {
    let refused = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!";
    let early = origin_of_head([Step::Send(refused.into())]);
    let slow = Pieces { pause: 500_000, ..Pieces::new([content(50)]) };
    let run = sent(&[early], slow, known(50), 100);
    assert_eq!(run.output.0, Ok(3));
    assert!(run.ended < 400_000, "{}", run.ended);
}

/// An origin that takes the head of a request and then does this.
fn origin_of_head<const N: usize>(steps: [Step; N]) -> Origin {
    let steps = [Step::Expect(Part::Head)].into_iter().chain(steps);
    Origin { steps: steps.collect(), ..Origin::default() }
}

#[test]
fn a_reader_that_is_slower_than_the_request_timer_ends_the_task() {
    let run = run(Cable::COARSE, &[origin([])], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let mut config = Config::default();
        config.request_timeout = Duration::from_millis(50);
        let session = Session::new(stack, &mut resources, config);
        let mut slow = Pieces { pause: 100_000_000, ..Pieces::new([content(50)]) };
        let (request, mut stage) = (post(known(50)), [0; 10]);
        session.upload(&request, &mut slow, &mut stage, &mut []).await.map(drop)
    });
    let ended = run.output.map_err(|failure| failure.error);
    assert_eq!(ended, Err(Error::TimedOut(Timer::Request)));
    assert!(run.ended < 52_000, "{}", run.ended);
}

#[test]
fn a_body_that_went_out_in_part_is_not_sent_again() {
    let dead = Origin {
        is_reused: true,
        steps: vec![Step::Expect(Part::Head), Step::Expect(Part::Bytes(10)), Step::Reset],
        ..Origin::default()
    };
    let mut script = Script::new("PUT", Body::Bytes(content(100)));
    script.options.body_is_replayable = false;
    let script = Script { connections: vec![dead, answers(HELLO)], ..script };
    let trace = sortie_tests::embassy::play(&script, GOOD);
    assert_eq!(trace.result, Err(Error::Transport(Transport::NoResponse)));
    assert_eq!(trace.connections.len(), 1);
}

#[test]
fn a_redirect_that_needs_the_body_again_fails() {
    let moved = "HTTP/1.1 307 There\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    let mut script = Script::new("POST", Body::Bytes(content(500))).answered(moved);
    script.options.body_is_replayable = false;
    let trace = agreed(&script, GOOD);
    assert_eq!(trace.result, Err(Error::BodyExhausted));
}

#[test]
fn uploads_show_what_they_show_on_the_core() {
    let known = Script::new("POST", Body::Bytes(content(20_000))).answered(HELLO);
    let mut once = known.clone();
    once.options.body_is_replayable = false;
    let pieces = Script::new("PUT", Body::pieces(["one ", "two ", "three"]));
    let expects = pieces.clone().field("Expect", "100-continue").origin([
        Step::Expect(Part::Head),
        Step::Send("HTTP/1.1 100 Continue\r\n\r\n".into()),
        Step::Expect(Part::Request),
        Step::Send(HELLO.into()),
    ]);
    for script in [known, once, pieces.answered(HELLO), expects] {
        let script = script.kind(sortie_core::TaskKind::Upload);
        assert_eq!(agreed(&script, GOOD).result, Ok(()));
    }
}

#[test]
fn a_reader_whose_upload_is_dropped_leaves_no_connection() {
    let run = run(GOOD, &[origin([]), answers_again(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (request, mut room, mut stage) = (post(known(50)), [0; 100], [0; 10]);
        let mut slow = Pieces { pause: 5_000, ..Pieces::new([content(50)]) };
        let upload = session.upload(&request, &mut slow, &mut stage, &mut room);
        let dropped = with_timeout(Duration::from_millis(12), upload).await.is_err();
        Wait::after_millis(1).await;
        (dropped, slow.length() < 50)
    });
    assert_eq!(run.output, (true, true));
    assert!(run.frames.iter().any(|frame| frame.is_reset));
}
