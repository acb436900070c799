//! The one loop that drives a task: it moves bytes, keeps time and carries answers. Every decision
//! is the core's.

use core::future::Future;

use embassy_futures::select::{Either, select};
use sortie_core::{Error, Event, Output, Request, Task, TaskOptions, Wish};

use crate::event::Delegate;
use crate::input::Input;
use crate::record::Record;
use crate::reins::Reins;
use crate::send::{Outbox, Resuming};
use crate::session::Base;
use crate::source::Source;
use crate::stream::Wire;
use crate::target::Target;
use crate::time::now;

/// The adapter's side of a task: what the core asks for is done here.
#[repr(C)] // What is used most lies at the front, which costs least to reach.
pub(crate) struct Driver<'r, 's, 'd, 'a, W> {
    /// How the task ended, if it has.
    pub(crate) outcome: Option<Result<(), Error>>,
    /// The head of a response came whose content is handed on, and nobody was told yet.
    pub(crate) is_answered: bool,
    pub(crate) input: Input<'a>,
    pub(crate) base: &'s Base<'d>,
    pub(crate) target: Target<'r, 'a>,
    pub(crate) wire: W,
    pub(crate) record: Record<'a>,
    pub(crate) outgoing: Parcel<'r>,
}

/// Why a driver has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The head of the response came, and its content follows. Only where that is handed on.
    Head,
    /// There is [content](Driver::content) to be taken. Only where it is handed on.
    Content,
    /// All of it was taken: it is to be committed. Only where it is handed on.
    Finish,
    /// The task has completed.
    Done(Result<(), Error>),
}

/// What a task sends beside its request, and how it behaves.
#[derive(Clone, Copy)]
pub(crate) struct Parcel<'r> {
    pub(crate) options: TaskOptions,
    pub(crate) source: Source<'r>,
    pub(crate) delegate: Delegate<'r>,
    pub(crate) resume: Option<Resuming<'r>>,
    /// In thousandths, when it begins.
    pub(crate) priority: u16,
    /// What the client expects to send and to receive, in bytes; 0 if nothing was said.
    pub(crate) expects: [u32; 2],
}

impl<'r, 's, 'd, 'a, W> Driver<'r, 's, 'd, 'a, W> {
    pub(crate) const fn new(
        base: &'s Base<'d>,
        wire: W,
        outgoing: Parcel<'r>,
        request: &'r Request<'r>,
    ) -> Self {
        Self {
            outcome: None,
            is_answered: false,
            input: Input::new(),
            wire,
            base,
            target: Target::new(request),
            record: Record::none(),
            outgoing,
        }
    }

    /// The same over another connection.
    pub(crate) fn over<V>(self, wire: V) -> Driver<'r, 's, 'd, 'a, V> {
        let Self { outcome, is_answered, input, wire: _, base, target, record, outgoing } = self;
        Driver { outcome, is_answered, input, wire, base, target, record, outgoing }
    }
}

impl<'s, 'd, W: Wire<'s, 'd>> Driver<'_, 's, 'd, '_, W> {
    /// Drives the task to its end, or until there is something to be taken. What it brought is then
    /// in `input`.
    ///
    /// Dropping the future leaves the task where it is; dropping the driver resets its connection.
    pub(crate) fn run(&mut self, control: &Reins) -> impl Future<Output = Step> {
        async move {
            loop {
                if self.input.has_fresh() {
                    return Step::Content;
                }
                if let Some(outcome) = self.outcome {
                    return Step::Done(outcome);
                }
                let output = control.poll_output();
                match output {
                    Output::Connect(wish) => {
                        if let Either::Second(()) = self.connect(control, wish).await {
                            self.wire.reset();
                        }
                    }
                    Output::Prepare => self.prepare(control),
                    Output::Exchange if self.is_answered => {
                        self.is_answered = false;
                        return Step::Head;
                    }
                    Output::Exchange | Output::Wait => {
                        let (request, target) = (self.target.request(), self.target.url());
                        let outbox = Outbox { control, request, target, outgoing: &self.outgoing };
                        self.wire.exchange(outbox, &mut self.input, output).await;
                    }
                    Output::Inspect => self.inspect(control),
                    Output::Finish if self.input.hands_on() => return Step::Finish,
                    Output::Finish => control.tell(Task::handle_committed),
                    Output::Event(event) => self.note(control, event),
                    Output::Close(reason) => self.wire.close(reason),
                    Output::Reuse => self.keep(),
                    Output::Upgraded => {
                        // Nobody can ask for the connection yet: who asked by a field of the
                        // request gets the 101 and the end of it.
                        self.wire.reset();
                        control.tell(|task| task.handle_upgraded_end(Ok(())));
                    }
                    Output::Complete(result) => {
                        if let Some(delegate) = self.outgoing.delegate.0 {
                            delegate.completed(result);
                        }
                        self.outcome = Some(result);
                    }
                }
            }
        }
    }

    /// Gives the connection back.
    fn keep(&mut self) {
        self.wire.keep(&self.target.url(), self.input.unread());
    }

    /// Passes on what happened.
    fn note(&mut self, control: &Reins, event: Event) {
        self.target.note(event);
        self.input.note(event);
        #[cfg(feature = "internals")]
        if let (Event::Redirected { .. }, Some(to)) = (event, self.target.next()) {
            control.facts.redirected(to.as_str());
        }
        if let Event::Response { status } = event {
            self.is_answered = self.input.hands_on();
            control.facts.answered(status);
        }
        let head = self.input.head(self.wire.inbox());
        let stored = self.outgoing.resume.map(|resume| resume.from.data());
        self.record.note(control, event, self.target.request(), &head, stored);
        if let Some(delegate) = self.outgoing.delegate.0 {
            delegate.pass_on(control, event, head, &self.target);
        }
    }

    /// Takes an idle connection or opens one; the second: until the task wants something else.
    fn connect(&mut self, control: &Reins, wish: Wish) -> impl Future<Output = Either<(), ()>> {
        self.input.restart();
        self.target.go_on();
        let connecting = self.wire.connect(self.base, control, wish, &self.target);
        select(connecting, control.obey(Output::Connect(wish)))
    }

    /// Nothing is added to the head by now. A body that is not as long as the request says ends the
    /// task before a byte of it is sent.
    fn prepare(&self, control: &Reins) {
        control.tell(|task| task.handle_prepared(now()));
        if !self.outgoing.source.suits(self.target.request().body()) {
            control.tell(Task::handle_source_failed);
        }
    }

    /// Shows the head of the response to the task.
    #[inline(never)] // What it takes of the stack is not there while others go deep.
    fn inspect(&mut self, control: &Reins) {
        let (resume, target) = (self.outgoing.resume, &mut self.target);
        let head = self.input.head(self.wire.inbox());
        control.tell(|task| match resume {
            Some(resume) => (resume.means.inspect)(target, task, head, resume.from),
            None => target.inspect(task, head, None),
        });
    }
}
