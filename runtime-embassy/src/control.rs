//! Commanding and watching a task from beside the future that drives it.

use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

#[cfg(feature = "internals")]
use sortie_core::Output;
use sortie_core::limits::PRIORITY_MOST;
use sortie_core::{
    Answer, ByteCounts, Misuse, Progress, Question, Rewrite, Task, TaskState, Token,
};

use crate::reins::{Before, Reins};
use crate::time::now;

/// The memory behind a [`TaskControl`]: a local of the future that runs the task, or a static.
///
/// ```
/// # use sortie_embassy::{ControlBlock, Response, Failure, Session};
/// # use sortie_core::{Progress, Request};
/// # async fn f(session: &Session<'_, 1>, request: &Request<'_>) {
/// let mut block = ControlBlock::new();
/// let (mut seat, control) = block.split();
/// let mut content = [0; 512];
/// let task = session.data_task(request).control(&mut seat).receive(&mut content);
/// let watcher = async {
///     let Progress { completed, .. } = control.progress();
///     if completed == 0 {
///         control.cancel();
///     }
/// };
/// let (result, ()) = embassy_futures::join::join(task, watcher).await;
/// # let _: Result<Response<'_>, Failure> = result;
/// # }
/// ```
pub struct ControlBlock(pub(crate) Reins);

/// The side of a [`ControlBlock`] that is lent to a task: to one at a time.
#[derive(Debug)]
pub struct Seat<'c> {
    pub(crate) block: &'c ControlBlock,
}

/// Commands and watches a task. A handle to be copied to whoever needs it.
///
/// It governs the task that its [`Seat`] was lent to: from when the future of that task is first
/// polled until it has completed. Commands given before the first task begins are kept for it;
/// those given after a task has completed do nothing, until the next one begins.
///
/// Commands take effect at once, also in what [`state`](Self::state) says. The handle belongs to
/// the executor of its task, as the network stack does: it is not [`Send`].
#[derive(Clone, Copy)]
pub struct TaskControl<'c> {
    pub(crate) block: &'c ControlBlock,
}

impl ControlBlock {
    /// A block that governs nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Reins::new())
    }

    /// The two sides: one for the task, one for who governs it.
    pub const fn split(&mut self) -> (Seat<'_>, TaskControl<'_>) {
        let block = &*self;
        (Seat { block }, TaskControl { block })
    }

    /// Calls `watcher` with everything that the task says, each time it says it.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn watch(&self, watcher: fn(Output)) {
        self.0.facts.watcher.set(Some(watcher));
    }

    /// Calls `follower` with the URL of every redirect that is followed.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn watch_redirects(&self, follower: fn(&str)) {
        self.0.facts.follower.set(Some(follower));
    }

    pub(crate) fn look<R>(&self, f: impl FnOnce(&Task) -> R) -> Option<R> {
        self.0.look(f)
    }

    pub(crate) fn command(&self, act: impl FnOnce(&mut Task), before: impl FnOnce(&mut Before)) {
        if self.0.with(act).is_none() {
            let kept = &self.0.facts.before;
            let mut now = kept.get();
            before(&mut now);
            kept.set(now);
        }
        self.0.ring();
    }
}

impl AsRef<Reins> for ControlBlock {
    fn as_ref(&self) -> &Reins {
        &self.0
    }
}

impl Default for ControlBlock {
    fn default() -> Self {
        Self::new()
    }
}

