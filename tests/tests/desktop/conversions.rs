//! To the types of the `http` crate and back.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use sortie::{ErrorKind, Request, Session};
use sortie_core::{RequestError, UrlError};

use crate::helpers::answer;
use crate::{Near, Origin};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn fields(request: &Request) -> Vec<(&str, &[u8])> {
    request.fields().collect()
}

#[test]
fn a_request_of_the_http_crate_is_sent_with_all_that_it_says() {
    let origin = Origin::new(vec![|near: &mut Near| {
        let head = near.request();
        assert!(head.starts_with("PATCH /a?b=c HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nx-one: 1\r\n") && head.contains("\r\ncontent-length: 4\r\n"));
        let (first, second) = (head.find("x-two: a").unwrap(), head.find("x-two: b").unwrap());
        assert!(first < second, "{head}");
        assert_eq!(near.exactly(4), b"body");
        near.send(OK);
    }]);
    let request = http::Request::patch(format!("{}a?b=c#here", origin.url))
        .header("X-Two", "a")
        .header("X-One", "1")
        .header("X-Two", "b")
        .header("Content-Length", 4)
        .body("body")
        .unwrap();
    assert_eq!(Session::new().data_blocking(request).unwrap().1, b"ok");
    origin.done();
}

#[test]
fn content_of_every_kind_is_taken_and_empty_content_is_none() {
    fn body_of<B: sortie::IntoContent>(content: B) -> Vec<u8> {
        let request = http::Request::put("http://127.0.0.1/").body(content).unwrap();
        let request = Request::try_from(request).unwrap();
        http::Request::try_from(request).unwrap().into_body()
    }
    assert_eq!(body_of(()), b"");
    assert_eq!(body_of(None::<String>), b"");
    assert_eq!(body_of(Some("text")), b"text");
    assert_eq!(body_of("text".to_owned()), b"text");
    assert_eq!(body_of(vec![1, 2]), [1, 2]);
    assert_eq!(body_of(&[1, 2][..]), [1, 2]);
    assert_eq!(body_of(vec![1, 2].into_boxed_slice()), [1, 2]);
    assert_eq!(body_of(Cow::Borrowed(&[1, 2][..])), [1, 2]);
    assert_eq!(body_of(bytes::Bytes::from_static(b"text")), b"text");
    // A GET has no body, but many carry an empty one.
    let get = http::Request::get("http://127.0.0.1/").body(Vec::new()).unwrap();
    assert!(Request::try_from(get).is_ok());
}

#[test]
fn a_request_that_cannot_be_sent_is_refused_with_the_reason() {
    let kind = |request: http::Request<&str>| Request::try_from(request).unwrap_err().kind();
    let with = |uri: &str| http::Request::post(uri).body("").unwrap();
    assert_eq!(kind(with("/only/a/path")), ErrorKind::Url(UrlError::NoScheme));
    assert_eq!(kind(with("ftp://127.0.0.1/")), ErrorKind::Url(UrlError::UnsupportedScheme));
    let get = http::Request::get("http://127.0.0.1/").body("body").unwrap();
    assert_eq!(kind(get), ErrorKind::Request(RequestError::BodyNotAllowed));
    let short = http::Request::post("http://127.0.0.1/").header("content-length", 3);
    let wrong = Request::try_from(short.body("body").unwrap()).unwrap_err();
    assert!(matches!(wrong.kind(), ErrorKind::Request(_)), "{wrong}");
    assert_eq!(wrong.failing_url(), "http://127.0.0.1/");
}

#[test]
fn a_request_becomes_one_of_the_http_crate_and_comes_back() {
    let request = Request::new("POST", "http://127.0.0.1:8080/a?b#c")
        .unwrap()
        .field("X-Two", "a")
        .unwrap()
        .field("X-One", [b'\xff'])
        .unwrap()
        .field("x-two", "b")
        .unwrap()
        .body("body")
        .unwrap();
    let there = http::Request::<Vec<u8>>::try_from(&request).unwrap();
    assert_eq!((there.method(), there.version()), (&Method::POST, Version::HTTP_11));
    assert_eq!(there.uri(), "http://127.0.0.1:8080/a?b");
    assert_eq!(there.headers()["x-one"].as_bytes(), b"\xff");
    let two: Vec<_> = there.headers().get_all("x-two").iter().collect();
    assert_eq!(two, ["a", "b"]);
    assert_eq!(there.body(), b"body");
    let back = Request::try_from(there).unwrap();
    assert_eq!((back.method(), back.url()), ("POST", "http://127.0.0.1:8080/a?b"));
    let wanted = [("x-two", &b"a"[..]), ("x-two", b"b"), ("x-one", b"\xff")];
    assert_eq!(fields(&back), wanted);
    assert_eq!(http::Request::try_from(back).unwrap().body(), b"body");
}

