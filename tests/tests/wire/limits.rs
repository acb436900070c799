//! Every limit, at its value and one beyond. ureq#1003, hyper#4081: the right error, kept strictly.

use sortie_core::{Error, Limit, limits};
use sortie_tests::bare::{Drive, play};
use sortie_tests::origin::Split;
use sortie_tests::script::Script;
use sortie_tests::trace::Trace;

use crate::{HELLO, REUSE, assert_err, assert_ok, chunked};

/// Plays an answer whole, bytewise, and on the runtimes; all show the same.
fn answered(response: String) -> Trace {
    let script = Script::get().answered(response);
    let whole = play(&script, Drive::default());
    let bytewise = play(&script, Drive::split(Split::Bytewise));
    assert_eq!(whole.clone().normalized(), bytewise.normalized());
    sortie_tests::replay::agrees(&script);
    whole
}

/// An answer whose head has so many bytes.
fn head_of(bytes: usize) -> String {
    let (start, end) = ("HTTP/1.1 200 OK\r\nX: ", "\r\nContent-Length: 5\r\n\r\n");
    let value = "x".repeat(bytes - start.len() - end.len());
    format!("{start}{value}{end}hello")
}

#[test]
fn bytes_of_a_head() {
    assert_ok(&answered(head_of(limits::HEAD_BYTES)), "hello", REUSE);
    for beyond in [1, 2, 100, 10_000] {
        let trace = answered(head_of(limits::HEAD_BYTES + beyond));
        assert_err(&trace, "", Error::Limit(Limit::HeadBytes));
    }
}

#[test]
fn a_head_without_end_is_given_up_at_the_limit() {
    for endless in [
        "x".repeat(limits::HEAD_BYTES * 2),
        "\r\n y".repeat(limits::HEAD_BYTES / 2),
        "\r\nX: y".repeat(limits::HEAD_BYTES / 3),
    ] {
        let trace = answered(format!("HTTP/1.1 200 OK\r\nX: {endless}"));
        assert_err(&trace, "", Error::Limit(Limit::HeadBytes));
    }
}

#[test]
fn fields_of_a_head() {
    let fields = |count: usize| {
        let fields = "X: y\r\n".repeat(count - 1);
        format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello")
    };
    assert_ok(&answered(fields(limits::HEAD_FIELDS)), "hello", REUSE);
    for beyond in [1, 2, 40] {
        let trace = answered(fields(limits::HEAD_FIELDS + beyond));
        assert_err(&trace, "", Error::Limit(Limit::HeadFields));
    }
}

#[test]
fn any_number_of_fields_below_the_limit() {
    for count in 0..100 {
        let fields: String = (0..count).map(|n| format!("N{n}: {n}\r\n")).collect();
        let response = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello");
        let trace = answered(response);
        assert_ok(&trace, "hello", REUSE);
        for n in 0..count {
            assert_eq!(trace.values(&format!("n{n}")), [n.to_string()]);
        }
    }
}

/// A small device lends a small buffer: then that is the limit. reqwless#33.
#[test]
fn a_head_that_does_not_fit_in_the_lent_buffer() {
    let response = head_of(500);
    for split in [Split::Whole, Split::Bytewise, Split::At(499)] {
        let script = Script::get().answered(response.as_str());
        let drive = |input| Drive { input, ..Drive::split(split) };
        assert_ok(&play(&script, drive(500)), "hello", REUSE);
        let trace = play(&script, drive(499));
        assert_err(&trace, "", Error::Limit(Limit::HeadBuffer));
    }
}

/// A small device is told how large a buffer it should have lent.
#[test]
fn a_head_that_does_not_fit_is_read_to_its_end_where_it_is_measured() {
    let response = head_of(500);
    for split in [Split::Whole, Split::Bytewise, Split::At(499)] {
        let mut script = Script::get().answered(response.as_str());
        script.options.measures_heads = true;
        let drive = |input| Drive { input, ..Drive::split(split) };
        assert_ok(&play(&script, drive(500)), "hello", REUSE);
        for input in [20, 100, 498, 499] {
            let trace = play(&script, drive(input));
            assert_err(&trace, "", Error::Limit(Limit::HeadBuffer));
        }
    }
}

#[test]
fn bytes_of_a_size_line() {
    let most = usize::from(limits::CHUNK_LINE_BYTES);
    let line = |bytes: usize| {
        let extension = "x".repeat(bytes - "5;\r\n".len());
        chunked(&format!("5;{extension}\r\nhello\r\n0\r\n\r\n"))
    };
    assert_ok(&answered(line(most)), "hello", REUSE);
    assert_err(&answered(line(most + 1)), "", Error::Limit(Limit::ChunkLine));
    let zeros = |bytes: usize| {
        let zeros = "0".repeat(bytes - "5\r\n".len());
        chunked(&format!("{zeros}5\r\nhello\r\n0\r\n\r\n"))
    };
    assert_ok(&answered(zeros(most)), "hello", REUSE);
    assert_err(&answered(zeros(most + 1)), "", Error::Limit(Limit::ChunkLine));
}

/// RUSTSEC-2026-0181: kilobytes of extension around each byte.
#[test]
fn bytes_of_extensions_in_all() {
    let chunk = |extra: usize| format!("1;{}\r\nx\r\n", "y".repeat(extra));
    let many = |count: usize| chunked(&format!("{}0\r\n\r\n", chunk(2000).repeat(count)));
    assert_ok(&answered(many(30)), &"x".repeat(30), REUSE);
    let trace = answered(many(40));
    assert_eq!(trace.result, Err(Error::Limit(Limit::ChunkOverhead)));
    assert!(trace.content.len() < 40 && trace.content.len() >= 30);
}

#[test]
fn small_extensions_may_go_on_for_ever() {
    let chunk = "1;a=bcdefg;hijkl=\r\nx\r\n";
    let trace = answered(chunked(&format!("{}0\r\n\r\n", chunk.repeat(10_000))));
    assert_ok(&trace, &"x".repeat(10_000), REUSE);
}

#[test]
fn bytes_of_a_trailer_section() {
    let most = usize::from(limits::TRAILER_BYTES);
    let trailer = |bytes: usize| {
        let value = "x".repeat(bytes - "X: \r\n\r\n".len());
        chunked(&format!("5\r\nhello\r\n0\r\nX: {value}\r\n\r\n"))
    };
    assert_ok(&answered(trailer(most)), "hello", REUSE);
    assert_err(&answered(trailer(most + 1)), "hello", Error::Limit(Limit::Trailers));
    let lines = format!("5\r\nhello\r\n0\r\n{}\r\n", "X: y\r\n".repeat(most));
    assert_err(&answered(chunked(&lines)), "hello", Error::Limit(Limit::Trailers));
}

#[test]
fn interim_responses() {
    let interims = |count: usize| "HTTP/1.1 100 Continue\r\n\r\n".repeat(count);
    let most = usize::from(limits::INTERIM_RESPONSES);
    let trace = answered(format!("{}{HELLO}", interims(most)));
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.events.len(), most + 1);
    let trace = answered(format!("{}{HELLO}", interims(most + 1)));
    assert_err(&trace, "", Error::Limit(Limit::InterimResponses));
    assert_eq!(trace.events.len(), most);
}
