//! JSON: what is sent as it, and content that is it.

use std::collections::BTreeMap;

use futures_lite::future::block_on;
use sortie::{ErrorKind, JsonError, Request, Session};
use sortie_core::{Error, Limit, RequestError};

use crate::helpers::{answer, script};
use crate::{Near, Origin};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn json(status: &str, content: &str) -> String {
    let length = content.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{content}"
    )
}

fn numbers() -> BTreeMap<String, u32> {
    BTreeMap::from([("one".to_owned(), 1), ("two".to_owned(), 2)])
}

#[test]
fn a_value_is_sent_as_json_with_its_content_type() {
    let origin = Origin::new(vec![|near: &mut Near| {
        for wanted in ["application/json", "application/vnd.api+json"] {
            let head = near.request();
            assert_eq!(head.matches(&format!("\r\nContent-Type: {wanted}\r\n")).count(), 1);
            assert_eq!(head.to_lowercase().matches("content-type").count(), 1, "{head}");
            assert!(head.contains("\r\nContent-Length: 17\r\n"), "{head}");
            assert_eq!(near.exactly(17), br#"{"one":1,"two":2}"#);
            near.send(OK);
        }
    }]);
    // That of the request goes before that of the session.
    let session = Session::builder().additional_field("Content-Type", "text/plain").unwrap();
    let session = session.build();
    let post = || Request::new("POST", &origin.url).unwrap();
    session.data_blocking(post().json(&numbers()).unwrap()).unwrap();
    let other = post().field("content-type", "application/vnd.api+json").unwrap();
    let fields = other.json(&numbers()).unwrap();
    assert_eq!(fields.fields().count(), 1, "names compare without case");
    let other = post().field("Content-Type", "application/vnd.api+json").unwrap();
    session.data_blocking(other.json(&numbers()).unwrap()).unwrap();
    origin.done();
}

#[test]
fn a_value_that_is_no_json_is_refused_before_anything_is_sent() {
    let pairs = BTreeMap::from([((1, 2), 3)]);
    let post = Request::new("POST", "http://127.0.0.1:1/p").unwrap();
    let error = post.json(&pairs).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Json(JsonError::Unencodable));
    assert_eq!((error.failing_url(), error.code()), ("http://127.0.0.1:1/p", -1));
    assert!(error.to_string().contains("key must be a string"), "{error}");
    let get = Request::get("http://127.0.0.1:1/").unwrap();
    let error = get.json(&1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request(RequestError::BodyNotAllowed));
}

#[test]
fn content_is_decoded_in_every_way_to_ask_for_it() {
    let content = json("200 OK", r#"{"one":1,"two":2}"#);
    let origin = Origin::answering(&[content.as_str(); 6]);
    let session = Session::new();
    let (response, value) = session.json_blocking::<BTreeMap<String, u32>>(&origin.url).unwrap();
    assert_eq!((response.status(), value), (200, numbers()));
    block_on(async {
        let (_, value): (_, BTreeMap<_, _>) = session.json(&origin.url).await.unwrap();
        assert_eq!(value, numbers());
        let task = session.task(&origin.url).unwrap();
        task.resume();
        let (_, value) = task.json::<BTreeMap<String, u32>>().await.unwrap();
        assert_eq!(value, numbers());
        let builder = session.data_task(&origin.url);
        assert_eq!(builder.json::<BTreeMap<String, u32>>().await.unwrap().1, numbers());
        let (response, mut body) = session.bytes(&origin.url).await.unwrap();
        assert_eq!(response.field("content-type"), Some("application/json"));
        assert_eq!(body.json::<BTreeMap<String, u32>>().await.unwrap(), numbers());
        // A part of it may be read in another way before.
        let (_, mut body) = session.bytes(&origin.url).await.unwrap();
        body.read(&mut [0; 7]).await.unwrap();
        assert_eq!(body.json::<u32>().await.unwrap_err().code(), -1017);
    });
    origin.done();
}

#[test]
fn a_byte_order_mark_before_json_is_passed_over() {
    let origin = Origin::answering(&[&json("200 OK", "\u{feff}[1]")]);
    assert_eq!(Session::new().json_blocking::<Vec<u8>>(&origin.url).unwrap().1, [1]);
    origin.done();
}

#[test]
fn content_that_is_no_such_json_is_told_with_url_and_place() {
    let cases = [
        ("[1,\n  2, x]", JsonError::Syntax { line: 2, column: 6 }, "expected value"),
        ("<!doctype html>", JsonError::Syntax { line: 1, column: 1 }, "expected value"),
        ("[1, 2", JsonError::Incomplete { line: 1, column: 5 }, "EOF"),
        ("", JsonError::Incomplete { line: 1, column: 0 }, "EOF"),
        ("[1, 2] 3", JsonError::Syntax { line: 1, column: 8 }, "trailing"),
        ("[1, 300]", JsonError::Mismatch { line: 1, column: 7 }, "300"),
        ("{\"a\":1}", JsonError::Mismatch { line: 1, column: 0 }, "sequence"),
    ];
    let answers: Vec<String> = cases.iter().map(|case| json("200 OK", case.0)).collect();
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let origin = Origin::answering(&answers);
    let session = Session::new();
    for (content, wanted, words) in cases {
        let error = session.json_blocking::<Vec<u8>>(&origin.url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Json(wanted), "{content:?}: {error}");
        assert_eq!((error.failing_url(), error.code()), (origin.url.as_str(), -1017));
        let shown = error.to_string();
        assert!(shown.contains(&origin.url) && shown.contains(words), "{shown}");
        assert!(std::error::Error::source(&error).is_some(), "{error}");
    }
    origin.done();
}

/// What a server sends must not reach a terminal as it is.
#[test]
fn control_characters_of_content_are_not_shown() {
    let origin = Origin::answering(&[&json("200 OK", r#"{"\u001b[2J":1}"#)]);
    let error = Session::new().json_blocking::<Result<u8, u8>>(&origin.url).unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains("\u{fffd}[2J") && !shown.contains('\u{1b}'), "{shown}");
    origin.done();
}

#[test]
fn an_error_page_is_no_content_unless_it_is_asked_for() {
    let page = json("404 Not Found", "{\"error\":404}");
    let origin = Origin::new(vec![answer(page.clone()), answer(page)]);
    let session = Session::new();
    let error = session.json_blocking::<BTreeMap<String, u32>>(&origin.url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Status(404)));
    let task = session.task(&origin.url).unwrap();
    let (response, value) = block_on(task.json::<BTreeMap<String, u32>>()).unwrap();
    assert_eq!((response.status(), value["error"]), (404, 404));
    origin.done();
}

#[test]
fn json_is_bounded_as_other_content_is() {
    let origin = Origin::new(vec![script(|near| {
        near.request();
        let _ = near.send_if_wanted(json("200 OK", &format!("[{}1]", "1,".repeat(1000))));
        near.ended();
    })]);
    let session = Session::new();
    let task = session.data_task(&*origin.url).max_content(1000).create().unwrap();
    let error = block_on(task.json::<Vec<u8>>()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Limit(Limit::ContentBuffer)));
    origin.done();
}

#[test]
fn the_url_of_an_error_is_where_redirects_led() {
    let origin = Origin::answering(&[
        "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
        &json("200 OK", "no"),
    ]);
    let error = Session::new().json_blocking::<Vec<u8>>(&origin.url).unwrap_err();
    assert_eq!(error.failing_url(), format!("{}there", origin.url));
    origin.done();
}
