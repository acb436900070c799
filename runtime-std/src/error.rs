//! The error of this crate: what the core says, with the URL and the cause.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sortie_core::{RequestError, ResumeDataError, Url, UrlError};

use crate::file::{FileError, FileErrorKind};
#[cfg(feature = "json")]
use crate::json::JsonError;
use crate::resume::ResumeData;
#[cfg(feature = "tls")]
use crate::tls::TlsConfigurationError;

/// Why a task failed or could not be made.
///
/// One word on the stack, cheap to clone: the details are on the heap, since errors are rare and
/// results are not.
///
/// ```
/// # let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
/// # let url = format!("http://{}/", listener.local_addr().unwrap());
/// # drop(listener);
/// use sortie::core::{Error, Transport};
/// use sortie::{ErrorKind, Session};
///
/// let error = Session::new().data_blocking(&url).unwrap_err(); // nobody listens there
/// assert_eq!(error.kind(), ErrorKind::Task(Error::Transport(Transport::Refused)));
/// assert_eq!((error.code(), error.failing_url()), (-1004, url.as_str()));
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

struct Inner {
    kind: ErrorKind,
    url: String,
    source: Option<std::io::Error>,
    file: Option<FileError>,
    resume_data: Option<ResumeData>,
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URL is not one that a task can be made for.
    Url(UrlError),
    /// The request contradicts itself or could not be sent safely.
    Request(RequestError),
    /// The task ended with this error.
    Task(sortie_core::Error),
    /// A file that the task reads or writes.
    File(FileErrorKind),
    /// Resume data that cannot be used.
    ResumeData(ResumeDataError),
    /// What was asked for about TLS cannot be had.
    #[cfg(feature = "tls")]
    Tls(TlsConfigurationError),
    /// A value that cannot be sent as JSON, or content that is not the JSON that was asked for.
    #[cfg(feature = "json")]
    Json(JsonError),
    /// The session takes no new tasks, and this one had not begun.
    SessionInvalidated,
    /// Somebody else awaited the task before and has its content.
    ContentTaken,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, url: &str, source: Option<std::io::Error>) -> Self {
        let url = url.to_owned();
        Self { inner: Arc::new(Inner { kind, url, source, file: None, resume_data: None }) }
    }

    pub(crate) fn file(url: &str, why: FileError) -> Self {
        let (kind, url) = (ErrorKind::File(why.kind()), url.to_owned());
        let inner = Inner { kind, url, source: None, file: Some(why), resume_data: None };
        Self { inner: Arc::new(inner) }
    }

    /// What the task can be gone on with.
    pub(crate) fn with_resume_data(mut self, data: Option<ResumeData>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.resume_data = data;
        }
        self
    }

    /// What a download can be gone on with where it ended, if it can: see
    /// [`Session::download_task_with_resume_data`](crate::Session::download_task_with_resume_data).
    #[must_use]
    pub fn resume_data(&self) -> Option<&ResumeData> {
        self.inner.resume_data.as_ref()
    }

    /// The file that the error is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.inner.file.as_ref().map(FileError::path)
    }

    pub(crate) fn url(url: &str, why: UrlError) -> Self {
        Self::new(ErrorKind::Url(why), url, None)
    }

    pub(crate) fn request(url: &str, why: RequestError) -> Self {
        Self::new(ErrorKind::Request(why), url, None)
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The URL that was asked for, as it was given.
    #[must_use]
    pub fn failing_url(&self) -> &str {
        &self.inner.url
    }

    /// The URLError code that URLSession reports for this, such as -1001.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self.inner.kind {
            ErrorKind::Url(why) => why.code(),
            ErrorKind::Request(why) => why.code(),
            ErrorKind::Task(why) => why.code(),
            ErrorKind::File(why) => why.code(),
            ErrorKind::ResumeData(why) => why.code(),
            #[cfg(feature = "tls")]
            ErrorKind::Tls(why) => why.code(),
            #[cfg(feature = "json")]
            ErrorKind::Json(why) => why.code(),
            ErrorKind::SessionInvalidated => -999,
            ErrorKind::ContentTaken => -1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner.kind {
            ErrorKind::Url(why) => why.fmt(f)?,
            ErrorKind::Request(why) => why.fmt(f)?,
            ErrorKind::Task(why) => why.fmt(f)?,
            ErrorKind::File(why) => match &self.inner.file {
                Some(file) => file.fmt(f)?,
                None => write!(f, "{why:?}")?,
            },
            ErrorKind::ResumeData(why) => why.fmt(f)?,
            #[cfg(feature = "tls")]
            ErrorKind::Tls(why) => return why.fmt(f),
            #[cfg(feature = "json")]
            ErrorKind::Json(why) => f.write_str(why.what())?,
            ErrorKind::SessionInvalidated => f.write_str("the session takes no new tasks")?,
            ErrorKind::ContentTaken => f.write_str("the content was taken by another await")?,
        }
        if let Some(source) = &self.inner.source {
            write!(f, " ({})", printable(&source.to_string()))?;
        }
        write!(f, ": {}", without_secrets(&self.inner.url))
    }
}

/// The URL without user information, which may hold a password, and without control characters,
/// which a terminal would obey.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // A URL that could not be parsed may have its password anywhere before the last '@'.
    let end = match Url::parse(url) {
        Ok(_) => rest.find(['/', '?', '#']).unwrap_or(rest.len()),
        Err(_) => rest.len(),
    };
    let (front, tail) = rest.split_at(end);
    let host = front.rsplit('@').next().unwrap_or(front);
    printable(&(scheme + host + tail))
}

/// Text without control characters: parts of it may come from a server.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}, {:?})", self.inner.kind, without_secrets(&self.inner.url))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match (&self.inner.source, &self.inner.file) {
            (Some(source), _) => Some(source),
            (None, Some(file)) => std::error::Error::source(file),
            (None, None) => None,
        }
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn a_password_is_not_shown_wherever_it_stands() {
        let cases = [
            ("http://u:secret@h/p@q", "http://h/p@q"),
            ("u:secret@h:1/", "h:1/"),
            ("http://u:sec/ret@h:1/", "http://h:1/"),
            ("http://h/\u{1b}[2J", "http://h/\u{fffd}[2J"),
            ("http://h:8/x?y", "http://h:8/x?y"),
        ];
        for (url, shown) in cases {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
