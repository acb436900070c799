//! Every call of what tasks share, and of the race for a connection.

use sortie_core::session::scheduler::{Schedule, Scheduler, Ticket, Urgency};
use sortie_core::session::{Loan, LoanState, Standing, choose};

use sortie_core::Race;

use crate::{Arguments, call};

pub(crate) fn calls(with: &mut Arguments<'_>) {
    call!(with, with.scheduler = Scheduler::new());
    call!(with, with.scheduler = Scheduler::default());
    call!(with, "Schedule::with_per_host", {
        let most = u16::try_from(with.size).unwrap_or_default();
        with.scheduler = Schedule::with_per_host(with.scheduler.clone(), most);
    });
    call!(with, "Schedule::with_idle_timeout", {
        let timeout = with.size as u64;
        with.scheduler = Schedule::with_idle_timeout(with.scheduler.clone(), timeout);
    });
    call!(with, with.urgency = Urgency::default());
    call!(with, Schedule::add(&mut with.scheduler, with.now, with.size, with.wish, with.urgency));
    call!(with, Schedule::change(&mut with.scheduler, with.ticket, with.urgency));
    call!(with, Schedule::remove(&mut with.scheduler, with.ticket));
    call!(with, Schedule::poll_assign(&mut with.scheduler, with.now));
    call!(with, Schedule::keep(&mut with.scheduler, with.size, with.now, with.size));
    call!(with, "Schedule::open_failed", {
        Schedule::open_failed(&mut with.scheduler, with.size, with.now, with.transport)
    });
    call!(with, Schedule::free(&mut with.scheduler, with.size));
    call!(with, Schedule::drain_idle(&mut with.scheduler));
    call!(with, Schedule::flush(&mut with.scheduler));
    call!(with, Ticket::place(with.ticket));
    call!(with, Schedule::queued(&with.scheduler));
    call!(with, Schedule::busy(&with.scheduler));
    call!(with, Schedule::idle(&with.scheduler));
    call!(with, Schedule::is_queued(&with.scheduler, with.ticket));
    call!(with, Schedule::is_origin_used(&with.scheduler, with.size));
    call!(with, "choose", {
        let idle = Standing::Idle { since: with.now, fits: with.flag };
        let all = with.input.iter().map(|byte| match byte {
            0 => Standing::Busy,
            1 => Standing::Closed,
            _ => idle,
        });
        choose(with.now, with.wish, all)
    });
    call!(with, "Loan::grant", {
        let state = match with.size {
            0 => LoanState::New,
            1 => LoanState::Used,
            2 => LoanState::Idle,
            _ => LoanState::Over,
        };
        let loan = Loan { state, is_secure: with.flag, leads_there: with.count > 0 };
        Loan::grant(loan, with.wish, with.scheme)
    });
    race(with);
}

fn race(with: &mut Arguments<'_>) {
    call!(with, with.race = Race::new(with.addresses));
    call!(with, with.race = Race::with_attempt_delay(with.race.clone(), with.count));
    call!(with, Race::poll_race(&mut with.race, with.now));
    call!(with, Race::handle_connected(&mut with.race, with.size));
    call!(with, Race::handle_failed(&mut with.race, with.size, with.transport, with.now));
}
