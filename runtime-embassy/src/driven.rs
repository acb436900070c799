//! A driver before it runs, between its steps, and after the last one.

use sortie_core::Url;

use crate::driver::{Driver, Step};
use crate::event::Moved;
use crate::input::Input;
use crate::record::Record;
use crate::reins::{Governed, Reins};
use crate::stream::Wire;
use crate::task::{Failure, Response};
use crate::time::now;

impl<'s, 'd, 'a, W: Wire<'s, 'd>> Driver<'_, 's, 'd, 'a, W> {
    /// Puts a new task under `control`.
    pub(crate) fn begin<'c>(&mut self, control: &'c Reins) -> Governed<&'c Reins> {
        self.start(control);
        Governed::new(control)
    }

    /// Puts a new task under `control`, for who sees to it that it is ended.
    pub(crate) fn start(&mut self, control: &Reins) {
        let stored = self.outgoing.resume.map(|resume| resume.from.data());
        self.record.begin(self.target.request(), stored);
        let identifier = self.base.next_identifier();
        control.begin(self.target.request(), &self.outgoing, identifier);
    }

    pub(crate) const fn input(&self) -> &Input<'a> {
        &self.input
    }

    pub(crate) const fn record(&self) -> &Record<'a> {
        &self.record
    }

    pub(crate) fn into_record(self) -> Record<'a> {
        self.record
    }

    pub(crate) fn redirected_to(&self) -> Option<Url<'_>> {
        self.target.redirected()
    }

    /// Where the content begins in the whole.
    pub(crate) fn offset(&self) -> u64 {
        let resumed = self.outgoing.resume.filter(|_| self.input.is_resumed());
        resumed.map_or(0, |resume| resume.from.data().received())
    }

    /// Bytes that a lent buffer has to have, where it was too small and that is known.
    pub(crate) fn needed(&self) -> Option<usize> {
        Some(self.input.needed().max(self.target.needed())).filter(|needed| *needed > 0)
    }

    /// The content that is to be taken.
    #[inline(never)] // It is asked for in more than one place.
    pub(crate) fn content(&self) -> &[u8] {
        self.input.fresh(self.wire.inbox())
    }

    /// So many bytes of the content were taken, of those that there are.
    pub(crate) fn consume(&mut self, control: &Reins, count: usize) {
        let count = self.input.consume(count);
        control.tell(|task| task.handle_delivered(now(), count as u64));
        self.outgoing.delegate.count(control, Moved::Delivered);
    }

    /// Nobody takes the content that there is.
    pub(crate) fn drop_content(&mut self) {
        self.input.consume(usize::MAX);
    }

    /// What the task brought, once it is done.
    pub(crate) fn finish(self, step: Step) -> Result<Response<'a>, Failure> {
        let stored = self.outgoing.resume.map_or(0, |resume| resume.from.data().received());
        let result = match step {
            Step::Done(result) => result,
            Step::Head | Step::Content | Step::Finish => Ok(()),
        };
        let needed = self.target.needed();
        self.input.finish(result, stored, needed, self.target.into_redirected())
    }
}
