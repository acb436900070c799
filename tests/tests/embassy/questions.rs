//! Questions, answered from beside the task.

use embassy_futures::join::join;
use embassy_time::{Duration, Timer};
use sortie_core::{Error, Misuse, Timer as TaskTimer};
use sortie_embassy::{
    Answer, Asks, Config, ControlBlock, Question, Resources, Session, TaskControl,
};
use sortie_tests::embassy::{Run, run};
use sortie_tests::script::{Origin, Part, Step};

use crate::{GOOD, HELLO, answers, get, origin};

const A: &str = "http://192.0.2.1/a";
const AWAY: &str = "http://origin.example/b";

const REDIRECT: Asks = Asks { redirect: true, disposition: false, new_body: false };
const DISPOSITION: Asks = Asks { redirect: false, disposition: true, new_body: false };

/// How long a request may be idle here, in milliseconds.
const IDLE: u64 = 50;

/// Runs a GET that asks, beside `user`. Returns status and content.
fn asked(
    origins: &[Origin],
    asks: Asks,
    user: impl AsyncFnOnce(TaskControl<'_>),
) -> Run<Result<(u16, String), Error>> {
    run(GOOD, origins, async |stack, _| {
        let mut config = Config::default();
        config.request_timeout = Duration::from_millis(IDLE);
        config.resource_timeout = Duration::from_millis(1000);
        let mut resources = Resources::<2, 1024>::new();
        let session = Session::new(stack, &mut resources, config);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let (mut target, mut content, request) = ([0; 100], [0; 100], get(A));
        let task = session.data_task(&request).target(&mut target).control(&mut seat).asks(asks);
        let (came, ()) = join(task.receive(&mut content), user(control)).await;
        let came = came.map_err(|failure| failure.error)?;
        Ok((came.status(), String::from_utf8_lossy(came.content()).into_owned()))
    })
}

fn redirect(to: &str) -> Origin {
    let head = "HTTP/1.1 302 There\r\nContent-Length: 5\r\n";
    let next = [Step::Next, Step::Expect(Part::Request), Step::Send(HELLO.into())];
    let moved = [Step::Send(format!("{head}Location: {to}\r\n\r\nmoved").into())];
    origin(moved.into_iter().chain(next))
}

#[test]
fn a_redirect_that_is_refused_is_the_result() {
    let run = asked(&[redirect(AWAY), answers(HELLO)], REDIRECT, async |control| {
        let (question, token) = control.question().await;
        assert_eq!(question, Question::Redirect);
        assert_eq!(control.pending_question(), Some((question, token)));
        assert!(control.rewrite().leaves_origin);
        assert_eq!(control.answer(token, Answer::Refuse), Ok(()));
        assert_eq!(control.pending_question(), None);
        assert_eq!(control.redirect_count(), 0);
    });
    assert_eq!((run.output.clone(), run.openings()), (Ok((302, "moved".into())), 1));
}

#[test]
fn a_redirect_that_is_allowed_is_followed() {
    let run = asked(&[redirect("/b")], REDIRECT, async |control| {
        let (_, token) = control.question().await;
        assert!(!control.rewrite().leaves_origin);
        assert_eq!(control.answer(token, Answer::Follow), Ok(()));
        assert_eq!(control.redirect_count(), 1);
    });
    assert_eq!((run.output.clone(), run.openings()), (Ok((200, "hello".into())), 1));
}

#[test]
fn a_question_rests_the_request_timer() {
    for (origins, asks, answer) in [
        ([redirect(AWAY), answers(HELLO)], REDIRECT, Answer::Follow),
        ([answers(HELLO), answers(HELLO)], DISPOSITION, Answer::Allow),
    ] {
        let run = asked(&origins, asks, async |control| {
            let (_, token) = control.question().await;
            Timer::after_millis(IDLE * 10).await;
            assert_eq!(control.answer(token, answer), Ok(()));
        });
        assert_eq!(run.output, Ok((200, "hello".into())));
        assert!(run.ended >= IDLE * 10_000, "{}", run.ended);
    }
}

#[test]
fn the_request_timer_starts_again_with_the_answer() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let run = asked(&[answers(head)], DISPOSITION, async |control| {
        let (_, token) = control.question().await;
        Timer::after_millis(IDLE * 2).await;
        assert_eq!(control.answer(token, Answer::Allow), Ok(()));
    });
    assert_eq!(run.output, Err(Error::TimedOut(TaskTimer::Request)));
    let end = IDLE * 3000;
    assert!((end..end + 1000).contains(&run.ended), "{}", run.ended);
}

#[test]
fn a_question_that_is_never_answered_ends_with_the_resource_timer() {
    for (origin, asks) in [(redirect(AWAY), REDIRECT), (answers(HELLO), DISPOSITION)] {
        let run = asked(&[origin], asks, async |control| {
            control.question().await;
        });
        assert_eq!(run.output, Err(Error::TimedOut(TaskTimer::Resource)));
        assert_eq!(run.ended, 1_000_000);
    }
}

#[test]
fn no_content_is_read_before_it_is_said_what_becomes_of_it() {
    let run = asked(&[answers(HELLO)], DISPOSITION, async |control| {
        let (question, token) = control.question().await;
        assert_eq!(question, Question::Disposition);
        Timer::after_millis(20).await;
        assert_eq!(control.counts().received, 0);
        assert_eq!(control.answer(token, Answer::BecomeDownload), Ok(()));
    });
    assert_eq!(run.output, Ok((200, "hello".into())));
    let run = asked(&[answers(HELLO)], DISPOSITION, async |control| {
        let (_, token) = control.question().await;
        assert_eq!(control.answer(token, Answer::Cancel), Ok(()));
    });
    assert_eq!(run.output, Err(Error::Canceled));
}

#[test]
fn a_wrong_answer_changes_nothing() {
    let refused = Err(Misuse::NotAskedFor);
    let run = asked(&[redirect("/b")], REDIRECT, async |control| {
        let (question, token) = control.question().await;
        assert_eq!(control.answer(token, Answer::Allow), refused);
        let other = get(AWAY);
        let edited = Answer::FollowWith { request: &other, body_is_replayable: true };
        assert_eq!(control.answer(token, edited), refused);
        assert_eq!(control.pending_question(), Some((question, token)));
        assert_eq!(control.answer(token, Answer::Follow), Ok(()));
        assert_eq!(control.answer(token, Answer::Follow), refused);
    });
    assert_eq!(run.output, Ok((200, "hello".into())));
}

#[test]
fn a_cancel_ends_a_task_that_asks() {
    let run = asked(&[redirect(AWAY)], REDIRECT, async |control| {
        let (_, token) = control.question().await;
        control.cancel();
        assert_eq!(control.answer(token, Answer::Follow), Err(Misuse::NotAskedFor));
    });
    assert_eq!(run.output, Err(Error::Canceled));
}
