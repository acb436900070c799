//! Which task is next on a connection, and what becomes of a turn that nobody takes.

use std::pin::pin;

use embassy_futures::join::{join, join_array, join3, join4, join5};
use embassy_futures::poll_once;
use embassy_net::Stack;
use embassy_time::{Duration, Timer, with_timeout};
use sortie_embassy::{Config, ControlBlock, Failure, Resources, Schedule, Session};
use sortie_tests::embassy::run;
use sortie_tests::script::{Origin, Part, Step};

use crate::{GOOD, HELLO, answers, get, origin};

type One<'d> = Session<'d, 1>;

const LOW: u16 = 250;
const USUAL: u16 = 500;
const HIGH: u16 = 750;

/// The two orders that a session can have.
const LINE: bool = false;
const SCHEDULE: bool = true;

/// What a session of one connection needs.
struct Memory {
    resources: Resources<1, 1024>,
    schedule: Option<Schedule<1>>,
}

impl Memory {
    fn new(is_scheduled: bool) -> Self {
        Self { resources: Resources::new(), schedule: is_scheduled.then(Schedule::new) }
    }

    fn session<'d>(&'d mut self, stack: Stack<'d>) -> One<'d> {
        let session = One::new(stack, &mut self.resources, Config::default());
        match &mut self.schedule {
            Some(schedule) => session.scheduled(schedule),
            None => session,
        }
    }
}

/// A GET of a path of one letter; its content as text.
async fn text(session: &One<'_>, path: &str, priority: u16) -> Result<String, Failure> {
    text_of(session, &format!("http://192.0.2.1/{path}"), priority).await
}

async fn text_of(session: &One<'_>, url: &str, priority: u16) -> Result<String, Failure> {
    let (mut content, request) = ([0; 100], get(url));
    let task = session.data_task(&request).priority(priority);
    // In a box, because some tests hold many.
    let response = Box::pin(task.receive(&mut content)).await?;
    Ok(String::from_utf8_lossy(response.content()).into_owned())
}

fn hello() -> Result<String, Failure> {
    Ok("hello".into())
}

/// An origin that answers so many requests for paths of one letter on one connection, each after a
/// while.
fn patient(count: usize) -> Origin {
    let request = "GET /a HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".len();
    let wait = |step| [step, Step::Wait(1000), Step::Send(HELLO.into())];
    let first = wait(Step::Expect(Part::Request));
    let others = (1..count).flat_map(|_| wait(Step::Expect(Part::Bytes(request))));
    Origin { steps: first.into_iter().chain(others).collect(), ..Origin::default() }
}

/// The first letters of the paths that were asked for, on all connections one after the other.
fn paths(requests: &[Vec<u8>]) -> String {
    let text = String::from_utf8_lossy(&requests.concat()).into_owned();
    text.split("GET /").skip(1).filter_map(|rest| rest.chars().next()).collect()
}

#[test]
fn tasks_start_by_priority_and_in_their_order_where_it_is_equal() {
    let run = run(GOOD, &[patient(5)], async |stack, _| {
        let mut memory = Memory::new(SCHEDULE);
        let session = memory.session(stack);
        join5(
            text(&session, "a", LOW),
            text(&session, "l", LOW),
            text(&session, "m", USUAL),
            text(&session, "n", USUAL),
            text(&session, "h", HIGH),
        )
        .await
    });
    assert_eq!(run.output, (hello(), hello(), hello(), hello(), hello()));
    assert_eq!(paths(&run.requests), "ahmnl");
}

#[test]
fn small_transfers_go_before_large_ones_that_came_at_the_same_time() {
    let run = run(GOOD, &[patient(3)], async |stack, _| {
        let mut memory = Memory::new(SCHEDULE);
        let session = memory.session(stack);
        let (request, mut content) = (get("http://192.0.2.1/l"), [0; 100]);
        let large =
            session.data_task(&request).client_expects_to_receive(1 << 30).receive(&mut content);
        let both = async { join(large, text(&session, "s", USUAL)).await };
        let (a, (large, small)) = join(text(&session, "a", USUAL), both).await;
        (a, large.map(|response| response.content().len()), small)
    });
    assert_eq!(run.output, (hello(), Ok(5), hello()));
    assert_eq!(paths(&run.requests), "asl");
}

