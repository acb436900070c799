//! Scripts, played on `sortie-embassy`.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::task::Poll;

use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_time::{Duration, Instant, Timer};
use sortie_core::{
    BodyLength, ByteCounts, Error, Event, Output, Request, ResponseHead, Slot, TaskKind, Url,
};
use sortie_embassy::{Config, ControlBlock, Resources, Session, TaskControl};

use super::executor::now;
use super::{Beginning, Cable, run};
use crate::script::{Body, Command, Origin, Part, Script, Step, URL, What, When};
use crate::trace::{Connection, Counts, Released, Told, Trace, destination};

thread_local! {
    /// What the task said, in a row.
    static SAID: RefCell<Vec<Output>> = const { RefCell::new(Vec::new()) };
}

/// The buffers of a task here.
const CONTENT: usize = 1 << 20;
const HEAD: usize = 128 * 1024;
const FIELDS: usize = 320;

/// In microseconds.
const DAY: u64 = 24 * 3600 * 1_000_000;

/// What the client saw.
struct Seen {
    said: Vec<Output>,
    result: Result<(), Error>,
    head: Option<Told>,
    content: Vec<u8>,
    counts: ByteCounts,
    ended: u64,
}

/// Why a script cannot be played here, or would not show the same as on the core alone; `None` if
/// it can and does.
#[must_use]
pub fn lacks(script: &Script) -> Option<&'static str> {
    let is_data = script.options.kind == TaskKind::Data;
    let upgrades = script.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
    let has_body = script.body != Body::None;
    let just_in_time = script.options.request_timeout.saturating_sub(1000);
    let steps = script.connections.iter().flat_map(|origin| &origin.steps);
    let waits = |step: &Step| matches!(step, Step::Wait(micros) if *micros >= just_in_time);
    match () {
        () if !is_data => Some("a task kind that it does not have"),
        () if script.goes_beyond_one_exchange() => Some("redirects, questions and ranges"),
        () if upgrades => Some("a connection handed over to the user"),
        () if script.url != URL => Some("other addresses"),
        () if !script.options.body_is_replayable => Some("a body that can be had once only"),
        () if has_body && !script.connections.iter().all(takes_all_first) => {
            Some("a network without buffers: what is sent is taken, or not")
        }
        () if script.options.request_timeout > DAY => Some("a clock that can be stepped so far"),
        () if { steps }.any(waits) => Some("a network that takes no time"),
        () => None,
    }
}

/// Whether an origin takes a whole request before it answers, by more than an interim response.
fn takes_all_first(origin: &Origin) -> bool {
    let whole = |step: &Step| *step == Step::Expect(Part::Request);
    let ends = |step: &Step| match step {
        Step::Send(bytes) => !bytes.starts_with(b"HTTP/1.1 1"),
        Step::Close | Step::Reset => true,
        Step::Expect(_) | Step::Wait(_) | Step::Refuse | Step::Next => false,
    };
    let taken = origin.steps.iter().position(whole);
    taken.is_some_and(|taken| !origin.steps[..taken].iter().any(ends))
}

/// Plays `script` to its end. Times are those of a network: a trace to compare is
/// [`timeless`](Trace::timeless).
///
/// # Panics
/// If nothing can happen any more.
#[must_use]
pub fn play(script: &Script, cable: Cable) -> Trace {
    let run = run(cable, &script.connections, async |stack, beginning| {
        client(script, stack, beginning).await
    });
    let Seen { said, result, head, content, counts, ended } = run.output;
    let connections = connections(script, &said, &run.requests);
    let mut events = Vec::new();
    for output in said {
        match output {
            Output::Event(Event::InformationalResponse { status }) => {
                events.push(Told::Informational(status));
            }
            Output::Event(Event::BodyRestarted) => events.push(Told::BodyRestarted),
            Output::Event(_) => events.extend(head.clone()),
            Output::Connect(_)
            | Output::Prepare
            | Output::Exchange
            | Output::Inspect
            | Output::Finish
            | Output::Wait
            | Output::Close(_)
            | Output::Reuse
            | Output::Upgraded
            | Output::Complete(_) => {}
        }
    }
    Trace {
        events,
        content,
        after_upgrade: Vec::new(),
        result,
        counts: Counts::from(&counts),
        connections,
        ended,
    }
}

