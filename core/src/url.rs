//! Splitting a URL without copying it (RFC 3986 §3, as narrowed by RFC 9110 §4.2).

mod resolve;

use core::fmt;

pub use resolve::{ResolveError, Resolved};

use crate::limits;
use crate::wire::grammar;

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
    text: &'a str,
    parts: UrlParts,
}

impl<'a> Url<'a> {
    /// Splits `text` and checks every part.
    ///
    /// # Errors
    /// What is wrong with the text, see [`UrlError`].
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        Ok(Self { text, parts: UrlParts::parse(text)? })
    }

    /// Puts a text and its parts together again. With parts of another text the accessors give
    /// other, possibly empty, pieces of it; nothing worse.
    #[must_use]
    pub const fn from_parts(text: &'a str, parts: UrlParts) -> Self {
        Self { text, parts }
    }

    /// Where the parts lie.
    #[must_use]
    pub const fn parts(&self) -> UrlParts {
        self.parts
    }

    /// The text that was parsed.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
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
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
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
        self.piece(self.parts.host_start, self.parts.authority_end)
    }

    /// `user:password` before the host, if any. It is never sent on its own account.
    #[must_use]
    pub fn user_info(&self) -> Option<&'a str> {
        let end = self.parts.host_start.checked_sub(1)?;
        (end > self.parts.user_start).then(|| self.piece(self.parts.user_start, end))
    }

    /// Path and query as they stand in the URL, without the fragment. May be empty, or begin with
    /// `?`: then the request target is this after a `/` (RFC 9112 §3.2.1).
    #[must_use]
    pub fn path_and_query(&self) -> &'a str {
        self.piece(self.parts.path_start, self.parts.query_end)
    }

    /// The fragment, without its `#`. It is for the caller alone and never sent (RFC 9110 §4.2.5).
    #[must_use]
    pub fn fragment(&self) -> Option<&'a str> {
        self.text.get(usize::from(self.parts.query_end)..)?.strip_prefix('#')
    }

    /// Whether `other` has the same scheme, host and port (RFC 9110 §4.3.1).
    #[must_use]
    pub fn same_origin(&self, other: &Url<'_>) -> bool {
        self.parts.scheme == other.parts.scheme
            && self.parts.port == other.parts.port
            && self.host().eq_ignore_ascii_case(other.host())
    }

    fn piece(&self, start: u16, end: u16) -> &'a str {
        self.text.get(usize::from(start)..usize::from(end)).unwrap_or("")
    }
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

    /// The user information of the URL whose text this is, with the `@` behind it.
    pub(crate) fn user_in<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(usize::from(self.user_start)..usize::from(self.host_start)).unwrap_or_default()
    }

    fn parse_bytes(bytes: &[u8]) -> Result<Self, UrlError> {
        if bytes.len() > limits::URL_BYTES {
            return Err(UrlError::TooLong);
        }
        // Visible ASCII only: anything else must be percent-encoded (RFC 3986 §2).
        if !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(UrlError::Character);
        }
        let (scheme, authority_start) = split_scheme(bytes)?;
        let (authority, tail) = cut(bytes.get(authority_start..).unwrap_or_default(), b"/?#");
        let (path_and_query, _fragment) = cut(tail, b"#");
        let found = split_authority(authority, scheme)?;

        let path_start = authority_start.saturating_add(authority.len());
        // Below URL_BYTES, so that `offset` loses nothing.
        Ok(Self {
            scheme,
            user_start: offset(authority_start),
            host_start: offset(authority_start.saturating_add(found.host_start)),
            host_end: offset(authority_start.saturating_add(found.host_end)),
            authority_end: offset(authority_start.saturating_add(found.end)),
            port: found.port,
            path_start: offset(path_start),
            query_end: offset(path_start.saturating_add(path_and_query.len())),
        })
    }
}

/// An offset into a text of at most [`limits::URL_BYTES`].
fn offset(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

fn position(bytes: &[u8], mut found: impl FnMut(u8) -> bool) -> Option<usize> {
    bytes.iter().position(|byte| found(*byte))
}

/// Whether `wanted` is one of a few bytes.
#[allow(
    clippy::manual_contains,
    reason = "it looks by words of memory, and is larger than all this"
)]
fn has(bytes: &[u8], wanted: u8) -> bool {
    bytes.iter().any(|byte| *byte == wanted)
}

/// `bytes` up to the first of `stops`, and the rest from there on.
#[cfg_attr(target_os = "none", inline(never))]
fn cut<'a>(bytes: &'a [u8], stops: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = position(bytes, |byte| has(stops, byte)).unwrap_or(bytes.len());
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// What may be a scheme at the front of `bytes`, and the rest (RFC 3986 §3.1).
fn cut_scheme(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = position(bytes, |byte| {
        !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    });
    bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]))
}

