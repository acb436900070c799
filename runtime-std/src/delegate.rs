//! Who is told what a task does, and asked what it shall do.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use sortie_core::{Answer, Event, Question, Token};

use crate::content::Content;
use crate::download::{Download, Plan};
use crate::error::Error;
use crate::metrics::{Recorder, TaskMetrics, Transaction};
use crate::request::Request;
use crate::response::Response;
use crate::seat::{Seat, Seated};
use crate::source::{Source, UploadSource};
use crate::system::System;
use crate::task::Task;
use crate::turn::Turn;
use crate::world::World;

/// Who is told what a task does, and asked what it shall do.
///
/// Every method has a default, which does what happens without a delegate. They are called one at a
/// time for a task, by whoever drives it, in the order in which things happen: connections,
/// redirects, the response, content, metrics, the end. A method that takes long holds its task up.
/// Questions come as a *decision*, a value that can be moved elsewhere and answered later; one that
/// is dropped unanswered is answered with its default. While a question is open, the request timer
/// rests and the resource timer runs.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/origin.rs")); }
/// # let url = doc::origin(&["HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"]);
/// use sortie::{Disposition, Response, Session, Task, TaskDelegate};
///
/// struct OnlyText;
///
/// impl TaskDelegate for OnlyText {
///     fn did_receive_response(&self, _: &Task, response: &Response, decision: Disposition) {
///         match response.field("Content-Type") {
///             Some("text/plain") => decision.allow(),
///             _ => decision.cancel(),
///         }
///     }
/// }
///
/// let session = Session::new();
/// let task = session.data_task(&url).delegate(OnlyText).create()?;
/// assert_eq!(task.wait().unwrap_err().code(), -999); // NSURLErrorCancelled
/// # Ok::<(), sortie::Error>(())
/// ```
pub trait TaskDelegate: Send + Sync {
    /// The task has a connection, new or used again: the request is sent over it next. What is in
    /// `transaction` by now is how it came to be. That happens again for each redirect, and where a
    /// request has to be sent once more.
    fn did_connect(&self, task: &Task, transaction: &Transaction) {
        let _ = (task, transaction);
    }

    /// An interim response came, other than 101: its head.
    fn did_receive_informational_response(&self, task: &Task, response: &Response) {
        let _ = (task, response);
    }

    /// The server redirects: shall `request` be sent? By default it is.
    fn will_redirect(
        &self,
        task: &Task,
        response: &Response,
        request: &Request,
        decision: RedirectDecision,
    ) {
        let _ = (task, response, request);
        decision.follow();
    }

    /// The head of the final response came: what becomes of its content? By default it is taken.
    fn did_receive_response(&self, task: &Task, response: &Response, decision: Disposition) {
        let _ = (task, response);
        decision.allow();
    }

    /// The request has to be sent again, and its body came from a reader: is there another one? By
    /// default there is not, and the task fails.
    fn need_new_body(&self, task: &Task, decision: NewBody) {
        let _ = task;
        decision.none();
    }

    /// So many bytes of the body were sent: these, all so far, and all there are if that is known.
    /// The count begins again when the body does.
    fn did_send_body_data(&self, task: &Task, bytes: u64, total: u64, expected: Option<u64>) {
        let _ = (task, bytes, total, expected);
    }

    /// Content of a task without a file came.
    fn did_receive_data(&self, task: &Task, data: &[u8]) {
        let _ = (task, data);
    }

    /// A download goes on where it was cut off: at this offset, of so many bytes.
    fn did_resume_at_offset(&self, task: &Task, offset: u64, expected: Option<u64>) {
        let _ = (task, offset, expected);
    }

    /// Content of a download came: these bytes, all so far, and all there are if that is known.
    fn did_write_data(&self, task: &Task, bytes: u64, total: u64, expected: Option<u64>) {
        let _ = (task, bytes, total, expected);
    }

    /// A download is whole, checked and in its place.
    fn did_finish_downloading(&self, task: &Task, file: &std::path::Path) {
        let _ = (task, file);
    }

    /// What the task took. Once, before the end.
    fn did_finish_collecting_metrics(&self, task: &Task, metrics: &TaskMetrics) {
        let _ = (task, metrics);
    }

    /// The task has ended. Once, and last.
    fn did_complete(&self, task: &Task, result: Result<(), Error>) {
        let _ = (task, result);
    }
}

/// Whoever hears of a task.
pub(crate) trait Listener<W: World>: Send + Sync {
    fn hear(&self, seated: &Arc<Seated<W>>, told: Told);
}

