//! Where the body of a request comes from.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::AsyncRead;

use crate::error::Error;
use crate::file::{FileError, FileSource};
use crate::request::Request;

/// What is read from a reader at once.
const WINDOW: usize = 64 * 1024;

/// The body of an upload task.
pub enum UploadSource {
    /// These bytes. They can be sent again.
    Bytes(Vec<u8>),
    /// A file, as long as it is when the task is made. It can be sent again, and must not change
    /// before it is sent.
    File(PathBuf),
    /// What a reader gives, sent chunked, or with `Content-Length` where its length is known. It
    /// can be sent once; who must send it again is asked for another one
    /// ([`TaskDelegate::need_new_body`](crate::TaskDelegate::need_new_body)).
    Reader {
        /// The reader, which is asked for more while the task runs.
        reader: Pin<Box<dyn AsyncRead + Send>>,
        /// Its length in bytes, if it is known.
        length: Option<u64>,
    },
}

impl UploadSource {
    /// What a reader gives, of unknown length.
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::Reader { reader: Box::pin(reader), length: None }
    }

    /// What a reader gives, `length` bytes of it. One that ends before fails the task; what it has
    /// beyond is not sent.
    pub fn sized_reader(reader: impl AsyncRead + Send + 'static, length: u64) -> Self {
        Self::Reader { reader: Box::pin(reader), length: Some(length) }
    }

    /// A file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }
}

impl From<Vec<u8>> for UploadSource {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for UploadSource {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_owned())
    }
}

impl From<&str> for UploadSource {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_owned())
    }
}

impl From<String> for UploadSource {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Reader { length, .. } => write!(f, "Reader({length:?})"),
        }
    }
}

/// The body, as the driver reads it.
pub(crate) enum Source {
    /// The bytes of the request itself.
    Request,
    File(Box<FileSource>),
    Reader(Window),
}

/// A reader, and what of it is at hand.
pub(crate) struct Window {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    bytes: Vec<u8>,
    /// Of `bytes`, what is not sent.
    start: usize,
    end: usize,
    /// The offset into the body of what is at `start`.
    at: u64,
    failed: Option<std::io::Error>,
}

impl Source {
    /// The source that the driver reads, and what of it belongs to the request.
    pub(crate) fn open(source: UploadSource, request: Request) -> Result<(Self, Request), Error> {
        Ok(match source {
            UploadSource::Bytes(bytes) => (Self::Request, request.body(bytes)?),
            UploadSource::File(path) => {
                let file =
                    FileSource::open(&path).map_err(|why| Error::file(request.url(), why))?;
                let request = request.streamed(Some(file.length()))?;
                (Self::File(Box::new(file)), request)
            }
            UploadSource::Reader { reader, length } => {
                (Self::reader(reader), request.streamed(length)?)
            }
        })
    }

    pub(crate) fn reader(reader: Pin<Box<dyn AsyncRead + Send>>) -> Self {
        let bytes = Vec::new();
        Self::Reader(Window { reader, bytes, start: 0, end: 0, at: 0, failed: None })
    }

    /// Whether it can be read again from its start.
    pub(crate) const fn is_replayable(&self) -> bool {
        !matches!(self, Self::Reader(_))
    }

    /// Bytes from the offset `from` on: some, or none at the end. `None`: it cannot be read.
    pub(crate) fn poll_bytes<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
        request: &'a Request,
        from: u64,
    ) -> Poll<Option<&'a [u8]>> {
        match self {
            Self::Request => Poll::Ready(Some(request.body_from(from))),
            Self::File(file) => file.poll_chunk(cx, from).map(Result::ok),
            Self::Reader(window) => window.poll_bytes(cx, from),
        }
    }

    /// What went wrong, if something did.
    pub(crate) fn failure(&mut self) -> Option<Failure> {
        match self {
            Self::Request => None,
            Self::File(file) => file.failure().map(Failure::File),
            Self::Reader(window) => window.failed.take().map(Failure::Reader),
        }
    }
}

/// Why a source cannot be read.
pub(crate) enum Failure {
    File(FileError),
    Reader(std::io::Error),
}

impl Window {
    fn poll_bytes(&mut self, cx: &mut Context<'_>, from: u64) -> Poll<Option<&[u8]>> {
        let Some(sent) = from.checked_sub(self.at) else {
            // It was read past that.
            return Poll::Ready(None);
        };
        let sent = usize::try_from(sent).unwrap_or(usize::MAX).min(self.end - self.start);
        self.start += sent;
        self.at += sent as u64;
        if self.start == self.end {
            self.bytes.resize(WINDOW, 0);
            match ready!(self.reader.as_mut().poll_read(cx, &mut self.bytes)) {
                Ok(count) => (self.start, self.end) = (0, count),
                Err(why) => {
                    self.failed = Some(why);
                    return Poll::Ready(None);
                }
            }
        }
        Poll::Ready(Some(&self.bytes[self.start..self.end]))
    }
}
