//! Connections that were used before, and turn out to be dead.

use super::Task;
use super::output::{Release, Wish};
use crate::error::{Error, Transport};
use crate::limits;
use crate::wire::framing::CloseReason;

impl Task {
    /// Whether the request would be made again if a used connection, over which it was sent, turned
    /// out to be dead (RFC 9112 §9.3.1). If not, it is worth a look whether an idle connection was
    /// closed meanwhile, before it is used.
    #[must_use]
    pub const fn survives_stale(&self) -> bool {
        self.stale_retries < limits::STALE_RETRIES
            && self.can_be_sent_again(!self.request.has_body())
    }

    /// Whether the request may be sent a second time, and its body can be had again, if that is not
    /// untouched.
    const fn can_be_sent_again(&self, body_is_untouched: bool) -> bool {
        self.request.is_idempotent
            && (self.options.body_is_replayable || self.options.asks.new_body || body_is_untouched)
    }

    /// The connection is gone before the end: retried once if it was dead from the start.
    ///
    /// A reused connection may have been closed by the server while the request was on its way.
    /// Without any byte of an answer the request may be sent again, if it is idempotent or was
    /// not sent at all, and if its body can be had again (RFC 9112 §9.3.1).
    pub(super) fn lose(&mut self, why: Transport) {
        let is_untouched = self.counts.wire_sent == 0;
        let again = self.transfer.is_reused
            && why == Transport::NoResponse
            && self.stale_retries < limits::STALE_RETRIES
            && (is_untouched || self.can_be_sent_again(self.counts.sent == 0));
        if !again {
            return self.fail(Error::Transport(why));
        }
        self.stale_retries = self.stale_retries.saturating_add(1);
        self.release(Release::Close(CloseReason::Stale));
        self.reconnect(Wish::New);
    }
}
