//! How the end of a response is found, decided in one place (RFC 9112 §6.3), and whether the
//! connection persists (RFC 9112 §9.3).

use crate::error::PeerError;
use crate::wire::grammar;

/// How the end of a message body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Framing {
    /// No body can come.
    None,
    /// So many bytes, from `Content-Length`.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Until the server closes the connection.
    Close,
}

/// Why a connection cannot be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum CloseReason {
    /// The server said `Connection: close`.
    ServerClose,
    /// The request said `Connection: close`.
    ClientClose,
    /// An HTTP/1.0 server that did not say `keep-alive`.
    Http10,
    /// The body ended with the connection.
    CloseDelimited,
    /// Both `Transfer-Encoding` and `Content-Length`, or `Transfer-Encoding` from HTTP/1.0:
    /// somebody before us may have framed the message otherwise (RFC 9112 §6.1).
    DoubtfulFraming,
    /// Bytes came after the end of the response that nobody asked for.
    ExcessBytes,
    /// The response was complete before the request was sent.
    RequestUnfinished,
    /// The task goes elsewhere, or asks again, and the rest of the body is not worth reading.
    Unwanted,
    /// It was reused and turned out to be dead; the task goes on with a new one.
    Stale,
    /// The task failed or was cancelled.
    Failed,
}

/// Whether the `Content-Length` fields give one length together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Absent,
    Known,
    Invalid,
}

/// The transfer codings that the `Transfer-Encoding` fields give together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codings {
    Absent,
    Chunked,
    Other,
}

/// A field whose value, a list, says something about framing or persistence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Connection,
    ContentLength,
    ContentEncoding,
    TransferEncoding,
}

/// What the field lines of one response head say about framing and persistence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadFacts {
    pub(crate) status: u16,
    pub(crate) minor: u8,
    length: Length,
    /// That length, once it is known.
    bytes: u64,
    codings: Codings,
    close: bool,
    keep_alive: bool,
    /// `Content-Encoding` other than identity: the length of the content is not known.
    pub(crate) is_coded: bool,
}

impl HeadFacts {
    pub(crate) const fn new(status: u16, minor: u8) -> Self {
        Self {
            status,
            minor,
            length: Length::Absent,
            bytes: 0,
            codings: Codings::Absent,
            close: false,
            keep_alive: false,
            is_coded: false,
        }
    }

