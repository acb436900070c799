//! The one call of httparse.
//!
//! httparse does not pass a link with an unlinkable panic handler, everything else of this crate
//! does. So its call stands in this one function; the link probe leaves out just that (feature
//! `link-probe`), and a fuzz target compares what it accepts with a strict decoder.

use crate::limits::HEAD_BATCH;

/// What was found at the front of some field lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// The empty line is not there yet.
    Partial,
    /// A line is malformed.
    Malformed,
    /// All lines, `count` of them; they and the empty line take `length` bytes.
    All { length: usize, count: usize },
    /// The batch is full; more lines follow.
    Batch,
}

/// Parses field lines up to the empty line, or as many as the batch holds (RFC 9112 §5).
#[cfg(not(feature = "link-probe"))]
pub(crate) fn field_lines<'a>(
    bytes: &'a [u8],
    batch: &mut [httparse::Header<'a>; HEAD_BATCH],
) -> Lines {
    match httparse::parse_headers(bytes, batch) {
        Ok(httparse::Status::Complete((length, lines))) => {
            Lines::All { length, count: lines.len() }
        }
        Ok(httparse::Status::Partial) => Lines::Partial,
        Err(httparse::Error::TooManyHeaders) => Lines::Batch,
        Err(
            httparse::Error::HeaderName
            | httparse::Error::HeaderValue
            | httparse::Error::NewLine
            | httparse::Error::Status
            | httparse::Error::Token
            | httparse::Error::Version,
        ) => Lines::Malformed,
    }
}

/// Stands in for httparse in the link probe: any outcome, with any fields, as far as the optimizer
/// can know.
#[cfg(feature = "link-probe")]
pub(crate) fn field_lines<'a>(
    bytes: &'a [u8],
    batch: &mut [httparse::Header<'a>; HEAD_BATCH],
) -> Lines {
    use core::hint::black_box;
    for header in batch.iter_mut() {
        header.name = black_box("");
        header.value = black_box(bytes);
    }
    match black_box(0_u8) {
        0 => Lines::Partial,
        1 => Lines::Malformed,
        2 => Lines::All { length: black_box(0), count: black_box(0) },
        _ => Lines::Batch,
    }
}
