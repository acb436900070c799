//! Requests: borrowed, and checked before anything is sent.

use core::fmt;

use crate::limits;
use crate::transfer::SendsBody;
use crate::url::Url;
use crate::wire::encode::options;
use crate::wire::grammar;

/// Why a request is refused. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RequestError {
    /// The method is not a token (RFC 9110 §9.1).
    Method,
    /// `CONNECT` asks a proxy for a tunnel; it is not a task's method.
    Connect,
    /// A field name is not a token (RFC 9110 §5.1).
    FieldName,
    /// A field value has a CR, LF, NUL or another control character (RFC 9110 §5.5).
    FieldValue,
    /// `GET`, `HEAD` and `TRACE` take no body.
    BodyNotAllowed,
    /// `Content-Length` is malformed, or contradicts the body or itself.
    ContentLength,
    /// `Transfer-Encoding` is the task's to set: leave the length of the body open instead. Nor may
    /// `TE` name `chunked`, which goes without saying (RFC 9112 §7.4).
    TransferEncoding,
    /// More than one `Host`.
    Host,
    /// `TRACE` with credentials, which the answer would show (RFC 9110 §9.3.8).
    Trace,
    /// More than [`limits::REQUEST_FIELDS`].
    TooManyFields,
}

impl RequestError {
    /// The URLError code that URLSession reports for this.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::BodyNotAllowed => -1103,
            Self::Method
            | Self::Connect
            | Self::FieldName
            | Self::FieldValue
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::Host
            | Self::Trace
            | Self::TooManyFields => -1,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "the method has a character that is not allowed in one",
            Self::Connect => "CONNECT is for proxies and cannot be a task's method",
            Self::FieldName => "a field name has a character that is not allowed in one",
            Self::FieldValue => "a field value has a line break or another control character",
            Self::BodyNotAllowed => "a GET, HEAD or TRACE request cannot have a body: use POST",
            Self::ContentLength => "Content-Length contradicts the body: leave it out",
            Self::TransferEncoding => "chunked cannot be asked for: leave the length open",
            Self::Host => "more than one Host field",
            Self::Trace => "a TRACE request cannot have credentials: the answer would show them",
            Self::TooManyFields => "more than 256 fields",
        })
    }
}

impl core::error::Error for RequestError {}

/// A field name that changes what the core does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Te,
    Expect,
    Upgrade,
    ContentType,
    /// Describes a body, and goes with it: `Content-Encoding` and the like.
    Content,
    /// Says who the user is, or where from, to one origin: `Authorization`, `Cookie`,
    /// `Proxy-Authorization`, `Referer`.
    Credential,
    Range,
    IfRange,
    Other,
}

impl Known {
    /// For sets of these.
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u16
    }

    pub(crate) const fn of(name: &[u8]) -> Self {
        // By length and first letter: most names are none of these, and few are compared.
        let Some(first) = name.first() else {
            return Self::Other;
        };
        match (name.len(), *first | 0x20) {
            (2, b't') if is(name, b"te") => Self::Te,
            (4, b'h') if is(name, b"host") => Self::Host,
            (5, b'r') if is(name, b"range") => Self::Range,
            (6, b'e') if is(name, b"expect") => Self::Expect,
            (6, b'c') if is(name, b"cookie") => Self::Credential,
            (6, b'd') if is(name, b"digest") => Self::Content,
            (7, b'r') if is(name, b"referer") => Self::Credential,
            (7, b'u') if is(name, b"upgrade") => Self::Upgrade,
            (8, b'i') if is(name, b"if-range") => Self::IfRange,
            (10, b'c') if is(name, b"connection") => Self::Connection,
            (11, b'r') if is(name, b"repr-digest") => Self::Content,
            (12, b'c') if is(name, b"content-type") => Self::ContentType,
            (13, b'a') if is(name, b"authorization") => Self::Credential,
            (13, b'c') if is(name, b"content-range") => Self::Content,
            (13, b'l') if is(name, b"last-modified") => Self::Content,
            (14, b'c') if is(name, b"content-length") => Self::ContentLength,
            (14, b'c') if is(name, b"content-digest") => Self::Content,
            (16, b'c') if is(name, b"content-encoding") => Self::Content,
            (16, b'c') if is(name, b"content-language") => Self::Content,
            (16, b'c') if is(name, b"content-location") => Self::Content,
            (17, b't') if is(name, b"transfer-encoding") => Self::TransferEncoding,
            (19, b'p') if is(name, b"proxy-authorization") => Self::Credential,
            _ => Self::Other,
        }
    }
}

