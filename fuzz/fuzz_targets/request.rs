//! A request is refused for the reason that a plain statement of the rules gives, or its head is
//! what a plain writer makes of it, into whatever rooms it is encoded: nothing in it splits it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{
    BodyLength, Field, Instant, Output, Request, RequestError, RequestHead, Send, Task,
    TaskOptions, Url, limits,
};
use sortie_fuzz::Choices;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let method = text(&mut choices, &METHODS);
    let url = text(&mut choices, &URLS);
    let body = match choices.byte() % 8 {
        0..4 => BodyLength::None,
        4 => BodyLength::Unknown,
        5 => BodyLength::Known(0),
        _ => BodyLength::Known(choices.number()),
    };
    let mut fields = fields(&mut choices);
    let added = fields.split_off(fields.len() - fields.len().min(choices.two() / 2));
    if choices.byte() == 255 {
        // More than anybody may have.
        fields.resize(limits::REQUEST_FIELDS + choices.two(), ("A".into(), b"b".to_vec()));
    }
    let (Ok(url), Some(fields), Some(added)) =
        (Url::parse(&url), checked(&fields), checked(&added))
    else {
        return;
    };

    let request = Request::new(&method, url, &fields, body);
    match (plain(&method, &fields, body), request) {
        (Err(why), refused) => {
            assert_eq!(refused.err(), Some(why));
            assert!(!why.to_string().is_empty() && why.code() < 0);
        }
        (Ok(plain), Ok(request)) => {
            assert_eq!((request.method(), request.body()), (plain.method.as_str(), plain.body));
            assert_eq!((request.fields(), request.url()), (&fields[..], url));
            let head = RequestHead { request: &request, target: url, added: &added };
            let whole = encoded(&head, &mut |_| 4096);
            let pieces = encoded(&head, &mut |_| usize::from(choices.byte() % 8));
            assert_eq!(whole, pieces, "in pieces");
            let expected = plain.head(&url, &fields, &added);
            assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&expected));
        }
        (Ok(_), Err(why)) => panic!("{why:?}"),
    }
});

const METHODS: [&str; 12] = [
    "GET", "POST", "put", "Head", "DELETE", "patch", "OPTIONS", "trace", "CONNECT", "PURGE", "G T",
    "",
];

const URLS: [&str; 8] = [
    "http://a/",
    "https://u:p@host.example:8443/x/../y?z#part",
    "http://a:80?q",
    "ws://[2001:db8::1]:8080",
    "wss://[fe80::1%25eth0]:443/",
    "http://[fe80::1%25a.b-c]:81/\\",
    "HTTP://A.:080/#",
    "https://a:/%7e'",
];

const NAMES: [&str; 23] = [
    "Host",
    "Content-Length",
    "transfer-encoding",
    "Connection",
    "EXPECT",
    "Upgrade",
    "Content-Type",
    "Digest",
    "Repr-Digest",
    "Content-Range",
    "content-digest",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Cookie",
    "authorization",
    "Range",
    "X-Other",
    "TE",
    "Referer",
    "If-Range",
    "Last-Modified",
    "proxy-authorization",
];

const VALUES: [&str; 14] = [
    "",
    "0",
    "5",
    "007",
    "close",
    "100-continue",
    " spaces\t ",
    "a, Close ,",
    "x\r\ny: z",
    "18446744073709551615",
    "18446744073709551616",
    "+5",
    "trailers, chunked;q=1",
    "te, Upgrade",
];

/// A known text, or one of the fuzzer's.
fn text(choices: &mut Choices<'_>, known: &[&str]) -> String {
    match choices.byte() {
        number @ 0..=191 => known[usize::from(number) % known.len()].to_owned(),
        length => String::from_utf8_lossy(choices.bytes(usize::from(length & 63))).into_owned(),
    }
}

fn fields(choices: &mut Choices<'_>) -> Vec<(String, Vec<u8>)> {
    let count = choices.byte() % 6;
    let mut field = |_| {
        let name = text(choices, &NAMES);
        let value = match choices.byte() {
            number @ 0..=191 => VALUES[usize::from(number) % VALUES.len()].into(),
            length => choices.bytes(usize::from(length & 63)).to_vec(),
        };
        (name, value)
    };
    (0..count).map(&mut field).collect()
}

