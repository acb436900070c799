//! Driving tasks that nobody awaits: on one thread that starts at need, or on a spawner of the
//! user's.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread;

use async_executor::Executor;
use atomic_waker::AtomicWaker;

/// A future that drives a task.
pub(crate) type Drive = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a future somewhere.
pub(crate) type Spawner = Arc<dyn Fn(Drive) + Send + Sync>;

/// Where tasks are driven that nobody awaits.
pub(crate) enum Background {
    Thread(Mutex<State>),
    Spawner(Spawner),
}

/// Whether the thread runs.
pub(crate) enum State {
    /// Exits: `Running`, `Stopped`.
    Idle,
    /// Exit: `Stopped`.
    Running(Runner),
    /// The session has ended.
    Stopped,
}

/// The one thread.
pub(crate) struct Runner {
    executor: Arc<Executor<'static>>,
    stop: Arc<Stop>,
}

#[derive(Default)]
struct Stop {
    is_set: AtomicBool,
    waker: AtomicWaker,
}

impl Background {
    pub(crate) const fn thread() -> Self {
        Self::Thread(Mutex::new(State::Idle))
    }

    /// Runs `drive` until it ends. If no thread can be started, the future is dropped with the
    /// session: whoever awaits the task drives it.
    pub(crate) fn spawn(&self, drive: Drive) {
        match self {
            Self::Spawner(spawner) => spawner(drive),
            Self::Thread(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                if matches!(*state, State::Idle) {
                    *state = State::Running(Runner::start());
                }
                match &*state {
                    State::Running(runner) => runner.executor.spawn(drive).detach(),
                    // A task that never began is cancelled: that is no work for long.
                    State::Idle | State::Stopped => {
                        drop(state);
                        let _ = thread::Builder::new().spawn(move || async_io::block_on(drive));
                    }
                }
            }
        }
    }

    /// Ends the thread, when no task is left for it.
    pub(crate) fn stop(&self) {
        if let Self::Thread(state) = self {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let stopped = std::mem::replace(&mut *state, State::Stopped);
            drop(state);
            // Outside of the lock: it may be the last owner of rides.
            drop(stopped);
        }
    }
}

impl Runner {
    fn start() -> Self {
        let executor = Arc::new(Executor::new());
        let stop = Arc::new(Stop::default());
        let (runs, stops) = (executor.clone(), stop.clone());
        let run = move || {
            async_io::block_on(runs.run(poll_fn(|cx| {
                stops.waker.register(cx.waker());
                match stops.is_set.load(Ordering::Acquire) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })));
        };
        let _ = thread::Builder::new().name("sortie".to_owned()).spawn(run);
        Self { executor, stop }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop.is_set.store(true, Ordering::Release);
        self.stop.waker.wake();
    }
}
