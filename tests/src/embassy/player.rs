//! Scripts, played on `sortie-embassy`.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::task::Poll;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_time::{Duration, Instant, Timer};
use embedded_io_async::Read;
use sortie_core::{
    Answer, BodyLength, ByteCounts, Error, Event, Output, Request, ResponseHead, ResumeData, Slot,
    TaskKind, Url, Wish, limits,
};
use sortie_embassy::{
    Alone, Config, ControlBlock, DataTask, Failure, Resources, Seat, Session, TaskControl, Under,
};

use super::executor::now;
use super::memory::{Heap, Pieces};
use super::{Beginning, Cable, run, run_at};
use crate::script::{Body, Command, Part, Reply, Say, Script, Step, What, When};
use crate::trace::{Connection, Counts, Released, Told, Trace, destination};

thread_local! {
    /// What the task said, in a row.
    static SAID: RefCell<Vec<Output>> = const { RefCell::new(Vec::new()) };

    /// The URLs that it was redirected to, in a row.
    static HOPS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The buffers of a task here.
pub(super) const CONTENT: usize = 1 << 20;
const HEAD: usize = 128 * 1024;
const FIELDS: usize = 320;

/// What the client saw.
pub(super) struct Seen {
    said: Vec<Output>,
    hops: Vec<String>,
    result: Result<(), Error>,
    head: Option<Told>,
    content: Vec<u8>,
    counts: ByteCounts,
    ended: u64,
}

/// How the content of a response is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Into one buffer.
    Whole,
    /// By a sink, which takes so many bytes at a time.
    Sink(usize),
    /// Read as it comes, so many bytes at a time.
    Read(usize),
}

impl Way {
    /// The one that a task of the script's kind takes. A download that goes on is taken whole: a
    /// sink would not know where to begin where the server does not go on.
    #[must_use]
    pub fn of(script: &Script) -> Self {
        match script.options.kind {
            TaskKind::Download if script.resume.is_none() => Self::Sink(usize::MAX),
            TaskKind::Data
            | TaskKind::Download
            | TaskKind::Upload
            | TaskKind::Stream
            | TaskKind::WebSocket => Self::Whole,
        }
    }
}

/// Whether the body comes from a reader: where it may, and never has to be had again.
pub(super) fn is_read(script: &Script) -> bool {
    let once = match script.connections.as_slice() {
        [only] => !only.is_reused && !only.steps.contains(&Step::Next),
        _ => false,
    };
    let is_in_pieces = matches!(script.body, Body::Pieces(_));
    script.body != Body::None && (!script.options.body_is_replayable || is_in_pieces && once)
}

/// Plays `script` to its end, with the content taken as its kind has it. Times are those of a
/// network: a trace to compare is [`timeless`](Trace::timeless).
///
/// # Panics
/// If nothing can happen any more.
#[must_use]
pub fn play(script: &Script, cable: Cable) -> Trace {
    play_by(Way::of(script), script, cable)
}

/// As [`play`], with the content taken in a certain way.
///
/// # Panics
/// If nothing can happen any more.
#[must_use]
pub fn play_by(way: Way, script: &Script, cable: Cable) -> Trace {
    let run = run(cable, &script.connections, async |stack, beginning| {
        client(script, way, stack, beginning, false).await
    });
    trace(script, run.output, &run.requests)
}

/// As [`play`], with the origins at these ports.
///
/// # Panics
/// If nothing can happen any more.
#[must_use]
pub fn play_on(ports: &[u16], script: &Script, cable: Cable) -> Trace {
    let run = run_at(ports, cable, &script.connections, async |stack, beginning| {
        client(script, Way::of(script), stack, beginning, false).await
    });
    trace(script, run.output, &run.requests)
}

