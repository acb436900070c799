//! Calls every public function of `sortie-core` with arguments that the optimizer knows nothing
//! of, beside a panic handler that cannot be linked. So an image with [`probe_entry`] in it can be
//! linked only if none of those calls has a way to a panic.
//!
//! `run` does that link, and sees to it that no public function is left out here.

#![no_std]

mod messages;
mod resume;
mod session;
mod sizes;
mod task;

use core::hint::black_box;
use core::net::SocketAddr;
use core::panic::PanicInfo;

use sortie_core::session::scheduler::{Full, Scheduler, Ticket, Urgency};
use sortie_core::{
    Answer, BodyLength, Broken, BufferTooSmall, ByteCounts, ChunkedDecoder, Error, Field,
    InspectError, Instant, Limit, Misuse, Output, Progress, Race, RangeFields, RedirectPolicy,
    Request, RequestError, RequestHead, ResolveError, ResponseHead, ResumeData, ResumeDataError,
    Rewrite, Run, Scheme, Slot, Task, TaskOptions, TaskState, Token, Transport, Trigger, Url,
    UrlError, UrlParts, Validator, Wish,
};

/// An argument of every kind. Nobody makes one: the image is linked and never run.
pub struct Arguments<'a> {
    text: &'a str,
    bytes: &'a mut [u8],
    input: &'a [u8],
    index: &'a mut [Slot],
    slots: &'a [Slot],
    fields: &'a [Field<'a>],
    field: Field<'a>,
    request: Request<'a>,
    borrowed_request: &'a Request<'a>,
    request_head: RequestHead<'a>,
    response_head: ResponseHead<'a>,
    url: Url<'a>,
    url_parts: UrlParts,
    task: Task,
    options: TaskOptions,
    policy: RedirectPolicy,
    rewrite: Rewrite,
    token: Token,
    answer: Answer<'a>,
    inspect_error: InspectError,
    decoder: ChunkedDecoder,
    run: Run,
    scheduler: Scheduler<8, 6, 14>,
    ticket: Ticket,
    urgency: Urgency,
    full: Full,
    race: Race,
    addresses: &'a [SocketAddr],
    counts: ByteCounts,
    progress: Progress,
    now: Instant,
    size: usize,
    count: u64,
    flag: bool,
    body: BodyLength,
    broken: Broken,
    output: Output,
    scheme: Scheme,
    state: TaskState,
    transport: Transport,
    trigger: Trigger,
    wish: Wish,
    limit: Option<Limit>,
    result: Result<(), Error>,
    error: Error,
    misuse: Misuse,
    request_error: RequestError,
    url_error: UrlError,
    resolve_error: ResolveError,
    validator: Validator<'a>,
    resume_data: ResumeData<'a>,
    range_fields: RangeFields<'a>,
    total: Option<u64>,
    resume_data_error: ResumeDataError,
    buffer_too_small: BufferTooSmall,
}

/// Makes one call: with arguments that may have become anything since the call before, and a
/// result that somebody may look at. It stands in a function of its own, under a name that tells
/// `stack.py` what it calls.
macro_rules! call {
    ($with:ident, $name:literal, $call:expr) => {
        $crate::call!(@ $with, concat!("probe ", $name), $call)
    };
    ($with:ident, $call:expr) => {
        $crate::call!(@ $with, concat!("probe ", stringify!($call)), $call)
    };
    (@ $with:ident, $name:expr, $call:expr) => {{
        // SAFETY: no two calls are the same, and nothing else has a name with spaces.
        #[unsafe(export_name = $name)]
        #[inline(never)]
        fn probe($with: &mut $crate::Arguments<'_>) {
            $crate::look($call);
        }
        probe(core::hint::black_box(&mut *$with));
    }};
}
pub(crate) use call;

fn look<T>(result: T) {
    let _ = black_box(result);
}

// SAFETY: nothing else in this image has the name.
#[unsafe(no_mangle)]
pub extern "C" fn probe_entry(with: &mut Arguments<'_>) {
    task::calls(with);
    session::calls(with);
    messages::calls(with);
    resume::calls(with);
    #[cfg(feature = "control")]
    control(with);
}

/// Indexes out of bounds, as far as the optimizer can know.
#[cfg(feature = "control")]
fn control(with: &mut Arguments<'_>) {
    call!(with, with.input[with.size]);
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        /// Defined nowhere.
        fn sortie_core_can_panic() -> !;
    }
    black_box(info);
    // SAFETY: there is no such function, hence no image in which it is called.
    unsafe { sortie_core_can_panic() }
}