/// Kept out of line: it is called from many places, each of which is seldom reached.
#[inline(never)]
const fn is(name: &[u8], known: &[u8]) -> bool {
    grammar::eq_ignore_case(name, known)
}

/// A field line of a request: a checked name and value (RFC 9110 §5).
///
/// The check is a `const fn`: with [`field!`](crate::field) it happens at compile time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a str,
    value: &'a [u8],
    known: Known,
}

impl<'a> Field<'a> {
    /// A field of this name and value. Space around the value is not part of it and is removed.
    ///
    /// # Errors
    /// [`RequestError::FieldName`] where the name is not a token, [`RequestError::FieldValue`]
    /// where the value has a control character other than tab, CR and LF above all.
    pub const fn new(name: &'a str, value: &'a [u8]) -> Result<Self, RequestError> {
        if !grammar::is_token(name.as_bytes()) {
            return Err(RequestError::FieldName);
        }
        if !grammar::is_field_value(value) {
            return Err(RequestError::FieldValue);
        }
        let known = Known::of(name.as_bytes());
        Ok(Self { name, value: grammar::trim_ows(value), known })
    }

    /// A field whose name and value are known to be valid, and which the core gives no meaning.
    pub(crate) const fn of_checked(name: &'static str, value: &'a [u8]) -> Self {
        Self { name, value, known: Known::of(name.as_bytes()) }
    }

    /// The name, in the case it was given in and is sent in.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The value, without surrounding space.
    #[must_use]
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    pub(crate) const fn known(&self) -> Known {
        self.known
    }
}

impl fmt::Debug for Field<'_> {
    /// The name only: values hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.name)
    }
}

/// A [`Field`] checked at compile time: `field!("Accept", "text/plain")`.
#[macro_export]
macro_rules! field {
    ($name:expr, $value:expr) => {
        const {
            match $crate::Field::new($name, $value.as_bytes()) {
                Ok(field) => field,
                Err(_) => panic!("not a valid field"),
            }
        }
    };
}

/// What the redirects so far make of a request, with the one that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rewrite {
    /// It is a `GET` without a body.
    pub becomes_get: bool,
    /// It goes to another origin than one before it, at least once: credentials are gone.
    pub leaves_origin: bool,
}

impl Rewrite {
    /// Whether a field of the caller's is still sent.
    #[must_use]
    pub const fn keeps(self, field: &Field<'_>) -> bool {
        self.dropped() & field.known().bit() == 0
    }

    /// The fields that are not sent any more, as [`Known::bit`]s. What is about a body goes with it
    /// (RFC 9110 §15.4); what was meant for one origin is not sent to another, nor to the first one
    /// again, since a redirect in between may have chosen the URL.
    const fn dropped(self) -> u16 {
        let mut dropped = 0;
        if self.becomes_get {
            dropped |= Known::ContentType.bit() | Known::ContentLength.bit();
            dropped |= Known::Content.bit() | Known::Expect.bit();
        }
        if self.leaves_origin {
            dropped |= Known::Credential.bit() | Known::Host.bit();
        }
        dropped
    }
}

/// How long the body of a request is, in bytes of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BodyLength {
    /// No body.
    None,
    /// A body of exactly so many bytes, sent with `Content-Length`.
    Known(u64),
    /// A body that ends when its source ends, sent chunked.
    Unknown,
}

/// A request: method, URL, fields and the length of its body, all checked.
///
/// It borrows everything and is cheap to copy. The same request is lent to the task at every call
/// that asks for one; the body itself never passes through the core.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    method: &'a str,
    url: Url<'a>,
    fields: &'a [Field<'a>],
    traits: RequestTraits,
}

/// What the machines need to know of a request after it was checked, in a few bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestTraits {
    pub(crate) body: BodyLength,
    /// What sends a body, where there is one that is not empty.
    pub(crate) sender: Option<&'static SendsBody>,
    pub(crate) is_head: bool,
    /// RFC 9110 §9.2.2.
    pub(crate) is_idempotent: bool,
    /// Without a body it says so (RFC 9110 §8.6).
    pub(crate) says_zero: bool,
    /// The caller set `Connection: close`.
    pub(crate) close: bool,
    pub(crate) expect: Expectation,
    /// The caller set these [`options`],
    pub(crate) options: u8,
    /// and these are in the caller's `Connection`.
    pub(crate) listed: u8,
    pub(crate) has_host: bool,
    pub(crate) has_length: bool,
    pub(crate) content_type: ContentType,
    pub(crate) range: Ranges,
    pub(crate) is_post: bool,
    /// The caller's own method is GET.
    pub(crate) is_get: bool,
    /// A redirect made it a GET without a body.
    pub(crate) is_rewritten: bool,
    /// A redirect led to another origin: what the caller meant for the first one stays there.
    pub(crate) is_elsewhere: bool,
}

