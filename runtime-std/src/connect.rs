//! Getting a connection: an idle one, or a new one in a slot of the pool.

use std::task::{Context, Poll, ready};

use sortie_core::{Instant, Transport, Url, Wish};

use crate::connection::{Connection, Taken};
use crate::shared::Shared;
use crate::world::{Connecting, Endpoint, World};

/// A connection attempt, in a slot of the pool.
pub(crate) struct Attempt<W: World> {
    slot: usize,
    future: Connecting<W::Stream>,
    pub(crate) timer: W::Timer,
}

/// How a task begins to get a connection.
pub(crate) enum Begun<W: World> {
    /// It has one.
    Idle(Box<Connection<W>>),
    /// One is being opened.
    Opening(Attempt<W>),
    /// All are in use: the waker is woken when that changes.
    Wait,
}

impl<W: World> Attempt<W> {
    pub(crate) fn begin(
        cx: &Context<'_>,
        shared: &Shared<W>,
        url: Url<'_>,
        now: Instant,
        wish: Wish,
    ) -> Begun<W> {
        match shared.session.connections.take(now, wish, url, cx.waker()) {
            Taken::Wait => Begun::Wait,
            Taken::Idle(connection) => Begun::Idle(connection),
            Taken::Slot(slot) => {
                let world = &shared.session.world;
                let future = world.connect(Endpoint::of(url));
                Begun::Opening(Self { slot, future, timer: world.timer() })
            }
        }
    }

    /// Ready with the connection. A slot in which none could be opened is given back.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        url: Url<'_>,
    ) -> Poll<Result<Box<Connection<W>>, Transport>> {
        let result = ready!(self.future.as_mut().poll(cx));
        Poll::Ready(match result {
            Ok(stream) => {
                let endpoint = Endpoint::of(url);
                Ok(Connection::new(self.slot, endpoint, stream, &shared.session.world))
            }
            Err(why) => {
                self.give_up(shared);
                Err(why)
            }
        })
    }

    pub(crate) fn give_up(&self, shared: &Shared<W>) {
        shared.session.connections.free(self.slot);
    }
}
