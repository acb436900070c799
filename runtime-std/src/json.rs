//! JSON (RFC 8259): requests that carry it, and content that is it.

use std::fmt;
use std::future::poll_fn;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::body::Body;
use crate::builder::TaskBuilder;
use crate::error::{Error, ErrorKind};
use crate::request::Request;
use crate::response::Response;
use crate::ride::{Ride, Until};
use crate::session::Session;
use crate::task::Task;

/// The field that says what content is.
const CONTENT_TYPE: &str = "Content-Type";

/// What may stand before JSON and is passed over (RFC 8259 §8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is wrong with JSON. Lines and columns count from 1, columns in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// The value cannot be written as JSON: a map whose keys are not text, or its type says so.
    Unencodable,
    /// The content is not JSON: an error page, most likely. Look at status and `Content-Type`.
    Syntax {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The content ends before the value does; there may be none at all.
    Incomplete {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The content is JSON, but not what the type asks for.
    Mismatch {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
}

impl JsonError {
    fn of(why: &serde_json::Error) -> Self {
        let (line, column) = (why.line(), why.column());
        match why.classify() {
            // Nothing is read but bytes at hand.
            Category::Io | Category::Syntax => Self::Syntax { line, column },
            Category::Eof => Self::Incomplete { line, column },
            Category::Data => Self::Mismatch { line, column },
        }
    }

    /// The URLError code that comes closest.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::Unencodable => -1,
            Self::Syntax { .. } | Self::Incomplete { .. } | Self::Mismatch { .. } => -1017,
        }
    }

    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Unencodable => "the value cannot be written as JSON",
            Self::Syntax { .. } => "the content is not JSON",
            Self::Incomplete { .. } => "the content ends within its JSON",
            Self::Mismatch { .. } => "the content is other JSON than was asked for",
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())?;
        match self {
            Self::Unencodable => Ok(()),
            Self::Syntax { line, column }
            | Self::Incomplete { line, column }
            | Self::Mismatch { line, column } => write!(f, ", line {line}, column {column}"),
        }
    }
}

impl std::error::Error for JsonError {}

/// Decodes the content that `url` gave.
fn decode<T: DeserializeOwned>(url: &str, content: &[u8]) -> Result<T, Error> {
    let content = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content);
    serde_json::from_slice(content).map_err(|why| {
        let kind = ErrorKind::Json(JsonError::of(&why));
        Error::new(kind, url, Some(std::io::Error::from(why)))
    })
}

impl Request {
    /// Sets a body: `value` as JSON. `Content-Type` is `application/json`, unless it was set
    /// before.
    ///
    /// ```
    /// let reading = std::collections::BTreeMap::from([("celsius", 21.5)]);
    /// let request = sortie::Request::new("POST", "http://127.0.0.1/telemetry")?.json(&reading)?;
    /// # Ok::<(), sortie::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`JsonError::Unencodable`], or as [`body`](Self::body).
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(|why| {
            let cause = std::io::Error::from(why);
            Error::new(ErrorKind::Json(JsonError::Unencodable), self.url(), Some(cause))
        })?;
        let has_type = self.fields().any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE));
        match has_type {
            true => self.body(body),
            false => self.field(CONTENT_TYPE, "application/json")?.body(body),
        }
    }
}

impl Session {
    /// Fetches a request, or a URL: the response and its content, decoded from JSON. Any status but
    /// 200 to 299 is an error, as with [`download`](Self::download): an error page is not what was
    /// asked for. Who wants to decode that, too, uses [`Body::json`] or [`Task::json`].
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), sortie::Error> {
    /// let session = sortie::Session::new();
    /// let (_, names) = session.json::<Vec<String>>("http://127.0.0.1:8080/names").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Cancel safety: dropping the future cancels the task and closes its connection.
    ///
    /// # Errors
    /// As [`data`](Self::data); [`Status`](sortie_core::Error::Status);
    /// [`ErrorKind::Json`]: the content is not JSON, or not what `T` is.
    pub async fn json<T: DeserializeOwned>(
        &self,
        request: impl TryInto<Request, Error: Into<Error>>,
    ) -> Result<(Response, T), Error> {
        let task = self.data_task(request).requires_success(true).create()?;
        let mut ride = Ride::alone(task.seated.clone());
        poll_fn(|cx| ride.poll_until(cx, Until::Complete)).await;
        task.decoded(ride.outcome()?)
    }

    /// As [`json`](Self::json), blocking.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub fn json_blocking<T: DeserializeOwned>(
        &self,
        request: impl TryInto<Request, Error: Into<Error>>,
    ) -> Result<(Response, T), Error> {
        async_io::block_on(self.json(request))
    }
}

impl TaskBuilder {
    /// Makes the task and runs it: see [`Task::json`].
    ///
    /// Cancel safety: as awaiting the builder; the task goes on.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`Task::json`].
    pub async fn json<T: DeserializeOwned>(self) -> Result<(Response, T), Error> {
        self.create()?.json().await
    }
}

impl Task {
    /// As awaiting the task, with the content decoded from JSON, whatever the status is; see
    /// [`requires_success`](TaskBuilder::requires_success).
    ///
    /// Cancel safety: dropping the future loses nothing and cancels nothing.
    ///
    /// # Errors
    /// What ended the task; [`ErrorKind::Json`]: the content is not JSON, or not what `T` is.
    pub async fn json<T: DeserializeOwned>(self) -> Result<(Response, T), Error> {
        let outcome = self.clone().await?;
        self.decoded(outcome)
    }

    fn decoded<T: DeserializeOwned>(
        &self,
        (response, content): (Response, Vec<u8>),
    ) -> Result<(Response, T), Error> {
        let value = decode(self.current_request().url(), &content)?;
        Ok((response, value))
    }
}

impl Body {
    /// Reads all content that is left, as [`read_all`](Self::read_all) does, and decodes it from
    /// JSON.
    ///
    /// Cancel safety: dropping the future loses no content.
    ///
    /// # Errors
    /// As [`read_all`](Self::read_all); [`ErrorKind::Json`]: the content is not JSON, or not what
    /// `T` is.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let content = self.read_all().await?;
        decode(self.task().current_request().url(), &content)
    }
}
