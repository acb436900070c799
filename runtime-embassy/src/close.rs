//! Closing what is idle.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_time::{Duration, with_timeout};

use crate::connection::RESET_TIMEOUT;
use crate::session::{Base, Session};

impl<const CONNECTIONS: usize> Session<'_, CONNECTIONS> {
    /// Closes the connections that no task has, in order, and waits until the servers have taken
    /// note. Those whose server has not `within` so long are reset. It also waits for the resets of
    /// tasks that ended before to leave. Tasks that run keep theirs; the session can be used on.
    ///
    /// To be awaited before the session is dropped, the link is taken down, or the device sleeps: a
    /// server that hears nothing keeps its side for minutes.
    ///
    /// # Dropping
    /// Loses nothing: the connections are being closed, and none is reset.
    pub async fn close(&self, within: Duration) {
        let base = self.base();
        match base.schedule {
            Some(schedule) => schedule.close_idle(base),
            None => base.close_idle(),
        }
        if with_timeout(within, poll_fn(|cx| base.poll_closed(cx))).await.is_err() {
            for slot in 0..CONNECTIONS {
                if let Some(mut connection) = base.slot(slot)
                    && connection.is_closing()
                {
                    connection.end(false);
                }
            }
            // A socket that is dropped with its session takes a reset with it that has not left.
            let _ = with_timeout(RESET_TIMEOUT, poll_fn(|cx| base.poll_closed(cx))).await;
        }
    }
}

impl Base<'_> {
    /// Closes the connections that no task has, in order.
    fn close_idle(&self) {
        for slot in 0..self.slots.len() {
            if let Some(mut connection) = self.slot(slot)
                && connection.is_idle()
            {
                connection.end(true);
            }
        }
    }

    /// Ready when all that was closed has been acknowledged, and all that was reset was told so, in
    /// every slot that no task has.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut result = Poll::Ready(());
        for slot in 0..self.slots.len() {
            if let Some(mut connection) = self.slot(slot)
                && connection.is_closing()
                && pin!(connection.flush()).poll(cx).is_pending()
            {
                result = Poll::Pending;
            }
        }
        result
    }
}
