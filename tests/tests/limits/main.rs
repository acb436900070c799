//! Limits of `core/src/limits.rs` that no other test meets at their value and one beyond, through
//! what an adapter calls. docs/limits.md has a row for every limit, with its tests.

use std::sync::{Mutex, PoisonError};

use sortie_core::session::scheduler::{Assign, Full, How, Scheduler, Urgency};
use sortie_core::{
    BodyLength, Error, Instant, Limit, Misuse, Output, Race, RaceOutput, Request, RequestError,
    Task, TaskOptions, TaskState, Transport, Url, UrlError, Wish, field, limits,
};

const NOW: Instant = Instant::EPOCH;

fn request(text: &str) -> Request<'_> {
    let url = Url::parse(text).expect("a URL");
    Request::new("GET", url, &[], BodyLength::None).expect("a plain request")
}

#[test]
fn bytes_of_a_url() {
    let url = |bytes: usize| format!("http://a/{}", "x".repeat(bytes - "http://a/".len()));
    let longest = url(limits::URL_BYTES);
    assert_eq!(Url::parse(&longest).map(|url| url.as_str().len()), Ok(limits::URL_BYTES));
    assert_eq!(Url::parse(&url(limits::URL_BYTES + 1)).err(), Some(UrlError::TooLong));
    // A reference is resolved up to the same length, and refused beyond it.
    let base = Url::parse("http://a/b").expect("a URL");
    let mut room = [0; limits::URL_BYTES + 10];
    let reference = |bytes: usize| "x".repeat(bytes - "http://a/".len());
    let resolved = base.resolve(reference(limits::URL_BYTES).as_bytes(), &mut room);
    assert_eq!(resolved.map(|resolved| resolved.length), Ok(limits::URL_BYTES));
    assert!(base.resolve(reference(limits::URL_BYTES + 1).as_bytes(), &mut room).is_err());
}

#[test]
fn fields_of_a_request() {
    let url = Url::parse("http://a/").expect("a URL");
    let fields = vec![field!("A", "b"); limits::REQUEST_FIELDS + 1];
    let (most, _) = fields.split_at(limits::REQUEST_FIELDS);
    let request = Request::new("GET", url, most, BodyLength::None).expect("as many as may be");
    assert_eq!(request.fields().len(), limits::REQUEST_FIELDS);
    let refused = Request::new("GET", url, &fields, BodyLength::None).err();
    assert_eq!(refused, Some(RequestError::TooManyFields));
}

#[test]
fn nested_suspends() {
    let mut task = Task::new(&request("http://a/"), TaskOptions::default());
    task.resume(NOW);
    for _ in 0..limits::SUSPENDS {
        assert_eq!(task.suspend(), Ok(()));
    }
    let before = format!("{task:?}");
    assert_eq!(task.suspend(), Err(Misuse::TooManySuspends));
    assert_eq!(format!("{task:?}"), before, "nothing changed");
    for _ in 1..limits::SUSPENDS {
        task.resume(NOW);
        assert_eq!(task.state(), TaskState::Suspended);
    }
    task.resume(NOW);
    assert_eq!(task.state(), TaskState::Running);
    assert_eq!(task.poll_output(), Output::Connect(Wish::Any));
}

/// A new connection after a used one that turned out to be dead, so many times.
#[test]
fn retries_of_a_stale_connection() {
    let mut task = Task::new(&request("http://a/"), TaskOptions::default());
    task.resume(NOW);
    for retry in 0..=limits::STALE_RETRIES {
        assert!(matches!(task.poll_output(), Output::Connect(_)), "{retry}");
        assert_eq!(task.survives_stale(), retry < limits::STALE_RETRIES);
        task.handle_connected(NOW, true).expect("asked for");
        task.handle_prepared(NOW).expect("asked for");
        task.handle_end().expect("in an exchange");
        assert!(matches!(task.poll_output(), Output::Close(_)));
    }
    let lost = Error::Transport(Transport::NoResponse);
    assert_eq!(task.poll_output(), Output::Complete(Err(lost)));
}

