//! Questions to the host, answered at once or much later: what happens meanwhile, and what each
//! answer does.

use sortie_core::{
    Answer, Asks, CloseReason, Error, Event, Inspection, Instant, Misuse, Output, PeerError,
    Question, ResponseHead, Slot, Task, TaskKind, TaskState, Timer, Token, Url, Wish,
};
use sortie_tests::bare::play_all;
use sortie_tests::script::{Body, Edited, Part, Say, Script, Step, What, When};
use sortie_tests::trace::{Told, Trace};

use crate::{HELLO, REUSE, answered, closed};

const SECOND: u64 = 1_000_000;
/// Longer than the request timeout.
const LONG: u64 = 100 * SECOND;
const THERE: &str = "http://192.0.2.1/there";
const AWAY: &str = "http://192.0.2.2/away";

/// A redirect with content.
fn to(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 5\r\n\r\nmoved")
}

fn asking(question: Question) -> Script {
    Script::get().asks(question)
}

fn redirected(status: u16, location: &str) -> Told {
    Told::Redirected { status, to: location.into() }
}

#[track_caller]
fn assert_text(trace: &Trace, text: &str, statuses: &[u16]) {
    assert_eq!(trace.result, Ok(()), "{trace:?}");
    assert_eq!((trace.text().as_str(), trace.statuses().as_slice()), (text, statuses));
}

#[test]
fn nothing_is_asked_of_who_does_not_want_it() {
    let trace = play_all(&Script::get().exchanges([&to(302, "/there"), HELLO]));
    assert_text(&trace, "hello", &[200]);
    assert!(!trace.events.iter().any(|told| matches!(told, Told::Asked(_))));
}

// Redirects.

#[test]
fn a_redirect_that_is_approved_is_followed_then() {
    for after in [0, 3 * SECOND, LONG] {
        let script = asking(Question::Redirect).reply(after, Say::Follow);
        let script = script.exchanges([&to(302, "/there"), HELLO]);
        let trace = play_all(&script);
        assert_text(&trace, "hello", &[200]);
        let first = [Told::Asked(Question::Redirect), redirected(302, THERE)];
        assert_eq!((&trace.events[..2], trace.ended), (&first[..], after));
        assert_eq!(trace.released(), [REUSE]);
    }
}

/// As URLSession: the 3xx and its body are the result, without an error.
#[test]
fn a_redirect_that_is_refused_is_the_result_with_its_body() {
    for status in [301, 302, 303, 307, 308] {
        for after in [0, LONG] {
            let script = asking(Question::Redirect).reply(after, Say::Refuse);
            let trace = play_all(&script.answered(to(status, "/there")));
            assert_text(&trace, "moved", &[status]);
            assert_eq!(trace.values("Location"), ["/there"]);
            assert_eq!((trace.released(), trace.ended), (vec![REUSE], after));
            assert_eq!((trace.counts.received, trace.counts.expected_to_receive), (5, Some(5)));
        }
    }
}

#[test]
fn a_refused_redirect_without_a_body_is_the_result_too() {
    let empty = "HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";
    let trace = play_all(&asking(Question::Redirect).reply(7, Say::Refuse).answered(empty));
    assert_text(&trace, "", &[302]);
    let mut strict = asking(Question::Redirect).reply(7, Say::Refuse).answered(empty);
    strict.options.requires_success = true;
    assert_eq!(play_all(&strict).result, Err(Error::Status(302)));
}

/// As it is: method, URL, fields and body are the host's.
#[test]
fn a_redirect_may_be_followed_with_another_request() {
    let mut edited = Edited::new("PUT", "http://192.0.2.3:81/edited?x");
    edited.fields = vec![("Authorization".into(), "Basic ZQ==".into())];
    edited.body = Body::Bytes(b"other".into());
    let script = Script::new("POST", Body::Bytes(b"body".into()))
        .field("Cookie", "a=b")
        .asks(Question::Redirect)
        .reply(0, Say::FollowWith(edited))
        .answered(to(302, AWAY))
        .answered(HELLO);
    let trace = play_all(&script);
    assert_text(&trace, "hello", &[200]);
    assert_eq!(trace.hops(), [(302, "http://192.0.2.3:81/edited?x")]);
    assert_eq!(trace.destinations()[1], "http 192.0.2.3 81");
    assert_eq!(
        trace.request(1),
        "PUT /edited?x HTTP/1.1\r\nHost: 192.0.2.3:81\r\nAuthorization: Basic ZQ==\r\n\
         Content-Length: 5\r\n\r\nother"
    );
    assert_eq!((trace.counts.sent, trace.counts.expected_to_send), (5, Some(5)));
}