/// The fields, if each is one; and whether it is is what a plain look at its bytes says.
fn checked(fields: &[(String, Vec<u8>)]) -> Option<Vec<Field<'_>>> {
    let mut all = Vec::new();
    for (name, value) in fields {
        let is_token = |byte| b"!#$%&'*+-.^_`|~".contains(&byte) || byte.is_ascii_alphanumeric();
        let is_name = !name.is_empty() && name.bytes().all(is_token);
        let is_value = value.iter().all(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 127);
        let refused = match (is_name, is_value) {
            (false, _) => Some(RequestError::FieldName),
            (true, false) => Some(RequestError::FieldValue),
            (true, true) => None,
        };
        let field = Field::new(name, value);
        assert_eq!(field.err(), refused, "{name:?}: {value:?}");
        if let Some(why) = refused {
            assert!(!why.to_string().is_empty());
        }
        let field = field.ok()?;
        assert_eq!(format!("{field:?}"), format!("Field({name})"), "the value may be a secret");
        assert_eq!((field.name(), field.value()), (name.as_str(), trimmed(value)));
        all.push(field);
    }
    Some(all)
}

fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What a request means, stated plainly.
struct Plain {
    method: String,
    body: BodyLength,
    has_length: bool,
}

fn plain(method: &str, fields: &[Field<'_>], body: BodyLength) -> Result<Plain, RequestError> {
    let upper = method.to_ascii_uppercase();
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];
    let is_token = Field::new(method, b"").is_ok();
    let method = match upper.as_str() {
        "CONNECT" => return Err(RequestError::Connect),
        _ if known.contains(&upper.as_str()) => upper,
        _ if !is_token => return Err(RequestError::Method),
        _ => method.to_owned(),
    };
    if fields.len() > 256 {
        return Err(RequestError::TooManyFields);
    }
    let mut plain = Plain { method, body, has_length: false };
    let mut hosts = 0;
    for field in fields {
        match field.name().to_ascii_lowercase().as_str() {
            "host" if hosts == 1 => return Err(RequestError::Host),
            "host" => hosts = 1,
            "transfer-encoding" => return Err(RequestError::TransferEncoding),
            "te" if elements(field).iter().any(|coding| coding.starts_with("chunked")) => {
                return Err(RequestError::TransferEncoding);
            }
            "content-length" => {
                let value = String::from_utf8_lossy(field.value()).into_owned();
                let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
                let length = value.parse::<u64>().ok().filter(|_| is_number);
                let agrees = |length: &u64| match plain.body {
                    BodyLength::None => *length == 0,
                    BodyLength::Known(known) => *length == known,
                    BodyLength::Unknown => true,
                };
                let length = length.filter(agrees).filter(|_| !plain.has_length);
                plain.body = BodyLength::Known(length.ok_or(RequestError::ContentLength)?);
                plain.has_length = true;
            }
            _ => {}
        }
    }
    let is_credential = |field: &Field<'_>| {
        let names = ["authorization", "cookie", "proxy-authorization", "referer"];
        names.iter().any(|name| field.name().eq_ignore_ascii_case(name))
    };
    if plain.method == "TRACE" && fields.iter().any(is_credential) {
        return Err(RequestError::Trace);
    }
    let takes_none = matches!(plain.method.as_str(), "GET" | "HEAD" | "TRACE");
    if takes_none && !matches!(plain.body, BodyLength::None | BodyLength::Known(0)) {
        return Err(RequestError::BodyNotAllowed);
    }
    Ok(plain)
}

/// Elements of a list, in lower case.
fn elements(field: &Field<'_>) -> Vec<String> {
    let value = String::from_utf8_lossy(field.value()).to_ascii_lowercase();
    value.split(',').map(|one| one.trim_matches([' ', '\t']).to_owned()).collect()
}