/// What is heard.
pub(crate) enum Told {
    Connected(Box<Transaction>),
    Informational(Response),
    Redirect { response: Response, request: Request, token: Token },
    Disposition { response: Response, token: Token },
    NewBody(Token),
    Sent { bytes: u64, total: u64, expected: Option<u64> },
    Data(Vec<u8>),
    Resumed { offset: u64, expected: Option<u64> },
    Written { bytes: u64, total: u64, expected: Option<u64> },
    Finished(PathBuf),
    Metrics(TaskMetrics),
    Complete(Result<(), Error>),
}

impl Told {
    /// What is to be told of a turn, if anything.
    pub(crate) fn of<W: World>(
        seated: &Arc<Seated<W>>,
        seat: &mut Seat<W>,
        turn: Turn,
    ) -> Option<Self> {
        let counts = *seated.shared.core().counts();
        match turn {
            Turn::Connected => {
                let recorder = seat.driver.recorder.as_deref();
                let last = recorder.and_then(Recorder::last);
                last.map(|last| Self::Connected(Box::new(last.clone())))
            }
            Turn::Event(event) => Self::of_event(seated, seat, event),
            Turn::Sent(bytes) => {
                let (total, expected) = (counts.sent, counts.expected_to_send);
                Some(Self::Sent { bytes, total, expected })
            }
            Turn::Content(count) => Some(match &seat.content {
                Content::Memory(memory) => Self::Data(memory.last(count).to_owned()),
                Content::File(_) => {
                    let (total, expected) = (counts.received, counts.expected_to_receive);
                    Self::Written { bytes: count as u64, total, expected }
                }
            }),
            Turn::Complete(Ok(())) => match &seat.content {
                Content::File(download) => download.destination().map(Self::Finished),
                Content::Memory(_) => None,
            },
            Turn::Prepare | Turn::Finish | Turn::Complete(Err(_)) => None,
        }
    }

    fn of_event<W: World>(
        seated: &Arc<Seated<W>>,
        seat: &mut Seat<W>,
        event: Event,
    ) -> Option<Self> {
        let hop = &mut seat.driver.hop;
        match event {
            Event::InformationalResponse { .. } => hop.interim.take().map(Self::Informational),
            Event::Question(Question::Redirect, token) => {
                let response = hop.response.clone()?;
                let rewrite = seated.shared.core().rewrite();
                let request = hop.next_request(rewrite)?;
                Some(Self::Redirect { response, request, token })
            }
            Event::Question(Question::Disposition, token) => {
                Some(Self::Disposition { response: hop.response.clone()?, token })
            }
            Event::Question(Question::NewBody, token) => Some(Self::NewBody(token)),
            Event::Resumed => {
                let counts = *seated.shared.core().counts();
                let (offset, expected) = (counts.received, counts.expected_to_receive);
                Some(Self::Resumed { offset, expected })
            }
            Event::Response { .. } | Event::Redirected { .. } | Event::BodyRestarted | _ => None,
        }
    }
}

/// A delegate of the user's, on the real world.
pub(crate) struct Delegating(pub(crate) Arc<dyn TaskDelegate>);

impl Listener<System> for Delegating {
    fn hear(&self, seated: &Arc<Seated<System>>, told: Told) {
        let task = &Task { seated: seated.clone() };
        let owed = |token| Owed { seated: seated.clone(), token };
        let delegate = &self.0;
        match told {
            Told::Connected(transaction) => delegate.did_connect(task, &transaction),
            Told::Informational(response) => {
                delegate.did_receive_informational_response(task, &response);
            }
            Told::Redirect { response, request, token } => {
                let decision = RedirectDecision { owed: Some(owed(token)) };
                delegate.will_redirect(task, &response, &request, decision);
            }
            Told::Disposition { response, token } => {
                let decision = Disposition { owed: Some(owed(token)) };
                delegate.did_receive_response(task, &response, decision);
            }
            Told::NewBody(token) => {
                delegate.need_new_body(task, NewBody { owed: Some(owed(token)) });
            }
            Told::Sent { bytes, total, expected } => {
                delegate.did_send_body_data(task, bytes, total, expected);
            }
            Told::Data(data) => delegate.did_receive_data(task, &data),
            Told::Resumed { offset, expected } => {
                delegate.did_resume_at_offset(task, offset, expected);
            }
            Told::Written { bytes, total, expected } => {
                delegate.did_write_data(task, bytes, total, expected);
            }
            Told::Finished(file) => delegate.did_finish_downloading(task, &file),
            Told::Metrics(metrics) => delegate.did_finish_collecting_metrics(task, &metrics),
            Told::Complete(result) => delegate.did_complete(task, result),
        }
    }
}

/// A question that waits for its answer.
struct Owed {
    seated: Arc<Seated<System>>,
    token: Token,
}

impl Owed {
    /// Answers. A task that has ended meanwhile needs no answer any more.
    fn answer(self, answer: Answer<'_>) {
        let shared = &self.seated.shared;
        let _ = shared.core().answer(shared.now(), self.token, answer);
        shared.ring();
    }
}