/// What the host wrote for one origin does not go to the next one by itself.
#[test]
fn an_edited_request_is_redirected_by_the_same_rules() {
    let mut edited = Edited::new("GET", AWAY);
    edited.fields = vec![("Authorization".into(), "Basic ZQ==".into())];
    let script = asking(Question::Redirect)
        .reply(0, Say::FollowWith(edited))
        .reply(0, Say::Follow)
        .answered(to(302, AWAY))
        .answered(to(302, "http://192.0.2.3/"))
        .answered(HELLO);
    let trace = play_all(&script);
    assert_text(&trace, "hello", &[200]);
    assert!(trace.request(1).contains("Authorization"));
    assert!(!trace.request(2).contains("Authorization"));
}

#[test]
fn a_chain_asks_at_each_hop() {
    let script = asking(Question::Redirect)
        .reply(SECOND, Say::Follow)
        .reply(SECOND, Say::Follow)
        .reply(SECOND, Say::Refuse)
        .exchanges([&to(301, "/a"), &to(307, "/b"), &to(308, "/c")]);
    let trace = play_all(&script);
    assert_text(&trace, "moved", &[308]);
    assert_eq!((trace.hops().len(), trace.ended), (2, 3 * SECOND));
}

// Content.

#[test]
fn content_waits_until_it_is_allowed() {
    for after in [0, LONG] {
        let script = asking(Question::Disposition).reply(after, Say::Allow).answered(HELLO);
        let trace = play_all(&script);
        assert_text(&trace, "hello", &[200]);
        assert_eq!(trace.events[1], Told::Asked(Question::Disposition));
        assert_eq!((trace.ended, trace.released()), (after, vec![REUSE]));
    }
}

/// A silent server is noticed after the answer, with a whole timeout.
#[test]
fn the_request_timer_rests_during_a_question_and_starts_anew_with_the_answer() {
    let script = asking(Question::Disposition)
        .reply(LONG, Say::Allow)
        .answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    let trace = play_all(&script);
    assert_eq!(trace.result, Err(Error::TimedOut(Timer::Request)));
    assert_eq!((trace.text().as_str(), trace.ended), ("hel", LONG + 60 * SECOND));
}

#[test]
fn the_resource_timer_runs_on_during_every_question() {
    let mut stream = Script::new("POST", Body::pieces(["bo", "dy"])).asks(Question::NewBody);
    stream.options.body_is_replayable = false;
    let empty = HELLO.replace("5\r\n\r\nhello", "0\r\n\r\n");
    for script in [
        asking(Question::Redirect).answered(to(302, "/there")),
        asking(Question::Disposition).answered(HELLO),
        // Everything is there, and an answer is owed all the same.
        asking(Question::Disposition).answered(empty),
        stream.answered(to(307, "/there")),
    ] {
        let mut script = script;
        script.options.resource_timeout = 1000 * SECOND;
        let trace = play_all(&script);
        assert_eq!(trace.result, Err(Error::TimedOut(Timer::Resource)));
        assert_eq!((trace.ended, trace.text().as_str()), (1000 * SECOND, ""));
    }
}

/// The rest of an upload does not make the timer run while the host thinks.
#[test]
fn an_upload_goes_on_during_a_question_and_the_request_timer_rests() {
    let steps = [
        Step::Expect(Part::Head),
        Step::Send(HELLO.into()),
        Step::Wait(5 * SECOND),
        Step::Expect(Part::Request),
    ];
    let script = Script::new("PUT", Body::Bytes(vec![b'x'; 1000]))
        .asks(Question::Disposition)
        .reply(LONG, Say::Allow)
        .origin(steps);
    let trace = play_all(&script);
    assert_text(&trace, "hello", &[200]);
    assert_eq!((trace.counts.sent, trace.ended), (1000, LONG));
    assert_eq!(trace.released(), [REUSE]);
}

#[test]
fn content_that_nobody_wants_ends_the_task_as_cancelled() {
    let script = asking(Question::Disposition).reply(SECOND, Say::Cancel).answered(HELLO);
    let trace = play_all(&script);
    assert_eq!((trace.result, trace.text().as_str()), (Err(Error::Canceled), ""));
    assert_eq!(trace.statuses(), [200]);
    assert_eq!((trace.released(), trace.ended), (vec![closed(CloseReason::Failed)], SECOND));
}

#[test]
fn content_may_become_a_download() {
    let script = asking(Question::Disposition).reply(0, Say::BecomeDownload).answered(HELLO);
    assert_text(&play_all(&script), "hello", &[200]);

    let (mut task, token) = asked_for_disposition();
    assert_eq!(task.kind(), TaskKind::Data);
    task.answer(at(1), token, Answer::BecomeDownload).unwrap();
    assert_eq!(task.kind(), TaskKind::Download);
}

