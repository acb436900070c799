//! What is played: a GET of every framing, uploads, redirects, downloads that go on.

use sortie_core::TaskKind;

use crate::script::{Body, Part, Script, Step};

/// What a download stores before it is gone on with.
pub const STORED: &[u8] = b"hello ";

/// What it is gone on with to.
pub const WHOLE: &[u8] = b"hello out there, wide world";

/// The text of both is tagged with this.
const TAG: &str = "\"v1\"";

/// An exchange, or a few that follow from each other.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What it is about.
    pub name: &'static str,
    /// The task and its origins. Behind the ones that it meets there is one for a request that is
    /// made once more.
    pub script: Script,
}

/// How long the request timer is: shorter where nobody has to wait for an answer to `Expect`.
const SHORT: u64 = 50_000;
const LONG: u64 = 1_200_000;

/// All of them, with an origin at `base`, which ends with `/`, and another at `other`.
#[must_use]
pub fn exchanges(base: &str, other: &str) -> Vec<Exchange> {
    let plain = gets().into_iter().chain(uploads()).chain(redirects(other)).chain(downloads());
    let at = |(name, mut script): (&'static str, Script)| {
        script.url = base.to_owned() + "a";
        let expects = script.fields.iter().any(|(name, _)| name == "Expect");
        script.options.request_timeout = if expects { LONG } else { SHORT };
        Exchange { name, script }
    };
    plain.map(at).collect()
}

fn gets() -> Vec<(&'static str, Script)> {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 24\r\nX-Note: plain\r\n\r\n\
        what the length tells of";
    let last = length.replace("X-Note: plain", "Connection: close");
    let chunked = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;a=b;c=\"d\"\r\nchunk\r\nD\r\ns, and others\r\n0\r\nX-Sum: 1\r\nX-End: yes\r\n\r\n";
    let closed = "HTTP/1.0 200 OK\r\nServer: old\r\n\r\nup to the end";
    vec![
        ("a length", Script::get().answered(length)),
        ("a length, and a close", Script::get().answered_and_closed(last)),
        ("chunks, extensions and trailers", Script::get().answered(chunked)),
        ("until the close", Script::get().answered_and_closed(closed)),
        ("a connection used before", reused(Script::get()).answered(length)),
    ]
}

/// On a connection that was used before.
fn reused(script: Script) -> Script {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore";
    script.reused_origin([Step::Expect(Part::Request), Step::Send(response.into())])
}

/// Gives leave to send a body, and answers when it is there.
fn continued(script: Script) -> Script {
    script.field("Expect", "100-continue").origin([
        Step::Expect(Part::Head),
        Step::Send("HTTP/1.1 100 Continue\r\n\r\n".into()),
        Step::Expect(Part::Request),
        Step::Send("HTTP/1.1 201 Created\r\nContent-Length: 6\r\n\r\nstored".into()),
    ])
}

fn uploads() -> Vec<(&'static str, Script)> {
    let known = Body::Bytes(b"a body of known length".to_vec());
    let pieces = Body::pieces(["a body ", "in ", "three pieces"]);
    let again = Script::new("POST", Body::Bytes(b"once".to_vec()));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken";
    let mut put = Script::new("PUT", pieces);
    // What a reader gave is gone.
    put.options.body_is_replayable = false;
    vec![
        ("a body of known length", continued(Script::new("POST", known))),
        ("a body in chunks", continued(put)),
        ("a POST on a connection used before", reused(again).answered(answer)),
    ]
}

fn redirects(other: &str) -> Vec<(&'static str, Script)> {
    let secret = || Script::get().field("Authorization", "Basic c2VjcmV0").field("Cookie", "a=b");
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthere";
    let to = |place: &str| {
        format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 4\r\n\r\ngone")
    };
    let here = secret().exchanges([&to("/b"), last]).answered(last);
    let elsewhere = secret().answered(to(&format!("{other}b"))).answered(last);
    vec![("a redirect to the same origin", here), ("a redirect to another origin", elsewhere)]
}

fn downloads() -> Vec<(&'static str, Script)> {
    let (length, from) = (WHOLE.len(), STORED.len());
    let tagged = |status: &str, fields: &str, content: &[u8]| {
        let fields = format!("{fields}Content-Length: {}", content.len());
        let head = format!("HTTP/1.1 {status}\r\nETag: {TAG}\r\n{fields}\r\n\r\n");
        [head.as_bytes(), content].concat()
    };
    let whole = tagged("200 OK", "", WHOLE);
    let range = format!("Content-Range: bytes {from}-{}/{length}\r\n", length - 1);
    let rest = tagged("206 Partial Content", &range, &WHOLE[from..]);
    let total = Some(length as u64);
    let resumed = Script::get().resumes(TAG, from as u64, total).origin([
        Step::Expect(Part::Request),
        Step::Send(rest),
        Step::Next,
        Step::Expect(Part::Request),
        Step::Send(whole.clone()),
    ]);
    let mut download = Script::get().kind(TaskKind::Download).answered(whole.clone());
    let mut resumed = resumed.answered(whole);
    for script in [&mut download, &mut resumed] {
        script.options.requires_success = true;
    }
    vec![("a download", download), ("the rest of a download", resumed)]
}
