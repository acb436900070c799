//! Where the body of a request comes from.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_io::{AsyncBufRead, AsyncRead};

use crate::error::Error;
use crate::file::{FileError, FileSource};
use crate::request::Request;
use crate::supply::{Buffered, Chunks, Supply, Window};

/// The body of an upload task: bytes, a file, or what a reader or a stream gives.
///
/// Bytes and files can be sent again, where a redirect or a lost connection asks for it. Readers
/// and streams can be sent once; who must send one again is asked for another one
/// ([`TaskDelegate::need_new_body`](crate::TaskDelegate::need_new_body)). They are asked for more
/// only while the task runs and the connection takes it: at most 256 KiB of a reader are held, one
/// chunk of a stream, and nothing of a buffered reader beyond its own buffer.
///
/// ```
/// use futures_lite::{io::Cursor, stream};
/// use sortie::UploadSource;
///
/// let text = UploadSource::from("text");
/// let file = UploadSource::file("report.pdf");
/// let reader = UploadSource::reader(Cursor::new("from a reader")).with_length(13);
/// let rows = stream::iter(["a;1\n", "b;2\n"].map(Ok::<_, std::io::Error>));
/// let rows = UploadSource::stream(rows);
/// ```
pub struct UploadSource {
    origin: Origin,
}

enum Origin {
    Bytes(Vec<u8>),
    File(PathBuf),
    Supply { supply: Box<dyn Supply>, length: Option<u64> },
}

impl UploadSource {
    /// These bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { origin: Origin::Bytes(bytes.into()) }
    }

    /// A file, as long as it is when the task is made. It must not change before it is sent.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { origin: Origin::File(path.into()) }
    }

    /// What a reader gives: sent chunked, or [`with_length`](Self::with_length).
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::supply(Window::new(reader))
    }

    /// As [`reader`](Self::reader), with its length.
    pub fn sized_reader(reader: impl AsyncRead + Send + 'static, length: u64) -> Self {
        Self::reader(reader).with_length(length)
    }

    /// As [`reader`](Self::reader), for a reader with a buffer of its own: what is in it is sent
    /// from there, without a copy.
    pub fn buf_reader(reader: impl AsyncBufRead + Send + 'static) -> Self {
        Self::supply(Buffered::new(reader))
    }

    /// The chunks of a stream, one behind the other: sent chunked, or
    /// [`with_length`](Self::with_length). How they are cut is no part of what is sent. Any bytes
    /// will do, such as `Vec<u8>`, `&'static str` or `bytes::Bytes`; a chunk without any is passed
    /// over. An error of the stream fails the task.
    pub fn stream<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: AsRef<[u8]> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::supply(Chunks::new(stream))
    }

    fn supply(supply: impl Supply + 'static) -> Self {
        Self { origin: Origin::Supply { supply: Box::new(supply), length: None } }
    }

    /// How many bytes a reader or a stream has: they are sent with `Content-Length` instead of
    /// chunked. One that ends before fails the task; what it has beyond is not sent. That of bytes
    /// and files is known.
    #[must_use]
    pub fn with_length(mut self, bytes: u64) -> Self {
        if let Origin::Supply { length, .. } = &mut self.origin {
            *length = Some(bytes);
        }
        self
    }
}

impl From<Vec<u8>> for UploadSource {
    fn from(bytes: Vec<u8>) -> Self {
        Self::bytes(bytes)
    }
}

impl From<&[u8]> for UploadSource {
    fn from(bytes: &[u8]) -> Self {
        Self::bytes(bytes)
    }
}

impl From<&str> for UploadSource {
    fn from(text: &str) -> Self {
        Self::bytes(text)
    }
}

impl From<String> for UploadSource {
    fn from(text: String) -> Self {
        Self::bytes(text)
    }
}

impl fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Origin::File(path) => write!(f, "File({})", path.display()),
            Origin::Supply { length, .. } => write!(f, "Reader({length:?})"),
        }
    }
}

/// The body, as the driver reads it.
pub(crate) enum Source {
    /// The bytes of the request itself.
    Request,
    File(Box<FileSource>),
    Supply(Supplied),
}

/// What a reader or a stream gives, and how far it was sent.
pub(crate) struct Supplied {
    supply: Box<dyn Supply>,
    /// The offset into the body of what is at hand.
    at: u64,
    /// How much was at hand when it was last asked.
    offered: usize,
    failed: Option<io::Error>,
}

impl Source {
    /// The source that the driver reads, and what of it belongs to the request.
    pub(crate) fn open(source: UploadSource, request: Request) -> Result<(Self, Request), Error> {
        Ok(match source.origin {
            Origin::Bytes(bytes) => (Self::Request, request.body(bytes)?),
            Origin::File(path) => {
                let file =
                    FileSource::open(&path).map_err(|why| Error::file(request.url(), why))?;
                let request = request.streamed(Some(file.length()))?;
                (Self::File(Box::new(file)), request)
            }
            Origin::Supply { supply, length } => {
                let supplied = Supplied { supply, at: 0, offered: 0, failed: None };
                (Self::Supply(supplied), request.streamed(length)?)
            }
        })
    }

    /// Whether it can be read again from its start.
    pub(crate) const fn is_replayable(&self) -> bool {
        !matches!(self, Self::Supply(_))
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
            Self::Supply(supplied) => supplied.poll_bytes(cx, from),
        }
    }

    /// What went wrong, if something did.
    pub(crate) fn failure(&mut self) -> Option<Failure> {
        match self {
            Self::Request => None,
            Self::File(file) => file.failure().map(Failure::File),
            Self::Supply(supplied) => supplied.failed.take().map(Failure::Reader),
        }
    }
}

/// Why a source cannot be read.
pub(crate) enum Failure {
    File(FileError),
    Reader(io::Error),
}

impl Supplied {
    fn poll_bytes(&mut self, cx: &mut Context<'_>, from: u64) -> Poll<Option<&[u8]>> {
        let Self { supply, at, offered, failed } = self;
        let sent = from.checked_sub(*at).and_then(|sent| usize::try_from(sent).ok());
        let Some(sent) = sent.filter(|sent| *sent <= *offered) else {
            // It was read past that.
            return Poll::Ready(None);
        };
        if sent > 0 {
            supply.take(sent);
            (*at, *offered) = (from, *offered - sent);
        }
        match ready!(supply.poll_some(cx)) {
            Ok(bytes) => {
                *offered = bytes.len();
                Poll::Ready(Some(bytes))
            }
            Err(why) => {
                *failed = Some(why);
                Poll::Ready(None)
            }
        }
    }
}
