//! Content on its way to a file.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sortie_core::{ResumeData, repr_digest_sha256};

use crate::content::{Expected, Sink};
use crate::file::{FileError, FileErrorKind, Found, PartFile, Sha256Digest, Start, TemporaryFile};

/// What is gathered for a file before it is written, at most.
const FILE_BUFFER: usize = 256 * 1024;

/// How often a part file is opened that another download holds, and how long is waited in between:
/// half a second in all.
const BUSY_ATTEMPTS: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What a download task was told about its file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Where the content goes; to a temporary file if nowhere.
    pub(crate) destination: Option<PathBuf>,
    /// What is stored of an earlier download is not used.
    pub(crate) starts_over: bool,
    /// What the content must be.
    pub(crate) sha256: Option<Sha256Digest>,
    /// Resume data that the caller brought: it goes on only from a part of this download.
    pub(crate) resume: Option<Vec<u8>>,
}

type Opening = blocking::Task<Result<(PartFile, Option<Found>), FileError>>;

/// A download on its way to its file.
pub(crate) struct Download {
    plan: Plan,
    part: Option<PartFile>,
    opening: Option<Opening>,
    temporary: Option<TemporaryFile>,
    buffer: Vec<u8>,
    filled: usize,
    /// The URL that resume data speaks of: the task's own.
    url: String,
    /// What a later download can go on with: the core's byte form, for the bytes stored so far.
    record: Option<Vec<u8>>,
    /// The response whose content is to come. What is stored stays until it does: an error may come
    /// instead.
    expected: Option<Expected>,
    /// Where the content of the current response began.
    offset: u64,
}

/// Makes a sink: what is wrong with it is told before anything is requested.
pub(crate) type OpenSink = fn(Plan, &str) -> Result<Box<dyn Sink>, FileError>;

impl Download {
    /// As [`new`](Self::new), for any task.
    pub(crate) fn open_sink(plan: Plan, url: &str) -> Result<Box<dyn Sink>, FileError> {
        Self::new(plan, url).map(|download| {
            let sink: Box<dyn Sink> = Box::new(download);
            sink
        })
    }

    /// Looks at the destination: what is wrong with it is told before anything is requested.
    pub(crate) fn new(plan: Plan, url: &str) -> Result<Self, FileError> {
        if let Some(destination) = &plan.destination {
            PartFile::check(destination)?;
        }
        Ok(Self {
            plan,
            part: None,
            opening: None,
            temporary: None,
            buffer: Vec::new(),
            filled: 0,
            url: url.to_owned(),
            record: None,
            expected: None,
            offset: 0,
        })
    }

    /// Opens the part file at once, for content that begins at its start.
    pub(crate) fn open(&mut self) -> Result<(), FileError> {
        let (part, _) = open(&self.plan)?;
        self.opened(part, None);
        Ok(())
    }

    fn opened(&mut self, mut part: PartFile, found: Option<Found>) {
        if let Some(digest) = self.plan.sha256 {
            part.expect_sha256(digest);
        }
        self.part = Some(part);
        let asked = self.plan.resume.as_deref().map(ResumeData::decode).transpose().ok().flatten();
        self.record = found.and_then(|found| {
            let stored = ResumeData::decode(&found.record).ok()?;
            // The part file may be of another download to the same place.
            let is_ours = stored.url() == self.url
                && asked.is_none_or(|asked| asked.validator() == stored.validator());
            let total = stored.total();
            let data = stored.with_received(found.length, total).filter(|_| is_ours)?;
            encoded(&data)
        });
    }

    /// Content comes, or the end of it. What is stored behind its offset goes.
    fn begin(&mut self) {
        let (Some(expected), Some(part)) = (self.expected.take(), &mut self.part) else {
            return;
        };
        let Expected { response, offset, total, can_be_resumed } = expected;
        let head = response.head();
        self.filled = 0;
        self.offset = offset;
        // A record that is there stays with content that is gone on with.
        let mut record = None;
        if offset == 0 {
            let data = ResumeData::of(&self.url, &head, 0).filter(|_| can_be_resumed);
            let data = data.and_then(|data| data.with_received(0, total));
            record = data.as_ref().and_then(encoded);
            self.record.clone_from(&record);
        }
        let has_content = matches!(head.status(), 200 | 206);
        let sha256 = repr_digest_sha256(&head).filter(|_| has_content).map(Sha256Digest);
        part.begin(Start { offset, record, sha256 });
    }

    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FileError>> {
        let Some(part) = &mut self.part else {
            return Poll::Ready(Ok(()));
        };
        self.buffer.truncate(self.filled);
        let pushed = part.poll_push(cx, &mut self.buffer);
        if matches!(pushed, Poll::Ready(Ok(()))) {
            self.filled = 0;
        }
        pushed
    }
}