impl Plain {
    /// Whether a field of the caller's is sent.
    fn is_sent(&self, field: &Field<'_>, fields: &[Field<'_>]) -> bool {
        let named = |name: &str| {
            let is = move |field: &&Field<'_>| field.name().eq_ignore_ascii_case(name);
            fields.iter().filter(is).collect::<Vec<_>>()
        };
        match field.name().to_ascii_lowercase().as_str() {
            // A condition of what is not asked for.
            "if-range" => !named("range").is_empty(),
            // Nothing waits without content. The last one counts.
            "expect" => {
                let last = named("expect").last().map(|last| last.value().to_ascii_lowercase());
                self.has_body() || last != Some(b"100-continue".to_vec())
            }
            _ => true,
        }
    }

    fn has_body(&self) -> bool {
        !matches!(self.body, BodyLength::None | BodyLength::Known(0))
    }

    fn head(&self, url: &Url<'_>, fields: &[Field<'_>], added: &[Field<'_>]) -> Vec<u8> {
        let is = |field: &Field<'_>, name: &str| field.name().eq_ignore_ascii_case(name);
        let has = |name| fields.iter().any(|field| is(field, name));
        let path = url.path_and_query();
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut head = format!("{} {slash}{path} HTTP/1.1\r\n", self.method).into_bytes();
        let mut put = |name: &str, value: &[u8]| {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        match fields.iter().find(|field| is(field, "host")) {
            None => put("Host", host(url).as_bytes()),
            Some(host) => put(host.name(), host.value()),
        }
        let sent = fields.iter().filter(|field| self.is_sent(field, fields));
        for field in sent.filter(|field| !is(field, "host")) {
            put(field.name(), field.value());
        }
        let lists = |name: &str| {
            let connections = fields.iter().filter(|field| is(field, "connection"));
            connections.flat_map(elements).any(|option| option == name)
        };
        for (name, option) in [("upgrade", "Upgrade"), ("te", "TE")] {
            if has(name) && !lists(name) {
                put("Connection", option.as_bytes());
            }
        }
        let ours = ["host", "content-length", "transfer-encoding", "connection", "expect", "te"];
        let is_ours = |field: &Field<'_>| {
            is(field, "upgrade") || ours.into_iter().any(|name| is(field, name))
        };
        for field in added.iter().filter(|field| !is_ours(field)) {
            put(field.name(), field.value());
        }
        let says_zero = !["GET", "HEAD", "TRACE", "DELETE", "OPTIONS"].contains(&&*self.method);
        match self.body {
            _ if self.has_length => {}
            BodyLength::None if says_zero => put("Content-Length", b"0"),
            BodyLength::None => {}
            BodyLength::Known(0) if !says_zero => {}
            BodyLength::Known(length) => put("Content-Length", length.to_string().as_bytes()),
            BodyLength::Unknown => put("Transfer-Encoding", b"chunked"),
        }
        let kind: Option<&[u8]> = match self.method.as_str() {
            "POST" => Some(b"application/x-www-form-urlencoded"),
            "OPTIONS" => Some(b"application/octet-stream"),
            _ => None,
        };
        if let Some(kind) = kind.filter(|_| self.has_body() && !has("content-type")) {
            put("Content-Type", kind);
        }
        head.extend(b"\r\n");
        head
    }
}

/// What `Host` says of a URL, from its text.
fn host(url: &Url<'_>) -> String {
    let (scheme, rest) = url.as_str().split_once("://").expect("a scheme");
    let authority = rest.split(['/', '?', '#']).next().expect("an authority");
    let authority = authority.rsplit('@').next().expect("a host");
    let port = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
    let (host, port) = authority.split_at(port.unwrap_or(authority.len()));
    let default = if matches!(&*scheme.to_lowercase(), "http" | "ws") { 80 } else { 443 };
    let is_named = port.get(1..).is_some_and(|it| !it.is_empty() && it.parse() != Ok(default));
    let mut host = host.to_owned();
    if let Some(zone) = host.find('%') {
        host.truncate(zone);
        host.push(']');
    }
    if is_named { host + port } else { host }
}

fn encoded(head: &RequestHead<'_>, room: &mut dyn FnMut(usize) -> usize) -> Vec<u8> {
    let mut task = Task::new(head.request, TaskOptions::default());
    task.resume(Instant::EPOCH);
    task.handle_connected(Instant::EPOCH, false).expect("asked for");
    task.handle_prepared(Instant::EPOCH).expect("asked for");
    let mut bytes = Vec::new();
    let mut output = [0; 4096];
    // The head alone: what is asked for behind it is a body, or nothing.
    while task.still(Output::Exchange) && task.io(0).send == Some(Send::Encode) {
        let room = room(bytes.len());
        let room = if room == 0 { 100 } else { room };
        let written = task.encode(head, &mut output[..room]).expect("asked for");
        assert!(0 < written && written <= room);
        bytes.extend(&output[..written]);
        task.handle_sent(Instant::EPOCH, written).expect("all of it");
        assert_eq!(task.counts().wire_sent, bytes.len() as u64);
    }
    bytes
}
