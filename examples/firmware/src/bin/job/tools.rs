//! What the steps are made of: where servers are, how an outcome is asserted and told, and bytes
//! that are told apart.

use core::convert::Infallible;
use core::fmt::Debug;

use embassy_time::{Duration, Instant, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};
use sortie_embassy::{
    BodyLength, DownloadFailure, Downloaded, Failure, Request, Response, Session, Url,
};
use sortie_firmware::net;
use sortie_firmware::report::say;

use crate::CLOSING;

/// The longest time for a step. Each has deadlines of its own, which are shorter.
const STEP: Duration = Duration::from_secs(90);

/// Room for a URL.
pub(crate) const URL: usize = 128;

/// What was asked for on the command line.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) nginx: Site<'a>,
    pub(crate) python: Site<'a>,
    pub(crate) origin: Site<'a>,
    pub(crate) nobody: Site<'a>,
    pub(crate) times: u32,
    /// Length and sum of three files that nginx and Python have.
    pub(crate) small: Content,
    pub(crate) middle: Content,
    pub(crate) large: Content,
}

/// A server on the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) port: &'a [u8],
}

/// A file of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    pub(crate) path: &'static str,
    pub(crate) length: u32,
    pub(crate) sum: u32,
}

impl<'a> Job<'a> {
    pub(crate) fn new(mut words: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut site = || Some(Site { port: words.next()? });
        let (nginx, python, origin, nobody) = (site()?, site()?, site()?, site()?);
        let mut number =
            |radix| u32::from_str_radix(core::str::from_utf8(words.next()?).ok()?, radix).ok();
        let (times, length) = (number(10)?, number(10)?);
        let mut content = |path, length| Some(Content { path, length, sum: number(16)? });
        let small = content("/64k", 64 << 10)?;
        let middle = content("/256k", 256 << 10)?;
        let large = content("/large", length)?;
        Some(Self { nginx, python, origin, nobody, times, small, middle, large })
    }
}

impl Site<'_> {
    /// The URL of a path.
    pub(crate) fn url<'b>(&self, path: &str, buffer: &'b mut [u8; URL]) -> Result<Url<'b>, Failed> {
        let text = net::url(self.port, path.as_bytes(), buffer).ok_or(Failed)?;
        expect("a URL", Url::from_ascii(text))
    }

    /// Fetches a path by a task of the shortest form.
    pub(crate) async fn get<'c, const N: usize>(
        &self,
        session: &Session<'_, N>,
        path: &str,
        content: &'c mut [u8],
    ) -> Result<Result<Response<'c>, Failure>, Failed> {
        let mut url = [0; URL];
        let request = get(self.url(path, &mut url)?)?;
        Ok(session.data(&request, &[], content).await)
    }

    /// Fetches a path and asserts what came.
    pub(crate) async fn says<const N: usize>(
        &self,
        session: &Session<'_, N>,
        path: &str,
        text: &[u8],
    ) -> Outcome {
        let mut content = [0; 64];
        let response = expect(path, self.get(session, path, &mut content).await?)?;
        same("status", response.status(), 200)?;
        same("content", response.content(), text)
    }

    /// Downloads a file and asserts its length and sum.
    pub(crate) async fn has<const N: usize>(
        &self,
        session: &Session<'_, N>,
        file: Content,
        path: &str,
    ) -> Outcome {
        let mut url = [0; URL];
        let request = get(self.url(path, &mut url)?)?;
        let mut sink = Sink::new();
        let result = session.download_task(&request).require_success().to(&mut sink).await;
        let done = expect(path, result)?;
        is_whole(&done, &sink, file)
    }
}

/// Asserts that a download has brought a file.
pub(crate) fn is_whole(done: &Downloaded<'_>, sink: &Sink, file: Content) -> Outcome {
    same("bytes that were counted", done.offset() + done.received(), u64::from(file.length))?;
    same("bytes that were stored", sink.length, file.length)?;
    same("the sum", sink.sum.value(), file.sum)
}

/// A GET.
pub(crate) fn get(url: Url<'_>) -> Result<Request<'_>, Failed> {
    expect("a request", Request::new("GET", url, &[], BodyLength::None))
}

/// An assertion did not hold, and was told.
#[derive(Debug)]
pub(crate) struct Failed;

/// What a step comes to.
pub(crate) type Outcome = Result<(), Failed>;

/// Asserts that two values are the same.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, is: T, should: T) -> Outcome {
    if is == should {
        return Ok(());
    }
    say(format_args!("    {what}: {is:?} instead of {should:?}"));
    Err(Failed)
}

