//! Downloads that go on from what is there.

use sortie_core::{Error, ResumeData, Transport, Validator};
use sortie_embassy::{Config, Failure, Resources, Session};
use sortie_tests::embassy::{Run, run};
use sortie_tests::script::{Origin, Part, Step};

use crate::{GOOD, answers, get, origin};

const A: &str = "http://192.0.2.1/a";
const TAG: &[u8] = b"\"v1\"";

/// The status, the offset and the content that came.
type Came = Result<(u16, u64, String), Failure>;

/// Goes on behind the 5 bytes of `hello`, with room for 20.
fn resumed(origins: &[Origin]) -> Run<Came> {
    run(GOOD, origins, async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let data = ResumeData::new(A, Validator::ETag(TAG), 5, Some(11)).expect("resume data");
        let (mut target, mut content, request) = ([0; 100], [0; 20], get(A));
        let task = session.data_task(&request).target(&mut target).resume_from(&data);
        let came = task.receive(&mut content).await?;
        let text = String::from_utf8_lossy(came.content()).into_owned();
        Ok((came.status(), came.offset(), text))
    })
}

fn text(run: &Run<Came>) -> String {
    String::from_utf8_lossy(&run.requests[0]).into_owned()
}

const REST: &str = "HTTP/1.1 206 Rest\r\nContent-Range: bytes 5-10/11\r\nETag: \"v1\"\r\n\
                    Content-Length: 6\r\n\r\n world";
const WHOLE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nanother world";

/// An origin that answers `first`, and then `second` on the same connection.
fn both(first: &str, second: &str) -> Origin {
    let next = [Step::Next, Step::Expect(Part::Request), Step::Send(second.into())];
    origin([Step::Send(first.into())].into_iter().chain(next))
}

#[test]
fn the_rest_is_asked_for_and_received_with_its_offset() {
    let run = resumed(&[answers(REST)]);
    assert_eq!(run.output, Ok((206, 5, " world".into())));
    let request = text(&run);
    for field in ["Range: bytes=5-\r\n", "If-Range: \"v1\"\r\n", "Accept-Encoding: identity\r\n"] {
        assert_eq!(request.matches(field).count(), 1, "{field} in {request}");
    }
}

#[test]
fn another_version_is_received_whole() {
    let run = resumed(&[answers(WHOLE)]);
    assert_eq!(run.output, Ok((200, 0, "another world".into())));
}

#[test]
fn nothing_is_received_where_all_was_there() {
    let head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */5\r\n";
    let done = format!("{head}Content-Length: 4\r\n\r\nnone");
    let run = run(GOOD, &[both(&done, WHOLE)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let data = ResumeData::new(A, Validator::ETag(TAG), 5, Some(5)).expect("resume data");
        let (mut content, request) = ([0; 20], get(A));
        let task = session.data_task(&request).resume_from(&data);
        let came = task.receive(&mut content).await;
        let came = came.map(|came| (came.status(), came.offset(), came.content().len()));
        // The connection is kept.
        let again = session.data(&request, &[], &mut content).await;
        (came, again.map(|again| again.status()))
    });
    assert_eq!(run.output, (Ok((416, 5, 0)), Ok(200)));
    assert_eq!(run.openings(), 1);
}

#[test]
fn a_range_that_cannot_be_had_is_not_asked_for_again() {
    let other = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */4\r\n\
                 Content-Length: 4\r\n\r\nnone";
    let run = resumed(&[both(other, WHOLE)]);
    assert_eq!(run.output, Ok((200, 0, "another world".into())));
    let request = text(&run);
    assert_eq!(request.matches("GET /a ").count(), 2);
    assert_eq!(request.matches("Range: ").count(), 2, "`Range` and `If-Range`, once: {request}");
    assert_eq!(run.openings(), 1);
}

#[test]
fn an_error_page_does_not_replace_what_is_there() {
    let broken = "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno";
    let failure = resumed(&[answers(broken)]).output.expect_err("a failure");
    assert_eq!((failure.error, failure.status), (Error::Status(500), Some(500)));
    assert_eq!((failure.offset, failure.received), (0, 0));
}

#[test]
fn a_rest_that_is_cut_off_tells_what_came_and_where_it_goes() {
    let cut = &REST[..REST.len() - 2];
    let cut = origin([Step::Send(cut.into()), Step::Close]);
    let failure = resumed(&[cut]).output.expect_err("a failure");
    assert_eq!(failure.error, Error::Transport(Transport::Lost));
    assert_eq!((failure.offset, failure.received), (5, 4));
}

#[test]
fn a_redirect_takes_the_range_along() {
    let moved = "HTTP/1.1 302 There\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    let run = resumed(&[both(moved, REST)]);
    assert_eq!(run.output, Ok((206, 5, " world".into())));
    let request = text(&run);
    assert_eq!(request.matches("\r\nRange: bytes=5-\r\n").count(), 2, "{request}");
    assert!(request.contains("GET /b "), "{request}");
}