fn known_scheme(name: &[u8]) -> Option<Scheme> {
    const KNOWN: [(&[u8], Scheme); 4] = [
        (b"http", Scheme::Http),
        (b"https", Scheme::Https),
        (b"ws", Scheme::Ws),
        (b"wss", Scheme::Wss),
    ];
    let named = |(known, _): &&(&[u8], Scheme)| grammar::eq_ignore_case(name, known);
    KNOWN.iter().find(named).map(|(_, scheme)| *scheme)
}

/// The scheme and where the authority begins.
fn split_scheme(bytes: &[u8]) -> Result<(Scheme, usize), UrlError> {
    let (name, rest) = cut_scheme(bytes);
    if name.is_empty() || !rest.starts_with(b"://") {
        return Err(UrlError::NoScheme);
    }
    let scheme = known_scheme(name).ok_or(UrlError::UnsupportedScheme)?;
    Ok((scheme, name.len().saturating_add(3)))
}

/// What was found in an authority, counted from its start.
struct Authority {
    host_start: usize,
    host_end: usize,
    /// End of what `Host` takes, see [`UrlParts::authority_end`].
    end: usize,
    port: u16,
}

/// Splits `[user@]host[:port]` and checks it (RFC 3986 §3.2).
fn split_authority(authority: &[u8], scheme: Scheme) -> Result<Authority, UrlError> {
    let user = authority.iter().rposition(|b| *b == b'@').map_or(0, |at| at.saturating_add(1));
    let host_port = authority.get(user..).unwrap_or_default();
    let host_length = split_host(host_port)?;
    let (port, port_length) = split_port(host_port.get(host_length..), scheme)?;
    let host_end = user.saturating_add(host_length);
    Ok(Authority { host_start: user, host_end, end: host_end.saturating_add(port_length), port })
}

/// The length of the host at the front of `host_port`, brackets included (RFC 3986 §3.2.2).
fn split_host(host_port: &[u8]) -> Result<usize, UrlError> {
    if let [b'[', rest @ ..] = host_port {
        let end = position(rest, |b| b == b']').ok_or(UrlError::Host)?;
        let inside = rest.get(..end).unwrap_or_default();
        let (address, zone) = cut(inside, b"%");
        let hex = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
        if !has(address, b':') || !address.iter().all(hex) || !is_zone(zone) {
            return Err(UrlError::Host);
        }
        return Ok(end.saturating_add(2));
    }
    let length = position(host_port, |b| b == b':').unwrap_or(host_port.len());
    let host = host_port.get(..length).unwrap_or_default();
    match host {
        [] => Err(UrlError::NoHost),
        // Nobody decodes percent-encoding in a host, so that it could only be the name of nothing.
        _ if !host.iter().all(|byte| grammar::is_host_byte(*byte)) => Err(UrlError::Host),
        _ => Ok(length),
    }
}

/// Whether that can follow an IPv6 address: nothing, or `%25` and a zone (RFC 6874 §2).
fn is_zone(text: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%".contains(b);
    match text {
        [] => true,
        [b'%', b'2', b'5', zone @ ..] => !zone.is_empty() && zone.iter().all(allowed),
        _ => false,
    }
}

/// What is left of `[address%25zone]:port` without the zone, in two pieces.
pub(crate) fn without_zone(authority: &[u8]) -> [&[u8]; 2] {
    let (address, rest) = cut(authority, b"%]");
    let (_zone, end) = cut(rest, b"]");
    [address, end]
}

/// The port, and how many bytes of `:port` belong into `Host`.
fn split_port(rest: Option<&[u8]>, scheme: Scheme) -> Result<(u16, usize), UrlError> {
    let default = scheme.default_port();
    match rest.unwrap_or_default() {
        // An empty port is the default one (RFC 3986 §3.2.3).
        [] | [b':'] => Ok((default, 0)),
        [b':', digits @ ..] => {
            let value = grammar::decimal(digits).ok_or(UrlError::Port)?;
            match u16::try_from(value) {
                Err(_) | Ok(0) => Err(UrlError::Port),
                Ok(port) if port == default => Ok((port, 0)),
                Ok(port) => Ok((port, digits.len().saturating_add(1))),
            }
        }
        _ => Err(UrlError::Host),
    }
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
        }
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
        }
        let long = String::from("http://a/") + &"x".repeat(limits::URL_BYTES);
        assert_eq!(Url::parse(&long).err(), Some(UrlError::TooLong));
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