#[test]
fn a_task_that_waits_is_moved_when_its_priority_changes() {
    for (priority, order) in [(HIGH, "acb"), (LOW, "abc"), (u16::MAX, "acb")] {
        let run = run(GOOD, &[patient(3)], async |stack, _| {
            let mut memory = Memory::new(SCHEDULE);
            let session = memory.session(stack);
            let mut block = ControlBlock::new();
            let (mut seat, control) = block.split();
            let (request, mut content) = (get("http://192.0.2.1/c"), [0; 100]);
            let task = session.data_task(&request).control(&mut seat);
            let change = async {
                Timer::after_micros(500).await;
                assert_eq!(control.priority(), USUAL);
                control.set_priority(priority);
                assert_eq!(control.priority(), priority.min(1000));
            };
            let (a, b) = (text(&session, "a", USUAL), text(&session, "b", USUAL));
            let (a, b, c, ()) = join4(a, b, task.receive(&mut content), change).await;
            (a, b, c.map(|response| response.content().len()))
        });
        assert_eq!(run.output, (hello(), hello(), Ok(5)));
        assert_eq!(paths(&run.requests), order);
    }
}

#[test]
fn a_priority_that_is_set_before_a_task_begins_counts_for_it() {
    let run = run(GOOD, &[patient(3)], async |stack, _| {
        let mut memory = Memory::new(SCHEDULE);
        let session = memory.session(stack);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        control.set_priority(HIGH);
        let (request, mut content) = (get("http://192.0.2.1/c"), [0; 100]);
        let task = session.data_task(&request).priority(LOW).control(&mut seat);
        let both = join(text(&session, "a", USUAL), text(&session, "b", USUAL));
        let (both, c) = join(both, task.receive(&mut content)).await;
        (both, c.map(|response| response.content().len()))
    });
    assert_eq!(run.output, ((hello(), hello()), Ok(5)));
    assert_eq!(paths(&run.requests), "acb");
}

#[test]
fn a_task_that_is_dropped_while_it_waits_is_passed_over() {
    let run = run(GOOD, &[patient(2)], async |stack, _| {
        let mut memory = Memory::new(SCHEDULE);
        let session = memory.session(stack);
        let dropped = with_timeout(Duration::from_micros(500), text(&session, "b", HIGH));
        let both = join(text(&session, "a", USUAL), dropped);
        let ((a, b), c) = join(both, text(&session, "c", LOW)).await;
        (a, b.is_err(), c)
    });
    assert_eq!(run.output, (hello(), true, hello()));
    assert_eq!(paths(&run.requests), "ac");
}

#[test]
fn a_task_that_is_dropped_when_its_turn_has_come_leaves_it_to_the_next() {
    let closes = || origin([Step::Wait(1000), Step::Send(HELLO.into()), Step::Close]);
    // An idle connection that it does not take, and one that it does not open.
    let reused = [(LINE, vec![patient(2)], 1), (SCHEDULE, vec![patient(2)], 1)];
    let opened = [LINE, SCHEDULE].map(|order| (order, vec![closes(), closes()], 2));
    for (order, origins, openings) in reused.into_iter().chain(opened) {
        let run = run(GOOD, &origins, async |stack, _| {
            let mut memory = Memory::new(order);
            let session = memory.session(stack);
            let mut a = pin!(text(&session, "a", USUAL));
            let mut b = Box::pin(text(&session, "b", USUAL));
            let mut c = pin!(text(&session, "c", USUAL));
            assert!(poll_once(a.as_mut()).is_pending());
            assert!(poll_once(b.as_mut()).is_pending());
            assert!(poll_once(c.as_mut()).is_pending());
            let a = a.await;
            // It was given the slot, and has not seen it.
            assert!(poll_once(c.as_mut()).is_pending());
            drop(b);
            (a, c.await)
        });
        assert_eq!(run.output, (hello(), hello()));
        assert_eq!((paths(&run.requests).as_str(), run.openings()), ("ac", openings));
    }
}

/// Drops a task after so many microseconds of which it waits some for its turn, while another
/// waits behind it. Returns whether it was whole.
fn dropped_in_the_middle(order: bool, micros: u64) -> bool {
    let halting = |pause| {
        let (head, rest) = HELLO.split_at(20);
        let steps = [Step::Send(head.into()), Step::Wait(pause), Step::Send(rest.into())];
        origin([Step::Wait(pause)].into_iter().chain(steps).chain([Step::Close]))
    };
    let origins = [halting(50), halting(50), answers(HELLO), answers(HELLO)];
    let run = run(GOOD, &origins, async |stack, _| {
        let mut memory = Memory::new(order);
        let session = memory.session(stack);
        let dropped = with_timeout(Duration::from_micros(micros), text(&session, "b", USUAL));
        let both = join(text(&session, "a", USUAL), dropped);
        let ((a, b), c) = join(both, text(&session, "c", USUAL)).await;
        assert_eq!((a, c), (hello(), hello()), "dropped after {micros}");
        b.is_ok()
    });
    run.output
}

