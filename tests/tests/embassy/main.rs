//! `sortie-embassy` over two network stacks in one process, in virtual time.

mod buffers;
mod connections;
mod control;
mod downloads;
mod endings;
mod exchange;
mod faults;
mod left_out;
mod opened;
mod order;
mod ota;
mod properties;
mod questions;
mod redirects;
mod resume;
mod sizes;
mod time;
mod tls;
mod uploads;

use embassy_net::Stack;
use sortie_core::{BodyLength, Request, Url};
use sortie_embassy::{Config, Resources, Session};
use sortie_tests::bare::{self, Drive};
use sortie_tests::embassy::{Cable, Way, lacks, play, play_by};
use sortie_tests::script::{Origin, Part, Script, Step};
use sortie_tests::trace::Trace;

const GOOD: Cable = Cable::GOOD;

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Plays a script on the embassy adapter and on the bare core: all that a user sees is equal.
fn agreed(script: &Script, cable: Cable) -> Trace {
    assert_eq!(lacks(script), None);
    let trace = play(script, cable);
    let bare = bare::play(script, Drive { is_buffered: true, ..Drive::default() });
    let comparable = |trace: &Trace| trace.clone().timeless().normalized();
    assert_eq!(comparable(&trace), comparable(&bare));
    // The same, whichever way the content is taken.
    if Way::of(script) == Way::Whole && script.resume.is_none() {
        for way in [Way::Sink(usize::MAX), Way::Sink(999), Way::Read(1000)] {
            let other = play_by(way, script, cable);
            assert_eq!(comparable(&other), comparable(&bare), "{way:?}");
        }
    }
    trace
}

/// A session with two connections.
fn session<'d>(stack: Stack<'d>, resources: &'d mut Resources<2, 1024>) -> Session<'d, 2> {
    Session::new(stack, resources, Config::default())
}

/// A GET of this URL.
fn get(url: &str) -> Request<'_> {
    let url = Url::parse(url).expect("a URL");
    Request::new("GET", url, &[], BodyLength::None).expect("a plain request")
}

/// An origin that takes a request and then does this.
fn origin(steps: impl IntoIterator<Item = Step>) -> Origin {
    let steps = [Step::Expect(Part::Request)].into_iter().chain(steps);
    Origin { steps: steps.collect(), ..Origin::default() }
}

/// An origin that answers one request with this and keeps the connection open.
fn answers(response: impl Into<Vec<u8>>) -> Origin {
    origin([Step::Send(response.into())])
}

/// The same, on a connection that carried an exchange before.
fn answers_again(response: impl Into<Vec<u8>>) -> Origin {
    Origin { is_reused: true, ..answers(response) }
}

/// So many bytes, other ones in each place.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// A response with this content and its length.
fn of_length(content: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
    [head.as_bytes(), content].concat()
}

/// A response with this content in chunks of `size` bytes.
fn chunked(content: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in content.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}
