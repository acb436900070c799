//! Connections of a script: opened, given back and taken again.

use sortie_core::session::scheduler::{Assign, How, Scheduler, Urgency};
use sortie_core::{CloseReason, Output, Transport, Url, Wish, limits};

use super::{Idle, Runner};
use crate::contract::Input;
use crate::origin::Peer;
use crate::trace::{Connection, Released, destination};

impl Runner<'_> {
    /// Takes an idle connection to the current origin, on which nothing has come meanwhile.
    pub(super) fn take_idle(&mut self, wish: Wish) -> bool {
        self.idle.retain(|idle| idle.peer.unread() == 0);
        let to = destination(Url::parse(&self.target).expect("a target is a URL"));
        let (now, connections) = (self.now, &self.connections);
        let fits = |idle: &Idle| {
            connections[idle.place].to == to && now - idle.since < limits::IDLE_TIMEOUT
        };
        let found = self.idle.iter().position(fits).filter(|_| wish == Wish::Any);
        let Some(found) = found else {
            return false;
        };
        let Idle { place, peer, .. } = self.idle.remove(found);
        (self.place, self.peer) = (place, Some(peer));
        self.connections[place].released = Released::NotOpened;
        self.begin_exchange(true);
        true
    }

    pub(super) fn begin_exchange(&mut self, is_reused: bool) {
        self.input.clear();
        self.encoded.clear();
        let result = self.task.handle_connected(self.at(), is_reused);
        self.reported(result, Input::Connected);
    }

    pub(super) fn connect(&mut self, wish: Wish) {
        if self.take_idle(wish) {
            return;
        }
        let place = self.connections.len();
        let Some(origin) = self.script.connections.get(place) else {
            panic!("the script has no connection {place}; events: {:?}", self.events);
        };
        assert!(!origin.is_reused || wish == Wish::Any, "a new connection is wished for");
        let result = self.task.handle_connecting(self.at());
        self.reported(result, Input::Moved);
        self.obey();
        if !self.task.still(Output::Connect(wish)) {
            // The attempt is given up; what follows may ask for it again.
            return;
        }
        self.place = place;
        self.connections.push(Connection {
            to: destination(Url::parse(&self.target).expect("a target is a URL")),
            request: Vec::new(),
            released: Released::NotOpened,
        });
        if origin.refuses() {
            let result = self.task.handle_connect_failed(Transport::Refused);
            self.reported(result, Input::Other);
            return;
        }
        let peer = Peer::new(origin, self.drive.split, self.now);
        self.peer = Some(if self.drive.is_buffered { peer.buffered() } else { peer });
        self.begin_exchange(origin.is_reused);
    }

    pub(super) fn release(&mut self, how: Released) {
        self.note(how);
        self.peer = None;
        self.input.clear();
    }

    /// The scheduler looks at what was read behind the response.
    pub(super) fn give_back(&mut self) {
        let mut scheduler = Scheduler::<1, 1, 1>::new();
        let ticket = scheduler.add(self.at(), 0, Wish::New, Urgency::default());
        let ticket = ticket.expect("room for a task");
        let start = Assign::Start { ticket, slot: 0, how: How::Open };
        assert_eq!(scheduler.poll_assign(self.at()), start);
        match scheduler.keep(0, self.at(), self.input.len()) {
            true => {
                self.note(Released::Reuse);
                let peer = self.peer.take().expect("a connection to give back");
                self.idle.push(Idle { place: self.place, since: self.now, peer });
            }
            false => self.release(Released::Close(CloseReason::ExcessBytes)),
        }
    }

    /// Notes what became of the current connection, once.
    pub(super) fn note(&mut self, how: Released) {
        let peer = self.peer.as_ref().expect("a connection to release");
        let connection = self.connections.get_mut(self.place).expect("it was opened");
        assert_eq!(connection.released, Released::NotOpened, "released twice");
        connection.request = peer.request().to_vec();
        connection.released = how;
    }
}