/// A decision about a redirect. Dropped unanswered, it is followed.
#[must_use = "the task waits for an answer; dropping the decision follows the redirect"]
pub struct RedirectDecision {
    owed: Option<Owed>,
}

impl RedirectDecision {
    /// Sends the request that was shown.
    pub fn follow(mut self) {
        self.answer(Answer::Follow);
    }

    /// Sends this request instead, with all its fields: one made anew, or from the one that was
    /// shown, which still has the task's body where the redirect keeps it.
    pub fn follow_with(mut self, request: Request) {
        let Some(owed) = self.owed.take() else {
            return;
        };
        let seated = owed.seated.clone();
        let mut seat = seated.seat();
        seat.driver.hop.edited = Some(request.clone());
        if !request.is_streamed() {
            seat.driver.source = Source::Request;
        }
        let body_is_replayable = seat.driver.source.is_replayable();
        // Checked when it was made, so that it can be lent.
        let _ = request.lend(|request| {
            owed.answer(Answer::FollowWith { request, body_is_replayable });
        });
    }

    /// Sends nothing: the redirect and its body are the result.
    pub fn refuse(mut self) {
        self.answer(Answer::Refuse);
    }

    fn answer(&mut self, answer: Answer<'_>) {
        if let Some(owed) = self.owed.take() {
            owed.answer(answer);
        }
    }
}

impl Drop for RedirectDecision {
    fn drop(&mut self) {
        self.answer(Answer::Follow);
    }
}

impl fmt::Debug for RedirectDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedirectDecision")
    }
}

/// A decision about the content of a response. Dropped unanswered, it is taken.
#[must_use = "the task waits for an answer; dropping the decision takes the content"]
pub struct Disposition {
    owed: Option<Owed>,
}

impl Disposition {
    /// Takes the content as the task was made to.
    pub fn allow(mut self) {
        self.answer(Answer::Allow);
    }

    /// Takes no content: the task ends with [`Canceled`](sortie_core::Error::Canceled).
    pub fn cancel(mut self) {
        self.answer(Answer::Cancel);
    }

    /// Takes the content into a file, as a download task does.
    ///
    /// # Errors
    /// The file cannot be written; the decision is lost, and the content is taken as before.
    pub fn become_download(mut self, destination: impl Into<PathBuf>) -> Result<(), Error> {
        let Some(owed) = self.owed.take() else {
            return Ok(());
        };
        let seated = owed.seated.clone();
        let url = seated.shared.request.url();
        let plan =
            Plan { destination: Some(destination.into()), starts_over: true, ..Plan::default() };
        let opened = Download::new(plan, url).and_then(|mut download| {
            download.open()?;
            Ok(download)
        });
        match opened {
            Ok(download) => {
                let mut seat = seated.seat();
                seat.content = Content::File(Box::new(download));
                seat.driver.tells.finish = true;
                seat.begin(&seated.shared);
                drop(seat);
                owed.answer(Answer::BecomeDownload);
                Ok(())
            }
            Err(why) => {
                owed.answer(Answer::Allow);
                Err(Error::file(url, why))
            }
        }
    }

    fn answer(&mut self, answer: Answer<'_>) {
        if let Some(owed) = self.owed.take() {
            owed.answer(answer);
        }
    }
}

impl Drop for Disposition {
    fn drop(&mut self) {
        self.answer(Answer::Allow);
    }
}

impl fmt::Debug for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disposition")
    }
}

/// A decision about a body that has to be sent again. Dropped unanswered, there is none.
#[must_use = "the task waits for an answer; dropping the decision fails it"]
pub struct NewBody {
    owed: Option<Owed>,
}

impl NewBody {
    /// The same body again, from its start, of the same length.
    ///
    /// # Errors
    /// A file cannot be read; the decision is lost, and there is no body.
    pub fn provide(mut self, source: UploadSource) -> Result<(), Error> {
        let Some(owed) = self.owed.take() else {
            return Ok(());
        };
        let seated = owed.seated.clone();
        let request = seated.seat().driver.hop.request().clone();
        match Source::open(source, request) {
            Ok((source, _)) => {
                seated.seat().driver.source = source;
                owed.answer(Answer::Body);
                Ok(())
            }
            Err(why) => {
                owed.answer(Answer::NoBody);
                Err(why)
            }
        }
    }

    /// There is none: the task fails.
    pub fn none(mut self) {
        self.answer(Answer::NoBody);
    }

    fn answer(&mut self, answer: Answer<'_>) {
        if let Some(owed) = self.owed.take() {
            owed.answer(answer);
        }
    }
}

impl Drop for NewBody {
    fn drop(&mut self) {
        self.answer(Answer::NoBody);
    }
}

impl fmt::Debug for NewBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewBody")
    }
}