/// What was not asked for is no download, whoever made it one.
#[test]
fn a_part_that_nobody_asked_for_cannot_become_a_download() {
    let part = "HTTP/1.1 206 X\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\nhello";
    let script = asking(Question::Disposition).reply(0, Say::BecomeDownload).answered(part);
    let trace = play_all(&script);
    assert_eq!(trace.result, Err(Error::Peer(PeerError::UnaskedRange)));
    assert_eq!((trace.text().as_str(), trace.statuses()), ("", vec![206]));
    let script = asking(Question::Disposition).reply(0, Say::BecomeDownload);
    let trace = play_all(&script.field("Range", "bytes=0-4").answered(part));
    assert_text(&trace, "hello", &[206]);
}

#[test]
fn a_redirect_that_is_followed_is_no_content_to_ask_about() {
    let script = asking(Question::Disposition).reply(0, Say::Allow);
    let trace = play_all(&script.exchanges([&to(302, "/there"), HELLO]));
    assert_text(&trace, "hello", &[200]);
    let asked = trace.events.iter().filter(|told| matches!(told, Told::Asked(_)));
    assert_eq!(asked.count(), 1);
}

/// Both questions about one response, one after the other.
#[test]
fn a_refused_redirect_is_content_to_ask_about() {
    let script = asking(Question::Redirect)
        .asks(Question::Disposition)
        .reply(SECOND, Say::Refuse)
        .reply(SECOND, Say::Allow)
        .answered(to(302, "/there"));
    let trace = play_all(&script);
    assert_text(&trace, "moved", &[302]);
    assert_eq!(trace.ended, 2 * SECOND);
    assert_eq!(trace.events[0], Told::Asked(Question::Redirect));
    assert_eq!(trace.events[2], Told::Asked(Question::Disposition));
}

// Bodies.

/// After a stale connection as after a redirect.
#[test]
fn a_stream_is_asked_for_again_after_a_stale_connection() {
    let mut script = Script::new("PUT", Body::pieces(["bo", "dy"])).asks(Question::NewBody);
    script.options.body_is_replayable = false;
    let script = script.reused_origin([Step::Expect(Part::Request), Step::Close]);
    let trace = play_all(&script.clone().reply(LONG, Say::Body).answered(HELLO));
    assert_text(&trace, "hello", &[200]);
    assert_eq!(trace.events[..2], [Told::Asked(Question::NewBody), Told::BodyRestarted]);
    assert_eq!((trace.counts.sent, trace.ended), (4, LONG));
    assert!(trace.request(1).ends_with("2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"));

    let trace = play_all(&script.reply(0, Say::NoBody));
    assert_eq!(trace.result, Err(Error::BodyExhausted));
}

// Commands meanwhile.

#[test]
fn a_task_can_be_cancelled_while_an_answer_is_owed() {
    for question in [Question::Redirect, Question::Disposition] {
        for reply in [None, Some(2 * SECOND)] {
            let mut script = asking(question)
                .command(When::At(0), What::Resume)
                .command(When::At(SECOND), What::Cancel)
                .answered(to(302, "/there"));
            if question == Question::Disposition {
                script.connections[0].steps[1] = Step::Send(HELLO.into());
            }
            if let Some(after) = reply {
                script = script.reply(after, Say::Follow);
            }
            let trace = play_all(&script);
            assert_eq!((trace.result, trace.ended), (Err(Error::Canceled), SECOND));
            assert_eq!(trace.released(), [closed(CloseReason::Failed)]);
        }
    }
}

/// The answer counts at once; what follows from it waits.
#[test]
fn an_answer_may_come_while_the_task_is_suspended() {
    for (say, text, status) in [(Say::Follow, "hello", 200), (Say::Refuse, "moved", 302)] {
        let script = asking(Question::Redirect)
            .command(When::At(0), What::Resume)
            .command(When::At(SECOND), What::Suspend)
            .command(When::At(40 * SECOND), What::Resume)
            .reply(2 * SECOND, say)
            .exchanges([&to(302, "/there"), HELLO]);
        let trace = play_all(&script);
        assert_text(&trace, text, &[status]);
        assert_eq!(trace.ended, 40 * SECOND);
    }
}

// Tokens.

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

/// A task that waits for the answer what becomes of its content.
fn asked_for_disposition() -> (Task, Token) {
    let script = asking(Question::Disposition);
    let mut task = begun(&script);
    let mut input = *b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let _ = task.handle_head(at(0), &mut input, false, &mut []).unwrap();
    let Some((Question::Disposition, token)) = task.pending_question() else {
        panic!("nothing is asked: {task:?}");
    };
    (task, token)
}