impl Sink for Download {
    fn destination(&self) -> Option<PathBuf> {
        match (&self.plan.destination, &self.temporary) {
            (Some(destination), _) => Some(destination.clone()),
            (None, Some(temporary)) => Some(temporary.path().to_owned()),
            (None, None) => None,
        }
    }

    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        can_be_resumed: bool,
    ) -> Poll<Result<Option<Vec<u8>>, FileError>> {
        if self.part.is_none() {
            let opening = self.opening.get_or_insert_with(|| {
                let plan = self.plan.clone();
                blocking::unblock(move || open(&plan))
            });
            let opened = ready!(Pin::new(opening).poll(cx));
            self.opening = None;
            let (part, found) = match opened {
                Ok(opened) => opened,
                Err(why) => return Poll::Ready(Err(why)),
            };
            self.opened(part, found.filter(|_| can_be_resumed));
        }
        Poll::Ready(Ok(self.record.clone()))
    }

    fn announce(&mut self, expected: Expected) {
        self.expected = Some(expected);
    }

    fn room(&mut self, cx: &mut Context<'_>) -> Result<&mut [u8], FileError> {
        // What is there is written as soon as the write before it is done, however little it is.
        if self.filled > 0
            && let Poll::Ready(pushed) = self.poll_push(cx)
        {
            pushed?;
        }
        if self.buffer.len() < FILE_BUFFER {
            self.buffer.resize(FILE_BUFFER, 0);
        }
        Ok(&mut self.buffer[self.filled..])
    }

    fn add(&mut self, count: usize) {
        self.begin();
        self.filled += count;
    }

    fn poll_commit(&mut self, cx: &mut Context<'_>, length: u64) -> Poll<Result<(), FileError>> {
        self.begin();
        if self.filled > 0 {
            ready!(self.poll_push(cx))?;
        }
        let Some(part) = &mut self.part else {
            return Poll::Ready(Ok(()));
        };
        if let Err(why) = ready!(part.poll_commit(cx, Some(length))) {
            if matches!(why.kind(), FileErrorKind::Digest { .. } | FileErrorKind::PartChanged) {
                // It was removed, or is not what came.
                self.record = None;
            }
            return Poll::Ready(Err(why));
        }
        self.record = None;
        if self.plan.destination.is_none() {
            self.temporary = self.part.take().and_then(PartFile::into_temporary);
        }
        self.part = None;
        Poll::Ready(Ok(()))
    }

    fn drop_content(&mut self) {
        self.filled = 0;
        if let Some(part) = &mut self.part {
            part.begin(Start { offset: self.offset, record: None, sha256: None });
        }
    }

    fn poll_keep(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        if self.filled > 0 {
            let _ = ready!(self.poll_push(cx));
        }
        let Some(part) = &mut self.part else {
            return Poll::Ready(self.record.take());
        };
        if let Err(why) = ready!(part.poll_flush(cx))
            && why.kind() == FileErrorKind::PartChanged
        {
            self.record = None;
        }
        let length = part.length();
        // What went to its destination, though too late, is not there to be gone on with.
        let record = self.record.take().filter(|_| !part.is_committed());
        self.part = None;
        let bytes = record.zip(length).and_then(|(record, length)| {
            let data = ResumeData::decode(&record).ok()?;
            encoded(&data.with_received(length, data.total())?)
        });
        Poll::Ready(bytes.filter(|_| self.plan.destination.is_some()))
    }

    fn abandon(&mut self) {
        (self.part, self.opening, self.record) = (None, None, None);
    }

    fn temporary(&mut self) -> &mut Option<TemporaryFile> {
        &mut self.temporary
    }
}

/// Opens the part file. Blocks, and waits a moment for another download that is just letting it go:
/// one that was dropped may have a write under way.
fn open(plan: &Plan) -> Result<(PartFile, Option<Found>), FileError> {
    let Some(destination) = &plan.destination else {
        return Ok((PartFile::temporary()?, None));
    };
    let mut attempts = 0;
    loop {
        match PartFile::open(destination, !plan.starts_over) {
            Err(why) if why.kind() == FileErrorKind::Busy && attempts < BUSY_ATTEMPTS => {
                attempts += 1;
                std::thread::sleep(BUSY_PAUSE);
            }
            opened => return opened,
        }
    }
}

/// The byte form of resume data.
fn encoded(data: &ResumeData<'_>) -> Option<Vec<u8>> {
    let mut bytes = vec![0; data.encoded_length()];
    let length = data.encode(&mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}
