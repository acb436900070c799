//! The send half of an exchange: head, framing and body, put into the socket's own buffer.

use sortie_core::{
    Broken, Field, Misuse, RangeFields, Receive, Request, RequestHead, ResponseHead, ResumeData,
    Resumption, Send, Task, Url,
};

use crate::driver::Parcel;
use crate::event::Moved;
use crate::input::Input;
use crate::reins::Reins;
use crate::source::Supply;
use crate::stream::Lost;
use crate::target::{Target, inspect_listed};
use crate::time::now;

/// What is sent.
pub(crate) struct Outbox<'r> {
    pub(crate) control: &'r Reins,
    pub(crate) request: &'r Request<'r>,
    pub(crate) target: Url<'r>,
    pub(crate) outgoing: &'r Parcel<'r>,
}

type Inspect =
    fn(&mut Target<'_, '_>, &mut Task, ResponseHead<'_>, Resumption<'_>) -> Result<(), Misuse>;

/// What a task goes on from, with the code that asks for the rest: a program whose tasks never do
/// links neither that nor what judges the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resuming<'r> {
    pub(crate) from: Resumption<'r>,
    pub(crate) means: &'static Means,
}

/// What it takes to go on with a download.
#[derive(Debug)]
pub(crate) struct Means {
    /// Encodes the head with the fields of a range.
    encode: fn(&Outbox<'_>, &mut Task, &ResumeData<'_>, &mut [u8]) -> usize,
    /// Shows the head of the response to the task.
    pub(crate) inspect: Inspect,
}

impl<'r> Resuming<'r> {
    pub(crate) const fn new(data: &'r ResumeData<'r>) -> Self {
        const MEANS: Means = Means { encode: encode_range, inspect: inspect_listed };
        Self { from: data.resumption(), means: &MEANS }
    }
}

impl Outbox<'_> {
    /// So many bytes were sent.
    pub(crate) fn sent(&self, written: Result<usize, Lost>) {
        match written {
            Ok(0) => {}
            Ok(count) => {
                self.control.tell(|task| task.handle_sent(now(), count));
                self.outgoing.delegate.count(self.control, Moved::Sent);
            }
            Err(Lost) => self.control.tell(|task| task.handle_broken(Broken::Sending)),
        }
    }

    /// So many bytes were read for what was `wanted`; `None`: enough is held.
    pub(crate) fn received(
        &self,
        input: &mut Input<'_>,
        wanted: Receive,
        inbox: &mut [u8],
        read: Result<Option<usize>, Lost>,
    ) {
        let control = self.control;
        match read {
            Ok(Some(0)) => control.tell(Task::handle_end),
            Ok(count) => {
                let take = |task: &mut Task| input.take(task, wanted, inbox, count.unwrap_or(0));
                control.with(take).unwrap_or(());
                self.outgoing.delegate.count(control, Moved::Received);
                control.changed();
            }
            Err(Lost) => control.tell(|task| task.handle_broken(Broken::Receiving)),
        }
    }

    /// Whether there is something to be sent now.
    pub(crate) fn is_due(&self) -> bool {
        match self.control.io(0).send.as_ref().map(|due| self.outgoing.source.supply(due)) {
            Some(Supply::Bytes | Supply::Ended) => true,
            Some(Supply::Failed) => {
                self.control.tell(Task::handle_source_failed);
                false
            }
            Some(Supply::Awaited) | None => false,
        }
    }

    /// Puts what is to be sent into `room`. Returns how many bytes that is.
    #[inline(never)] // What it takes of the stack is not there while others go deep.
    pub(crate) fn fill(&self, room: &mut [u8]) -> usize {
        let filled = self.control.with(|task| {
            let encoded = match task.io(0).send {
                Some(Send::Encode) => self.encode(task, room),
                Some(Send::Source { .. } | Send::Write { .. }) | None => 0,
            };
            self.outgoing.source.put(task, room, encoded)
        });
        filled.unwrap_or(0)
    }

    fn encode(&self, task: &mut Task, room: &mut [u8]) -> usize {
        match self.outgoing.resume.filter(|_| task.sends_range()) {
            Some(resume) => (resume.means.encode)(self, task, resume.from.data(), room),
            None => self.encode_with(&[], task, room),
        }
    }

    fn encode_with(&self, added: &[Field<'_>], task: &mut Task, room: &mut [u8]) -> usize {
        let head = RequestHead { request: self.request, target: self.target, added };
        task.encode(&head, room).unwrap_or(0)
    }
}

fn encode_range(
    outbox: &Outbox<'_>,
    task: &mut Task,
    data: &ResumeData<'_>,
    room: &mut [u8],
) -> usize {
    outbox.encode_with(&RangeFields::new(data).fields(), task, room)
}
