//! What is kept of a download that was cut off, and its bytes.

use core::fmt;

use crate::limits::RESUME_DATA_BYTES;
use crate::response::ResponseHead;
use crate::resume::crc::crc32;
use crate::resume::error::{BufferTooSmall, ResumeDataError};
use crate::resume::lookup::{Length, Single, content_length, is_identity, lists, single};
use crate::resume::range::ContentRange;
use crate::resume::validator::Validator;
use crate::url::{Scheme, Url};
use crate::wire::cursor::Cursor;
use crate::wire::grammar;

const MAGIC: [u8; 4] = *b"\x93SRD";
const VERSION: u8 = 1;
/// The flag that the total is known.
const HAS_TOTAL: u8 = 1;
/// Everything before the URL.
pub(crate) const START: usize = 26;
/// The check value.
pub(crate) const END: usize = 4;

/// What must be known to go on with a download. Borrows its texts.
///
/// Each one is checked when it is made: it has a URL of `http` or `https`, a strong validator, and
/// not more bytes stored than there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResumeData<'a> {
    url: &'a str,
    validator: Validator<'a>,
    received: u64,
    total: Option<u64>,
}

impl<'a> ResumeData<'a> {
    /// Resume data of these parts. `url` is that of the *first* request, so that redirects are
    /// followed anew; `received` are the bytes stored, from the first byte of the content on;
    /// `total` is the length of the whole content, where that is known.
    ///
    /// # Errors
    /// [`ResumeDataError::Url`], [`Validator`](ResumeDataError::Validator) or
    /// [`Received`](ResumeDataError::Received): which part is unfit.
    pub fn new(
        url: &'a str,
        validator: Validator<'a>,
        received: u64,
        total: Option<u64>,
    ) -> Result<Self, ResumeDataError> {
        match Url::parse(url).map(|url| url.scheme()) {
            Ok(Scheme::Http | Scheme::Https) => {}
            Ok(Scheme::Ws | Scheme::Wss) | Err(_) => return Err(ResumeDataError::Url),
        }
        if Validator::parse(validator.as_field_value()) != Some(validator) {
            return Err(ResumeDataError::Validator);
        }
        if total.is_some_and(|total| received > total) {
            return Err(ResumeDataError::Received);
        }
        Ok(Self { url, validator, received, total })
    }

    /// Resume data of a response to a `GET` of `url`, of whose content `received` bytes are
    /// stored, those included that were there before it.
    ///
    /// `None` if it cannot be resumed: its status is neither 200 nor 206; the server says
    /// `Accept-Ranges: none`; its content is coded; it has no [`Validator::of`] it; or the counts
    /// contradict the head. That `Accept-Ranges` is absent says nothing (RFC 9110 §14.3).
    ///
    /// A 206 that [`judge`](crate::judge) accepted may lack the validator, which need not be sent
    /// again (RFC 9110 §15.3.7): where there is resume data already, use
    /// [`with_received`](Self::with_received) on that.
    #[must_use]
    pub fn of(url: &'a str, head: &ResponseHead<'a>, received: u64) -> Option<Self> {
        let total = match head.status() {
            200 => total_of_whole(head)?,
            206 => total_of_part(head, received)?,
            _ => return None,
        };
        if !is_identity(head) || lists(head, "accept-ranges", b"none") {
            return None;
        }
        Self::new(url, Validator::of(head)?, received, total).ok()
    }

    /// The same with another count: what is stored by now, or what was found on the disk after a
    /// crash. `total` replaces the known total where it is `Some`. `None` if the count exceeds it.
    #[must_use]
    pub fn with_received(self, received: u64, total: Option<u64>) -> Option<Self> {
        let total = total.or(self.total);
        let fits = total.is_none_or(|total| received <= total);
        fits.then_some(Self { received, total, ..self })
    }