/// What becomes of the caller's `Expect: 100-continue` (RFC 9110 §10.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// There is none.
    Absent,
    /// It is sent, and the body waits.
    Sent,
    /// It is not sent: without content nothing waits, or the server does not take it.
    Dropped,
}

/// What the caller set of `Range` and `If-Range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranges {
    None,
    /// `If-Range` alone, which is not sent (RFC 9110 §13.1.5).
    Condition,
    /// `Range`: a part is what it wants.
    Part,
}

/// `Content-Type` of a body for which the caller set none (RFC 9110 §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    /// Nothing is said.
    Open,
    /// As URLSession and curl do for `POST`.
    Form,
    /// Whatever it is: `OPTIONS` must say something (RFC 9110 §9.3.7).
    Octets,
}

impl<'a> Request<'a> {
    /// A request, checked at the door.
    ///
    /// Methods that are known are sent in upper case, others as they are. A `Content-Length` among
    /// the fields settles a length that is [`BodyLength::Unknown`].
    ///
    /// # Errors
    /// What is wrong with it, see [`RequestError`]. Nothing is sent or kept.
    #[inline] // So that what sends a body is seen to be for nothing where there is none.
    pub fn new(
        method: &'a str,
        url: Url<'a>,
        fields: &'a [Field<'a>],
        body: BodyLength,
    ) -> Result<Self, RequestError> {
        Self::checked(method, url, fields, body, SendsBody::of(body))
    }

    fn checked(
        method: &'a str,
        url: Url<'a>,
        fields: &'a [Field<'a>],
        body: BodyLength,
        sender: Option<&'static SendsBody>,
    ) -> Result<Self, RequestError> {
        let (method, meaning) = normalized_method(method)?;
        if fields.len() > limits::REQUEST_FIELDS {
            return Err(RequestError::TooManyFields);
        }
        let mut traits = RequestTraits::of(meaning, body, sender);
        for field in fields {
            traits.add(field)?;
        }
        if meaning.is_trace && fields.iter().any(|field| field.known == Known::Credential) {
            return Err(RequestError::Trace);
        }
        let is_empty = matches!(traits.body, BodyLength::None | BodyLength::Known(0));
        traits.sender = sender.filter(|_| !is_empty);
        if !traits.has_body() && matches!(traits.expect, Expectation::Sent) {
            traits.expect = Expectation::Dropped;
        } else if traits.has_body() && meaning.takes_no_body {
            return Err(RequestError::BodyNotAllowed);
        }
        Ok(Self { method, url, fields, traits })
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// The URL.
    #[must_use]
    pub const fn url(&self) -> Url<'a> {
        self.url
    }

    /// The fields that the caller set.
    #[must_use]
    pub const fn fields(&self) -> &'a [Field<'a>] {
        self.fields
    }

    /// The length of the body.
    #[must_use]
    pub const fn body(&self) -> BodyLength {
        self.traits.body
    }

    pub(crate) const fn traits(&self) -> &RequestTraits {
        &self.traits
    }
}

