//! The tasks of a session that have begun and not ended, and whether it takes new ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use crate::seat::Seated;
use crate::world::World;

/// The live tasks of a session.
pub(crate) struct Live<W: World> {
    inner: Mutex<Inner<W>>,
}

struct Inner<W: World> {
    /// Slots are used again, so that a task costs no allocation.
    tasks: Vec<Option<Weak<Seated<W>>>>,
    free: Vec<usize>,
    is_open: bool,
    waiting: Vec<Waker>,
}

impl<W: World> Inner<W> {
    fn enter(&mut self, task: &Arc<Seated<W>>) -> usize {
        let task = Some(Arc::downgrade(task));
        match self.free.pop() {
            Some(place) => {
                self.tasks[place] = task;
                place
            }
            None => {
                self.tasks.push(task);
                self.tasks.len() - 1
            }
        }
    }
}

impl<W: World> Live<W> {
    pub(crate) const fn new() -> Self {
        let inner =
            Inner { tasks: Vec::new(), free: Vec::new(), is_open: true, waiting: Vec::new() };
        Self { inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<W>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task begins. Returns its place, to be given back when it ends; `None` if the session is
    /// closed.
    pub(crate) fn enter(&self, task: &Arc<Seated<W>>) -> Option<usize> {
        let mut inner = self.lock();
        inner.is_open.then(|| inner.enter(task))
    }

    /// A task ends that never began, which it may do in a closed session, too.
    pub(crate) fn enter_ending(&self, task: &Arc<Seated<W>>) -> usize {
        self.lock().enter(task)
    }

    /// A task has ended. Returns whether it was the last one of a closed session.
    pub(crate) fn leave(&self, place: usize) -> bool {
        let mut inner = self.lock();
        inner.tasks[place] = None;
        inner.free.push(place);
        let is_last = !inner.is_open && inner.free.len() == inner.tasks.len();
        if is_last {
            std::mem::take(&mut inner.waiting).into_iter().for_each(Waker::wake);
        }
        is_last
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_open
    }

    /// Takes no new task. Returns whether none is left.
    pub(crate) fn close(&self) -> bool {
        let mut inner = self.lock();
        inner.is_open = false;
        let is_ended = inner.free.len() == inner.tasks.len();
        if is_ended {
            std::mem::take(&mut inner.waiting).into_iter().for_each(Waker::wake);
        }
        is_ended
    }

    /// Whether the session is closed and its last task has ended; if not, `waker` is woken then.
    pub(crate) fn poll_ended(&self, waker: &Waker) -> bool {
        let mut inner = self.lock();
        let is_ended = !inner.is_open && inner.free.len() == inner.tasks.len();
        if !is_ended && !inner.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            inner.waiting.push(waker.clone());
        }
        is_ended
    }

    /// The tasks that have begun and not ended.
    pub(crate) fn all(&self) -> Vec<Arc<Seated<W>>> {
        self.lock().tasks.iter().flatten().filter_map(Weak::upgrade).collect()
    }
}
