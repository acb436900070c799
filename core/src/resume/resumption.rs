//! Resume data together with the code that judges an answer to it.

use core::fmt;

use crate::response::ResponseHead;
use crate::resume::data::ResumeData;
use crate::task::Task;

/// What a download goes on from, as it is lent to [`Task::inspect`].
///
/// Made by [`ResumeData::resumption`]. It brings the code along that looks into ranges and
/// validators: 2.5 KB, which a program that never makes one does not link.
#[derive(Clone, Copy)]
pub struct Resumption<'a> {
    data: &'a ResumeData<'a>,
    judge: fn(&mut Task, &ResumeData<'_>, &ResponseHead<'_>),
}

impl<'a> ResumeData<'a> {
    /// The same, to be lent to [`Task::inspect`].
    #[must_use]
    pub const fn resumption(&'a self) -> Resumption<'a> {
        Resumption { data: self, judge: Task::judge }
    }
}

impl<'a> Resumption<'a> {
    /// What it was made of.
    #[must_use]
    pub const fn data(&self) -> &'a ResumeData<'a> {
        self.data
    }

    /// Has the task decide on the answer.
    pub(crate) fn judge(&self, task: &mut Task, head: &ResponseHead<'_>) {
        (self.judge)(task, self.data, head);
    }
}

impl fmt::Debug for Resumption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resumption").field(self.data).finish()
    }
}
