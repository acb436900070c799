//! Every call of what tasks share: the scheduler, and the pool.

use sortie_core::session::scheduler::{Schedule, Scheduler, Urgency};
use sortie_core::session::{Fixed, Pool, Slots};

use crate::{Arguments, call, look};

pub(crate) fn calls(with: &mut Arguments<'_>) {
    scheduler(with);
    pool(with);
}

fn scheduler(with: &mut Arguments<'_>) {
    call!(with, with.scheduler = Scheduler::new());
    call!(with, with.scheduler = Scheduler::default());
    call!(with, {
        let most = u16::try_from(with.size).unwrap_or_default();
        with.scheduler = Schedule::with_per_host(with.scheduler.clone(), most);
    });
    call!(with, with.urgency = Urgency::default());
    call!(with, Schedule::add(&mut with.scheduler, with.now, with.size, with.wish, with.urgency));
    call!(with, Schedule::change(&mut with.scheduler, with.ticket, with.urgency));
    call!(with, Schedule::remove(&mut with.scheduler, with.ticket));
    call!(with, Schedule::poll_assign(&mut with.scheduler, with.now));
    call!(with, Schedule::keep(&mut with.scheduler, with.size, with.now, with.size));
    call!(with, Schedule::free(&mut with.scheduler, with.size));
    call!(with, Schedule::drain_idle(&mut with.scheduler));
    call!(with, Schedule::flush(&mut with.scheduler));
    call!(with, Schedule::queued(&with.scheduler));
    call!(with, Schedule::busy(&with.scheduler));
    call!(with, Schedule::idle(&with.scheduler));
    call!(with, Schedule::is_queued(&with.scheduler, with.ticket));
    call!(with, Schedule::is_origin_used(&with.scheduler, with.size));
}

fn pool(with: &mut Arguments<'_>) {
    call!(with, with.pool = Pool::new());
    call!(with, with.pool = Pool::default());
    look::<Fixed<6>>(Fixed::default());
    call!(with, {
        let same_origin = |slot| core::hint::black_box(slot) == with.size;
        Slots::assign(&mut with.pool, with.now, with.wish, same_origin)
    });
    call!(with, Slots::keep(&mut with.pool, with.size, with.now, with.size));
    call!(with, Slots::free(&mut with.pool, with.size));
    call!(with, Slots::poll_expired(&mut with.pool, with.now));
    call!(with, Slots::idle(&with.pool));
}
