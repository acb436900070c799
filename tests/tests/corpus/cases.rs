//! A case: a response, and what a client must make of it.

use serde_json::Value;

use crate::root;

/// A response and what is expected of a client.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) response: Vec<u8>,
    pub(crate) after: After,
    pub(crate) want: Want,
    pub(crate) recommends_accept: bool,
    pub(crate) status: Option<u16>,
    /// Fields that the final response must have.
    pub(crate) fields: Vec<(String, String)>,
    /// Names that it must not have.
    pub(crate) absent: Vec<String>,
    /// Any of these is the body.
    pub(crate) bodies: Vec<Vec<u8>>,
    pub(crate) any_body: bool,
    pub(crate) reuse: Reuse,
    /// What it says of content is what decoding makes of it.
    pub(crate) is_coded: bool,
}

/// What the server does behind the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Keep,
    Close,
    Reset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    Accept,
    Reject,
    Either,
}

/// Whether the connection may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    Yes,
    No,
    Either,
}

// Our own set.

/// Cases as blocks of `key: value` lines; an empty line ends a block, `#` begins a comment line.
///
/// | key | value |
/// |---|---|
/// | `case` | its name; begins a block |
/// | `method` | of the request; GET if it is left out |
/// | `send` | bytes of the response; several are joined |
/// | `then` | `keep`, `close` or `reset` |
/// | `want` | `accept BODY` or `reject` |
/// | `field` | `name: value`, in the final response |
/// | `reuse` | `yes` or `no` |
///
/// In `send` and `accept`, `\r`, `\n`, `\t`, `\\` and `\xHH` stand for the byte; `\*COUNT` at the
/// end of a `send` repeats it.
pub(crate) fn from_text(text: &str) -> Vec<Case> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let blocks = text.split("\n\n").map(str::trim);
    blocks.filter(|block| !block.is_empty()).map(block).collect()
}

fn block(block: &str) -> Case {
    let mut case = Case {
        id: String::new(),
        method: "GET".into(),
        response: Vec::new(),
        after: After::Keep,
        want: Want::Either,
        recommends_accept: true,
        status: None,
        fields: Vec::new(),
        absent: Vec::new(),
        bodies: Vec::new(),
        any_body: false,
        reuse: Reuse::Either,
        is_coded: false,
    };
    for line in block.lines() {
        let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("no key: {line}"));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (key, value) {
            ("case", id) => case.id = id.into(),
            ("method", method) => case.method = method.into(),
            ("send", bytes) => case.response.extend(sent(bytes)),
            ("then", "keep") => case.after = After::Keep,
            ("then", "close") => case.after = After::Close,
            ("then", "reset") => case.after = After::Reset,
            ("reuse", "yes") => case.reuse = Reuse::Yes,
            ("reuse", "no") => case.reuse = Reuse::No,
            ("want", "reject") => {
                (case.want, case.recommends_accept) = (Want::Reject, false);
            }
            ("want", accept) => {
                let body = accept.strip_prefix("accept").unwrap_or_else(|| panic!("{line}"));
                case.bodies.push(unescaped(body.strip_prefix(' ').unwrap_or(body)));
                case.want = Want::Accept;
            }
            ("field", field) => {
                let (name, value) = field.split_once(": ").expect("name: value");
                case.fields.push((name.into(), value.into()));
            }
            _ => panic!("{}: no such line: {line}", case.id),
        }
    }
    assert_ne!(case.want, Want::Either, "{}: nothing is wanted", case.id);
    case
}

fn sent(text: &str) -> Vec<u8> {
    match text.rsplit_once("\\*") {
        Some((bytes, count)) => unescaped(bytes).repeat(count.parse().expect("a count")),
        None => unescaped(text),
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend(c.to_string().bytes());
            continue;
        }
        match rest.next() {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
            }
            other => panic!("no such escape: {other:?} in {text}"),
        }
    }
    bytes
}

// The corpus.

/// All cases of responses.
pub(crate) fn corpus() -> Vec<Case> {
    let files = std::fs::read_dir(root().join("tests/data/corpus/responses"));
    let files = files.expect("the corpus is part of the repository");
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path).expect("a readable file");
        let file: Value = serde_json::from_slice(&bytes).expect("JSON");
        cases.extend(array(&file["cases"]).iter().map(from_json).map(as_coded));
    }
    cases
}

fn from_json(case: &Value) -> Case {
    let mut bodies: Vec<Vec<u8>> = array(&case["alt_bodies"]).iter().map(bytes).collect();
    if !case["body"].is_null() {
        bodies.push(bytes(&case["body"]));
    }
    let pair = |pair: &Value| (text(&pair[0]), text(&pair[1]));
    Case {
        id: text(&case["id"]),
        method: text(&case["request_method"]),
        response: bytes(&case["response"]),
        after: match text(&case["after"]).as_str() {
            "keep" => After::Keep,
            "close" => After::Close,
            "reset" => After::Reset,
            other => panic!("after: {other}"),
        },
        want: match text(&case["strict_expected"]).as_str() {
            "accept" => Want::Accept,
            "reject" => Want::Reject,
            "either" => Want::Either,
            other => panic!("strict_expected: {other}"),
        },
        recommends_accept: text(&case["recommended"]) == "accept",
        status: case["status"].as_u64().and_then(|status| u16::try_from(status).ok()),
        fields: array(&case["headers"]).iter().map(pair).collect(),
        absent: array(&case["absent_headers"]).iter().map(text).collect(),
        bodies,
        any_body: case["any_body"].as_bool() == Some(true),
        reuse: match case["connection_reusable"].as_bool() {
            Some(true) => Reuse::Yes,
            Some(false) => Reuse::No,
            None => Reuse::Either,
        },
        is_coded: array(&case["needs"]).iter().any(|need| text(need) == "compressed"),
    }
}

/// Content is delivered as it is coded, and only its framing can be wrong. What that makes of a
/// case is found here once more, for the plain framings that these have.
fn as_coded(mut case: Case) -> Case {
    if !case.is_coded {
        return case;
    }
    let end = case.response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let (head, body) = case.response.split_at(end.expect("a head") + 4);
    let head = String::from_utf8_lossy(head);
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let content = match length {
        Some(length) => body.get(..length.parse().expect("a length")).map(<[u8]>::to_vec),
        None => dechunked(body),
    };
    let is_whole = content.is_some();
    case.want = if is_whole { Want::Accept } else { Want::Reject };
    case.recommends_accept = is_whole;
    case.bodies = content.into_iter().collect();
    // A connection is not closed because of what the content says.
    case.reuse = if is_whole { case.reuse } else { Reuse::No };
    case
}

/// The content of a chunked body without extensions, if it is whole.
fn dechunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let end = body.windows(2).position(|bytes| bytes == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?, 16).ok()?;
        let data = body.get(end + 2..end + 2 + size)?;
        content.extend(data);
        body = body.get(end + 2 + size..)?.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some(content);
        }
    }
}

pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Parts of `{latin1, repeat}`, joined: each character is one byte.
fn bytes(parts: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in array(parts) {
        let byte = |c: char| u8::try_from(u32::from(c)).expect("latin1");
        let once: Vec<u8> = text(&part["latin1"]).chars().map(byte).collect();
        let repeat = part["repeat"].as_u64().unwrap_or(1);
        bytes.extend(once.repeat(usize::try_from(repeat).expect("a count")));
    }
    bytes
}
