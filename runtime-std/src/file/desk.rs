//! State that is either at hand or away in a blocking job.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use blocking::{Task, unblock};

/// State of type `S` whose jobs end with an `R`. One job at a time.
///
/// Dropping it while a job runs lets the job end, on its thread; the state is dropped there. A job
/// that did not start never does.
pub(crate) struct Desk<S, R> {
    here: Option<S>,
    away: Option<Task<(S, R)>>,
}

impl<S: Send + 'static, R: Send + 'static> Desk<S, R> {
    pub(crate) const fn new(state: S) -> Self {
        Self { here: Some(state), away: None }
    }

    /// Starts a job. The state must be at hand.
    pub(crate) fn send(&mut self, job: impl FnOnce(&mut S) -> R + Send + 'static) {
        debug_assert!(self.here.is_some() && self.away.is_none());
        if let Some(mut state) = self.here.take() {
            self.away = Some(unblock(move || {
                let result = job(&mut state);
                (state, result)
            }));
        }
    }

    /// Ready when the state is at hand; with what a job ended with, once.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<R>> {
        let Some(task) = &mut self.away else { return Poll::Ready(None) };
        let (state, result) = ready!(Pin::new(task).poll(cx));
        self.away = None;
        self.here = Some(state);
        Poll::Ready(Some(result))
    }

    /// The state, if it is at hand.
    pub(crate) const fn here(&mut self) -> Option<&mut S> {
        self.here.as_mut()
    }
}
