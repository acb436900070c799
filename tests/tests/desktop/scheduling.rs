//! Who gets a connection first, when there are fewer than tasks.

use std::sync::{Arc, Mutex};

use sortie::{Priority, Session, Task};

use crate::helpers::enqueue;
use crate::{Near, Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An origin on one connection that holds its first answer back until the gate is opened, and
/// notes the paths that it is asked for.
struct Till {
    origin: Origin,
    paths: Arc<Mutex<Vec<String>>>,
    open: std::sync::mpsc::Sender<()>,
    session: Session,
    first: Task,
}

impl Till {
    /// With so many requests behind the first one, which has the connection.
    fn new(others: usize) -> Self {
        let paths = Arc::new(Mutex::new(Vec::new()));
        let noted = paths.clone();
        let (open, is_open) = gate();
        let (asked, is_asked) = gate();
        let origin = Origin::new(vec![move |near: &mut Near| {
            for place in 0..=others {
                let head = near.request();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                noted.lock().unwrap().push(path);
                if place == 0 {
                    asked.send(()).unwrap();
                    pass(&is_open);
                }
                near.send(OK);
            }
        }]);
        let session = Session::builder().max_connections_per_host(1).build();
        let first = session.task(&format!("{}first", origin.url)).unwrap();
        first.resume();
        pass(&is_asked);
        Self { origin, paths, open, session, first }
    }

    /// A task that waits behind the first one.
    fn task(&self, path: &str) -> Task {
        let task = self.session.task(&format!("{}{path}", self.origin.url)).unwrap();
        enqueue(&task);
        task
    }

    /// Lets all of them end. The paths, in the order in which they were asked for.
    fn serve(self, tasks: &[&Task]) -> Vec<String> {
        self.open.send(()).unwrap();
        self.first.wait().unwrap();
        for task in tasks {
            (*task).clone().wait().unwrap();
        }
        self.origin.done();
        let paths = std::mem::take(&mut *self.paths.lock().unwrap());
        paths.into_iter().map(|path| path.trim_start_matches('/').to_owned()).collect()
    }
}

#[test]
fn tasks_of_the_same_priority_are_served_in_the_order_in_which_they_came() {
    let till = Till::new(3);
    let (a, b, c) = (till.task("a"), till.task("b"), till.task("c"));
    assert_eq!(till.serve(&[&a, &b, &c]), ["first", "a", "b", "c"]);
}

#[test]
fn a_task_of_higher_priority_goes_before_others_that_wait() {
    let till = Till::new(3);
    let make = |path: &str, priority| {
        let url = format!("{}{path}", till.origin.url);
        let task = till.session.data_task(&url).priority(priority).create().unwrap();
        enqueue(&task);
        task
    };
    let low = make("low", Priority::LOW);
    let usual = make("usual", Priority::DEFAULT);
    let high = make("high", Priority::HIGH);
    assert_eq!(till.serve(&[&low, &usual, &high]), ["first", "high", "usual", "low"]);
}

#[test]
fn a_task_that_waits_can_be_made_more_or_less_urgent() {
    let till = Till::new(3);
    let (a, b, c) = (till.task("a"), till.task("b"), till.task("c"));
    c.set_priority(Priority::HIGH);
    a.set_priority(Priority::LOW);
    assert_eq!(till.serve(&[&a, &b, &c]), ["first", "c", "b", "a"]);
}

#[test]
fn a_task_with_much_to_move_lets_smaller_ones_pass() {
    let till = Till::new(2);
    let large = till.task("large");
    large.set_count_of_bytes_client_expects_to_receive(Some(1 << 40));
    let small = till.task("small");
    assert_eq!(till.serve(&[&large, &small]), ["first", "small", "large"]);
}

#[test]
fn a_task_that_is_suspended_or_cancelled_leaves_its_place_to_others() {
    let till = Till::new(2);
    let (gone, held, last) = (till.task("gone"), till.task("held"), till.task("last"));
    gone.cancel();
    assert_eq!(gone.wait().unwrap_err().code(), -999);
    held.suspend().unwrap();
    // It goes behind the others when it comes back.
    let mut changes = held.changes();
    assert_eq!(changes.next_blocking().map(|now| now.state), Some(sortie::TaskState::Suspended));
    let turn = std::thread::spawn({
        let (held, mut last) = (held.clone(), last.changes());
        move || {
            while last.next_blocking().is_some() {}
            held.resume();
        }
    });
    let served = till.serve(&[&last, &held]);
    turn.join().unwrap();
    assert_eq!(served, ["first", "last", "held"]);
}

#[test]
fn a_busy_origin_keeps_no_other_one_waiting() {
    let till = Till::new(1);
    let waits = till.task("waits");
    let other = Origin::answering(&[OK]);
    let (response, _) = till.session.data_blocking(&other.url).unwrap();
    assert_eq!(response.status(), 200);
    other.done();
    assert_eq!(till.serve(&[&waits]), ["first", "waits"]);
}
