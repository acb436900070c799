//! Commanding and watching a task from beside the future that drives it.

use core::cell::{Cell, RefCell, RefMut};
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_sync::waitqueue::WakerRegistration;
use sortie_core::limits::{PRIORITY_DEFAULT, PRIORITY_MOST};
use sortie_core::{
    Answer, ByteCounts, Error, Event, Io, Misuse, Output, Progress, Question, Rewrite, Task,
    TaskState, Token,
};

use crate::time::{now, timer};

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
pub struct ControlBlock {
    /// The task that is governed, or was last; none before the first.
    task: RefCell<Option<Task>>,
    /// Commands given before the first task began.
    before: Cell<Before>,
    /// Of the task that is governed, in thousandths.
    priority: Cell<u16>,
    /// Rung at every command.
    bell: RefCell<WakerRegistration>,
    /// Rung at every question.
    asked: RefCell<WakerRegistration>,
    #[cfg(feature = "internals")]
    watcher: Cell<Option<fn(Output)>>,
    #[cfg(feature = "internals")]
    follower: Cell<Option<fn(&str)>>,
}

/// Commands for a task that has not begun.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    suspends: u16,
    cancel: bool,
    is_prioritized: bool,
}

/// The side of a [`ControlBlock`] that is lent to a task: to one at a time.
#[derive(Debug)]
pub struct Seat<'c> {
    pub(crate) block: &'c ControlBlock,
}

/// Commands and watches a data task. A handle to be copied to whoever needs it.
///
/// It governs the task that its [`Seat`] was lent to: from when the future of that task is first
/// polled until it has completed. Commands given before the first task begins are kept for it;
/// those given after a task has completed do nothing, until the next one begins.
///
/// Commands take effect at once, also in what [`state`](Self::state) says. The handle belongs to
/// the executor of its task, as the network stack does: it is not [`Send`].
#[derive(Clone, Copy)]
pub struct TaskControl<'c> {
    block: &'c ControlBlock,
}

impl ControlBlock {
    /// A block that governs nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            task: RefCell::new(None),
            before: Cell::new(Before { suspends: 0, cancel: false, is_prioritized: false }),
            priority: Cell::new(PRIORITY_DEFAULT),
            bell: RefCell::new(WakerRegistration::new()),
            asked: RefCell::new(WakerRegistration::new()),
            #[cfg(feature = "internals")]
            watcher: Cell::new(None),
            #[cfg(feature = "internals")]
            follower: Cell::new(None),
        }
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
        self.watcher.set(Some(watcher));
    }

    /// Calls `follower` with the URL of every redirect that is followed.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn watch_redirects(&self, follower: fn(&str)) {
        self.follower.set(Some(follower));
    }

    /// Something happened; the URL that a redirect goes to is `next`.
    #[cfg(feature = "internals")]
    pub(crate) fn note(&self, event: Event, next: Option<&str>) {
        let follower = self.follower.get().filter(|_| matches!(event, Event::Redirected { .. }));
        if let (Some(follower), Some(next)) = (follower, next) {
            follower(next);
        }
    }

    /// Puts `task` under control and runs it, unless it was told otherwise before.
    pub(crate) fn begin(&self, task: Task, priority: u16) -> Governed<'_> {
        if let Ok(mut place) = self.task.try_borrow_mut() {
            let task = place.insert(task);
            let before = self.before.take();
            if !before.is_prioritized {
                self.priority.set(priority);
            }
            task.resume(now());
            for _ in 0..before.suspends {
                report(task.suspend());
            }
            if before.cancel {
                task.cancel();
            }
        }
        Governed { control: self }
    }

    /// Calls `f` with the task, if there is one. It never calls back.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Task) -> R) -> Option<R> {
        self.borrow().map(|mut task| f(&mut task))
    }

    #[inline(never)] // It is asked for in many places.
    fn borrow(&self) -> Option<RefMut<'_, Task>> {
        RefMut::filter_map(self.task.try_borrow_mut().ok()?, Option::as_mut).ok()
    }

    /// The priority of the task, in thousandths.
    pub(crate) fn priority(&self) -> u16 {
        self.priority.get()
    }

    /// Reports something to the task.
    pub(crate) fn tell(&self, f: impl FnOnce(&mut Task) -> Result<(), Misuse>) {
        report(self.with(f).unwrap_or(Ok(())));
    }

    /// What the task says next.
    pub(crate) fn poll_output(&self) -> Output {
        let output = self.with(Task::poll_output);
        let output = output.unwrap_or(Output::Complete(Err(Error::Canceled)));
        #[cfg(feature = "internals")]
        if let Some(watcher) = self.watcher.get() {
            watcher(output);
        }
        if let Output::Event(Event::Question(..)) = output {
            ring(&self.asked);
        }
        output
    }

    /// What the connection may be used for.
    pub(crate) fn io(&self, room: usize) -> Io {
        self.with(|task| task.io(room)).unwrap_or(Io::NONE)
    }

    /// Waits until the task says something else than `output`. Keeps its timers meanwhile.
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn obey(&self, output: Output) {
        poll_fn(|cx| self.poll_change(output, cx)).await;
    }

    fn poll_change(&self, output: Output, cx: &mut Context<'_>) -> Poll<()> {
        let (changed, deadline) = self
            .with(|task| {
                let now = now();
                if task.deadline().is_some_and(|deadline| deadline <= now) {
                    task.handle_timeout(now);
                    // The halves of an exchange were polled before, and may have more to do now.
                    cx.waker().wake_by_ref();
                }
                (!task.still(output), task.deadline())
            })
            .unwrap_or((true, None));
        if changed {
            return Poll::Ready(());
        }
        if let Ok(mut bell) = self.bell.try_borrow_mut() {
            bell.register(cx.waker());
        }
        if let Some(timer) = deadline.and_then(timer) {
            // Its first poll asks to be woken at that time; a later one is not needed.
            let _ = pin!(timer).poll(cx);
        }
        Poll::Pending
    }

    fn command(&self, act: impl FnOnce(&mut Task), before: impl FnOnce(&mut Before)) {
        if self.with(act).is_none() {
            let mut kept = self.before.get();
            before(&mut kept);
            self.before.set(kept);
        }
        ring(&self.bell);
    }
}

