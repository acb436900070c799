//! Responses, kept as the bytes that came.

use std::fmt;

use sortie_core::{ResponseHead, Slot};

/// The head of a response: its bytes in one block, with an index over them.
///
/// Looking a field up walks the index; nothing is parsed or converted up front.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    bytes: Box<[u8]>,
    index: Box<[Slot]>,
}

impl Response {
    pub(crate) fn new(bytes: &[u8], index: &[Slot]) -> Self {
        let fields = index
            .iter()
            .position(|slot| *slot == Slot::EMPTY)
            .unwrap_or(index.len());
        Self {
            bytes: bytes.into(),
            index: index[..fields].into(),
        }
    }

    /// The head as the core sees it, with all accessors.
    #[must_use]
    pub fn head(&self) -> ResponseHead<'_> {
        ResponseHead::new(&self.bytes, &self.index)
    }

    /// The status, 101 or 200 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head().status()
    }

    /// The value of the first field of this name, if it is text; names compare without case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head()
            .value(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Name and value of each field, in the order in which they came.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        ResponseHead::new(&self.bytes, &self.index).fields()
    }

    /// The bytes of the head, as they came, with the empty line. Folded lines are joined.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({:?})", self.head())
    }
}
