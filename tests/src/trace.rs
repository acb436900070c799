//! What can be seen of a task from outside, to be compared between runs and between drivers.

use std::fmt;

use sortie_core::{ByteCounts, ChunkedDecoder, CloseReason, Error, Question, ResponseHead, Url};

/// Everything that one run of a script showed.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    /// The events, in their order.
    pub events: Vec<Told>,
    /// The content, joined.
    pub content: Vec<u8>,
    /// What came over the connection after it was handed over to another protocol.
    pub after_upgrade: Vec<u8>,
    /// How the task ended.
    pub result: Result<(), Error>,
    /// The counts of content when it ended.
    pub counts: Counts,
    /// The connections, in the order in which they were opened.
    pub connections: Vec<Connection>,
    /// When it ended: microseconds of virtual time.
    pub ended: u64,
}

/// An event as a user sees it.
#[derive(Clone, PartialEq, Eq)]
pub enum Told {
    /// An interim response.
    Informational(u16),
    /// The head of the final response, or of a 101.
    Response {
        /// Its status.
        status: u16,
        /// Its fields, in order.
        fields: Vec<(String, Vec<u8>)>,
    },
    /// A redirect is followed.
    Redirected {
        /// The status that led there.
        status: u16,
        /// The URL from now on.
        to: String,
    },
    /// A download goes on behind so many bytes of so many.
    Resumed {
        /// Bytes that are stored.
        offset: u64,
        /// Bytes of the whole.
        total: Option<u64>,
    },
    /// The body is sent again from its start.
    BodyRestarted,
    /// The user is asked.
    Asked(Question),
}

/// Counts of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes that were expected to be sent.
    pub expected_to_send: Option<u64>,
    /// Bytes that were expected to be received.
    pub expected_to_receive: Option<u64>,
}

/// What happened on one connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where it leads: scheme, host and port, as [`destination`] writes them.
    pub to: String,
    /// The bytes that the origin took. What a client wrote beyond them is not seen.
    pub request: Vec<u8>,
    /// What became of the connection after its last exchange.
    pub released: Released,
}

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// It was refused, or given up before it was there.
    NotOpened,
    /// It can carry another exchange.
    Reuse,
    /// It was closed.
    Close(CloseReason),
    /// It belongs to another protocol.
    Upgraded,
}

impl Trace {
    /// The trace without what may depend on how the same bytes were cut, or on the sizes of a
    /// driver's buffers.
    ///
    /// - Bytes behind the end of a response are seen, or not: the connection is closed for them, or
    ///   given back, and the adapter looks for unread bytes before it is used again.
    /// - A body of unknown length is cut into chunks as its source gives it.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        for connection in &mut self.connections {
            if connection.released == Released::Close(CloseReason::ExcessBytes) {
                connection.released = Released::Reuse;
            }
            connection.request = with_one_chunk_each(&connection.request);
        }
        self
    }

    /// The trace without times, for a driver over a network that takes some.
    #[must_use]
    pub fn timeless(mut self) -> Self {
        self.ended = 0;
        self
    }

    /// The content as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    /// The request that the origin of connection `at` took, as text; empty without one.
    #[must_use]
    pub fn request(&self, at: usize) -> String {
        let request = self.connections.get(at).map(|c| c.request.as_slice());
        String::from_utf8_lossy(request.unwrap_or_default()).into_owned()
    }

    /// What became of each connection.
    #[must_use]
    pub fn released(&self) -> Vec<Released> {
        self.connections.iter().map(|c| c.released).collect()
    }

    /// The statuses of all responses that were told, interim ones included, in their order.
    #[must_use]
    pub fn statuses(&self) -> Vec<u16> {
        let status = |told: &Told| match told {
            Told::Informational(status) | Told::Response { status, .. } => Some(*status),
            Told::Redirected { .. }
            | Told::Resumed { .. }
            | Told::BodyRestarted
            | Told::Asked(_) => None,
        };
        self.events.iter().filter_map(status).collect()
    }

    /// The redirects that were followed: status and new URL.
    #[must_use]
    pub fn hops(&self) -> Vec<(u16, &str)> {
        let hop = |told| match told {
            &Told::Redirected { status, ref to } => Some((status, to.as_str())),
            Told::Informational(_)
            | Told::Response { .. }
            | Told::Resumed { .. }
            | Told::BodyRestarted
            | Told::Asked(_) => None,
        };
        self.events.iter().filter_map(hop).collect()
    }

    /// Where each connection leads.
    #[must_use]
    pub fn destinations(&self) -> Vec<&str> {
        self.connections.iter().map(|c| c.to.as_str()).collect()
    }

    /// The requests that all origins took, in the order of their connections.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let taken = self.connections.iter().flat_map(|c| split_requests(&c.request));
        taken.map(|request| String::from_utf8_lossy(request).into_owned()).collect()
    }

    /// The requests that the origin of connection `at` took, in their order.
    #[must_use]
    pub fn requests_on(&self, at: usize) -> Vec<String> {
        let taken = self.connections.get(at).into_iter().flat_map(|c| split_requests(&c.request));
        taken.map(|request| String::from_utf8_lossy(request).into_owned()).collect()
    }

    /// The values of the final response's fields of this name.
    #[must_use]
    pub fn raw_values(&self, name: &str) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        for told in &self.events {
            if let Told::Response { fields, .. } = told {
                let named = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
                values.extend(named.map(|(_, value)| value.clone()));
            }
        }
        values
    }

    /// The same as text.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<String> {
        let values = self.raw_values(name).into_iter();
        values.map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
    }
}

