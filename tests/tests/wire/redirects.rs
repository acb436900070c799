//! Redirects (RFC 9110 §15.4): which are followed, with what, and what becomes of the connection.

use sortie_core::{
    CloseReason, Error, Limit, Question, RedirectError, RedirectPolicy, TaskKind, Transport, limits,
};
use sortie_tests::bare::{Drive, play, play_all};
use sortie_tests::script::{Body, Edited, Part, Say, Script, Step, URL};
use sortie_tests::trace::{Told, Trace};

use crate::{HELLO, REUSE, closed};

/// Where the second hop of most scripts leads, on the same origin.
const THERE: &str = "http://192.0.2.1/there";
/// Another origin.
const AWAY: &str = "http://192.0.2.2/away";

/// A redirect without content.
fn to(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

fn with_body(method: &str) -> Script {
    Script::new(method, Body::Bytes(b"body".into())).field("Content-Type", "text/plain")
}

/// The first line of each request.
fn lines(trace: &Trace) -> Vec<String> {
    let first = |request: String| request.lines().next().unwrap_or_default().to_owned();
    trace.requests().into_iter().map(first).collect()
}

/// `script` goes to `location` by a redirect of `status` and is answered there.
fn followed(script: Script, status: u16, location: &str) -> Trace {
    let is_path = location.starts_with('/') && !location.starts_with("//");
    let second = if is_path || location.starts_with(URL) {
        script.exchanges([&to(status, location), HELLO])
    } else {
        script.answered(to(status, location)).answered(HELLO)
    };
    play_all(&second)
}

#[track_caller]
fn assert_hello(trace: &Trace) {
    assert_eq!(trace.result, Ok(()), "{trace:?}");
    assert_eq!(trace.text(), "hello");
    assert_eq!(trace.statuses(), [200], "a redirect that is followed is no response");
}

// Which statuses.

#[test]
fn these_are_delivered_though_they_have_a_location() {
    for status in [300, 304, 305, 306, 201, 299, 399] {
        let body = if status == 304 { "" } else { "hello" };
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status} X\r\nLocation: /x\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let trace = play_all(&Script::get().answered(response));
        assert_eq!((trace.result, trace.statuses()), (Ok(()), vec![status]));
        assert_eq!((trace.text().as_str(), trace.released()), (body, vec![REUSE]));
    }
}

#[test]
fn these_lead_to_another_request_on_the_same_connection() {
    for status in [301, 302, 303, 307, 308] {
        let trace = followed(Script::get(), status, "/there");
        assert_hello(&trace);
        assert_eq!(trace.hops(), [(status, THERE)]);
        assert_eq!(lines(&trace), ["GET / HTTP/1.1", "GET /there HTTP/1.1"]);
        assert_eq!(trace.released(), [REUSE]);
    }
}

#[test]
fn without_a_location_a_redirect_is_the_result() {
    for status in [301, 302, 303, 307, 308] {
        let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\nhello");
        let trace = play_all(&Script::get().answered(response));
        assert_eq!((trace.result, trace.statuses()), (Ok(()), vec![status]));
        assert_eq!((trace.text().as_str(), trace.released()), ("hello", vec![REUSE]));
    }
}

#[test]
fn a_policy_can_deliver_them_all() {
    for status in [301, 302, 303, 307, 308] {
        let mut script = with_body("POST").answered(format!(
            "HTTP/1.1 {status} X\r\nLocation: /there\r\nContent-Length: 5\r\n\r\nhello"
        ));
        script.options.redirects = RedirectPolicy::Deliver;
        let trace = play_all(&script);
        assert_eq!((trace.result, trace.statuses()), (Ok(()), vec![status]));
        assert_eq!((trace.text().as_str(), trace.values("Location").len()), ("hello", 1));
    }
}

// Method and body.

