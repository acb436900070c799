//! Tasks that are commanded while they run, and two that run at once.

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Timer};
use sortie_embassy::{ControlBlock, Error, Session, TaskControl, TaskState};

use crate::tools::{
    Job, Outcome, Sink, Site, Steps, URL, download_failure, expect, failure, get, holds, is_whole,
    same,
};

/// How long a task is suspended: time for whatever is on its way to arrive.
const PAUSE: Duration = Duration::from_millis(300);

/// Bytes of content after which a task is commanded: more than all buffers together hold, and less
/// than the file has.
pub(crate) const ENOUGH: u64 = 50_000;

pub(crate) async fn all<const N: usize>(
    steps: &mut Steps,
    session: &Session<'_, N>,
    job: &Job<'_>,
) {
    let Job { nginx, origin, .. } = job;
    steps.step("two tasks at once", at_once(session, *origin)).await;
    steps.step("two downloads at once", downloads(session, job)).await;
    steps.step("suspend and resume", suspended(session, job, PAUSE)).await;
    steps.step("cancel, and go on", canceled(session, job)).await;
    steps.step("cancel before it begins", canceled_before(session, *nginx)).await;
    steps.step("drop", dropped(session, job)).await;
}

/// The origin answers neither before it has both requests.
async fn at_once<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let both = join(site.says(session, "/meet", b"met"), site.says(session, "/meet", b"met"));
    let (one, other) = both.await;
    one.and(other)
}

/// From two servers.
async fn downloads<const N: usize>(session: &Session<'_, N>, job: &Job<'_>) -> Outcome {
    let Job { nginx, python, middle, .. } = job;
    let one = nginx.has(session, *middle, middle.path);
    let other = python.has(session, *middle, middle.path);
    let (one, other) = join(one, other).await;
    one.and(other)
}

/// Waits until enough has come that the task is in the middle of its content.
pub(crate) async fn until_enough(control: TaskControl<'_>) -> Outcome {
    let mut changes = control.changes();
    while let Some(now) = changes.next().await {
        if now.counts.received >= ENOUGH {
            return holds("it goes on", now.outcome.is_none());
        }
    }
    holds("enough has come", false)
}

/// Nothing is taken while it is suspended, and nothing is missing then.
pub(crate) async fn suspended<const N: usize>(
    session: &Session<'_, N>,
    job: &Job<'_>,
    pause: Duration,
) -> Outcome {
    let mut url = [0; URL];
    let request = get(job.nginx.url(job.middle.path, &mut url)?)?;
    let (mut block, mut sink) = (ControlBlock::new(), Sink::new());
    let (mut seat, control) = block.split();
    let task = session.download_task(&request).control(&mut seat).to(&mut sink);
    let governor = async {
        until_enough(control).await?;
        expect("suspend", control.suspend())?;
        same("state", control.state(), TaskState::Suspended)?;
        let before = control.counts();
        Timer::after(pause).await;
        same("counts", control.counts(), before)?;
        same("state", control.state(), TaskState::Suspended)?;
        control.resume();
        same("state", control.state(), TaskState::Running)
    };
    let (done, governed) = join(task, governor).await;
    governed?;
    is_whole(&expect("the download", done)?, &sink, job.middle)?;
    same("state", control.state(), TaskState::Completed)
}

/// What came is kept, and the server sends the rest.
async fn canceled<const N: usize>(session: &Session<'_, N>, job: &Job<'_>) -> Outcome {
    let mut url = [0; URL];
    let request = get(job.nginx.url(job.middle.path, &mut url)?)?;
    let (mut block, mut sink, mut record) = (ControlBlock::new(), Sink::new(), [0; 256]);
    let (mut seat, control) = block.split();
    let task = session.download_task(&request).resume_data(&mut record).control(&mut seat);
    let governor = async {
        until_enough(control).await?;
        control.cancel();
        Ok(())
    };
    let (done, governed) = join(task.to(&mut sink), governor).await;
    governed?;
    let failed = failure(done)?;
    same("error", failed.failure.error, Error::Canceled)?;
    same("state", control.state(), TaskState::Completed)?;
    same("bytes that were stored", failed.failure.received, u64::from(sink.length))?;
    holds("some came", failed.failure.received >= ENOUGH)?;
    holds("not all came", sink.length < job.middle.length)?;

    let data = failed.resume_data;
    holds("there is resume data", data.is_some())?;
    let Some(data) = data else { return Ok(()) };
    let rest = session.download_task(&request).resume_from(&data).to(&mut sink).await;
    let rest = expect("the rest", rest)?;
    same("offset", rest.offset(), failed.failure.received)?;
    is_whole(&rest, &sink, job.middle)
}

/// The command is kept for the task, and nothing is sent.
async fn canceled_before<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let mut url = [0; URL];
    let request = get(site.url("/never", &mut url)?)?;
    let (mut block, mut sink) = (ControlBlock::new(), Sink::new());
    let (mut seat, control) = block.split();
    control.cancel();
    let task = session.download_task(&request).control(&mut seat).to(&mut sink);
    same("error", download_failure(task.await)?.error, Error::Canceled)
}

/// What a program does that has a deadline of its own. The session is as before.
async fn dropped<const N: usize>(session: &Session<'_, N>, job: &Job<'_>) -> Outcome {
    let mut url = [0; URL];
    let request = get(job.nginx.url(job.middle.path, &mut url)?)?;
    for _ in 0..2 * N {
        let (mut block, mut sink) = (ControlBlock::new(), Sink::new());
        let (mut seat, control) = block.split();
        let task = session.download_task(&request).control(&mut seat).to(&mut sink);
        match select(task, until_enough(control)).await {
            Either::First(done) => expect("a task that was to be dropped", done.map(|_| ()))?,
            Either::Second(outcome) => outcome?,
        }
        same("state", control.state(), TaskState::Completed)?;
        holds("not all came", sink.length < job.middle.length)?;
    }
    job.nginx.has(session, job.small, job.small.path).await
}
