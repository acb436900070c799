//! Counting bytes: in one struct, added to in one place.

/// URLSession's `NSURLSessionTransferSizeUnknown`.
pub const TRANSFER_SIZE_UNKNOWN: i64 = -1;

/// The bytes of a task's current transfer.
///
/// Content is what `Content-Length` counts: heads and chunk framing are not part of it. Counts
/// only grow within a transfer and start again with the next one (a redirect, a retry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ByteCounts {
    /// Content sent.
    pub sent: u64,
    /// Content received.
    pub received: u64,
    /// Content received that its consumer has taken, as far as the adapter reports it.
    pub delivered: u64,
    /// Content to be sent: `Some(0)` without a body, `None` while its length is unknown.
    pub expected_to_send: Option<u64>,
    /// Content to be received: `None` before the head and where the head does not tell, `Some(0)`
    /// where no body can come.
    pub expected_to_receive: Option<u64>,
    /// Bytes written to the connection, head and framing included.
    pub wire_sent: u64,
    /// Bytes taken from the connection, heads and framing included.
    pub wire_received: u64,
}

/// The counts under URLSession's names and in its types: signed, with -1 for unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UrlSessionCounts {
    /// `countOfBytesSent`.
    pub count_of_bytes_sent: i64,
    /// `countOfBytesReceived`.
    pub count_of_bytes_received: i64,
    /// `countOfBytesExpectedToSend`.
    pub count_of_bytes_expected_to_send: i64,
    /// `countOfBytesExpectedToReceive`.
    pub count_of_bytes_expected_to_receive: i64,
}

impl ByteCounts {
    /// At the start of a transfer that sends so much.
    pub(crate) const fn start(expected_to_send: Option<u64>) -> Self {
        Self { expected_to_send, ..Self::NONE }
    }

    /// Of a transfer that nothing is known of.
    pub(crate) const NONE: Self = Self {
        sent: 0,
        received: 0,
        delivered: 0,
        expected_to_send: None,
        expected_to_receive: None,
        wire_sent: 0,
        wire_received: 0,
    };

    /// Content begins at an offset: `stored` bytes of `total` were there before.
    pub(crate) fn resume_at(&mut self, stored: u64, total: u64) {
        self.received = stored;
        self.delivered = stored;
        self.expected_to_receive = Some(total);
    }

    /// Adds bytes that were sent: `content` of the `wire` bytes are content.
    pub(crate) fn add_sent(&mut self, wire: usize, content: u64) {
        add(&mut self.wire_sent, wire as u64);
        add(&mut self.sent, content);
    }

    /// Adds bytes that were received: `content` of the `wire` bytes are content.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn add_received(&mut self, wire: usize, content: usize) {
        add(&mut self.wire_received, wire as u64);
        add(&mut self.received, content as u64);
    }

    /// Adds content that its consumer has taken. `false`, and nothing added, if that would be more
    /// than was received.
    pub(crate) fn add_delivered(&mut self, content: u64) -> bool {
        let delivered = self.delivered.saturating_add(content);
        let possible = delivered <= self.received;
        if possible {
            self.delivered = delivered;
        }
        possible
    }

    /// The same under URLSession's names.
    #[must_use]
    pub fn url_session(&self) -> UrlSessionCounts {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let expected = |count: Option<u64>| count.map_or(TRANSFER_SIZE_UNKNOWN, signed);
        UrlSessionCounts {
            count_of_bytes_sent: signed(self.sent),
            count_of_bytes_received: signed(self.received),
            count_of_bytes_expected_to_send: expected(self.expected_to_send),
            count_of_bytes_expected_to_receive: expected(self.expected_to_receive),
        }
    }
}

/// The one addition: it cannot wrap, on any target.
#[cfg_attr(target_os = "none", inline(never))]
fn add(count: &mut u64, bytes: u64) {
    *count = count.saturating_add(bytes);
}