/// A task whose request is being sent.
fn begun(script: &Script) -> Task {
    let fields = script.checked_fields();
    let mut task = Task::new(&script.request(&fields), script.options);
    task.resume(at(0));
    task.handle_connected(at(0), false).unwrap();
    task.handle_prepared(at(0)).unwrap();
    task
}

#[test]
fn a_question_is_told_once_and_stays_pending() {
    let (mut task, token) = asked_for_disposition();
    let question = Event::Question(Question::Disposition, token);
    assert_eq!(task.poll_output(), Output::Event(Event::Response { status: 200 }));
    assert_eq!(task.poll_output(), Output::Event(question));
    assert_eq!(task.poll_output(), Output::Exchange, "the request may still be going out");
    assert_eq!(task.pending_question(), Some((Question::Disposition, token)));
    assert_eq!(task.io(100).receive, None);
    assert_eq!(task.handle_body(at(1), &mut [b'x']), Err(Misuse::NotAskedFor));
}

#[test]
fn an_answer_before_the_question_is_told_spares_the_question() {
    let (mut task, token) = asked_for_disposition();
    assert_eq!(task.answer(at(1), token, Answer::Allow), Ok(()));
    assert_eq!(task.poll_output(), Output::Event(Event::Response { status: 200 }));
    assert_eq!(task.poll_output(), Output::Exchange);
    assert!(task.io(5).receive.is_some());
}

#[test]
fn an_answer_is_taken_once_and_to_its_own_question_only() {
    let (mut task, token) = asked_for_disposition();
    let wrong = [Answer::Follow, Answer::Refuse, Answer::Body, Answer::NoBody];
    for answer in wrong {
        assert_eq!(task.answer(at(1), token, answer), Err(Misuse::NotAskedFor));
    }
    assert_eq!(task.answer(at(1), token, Answer::Allow), Ok(()));
    assert_eq!(task.answer(at(1), token, Answer::Cancel), Err(Misuse::NotAskedFor));
    assert_eq!(task.state(), TaskState::Running);
}

/// The token of one hop does not fit the question of the next.
#[test]
fn a_late_answer_does_not_answer_the_next_question() {
    let mut script = asking(Question::Redirect);
    script.options.asks = Asks { redirect: true, ..Asks::default() };
    let mut task = begun(&script);
    let first = ask_about_redirect(&mut task);
    task.answer(at(0), first, Answer::Follow).unwrap();
    while task.poll_output() != Output::Connect(Wish::Any) {}
    task.handle_connected(at(0), false).unwrap();
    task.handle_prepared(at(0)).unwrap();
    let second = ask_about_redirect(&mut task);
    assert_ne!(first, second);
    assert_eq!(task.answer(at(0), first, Answer::Follow), Err(Misuse::NotAskedFor));
    assert_eq!(task.answer(at(0), second, Answer::Refuse), Ok(()));
}

fn ask_about_redirect(task: &mut Task) -> Token {
    let mut input = *b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
    let mut index = [Slot::EMPTY; 4];
    let _ = task.handle_head(at(0), &mut input, false, &mut index).unwrap();
    assert_eq!(task.poll_output(), Output::Inspect);
    // Inspected once: to look again would ask again.
    for is_first in [true, false] {
        let mut next = [0; 64];
        let lent = Inspection {
            head: ResponseHead::new(&input, &index),
            target: Url::parse("http://192.0.2.1/").unwrap(),
            next: &mut next,
            resume: None,
        };
        assert_eq!(task.inspect(at(0), lent).is_ok(), is_first);
    }
    let Some((Question::Redirect, token)) = task.pending_question() else {
        panic!("nothing is asked: {task:?}");
    };
    token
}

// Only success.

#[test]
fn only_success_will_do_where_that_is_asked_for() {
    let strict = |response: String| {
        let mut script = Script::get().answered(response);
        script.options.requires_success = true;
        play_all(&script)
    };
    for status in [200, 201, 204, 299] {
        let trace = strict(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!((trace.result, trace.statuses()), (Ok(()), vec![status]));
    }
    for status in [300, 304, 404, 500, 999] {
        let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\nerror");
        let trace = strict(response.clone());
        assert_eq!((trace.result, trace.text().as_str()), (Err(Error::Status(status)), ""));
        assert_eq!(trace.statuses(), [status], "the head is told");
        assert_eq!(trace.released(), [closed(CloseReason::Failed)]);
        assert_eq!(answered(response).result, Ok(()), "a status is no error by itself");
    }
    assert_eq!(Error::Status(404).code(), -1011);
    let mut script = Script::get().exchanges([&to(302, "/there"), HELLO]);
    script.options.requires_success = true;
    assert_text(&play_all(&script), "hello", &[200]);
}
