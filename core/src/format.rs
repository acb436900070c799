//! [`defmt::Format`] for what borrows from the caller: as `Debug` has it, and of a URL no more than
//! where it leads to. Values of fields, validators and paths may be secrets.

use defmt::{Format, Formatter, write};

use crate::request::{Field, Request};
use crate::response::ResponseHead;
use crate::resume::{RangeFields, ResumeData, Resumption, Validator};
use crate::task::Task;
use crate::url::Url;

impl Format for Field<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Field({=str})", self.name());
    }
}

impl Format for Url<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Url({}://{=str}:{=u16})", self.scheme(), self.host(), self.port());
    }
}

impl Format for Request<'_> {
    fn format(&self, f: Formatter<'_>) {
        let fields = self.fields().len();
        write!(
            f,
            "Request({=str} {} {} fields {})",
            self.method(),
            self.url(),
            fields,
            self.body()
        );
    }
}

impl Format for ResponseHead<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "ResponseHead({=u16}, {=usize} fields)", self.status(), self.fields().count());
    }
}

impl Format for Validator<'_> {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::ETag(_) => write!(f, "ETag"),
            Self::LastModified(_) => write!(f, "LastModified"),
        }
    }
}

impl Format for ResumeData<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "ResumeData({=u64} of {})", self.received(), self.total());
    }
}

impl Format for Resumption<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Resumption({})", self.data());
    }
}

impl Format for RangeFields<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "RangeFields({=[u8]:a})", self.range());
    }
}

impl Format for Task {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Task({} {} {})", self.kind(), self.state(), self.counts());
    }
}
