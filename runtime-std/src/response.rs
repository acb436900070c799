//! Responses, kept as the bytes that came.

use std::fmt;
use std::sync::{Arc, OnceLock};

use sortie_core::{ResponseHead, Slot, limits};

/// The head of a response, as the bytes that came. Cheap to clone.
///
/// Nothing is parsed or converted up front; the first look at a field makes an index over them.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/origin.rs")); }
/// # let url = doc::origin(&["HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"]);
/// let (response, _) = sortie::Session::new().data_blocking(&url)?;
/// assert_eq!((response.status(), response.field("content-type")), (200, Some("text/plain")));
/// # Ok::<(), sortie::Error>(())
/// ```
#[derive(Clone)]
pub struct Response {
    bytes: Arc<[u8]>,
    index: OnceLock<Box<[Slot]>>,
}

impl Response {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), index: OnceLock::new() }
    }

    /// The head as the core sees it, with all accessors.
    #[must_use]
    pub fn head(&self) -> ResponseHead<'_> {
        let index = self.index.get_or_init(|| {
            let mut index = [Slot::EMPTY; limits::HEAD_FIELDS];
            let fields = ResponseHead::list(&self.bytes, &mut index);
            index[..fields.min(limits::HEAD_FIELDS)].into()
        });
        ResponseHead::new(&self.bytes, index)
    }

    /// The status, 101 or 200 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        ResponseHead::new(&self.bytes, &[]).status()
    }

    /// The value of the first field of this name, if it is text; names compare without case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head().value(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Name and value of each field, in the order in which they came.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head().fields()
    }

    /// The bytes of the head, as they came, with the empty line. Folded lines are joined.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for Response {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Response {}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({:?})", self.head())
    }
}
