//! A view of a response head: the bytes that came, with an index over them.

use core::fmt;

use crate::wire::grammar;
use crate::wire::head::Slot;

/// The head of a response, as bytes and an index, both the caller's.
///
/// Nothing is copied and nothing is parsed again: looking a field up walks the index.
#[derive(Clone, Copy)]
pub struct ResponseHead<'a> {
    bytes: &'a [u8],
    index: &'a [Slot],
}

impl<'a> ResponseHead<'a> {
    /// The head in `bytes`, listed in `index`, both as [`Task::handle_head`] left them: the bytes
    /// from the front of the input, as many as [`Advance::head`] says. Other bytes give other,
    /// possibly empty, pieces of them; nothing worse.
    ///
    /// [`Task::handle_head`]: crate::Task::handle_head
    /// [`Advance::head`]: crate::Advance::head
    #[must_use]
    pub const fn new(bytes: &'a [u8], index: &'a [Slot]) -> Self {
        Self { bytes, index }
    }

    /// Lists the fields of a whole head in `index`, as far as it goes. Returns how many there are;
    /// 0 for bytes that are no whole head. For who lent no index to [`Task::handle_head`] and finds
    /// out later that it is wanted.
    ///
    /// [`Task::handle_head`]: crate::Task::handle_head
    #[must_use]
    pub fn list(bytes: &[u8], index: &mut [Slot]) -> usize {
        crate::wire::head::list(bytes, index)
    }

    /// The bytes of the head, with the empty line.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The status, 100 to 999; 0 if this is no head.
    #[must_use]
    pub fn status(&self) -> u16 {
        let digits = self.bytes.get(9..12).unwrap_or_default();
        grammar::decimal(digits).and_then(|status| u16::try_from(status).ok()).unwrap_or(0)
    }

    /// The minor version: 1 for HTTP/1.1.
    #[must_use]
    pub fn minor_version(&self) -> u8 {
        self.bytes.get(7).map_or(0, |digit| digit.wrapping_sub(b'0'))
    }

    /// The reason phrase; often empty, and meant for people (RFC 9112 §4).
    #[must_use]
    pub fn reason(&self) -> &'a [u8] {
        let line = self.bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next();
        grammar::trim_ows(line.and_then(|line| line.get(12..)).unwrap_or_default())
    }

    /// Name and value of each listed field line, in the order of the head.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        let slots = self.index.iter().take_while(|slot| !slot.is_empty());
        slots.map(move |slot| {
            // Names are tokens, which are ASCII.
            (grammar::text(slot.name(bytes)).unwrap_or(""), slot.value(bytes))
        })
    }

    /// The values of the field lines of this name, in their order; names compare without case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        let named = move |slot: &&Slot| slot.name(bytes).eq_ignore_ascii_case(name.as_bytes());
        let slots = self.index.iter().take_while(|slot| !slot.is_empty());
        slots.filter(named).map(move |slot| slot.value(bytes))
    }

    /// Whether the index lists every field line: nothing but the end of the head is behind the last
    /// one. False as well for bytes that go on behind the head.
    pub(crate) fn is_listed(&self) -> bool {
        let listed = self.index.iter().take_while(|slot| !slot.is_empty()).last();
        let rest = match listed {
            Some(slot) => slot.after(self.bytes),
            None => {
                let line = self.bytes.iter().position(|byte| *byte == b'\n');
                line.and_then(|end| self.bytes.get(end..)).unwrap_or_default()
            }
        };
        // The space is that of a folded line whose end became space (RFC 9112 §5.2).
        !rest.is_empty() && rest.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | b'\t'))
    }

    /// The value of the first field line of this name; names compare without case.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }
}

impl fmt::Debug for ResponseHead<'_> {
    /// Status and field names; values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.status())?;
        f.debug_list().entries(self.fields().map(|(name, _)| name)).finish()
    }
}
