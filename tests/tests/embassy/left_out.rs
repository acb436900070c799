//! What is left out where scripts are replayed: what comes of it here, and that it differs from
//! what the core shows. Who makes it the same takes it out of `LeftOut`.

use sortie_core::{Error, Question, RedirectPolicy, TaskKind, Timer, Transport, limits};
use sortie_tests::bare::{self, Drive};
use sortie_tests::embassy::{LeftOut, does_not_show, lacks, play, play_secure};
use sortie_tests::script::{Body, Edited, Part, Say, Script, Step, What, When};
use sortie_tests::trace::{Released, Told, Trace};

use crate::{GOOD, HELLO};

fn to(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

/// What the core shows, which is left out for this reason.
fn left_out(script: &Script, why: LeftOut) -> Trace {
    let core = bare::play(script, Drive { is_buffered: true, ..Drive::default() });
    assert_eq!((lacks(script), does_not_show(&core)), (None, Some(why)));
    core
}

#[test]
fn a_task_without_tls_is_not_led_to_it() {
    let script = Script::get().answered(to(302, "https://192.0.2.1/")).answered(HELLO);
    assert_eq!(left_out(&script, LeftOut::Tls).result, Ok(()));
    let trace = play(&script, GOOD);
    assert_eq!(trace.result, Err(Error::Transport(Transport::TlsUnavailable)));
    assert_eq!(trace.hops(), [(302, "https://192.0.2.1/")]);
}

#[test]
fn a_task_over_tls_is_led_to_nothing_else() {
    let elsewhere = ["http://192.0.2.1/", "https://192.0.2.1:444/", "https://other.example/"];
    for location in elsewhere {
        let mut script = Script::get().answered(to(302, location));
        script.url = "https://192.0.2.1/".into();
        let most = limits::REDIRECTS;
        script.options.redirects = RedirectPolicy::Follow { most, allows_downgrade: true };
        let core = left_out(&script.clone().answered(HELLO), LeftOut::Tls);
        assert_eq!(core.result, Ok(()));
        let trace = play_secure(&[443], &script, GOOD);
        assert_eq!(trace.result, Err(Error::Transport(Transport::OtherOrigin)), "{location}");
        assert_eq!(trace.hops(), [(302, location)]);
        assert_eq!(trace.released(), [Released::Reuse, Released::NotOpened]);
    }
}

#[test]
fn an_address_of_ipv6_has_no_address_here() {
    let script = Script::get().answered(to(302, "http://[2001:db8::1]/")).answered(HELLO);
    assert_eq!(left_out(&script, LeftOut::Ipv6).result, Ok(()));
    let trace = play(&script, GOOD);
    assert_eq!(trace.result, Err(Error::Transport(Transport::NameNotResolved)));
}

/// Not even where the host would have said that there is none.
#[test]
fn nobody_is_asked_for_a_second_body() {
    for say in [Say::Body, Say::NoBody] {
        let mut script = Script::new("POST", Body::pieces(["bo", "dy"])).asks(Question::NewBody);
        script.options.body_is_replayable = false;
        let script = script.reply(0, say).exchanges([&to(307, "/there"), HELLO]);
        let core = left_out(&script, LeftOut::NewBody);
        let trace = play(&script, GOOD);
        assert_eq!(trace.result, Err(Error::BodyExhausted));
        assert_eq!(trace.events, core.events[..1]);
        assert_eq!(core.events[1], Told::Asked(Question::NewBody));
    }
}

#[test]
fn a_connection_for_another_protocol_is_told_and_reset() {
    let fields = "Connection: upgrade\r\nUpgrade: x\r\n\r\n";
    let script = Script::get().field("Connection", "upgrade").field("Upgrade", "x");
    let script = script.answered_and_closed(format!("HTTP/1.1 101 X\r\n{fields}next protocol"));
    assert_eq!(left_out(&script, LeftOut::Upgraded).after_upgrade, b"next protocol");
    let trace = play(&script, GOOD);
    assert_eq!((trace.result, trace.statuses()), (Ok(()), vec![101]));
    assert!(trace.content.is_empty() && trace.after_upgrade.is_empty());
}

/// The network takes some microseconds: so long before the timeout an answer has to be sent.
#[test]
fn an_answer_is_in_time_up_to_the_timeout_and_the_time_of_the_network() {
    const TIMEOUT: u64 = 20_000;
    let script = |wait| {
        let steps = [Step::Expect(Part::Request), Step::Wait(wait), Step::Send(HELLO.into())];
        let mut script = Script::get().origin(steps);
        script.options.request_timeout = TIMEOUT;
        script
    };
    let just = script(TIMEOUT - 1);
    assert_eq!(lacks(&just), Some(LeftOut::JustInTime));
    assert_eq!(bare::play(&just, Drive::default()).result, Ok(()));
    let late = Err(Error::TimedOut(Timer::Request));
    let results: Vec<_> =
        (TIMEOUT - 100..TIMEOUT + 2).map(|wait| play(&script(wait), GOOD).result).collect();
    let in_time = results.iter().take_while(|result| **result == Ok(())).count();
    assert!((1..100).contains(&in_time), "{in_time}");
    assert!(results[in_time..].iter().all(|result| *result == late), "{results:?}");
}

#[test]
fn what_there_are_no_calls_for_is_not_played() {
    let redirected = Script::get().asks(Question::Redirect).answered(to(302, "/there"));
    let edited = Edited::new("GET", "http://192.0.2.1/edited");
    for (script, why) in [
        (Script::get().kind(TaskKind::Stream), LeftOut::Kind),
        (Script::get().kind(TaskKind::WebSocket), LeftOut::Kind),
        (redirected.reply(0, Say::FollowWith(edited)), LeftOut::FollowWith),
        (Script::get().command(When::At(u64::MAX / 2), What::Resume), LeftOut::Clock),
    ] {
        assert_eq!(lacks(&script), Some(why));
    }
}
