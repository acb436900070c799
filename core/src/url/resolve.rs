//! Resolving a reference against a URL (RFC 3986 §5.2), as a redirect asks for (RFC 9110 §10.2.2).
//!
//! The outcome is written from its end to its front. That way a `..` is met before the segment
//! that it removes, so that nothing is written only to be removed again: one pass, no stack, and
//! the buffer needs to hold the outcome and not a byte more.

use core::{fmt, mem};

use super::{Scheme, Url, UrlError, UrlParts, cut, cut_scheme, known_scheme, split_authority};
use crate::limits;
use crate::wire::grammar;

/// A URL that was written into a lent buffer: its length there and where its parts lie.
///
/// With the first `length` bytes of the buffer as text, [`Url::from_parts`] makes a [`Url`] of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Resolved {
    /// How many bytes were written, all of them visible ASCII. At most [`limits::URL_BYTES`].
    pub length: usize,
    /// The same as [`UrlParts::parse`] finds in them.
    pub parts: UrlParts,
}

/// Why a reference was not resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ResolveError {
    /// The reference is good and the lent buffer too small for the outcome: nothing was written.
    BufferTooSmall {
        /// The length of the outcome in bytes. At most [`limits::URL_BYTES`].
        needed: usize,
    },
    /// The reference is malformed, or leads to a URL that no task can be made for.
    Url(UrlError),
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => {
                write!(f, "the buffer is too small for the URL: it takes {needed} bytes")
            }
            Self::Url(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ResolveError {}

impl From<UrlError> for ResolveError {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl Url<'_> {
    /// Resolves `reference`, as a `Location` field has it, against this URL and writes the outcome
    /// to the front of `output`.
    ///
    /// Space and tab around the reference are not part of it. `.` and `..` are removed from its
    /// path, and from what it takes of this URL's path. Without a fragment of its own it inherits
    /// that of this URL (RFC 9110 §10.2.2). Without a host of its own it stays at this URL's
    /// authority, the user information included: that is the same origin and the same user.
    ///
    /// Servers do send spaces and bytes that are not ASCII. In path, query and fragment they are
    /// percent-encoded, byte by byte. What is percent-encoded already stays as it is, and so does
    /// every visible character, be it allowed there or not. In particular `\` is no `/`: it is
    /// none in RFC 3986 §3.3, and only the URL Standard of browsers takes it for one. So what
    /// others on the way read as a path never becomes a host here.
    ///
    /// # Errors
    /// The reference is judged first: an [`UrlError`] does not depend on the buffer.
    /// - [`UrlError::Character`]: a control character anywhere (a tab or line break is not skipped,
    ///   as browsers do), or a space or a byte that is not ASCII before the path.
    /// - [`UrlError::UnsupportedScheme`]: a scheme that no task speaks, `mailto:` or `file:` say.
    /// - [`UrlError::NoHost`]: no host, also after a scheme without `//`. RFC 3986 §5.2.2 lets old
    ///   clients read `http:x` as `x`; this one does not.
    /// - [`UrlError::Host`] and [`UrlError::Port`]: malformed.
    /// - [`UrlError::TooLong`]: the outcome is longer than [`limits::URL_BYTES`].
    /// - [`ResolveError::BufferTooSmall`]: nothing but that is wrong.
    pub fn resolve(&self, reference: &[u8], output: &mut [u8]) -> Result<Resolved, ResolveError> {
        let target = Target::new(self, grammar::trim_ows(reference))?;
        let length = target.write(&mut []);
        if length > limits::URL_BYTES {
            return Err(UrlError::TooLong.into());
        }
        let output =
            output.get_mut(..length).ok_or(ResolveError::BufferTooSmall { needed: length })?;
        target.write(output);
        Ok(Resolved { length, parts: UrlParts::parse_bytes(output)? })
    }
}

/// The pieces of the outcome: each a slice of the reference or of the base.
struct Target<'t> {
    /// With its `:`.
    scheme: &'t [u8],
    /// Without the `//` before it.
    authority: &'t [u8],
    path: Path<'t>,
    /// With its `?`; empty where there is none.
    query: &'t [u8],
    /// With its `#`; empty where there is none.
    fragment: &'t [u8],
}

impl<'t> Target<'t> {
    /// Transforms the reference (RFC 3986 §5.2.2, strict) and checks what is new of it.
    fn new(base: &Url<'t>, reference: &'t [u8]) -> Result<Self, UrlError> {
        if reference.iter().any(u8::is_ascii_control) {
            return Err(UrlError::Character);
        }
        let (reference, own_fragment) = cut(reference, b"#");
        let own_scheme = own_scheme(reference)?;
        let base = Base::new(base);
        let (known, length) = own_scheme.unwrap_or((base.known, 0));
        let (name, rest) = reference.split_at_checked(length).unwrap_or_default();
        let scheme = if name.is_empty() { base.scheme } else { name };
        let fragment = if own_fragment.is_empty() { base.fragment } else { own_fragment };

        if let Some(after) = rest.strip_prefix(b"//") {
            let (authority, tail) = cut(after, b"/?");
            // A host is not encoded: what it means then would be another host.
            if !authority.iter().all(u8::is_ascii_graphic) {
                return Err(UrlError::Character);
            }
            split_authority(authority, known)?;
            let (path, query) = cut(tail, b"?");
            return Ok(Self { scheme, authority, path: Path::own(path), query, fragment });
        }
        let (path, query) = cut(rest, b"?");
        let (path, query) = match path {
            [] if query.is_empty() => (Path::Kept(base.path), base.query),
            [] => (Path::Kept(base.path), query),
            [b'/', ..] => (Path::own(path), query),
            _ => (Path::Segments { directory: directory(base.path), rest: path }, query),
        };
        Ok(Self { scheme, authority: base.authority, path, query, fragment })
    }

