//! Splitting a URL without copying it (RFC 3986 §3, as narrowed by RFC 9110 §4.2).

mod resolve;

use core::fmt;

pub use resolve::{ResolveError, Resolved};

use crate::limits;
use crate::wire::grammar::{self, before, behind, piece, span};

/// The schemes a task can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS. Never sent in plaintext.
    Https,
    /// WebSocket over plain TCP.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Scheme {
    /// The port that is meant when the URL names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::Ws => 80,
            Self::Https | Self::Wss => 443,
        }
    }

    /// Whether it is HTTP, secured or not.
    #[must_use]
    pub const fn is_http(self) -> bool {
        match self {
            Self::Http | Self::Https => true,
            Self::Ws | Self::Wss => false,
        }
    }

    /// Whether the connection must be secured.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        match self {
            Self::Http | Self::Ws => false,
            Self::Https | Self::Wss => true,
        }
    }
}

/// Why a text is not a URL that a task can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum UrlError {
    /// Longer than [`limits::URL_BYTES`].
    TooLong,
    /// No scheme: it must begin with `http://` or the like.
    NoScheme,
    /// A scheme that a task does not speak.
    UnsupportedScheme,
    /// No host.
    NoHost,
    /// The host is malformed.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// A space, a control character or a byte that is not ASCII: it must be percent-encoded.
    Character,
}

impl UrlError {
    /// The URLError code that URLSession reports for this.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::NoScheme | Self::UnsupportedScheme => -1002,
            Self::TooLong | Self::NoHost | Self::Host | Self::Port | Self::Character => -1000,
        }
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the URL is longer than 8192 bytes",
            Self::NoScheme => "the URL has no scheme: write http:// or https:// before it",
            Self::UnsupportedScheme => "this scheme is not supported: use http:// or https://",
            Self::NoHost => "the URL has no host",
            Self::Host => "the host of the URL is malformed",
            Self::Port => "the port of the URL is not a number from 1 to 65535",
            Self::Character => {
                "the URL has a character that must be percent-encoded (space is %20)"
            }
        })
    }
}

impl core::error::Error for UrlError {}

/// Where the parts of a URL lie in its text: what parsing found, without the text.
///
/// Kept beside an owned text, it gives a [`Url`] again without a second parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UrlParts {
    scheme: Scheme,
    user_start: u16,
    host_start: u16,
    host_end: u16,
    /// End of `host[:port]`; without a port, or with the default one, equal to `host_end`.
    authority_end: u16,
    port: u16,
    path_start: u16,
    query_end: u16,
}

/// A URL, split and checked, that borrows its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Url<'a> {
    /// ASCII, unless the parts are those of another text.
    text: &'a [u8],
    parts: UrlParts,
}

impl<'a> Url<'a> {
    /// Splits `text` and checks every part.
    ///
    /// # Errors
    /// What is wrong with the text, see [`UrlError`].
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        Self::from_ascii(text.as_bytes())
    }

    /// As [`Url::parse`], for a text that lies in bytes: from flash, a message, a command line.
    /// A URL is ASCII, so that nobody has to check UTF-8 before, which costs firmware 600 bytes.
    ///
    /// # Errors
    /// What is wrong with the text, see [`UrlError`].
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn from_ascii(text: &'a [u8]) -> Result<Self, UrlError> {
        Ok(Self { text, parts: UrlParts::parse_bytes(text)? })
    }

    /// Puts a text and its parts together again. With parts of another text the accessors give
    /// other, possibly empty, pieces of it, and so does a text that is not ASCII; nothing worse.
    #[must_use]
    pub const fn from_parts(text: &'a str, parts: UrlParts) -> Self {
        Self { text: text.as_bytes(), parts }
    }

    /// Where the parts lie.
    #[must_use]
    pub const fn parts(&self) -> UrlParts {
        self.parts
    }

    /// The text that was parsed.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        as_text(self.text)
    }

    /// The same as bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.text
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The host as one connects to it: a name, an IPv4 address, or an IPv6 address without its
    /// brackets. A link-local address may have a zone behind it, as the URL writes it: after `%25`
    /// and percent-encoded (RFC 6874 §2).
    #[must_use]
    pub fn host(&self) -> &'a str {
        let host = self.piece(self.parts.host_start, self.parts.host_end);
        let [b'[', address @ .., b']'] = host else { return as_text(host) };
        as_text(address)
    }

    /// The port, the scheme's default where the URL names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.parts.port
    }

    /// `host[:port]` as `Host` takes it: with brackets, without user information, without a
    /// default port (RFC 9110 §7.2). A zone is in it, and not in `Host`.
    #[must_use]
    pub fn authority(&self) -> &'a str {
        as_text(self.authority_bytes())
    }

    pub(crate) fn authority_bytes(&self) -> &'a [u8] {
        self.piece(self.parts.host_start, self.parts.authority_end)
    }

    /// `user:password` before the host, if any. It is never sent on its own account.
    #[must_use]
    pub fn user_info(&self) -> Option<&'a str> {
        let end = self.parts.host_start.checked_sub(1)?;
        (end > self.parts.user_start).then(|| as_text(self.piece(self.parts.user_start, end)))
    }

    /// Path and query as they stand in the URL, without the fragment. May be empty, or begin with
    /// `?`: then the request target is this after a `/` (RFC 9112 §3.2.1).
    #[must_use]
    pub fn path_and_query(&self) -> &'a str {
        as_text(self.target_bytes())
    }

    pub(crate) fn target_bytes(&self) -> &'a [u8] {
        self.piece(self.parts.path_start, self.parts.query_end)
    }

    /// The fragment, without its `#`. It is for the caller alone and never sent (RFC 9110 §4.2.5).
    #[must_use]
    pub fn fragment(&self) -> Option<&'a str> {
        match self.text.get(usize::from(self.parts.query_end)..) {
            Some([b'#', fragment @ ..]) => Some(as_text(fragment)),
            Some(_) | None => None,
        }
    }

    /// Whether `other` has the same scheme, host and port (RFC 9110 §4.3.1).
    #[must_use]
    pub fn same_origin(&self, other: &Url<'_>) -> bool {
        self.parts.is_same_origin(self.text, other)
    }

    fn piece(&self, start: u16, end: u16) -> &'a [u8] {
        piece(self.text, start.into(), end.into())
    }
}