impl RequestTraits {
    fn of(method: Meaning, body: BodyLength, sender: Option<&'static SendsBody>) -> Self {
        Self {
            body,
            sender,
            is_head: method.is_head,
            is_idempotent: method.is_idempotent,
            says_zero: method.says_zero,
            close: false,
            expect: Expectation::Absent,
            options: 0,
            listed: 0,
            has_host: false,
            has_length: false,
            content_type: method.content_type,
            range: Ranges::None,
            is_post: method.is_post,
            is_get: method.is_get,
            is_rewritten: false,
            is_elsewhere: false,
        }
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn add(&mut self, field: &Field<'_>) -> Result<(), RequestError> {
        match field.known {
            Known::Content | Known::Credential | Known::Other => {}
            Known::Range => self.range = Ranges::Part,
            Known::IfRange if self.range == Ranges::None => self.range = Ranges::Condition,
            Known::IfRange => {}
            Known::Host if self.has_host => return Err(RequestError::Host),
            Known::Host => self.has_host = true,
            Known::ContentType => self.content_type = ContentType::Open,
            Known::TransferEncoding => return Err(RequestError::TransferEncoding),
            Known::Te if offers_chunked(field.value) => {
                return Err(RequestError::TransferEncoding);
            }
            Known::Te => self.options |= options::TE,
            Known::ContentLength => self.add_length(field.value)?,
            Known::Connection => {
                for option in grammar::elements(field.value) {
                    self.close |= grammar::eq_ignore_case(option, b"close");
                    self.listed |= match option.len() {
                        2 if grammar::eq_ignore_case(option, b"te") => options::TE,
                        7 if grammar::eq_ignore_case(option, b"upgrade") => options::UPGRADE,
                        _ => 0,
                    };
                }
            }
            Known::Upgrade => self.options |= options::UPGRADE,
            Known::Expect if grammar::eq_ignore_case(field.value, b"100-continue") => {
                self.expect = Expectation::Sent;
            }
            Known::Expect => self.expect = Expectation::Absent,
        }
        Ok(())
    }

    /// The caller's fields that are not sent, as [`Known::bit`]s.
    pub(crate) const fn dropped(&self) -> u16 {
        let rewrite = Rewrite { becomes_get: self.is_rewritten, leaves_origin: self.is_elsewhere };
        let mut dropped = rewrite.dropped();
        if matches!(self.expect, Expectation::Dropped) {
            dropped |= Known::Expect.bit();
        }
        if matches!(self.range, Ranges::Condition) {
            dropped |= Known::IfRange.bit();
        }
        dropped
    }

    /// Whether the caller set `Upgrade`.
    pub(crate) const fn upgrades(&self) -> bool {
        self.options & options::UPGRADE != 0
    }

    /// Whether what is stored of the response can be gone on with: a range is defined for GET only
    /// (RFC 9110 §14.2), and one that the caller asked for is not the whole.
    pub(crate) const fn can_be_resumed(&self) -> bool {
        self.is_get && !matches!(self.range, Ranges::Part)
    }

    /// A redirect turned the request into a GET: its body, and what described it, is gone
    /// (RFC 9110 §15.4).
    pub(crate) fn become_get(&mut self) {
        *self = Self {
            close: self.close,
            options: self.options,
            listed: self.listed,
            has_host: self.has_host,
            range: self.range,
            is_get: self.is_get,
            is_rewritten: true,
            is_elsewhere: self.is_elsewhere,
            ..Self::of(Meaning::GET, BodyLength::None, None)
        };
    }

    /// A redirect leads to another origin: credentials and `Host` were for the one before.
    pub(crate) fn go_elsewhere(&mut self) {
        self.is_elsewhere = true;
        self.has_host = false;
    }

    /// A length that the caller wrote down must be the body's, and be written once
    /// (RFC 9110 §8.6).
    fn add_length(&mut self, value: &[u8]) -> Result<(), RequestError> {
        let length = grammar::decimal(value).ok_or(RequestError::ContentLength)?;
        let agrees = match self.body {
            BodyLength::None => length == 0,
            BodyLength::Known(known) => length == known,
            BodyLength::Unknown => true,
        };
        if self.has_length || !agrees {
            return Err(RequestError::ContentLength);
        }
        self.has_length = true;
        self.body = BodyLength::Known(length);
        Ok(())
    }
}

/// Whether a `TE` names what goes without saying (RFC 9112 §7.4).
fn offers_chunked(codings: &[u8]) -> bool {
    grammar::elements(codings)
        .any(|coding| coding.get(..7).is_some_and(|name| grammar::eq_ignore_case(name, b"chunked")))
}

/// What a method means to the machines.
#[derive(Debug, Clone, Copy)]
struct Meaning {
    is_get: bool,
    is_head: bool,
    is_post: bool,
    is_trace: bool,
    content_type: ContentType,
    /// RFC 9110 §9.2.2.
    is_idempotent: bool,
    takes_no_body: bool,
    says_zero: bool,
}

impl Meaning {
    /// A method of which nothing is known.
    const OTHER: Self = Self {
        is_get: false,
        is_head: false,
        is_post: false,
        is_trace: false,
        content_type: ContentType::Open,
        is_idempotent: false,
        takes_no_body: false,
        says_zero: true,
    };
    const DELETE: Self = Self { is_idempotent: true, says_zero: false, ..Self::OTHER };
    const OPTIONS: Self = Self { content_type: ContentType::Octets, ..Self::DELETE };
    const GET: Self = Self { is_get: true, takes_no_body: true, ..Self::DELETE };
    const HEAD: Self = Self { is_get: false, is_head: true, ..Self::GET };
    const TRACE: Self = Self { is_get: false, is_trace: true, ..Self::GET };
    const PUT: Self = Self { is_idempotent: true, ..Self::OTHER };
    const POST: Self = Self { is_post: true, content_type: ContentType::Form, ..Self::OTHER };
}

fn normalized_method(method: &str) -> Result<(&str, Meaning), RequestError> {
    const KNOWN: [(&str, Meaning); 8] = [
        ("GET", Meaning::GET),
        ("HEAD", Meaning::HEAD),
        ("POST", Meaning::POST),
        ("PUT", Meaning::PUT),
        ("DELETE", Meaning::DELETE),
        ("PATCH", Meaning::OTHER),
        ("OPTIONS", Meaning::OPTIONS),
        ("TRACE", Meaning::TRACE),
    ];
    if method == "GET" {
        return Ok((method, Meaning::GET));
    }
    for (known, meaning) in KNOWN {
        if method.eq_ignore_ascii_case(known) {
            return Ok((known, meaning));
        }
    }
    if method.eq_ignore_ascii_case("CONNECT") {
        return Err(RequestError::Connect);
    }
    if !grammar::is_token(method.as_bytes()) {
        return Err(RequestError::Method);
    }
    Ok((method, Meaning::OTHER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Url<'static> {
        Url::parse("http://a/").unwrap()
    }

    fn refused(method: &str, fields: &[Field<'_>], body: BodyLength) -> Option<RequestError> {
        Request::new(method, url(), fields, body).err()
    }

    fn length(value: &str) -> [Field<'_>; 1] {
        [Field::new("content-LENGTH", value.as_bytes()).unwrap()]
    }

    #[test]
    fn fields_that_would_split_the_message_are_refused() {
        for value in ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "a\x7f"] {
            let refused = Field::new("X", value.as_bytes()).err();
            assert_eq!(refused, Some(RequestError::FieldValue), "{value:?}");
        }
        for name in ["", "a b", "a:", "a\r\n", "ä", "a\0"] {
            assert_eq!(Field::new(name, b"").err(), Some(RequestError::FieldName), "{name:?}");
        }
        assert_eq!(Field::new("X", b" \t a b \t").unwrap().value(), b"a b");
    }

    #[test]
    fn known_methods_are_upper_case_and_others_verbatim() {
        let method = |m| Request::new(m, url(), &[], BodyLength::None).map(|r| r.method());
        assert_eq!(method("get"), Ok("GET"));
        assert_eq!(method("Purge"), Ok("Purge"));
        assert_eq!(method("G T"), Err(RequestError::Method));
        assert_eq!(method(""), Err(RequestError::Method));
        assert_eq!(method("connect"), Err(RequestError::Connect));
    }

    #[test]
    fn a_body_is_refused_where_the_method_takes_none() {
        for method in ["GET", "head", "TRACE"] {
            for body in [BodyLength::Known(1), BodyLength::Unknown] {
                assert_eq!(refused(method, &[], body), Some(RequestError::BodyNotAllowed));
            }
            assert_eq!(refused(method, &[], BodyLength::Known(0)), None);
        }
        assert_eq!(RequestError::BodyNotAllowed.code(), -1103);
    }

    #[test]
    fn content_length_must_agree_with_the_body() {
        let wrong = Some(RequestError::ContentLength);
        assert_eq!(refused("POST", &length("5"), BodyLength::Known(5)), None);
        assert_eq!(refused("POST", &length("4"), BodyLength::Known(5)), wrong);
        assert_eq!(refused("POST", &length("5"), BodyLength::None), wrong);
        assert_eq!(refused("POST", &length("+5"), BodyLength::Known(5)), wrong);
        let twice = [length("5")[0], length("5")[0]];
        assert_eq!(refused("POST", &twice, BodyLength::Known(5)), wrong);
        let seven = length("7");
        let settled = Request::new("PUT", url(), &seven, BodyLength::Unknown);
        assert_eq!(settled.map(|r| r.body()), Ok(BodyLength::Known(7)));
    }

    #[test]
    fn framing_and_routing_fields_cannot_be_abused() {
        let te = [field!("Transfer-Encoding", "chunked")];
        assert_eq!(refused("POST", &te, BodyLength::Unknown), Some(RequestError::TransferEncoding));
        let hosts = [field!("Host", "a"), field!("host", "b")];
        assert_eq!(refused("GET", &hosts, BodyLength::None), Some(RequestError::Host));
        let many = [field!("A", "b"); limits::REQUEST_FIELDS + 1];
        assert_eq!(refused("GET", &many, BodyLength::None), Some(RequestError::TooManyFields));
    }
}
