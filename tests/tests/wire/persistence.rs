//! Whether a connection can carry another exchange (RFC 9112 §9.3).

use sortie_core::{CloseReason, Error};
use sortie_tests::bare::{Drive, play, play_all};
use sortie_tests::origin::Split;
use sortie_tests::script::{Body, Part, Script, Step, What, When};

use crate::{HELLO, REUSE, answered, assert_err, assert_ok, chunked, closed, head_answered};

fn from(version: &str, fields: &str) -> String {
    format!("{version} 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello")
}

/// edge-net#26, edge-net#33: the server's wish was not seen.
#[test]
fn connection_options_and_version_decide() {
    for (version, fields, released) in [
        ("HTTP/1.1", "", REUSE),
        ("HTTP/1.1", "Connection: keep-alive\r\n", REUSE),
        ("HTTP/1.1", "Connection: close\r\n", closed(CloseReason::ServerClose)),
        ("HTTP/1.1", "connection:CLOSE\r\n", closed(CloseReason::ServerClose)),
        ("HTTP/1.1", "Connection: x-y , close\r\n", closed(CloseReason::ServerClose)),
        ("HTTP/1.1", "Connection: x\r\nConnection: close\r\n", closed(CloseReason::ServerClose)),
        ("HTTP/1.1", "Connection: ,, \t, close ,\r\n", closed(CloseReason::ServerClose)),
        ("HTTP/1.1", "Connection: closed, x-close\r\n", REUSE),
        ("HTTP/1.1", "Proxy-Connection: close\r\n", REUSE),
        ("HTTP/1.0", "", closed(CloseReason::Http10)),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", REUSE),
        ("HTTP/1.0", "Keep-Alive: timeout=5\r\n", closed(CloseReason::Http10)),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", closed(CloseReason::ServerClose)),
    ] {
        assert_ok(&answered(from(version, fields)), "hello", released);
    }
}

#[test]
fn a_response_without_body_follows_the_same_rules() {
    let no_content = |version, fields| format!("{version} 204 No Content\r\n{fields}\r\n");
    assert_ok(&answered(no_content("HTTP/1.1", "")), "", REUSE);
    let kept = no_content("HTTP/1.0", "Connection: keep-alive\r\n");
    assert_ok(&answered(kept), "", REUSE);
    assert_ok(&answered(no_content("HTTP/1.0", "")), "", closed(CloseReason::Http10));
    let close = no_content("HTTP/1.1", "Connection: close\r\n");
    assert_ok(&answered(close), "", closed(CloseReason::ServerClose));
}

#[test]
fn a_request_that_says_close_is_the_last_of_its_connection() {
    for value in ["close", "Close", "x, close"] {
        let script = Script::get().field("Connection", value).answered(HELLO);
        assert_ok(&play_all(&script), "hello", closed(CloseReason::ClientClose));
    }
}

/// bun#37436: bytes behind the last chunk were cut off and the connection used again, so that the
/// next request got them as its answer. ureq#1198.
#[test]
fn bytes_behind_a_response_are_dropped_and_the_connection_with_them() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";
    for response in [
        HELLO.to_owned(),
        chunked("5\r\nhello\r\n0\r\n\r\n"),
        chunked("5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
    ] {
        for excess in ["x", "\r\n", poison] {
            let trace = answered(format!("{response}{excess}"));
            assert_ok(&trace, "hello", closed(CloseReason::ExcessBytes));
        }
    }
    for response in ["HTTP/1.1 204 X\r\n\r\n", "HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n"] {
        let trace = answered(format!("{response}hello"));
        assert_ok(&trace, "", closed(CloseReason::ExcessBytes));
    }
    assert_ok(&head_answered(HELLO), "", closed(CloseReason::ExcessBytes));
    assert_ok(&answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx"), "", {
        closed(CloseReason::ExcessBytes)
    });
}

/// What was not read yet is the adapter's to find when it uses the connection again.
#[test]
fn bytes_behind_a_response_that_are_not_read_do_not_matter_to_it() {
    let script = Script::get().answered(format!("{HELLO}x"));
    let trace = play(&script, Drive::split(Split::At(HELLO.len())));
    assert_ok(&trace, "hello", REUSE);
}

/// async-h1 took an unread body for the next message: RUSTSEC-2020-0093; hyper#3995.
#[test]
fn a_body_that_is_not_read_to_its_end_closes_the_connection() {
    let script = Script::get()
        .command(When::At(0), What::Resume)
        .command(When::Received(3), What::Cancel)
        .origin([
            Step::Expect(Part::Request),
            Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel".into()),
            Step::Wait(1_000_000),
            Step::Send("lo".into()),
        ]);
    assert_err(&play_all(&script), "hel", Error::Canceled);
}

#[test]
fn an_answer_before_the_request_is_sent_closes_the_connection() {
    let script = Script::new("PUT", Body::Bytes(vec![b'x'; 100]))
        .origin([Step::Expect(Part::Bytes(60)), Step::Send(HELLO.into())]);
    assert_ok(&play_all(&script), "hello", closed(CloseReason::RequestUnfinished));
}

/// ureq#1074: the server's FIN lies right behind the last chunk.
#[test]
fn an_end_right_behind_the_response_takes_nothing_from_it() {
    for response in [HELLO.to_owned(), chunked("5\r\nhello\r\n0\r\n\r\n")] {
        assert_ok(&crate::answered_and_closed(response), "hello", REUSE);
    }
}
