//! Sessions: what tasks share.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use sortie_core::TaskOptions;

use crate::body::Body;
use crate::error::Error;
use crate::request::Request;
use crate::response::Response;
use crate::ride::{Ride, Seated, Until};
use crate::shared::SessionShared;
use crate::task::Task;
use crate::world::System;

/// A session: the connections and settings that its tasks share. Cheap to clone.
///
/// ```no_run
/// # async fn run() -> Result<(), sortie::Error> {
/// let session = sortie::Session::new();
/// let (response, content) = session.data("http://127.0.0.1/").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Session {
    inner: Arc<SessionShared<System>>,
}

/// What a session is made with; see [`Session::builder`].
#[derive(Debug, Clone, Copy)]
pub struct SessionBuilder {
    options: TaskOptions,
}

impl SessionBuilder {
    /// The longest time without a byte sent or received, before a task fails. 60 s if not set.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request_timeout = micros(timeout);
        self
    }

    /// The longest time for a whole task, from its first resume on. 7 days if not set.
    #[must_use]
    pub fn resource_timeout(mut self, timeout: Duration) -> Self {
        self.options.resource_timeout = micros(timeout);
        self
    }

    /// The session.
    #[must_use]
    pub fn build(self) -> Session {
        Session { inner: SessionShared::new(System::new(), self.options) }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session with the defaults of URLSession.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A session to be configured.
    #[must_use]
    pub fn builder() -> SessionBuilder {
        SessionBuilder { options: TaskOptions::default() }
    }

    /// A suspended task for a request, or for a `GET` of a URL.
    ///
    /// # Errors
    /// The URL or the request is not one that a task can be made for.
    pub fn task<R>(&self, request: R) -> Result<Task, Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        let request = request.try_into().map_err(Into::into)?;
        Ok(Task { seated: Seated::new(self.inner.task(request)?) })
    }

    /// Fetches a request, or a URL: the response and its whole content.
    ///
    /// Any status is a success: it is the server's answer. Cancel safety: dropping the future
    /// cancels the task and closes its connection.
    ///
    /// # Errors
    /// What was wrong with the request, or ended the task.
    pub async fn data<R>(&self, request: R) -> Result<(Response, Vec<u8>), Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        let mut ride = self.ride(request)?;
        poll_fn(|cx| ride.poll_until(cx, Until::Complete)).await;
        ride.outcome()
    }

    /// Fetches a request, or a URL: the response and its content as it comes.
    ///
    /// Cancel safety: dropping the future cancels the task, as dropping the [`Body`] does.
    ///
    /// # Errors
    /// As [`data`](Self::data), up to the head of the response.
    pub async fn bytes<R>(&self, request: R) -> Result<(Response, Body), Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        let mut ride = self.ride(request)?;
        poll_fn(|cx| ride.poll_until(cx, Until::Response)).await;
        let response = ride.response()?;
        Ok((response, Body::new(ride)))
    }

    /// As [`data`](Self::data), blocking.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub fn data_blocking<R>(&self, request: R) -> Result<(Response, Vec<u8>), Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        async_io::block_on(self.data(request))
    }

    /// As [`bytes`](Self::bytes), blocking.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn bytes_blocking<R>(&self, request: R) -> Result<(Response, Body), Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        async_io::block_on(self.bytes(request))
    }

    fn ride<R>(&self, request: R) -> Result<Ride<System>, Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        let request = request.try_into().map_err(Into::into)?;
        Ok(Ride::new(Seated::new(self.inner.task(request)?)))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", self.inner.options())
    }
}