    /// Writes everything to the end of `room`, which has the right size or is empty, and returns
    /// the length of it.
    fn write(&self, room: &mut [u8]) -> usize {
        let mut out = Backwards { room, length: 0 };
        out.put_encoded(self.fragment);
        out.put_encoded(self.query);
        match self.path {
            Path::Kept(path) => out.put_encoded(path),
            Path::Segments { directory, rest } => out.put_segments(directory, rest),
        }
        // Visible ASCII, so that nothing in these is encoded.
        out.put_encoded(self.authority);
        out.put_encoded(b"//");
        out.put_encoded(self.scheme);
        out.length
    }
}

/// The URL that is resolved against, in the same pieces as [`Target`].
struct Base<'t> {
    known: Scheme,
    scheme: &'t [u8],
    authority: &'t [u8],
    path: &'t [u8],
    query: &'t [u8],
    fragment: &'t [u8],
}

impl<'t> Base<'t> {
    fn new(url: &Url<'t>) -> Self {
        let UrlParts { scheme, user_start, path_start, query_end, .. } = url.parts;
        let text = url.text.as_bytes();
        let piece = |start: u16, end: u16| {
            text.get(usize::from(start)..usize::from(end)).unwrap_or_default()
        };
        let start = piece(0, user_start);
        let (path, query) = cut(piece(path_start, query_end), b"?");
        Self {
            known: scheme,
            scheme: start.strip_suffix(b"//").unwrap_or(start),
            authority: piece(user_start, path_start),
            path,
            query,
            fragment: text.get(usize::from(query_end)..).unwrap_or_default(),
        }
    }
}

/// The scheme at the front of `reference`, and its length with the `:`.
///
/// `None` if it has none. That is so with `1a:b` too, which is not in the grammar of a scheme: as
/// in browsers it is a path then, and stays with its host.
fn own_scheme(reference: &[u8]) -> Result<Option<(Scheme, usize)>, UrlError> {
    let (name, rest) = cut_scheme(reference);
    if !name.first().is_some_and(u8::is_ascii_alphabetic) || !rest.starts_with(b":") {
        return Ok(None);
    }
    let scheme = known_scheme(name).ok_or(UrlError::UnsupportedScheme)?;
    if !rest.starts_with(b"://") {
        return Err(UrlError::NoHost);
    }
    Ok(Some((scheme, name.len().saturating_add(1))))
}

#[derive(Clone, Copy)]
enum Path<'t> {
    /// The path of the base, to the letter (RFC 3986 §5.2.2).
    Kept(&'t [u8]),
    /// A path from which dot segments are to be removed: `/`, the directory if there is one and
    /// another `/`, and the rest.
    Segments { directory: Option<&'t [u8]>, rest: &'t [u8] },
}

impl<'t> Path<'t> {
    /// A path of the reference that is empty or begins with `/`.
    fn own(path: &'t [u8]) -> Self {
        path.strip_prefix(b"/")
            .map_or(Self::Kept(path), |rest| Self::Segments { directory: None, rest })
    }
}

/// What a path of the base leaves of itself before a relative one (RFC 3986 §5.2.3), without the
/// first `/` and the last; `None` where those are one, or where there is none.
fn directory(path: &[u8]) -> Option<&[u8]> {
    let last = path.iter().rposition(|byte| *byte == b'/')?;
    path.get(..last)?.strip_prefix(b"/")
}

/// Fills a buffer from its end; counts only, once it is full.
struct Backwards<'o> {
    room: &'o mut [u8],
    length: usize,
}

impl Backwards<'_> {
    /// The segments of a path without its dot segments (RFC 3986 §5.2.4).
    fn put_segments(&mut self, directory: Option<&[u8]>, rest: &[u8]) {
        let slash = |byte: &u8| *byte == b'/';
        let above = directory.into_iter().flat_map(|directory| directory.rsplit(slash));
        // How many of the segments that follow, which stand before these, a `..` takes away.
        let mut skip = 0_usize;
        for (index, segment) in rest.rsplit(slash).chain(above).enumerate() {
            let dots = matches!(segment, b"." | b"..");
            if segment == b".." {
                // Those beyond the root find nothing to take away.
                skip = skip.saturating_add(1);
            } else if !dots && skip > 0 {
                skip = skip.saturating_sub(1);
                continue;
            }
            // Dots at the end of a path stand for a directory, of which the `/` is left.
            if !dots {
                self.put_encoded(segment);
            }
            if !dots || index == 0 {
                self.put(b'/');
            }
        }
    }

    /// `bytes`, each that is not visible ASCII percent-encoded (RFC 3986 §2.1).
    fn put_encoded(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().rev() {
            if byte.is_ascii_graphic() {
                self.put(*byte);
            } else {
                self.put(hex_digit(byte & 0xf));
                self.put(hex_digit(byte >> 4));
                self.put(b'%');
            }
        }
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn put(&mut self, byte: u8) {
        self.length = self.length.saturating_add(1);
        if let Some((last, front)) = mem::take(&mut self.room).split_last_mut() {
            *last = byte;
            self.room = front;
        }
    }
}

/// The digit of a value below 16, in upper case as RFC 3986 §2.1 asks for.
const fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0'.wrapping_add(value),
        _ => b'A'.wrapping_sub(10).wrapping_add(value),
    }
}

#[cfg(test)]
mod tests;