    /// The URL of the first request.
    #[must_use]
    pub const fn url(&self) -> &'a str {
        self.url
    }

    /// What shows that the representation is still the same.
    #[must_use]
    pub const fn validator(&self) -> Validator<'a> {
        self.validator
    }

    /// Bytes stored, from the first byte of the content on.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Bytes of the whole content, where that is known.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// How many bytes [`encode`](Self::encode) writes: at most [`RESUME_DATA_BYTES`].
    #[must_use]
    pub const fn encoded_length(&self) -> usize {
        let texts = self.url.len().saturating_add(self.validator.as_field_value().len());
        texts.saturating_add(START).saturating_add(END)
    }

    /// Writes the byte form, as the [module](crate::resume) describes it, to the front of `output`.
    /// Returns how many bytes that are.
    ///
    /// # Errors
    /// [`BufferTooSmall`]; nothing was written.
    pub fn encode(&self, output: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let needed = self.encoded_length();
        let Some(output) = output.get_mut(..needed) else {
            return Err(BufferTooSmall { needed });
        };
        let validator = self.validator.as_field_value();
        // Both lengths were checked against their limits, which are far below this one.
        let length = |text: &[u8]| u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
        let mut out = Cursor::new(output, 0);
        out.put(&MAGIC);
        out.put(&[VERSION, if self.total.is_some() { HAS_TOTAL } else { 0 }]);
        out.put(&length(self.url.as_bytes()));
        out.put(&length(validator));
        out.put(&self.received.to_be_bytes());
        out.put(&self.total.unwrap_or(0).to_be_bytes());
        out.put(self.url.as_bytes());
        out.put(validator);
        let (written, _) = out.finish(0);
        let (content, check) = output.split_at_mut_checked(written).unwrap_or_default();
        Cursor::new(check, 0).put(&crc32(content).to_be_bytes());
        Ok(needed)
    }

    /// Reads the byte form. All of `bytes` must be it, so a wrong length is noticed.
    ///
    /// # Errors
    /// What is wrong with it, see [`ResumeDataError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ResumeDataError> {
        let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
            let begins = MAGIC.starts_with(bytes);
            return Err(if begins { ResumeDataError::Truncated } else { ResumeDataError::Foreign });
        };
        if *magic != MAGIC {
            return Err(ResumeDataError::Foreign);
        }
        match rest.first() {
            Some(&VERSION) => {}
            Some(_) => return Err(ResumeDataError::Version),
            None => return Err(ResumeDataError::Truncated),
        }
        let (start, texts) =
            bytes.split_first_chunk::<START>().ok_or(ResumeDataError::Truncated)?;
        let [_, _, _, _, _, flags, u1, u0, v1, v0, counts @ ..] = start;
        let url_length = usize::from(u16::from_be_bytes([*u1, *u0]));
        let texts_length = url_length.saturating_add(usize::from(u16::from_be_bytes([*v1, *v0])));
        let (texts, check) =
            texts.split_at_checked(texts_length).ok_or(ResumeDataError::Truncated)?;
        let check = match check.first_chunk::<END>() {
            Some(value) if check.len() == END => u32::from_be_bytes(*value),
            Some(_) => return Err(ResumeDataError::Corrupt),
            None => return Err(ResumeDataError::Truncated),
        };
        let content = bytes.get(..START.saturating_add(texts_length)).unwrap_or_default();
        if crc32(content) != check {
            return Err(ResumeDataError::Corrupt);
        }
        let (received, total) = read_counts(counts, *flags)?;
        let (url, validator) = texts.split_at_checked(url_length).unwrap_or_default();
        let url = grammar::text(url).ok_or(ResumeDataError::Url)?;
        let validator = Validator::parse(validator).ok_or(ResumeDataError::Validator)?;
        Self::new(url, validator, received, total)
    }
}

impl fmt::Debug for ResumeData<'_> {
    /// The counts only: URL and validator may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResumeData({} of ", self.received)?;
        match self.total {
            Some(total) => write!(f, "{total})"),
            None => f.write_str("unknown)"),
        }
    }
}

// What is written always fits into what the limits promise.
const _: () = assert!(
    RESUME_DATA_BYTES == START + crate::limits::URL_BYTES + crate::limits::VALIDATOR_BYTES + END
);

/// Bytes stored and total. A flag without a meaning, or a total that is said not to be known, was
/// not written by this version.
fn read_counts(counts: &[u8], flags: u8) -> Result<(u64, Option<u64>), ResumeDataError> {
    let (received, total) = counts.split_first_chunk::<8>().ok_or(ResumeDataError::Corrupt)?;
    let total = total.first_chunk::<8>().ok_or(ResumeDataError::Corrupt)?;
    let (received, total) = (u64::from_be_bytes(*received), u64::from_be_bytes(*total));
    match (flags, total) {
        (HAS_TOTAL, total) => Ok((received, Some(total))),
        (0, 0) => Ok((received, None)),
        _ => Err(ResumeDataError::Corrupt),
    }
}

/// The total of a 200: its length, if it is framed by that. `None` for a malformed head.
fn total_of_whole(head: &ResponseHead<'_>) -> Option<Option<u64>> {
    match content_length(head) {
        // Transfer-Encoding overrides Content-Length (RFC 9112 §6.3).
        Length::Known(_) if head.value("transfer-encoding").is_some() => Some(None),
        Length::Known(length) => Some(Some(length)),
        Length::Absent => Some(None),
        Length::Invalid => None,
    }
}

/// The total of a 206 of which the last byte stored is one, or the one before its first.
fn total_of_part(head: &ResponseHead<'_>, received: u64) -> Option<Option<u64>> {
    let Single::One(range) = single(head, "content-range") else { return None };
    match ContentRange::parse(range)? {
        ContentRange::Bytes { first, last, total }
            if first <= received && received <= last.saturating_add(1) =>
        {
            Some(total)
        }
        ContentRange::Bytes { .. } | ContentRange::Unsatisfied { .. } => None,
    }
}

#[cfg(test)]
mod tests;
