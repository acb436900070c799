//! The one loop that drives a task: it moves bytes, keeps time and carries answers. Every decision
//! is the core's.

use core::future::poll_fn;
use core::task::Poll;

use embassy_futures::select::{Either, select, select3};
use sortie_core::{Asks, BodyLength, Broken, Error, Instant, Output, RedirectPolicy, Task, Wish};

use crate::connect::connect;
use crate::connection::Lease;
use crate::control::{ControlBlock, Governed};
use crate::input::Input;
use crate::send::{Outbox, Resuming, send};
use crate::session::Base;
use crate::stream::{Incoming, Lost};
use crate::target::Target;
use crate::task::{Failure, Response};
use crate::time::now;

/// The adapter's side of a task: what the core asks for is done here.
pub(crate) struct Driver<'r, 'd, 'a> {
    base: &'r Base<'d>,
    outgoing: Parcel<'r>,
    target: Target<'r, 'a>,
    input: Input<'a>,
    lease: Option<Lease<'r, 'd>>,
}

/// What a task sends beside its request, and how it behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parcel<'r> {
    pub(crate) body: &'r [u8],
    pub(crate) resume: Option<Resuming<'r>>,
    pub(crate) redirects: RedirectPolicy,
    pub(crate) asks: Asks,
    pub(crate) requires_success: bool,
    pub(crate) earliest_begin: Instant,
    /// In thousandths, when it begins.
    pub(crate) priority: u16,
    /// 0 if nothing was said.
    pub(crate) expected_bytes: u64,
}

impl<'r, 'd, 'a> Driver<'r, 'd, 'a> {
    pub(crate) const fn new(
        base: &'r Base<'d>,
        outgoing: Parcel<'r>,
        target: Target<'r, 'a>,
        input: Input<'a>,
    ) -> Self {
        Self { base, outgoing, target, input, lease: None }
    }

    /// Puts a new task under `control`.
    pub(crate) fn begin<'c>(&self, control: &'c ControlBlock) -> Governed<'c> {
        let options = self.base.options(&self.outgoing);
        control.begin(Task::new(self.target.request(), options), self.outgoing.priority)
    }

    /// What the task brought.
    pub(crate) fn finish(self, result: Result<(), Error>) -> Result<Response<'a>, Failure> {
        let stored = self.outgoing.resume.map_or(0, |resume| resume.from.data().received());
        self.input.finish(result, stored, self.target.into_redirected())
    }

    /// Drives the task to its end. What it brought is then in `input`.
    ///
    /// Dropping the future leaves the task where it is; dropping the driver resets its connection.
    pub(crate) async fn run(&mut self, control: &ControlBlock) -> Result<(), Error> {
        loop {
            match control.poll_output() {
                Output::Connect(wish) => self.connect(control, wish).await,
                Output::Prepare => self.prepare(control),
                Output::Exchange => self.exchange(control).await,
                Output::Inspect => self.inspect(control),
                Output::Finish => control.tell(Task::handle_committed),
                Output::Wait => control.obey(Output::Wait).await,
                Output::Event(event) => {
                    self.target.note(event);
                    self.input.note(event);
                    #[cfg(feature = "internals")]
                    control.note(event, self.target.next());
                }
                Output::Close(reason) => {
                    if let Some(lease) = self.lease.take() {
                        lease.close(reason);
                    }
                }
                Output::Reuse => {
                    if let Some(lease) = self.lease.take() {
                        lease.keep(&self.target.url(), self.input.unread());
                    }
                }
                Output::Upgraded => {
                    // Nobody can ask for the connection yet: who asked by a field of the request
                    // gets the 101 and the end of it.
                    self.lease = None;
                    control.tell(|task| task.handle_upgraded_end(Ok(())));
                }
                Output::Complete(result) => return result,
            }
        }
    }

    /// Takes an idle connection or opens one, until the task wants something else.
    async fn connect(&mut self, control: &ControlBlock, wish: Wish) {
        self.input.restart();
        self.target.go_on();
        let (bytes, url) = (self.outgoing.expected_bytes, self.target.url());
        let connecting = connect(self.base, control, wish, bytes, url);
        let changed = control.obey(Output::Connect(wish));
        if let Either::First(lease) = select(connecting, changed).await {
            self.lease = lease;
        }
    }

    /// Nothing is added to the head by now. A body that is not as long as the request says ends the
    /// task before a byte of it is sent.
    fn prepare(&self, control: &ControlBlock) {
        control.tell(|task| task.handle_prepared(now()));
        let is_said = match self.target.request().body() {
            BodyLength::None => self.outgoing.body.is_empty(),
            BodyLength::Known(length) => length == self.outgoing.body.len() as u64,
            BodyLength::Unknown => true,
        };
        if !is_said {
            control.tell(Task::handle_source_failed);
        }
    }

    /// Shows the head of the response to the task.
    fn inspect(&mut self, control: &ControlBlock) {
        let resume = self.outgoing.resume.map(|resume| resume.from);
        let target = &mut self.target;
        let own = self.lease.as_mut().map(Lease::parts).map(|(_, inbox)| &*inbox);
        let head = self.input.head(own.unwrap_or_default());
        control.tell(|task| target.inspect(task, head, resume));
    }

    /// Moves bytes in both directions, until the task wants something else.
    async fn exchange(&mut self, control: &ControlBlock) {
        let Some(lease) = &mut self.lease else {
            return control.tell(|task| task.handle_broken(Broken::Receiving));
        };
        let (socket, inbox) = lease.parts();
        let (reader, writer) = socket.split();
        let (request, target) = (self.target.request(), self.target.url());
        let outgoing = Outbox { control, request, target, outgoing: &self.outgoing };
        // Every change comes by one of the three, so that all are polled again after it. The last
        // one sees what the others did.
        select3(
            send(&outgoing, writer),
            receive(control, &mut self.input, inbox, reader),
            control.obey(Output::Exchange),
        )
        .await;
    }
}

/// The receive half. Waits while nothing may be received, and never ends by itself.
async fn receive(
    control: &ControlBlock,
    input: &mut Input<'_>,
    inbox: &mut [u8],
    mut reader: impl Incoming,
) -> ! {
    loop {
        let wanted = poll_fn(|cx| match control.io(input.room(inbox)).receive {
            Some(wanted) if input.has(wanted) => Poll::Ready(wanted),
            Some(wanted) => reader.poll_readable(cx).map(|()| wanted),
            None => Poll::Pending,
        });
        let wanted = wanted.await;
        let space = input.space(wanted, inbox);
        let read = match space {
            [] => Ok(None),
            space => reader.read(space).await.map(Some),
        };
        match read {
            Ok(Some(0)) => control.tell(Task::handle_end),
            Ok(count) => {
                let take = |task: &mut Task| input.take(task, wanted, inbox, count.unwrap_or(0));
                control.with(take).unwrap_or(());
            }
            Err(Lost) => control.tell(|task| task.handle_broken(Broken::Receiving)),
        }
    }
}