/// Asserts that something holds.
pub(crate) fn holds(what: &str, it: bool) -> Outcome {
    same(what, it, true)
}

/// Asserts that something succeeded.
pub(crate) fn expect<T, E: Debug>(what: &str, result: Result<T, E>) -> Result<T, Failed> {
    result.map_err(|error| {
        say(format_args!("    {what}: {error:?}"));
        Failed
    })
}

/// Asserts that something failed.
pub(crate) fn failure<T: Debug, E>(result: Result<T, E>) -> Result<E, Failed> {
    match result {
        Err(error) => Ok(error),
        Ok(done) => {
            say(format_args!("    no failure: {done:?}"));
            Err(Failed)
        }
    }
}

/// The same for a download.
pub(crate) fn download_failure(
    result: Result<Downloaded<'_>, DownloadFailure<'_>>,
) -> Result<Failure, Failed> {
    Ok(failure(result)?.failure)
}

/// Asserts that so much time has gone by since then, and no more than a hang would take.
pub(crate) fn took(start: Instant, at_least: Duration) -> Outcome {
    let took = start.elapsed();
    holds("not too early", took >= at_least)?;
    holds("no hang", took < at_least + CLOSING)
}

/// Tells how the steps went.
#[derive(Debug)]
pub(crate) struct Steps {
    done: u32,
    failed: u32,
}

impl Steps {
    pub(crate) const fn new() -> Self {
        Self { done: 0, failed: 0 }
    }

    /// Does a step, and prints its line.
    pub(crate) async fn step(&mut self, name: &str, work: impl Future<Output = Outcome>) {
        let start = Instant::now();
        let outcome = with_timeout(STEP, work).await;
        let took = start.elapsed().as_millis();
        self.done += 1;
        match outcome {
            Ok(Ok(())) => return say(format_args!("ok     {name}, {took} ms")),
            Ok(Err(Failed)) => say(format_args!("FAILED {name}, {took} ms")),
            Err(_) => say(format_args!("FAILED {name}: no end within {took} ms")),
        }
        self.failed += 1;
    }

    /// The end: whether all went well.
    pub(crate) fn end(self) -> Option<()> {
        let Self { done, failed } = self;
        say(format_args!("steps {done}, of which {failed} failed"));
        (failed == 0 && done > 0).then_some(())
    }
}

/// The CRC-32 of bytes that come in pieces, as zlib and Ethernet have it. Not for security: it
/// tells that the right bytes came in the right order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum(u32);

impl Sum {
    /// What four bits make of the remainder.
    const TABLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut index = 0;
        while index < table.len() {
            let mut remainder = index as u32;
            let mut bit = 0;
            while bit < 4 {
                let low = remainder & 1;
                remainder = (remainder >> 1) ^ (low * 0xedb8_8320);
                bit += 1;
            }
            table[index] = remainder;
            index += 1;
        }
        table
    };

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let mut sum = self.0 ^ u32::from(*byte);
            for _ in 0..2 {
                sum = (sum >> 4) ^ Self::TABLE[(sum & 15) as usize];
            }
            self.0 = sum;
        }
    }

    pub(crate) const fn value(self) -> u32 {
        !self.0
    }
}

/// Takes content and keeps only its length and sum.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) length: u32,
    pub(crate) sum: Sum,
}

impl Sink {
    pub(crate) const fn new() -> Self {
        Self { length: 0, sum: Sum(u32::MAX) }
    }
}

impl ErrorType for Sink {
    type Error = Infallible;
}

impl Write for Sink {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.sum.add(bytes);
        self.length += bytes.len() as u32;
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Brings bytes whose order shows, as `job.py` knows them, in pieces of no even length.
#[derive(Debug)]
pub(crate) struct Reader {
    at: u32,
    length: u32,
}

impl Reader {
    pub(crate) const fn new(length: u32) -> Self {
        Self { at: 0, length }
    }
}

impl ErrorType for Reader {
    type Error = Infallible;
}

impl Read for Reader {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let left = (self.length - self.at) as usize;
        let piece = 1 + self.at as usize * 7 % 500;
        let count = bytes.len().min(left).min(piece);
        for byte in bytes.iter_mut().take(count) {
            *byte = (self.at * 31 + (self.at >> 8)) as u8;
            self.at += 1;
        }
        Ok(count)
    }
}
