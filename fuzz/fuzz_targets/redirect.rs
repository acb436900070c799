//! Whatever a chain of heads says: credentials never reach another origin, nor the first one again
//! after it; no more than 20 redirects are followed; never from https to http; and each target is a
//! URL. Judged by the bytes of the requests alone.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{
    BodyLength, Error, Event, Field, Inspection, Instant, Output, RedirectError, Request,
    RequestHead, ResponseHead, Send, Slot, Task, TaskOptions, Url, field, limits,
};
use sortie_fuzz::Choices;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let url = Url::parse(choices.of(&STARTS)).expect("a URL");
    let (method, body) = choices.of(&METHODS);
    let request = Request::new(method, url, &FIELDS, body).expect("a request");
    let mut chain = Chain {
        task: Task::new(&request, TaskOptions::default()),
        request: &request,
        target: url.as_str().to_owned(),
        hops: vec![origin_of(url.as_str())],
    };
    chain.task.resume(Instant::EPOCH);
    while chain.hop(&mut choices) {}
    assert!(chain.hops.len() <= 21, "{:?}", chain.hops);
});

const STARTS: [&str; 4] =
    ["http://a/", "https://a/", "https://a:8443/x/y?z#f", "http://[2001:db8::1]:80/"];

const METHODS: [(&str, BodyLength); 4] = [
    ("GET", BodyLength::None),
    ("POST", BodyLength::Known(4)),
    ("HEAD", BodyLength::None),
    ("PUT", BodyLength::Unknown),
];

const FIELDS: [Field<'static>; 7] = [
    field!("Authorization", "secret"),
    field!("cookie", "secret"),
    field!("Proxy-Authorization", "secret"),
    field!("Referer", "secret"),
    field!("Host", "virtual"),
    field!("Content-Type", "about/body"),
    field!("X-Other", "kept"),
];

/// Locations that fuzzing would be long to find; the others are its own.
const LOCATIONS: [&[u8]; 12] = [
    b"/path",
    b"http://a/back",
    b"https://a/up",
    b"http://b/",
    b"https://b/",
    b"//a:8443/",
    b"HTTP://A:80",
    b"https://a:443/",
    b"http://a@b/",
    b"http://b\\@a/",
    b"?query",
    b"../..//x",
];

struct Chain<'a> {
    task: Task,
    request: &'a Request<'a>,
    target: String,
    /// The origins of all requests, the first one included.
    hops: Vec<(String, String, u16)>,
}

impl Chain<'_> {
    /// Sends the next request and answers it. `false`: the task ended.
    fn hop(&mut self, choices: &mut Choices<'_>) -> bool {
        loop {
            match self.task.poll_output() {
                Output::Connect(_) => {
                    self.task.handle_connected(NOW, false).expect("asked for");
                }
                Output::Prepare => self.task.handle_prepared(NOW).expect("asked for"),
                Output::Exchange => {
                    self.send();
                    return self.answer(choices);
                }
                Output::Event(Event::Response { .. }) | Output::Complete(_) => return false,
                Output::Event(_) | Output::Close(_) | Output::Reuse => {}
                other => panic!("{other:?} of {:?}", self.task),
            }
        }
    }

    /// Lets the task write its head, and looks at it.
    fn send(&mut self) {
        let mut head = Vec::new();
        let target = Url::parse(&self.target).expect("the target is a URL");
        let lent = RequestHead { request: self.request, target, added: &[] };
        while let Some(Send::Encode) = self.task.io(0).send {
            let mut output = [0; 4096];
            let count = self.task.encode(&lent, &mut output).expect("asked for");
            head.extend_from_slice(&output[..count]);
            self.task.handle_sent(NOW, count).expect("as much as was encoded");
        }
        let head = String::from_utf8(head).expect("ASCII");
        let count = |text: &str| head.matches(text).count();
        assert!(head.ends_with("\r\n\r\n") && count("\r\n\r\n") == 1, "{head}");
        assert_eq!(count("\r\nX-Other: kept\r\n"), 1);
        assert_eq!(head.to_ascii_lowercase().matches("\r\nhost:").count(), 1, "{head}");

        let has_left = self.hops.iter().any(|hop| *hop != self.hops[0]);
        let expected = if has_left { 0 } else { 4 };
        // A value, not the path of a URL, which may say the same.
        assert_eq!(count(": secret\r\n"), expected, "{:?}: {head}", self.hops);
        assert_eq!(count("\r\nHost: virtual\r\n"), usize::from(!has_left));
        if head.starts_with("GET ") {
            assert!(count("Content-Length") == 0 && count("Transfer-Encoding") == 0);
            assert!(self.request.method() == "GET" || count("about/body") == 0, "{head}");
        }
    }

    /// Answers with a head of the fuzzer's.
    fn answer(&mut self, choices: &mut Choices<'_>) -> bool {
        let status = choices.of(&[302, 307, 301, 303, 308, 300, 304, 305]);
        let location = match choices.byte() {
            known @ 0..=127 => LOCATIONS[usize::from(known) % LOCATIONS.len()],
            length => choices.bytes(usize::from(length & 63)),
        };
        let start = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: ");
        let mut input = [start.as_bytes(), location, b"\r\n\r\n"].concat();
        let mut index = [Slot::EMPTY; 80];
        let advance = self.task.handle_head(NOW, &mut input, true, &mut index).expect("asked for");
        if self.task.poll_output() != Output::Inspect {
            return false;
        }
        let mut next = [0; limits::URL_BYTES];
        let lent = Inspection {
            head: ResponseHead::new(&input[..advance.head], &index),
            target: Url::parse(&self.target).expect("the target is a URL"),
            next: &mut next,
            resume: None,
        };
        let result = self.task.inspect(NOW, lent).expect("asked for, with room");
        let Some(resolved) = result else {
            if self.hops.len() == 21 {
                self.is_too_many();
            }
            return false;
        };
        let next = std::str::from_utf8(&next[..resolved.length]).expect("ASCII");
        let to = origin_of(next);
        let from = &self.hops[self.hops.len() - 1];
        assert!(from.0 != "https" || to.0 == "https", "{from:?} => {to:?}");
        assert!(to.0 == "http" || to.0 == "https", "{to:?}");
        self.hops.push(to);
        self.target = next.to_owned();
        true
    }

    /// The task has failed; unless the location was at fault, because there were too many.
    fn is_too_many(&mut self) {
        loop {
            if let Output::Complete(result) = self.task.poll_output() {
                let why = [RedirectError::TooMany, RedirectError::Location, RedirectError::Scheme];
                assert!(why.iter().any(|why| result == Err(Error::Redirect(*why))), "{result:?}");
                return;
            }
        }
    }
}

const NOW: Instant = Instant::EPOCH;

/// Scheme, host and port of a URL, by cutting the text once more.
fn origin_of(url: &str) -> (String, String, u16) {
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    let scheme = scheme.to_ascii_lowercase();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = host.rfind(':').filter(|colon| !host[*colon..].contains(']'));
    let (host, port) = host.split_at(port.unwrap_or(host.len()));
    let default = if scheme == "https" { 443 } else { 80 };
    let port = port.strip_prefix(':').filter(|port| !port.is_empty());
    let port = port.map_or(default, |port| port.parse().expect("a port"));
    (scheme, host.to_ascii_lowercase(), port)
}
