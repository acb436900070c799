//! Tasks that fail, each as what it is, and leave the session as it was.

use embassy_time::{Duration, Instant, Timer};
use sortie_embassy::sortie_core::{Limit, PeerError};
use sortie_embassy::{Error, Failure, Session, Slot, Transport, Url};

use crate::CLOSING;
use crate::tools::{
    Failed, Job, Outcome, Sink, Site, Steps, URL, download_failure, expect, failure, get, holds,
    same,
};

/// A name that no server of names is asked for: one of its labels is too long.
const NO_NAME: &str =
    "http://a-label-of-more-than-sixty-three-letters-which-no-name-may-have-at-all.test/";

/// Bytes that the origin sends of a body which it cuts short.
const CUT: u64 = 500;

pub(crate) async fn all<const N: usize>(
    steps: &mut Steps,
    session: &Session<'_, N>,
    job: &Job<'_>,
) {
    let Job { nginx, origin, nobody, .. } = job;
    let transport = |why| (Error::Transport(why), None, 0);
    let none = transport(Transport::Refused);
    steps.step("connection refused", fails(session, *nobody, "/", none)).await;
    steps.step("unknown name", no_host(session, NO_NAME, Transport::NameNotResolved)).await;
    let secure = "https://10.0.2.2/";
    steps.step("no TLS", no_host(session, secure, Transport::TlsUnavailable)).await;
    let cut = (Error::Transport(Transport::Lost), Some(200), CUT);
    steps.step("body cut short", fails(session, *origin, "/cut", cut)).await;
    steps.step("chunk cut short", fails(session, *origin, "/cut-chunk", cut)).await;
    let silent = transport(Transport::NoResponse);
    steps.step("no answer", fails(session, *origin, "/close", silent)).await;
    let peer = |why| (Error::Peer(why), None, 0);
    let garbage = peer(PeerError::NotHttp);
    steps.step("no HTTP", fails(session, *origin, "/garbage", garbage)).await;
    let lengths = peer(PeerError::ContentLength);
    steps.step("two lengths", fails(session, *origin, "/two-lengths", lengths)).await;
    steps.step("status", status(session, *nginx)).await;
    steps.step("head too large", large_head(session, *nginx)).await;
    steps.step("content too large", large_content(session, job)).await;
    steps.step("64 KiB after all that", nginx.has(session, job.small, job.small.path)).await;
}

/// Asserts how a task fails: its error, the status that came before, and the bytes.
async fn fails<const N: usize>(
    session: &Session<'_, N>,
    site: Site<'_>,
    path: &str,
    (error, status, received): (Error, Option<u16>, u64),
) -> Outcome {
    let mut content = [0; 1024];
    let failed = failure(site.get(session, path, &mut content).await?)?;
    let Failure { offset, needed, .. } = failed;
    same("error", failed.error, error)?;
    same("status", failed.status, status)?;
    same("bytes", (offset, failed.received), (0, received))?;
    same("needed", needed, None)
}

/// A URL that leads nowhere.
async fn no_host<const N: usize>(session: &Session<'_, N>, url: &str, why: Transport) -> Outcome {
    let request = get(expect("a URL", Url::parse(url))?)?;
    let failed = failure(session.data(&request, &[], &mut [0; 16]).await)?;
    same("error", failed.error, Error::Transport(why))
}

/// Where only success is asked for nothing is stored.
async fn status<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let (mut url, mut sink) = ([0; URL], Sink::new());
    let request = get(site.url("/missing", &mut url)?)?;
    let task = session.download_task(&request).require_success().to(&mut sink);
    let failed = download_failure(task.await)?;
    same("error", failed.error, Error::Status(404))?;
    same("status", failed.status, Some(404))?;
    same("bytes that were stored", sink.length, 0)
}

/// The error says how large the buffer has to be; with that it fits, with a byte less it does not.
async fn large_head<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let (mut bytes, mut index) = ([0; 4096], [Slot::EMPTY; 16]);
    let mut url = [0; URL];
    let request = get(site.url("/large-head", &mut url)?)?;
    let mut content = [0; 16];
    let failed = failure(session.data(&request, &[], &mut content).await)?;
    same("error", failed.error, Error::Limit(Limit::HeadBuffer))?;
    let needed = failed.needed.unwrap_or(0);
    holds("more than there was", needed > sortie_firmware::net::HEAD)?;
    holds("no more than there is", needed <= bytes.len())?;

    for (room, fits) in [(needed - 1, false), (needed, true)] {
        let lent = bytes.get_mut(..room).ok_or(Failed)?;
        let task = session.data_task(&request).head(lent, &mut index);
        let result = task.receive(&mut content).await;
        if fits {
            let response = expect("with room for it", result)?;
            same("its length", response.head().as_bytes().len(), needed)?;
            same("content", response.content(), b"fits")?;
        } else {
            let failed = failure(result)?;
            same("error", failed.error, Error::Limit(Limit::HeadBuffer))?;
            same("needed", failed.needed, Some(needed))?;
        }
    }
    Ok(())
}

/// The server says how long it is, and so does the error.
async fn large_content<const N: usize>(session: &Session<'_, N>, job: &Job<'_>) -> Outcome {
    let mut content = [0; 512];
    let failed = failure(job.nginx.get(session, job.small.path, &mut content).await?)?;
    same("error", failed.error, Error::Limit(Limit::ContentBuffer))?;
    same("needed", failed.needed, Some(job.small.length as usize))
}

/// After all tasks: the servers have no connection but the one that asks.
pub(crate) async fn nothing_is_left<const N: usize>(
    steps: &mut Steps,
    session: &Session<'_, N>,
    job: &Job<'_>,
) {
    let origin = until_alone(session, job.origin, "/open", b"open: 1\n");
    steps.step("no connection of the origin is left", origin).await;
    let nginx = until_alone(session, job.nginx, "/status", b"Active connections: 1 \n");
    steps.step("no connection of nginx is left", nginx).await;
}

/// Asks until the answer begins as it should: a server may take a moment to see that a connection
/// has ended.
async fn until_alone<const N: usize>(
    session: &Session<'_, N>,
    site: Site<'_>,
    path: &str,
    text: &[u8],
) -> Outcome {
    let start = Instant::now();
    loop {
        let mut content = [0; 256];
        let response = expect(path, site.get(session, path, &mut content).await?)?;
        if response.content().starts_with(text) {
            return Ok(());
        }
        if start.elapsed() >= CLOSING {
            let said = core::str::from_utf8(response.content());
            return same("it says", said, core::str::from_utf8(text));
        }
        Timer::after(Duration::from_millis(50)).await;
    }
}
