//! The most bytes that what a program holds of the core may take: on a device, and on a host of 64
//! bits. An image for either does not compile above that. What sits in a static, or in a future
//! that does, is planned for: that it grows is to be seen by who makes it grow.

use core::mem::size_of;

use sortie_core::session::scheduler::{Assign, Scheduler, Ticket, Urgency};
use sortie_core::session::{Loan, Standing};
use sortie_core::{
    Advance, Answer, ByteCounts, ChunkedDecoder, ContentRange, Decoded, Error, Event, Field,
    Inspection, Instant, Io, Output, Progress, Race, RaceOutput, RangeFields, Request, RequestHead,
    Resolved, ResponseHead, ResumeData, Resumption, Run, Slot, Task, TaskOptions, Token, Url,
    UrlParts, Validator,
};

macro_rules! at_most {
    ($($type:ty: $device:literal, $host:literal;)*) => {$(
        const _: () = assert!(
            size_of::<$type>() <= if cfg!(target_pointer_width = "32") { $device } else { $host },
            concat!(stringify!($type), " takes more than is planned for")
        );
    )*};
}

at_most! {
    Task: 248, 256;
    TaskOptions: 40, 40;
    Output: 6, 6;
    Event: 4, 4;
    Error: 4, 4;
    Io: 32, 56;
    Advance: 8, 16;
    Inspection<'static>: 56, 96;
    Answer<'static>: 8, 16;
    Token: 2, 2;
    ByteCounts: 72, 72;
    Progress: 24, 24;
    Instant: 8, 8;
    Url<'static>: 24, 32;
    UrlParts: 16, 16;
    Resolved: 20, 24;
    Request<'static>: 88, 112;
    Field<'static>: 20, 40;
    RequestHead<'static>: 36, 56;
    ResponseHead<'static>: 16, 32;
    Slot: 8, 8;
    ChunkedDecoder: 24, 24;
    Decoded: 8, 16;
    Run: 8, 16;
    Race: 64, 64;
    RaceOutput: 16, 16;
    ResumeData<'static>: 48, 64;
    Resumption<'static>: 8, 16;
    Validator<'static>: 12, 24;
    RangeFields<'static>: 44, 64;
    ContentRange: 32, 32;
    Ticket: 16, 16;
    Urgency: 24, 24;
    Assign: 24, 32;
    Standing: 16, 16;
    Loan: 4, 4;
    Scheduler<8, 1, 8>: 472, 472;
    Scheduler<8, 2, 8>: 496, 496;
    Scheduler<8, 6, 14>: 688, 688;
}