#[test]
fn a_task_that_is_dropped_at_any_time_lets_the_next_one_start() {
    for order in [LINE, SCHEDULE] {
        let whole = (0..).find(|micros| dropped_in_the_middle(order, *micros));
        assert!(whole > Some(200), "{whole:?}");
    }
}

#[test]
fn tasks_of_two_origins_take_turns_in_the_order_in_which_they_came() {
    let origins = [answers(HELLO), answers(HELLO), answers(HELLO)];
    let run = run(GOOD, &origins, async |stack, _| {
        let mut memory = Memory::new(SCHEDULE);
        let session = memory.session(stack);
        let (one, other) = ("http://192.0.2.1/", "http://origin.example/");
        let (a, b) = (format!("{one}a"), format!("{other}b"));
        let both = join(text_of(&session, &a, USUAL), text_of(&session, &b, USUAL));
        join(both, text(&session, "c", USUAL)).await
    });
    assert_eq!(run.output, ((hello(), hello()), hello()));
    // No connection is used for another origin than it is open to.
    assert_eq!((paths(&run.requests).as_str(), run.openings()), ("abc", 3));
    let second = String::from_utf8_lossy(&run.requests[1]).into_owned();
    assert!(second.contains("Host: origin.example\r\n"), "{second}");
}

#[test]
fn a_connection_is_used_by_who_waits_for_its_origin_if_it_is_next() {
    let run = run(GOOD, &[patient(2), answers(HELLO)], async |stack, _| {
        let mut memory = Memory::new(SCHEDULE);
        let session = memory.session(stack);
        let both =
            join(text(&session, "a", USUAL), text_of(&session, "http://origin.example/b", LOW));
        join(both, text(&session, "c", USUAL)).await
    });
    assert_eq!(run.output, ((hello(), hello()), hello()));
    assert_eq!((paths(&run.requests).as_str(), run.openings()), ("acb", 2));
}

#[test]
fn without_a_schedule_tasks_start_in_the_order_in_which_they_came() {
    let run = run(GOOD, &[patient(4)], async |stack, _| {
        let mut memory = Memory::new(LINE);
        let session = memory.session(stack);
        let again = async {
            let first = text(&session, "a", USUAL).await;
            (first, text(&session, "d", HIGH).await)
        };
        join3(again, text(&session, "b", LOW), text(&session, "c", HIGH)).await
    });
    assert_eq!(run.output, ((hello(), hello()), hello(), hello()));
    assert_eq!((paths(&run.requests).as_str(), run.openings()), ("abcd", 1));
}

#[test]
fn more_tasks_than_a_line_has_numbers_are_all_served() {
    const TASKS: usize = 40;
    let run = run(GOOD, &[patient(TASKS)], async |stack, _| {
        let mut memory = Memory::new(LINE);
        let session = memory.session(stack);
        let session = &session;
        Box::pin(join_array([(); TASKS].map(|()| text(session, "q", USUAL)))).await
    });
    assert_eq!(run.output, [(); TASKS].map(|()| hello()));
    assert_eq!((paths(&run.requests), run.openings()), ("q".repeat(TASKS), 1));
}

#[test]
fn more_tasks_than_the_queue_has_room_for_are_all_served() {
    const LETTERS: &str = "abcdefghijklmnop";
    let run = run(GOOD, &[patient(16)], async |stack, _| {
        let mut memory = Memory::new(SCHEDULE);
        let session = memory.session(stack);
        let session = &session;
        let tasks: [usize; 16] = std::array::from_fn(|at| at);
        Box::pin(join_array(tasks.map(|at| text(session, &LETTERS[at..=at], USUAL)))).await
    });
    assert_eq!(run.output, [(); 16].map(|()| hello()));
    let order = paths(&run.requests);
    assert_eq!(&order[..9], &LETTERS[..9], "one on the connection, and eight in the queue");
    let mut all: Vec<char> = order.chars().collect();
    all.sort_unstable();
    assert_eq!(all.into_iter().collect::<String>(), LETTERS);
}

#[test]
fn a_task_that_is_dropped_while_the_queue_is_full_keeps_nobody_out() {
    let run = run(GOOD, &[patient(10)], async |stack, _| {
        let mut memory = Memory::new(SCHEDULE);
        let session = memory.session(stack);
        let session = &session;
        let nine = join_array([(); 9].map(|()| text(session, "q", USUAL)));
        let dropped = with_timeout(Duration::from_micros(500), text(session, "d", USUAL));
        let (nine, dropped, last) = join3(nine, dropped, text(session, "z", USUAL)).await;
        (nine, dropped.is_err(), last)
    });
    assert_eq!(run.output, ([(); 9].map(|()| hello()), true, hello()));
    assert_eq!(paths(&run.requests), "qqqqqqqqqz");
}