#[test]
fn method_uri_and_fields_make_a_request() {
    let uri: Uri = "http://127.0.0.1:1/a?b".parse().unwrap();
    let request = Request::try_from((Method::DELETE, uri.clone())).unwrap();
    assert_eq!((request.method(), request.url()), ("DELETE", "http://127.0.0.1:1/a?b"));
    let own = Method::from_bytes(b"PURGE").unwrap();
    assert_eq!(Request::try_from((own, uri.clone())).unwrap().method(), "PURGE");
    let mut map = HeaderMap::new();
    map.append("x-two", HeaderValue::from_static("a"));
    map.append("x-one", HeaderValue::from_static("1"));
    map.append("x-two", HeaderValue::from_static("b"));
    let request = request.field("x-two", "before").unwrap().with_fields(&map).unwrap();
    let two: Vec<_> = fields(&request).into_iter().filter(|field| field.0 == "x-two").collect();
    assert_eq!(two, [("x-two", &b"before"[..]), ("x-two", b"a"), ("x-two", b"b")]);
    let mut hosts = HeaderMap::new();
    hosts.append("host", HeaderValue::from_static("a"));
    hosts.append("host", HeaderValue::from_static("b"));
    let twice = Request::try_from(&uri).unwrap().with_fields(&hosts).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Request(RequestError::Host));
}

#[test]
fn a_uri_is_as_good_as_a_url() {
    let origin = Origin::answering(&[OK, OK]);
    let uri: Uri = origin.url.parse().unwrap();
    let session = Session::new();
    assert_eq!(session.data_blocking(&uri).unwrap().1, b"ok");
    assert_eq!(session.data_blocking(uri).unwrap().1, b"ok");
    let uri: Uri = "http://127.0.0.1/".parse().unwrap();
    let task = session.upload_task(uri, "text").create().unwrap();
    assert_eq!(task.original_request().method(), "POST", "a URL alone is posted to");
    origin.done();
}

#[test]
fn a_response_becomes_one_of_the_http_crate() {
    let origin = Origin::new(vec![answer(
        "HTTP/1.0 299 Odd\r\nSet-Cookie: a=1\r\nX-Raw: \u{fe}\r\nset-cookie: b=2\r\n\
         Content-Length: 2\r\n\r\nok",
    )]);
    let (response, content) = Session::new().data_blocking(&origin.url).unwrap();
    let there = response.to_http(content).unwrap();
    assert_eq!((there.status().as_u16(), there.version()), (299, Version::HTTP_10));
    let cookies: Vec<_> = there.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(there.headers()["x-raw"].as_bytes(), "\u{fe}".as_bytes());
    assert_eq!(there.headers().len(), 4);
    assert_eq!(there.body(), b"ok");
    let map = HeaderMap::try_from(&response).unwrap();
    assert_eq!(&map, there.headers());
    let head = http::Response::<()>::try_from(&response).unwrap();
    assert_eq!((head.status(), head.headers()), (there.status(), there.headers()));
    assert_eq!(http::Response::try_from(response).unwrap().headers(), there.headers());
    origin.done();
}

#[test]
fn every_status_and_field_that_we_take_the_http_crate_takes() {
    let statuses = [200, 204, 304, 404, 599, 600, 999];
    let answers: Vec<String> = statuses
        .iter()
        .map(|status| {
            format!(
                "HTTP/1.1 {status}\r\n!#$%&'*+-.^_`|~: tab\tinside\r\nX-Empty:\r\n\
                 Content-Length: 0\r\n\r\n"
            )
        })
        .collect();
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let origin = Origin::answering(&answers);
    let session = Session::new();
    for status in statuses {
        let (response, body) = session.bytes_blocking(&origin.url).unwrap();
        let there = response.to_http(body).unwrap();
        assert_eq!(there.status().as_u16(), status);
        assert_eq!(there.headers()["!#$%&'*+-.^_`|~"], "tab\tinside");
        assert_eq!(there.headers()["x-empty"], "");
        assert_eq!(there.into_body().read_all_blocking().unwrap(), b"");
    }
    origin.done();
}
