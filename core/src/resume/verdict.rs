//! What the response to a request for the rest means (RFC 9110 §14, §15.3.7, §15.5.17).

use crate::response::ResponseHead;
use crate::resume::data::ResumeData;
use crate::resume::lookup::{Length, Single, content_length, is_identity, single};
use crate::resume::range::ContentRange;
use crate::wire::grammar;

/// What to do with the final response to a request with [`RangeFields`](crate::RangeFields).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// The content goes behind what is stored. If the message ends before the byte at `last`, it is
    /// incomplete; if `last` is not the last byte of `total`, ask for the rest again.
    Append {
        /// Bytes of the whole content, where that is known by now.
        total: Option<u64>,
        /// The position of the last byte of this content, counted from 0 in the whole content. The
        /// message must not have more, either.
        last: u64,
    },
    /// The content is the whole representation: drop what is stored and begin with it.
    Replace,
    /// Everything was stored already; this content is no part of it.
    Done,
    /// What is stored is of no use, and this content is of none either: drop both, and send the
    /// request without the fields.
    Again,
    /// Not about the range: an error, a redirect, a challenge. What is stored stays as it is, and
    /// this content is no part of it.
    Other,
}

/// What the final response `head` to a request with the [`RangeFields`](crate::RangeFields) of
/// `data` means. Redirects and challenges are followed before; of those that are not,
/// [`Verdict::Other`] is the answer.
///
/// A 206 must fit in every respect: one `Content-Range` that begins where the stored bytes end and
/// has the known total, a `Content-Length` that agrees with it, no field that tells of another
/// representation, no content coding, not several parts. A 416 means "done" if the representation
/// has exactly the stored bytes, else "again". `If-Range` made a 200 of any other change.
#[must_use]
pub fn judge(data: &ResumeData<'_>, head: &ResponseHead<'_>) -> Verdict {
    match head.status() {
        200 => Verdict::Replace,
        206 => appended(data, head).unwrap_or(Verdict::Again),
        412 => Verdict::Again,
        416 if is_complete(data, head) => Verdict::Done,
        416 => Verdict::Again,
        _ => Verdict::Other,
    }
}

/// The one `Content-Range`, of a head that tells of no other representation than ours.
fn range_of_ours(data: &ResumeData<'_>, head: &ResponseHead<'_>) -> Option<ContentRange> {
    if !head.is_listed() || !data.validator().agrees(head) {
        return None;
    }
    match single(head, "content-range") {
        Single::One(range) => ContentRange::parse(range),
        Single::Absent | Single::Repeated => None,
    }
}

fn appended(data: &ResumeData<'_>, head: &ResponseHead<'_>) -> Option<Verdict> {
    let ContentRange::Bytes { first, last, total } = range_of_ours(data, head)? else {
        return None;
    };
    let agreed = total.or_else(|| data.total());
    // With `*` for the total, the range can still go beyond the one we know.
    let is_ours = first == data.received()
        && agreed.is_none_or(|agreed| last < agreed && data.total().is_none_or(|t| t == agreed));
    let length = last.checked_sub(first)?.checked_add(1)?;
    let has_length = match content_length(head) {
        Length::Absent => true,
        Length::Known(known) => known == length,
        Length::Invalid => false,
    };
    let fits = is_ours && has_length && is_identity(head) && !is_multipart(head);
    fits.then_some(Verdict::Append { total: agreed, last })
}

/// A 416 to a request for the bytes behind the last one (RFC 9110 §15.5.17).
fn is_complete(data: &ResumeData<'_>, head: &ResponseHead<'_>) -> bool {
    match range_of_ours(data, head) {
        Some(ContentRange::Unsatisfied { total }) => {
            total == data.received() && data.total().is_none_or(|known| known == total)
        }
        Some(ContentRange::Bytes { .. }) | None => false,
    }
}

/// Whether the content is several parts, each with a head of its own (RFC 9110 §14.6).
fn is_multipart(head: &ResponseHead<'_>) -> bool {
    head.values("content-type").any(|value| {
        let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
        grammar::eq_ignore_case(grammar::trim_ows(media_type), b"multipart/byteranges")
    })
}

#[cfg(test)]
mod tests;
