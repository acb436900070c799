//! Resolving a reference against a URL (RFC 3986 §5.2), as a redirect asks for (RFC 9110 §10.2.2).
//!
//! The outcome is written from its end to its front. That way a `..` is met before the segment
//! that it removes, so that nothing is written only to be removed again: one pass, no stack, and
//! the buffer needs to hold the outcome and not a byte more.

use core::{fmt, mem};

use super::{Scheme, Url, UrlError, UrlParts, known_scheme};
use crate::limits;
use crate::wire::grammar::{self, before, behind, piece, span};

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
        let reference = grammar::trim_ows(reference);
        let mut counted = Backwards { room: &mut [], length: 0 };
        self.put_resolved(reference, &mut counted)?;
        let length = counted.length;
        if length > limits::URL_BYTES {
            return Err(UrlError::TooLong.into());
        }
        let output =
            output.get_mut(..length).ok_or(ResolveError::BufferTooSmall { needed: length })?;
        self.put_resolved(reference, &mut Backwards { room: output, length: 0 })?;
        Ok(Resolved { length, parts: UrlParts::parse_bytes(output)? })
    }

    /// Transforms the reference (RFC 3986 §5.2.2, strict), checks what is new of it, and puts the
    /// pieces of the outcome: each a slice of the reference or of this URL.
    fn put_resolved(&self, reference: &[u8], out: &mut Backwards<'_>) -> Result<(), UrlError> {
        if reference.iter().any(u8::is_ascii_control) {
            return Err(UrlError::Character);
        }
        let text = self.text;
        let UrlParts { user_start, path_start, query_end, .. } = self.parts;
        let (user_start, path_start, query_end) =
            (usize::from(user_start), usize::from(path_start), usize::from(query_end));
        // Behind the authority of the reference, if it has one.
        let start = authority_end(reference, self.parts.scheme)?;
        let (authority, own) = reference.split_at_checked(start).unwrap_or_default();
        let (path, query) = own.split_at_checked(before(own, b"?#")).unwrap_or_default();
        if before(query, b"#") == query.len() {
            out.put_encoded(behind(text, query_end));
        }
        out.put_encoded(query);
        // So much stays of this URL.
        let kept = if let [first, ..] = authority {
            out.put_path(path, b"");
            out.put_encoded(authority);
            // The `//` is that of the reference.
            if *first == b'/' { user_start.saturating_sub(2) } else { 0 }
        } else if path.is_empty() && query.first() != Some(&b'?') {
            query_end
        } else {
            let own_path = piece(text, path_start, query_end);
            let path_length = before(own_path, b"?");
            if path.is_empty() {
                path_start.wrapping_add(path_length)
            } else {
                // RFC 3986 §5.2.3
                let own_path = own_path.get(..path_length).unwrap_or_default();
                let last = own_path.iter().rposition(|byte| *byte == b'/');
                let directory = last.filter(|_| path.first() != Some(&b'/'));
                out.put_path(path, own_path.get(..directory.unwrap_or(0)).unwrap_or_default());
                path_start
            }
        };
        out.put_encoded(text.get(..kept).unwrap_or_default());
        Ok(())
    }
}

/// Where the authority at the front of `reference` ends, behind a scheme or the `scheme` that is
/// inherited. 0 without one.
///
/// `1a:b` is not in the grammar of a scheme: as in browsers it is a path then, and stays with its
/// host.
fn authority_end(reference: &[u8], mut scheme: Scheme) -> Result<usize, UrlError> {
    let mut start = 0;
    let mut rest = reference;
    let length = span(reference, grammar::SCHEME);
    let (name, behind) = reference.split_at_checked(length).unwrap_or_default();
    if let ([b'a'..=b'z' | b'A'..=b'Z', ..], [b':', behind @ ..]) = (name, behind) {
        scheme = known_scheme(name)?;
        start = length.wrapping_add(1);
        rest = behind;
    }
    let [b'/', b'/', rest @ ..] = rest else {
        return if start > 0 { Err(UrlError::NoHost) } else { Ok(0) };
    };
    let authority = rest.get(..before(rest, b"/?#")).unwrap_or_default();
    // A host is not encoded: what it means then would be another host.
    if span(authority, grammar::VISIBLE) < authority.len() {
        return Err(UrlError::Character);
    }
    UrlParts::new(scheme).split_authority(authority, 0)?;
    Ok(start.wrapping_add(authority.len()).wrapping_add(2))
}

/// Fills a buffer from its end; counts only, once it is full.
struct Backwards<'o> {
    room: &'o mut [u8],
    length: usize,
}

impl Backwards<'_> {
    /// A path, which may go on from a directory, without its dot segments (RFC 3986 §5.2.4).
    fn put_path<'p>(&mut self, mut path: &'p [u8], mut directory: &'p [u8]) {
        // How many of the segments that follow, which stand before these, a `..` takes away.
        let mut skip = 0_usize;
        let mut is_last = true;
        while !path.is_empty() {
            let slash = path.iter().rposition(|byte| *byte == b'/');
            let start = slash.map_or(0, |at| at.wrapping_add(1));
            let segment = behind(path, start);
            match segment {
                // Dots at the end of a path stand for a directory, of which the `/` is left. Those
                // beyond the root find nothing to take away.
                b"." | b".." => {
                    skip = skip.saturating_add(usize::from(segment.len() == 2));
                    if is_last {
                        self.put(b'/');
                    }
                }
                _ if skip > 0 => skip = skip.wrapping_sub(1),
                _ => {
                    self.put_encoded(segment);
                    self.put(b'/');
                }
            }
            is_last = false;
            path = path.get(..slash.unwrap_or(0)).unwrap_or_default();
            if path.is_empty() {
                path = mem::take(&mut directory);
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
