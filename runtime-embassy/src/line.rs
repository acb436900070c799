//! First come, first served: the order of a session that has no schedule.

use core::cell::RefCell;
use core::task::{Context, Poll};

use embassy_sync::waitqueue::MultiWakerRegistration;
use sortie_core::session::scheduler::How;
use sortie_core::session::{Standing, choose};

use crate::connection::End;
use crate::session::Base;
use crate::time::now;
use crate::turn::{Order, Place, Wanted};

/// Tasks that wait without waking each other. Where more wait they do so in turn: slower, and
/// nothing worse.
const WAKERS: usize = 4;

/// Tasks that can have a number at once. Others wait at the door, in no order, until there is room.
const NUMBERS: u16 = 32;

/// Numbers for those who wait, as in a shop.
pub(crate) struct Line(RefCell<Numbers>);

struct Numbers {
    /// The number whose turn it is, or will be.
    first: u16,
    /// How many numbers are out, from that one on.
    out: u16,
    /// From the first number on, a bit for each whose task has gone.
    gone: u32,
    wakers: MultiWakerRegistration<WAKERS>,
}

impl Line {
    pub(crate) const fn new() -> Self {
        let wakers = MultiWakerRegistration::new();
        Self(RefCell::new(Numbers { first: 0, out: 0, gone: 0, wakers }))
    }
}

impl Numbers {
    /// Gives out the next number, if there is one.
    fn take(&mut self) -> Option<u16> {
        let number = self.first.wrapping_add(self.out);
        let may_take = self.out < NUMBERS;
        self.out += u16::from(may_take);
        may_take.then_some(number)
    }

    /// The task with a number has gone, to a slot or for good. Whose turn it is by that may look.
    fn give_back(&mut self, number: u16) {
        self.gone |= 1 << (number.wrapping_sub(self.first) % NUMBERS);
        while self.gone & 1 != 0 {
            self.gone >>= 1;
            self.first = self.first.wrapping_add(1);
            self.out = self.out.saturating_sub(1);
        }
        self.wakers.wake();
    }
}

/// What the core is to know of the connection in a slot.
fn standing(base: &Base<'_>, slot: usize, wanted: &Wanted<'_>) -> Standing {
    match base.slot(slot) {
        Some(connection) => connection.standing(wanted.url),
        None => Standing::Busy,
    }
}

impl Order for Line {
    fn poll(
        &self,
        base: &Base<'_>,
        wanted: &Wanted<'_>,
        place: &mut Place,
        cx: &Context<'_>,
    ) -> Poll<(usize, How)> {
        let Ok(mut line) = self.0.try_borrow_mut() else { return Poll::Pending };
        let number = match *place {
            Place::InLine(number) => Some(number),
            Place::New | Place::AtDoor | Place::Queued(..) | Place::Done => line.take(),
        };
        *place = number.map_or(Place::AtDoor, Place::InLine);
        if let Some(number) = number.filter(|number| *number == line.first) {
            let all = (0..base.slots.len()).map(|slot| standing(base, slot, wanted));
            if let Some(chosen) = choose(now(), wanted.wish, all) {
                line.give_back(number);
                return Poll::Ready(chosen);
            }
        }
        line.wakers.register(cx.waker());
        Poll::Pending
    }

    fn leave(&self, _: &Base<'_>, place: Place) {
        if let (Place::InLine(number), Ok(mut line)) = (place, self.0.try_borrow_mut()) {
            line.give_back(number);
        }
    }

    fn end(&self, base: &Base<'_>, slot: usize, end: End) {
        if let (false, Some(mut connection)) =
            (matches!(end, End::Keep { unread: 0 }), base.slot(slot))
        {
            connection.end(end == End::Close);
        }
        if let Ok(mut line) = self.0.try_borrow_mut() {
            line.wakers.wake();
        }
    }
}