/// RFC 9110 §15.4.2 and §15.4.3 let clients do so, and all do.
#[test]
fn a_post_becomes_a_get_by_301_and_302_and_other_methods_stay() {
    for status in [301, 302] {
        let trace = followed(with_body("POST"), status, "/there");
        assert_hello(&trace);
        assert_eq!(lines(&trace), ["POST / HTTP/1.1", "GET /there HTTP/1.1"]);
        assert_eq!(trace.requests()[1], "GET /there HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
        for method in ["PUT", "PATCH", "DELETE", "Purge"] {
            let trace = followed(with_body(method), status, "/there");
            assert_hello(&trace);
            assert!(trace.requests()[1].starts_with(&format!("{method} /there ")));
            assert!(trace.requests()[1].ends_with("\r\n\r\nbody"));
        }
        for method in ["HEAD", "OPTIONS"] {
            let script = Script::new(method, Body::None);
            let trace =
                play_all(&script.exchanges([&to(status, "/there"), "HTTP/1.1 204 X\r\n\r\n"]));
            assert_eq!(trace.result, Ok(()));
            assert_eq!(lines(&trace)[1], format!("{method} /there HTTP/1.1"));
        }
    }
}

#[test]
fn every_method_becomes_a_get_by_303_but_head_stays() {
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let trace = followed(with_body(method), 303, "/there");
        assert_hello(&trace);
        assert_eq!(trace.requests()[1], "GET /there HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
        assert_eq!((trace.counts.sent, trace.counts.expected_to_send), (0, Some(0)));
    }
    let head = Script::new("HEAD", Body::None);
    let trace = play_all(&head.exchanges([&to(303, "/there"), "HTTP/1.1 204 X\r\n\r\n"]));
    assert_eq!(lines(&trace), ["HEAD / HTTP/1.1", "HEAD /there HTTP/1.1"]);
}

#[test]
fn method_and_body_stay_by_307_and_308() {
    for status in [307, 308] {
        for method in ["POST", "PUT", "PATCH"] {
            for body in [Body::Bytes(b"body".into()), Body::pieces(["bo", "dy"])] {
                let trace = followed(Script::new(method, body), status, "/there");
                assert_hello(&trace);
                let requests = trace.requests();
                assert_eq!(requests[0].replacen(" / ", " /there ", 1), requests[1]);
                assert!(trace.events.contains(&Told::BodyRestarted));
                assert_eq!(trace.counts.sent, 4, "counts begin again with each hop");
            }
        }
    }
}

/// What the caller said about a body that is gone would describe another one.
#[test]
fn fields_about_the_body_go_with_it_and_others_stay() {
    let script = with_body("POST")
        .field("Content-Encoding", "x")
        .field("Content-Language", "en")
        .field("Content-Location", "/a")
        .field("Content-Digest", "x=:eA==:")
        .field("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
        .field("Expect", "100-continue")
        .field("X-Other", "1");
    let script = script.origin([
        Step::Expect(Part::Head),
        Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".into()),
        Step::Expect(Part::Request),
        Step::Send(to(303, "/there").into()),
        Step::Next,
        Step::Expect(Part::Request),
        Step::Send(HELLO.into()),
    ]);
    // Desktop sets the length by itself.
    let with_length = script.clone().field("Content-Length", "4");
    for trace in [play_all(&script), play(&with_length, Drive::default())] {
        assert_eq!(trace.result, Ok(()));
        let get = "GET /there HTTP/1.1\r\nHost: 192.0.2.1\r\nX-Other: 1\r\n\r\n";
        assert_eq!(trace.requests()[1], get);
    }
}

/// Once dropped, the body does not come back.
#[test]
fn a_chain_that_dropped_the_body_goes_on_without_it() {
    let trace = play_all(&with_body("POST").exchanges([
        &to(302, "/a"),
        &to(307, "/b"),
        &to(301, "/c"),
        &to(303, "/d"),
        HELLO,
    ]));
    assert_hello(&trace);
    assert_eq!(lines(&trace)[1..], ["/a", "/b", "/c", "/d"].map(|p| format!("GET {p} HTTP/1.1")));
}

// Where to.

#[test]
fn a_location_is_resolved_against_the_current_url() {
    let mut script = Script::get().exchanges([
        &to(302, "/a/b?q=%20x"),
        &to(302, "c"),
        &to(302, "../d"),
        &to(302, "?e"),
        &to(302, "//192.0.2.1:80/f"),
        HELLO,
    ]);
    script.url = "http://192.0.2.1/start#part".into();
    let trace = play_all(&script);
    assert_hello(&trace);
    let urls = [
        "http://192.0.2.1/a/b?q=%20x#part",
        "http://192.0.2.1/a/c#part",
        "http://192.0.2.1/d#part",
        "http://192.0.2.1/d?e#part",
        "http://192.0.2.1:80/f#part",
    ];
    assert_eq!(trace.hops(), urls.map(|url| (302, url)));
    assert_eq!(trace.released(), [REUSE], "a default port is no other origin");
}

#[test]
fn another_host_port_or_scheme_is_another_connection() {
    for (location, destination) in [
        (AWAY, "http 192.0.2.2 80"),
        ("http://192.0.2.1:8080/", "http 192.0.2.1 8080"),
        ("https://192.0.2.1/", "https 192.0.2.1 443"),
        ("http://[2001:db8::1]/", "http 2001:db8::1 80"),
    ] {
        let trace = followed(Script::get(), 302, location);
        assert_hello(&trace);
        assert_eq!(trace.destinations(), ["http 192.0.2.1 80", destination]);
        assert_eq!(trace.released(), [REUSE, REUSE]);
    }
}

#[test]
fn a_location_that_is_no_url_fails_the_task() {
    for location in ["http://", "http:///x", "http://a:99999/", "http:x", "http://a b/"] {
        let trace = play_all(&Script::get().answered(to(302, location)));
        let error = Error::Redirect(RedirectError::Location);
        assert_eq!((trace.result, error.code()), (Err(error), -1010), "{location}");
        assert_eq!(trace.events, [], "there is no response");
        assert_eq!(trace.released(), [closed(CloseReason::Failed)]);
    }
}

/// RFC 9110 §4.2.4: `http://bank.example@192.0.2.2/` leads to the address behind the `@`.
#[test]
fn a_location_that_names_a_user_fails_the_task() {
    for location in
        ["http://a@192.0.2.1/", "http://bank.example:80@192.0.2.2/", "//u:p@a/", "//@a/"]
    {
        let trace = play_all(&Script::get().answered(to(302, location)));
        assert_eq!(trace.result, Err(Error::Redirect(RedirectError::Location)), "{location}");
    }
    let user = "http://me:secret@192.0.2.1/";
    for location in ["/there", "http://me:secret@192.0.2.1/there", "http://192.0.2.1/there"] {
        let script = Script { url: user.into(), ..Script::get() };
        let trace = play_all(&script.exchanges([&to(302, location), HELLO]));
        assert_hello(&trace);
        assert!(trace.requests().iter().all(|request| !request.contains("secret")));
    }
}

/// A chain of proxies may believe one, and a client another.
#[test]
fn two_locations_must_be_equal() {
    let twice = |first, second| {
        let fields = format!("Location: {first}\r\nLocation: {second}\r\nContent-Length: 0");
        Script::get().exchanges([&format!("HTTP/1.1 302 X\r\n{fields}\r\n\r\n"), HELLO])
    };
    assert_hello(&play_all(&twice("/a", "/a")));
    let trace = play_all(&twice("/a", "/b"));
    assert_eq!(trace.result, Err(Error::Redirect(RedirectError::Location)));
}

#[test]
fn a_scheme_that_no_task_speaks_fails_the_task() {
    for location in ["ftp://a/", "mailto:a@b", "file:///etc/passwd", "ws://a/", "data:,x"] {
        let trace = play_all(&Script::get().answered(to(302, location)));
        let error = Error::Redirect(RedirectError::Scheme);
        assert_eq!((trace.result, error.code()), (Err(error), -1002), "{location}");
    }
}

#[test]
fn from_https_to_http_only_where_that_is_allowed() {
    let mut script = Script::get();
    script.url = "https://192.0.2.1/".into();
    let trace = play_all(&script.clone().answered(to(302, AWAY)));
    let error = Error::Redirect(RedirectError::Downgrade);
    assert_eq!((trace.result, error.code()), (Err(error), -1022));
    assert_eq!(trace.destinations(), ["https 192.0.2.1 443"]);

    let most = limits::REDIRECTS;
    script.options.redirects = RedirectPolicy::Follow { most, allows_downgrade: true };
    let trace = play_all(&script.answered(to(302, AWAY)).answered(HELLO));
    assert_hello(&trace);
    assert_eq!(trace.destinations(), ["https 192.0.2.1 443", "http 192.0.2.2 80"]);
}

/// Before the host could say yes to it.
#[test]
fn a_downgrade_is_refused_before_the_host_is_asked() {
    let mut script = Script::get().asks(Question::Redirect).reply(0, Say::Follow);
    script.url = "https://192.0.2.1/".into();
    let trace = play_all(&script.answered(to(302, AWAY)));
    assert_eq!(trace.result, Err(Error::Redirect(RedirectError::Downgrade)));
    assert_eq!(trace.events, []);
}

#[test]
fn a_buffer_that_is_too_small_for_the_url_ends_the_task_where_no_other_is_lent() {
    let script = Script::get().answered(to(302, THERE));
    for (target, error) in [(THERE.len() - 1, Limit::TargetBuffer), (0, Limit::TargetBuffer)] {
        let drive = Drive { target, target_grows: false, ..Drive::default() };
        assert_eq!(play(&script, drive).result, Err(Error::Limit(error)));
    }
    let script = Script::get().exchanges([&to(302, THERE), HELLO]);
    let drive = Drive { target: THERE.len(), target_grows: false, ..Drive::default() };
    assert_hello(&play(&script, drive));
}

#[test]
fn a_url_that_is_too_long_is_none() {
    let long = "x".repeat(limits::URL_BYTES);
    let trace = play_all(&Script::get().answered(to(302, &long)));
    assert_eq!(trace.result, Err(Error::Redirect(RedirectError::Location)));
}

// How many.

fn chain(hops: u8) -> Vec<Step> {
    let mut steps = Vec::new();
    for hop in 0..hops {
        let redirect = to(302, &format!("/{hop}"));
        steps.extend([Step::Expect(Part::Request), Step::Send(redirect.into()), Step::Next]);
    }
    steps.extend([Step::Expect(Part::Request), Step::Send(HELLO.into())]);
    steps
}

#[test]
fn twenty_are_followed_and_the_next_fails_the_task() {
    let trace = play_all(&Script::get().origin(chain(20)));
    assert_hello(&trace);
    assert_eq!((trace.hops().len(), trace.requests().len()), (20, 21));

    let trace = play_all(&Script::get().origin(chain(21)));
    let error = Error::Redirect(RedirectError::TooMany);
    assert_eq!((trace.result, error.code()), (Err(error), -1007));
    assert_eq!((trace.hops().len(), trace.requests().len()), (20, 21));
    assert_eq!(trace.statuses(), [0; 0], "there is no response");
}

/// Whoever approves them, and one by one.
#[test]
fn an_approval_does_not_lift_the_cap() {
    let mut script = Script::get().asks(Question::Redirect).origin(chain(21));
    for _ in 0..21 {
        script = script.reply(0, Say::Follow);
    }
    let trace = play_all(&script);
    assert_eq!(trace.result, Err(Error::Redirect(RedirectError::TooMany)));
    let asked = |told: &&Told| **told == Told::Asked(Question::Redirect);
    assert_eq!(trace.events.iter().filter(asked).count(), 20);
}

#[test]
fn a_task_may_follow_fewer() {
    for most in 0..3 {
        let mut script = Script::get().origin(chain(most + 1));
        script.options.redirects = RedirectPolicy::Follow { most, allows_downgrade: false };
        let trace = play_all(&script);
        assert_eq!(trace.result, Err(Error::Redirect(RedirectError::TooMany)));
        assert_eq!(trace.hops().len(), usize::from(most));
    }
}

#[test]
fn an_origin_that_refuses_the_next_hop_fails_the_task() {
    let script = Script::get().answered(to(302, AWAY)).origin([Step::Refuse]);
    let trace = play_all(&script);
    assert_eq!(trace.result, Err(Error::Transport(Transport::Refused)));
    assert_eq!(trace.hops(), [(302, AWAY)]);
}

// Credentials and Host.

const SECRETS: [(&str, &str); 4] = [
    ("Authorization", "Basic eA=="),
    ("Cookie", "a=b"),
    ("Proxy-Authorization", "Basic eQ=="),
    ("Referer", "https://192.0.2.1/secret"),
];

fn with_secrets() -> Script {
    let script = Script::get().field("X-Own", "kept").field("Host", "virtual.example");
    SECRETS.into_iter().fold(script, |script, (name, value)| script.field(name, value))
}

fn has_secrets(request: &str) -> bool {
    let has = SECRETS.map(|(name, value)| request.contains(&format!("\r\n{name}: {value}\r\n")));
    let all = has.iter().all(|has| *has);
    assert!(all || !has.iter().any(|has| *has), "all or none: {request}");
    all
}

#[test]
fn credentials_and_a_host_of_the_callers_stay_within_an_origin() {
    let trace = followed(with_secrets(), 302, "/there");
    assert_hello(&trace);
    for request in trace.requests() {
        assert!(has_secrets(&request) && request.contains("\r\nHost: virtual.example\r\n"));
        assert!(request.contains("\r\nX-Own: kept\r\n"));
    }
}

#[test]
fn credentials_and_a_host_of_the_callers_never_reach_another_origin() {
    for (location, host) in [
        (AWAY, "192.0.2.2"),
        ("http://192.0.2.1:8080/", "192.0.2.1:8080"),
        ("https://192.0.2.1/", "192.0.2.1"),
        ("//192.0.2.11/", "192.0.2.11"),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let trace = followed(with_secrets(), status, location);
            assert_hello(&trace);
            let second = trace.request(1);
            assert!(has_secrets(&trace.request(0)) && !has_secrets(&second), "{second}");
            assert!(second.contains(&format!("\r\nHost: {host}\r\n")), "{second}");
            assert!(second.contains("\r\nX-Own: kept\r\n"));
        }
    }
}

/// Otherwise the other origin could send them where it likes, with a path of its choice.
#[test]
fn credentials_do_not_come_back_with_the_first_origin() {
    let script = with_secrets()
        .exchanges([&to(302, "/a"), &to(302, AWAY), HELLO])
        .answered(to(302, "http://192.0.2.1/back"));
    let trace = play_all(&script);
    assert_hello(&trace);
    assert_eq!(trace.destinations().len(), 2, "the first connection is used again");
    let requests = trace.requests();
    let seen: Vec<_> = requests.iter().map(|request| has_secrets(request)).collect();
    // The requests of the first origin, then that of the other.
    assert_eq!(seen, [true, true, false, false]);
    assert!(requests[2].starts_with("GET /back HTTP/1.1\r\nHost: 192.0.2.1\r\n"));
}

// The connection.

#[test]
fn the_body_of_a_redirect_is_read_away_and_not_counted() {
    let framed = |location: &str| {
        [
            format!("HTTP/1.1 302 X\r\nLocation: {location}\r\nContent-Length: 6\r\n\r\nmoved!"),
            format!(
                "HTTP/1.1 302 X\r\nLocation: {location}\r\nTransfer-Encoding: chunked\r\n\r\n\
                 6;x=y\r\nmoved!\r\n0\r\nX: y\r\n\r\n"
            ),
        ]
    };
    for redirect in framed("/there") {
        let trace = play_all(&Script::get().exchanges([&redirect, HELLO]));
        assert_hello(&trace);
        assert_eq!((trace.counts.received, trace.counts.expected_to_receive), (5, Some(5)));
        assert_eq!(trace.released(), [REUSE]);
    }
    for redirect in framed(AWAY) {
        let trace = play_all(&Script::get().answered(redirect).answered(HELLO));
        assert_hello(&trace);
        assert_eq!(trace.released(), [REUSE, REUSE]);
    }
}

/// Also a download's: nothing of it reaches the file.
#[test]
fn a_body_up_to_the_limit_is_read_and_a_longer_one_costs_the_connection() {
    let most = usize::from(limits::REDIRECT_BODY_BYTES);
    let redirect = |length: usize| {
        let body = "x".repeat(length);
        format!("HTTP/1.1 302 X\r\nLocation: /there\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let script = Script::get().kind(TaskKind::Download);
    let trace = play_all(&script.clone().exchanges([&redirect(most), HELLO]));
    assert_hello(&trace);
    assert_eq!(trace.released(), [REUSE]);
    let trace = play_all(&script.answered(redirect(most + 1)).answered(HELLO));
    assert_hello(&trace);
    assert_eq!(trace.released(), [closed(CloseReason::Unwanted), REUSE]);
}

#[test]
fn a_chunked_body_is_read_up_to_the_limit_and_no_further() {
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    for (chunks, released) in [(3, vec![REUSE]), (5, vec![closed(CloseReason::Unwanted), REUSE])] {
        let head = "HTTP/1.1 302 X\r\nLocation: /there\r\nTransfer-Encoding: chunked\r\n\r\n";
        let redirect = format!("{head}{}0\r\n\r\n", chunk.repeat(chunks));
        let script = match chunks {
            3 => Script::get().exchanges([&redirect, HELLO]),
            _ => Script::get().answered(redirect).answered(HELLO),
        };
        let trace = play_all(&script);
        assert_hello(&trace);
        assert_eq!(trace.released(), released);
    }
}

/// A body that ends with the connection, one that breaks, and a server that will not go on.
#[test]
fn a_connection_that_is_of_no_more_use_is_closed_and_the_redirect_is_followed() {
    let start = "HTTP/1.1 302 X\r\nLocation: /there\r\n";
    for (rest, reason) in [
        ("\r\nmoved", CloseReason::CloseDelimited),
        ("Connection: close\r\nContent-Length: 0\r\n\r\n", CloseReason::ServerClose),
        ("Content-Length: 9\r\n\r\nmoved", CloseReason::Unwanted),
        ("Transfer-Encoding: chunked\r\n\r\nmoved", CloseReason::Unwanted),
    ] {
        let script = Script::get().answered_and_closed(format!("{start}{rest}")).answered(HELLO);
        let trace = play_all(&script);
        assert_hello(&trace);
        assert_eq!(trace.released()[1..], [REUSE]);
        assert_eq!(trace.released()[0], closed(reason), "{rest:?}");
    }
}

#[test]
fn a_connection_given_back_after_a_redirect_may_be_dead_by_the_next_request() {
    for end in [Step::Close, Step::Reset] {
        for expects in [vec![], vec![Step::Expect(Part::Request)]] {
            let mut steps = vec![Step::Expect(Part::Request), Step::Send(to(302, "/there").into())];
            steps.push(Step::Next);
            steps.extend(expects);
            steps.push(end.clone());
            let trace = play_all(&Script::get().origin(steps).answered(HELLO));
            assert_hello(&trace);
            assert_eq!(trace.released(), [closed(CloseReason::Stale), REUSE]);
            assert!(trace.request(1).starts_with("GET /there "));
        }
    }
}

/// Each hop has its own retry.
#[test]
fn a_retry_of_one_hop_leaves_the_next_one_its_own() {
    let redirect = [
        Step::Expect(Part::Request),
        Step::Send(to(302, "/there").into()),
        Step::Next,
        Step::Close,
    ];
    let script = Script::get().reused_origin([Step::Close]).origin(redirect).answered(HELLO);
    let trace = play_all(&script);
    assert_hello(&trace);
    let stale = closed(CloseReason::Stale);
    assert_eq!(trace.released(), [stale, stale, REUSE]);
}

// While the request is still being sent.

#[test]
fn an_early_redirect_stops_the_upload_and_is_followed_with_it() {
    for status in [307, 308] {
        for taken in [Part::Head, Part::Bytes(100)] {
            let script = Script::new("PUT", Body::Bytes(vec![b'x'; 1000]))
                .origin([Step::Expect(taken), Step::Send(to(status, "/there").into())])
                .answered(HELLO);
            let trace = play_all(&script);
            assert_hello(&trace);
            assert_eq!(trace.released(), [closed(CloseReason::RequestUnfinished), REUSE]);
            assert_eq!(trace.counts.sent, 1000, "all of it goes to where it is wanted");
            assert!(trace.request(1).starts_with("PUT /there "));
        }
    }
}

#[test]
fn a_redirect_instead_of_100_spares_the_body() {
    for body in [Body::Bytes(b"body".into()), Body::pieces(["bo", "dy"])] {
        let mut script = Script::new("PUT", body).field("Expect", "100-continue");
        // It was not touched, so nobody needs to be asked for it again.
        script.options.body_is_replayable = false;
        let script = script
            .origin([Step::Expect(Part::Head), Step::Send(to(307, "/there").into())])
            .origin([
                Step::Expect(Part::Head),
                Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".into()),
                Step::Expect(Part::Request),
                Step::Send(HELLO.into()),
            ]);
        let trace = play_all(&script);
        assert_eq!((trace.result, trace.statuses()), (Ok(()), vec![100, 200]));
        assert!(!trace.events.contains(&Told::BodyRestarted), "none was begun");
        assert!(trace.request(0).ends_with("\r\n\r\n"));
        assert_eq!(trace.released()[0], closed(CloseReason::RequestUnfinished));
        assert!(trace.request(1).contains("Expect: 100-continue\r\n"));
    }
}

// A body that can be had once.

fn stream(status: u16) -> Script {
    let mut script = Script::new("POST", Body::pieces(["bo", "dy"]));
    script.options.body_is_replayable = false;
    script.exchanges([&to(status, "/there"), HELLO])
}

#[test]
fn a_body_from_a_stream_is_asked_for_once_more() {
    let script = stream(307).asks(Question::NewBody).reply(5, Say::Body);
    let trace = play_all(&script);
    assert_hello(&trace);
    let redirected = Told::Redirected { status: 307, to: THERE.into() };
    let asked = Told::Asked(Question::NewBody);
    assert_eq!(trace.events[..3], [redirected, asked, Told::BodyRestarted]);
    assert!(trace.requests()[1].ends_with("\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"));
    assert_eq!(trace.counts.sent, 4);
}

#[test]
fn a_body_that_cannot_be_had_again_fails_the_task() {
    let asked = stream(307).asks(Question::NewBody).reply(0, Say::NoBody);
    for script in [stream(307), stream(308), asked] {
        let trace = play_all(&script);
        assert_eq!(trace.result, Err(Error::BodyExhausted));
        assert_eq!(Error::BodyExhausted.code(), -1021);
    }
}

#[test]
fn a_stream_is_not_asked_for_where_no_body_is_sent_any_more() {
    for status in [301, 302, 303] {
        let trace = play_all(&stream(status).asks(Question::NewBody));
        assert_hello(&trace);
        assert!(!trace.events.contains(&Told::Asked(Question::NewBody)));
        assert!(!trace.events.contains(&Told::BodyRestarted));
    }
}

/// The host answers with a request that takes no body: the used-up one is not missed.
#[test]
fn an_edited_request_without_a_body_needs_no_stream() {
    let script = stream(307)
        .asks(Question::Redirect)
        .reply(0, Say::FollowWith(Edited::new("GET", "http://192.0.2.1/edited")));
    let trace = play_all(&script);
    assert_hello(&trace);
    assert_eq!(lines(&trace)[1], "GET /edited HTTP/1.1");
}