fn as_text(piece: &[u8]) -> &str {
    grammar::text(piece).unwrap_or_default()
}

impl fmt::Debug for Url<'_> {
    /// Without the user information, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({:?}://{}{})", self.scheme(), self.authority(), self.path_and_query())
    }
}

impl UrlParts {
    /// Splits `text` and checks every part; see [`Url::parse`].
    ///
    /// # Errors
    /// What is wrong with the text, see [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        Self::parse_bytes(text.as_bytes())
    }

    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether the URL in `text` has the origin of `other`, see [`Url::same_origin`]. For a text
    /// that lies among other bytes; with one that these are not the parts of, it is just not equal.
    #[must_use]
    pub fn is_same_origin(&self, text: &[u8], other: &Url<'_>) -> bool {
        // A host with brackets is no name.
        let host = |parts: &Self, text| piece(text, parts.host_start.into(), parts.host_end.into());
        self.scheme == other.parts.scheme
            && self.port == other.parts.port
            && same_host(host(self, text), host(&other.parts, other.text))
    }

    /// Whether the URL in `text` has user information that is not that of `other`.
    pub(crate) fn brings_user(&self, text: &[u8], other: &Url<'_>) -> bool {
        // With the `@` behind it.
        let user =
            |parts: &Self, text| piece(text, parts.user_start.into(), parts.host_start.into());
        let own = user(self, text);
        !own.is_empty() && own != user(&other.parts, other.text)
    }

    fn parse_bytes(bytes: &[u8]) -> Result<Self, UrlError> {
        if bytes.len() > limits::URL_BYTES {
            return Err(UrlError::TooLong);
        }
        // Visible ASCII only: anything else must be percent-encoded (RFC 3986 §2).
        if span(bytes, grammar::VISIBLE) < bytes.len() {
            return Err(UrlError::Character);
        }
        let length = span(bytes, grammar::SCHEME);
        let (name, rest) = bytes.split_at_checked(length).unwrap_or_default();
        let ([_, ..], [b':', b'/', b'/', rest @ ..]) = (name, rest) else {
            return Err(UrlError::NoScheme);
        };
        let mut parts = Self::new(known_scheme(name)?);
        let authority = rest.get(..before(rest, b"/?#")).unwrap_or_default();
        parts.split_authority(authority, length.wrapping_add(3))?;
        // None is before the path.
        parts.query_end = offset(before(bytes, b"#"));
        Ok(parts)
    }

    /// Parts of which nothing is known but the scheme.
    const fn new(scheme: Scheme) -> Self {
        Self {
            scheme,
            user_start: 0,
            host_start: 0,
            host_end: 0,
            authority_end: 0,
            port: 0,
            path_start: 0,
            query_end: 0,
        }
    }

    /// Splits `[user@]host[:port]`, which begins at `start`, and checks it (RFC 3986 §3.2).
    #[cfg_attr(target_os = "none", inline(never))]
    fn split_authority(&mut self, authority: &[u8], start: usize) -> Result<(), UrlError> {
        let user = authority.iter().rposition(|byte| *byte == b'@');
        let user = user.map_or(0, |at| at.wrapping_add(1));
        let host_port = behind(authority, user);
        let host = host_length(host_port)?;
        let port = behind(host_port, host);
        let host_start = start.wrapping_add(user);
        let host_end = host_start.wrapping_add(host);
        self.user_start = offset(start);
        self.host_start = offset(host_start);
        self.host_end = offset(host_end);
        self.path_start = offset(start.wrapping_add(authority.len()));
        self.port = self.scheme.default_port();
        self.authority_end = self.host_end;
        let digits = match port {
            // An empty port is the default one (RFC 3986 §3.2.3).
            [] | [b':'] => return Ok(()),
            [b':', digits @ ..] => digits,
            _ => return Err(UrlError::Host),
        };
        let value = grammar::decimal(digits).and_then(|value| u16::try_from(value).ok());
        match value {
            None | Some(0) => return Err(UrlError::Port),
            Some(port) if port != self.port => {
                self.port = port;
                // It ends the authority.
                self.authority_end = self.path_start;
            }
            Some(_) => {}
        }
        Ok(())
    }
}