async fn client(script: &Script, stack: Stack<'_>, beginning: Beginning<'_>) -> Seen {
    let mut resources = Box::new(Resources::<2, 8192>::new());
    let mut config = Config::default();
    config.request_timeout = duration(script.options.request_timeout);
    config.resource_timeout = duration(script.options.resource_timeout);
    let session = Session::new(stack, &mut resources, config);
    let fields = script.checked_fields();
    let (request, body) = (script.request(&fields), script.body.bytes());
    if script.connections.first().is_some_and(|origin| origin.is_reused) {
        warm_up(&session, request.url()).await;
    }
    beginning.begin();

    let mut block = ControlBlock::new();
    SAID.take();
    block.watch(|output| SAID.with_borrow_mut(|said| said.push(output)));
    let (mut seat, control) = block.split();
    let (mut content, mut head) = (vec![0; CONTENT], vec![0; HEAD]);
    let mut index = vec![Slot::EMPTY; FIELDS];
    let start = now();
    let rest = before(control, &script.commands, start).await;
    let task = session
        .data_task(&request)
        .body(&body)
        .head(&mut head, &mut index)
        .control(&mut seat)
        .receive(&mut content);
    let (result, length) = match select(task, during(control, rest, start)).await {
        Either::First(Ok(response)) => (Ok(()), response.content().len()),
        Either::First(Err(failure)) => (Err(failure.error), failure.received),
        Either::Second(()) => panic!("commands do not end a task"),
    };
    content.truncate(length);
    let counts = control.counts();
    let response = ResponseHead::new(&head, &index);
    Seen {
        said: SAID.take(),
        result,
        head: (response.status() != 0).then(|| Told::response(&response)),
        content,
        counts,
        ended: now() - start,
    }
}

fn duration(micros: u64) -> Duration {
    // embassy rounds up, and overflows at the very end.
    match micros <= u64::MAX / 2 {
        true => Duration::from_micros(micros),
        false => Duration::MAX,
    }
}

/// Leaves an idle connection to the origin of `url` in the session.
async fn warm_up<const N: usize>(session: &Session<'_, N>, url: Url<'_>) {
    let request = Request::new("GET", url, &[], BodyLength::None).expect("a plain request");
    let answer = session.data(&request, &[], &mut []).await;
    assert_eq!(answer.map(|answer| answer.status()), Ok(200));
}

/// Gives the commands up to the one that lets the task run. Returns the others.
async fn before<'c>(
    control: TaskControl<'_>,
    commands: &'c [Command],
    start: u64,
) -> &'c [Command] {
    for (place, command) in commands.iter().enumerate() {
        match command.when {
            When::At(at) => wait_until(start + at).await,
            When::Received(count) => assert_eq!(count, 0, "the task does not run yet"),
        }
        match command.what {
            What::Suspend => control.suspend().expect("few suspends"),
            What::Cancel => control.cancel(),
            // A task is resumed by being awaited: the first of these is not needed.
            What::Resume => {}
        }
        if command.what != What::Suspend {
            return commands.get(place + 1..).unwrap_or_default();
        }
    }
    &[]
}

/// Gives the commands, each when it is due. Never ends.
async fn during(control: TaskControl<'_>, commands: &[Command], start: u64) {
    for command in commands {
        match command.when {
            When::At(at) => wait_until(start + at).await,
            // Polled with the task, after it.
            When::Received(count) => {
                poll_fn(|_| match control.counts().received >= count {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                })
                .await;
            }
        }
        match command.what {
            What::Resume => control.resume(),
            What::Suspend => control.suspend().expect("few suspends"),
            What::Cancel => control.cancel(),
        }
    }
    pending().await
}

async fn wait_until(micros: u64) {
    Timer::at(Instant::from_micros(micros)).await;
}

/// What became of the connections: those that were there, and those that could not be had.
fn connections(script: &Script, said: &[Output], requests: &[Vec<u8>]) -> Vec<Connection> {
    let url = Url::parse(&script.url).expect("a valid URL");
    let mut connections: Vec<Connection> = Vec::new();
    let mut is_connecting = false;
    for output in said {
        match *output {
            Output::Connect(_) => is_connecting = true,
            // It is there, or it was refused; otherwise the attempt was given up.
            Output::Prepare | Output::Complete(Err(Error::Transport(_))) if is_connecting => {
                let request = requests.get(connections.len()).cloned();
                connections.push(Connection {
                    to: destination(url),
                    request: request.unwrap_or_default(),
                    released: Released::NotOpened,
                });
                is_connecting = false;
            }
            Output::Close(reason) => released(&mut connections, Released::Close(reason)),
            Output::Reuse => released(&mut connections, Released::Reuse),
            Output::Upgraded => released(&mut connections, Released::Upgraded),
            Output::Prepare
            | Output::Exchange
            | Output::Inspect
            | Output::Finish
            | Output::Wait
            | Output::Event(_)
            | Output::Complete(_) => {}
        }
    }
    connections
}

fn released(connections: &mut [Connection], how: Released) {
    connections.last_mut().expect("a connection").released = how;
}