/// As [`play`], and with one request more in the same session, when the origins have done all that
/// they do by themselves. Returns whether that went over the first connection, too.
///
/// # Panics
/// If nothing can happen any more, or if the second request gets another answer than its own.
#[must_use]
pub fn play_and_probe(script: &Script, cable: Cable) -> (Trace, bool) {
    let answers = [Step::Expect(Part::Request), Step::Send(ANSWER.into())];
    let mut probed = script.clone().origin(answers.clone());
    let first = &mut probed.connections[0];
    if !first.steps.iter().any(|step| matches!(step, Step::Close | Step::Reset)) {
        first.steps.push(Step::Next);
        first.steps.extend(answers);
    }
    let run = run(cable, &probed.connections, async |stack, beginning| {
        client(script, Way::of(script), stack, beginning, true).await
    });
    let mut requests = run.requests;
    let probe = requests[0].windows(PROBE_LINE.len()).position(|bytes| bytes == PROBE_LINE);
    let end = probe.unwrap_or(requests[0].len());
    let first = requests[0].split_off(end);
    assert_ne!(first.is_empty(), requests.len() == 1, "it was asked once");
    (trace(script, run.output, &requests[..1]), probe.is_some())
}

/// What is asked behind a script, and what is answered.
const PROBE: &str = "http://192.0.2.1/probe";
const PROBE_LINE: &[u8] = b"GET /probe HTTP/1.1\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub(super) fn trace(script: &Script, seen: Seen, requests: &[Vec<u8>]) -> Trace {
    let Seen { said, hops, result, head, content, counts, ended } = seen;
    let connections = connections(script, &said, &hops, requests);
    let (mut events, mut hops) = (Vec::new(), hops.into_iter());
    for output in said {
        match output {
            Output::Event(Event::InformationalResponse { status }) => {
                events.push(Told::Informational(status));
            }
            Output::Event(Event::BodyRestarted) => events.push(Told::BodyRestarted),
            Output::Event(Event::Redirected { status }) => {
                let to = hops.next().expect("the URL of a redirect");
                events.push(Told::Redirected { status, to });
            }
            Output::Event(Event::Resumed) => {
                let offset = script.resume.as_ref().map_or(0, |stored| stored.received);
                events.push(Told::Resumed { offset, total: counts.expected_to_receive });
            }
            Output::Event(Event::Question(question, _)) => events.push(Told::Asked(question)),
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

async fn client(
    script: &Script,
    way: Way,
    stack: Stack<'_>,
    beginning: Beginning<'_>,
    probes: bool,
) -> Seen {
    let mut resources = Box::new(Resources::<4, 8192>::new());
    let session = Session::new(stack, &mut resources, config(script));
    let fields = script.checked_fields();
    let (request, body) = (script.request(&fields), script.body.bytes());
    if script.connections.first().is_some_and(|origin| origin.is_reused) {
        warm_up(&session, request.url()).await;
    }
    beginning.begin();

    let mut block = watched();
    let (mut seat, control) = block.split();
    let (start, mut lent, mut content) = (now(), Lent::new(), Vec::new());
    let rest = before(control, &script.commands, start).await;
    let resume = script.resume_data();
    let made = match script.options.kind {
        TaskKind::Download => session.download_task(&request).body(&body),
        TaskKind::Upload => session.upload_task(&request, &body),
        TaskKind::Data | TaskKind::Stream | TaskKind::WebSocket => {
            session.data_task(&request).body(&body)
        }
    };
    let task = dressed(made, script, start, resume.as_ref(), &mut lent, &mut seat);
    let task = taken(task, way, is_read(script).then(|| reader(&script.body)), &mut content);
    let result = select(task, user(control, script, rest, start)).await;
    let seen = lent.seen(control, start, result, content);
    if probes {
        probe(&session, beginning).await;
    }
    seen
}

/// What is lent to a task.
pub(super) struct Lent {
    head: Vec<u8>,
    index: Vec<Slot>,
    target: Vec<u8>,
}

impl Lent {
    pub(super) fn new() -> Self {
        let index = vec![Slot::EMPTY; FIELDS];
        Self { head: vec![0; HEAD], index, target: vec![0; 2 * limits::URL_BYTES] }
    }

    /// What the client saw of its task, which began at `start` and has just ended.
    pub(super) fn seen(
        self,
        control: TaskControl<'_>,
        start: u64,
        result: Either<Result<(), Error>, Infallible>,
        content: Vec<u8>,
    ) -> Seen {
        let Either::First(result) = result;
        let response = ResponseHead::new(&self.head, &self.index);
        Seen {
            said: SAID.take(),
            hops: HOPS.take(),
            result,
            head: (response.status() != 0).then(|| Told::response(&response)),
            content,
            counts: control.counts(),
            ended: now() - start,
        }
    }
}

/// A block that writes down what its task says.
pub(super) fn watched() -> ControlBlock {
    let block = ControlBlock::new();
    SAID.take();
    HOPS.take();
    block.watch(|output| SAID.with_borrow_mut(|said| said.push(output)));
    block.watch_redirects(|url| HOPS.with_borrow_mut(|hops| hops.push(url.into())));
    block
}

/// A task as the script has it, from `start` on.
pub(super) fn dressed<'r, 'd, 'a, 'c, W>(
    made: DataTask<'r, 'd, 'a, Alone, W>,
    script: &Script,
    start: u64,
    resume: Option<&'r ResumeData<'r>>,
    lent: &'a mut Lent,
    seat: &'c mut Seat<'_>,
) -> DataTask<'r, 'd, 'a, Under<'c>, W> {
    let options = script.options;
    let mut task = made
        .head(&mut lent.head, &mut lent.index)
        .target(&mut lent.target)
        .redirects(options.redirects)
        .earliest_begin(Instant::from_micros(start + options.earliest_begin.as_micros()));
    if options.requires_success {
        task = task.require_success();
    }
    if let Some(resume) = resume {
        task = task.resume_from(resume);
    }
    task.control(seat).asks(options.asks)
}

/// Does what the user does beside a task that began at `start`: gives the commands that are left,
/// and answers the questions. Never ends.
pub(super) async fn user(
    control: TaskControl<'_>,
    script: &Script,
    rest: &[Command],
    start: u64,
) -> Infallible {
    join(during(control, rest, start), answers(control, &script.replies)).await.0
}

pub(super) fn config(script: &Script) -> Config {
    let mut config = Config::default();
    config.request_timeout = duration(script.options.request_timeout);
    config.resource_timeout = duration(script.options.resource_timeout);
    config
}

/// Asks once more in the same session, when all that the far end sends has arrived.
async fn probe<const N: usize>(session: &Session<'_, N>, beginning: Beginning<'_>) {
    while !beginning.is_quiet() {
        Timer::after_micros(100).await;
    }
    Timer::after_micros(1000).await;
    let url = Url::parse(PROBE).expect("a URL");
    let request = Request::new("GET", url, &[], BodyLength::None).expect("a plain request");
    let mut room = [0; 16];
    let answer = session.data(&request, &[], &mut room).await.expect("an answer of its own");
    assert_eq!(answer.content(), b"ok", "another response than that to the request");
}

/// Runs a task, and puts its content into `content`.
async fn taken(
    task: DataTask<'_, '_, '_, Under<'_>>,
    way: Way,
    reader: Option<Pieces>,
    content: &mut Vec<u8>,
) -> Result<(), Error> {
    if let Some(mut reader) = reader {
        let mut room = vec![0; CONTENT];
        let came = task.from_reader(&mut reader, &mut [0; 256]).receive(&mut room).await;
        let came = came.map(|response| response.content().len());
        return whole(came, room, content);
    }
    match way {
        Way::Whole => {
            let mut room = vec![0; CONTENT];
            let came = task.receive(&mut room).await;
            let came = came.map(|response| response.content().len());
            whole(came, room, content)
        }
        Way::Sink(most) => {
            let mut sink = Heap { most, ..Heap::default() };
            let came = task.to(&mut sink).await;
            *content = sink.bytes;
            let received = match &came {
                Ok(done) => done.received(),
                Err(failed) => failed.failure.received,
            };
            assert_eq!(received, content.len() as u64);
            came.map(drop).map_err(|failed| failed.failure.error)
        }
        Way::Read(most) => {
            let mut body = task.open().await.map_err(|failure| failure.error)?;
            let mut piece = vec![0; most];
            loop {
                match body.read(&mut piece).await {
                    Ok(0) => return Ok(()),
                    Ok(count) => content.extend(&piece[..count]),
                    Err(failure) => {
                        assert_eq!(failure.received, content.len() as u64);
                        return Err(failure.error);
                    }
                }
            }
        }
    }
}

/// Puts what came of the content at the front of `room` into `content`.
pub(super) fn whole(
    came: Result<usize, Failure>,
    mut room: Vec<u8>,
    content: &mut Vec<u8>,
) -> Result<(), Error> {
    room.truncate(came.unwrap_or_else(|failure| length(failure.received)));
    *content = room;
    came.map(drop).map_err(|failure| failure.error)
}

/// A reader of a body, in its pieces.
fn reader(body: &Body) -> Pieces {
    match body {
        Body::None => Pieces::new([]),
        Body::Bytes(bytes) => Pieces::new(bytes.chunks(100).map(<[u8]>::to_vec)),
        Body::Pieces(pieces) => Pieces::new(pieces.iter().cloned()),
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).expect("it was in a buffer")
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
pub(super) async fn before<'c>(
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
async fn during(control: TaskControl<'_>, commands: &[Command], start: u64) -> Infallible {
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

/// Answers the questions, each when it is due. Never ends.
async fn answers(control: TaskControl<'_>, replies: &[Reply]) -> Infallible {
    for reply in replies {
        let (_, token) = control.question().await;
        wait_until(now() + reply.after).await;
        if control.pending_question().is_none() {
            // The task ended meanwhile.
            break;
        }
        let answer = match &reply.say {
            Say::Follow => Answer::Follow,
            Say::Refuse => Answer::Refuse,
            Say::Allow => Answer::Allow,
            Say::BecomeDownload => Answer::BecomeDownload,
            Say::Cancel => Answer::Cancel,
            Say::Body => Answer::Body,
            Say::NoBody => Answer::NoBody,
            Say::FollowWith(_) => panic!("such a script is not played here"),
        };
        control.answer(token, answer).expect("an answer to this question");
    }
    pending().await
}

async fn wait_until(micros: u64) {
    Timer::at(Instant::from_micros(micros)).await;
}

/// What became of the connections: those that were there, and those that could not be had.
fn connections(
    script: &Script,
    said: &[Output],
    hops: &[String],
    requests: &[Vec<u8>],
) -> Vec<Connection> {
    let at = |url: &str| destination(Url::parse(url).expect("a valid URL"));
    let (mut to, mut hops) = (at(&script.url), hops.iter());
    let mut connections: Vec<Connection> = Vec::new();
    // The place of the current one, and the wish for one.
    let (mut current, mut wish) = (0, None);
    for output in said {
        match *output {
            Output::Connect(wished) => wish = Some(wished),
            // It is there, or it was refused; otherwise the attempt was given up.
            Output::Prepare | Output::Complete(Err(Error::Transport(_))) if wish.is_some() => {
                let kept = |one: &Connection| one.to == to && one.released == Released::Reuse;
                let kept = connections.iter().position(kept);
                let kept = kept.filter(|_| wish == Some(Wish::Any));
                wish = None;
                current = kept.unwrap_or(connections.len());
                if kept.is_none() {
                    let request = requests.get(current).cloned().unwrap_or_default();
                    let released = Released::NotOpened;
                    connections.push(Connection { to: to.clone(), request, released });
                }
            }
            Output::Event(Event::Redirected { .. }) => {
                to = at(hops.next().expect("the URL of a redirect"));
            }
            Output::Close(reason) => connections[current].released = Released::Close(reason),
            Output::Reuse => connections[current].released = Released::Reuse,
            Output::Upgraded => connections[current].released = Released::Upgraded,
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
