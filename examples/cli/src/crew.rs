//! Runs several tasks, some at once, with a bar for each; signals end them in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use sortie::{ErrorKind, Response, Task, TaskKind};

use crate::args::Common;
use crate::bars::{Bars, FRAME};
use crate::job::{self, Connecting};
use crate::report::Failure;
use crate::signals::Signals;
use crate::watch::Watch;

/// A task with what belongs to it here.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) task: Task,
    pub(crate) watch: Arc<Watch>,
    pub(crate) started: Instant,
    number: usize,
    bar: Option<ProgressBar>,
    connecting: Option<Connecting>,
}

/// How a member ended.
pub(crate) type Outcome = Result<(Response, Vec<u8>), Failure>;

/// The tasks that wait and those that run.
pub(crate) struct Crew<'a> {
    common: &'a Common,
    /// Whether `-v` has to say which task it speaks of.
    has_tags: bool,
    waiting: VecDeque<Member>,
    running: Vec<Member>,
    ended: Receiver<usize>,
    ends: Sender<usize>,
    bars: Option<Bars>,
    signals: Option<Signals>,
    stopped: Option<u8>,
    count: usize,
}

impl<'a> Crew<'a> {
    /// For at most so many tasks.
    pub(crate) fn new(common: &'a Common, most: usize) -> Self {
        let (ends, ended) = channel();
        let has_bars = !common.silent && !common.verbose && !common.json;
        Self {
            common,
            has_tags: most > 1,
            waiting: VecDeque::new(),
            running: Vec::new(),
            ended,
            ends,
            bars: has_bars.then(Bars::new).flatten(),
            // Where signals cannot be heard, they end the command as they always do.
            signals: Signals::listen().ok(),
            stopped: None,
            count: 0,
        }
    }

    /// Who watches the next task that is added.
    pub(crate) fn watch(&mut self) -> Arc<Watch> {
        self.count += 1;
        let tag = if self.has_tags { format!("[{}] ", self.count) } else { String::new() };
        Arc::new(Watch::new(self.common.verbose, tag, Some((self.ends.clone(), self.count))))
    }

    /// One more task, with the watch that was just made for it.
    pub(crate) fn add(&mut self, name: String, task: Task, watch: Arc<Watch>) {
        let (started, number, bar, connecting) = (Instant::now(), self.count, None, None);
        self.waiting.push_back(Member { name, task, watch, started, number, bar, connecting });
    }

    /// A line for the user, above the bars.
    pub(crate) fn say(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.line(text),
            None => eprintln!("{text}"),
        }
    }

    /// Whether a signal came.
    pub(crate) const fn stopped(&self) -> Option<u8> {
        self.stopped
    }

    /// Runs them all, so many at once. Each one that ends is given to `end`.
    pub(crate) fn run(&mut self, parallel: usize, mut end: impl FnMut(&Self, &Member, Outcome)) {
        loop {
            self.start(parallel);
            if self.running.is_empty() {
                return;
            }
            if let Some(member) = self.next_end() {
                let outcome = self.outcome(&member);
                if let Some(bar) = &member.bar {
                    bar.finish_and_clear();
                }
                end(self, &member, outcome);
            }
            self.look();
        }
    }

    fn start(&mut self, parallel: usize) {
        if self.stopped.is_some() {
            self.waiting.clear();
        }
        while self.running.len() < parallel
            && let Some(mut member) = self.waiting.pop_front()
        {
            member.bar = self.bars.as_ref().map(|bars| bars.add(&member.name));
            member.connecting = self.common.connect_timeout.map(Connecting::new);
            member.started = Instant::now();
            member.watch.starts(&member.task);
            member.task.resume();
            self.running.push(member);
        }
    }

    /// The next one that has ended; `None` if it is time to look at the others.
    fn next_end(&mut self) -> Option<Member> {
        let wait = self.bars.as_ref().map_or(FRAME, Bars::wait).max(Duration::from_millis(1));
        let wait = if self.common.connect_timeout.is_some() { wait.min(job::LOOK) } else { wait };
        let number = match self.ended.recv_timeout(wait) {
            Ok(number) => number,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        };
        let at = self.running.iter().position(|member| member.number == number)?;
        Some(self.running.remove(at))
    }

    fn outcome(&self, member: &Member) -> Outcome {
        let is_late = member.connecting.as_ref().is_some_and(Connecting::is_over);
        let url = || member.task.original_request().url().to_owned();
        member.task.clone().wait().map_err(|error| {
            use sortie::core::Error::Canceled;
            match (error.kind(), self.stopped, self.common.connect_timeout) {
                (ErrorKind::Task(Canceled), _, Some(limit)) if is_late => {
                    Failure::Connect { limit, url: url() }
                }
                (ErrorKind::Task(Canceled), Some(status), _) => {
                    Failure::Stopped { status, error: Some(error), url: url() }
                }
                _ => Failure::Task(error),
            }
        })
    }

    /// Draws, and hears signals.
    fn look(&mut self) {
        for member in &mut self.running {
            if let Some(connecting) = &mut member.connecting {
                connecting.look(&member.task);
            }
        }
        if let Some(bars) = &mut self.bars
            && bars.wait().is_zero()
        {
            for member in &self.running {
                if let Some(bar) = &member.bar {
                    let (done, total) = progress(&member.task);
                    bars.set(bar, done, total);
                }
            }
            bars.show();
        }
        let heard = self.signals.as_ref().and_then(Signals::status);
        if self.stopped.is_none() && heard.is_some() {
            self.stopped = heard;
            self.running.iter().for_each(|member| member.task.cancel());
        }
    }
}

/// Bytes done and to be done, in the direction that counts.
fn progress(task: &Task) -> (u64, Option<u64>) {
    let counts = task.counts();
    match task.kind() {
        TaskKind::Upload => (counts.sent, counts.expected_to_send),
        TaskKind::Data | TaskKind::Download | TaskKind::Stream | TaskKind::WebSocket => {
            (counts.received, counts.expected_to_receive)
        }
    }
}
