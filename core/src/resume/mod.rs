//! Going on with a download that was cut off: what to keep, what to send, how to judge the answer.
//!
//! Pure functions over heads and bytes; a task does not call them. Who downloads
//!
//! 1. makes [`ResumeData`] from the head of the response, and keeps it with the content;
//! 2. sends the same request later with the fields of [`RangeFields`];
//! 3. asks [`judge`] what the final response means: append it, or begin anew, or neither;
//! 4. compares the whole content with [`repr_digest_sha256`] where the server named a digest.
//!
//! Only for `GET`. Every head must be given with an index that lists all of its fields: one that is
//! too short could hide a veto, so nothing is resumable and no range is accepted with it.
//!
//! # The bytes of resume data
//!
//! Numbers are unsigned, the highest byte first.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 4 | `93 53 52 44`: a byte that is not ASCII, then `SRD` |
//! | 4 | 1 | version: 1 |
//! | 5 | 1 | flags: bit 0 says that the total is known; all others are 0 |
//! | 6 | 2 | *u*, bytes of the URL |
//! | 8 | 2 | *v*, bytes of the validator |
//! | 10 | 8 | bytes of the content that are stored, from its beginning |
//! | 18 | 8 | total bytes of the content; 0 if that is unknown |
//! | 26 | *u* | the URL of the request, before any redirect |
//! | 26 + *u* | *v* | the validator, as `If-Range` sends it: an entity tag begins with `"` |
//! | 26 + *u* + *v* | 4 | CRC-32 of everything before (as zip and Ethernet compute it) |
//!
//! Nothing follows. A later version may change everything but the first five bytes. The check value
//! finds damage; it does not keep a stranger from making such bytes, so bytes of a stranger are as
//! trustworthy as a URL of theirs. They contain the URL, with a password if it has one.
//!
//! # Example
//!
//! ```
//! use sortie_core::*;
//!
//! let bytes = b"HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 1000\r\n\r\n";
//! let mut index = [Slot::EMPTY; 8];
//! ResponseHead::list(bytes, &mut index);
//! let head = ResponseHead::new(bytes, &index);
//! let data = ResumeData::of("http://host.example/image", &head, 400).unwrap();
//!
//! let mut stored = [0; 128];
//! let length = data.encode(&mut stored)?;
//! // Later, perhaps after a restart:
//! let data = ResumeData::decode(&stored[..length])?;
//! let range = RangeFields::new(&data);
//! let [range, if_range, _] = range.fields();
//! assert_eq!((range.name(), range.value()), ("Range", &b"bytes=400-"[..]));
//! assert_eq!((if_range.name(), if_range.value()), ("If-Range", &b"\"v1\""[..]));
//!
//! let bytes = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 400-999/1000\r\n\r\n";
//! let mut index = [Slot::EMPTY; 8];
//! ResponseHead::list(bytes, &mut index);
//! let head = ResponseHead::new(bytes, &index);
//! assert_eq!(judge(&data, &head), Verdict::Append { last: 999, total: Some(1000) });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod crc;
mod data;
mod date;
mod digest;
mod error;
mod lookup;
mod range;
mod resumption;
mod structured;
mod validator;
mod verdict;

pub use data::ResumeData;
pub use date::http_date;
pub use digest::repr_digest_sha256;
pub use error::{BufferTooSmall, ResumeDataError};
pub use range::{ContentRange, RangeFields};
pub use resumption::Resumption;
pub use validator::Validator;
pub use verdict::{Verdict, judge};