    /// Takes one field line into account.
    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        // By length first: most names are none of these, and are told so by one comparison.
        let (known, its_name): (_, &[u8]) = match name.len() {
            10 => (Known::Connection, b"connection"),
            14 => (Known::ContentLength, b"content-length"),
            16 => (Known::ContentEncoding, b"content-encoding"),
            17 => (Known::TransferEncoding, b"transfer-encoding"),
            _ => return,
        };
        if grammar::eq_ignore_case(name, its_name) {
            self.add_list(known, value);
        }
    }

    fn add_list(&mut self, known: Known, list: &[u8]) {
        let mut is_empty = true;
        for element in grammar::elements(list) {
            let is = |word| grammar::eq_ignore_case(element, word);
            is_empty &= element.is_empty();
            match known {
                Known::Connection => {
                    self.close |= is(b"close");
                    self.keep_alive |= is(b"keep-alive");
                }
                Known::ContentLength => self.add_length(element),
                // Empty elements are passed over (RFC 9110 §5.6.1.2).
                Known::ContentEncoding => {
                    self.is_coded |= !element.is_empty() && !is(b"identity");
                }
                Known::TransferEncoding if element.is_empty() => {}
                // Only `chunked`, once, is understood: nothing else was offered in `TE`.
                Known::TransferEncoding => {
                    self.codings = match self.codings {
                        Codings::Absent if is(b"chunked") => Codings::Chunked,
                        Codings::Absent | Codings::Chunked | Codings::Other => Codings::Other,
                    };
                }
            }
        }
        // A field with nothing in it is not a coding.
        if is_empty && known == Known::TransferEncoding {
            self.codings = Codings::Other;
        }
    }

    /// A list of identical lengths counts as that length; anything else is invalid
    /// (RFC 9112 §6.3, rule 5).
    fn add_length(&mut self, element: &[u8]) {
        let Some(bytes) = grammar::decimal(element) else {
            self.length = Length::Invalid;
            return;
        };
        self.length = match self.length {
            Length::Absent => Length::Known,
            Length::Known if self.bytes == bytes => Length::Known,
            Length::Known | Length::Invalid => Length::Invalid,
        };
        self.bytes = bytes;
    }

    /// The body's framing: the rules of RFC 9112 §6.3, in their order.
    pub(crate) const fn framing(&self, request_is_head: bool) -> Result<Framing, PeerError> {
        match (self.codings, self.length) {
            // Rule 1: no body follows, whatever the fields say. (Rule 2 is about CONNECT.)
            _ if request_is_head || matches!(self.status, 100..=199 | 204 | 304) => {
                Ok(Framing::None)
            }
            // Rule 3, Transfer-Encoding overrides Content-Length: but a length that is itself
            // malformed is a broken or attacking server.
            (Codings::Chunked | Codings::Other, Length::Invalid) => Err(PeerError::ContentLength),
            // Rule 4: chunked is the final coding, and here the only one.
            (Codings::Chunked, Length::Absent | Length::Known) => Ok(Framing::Chunked),
            (Codings::Other, Length::Absent | Length::Known) => Err(PeerError::TransferEncoding),
            // Rule 5.
            (Codings::Absent, Length::Invalid) => Err(PeerError::ContentLength),
            // Rule 6.
            (Codings::Absent, Length::Known) => Ok(Framing::Length(self.bytes)),
            // Rule 8. (Rule 7 is about requests.)
            (Codings::Absent, Length::Absent) => Ok(Framing::Close),
        }
    }

    /// Why the connection does not persist after this response; `None` if it does
    /// (RFC 9112 §9.3).
    pub(crate) const fn closes(&self, framing: Framing) -> Option<CloseReason> {
        let codings = !matches!(self.codings, Codings::Absent);
        let length = !matches!(self.length, Length::Absent);
        match framing {
            Framing::Close => Some(CloseReason::CloseDelimited),
            Framing::None | Framing::Length(_) | Framing::Chunked => {
                if codings && (length || self.minor == 0) {
                    Some(CloseReason::DoubtfulFraming)
                } else if self.close {
                    Some(CloseReason::ServerClose)
                } else if self.minor == 0 && !self.keep_alive {
                    Some(CloseReason::Http10)
                } else {
                    None
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(status: u16, minor: u8, fields: &[(&str, &str)]) -> HeadFacts {
        let mut facts = HeadFacts::new(status, minor);
        for (name, value) in fields {
            facts.add(name.as_bytes(), value.as_bytes());
        }
        facts
    }

    fn framing(status: u16, fields: &[(&str, &str)]) -> Result<Framing, PeerError> {
        facts(status, 1, fields).framing(false)
    }

    const TE: &str = "transfer-Encoding";
    const CL: &str = "content-Length";

    #[test]
    fn rule_1_no_body_after_head_1xx_204_304() {
        for status in [100, 101, 103, 199, 204, 304] {
            assert_eq!(framing(status, &[(CL, "5")]), Ok(Framing::None), "{status}");
            assert_eq!(framing(status, &[(TE, "chunked")]), Ok(Framing::None), "{status}");
        }
        assert_eq!(facts(200, 1, &[(CL, "5")]).framing(true), Ok(Framing::None));
    }

    #[test]
    fn rule_3_and_4_chunked_wins_over_a_length_and_the_connection_closes() {
        for fields in [[(TE, "chunked"), (CL, "5")], [(CL, "5"), (TE, "chunked")]] {
            let facts = facts(200, 1, &fields);
            assert_eq!(facts.framing(false), Ok(Framing::Chunked));
            assert_eq!(facts.closes(Framing::Chunked), Some(CloseReason::DoubtfulFraming));
        }
        assert_eq!(
            framing(200, &[(TE, "chunked"), (CL, "abc")]),
            Err(PeerError::ContentLength),
            "a malformed length is not saved by chunked"
        );
    }

    #[test]
    fn rule_4_any_coding_but_one_chunked_is_refused() {
        for value in ["Chunked", "\t chunked ", "chunked,", ",chunked"] {
            assert_eq!(framing(200, &[(TE, value)]), Ok(Framing::Chunked), "{value}");
        }
        for value in
            ["", "identity", "gzip, chunked", "chunked, chunked", "\"chunked\"", "chunked;q=1"]
        {
            let refused = Err(PeerError::TransferEncoding);
            assert_eq!(framing(200, &[(TE, value)]), refused, "{value}");
        }
        let twice = framing(200, &[(TE, "chunked"), (TE, "chunked")]);
        assert_eq!(twice, Err(PeerError::TransferEncoding));
    }

    #[test]
    fn rule_5_and_6_lengths_must_be_digits_and_agree() {
        for value in ["5", "05", "5, 5", "5,5,5"] {
            assert_eq!(framing(200, &[(CL, value)]), Ok(Framing::Length(5)), "{value}");
        }
        for value in ["", "5,", "abc", "+5", "-5", "5 5", "5, 6", "5.0", "0x5"] {
            assert_eq!(framing(200, &[(CL, value)]), Err(PeerError::ContentLength), "{value}");
        }
        assert_eq!(framing(200, &[(CL, "5"), (CL, "6")]), Err(PeerError::ContentLength));
        assert_eq!(framing(200, &[(CL, "5"), (CL, "5")]), Ok(Framing::Length(5)));
    }

    #[test]
    fn rule_8_neither_means_until_close() {
        assert_eq!(framing(200, &[]), Ok(Framing::Close));
        assert_eq!(facts(200, 1, &[]).closes(Framing::Close), Some(CloseReason::CloseDelimited));
    }

    #[test]
    fn persistence_follows_version_and_connection_options() {
        let closes =
            |minor, fields: &[(&str, &str)]| facts(200, minor, fields).closes(Framing::Length(1));
        assert_eq!(closes(1, &[]), None);
        assert_eq!(closes(1, &[("Connection", "x, CLOSE")]), Some(CloseReason::ServerClose));
        assert_eq!(closes(0, &[]), Some(CloseReason::Http10));
        assert_eq!(closes(0, &[("Connection", "Keep-Alive")]), None);
        assert_eq!(
            closes(0, &[("Connection", "keep-alive, close")]),
            Some(CloseReason::ServerClose)
        );
        assert_eq!(closes(0, &[(TE, "chunked")]), Some(CloseReason::DoubtfulFraming));
    }
}