#[test]
fn addresses_of_the_first_family() {
    let addresses = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "[2001:db8::1]:1"];
    let addresses = addresses.map(|text| text.parse().expect("an address"));
    let mut race = Race::new(&addresses);
    let mut order = Vec::new();
    while order.len() < addresses.len() {
        match race.poll_race(NOW) {
            RaceOutput::Start { address: index } => {
                order.push(index);
                race.handle_failed(index, Transport::Refused, NOW).expect("it was tried");
            }
            RaceOutput::Wait { .. } | RaceOutput::Connected { .. } | RaceOutput::Failed(_) => {
                panic!("before all was tried")
            }
        }
    }
    // As many of the first family, then one of the other.
    assert_eq!(order.iter().position(|index| *index == 3), Some(limits::FIRST_FAMILY_COUNT.into()));
}

/// The priority of who says nothing is in the middle, and the hint orders what is equal.
#[test]
fn urgency_of_who_says_nothing() {
    assert_eq!(Urgency::default().priority, limits::PRIORITY_DEFAULT);
    assert_eq!(limits::PRIORITY_DEFAULT * 2, limits::PRIORITY_MOST);
}

#[test]
fn what_a_hint_is_worth() {
    let unit = 1_u64 << limits::HINT_SHIFT;
    let most = u64::from(limits::HINT_DELAY);
    for (bytes, delay) in [(unit - 1, 0), (unit, 1), (unit * most, most), (u64::MAX, most)] {
        // It goes before who comes at that very instant, and behind who comes earlier.
        assert!(!overtakes(bytes, delay), "{bytes}");
        assert!(delay == 0 || overtakes(bytes, delay - 1), "{bytes}");
    }
}

/// Whether a task that is added at `at` starts before one with so many bytes that was added at 0.
fn overtakes(bytes: u64, at: u64) -> bool {
    let mut scheduler = Scheduler::<2, 1, 1>::new();
    let mut add = |at: u64, bytes| {
        let urgency = Urgency { bytes, ..Urgency::default() };
        scheduler.add(Instant::from_micros(at), 0, Wish::Any, urgency).expect("room for it")
    };
    let (_, other) = (add(0, Some(bytes)), add(at, None));
    let first = scheduler.poll_assign(Instant::from_micros(u64::MAX / 2));
    first == Assign::Start { ticket: other, slot: 0, how: How::Open }
}

/// As many tasks as there are numbers: the next one is refused, and no other is moved.
#[test]
fn tasks_of_a_session() {
    static LARGEST: Mutex<Scheduler<{ limits::SESSION_ITEMS }, 1, 1>> =
        Mutex::new(Scheduler::new());
    let mut scheduler = LARGEST.lock().unwrap_or_else(PoisonError::into_inner);
    let mut add = || scheduler.add(NOW, 0, Wish::Any, Urgency::default());
    let first = add().expect("room for one");
    for _ in 1..limits::SESSION_ITEMS {
        add().expect("room for as many as there are numbers");
    }
    assert_eq!(add(), Err(Full::Tasks));
    assert_eq!(scheduler.queued(), limits::SESSION_ITEMS);
    let start = Assign::Start { ticket: first, slot: 0, how: How::Open };
    assert_eq!(scheduler.poll_assign(NOW), start);
}

/// What the text of each limit's error says is for people: no two are the same.
#[test]
fn every_limit_has_a_text_of_its_own() {
    let all = [
        Limit::HeadBytes,
        Limit::HeadBuffer,
        Limit::HeadFields,
        Limit::InterimResponses,
        Limit::ChunkLine,
        Limit::ChunkOverhead,
        Limit::Trailers,
        Limit::ContentBuffer,
        Limit::TargetBuffer,
    ];
    let mut texts = all.map(|limit| Error::Limit(limit).to_string()).to_vec();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), all.len());
}
