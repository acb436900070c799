//! Deadlines, in a session that is impatient.

use embassy_futures::join::join;
use embassy_time::Instant;
use sortie_embassy::sortie_core::Timer;
use sortie_embassy::{ControlBlock, Error, Session, Url};

use crate::commands;
use crate::tools::{
    Job, Outcome, Sink, Site, Steps, URL, download_failure, expect, failure, get, holds, same, took,
};
use crate::{REQUEST_TIMEOUT, RESOURCE_TIMEOUT};

/// An address of the emulated network that nobody has: no answer comes, not even that it is so.
const NOBODY: &str = "http://10.0.2.77/";

/// Bytes that the origin sends of a body before it says no more.
const BEGUN: u64 = 100;

pub(crate) async fn all<const N: usize>(
    steps: &mut Steps,
    session: &Session<'_, N>,
    job: &Job<'_>,
) {
    steps.step("no head in time", head(session, job.origin)).await;
    steps.step("no more content in time", content(session, job.origin)).await;
    steps.step("resource timeout", resource(session, job.origin)).await;
    let longer = REQUEST_TIMEOUT * 2;
    steps.step("suspended for longer", commands::suspended(session, job, longer)).await;
    // A socket that asked for a neighbour which is not there is silent for a second, whoever is
    // next: so says smoltcp. What is next here has the time.
    steps.step("connect timeout", connect(session)).await;
    steps.step("suspended for too long", suspended(session, job)).await;
}

/// The request timer holds for the connection, too.
async fn connect<const N: usize>(session: &Session<'_, N>) -> Outcome {
    let request = get(expect("a URL", Url::parse(NOBODY))?)?;
    let start = Instant::now();
    let failed = failure(session.data(&request, &[], &mut [0; 16]).await)?;
    same("error", failed.error, Error::TimedOut(Timer::Request))?;
    same("status", failed.status, None)?;
    took(start, REQUEST_TIMEOUT)
}

async fn head<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let start = Instant::now();
    let failed = failure(site.get(session, "/stall", &mut [0; 16]).await?)?;
    same("error", failed.error, Error::TimedOut(Timer::Request))?;
    same("status", failed.status, None)?;
    took(start, REQUEST_TIMEOUT)
}

async fn content<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let start = Instant::now();
    let failed = failure(site.get(session, "/stall-body", &mut [0; 1024]).await?)?;
    same("error", failed.error, Error::TimedOut(Timer::Request))?;
    same("status", failed.status, Some(200))?;
    same("bytes", failed.received, BEGUN)?;
    took(start, REQUEST_TIMEOUT)
}

/// Bytes come all the time, and the whole never.
async fn resource<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let start = Instant::now();
    let failed = failure(site.get(session, "/drip", &mut [0; 1024]).await?)?;
    same("error", failed.error, Error::TimedOut(Timer::Resource))?;
    same("status", failed.status, Some(200))?;
    holds("some came", failed.received > 0)?;
    took(start, RESOURCE_TIMEOUT)
}

/// The resource timer runs on meanwhile. The server, which has more to send and may not, hears of
/// the end by the reset alone: the last thing that this session does.
async fn suspended<const N: usize>(session: &Session<'_, N>, job: &Job<'_>) -> Outcome {
    let mut url = [0; URL];
    let request = get(job.nginx.url(job.middle.path, &mut url)?)?;
    let (mut block, mut sink) = (ControlBlock::new(), Sink::new());
    let (mut seat, control) = block.split();
    let start = Instant::now();
    let task = session.download_task(&request).control(&mut seat).to(&mut sink);
    let governor = async {
        commands::until_enough(control).await?;
        expect("suspend", control.suspend())
    };
    let (done, governed) = join(task, governor).await;
    governed?;
    let failed = download_failure(done)?;
    same("error", failed.error, Error::TimedOut(Timer::Resource))?;
    same("bytes", failed.received, u64::from(sink.length))?;
    holds("some came", failed.received >= commands::ENOUGH)?;
    took(start, RESOURCE_TIMEOUT)
}
