//! What a task that is driven hangs on: the machine of the core, and who may command and watch it.

use core::cell::{Cell, RefCell, RefMut};
use core::fmt;
use core::future::{Future, poll_fn};
use core::task::{Context, Poll, Waker};

use embassy_futures::select::{Either, select};
use sortie_core::limits::PRIORITY_DEFAULT;
use sortie_core::{
    ByteCounts, Error, Event, Instant, Io, Misuse, Output, Request, Task, TaskState,
};

use crate::driver::Parcel;
use crate::facts::Facts;
use crate::log::trace;
use crate::time::{now, wake_at};

/// A task, and what is known of it by who commands and watches it: nobody, or who has its
/// [`TaskControl`](crate::TaskControl). One kind for both, so that what is done with it is compiled
/// once and called without detours.
pub(crate) struct Reins {
    /// The task that is governed, or was last; none before the first.
    task: RefCell<Option<Task>>,
    /// Of the task that is governed, in thousandths.
    pub(crate) priority: Cell<u16>,
    /// What the client expects to send and to receive, in bytes; 0 if nothing was said.
    pub(crate) expects: Cell<[u32; 2]>,
    /// Rung at every command.
    bell: Bell,
    pub(crate) facts: Facts,
}

/// What a task is waited for to do, where somebody takes content.
#[derive(Clone, Copy)]
enum Until {
    /// Fail.
    Failure,
    /// It has failed: be cancelled, or run out of time.
    Late,
}

/// Commands for a task that has not begun.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before {
    pub(crate) suspends: u16,
    pub(crate) cancel: bool,
    pub(crate) is_prioritized: bool,
    pub(crate) is_hinted: bool,
}

impl Before {
    pub(crate) const NOTHING: Self =
        Self { suspends: 0, cancel: false, is_prioritized: false, is_hinted: false };
}

/// The reins of a task that nobody watches.
#[allow(unnameable_types, reason = "sealed: it stands behind `Alone`")]
pub struct Own(Reins);

impl Own {
    pub(crate) const fn new() -> Self {
        Self(Reins::new())
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own")
    }
}

impl AsRef<Reins> for Own {
    fn as_ref(&self) -> &Reins {
        &self.0
    }
}

impl AsRef<Self> for Reins {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Reins {
    /// Of no task yet.
    pub(crate) const fn new() -> Self {
        Self {
            task: RefCell::new(None),
            priority: Cell::new(PRIORITY_DEFAULT),
            expects: Cell::new([0; 2]),
            bell: Bell::new(),
            facts: Facts::new(),
        }
    }

    /// Puts a task under control and runs it, unless it was told otherwise before.
    pub(crate) fn begin(&self, request: &Request<'_>, outgoing: &Parcel<'_>, identifier: u32) {
        if let Ok(mut place) = self.task.try_borrow_mut() {
            let task = place.insert(Task::new(request, outgoing.options));
            let before = self.facts.begin(identifier);
            trace!("task {} begins", identifier);
            if !before.is_prioritized {
                self.priority.set(outgoing.priority);
            }
            if !before.is_hinted {
                self.expects.set(outgoing.expects);
            }
            task.resume(now());
            for _ in 0..before.suspends {
                report(task.suspend());
            }
            if before.cancel {
                task.cancel();
            }
        }
        self.changed();
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
        if let Some(mut task) = self.borrow() {
            report(f(&mut task));
            self.told(task);
        }
    }

    #[inline(never)] // It is asked for in many places.
    fn told(&self, task: RefMut<'_, Task>) {
        drop(task);
        self.changed();
    }

    /// Something may be otherwise than it was.
    #[inline(never)] // It is said in many places.
    pub(crate) fn changed(&self) {
        self.facts.changed();
    }

    /// Looks at the task, if there is one.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Task) -> R) -> Option<R> {
        self.with(|task| f(task))
    }

    /// What is expected to be sent and received together.
    pub(crate) fn expected(&self) -> Option<u64> {
        let [send, receive] = self.expects.get();
        Some(u64::from(send) + u64::from(receive)).filter(|bytes| *bytes > 0)
    }

    /// The bytes of the current transfer, or of the last one.
    pub(crate) fn counts(&self) -> ByteCounts {
        self.look(|task| *task.counts()).unwrap_or_default()
    }