impl TaskControl<'_> {
    /// Takes one suspend back; with the last one the task runs again. A task is resumed without
    /// being asked when its future is first polled.
    pub fn resume(&self) {
        let now = now();
        self.block.command(
            |task| task.resume(now),
            |before| before.suspends = before.suspends.saturating_sub(1),
        );
    }

    /// Holds the task: no read begins and no write; what arrives waits in the socket's buffer.
    /// Calls nest. A connection attempt is given up, and made again after `resume`.
    ///
    /// # Errors
    /// [`Misuse::TooManySuspends`] beyond [`sortie_core::limits::SUSPENDS`] nested calls.
    pub fn suspend(&self) -> Result<(), Misuse> {
        let mut result = Ok(());
        self.block.command(
            |task| result = task.suspend(),
            |before| before.suspends = before.suspends.saturating_add(1),
        );
        result
    }

    /// Ends the task with [`Error::Canceled`](sortie_core::Error::Canceled), whether it runs or is
    /// suspended. What was received until then stays where it is.
    pub fn cancel(&self) {
        self.block.command(Task::cancel, |before| before.cancel = true);
    }

    /// Sets the [priority](crate::DataTask::priority) of the task, in thousandths. If it waits for
    /// a connection it is moved in the queue as soon as its future is polled, which this asks for;
    /// once it has one it stays as it is there.
    pub fn set_priority(&self, thousandths: u16) {
        self.block.0.priority.set(thousandths.min(PRIORITY_MOST));
        self.block.command(|_| {}, |before| before.is_prioritized = true);
    }

    /// The priority of the task, in thousandths; before the first task begins, what was set for it.
    #[must_use]
    pub fn priority(&self) -> u16 {
        self.block.0.priority()
    }

    /// The question that waits for its answer. A task has one only if it was made to
    /// [ask](crate::DataTask::asks).
    #[must_use]
    pub fn pending_question(&self) -> Option<(Question, Token)> {
        self.block.look(Task::pending_question).flatten()
    }

    /// Waits until a question waits for its answer: for ever where the task asks none. If several
    /// wait they wake each other: slower, and nothing worse.
    ///
    /// Dropping the future loses nothing: the question stays until it is answered.
    pub async fn question(&self) -> (Question, Token) {
        poll_fn(|cx| {
            if let Some(question) = self.pending_question() {
                return Poll::Ready(question);
            }
            self.block.0.facts.asking.register(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// Answers a question, at any time after it was asked.
    ///
    /// [`Answer::FollowWith`] is refused: the request would have to be lent until the task is done,
    /// and a handle that is copied around cannot see to that. Refuse the redirect instead, and send
    /// another request. With [`Answer::BecomeDownload`] content goes where it would have gone.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] if `token` names another question than the one that waits, or the
    /// answer is none to it, or one that is refused here. The question waits on.
    pub fn answer(&self, token: Token, answer: Answer<'_>) -> Result<(), Misuse> {
        let mut result = Err(Misuse::NotAskedFor);
        if !matches!(answer, Answer::FollowWith { .. }) {
            let now = now();
            self.block.command(|task| result = task.answer(now, token, answer), |_| {});
        }
        result
    }

    /// What the redirects so far make of the request, with the one that is asked about: whether it
    /// is a GET by then, and whether it leaves the origin.
    #[must_use]
    pub fn rewrite(&self) -> Rewrite {
        let none = Rewrite { becomes_get: false, leaves_origin: false };
        self.block.look(Task::rewrite).unwrap_or(none)
    }

    /// Redirects that were followed so far.
    #[must_use]
    pub fn redirect_count(&self) -> u8 {
        self.block.look(Task::redirect_count).unwrap_or(0)
    }

    /// The state; `Suspended` before the first task begins.
    #[must_use]
    pub fn state(&self) -> TaskState {
        let state = self.block.look(Task::state);
        state.unwrap_or(TaskState::Suspended)
    }

    /// The bytes of the current transfer, or of the last one.
    #[must_use]
    pub fn counts(&self) -> ByteCounts {
        self.block.0.counts()
    }

    /// Progress of sending and receiving together, in bytes.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.block.look(Task::progress).unwrap_or_default()
    }
}

impl fmt::Debug for ControlBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TaskControl { block: self }.fmt(f)
    }
}

impl fmt::Debug for TaskControl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskControl")
            .field("state", &self.state())
            .field("progress", &self.progress())
            .finish()
    }
}