impl Told {
    /// The event for a response with this head.
    #[must_use]
    pub fn response(head: &ResponseHead<'_>) -> Self {
        let owned = |(name, value): (&str, &[u8])| (name.to_owned(), value.to_vec());
        Self::Response { status: head.status(), fields: head.fields().map(owned).collect() }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("events", &self.events)
            .field("content", &Text(&self.content))
            .field("after_upgrade", &Text(&self.after_upgrade))
            .field("result", &self.result)
            .field("counts", &self.counts)
            .field("connections", &self.connections)
            .field("ended", &self.ended)
            .finish()
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Informational(status) => write!(f, "{status}"),
            Self::Redirected { status, to } => write!(f, "{status} to {to}"),
            Self::Resumed { offset, total } => write!(f, "resumed at {offset} of {total:?}"),
            Self::BodyRestarted => f.write_str("body restarted"),
            Self::Asked(question) => write!(f, "{question:?}?"),
            Self::Response { status, fields } => {
                let fields = fields.iter().map(|(name, value)| (name, Text(value)));
                write!(f, "{status} ")?;
                f.debug_map().entries(fields).finish()
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {:?}", self.to, self.released, Text(&self.request))
    }
}

/// Bytes, shown as text with escapes; of a great many the first.
struct Text<'a>(&'a [u8]);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MANY: usize = 600;
        match self.0.get(..MANY) {
            Some(first) => write!(f, "{} bytes: \"{}…\"", self.0.len(), first.escape_ascii()),
            None => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

impl From<&ByteCounts> for Counts {
    fn from(counts: &ByteCounts) -> Self {
        Self {
            sent: counts.sent,
            received: counts.received,
            expected_to_send: counts.expected_to_send,
            expected_to_receive: counts.expected_to_receive,
        }
    }
}

/// Where a connection for `url` leads.
#[must_use]
pub fn destination(url: Url<'_>) -> String {
    format!("{:?} {} {}", url.scheme(), url.host(), url.port()).to_lowercase()
}

/// Where the head of a request ends, its empty line included.
#[must_use]
pub fn head_end(request: &[u8]) -> Option<usize> {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    Some(end + 4)
}

/// The length of a body that is not chunked, as the head of its request says.
#[must_use]
pub fn content_length(head: &[u8]) -> usize {
    let length = body_length(head).expect("a number");
    usize::try_from(length).expect("a short body")
}

/// The same; `None` where that is not a number.
pub(crate) fn body_length(head: &[u8]) -> Option<u64> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
    length.map_or(Some(0), |length| length.parse().ok())
}

/// Whether the head of a request says that its body is chunked.
pub(crate) fn is_chunked(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.contains("\r\ntransfer-encoding: chunked\r\n")
}

/// `requests`, of one connection, each with a chunked body as one chunk.
fn with_one_chunk_each(requests: &[u8]) -> Vec<u8> {
    split_requests(requests).into_iter().map(with_one_chunk).collect::<Vec<_>>().concat()
}

/// The requests on one connection; the last one may lack its end.
fn split_requests(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let (request, rest) = bytes.split_at(request_end(bytes));
        requests.push(request);
        bytes = rest;
    }
    requests
}

/// Where the first of `requests` ends; behind all of it if its end is not there.
fn request_end(requests: &[u8]) -> usize {
    let Some(head) = head_end(requests) else {
        return requests.len();
    };
    let (head, body) = requests.split_at(head);
    let body_length = match is_chunked(head) {
        true => decoded(body).1,
        false => content_length(head).min(body.len()),
    };
    head.len() + body_length
}

/// `request` with a chunked body as one chunk, followed by the last one if that is there.
fn with_one_chunk(request: &[u8]) -> Vec<u8> {
    let Some((head, body)) = head_end(request).and_then(|end| request.split_at_checked(end)) else {
        return request.to_vec();
    };
    if !is_chunked(head) {
        return request.to_vec();
    }
    let (content, _, is_finished) = decoded(body);
    let size = format!("{:x}\r\n", content.len());
    let end: &[u8] = if is_finished { b"\r\n0\r\n\r\n" } else { b"" };
    [head, size.as_bytes(), &content, end].concat()
}

/// The content of a chunked body, how many bytes it takes, and whether that is all of it.
fn decoded(body: &[u8]) -> (Vec<u8>, usize, bool) {
    let (mut content, mut decoder) = (body.to_vec(), ChunkedDecoder::new());
    match decoder.decode_in_place(&mut content) {
        Ok(decoded) => {
            content.truncate(decoded.content);
            (content, decoded.consumed, decoder.is_finished())
        }
        Err(error) => panic!("a malformed request: {error}"),
    }
}