    /// What the task says next.
    pub(crate) fn poll_output(&self) -> Output {
        let output = self.with(Task::poll_output);
        let output = output.unwrap_or(Output::Complete(Err(Error::Canceled)));
        #[cfg(feature = "internals")]
        self.facts.said(output);
        if let Output::Event(Event::Question(..)) = output {
            self.facts.asked();
        }
        if let Output::Complete(result) = output {
            trace!("task ends, code {}", result.map_or_else(Error::code, |()| 0));
            self.facts.ended(result);
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
    pub(crate) fn obey(&self, output: Output) -> impl Future<Output = ()> {
        poll_fn(move |cx| self.poll_other(output, cx))
    }

    /// Waits for somebody who takes content, and may take his time: the request timer rests. `None`
    /// where the task fails first. Where it has failed before, what came before that is taken:
    /// until it is cancelled, or out of time altogether.
    ///
    /// Dropping the future drops `taken`.
    pub(crate) async fn unless_it_fails<F: Future>(&self, taken: F) -> Option<F::Output> {
        let has_failed = self.look(|task| task.failure()).flatten().is_some();
        let until = if has_failed { Until::Late } else { Until::Failure };
        match select(taken, poll_fn(|cx| self.poll_failed(until, cx))).await {
            Either::First(result) => Some(result),
            Either::Second(()) => None,
        }
    }

    /// As [`obey`](Self::obey).
    #[inline(never)] // It is asked for in more than one place.
    pub(crate) fn poll_other(&self, output: Output, cx: &mut Context<'_>) -> Poll<()> {
        let looked = self.with(|task| {
            Self::tick(task, false, now(), cx);
            (!task.still(output), task.deadline())
        });
        self.wait(looked, cx)
    }

    /// Brings the timers of the task up to date. The request timer `rests` while somebody takes
    /// content.
    fn tick(task: &mut Task, rests: bool, now: Instant, cx: &Context<'_>) {
        if task.deadline().is_some_and(|deadline| deadline <= now) {
            if rests {
                // Nobody is late who is waited for: the request timer starts again.
                report(task.handle_delivered(now, 0));
            }
            task.handle_timeout(now);
            // The halves of an exchange were polled before, and may have more to do now.
            cx.waker().wake_by_ref();
        }
    }

    /// As [`unless_it_fails`](Self::unless_it_fails): whether it has failed, or is `late`.
    fn poll_failed(&self, until: Until, cx: &mut Context<'_>) -> Poll<()> {
        let looked = self.with(|task| {
            let now = now();
            Self::tick(task, matches!(until, Until::Failure), now, cx);
            match until {
                Until::Failure => (task.failure().is_some(), task.deadline()),
                Until::Late => {
                    let end = task.resource_deadline();
                    let is_late = end.is_some_and(|end| end <= now);
                    (is_late || task.state() == TaskState::Canceling, end)
                }
            }
        });
        self.wait(looked, cx)
    }

    /// Ready where something is so. Else woken at a command, or at the deadline.
    fn wait(&self, looked: Option<(bool, Option<Instant>)>, cx: &mut Context<'_>) -> Poll<()> {
        let Some((false, deadline)) = looked else { return Poll::Ready(()) };
        self.bell.register(cx.waker());
        if let Some(deadline) = deadline {
            wake_at(deadline, cx);
        }
        Poll::Pending
    }

    /// Something was commanded: whoever waits looks again.
    pub(crate) fn ring(&self) {
        self.bell.ring();
        self.changed();
    }
}

/// Wakes who waits by it. If several do they wake each other: slower, and nothing worse.
pub(crate) struct Bell(Cell<Option<Waker>>);

impl Bell {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Whoever waits looks again.
    #[inline(never)] // It is rung in many places.
    pub(crate) fn ring(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }

    /// Waits for the next ring.
    pub(crate) fn register(&self, waker: &Waker) {
        match self.0.replace(Some(waker.clone())) {
            Some(other) if !other.will_wake(waker) => other.wake(),
            Some(_) | None => {}
        }
    }
}

/// A task that is being driven: dropped before its end, it is cancelled.
pub(crate) struct Governed<B: AsRef<Reins>>(B);

impl<B: AsRef<Reins>> Governed<B> {
    pub(crate) const fn new(block: B) -> Self {
        Self(block)
    }

    pub(crate) fn control(&self) -> &Reins {
        self.0.as_ref()
    }
}

impl<B: AsRef<Reins>> Drop for Governed<B> {
    fn drop(&mut self) {
        self.control().with(|task| {
            task.cancel();
            // Said to nobody, so that the state is what it must be: the release of a connection,
            // and the end.
            for _ in 0..2 {
                if task.state() != TaskState::Completed {
                    let _ = task.poll_output();
                }
            }
        });
        // Where it had completed before, that is told already.
        self.control().facts.ended(Err(Error::Canceled));
    }
}

/// A report that is no longer asked for changes nothing, and nothing is to be done about it.
pub(crate) fn report(outcome: Result<(), Misuse>) {
    let _ = outcome;
}
