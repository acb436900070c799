//! [`defmt::Format`] for what holds more than can be derived from: as `Debug` has it.

use defmt::{Format, Formatter, write};
#[cfg(feature = "ota")]
use embedded_storage_async::nor_flash::NorFlash;

use crate::body::Body;
use crate::changes::Changes;
use crate::control::{ControlBlock, Seat, TaskControl};
use crate::event::TaskEvent;
#[cfg(feature = "ota")]
use crate::ota::{Journal, Update};
use crate::resources::Resources;
use crate::schedule::Schedule;
use crate::session::Session;
use crate::stream::Wire;
use crate::task::{Alone, DataTask, Governor, Response, Under};
use crate::upload::ReaderTask;

impl Format for TaskControl<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "TaskControl({=u32} {} {})", self.identifier(), self.state(), self.progress());
    }
}

impl Format for ControlBlock {
    fn format(&self, f: Formatter<'_>) {
        TaskControl { block: self }.format(f);
    }
}

impl Format for Seat<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Seat({})", self.block);
    }
}

impl Format for Changes<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Changes({})", self.seen());
    }
}

impl Format for Response<'_> {
    fn format(&self, f: Formatter<'_>) {
        let length = self.content().len();
        write!(f, "Response({=u16}, {=usize} bytes)", self.status(), length);
    }
}

impl Format for TaskEvent<'_> {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::InformationalResponse { status } => write!(f, "informational {=u16}", status),
            Self::Redirected { status, to } => write!(f, "redirected by {=u16} to {}", status, to),
            Self::Response(head) => write!(f, "response {}", head),
            Self::Resumed { offset, total } => write!(f, "resumed at {=u64} of {}", offset, total),
            Self::BodyRestarted => write!(f, "body restarted"),
            Self::Asked(question, _) => write!(f, "asked {}", question),
            Self::Sent(counts) => write!(f, "sent {}", counts),
            Self::Received(counts) => write!(f, "received {}", counts),
            Self::Delivered(counts) => write!(f, "delivered {}", counts),
            Self::Completed(result) => write!(f, "completed {}", result),
        }
    }
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, C: Governor, W: Wire<'r, 'd>> Format for Body<'r, 'd, '_, C, W> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Body({=u16}, {})", self.status(), self.counts());
    }
}

impl<C, W> Format for DataTask<'_, '_, '_, C, W> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "DataTask({})", self.request());
    }
}

impl<R, C, W> Format for ReaderTask<'_, '_, '_, '_, R, C, W> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "ReaderTask({})", self.task.request());
    }
}

impl<const N: usize> Format for Session<'_, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Session({})", self.base().config);
    }
}

impl<const N: usize> Format for Schedule<N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Schedule<{=usize}>", N);
    }
}

impl<const N: usize, const R: usize, const S: usize, const H: usize> Format
    for Resources<N, R, S, H>
{
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Resources<{=usize}, {=usize}, {=usize}, {=usize}>", N, R, S, H);
    }
}

#[cfg(feature = "ota")]
impl<F: NorFlash, const ROOM: usize> Format for Journal<F, ROOM> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Journal({} is good, {})", self.good(), self.stage());
    }
}

#[cfg(feature = "ota")]
impl<J: NorFlash, S: NorFlash, const ROOM: usize, const BLOCK: usize> Format
    for Update<'_, '_, J, S, ROOM, BLOCK>
{
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Update({=u32} stored, error {})", self.stored(), self.error());
    }
}

impl Format for Alone {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Alone");
    }
}

impl Format for Under<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Under");
    }
}

#[cfg(feature = "tls")]
mod secure {
    use defmt::{Format, Formatter, write};

    use crate::dedicated::Connection;
    use crate::tls::{NoClock, PinnedKeys, PreSharedKey, Records, Roots, Tls};

    impl<const N: usize, W> Format for Connection<'_, '_, N, W> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "Connection<{=usize}>", N);
        }
    }

    impl<R, T> Format for Tls<'_, R, T> {
        /// Without keys.
        fn format(&self, f: Formatter<'_>) {
            write!(f, "Tls");
        }
    }

    impl<const READ: usize, const WRITE: usize> Format for Records<READ, WRITE> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "Records<{=usize}, {=usize}>", READ, WRITE);
        }
    }

    impl<C> Format for Roots<'_, C> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "Roots");
        }
    }

    impl Format for PinnedKeys<'_> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "PinnedKeys");
        }
    }

    impl Format for PreSharedKey<'_> {
        /// Without the key.
        fn format(&self, f: Formatter<'_>) {
            write!(f, "PreSharedKey");
        }
    }

    const _: () = {
        const fn is_formatted<T: Format>() {}
        is_formatted::<Connection<'_, '_, 1, ()>>();
        is_formatted::<Tls<'_, (), ()>>();
        is_formatted::<Records>();
        is_formatted::<Roots<'_, NoClock>>();
        is_formatted::<NoClock>();
        is_formatted::<PinnedKeys<'_>>();
        is_formatted::<PreSharedKey<'_>>();
    };
}

/// Does not compile unless every public type can be formatted.
const _: () = {
    const fn is_formatted<T: Format>() {}
    is_formatted::<crate::Config>();
    is_formatted::<crate::Failure>();
    is_formatted::<crate::DownloadFailure<'_>>();
    is_formatted::<crate::Downloaded<'_>>();
    is_formatted::<crate::Snapshot>();
    is_formatted::<Changes<'_>>();
    is_formatted::<ControlBlock>();
    is_formatted::<Seat<'_>>();
    is_formatted::<TaskControl<'_>>();
    is_formatted::<TaskEvent<'_>>();
    is_formatted::<Response<'_>>();
    is_formatted::<Body<'_, '_, '_>>();
    is_formatted::<DataTask<'_, '_, '_>>();
    is_formatted::<ReaderTask<'_, '_, '_, '_, ()>>();
    is_formatted::<Session<'_, 1>>();
    is_formatted::<Schedule<1>>();
    is_formatted::<Resources<1, 64, 65, 66>>();
    is_formatted::<Alone>();
    is_formatted::<Under<'_>>();
    is_formatted::<crate::Answer<'_>>();
    is_formatted::<crate::Request<'_>>();
    is_formatted::<crate::ResponseHead<'_>>();
    is_formatted::<crate::ResumeData<'_>>();
    is_formatted::<crate::Url<'_>>();
    is_formatted::<crate::Field<'_>>();
    is_formatted::<crate::Validator<'_>>();
};