/// An offset into a text of at most [`limits::URL_BYTES`], of which nothing is lost.
#[allow(clippy::cast_possible_truncation, reason = "the low bits are all that there is")]
const fn offset(at: usize) -> u16 {
    at as u16
}

/// Whether two hosts are one, whatever the case of their letters (RFC 3986 §3.2.2).
fn same_host(one: &[u8], other: &[u8]) -> bool {
    // The core library compares by words of memory, and is larger.
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// The scheme of that name, which may be in either case.
fn known_scheme(name: &[u8]) -> Result<Scheme, UrlError> {
    let (known, scheme): (&[u8], _) = match name.len() {
        2 => (b"ws", Scheme::Ws),
        3 => (b"wss", Scheme::Wss),
        4 => (b"http", Scheme::Http),
        5 => (b"https", Scheme::Https),
        _ => return Err(UrlError::UnsupportedScheme),
    };
    match grammar::eq_ignore_case(name, known) {
        true => Ok(scheme),
        false => Err(UrlError::UnsupportedScheme),
    }
}

/// The length of the host at the front of `host_port`, brackets included (RFC 3986 §3.2.2).
fn host_length(host_port: &[u8]) -> Result<usize, UrlError> {
    if let [b'[', inside @ ..] = host_port {
        let address = span(inside, grammar::ADDRESS);
        let zone = zone_length(behind(inside, address));
        let end = address.wrapping_add(zone.ok_or(UrlError::Host)?);
        // An IPv4 address has no colon, and no brackets.
        if before(inside, b":") >= address || inside.get(end) != Some(&b']') {
            return Err(UrlError::Host);
        }
        return Ok(end.wrapping_add(2));
    }
    match (span(host_port, grammar::HOST), host_port.first()) {
        (0, None | Some(b':')) => Err(UrlError::NoHost),
        // Nobody decodes percent-encoding in a host, so that it could only be the name of nothing.
        (0, Some(_)) => Err(UrlError::Host),
        (length, _) => Ok(length),
    }
}

/// The length of what may follow an IPv6 address: nothing, or `%25` and a zone (RFC 6874 §2).
fn zone_length(text: &[u8]) -> Option<usize> {
    let zone = match text {
        [b'%', b'2', b'5', zone @ ..] => zone,
        [b'%', ..] => return None,
        _ => return Some(0),
    };
    Some(span(zone, grammar::ZONE))
        .filter(|length| *length > 0)
        .map(|length| length.wrapping_add(3))
}

/// What is left of `[address%25zone]:port` without the zone, in two pieces.
pub(crate) fn without_zone(authority: &[u8]) -> [&[u8]; 2] {
    let zone = before(authority, b"%]");
    let end = before(authority, b"]");
    [authority.get(..zone).unwrap_or_default(), behind(authority, end)]
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;

    fn split(text: &str) -> (Scheme, &str, u16, &str, &str) {
        let url = Url::parse(text).unwrap();
        (url.scheme(), url.host(), url.port(), url.authority(), url.path_and_query())
    }

    #[test]
    fn parts_are_found_and_defaults_filled_in() {
        let cases = [
            ("http://a", (Scheme::Http, "a", 80, "a", "")),
            ("HTTP://A.example/", (Scheme::Http, "A.example", 80, "A.example", "/")),
            ("http://a:80/x", (Scheme::Http, "a", 80, "a", "/x")),
            ("http://a:/x", (Scheme::Http, "a", 80, "a", "/x")),
            ("http://a:8080/x?y#z", (Scheme::Http, "a", 8080, "a:8080", "/x?y")),
            ("http://a:0080/", (Scheme::Http, "a", 80, "a", "/")),
            ("https://a?q=/", (Scheme::Https, "a", 443, "a", "?q=/")),
            ("http://a#f?g/h", (Scheme::Http, "a", 80, "a", "")),
            ("ws://[::1]:9/c", (Scheme::Ws, "::1", 9, "[::1]:9", "/c")),
            (
                "wss://[fe80::1%25eth0]/",
                (Scheme::Wss, "fe80::1%25eth0", 443, "[fe80::1%25eth0]", "/"),
            ),
            ("http://u:p@a:81/@", (Scheme::Http, "a", 81, "a:81", "/@")),
            ("http://u@p@a/", (Scheme::Http, "a", 80, "a", "/")),
        ];
        for (text, want) in cases {
            assert_eq!(split(text), want, "{text}");
            assert_eq!(Url::from_ascii(text.as_bytes()), Url::parse(text));
        }
    }

    #[test]
    fn a_url_is_the_bytes_that_were_parsed_and_the_same_as_text() {
        let text = "http://u:p@[fe80::1%25eth0]:81/p?q#f";
        let url = Url::from_ascii(text.as_bytes()).unwrap();
        assert_eq!((url.as_str(), url.as_bytes()), (text, text.as_bytes()));
        assert_eq!((url.user_info(), url.fragment()), (Some("u:p"), Some("f")));
    }

    #[test]
    fn parts_of_another_text_give_empty_pieces_where_it_is_not_ascii() {
        let parts = Url::parse("http://u@host/path#f").unwrap().parts();
        let url = Url::from_parts("http://ä@höst/päth#ü", parts);
        assert_eq!((url.as_str(), url.host(), url.authority()), ("", "", ""));
        assert_eq!((url.path_and_query(), url.user_info()), ("", Some("")));
        assert_eq!(Url::from_parts("", parts).host(), "");
    }

    #[test]
    fn user_information_is_kept_apart_and_not_shown() {
        let url = Url::parse("http://user:secret@host/p").unwrap();
        assert_eq!(url.user_info(), Some("user:secret"));
        assert_eq!(Url::parse("http://host/p").unwrap().user_info(), None);
        assert!(!std::format!("{url:?}").contains("secret"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("", UrlError::NoScheme),
            ("example.com/", UrlError::NoScheme),
            ("//example.com/", UrlError::NoScheme),
            ("http:/example.com", UrlError::NoScheme),
            ("ftp://example.com/", UrlError::UnsupportedScheme),
            ("http://", UrlError::NoHost),
            ("http:///path", UrlError::NoHost),
            ("http://:80/", UrlError::NoHost),
            ("http://user@/", UrlError::NoHost),
            ("http://a:65536/", UrlError::Port),
            ("http://a:0/", UrlError::Port),
            ("http://a:+80/", UrlError::Port),
            ("http://a:8a/", UrlError::Port),
            ("http://[::1/", UrlError::Host),
            ("http://[1.2.3.4]/", UrlError::Host),
            ("http://[::1]x/", UrlError::Host),
            ("http://[fe80::1%25]/", UrlError::Host),
            ("http://[fe80::1%eth0]/", UrlError::Host),
            ("http://[fe80::1%25a[b]/", UrlError::Host),
            ("http://a\"b/", UrlError::Host),
            ("http://a/ b", UrlError::Character),
            ("http://a/\r\nX: y", UrlError::Character),
            ("http://a/ä", UrlError::Character),
        ];
        for (text, want) in cases {
            assert_eq!(Url::parse(text).err(), Some(want), "{text}");
            assert_eq!(Url::from_ascii(text.as_bytes()).err(), Some(want), "{text}");
        }
        let long = String::from("http://a/") + &"x".repeat(limits::URL_BYTES);
        assert_eq!(Url::parse(&long).err(), Some(UrlError::TooLong));
        assert_eq!(Url::from_ascii(long.as_bytes()).err(), Some(UrlError::TooLong));
        assert_eq!(Url::from_ascii(b"http://a/\xff").err(), Some(UrlError::Character));
    }

    #[test]
    fn same_origin_is_scheme_host_and_port() {
        let url = |text| Url::parse(text).unwrap();
        assert!(url("http://A/x").same_origin(&url("http://a:80/y")));
        for other in ["https://a/", "http://a:81/", "http://b/"] {
            assert!(!url("http://a/").same_origin(&url(other)), "{other}");
        }
    }
}