#[inline(never)]
fn ring(bell: &RefCell<WakerRegistration>) {
    if let Ok(mut bell) = bell.try_borrow_mut() {
        bell.wake();
    }
}

impl Default for ControlBlock {
    fn default() -> Self {
        Self::new()
    }
}

/// A task that is being driven: dropped before its end, it is cancelled.
pub(crate) struct Governed<'c> {
    control: &'c ControlBlock,
}

impl Drop for Governed<'_> {
    fn drop(&mut self) {
        self.control.with(|task| {
            task.cancel();
            // Said to nobody, so that the state is what it must be: the release of a connection,
            // and the end.
            for _ in 0..2 {
                if task.state() != TaskState::Completed {
                    let _ = task.poll_output();
                }
            }
        });
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

    /// Ends the task with [`Error::Canceled`], whether it runs or is suspended. What was received
    /// until then stays in the caller's buffer.
    pub fn cancel(&self) {
        self.block.command(Task::cancel, |before| before.cancel = true);
    }

    /// Sets the [priority](crate::DataTask::priority) of the task, in thousandths. If it waits for
    /// a connection it is moved in the queue as soon as its future is polled, which this asks for;
    /// once it has one it stays as it is there.
    pub fn set_priority(&self, thousandths: u16) {
        self.block.priority.set(thousandths.min(PRIORITY_MOST));
        self.block.command(|_| {}, |before| before.is_prioritized = true);
    }

    /// The priority of the task, in thousandths; before the first task begins, what was set for it.
    #[must_use]
    pub fn priority(&self) -> u16 {
        self.block.priority()
    }

    /// The question that waits for its answer. A task has one only if it was made to
    /// [ask](crate::DataTask::asks).
    #[must_use]
    pub fn pending_question(&self) -> Option<(Question, Token)> {
        self.block.with(|task| task.pending_question()).flatten()
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
            if let Ok(mut asked) = self.block.asked.try_borrow_mut() {
                asked.register(cx.waker());
            }
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
        self.block.with(|task| task.rewrite()).unwrap_or(none)
    }

    /// Redirects that were followed so far.
    #[must_use]
    pub fn redirect_count(&self) -> u8 {
        self.block.with(|task| task.redirect_count()).unwrap_or(0)
    }

    /// The state; `Suspended` before the first task begins.
    #[must_use]
    pub fn state(&self) -> TaskState {
        let state = self.block.with(|task| task.state());
        state.unwrap_or(TaskState::Suspended)
    }

    /// The bytes of the current transfer, or of the last one.
    #[must_use]
    pub fn counts(&self) -> ByteCounts {
        self.block.with(|task| *task.counts()).unwrap_or_default()
    }

    /// Progress of sending and receiving together, in bytes.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.block.with(|task| task.progress()).unwrap_or_default()
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

/// A report that is no longer asked for changes nothing, and nothing is to be done about it.
pub(crate) fn report(outcome: Result<(), Misuse>) {
    let _ = outcome;
}
