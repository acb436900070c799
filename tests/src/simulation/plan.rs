//! What a seed stands for: a session, tasks, what their user does, and what each origin answers.

use sortie_core::{Asks, BodyLength, Instant, RedirectPolicy, TaskKind, TaskOptions};

use super::random::Random;

pub(super) const MILLI: u64 = 1000;
pub(super) const SECOND: u64 = 1_000_000;

/// Bytes of the head of an answer, nearly.
const HEAD: u64 = 100;

/// The origins that there are. Two of them differ in the port only, two in the scheme only.
pub(super) const ORIGINS: [&str; 4] =
    ["http://a.test", "http://a.test:8080", "https://a.test:443", "http://b.test"];

/// What happens in one run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) per_host: u16,
    pub(super) connections: u16,
    pub(super) idle_timeout: u64,
    /// The longest way of a byte, in microseconds.
    pub(super) latency: u64,
    /// Bytes that may be under way to an origin.
    pub(super) window: usize,
    /// Reads and writes are cut short.
    pub(super) cuts: bool,
    pub(super) tasks: Vec<TaskPlan>,
}

/// A task, and what becomes of it.
#[derive(Debug)]
pub(super) struct TaskPlan {
    pub(super) method: &'static str,
    pub(super) body: BodyLength,
    /// Bytes of the body.
    pub(super) upload: u64,
    /// The most that the source of a body of unknown length has at hand at once.
    pub(super) piece: u64,
    /// The longest time that it takes for the next piece.
    pub(super) source_pause: u64,
    /// The source ends so many bytes before the length that was promised.
    pub(super) lacks: u64,
    pub(super) expects: bool,
    pub(super) says_close: bool,
    pub(super) has_credentials: bool,
    pub(super) options: TaskOptions,
    /// Bytes stored of an earlier download.
    pub(super) stored: Option<u64>,
    pub(super) priority: u16,
    pub(super) hint: Option<u64>,
    /// Who awaits it has it alone: it is cancelled with them.
    pub(super) is_alone: bool,
    /// Storing fails at the end.
    pub(super) sink_fails: bool,
    pub(super) hops: Vec<Hop>,
    pub(super) commands: Vec<(u64, Command)>,
    /// The longest time that the user thinks about a question.
    pub(super) ponders: u64,
    /// How often in a hundred the user gives the first answer there is.
    pub(super) agrees: u64,
    /// How often in a hundred a redirect that is followed is followed with another request.
    pub(super) edits: u64,
}

/// Where a hop leads, and what is answered there: to the first request, to the next one…
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) origin: usize,
    pub(super) replies: Vec<Reply>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Resume,
    Suspend,
    Cancel,
    Priority(u16),
    /// So long after the command.
    EarliestBegin(u64),
    /// The session uses no connection again that it has by now.
    Flush,
    /// Somebody begins to await it.
    Await,
    /// Nobody holds it any more; or, where it can be awaited, who began last to await it stops.
    Drop,
}

/// When an origin answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Head,
    /// After so many bytes of the body.
    Body(u64),
    Request,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    Length,
    Chunked,
    Close,
    /// Chunked, with a chunk size that is none behind so many bytes of content.
    Broken(u64),
}

/// What an origin makes of a range that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Honored,
    Ignored,
    /// It begins a byte early.
    Shifted,
    /// It ends before the end.
    Short,
}

/// How an answer ends. Places are counted in bytes of everything that the origin sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// Whole, and the connection is closed at once, though the head says nothing of it.
    WholeAndClose,
    CloseAt(u64),
    ResetAt(u64),
    SilentFrom(u64),
}

/// What an origin does with one request.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) interims: Vec<u16>,
    /// After which time it says that a body may come, if it does.
    pub(super) goes_on: Option<u64>,
    pub(super) when: When,
    pub(super) thinks: u64,
    pub(super) status: u16,
    pub(super) frame: Frame,
    pub(super) length: u64,
    pub(super) is_http10: bool,
    pub(super) says_close: bool,
    pub(super) says_keep_alive: bool,
    /// Another answer that nobody asked for comes behind this one.
    pub(super) has_excess: bool,
    pub(super) range: Range,
    /// At which places it stops, and for how long.
    pub(super) stalls: Vec<(u64, u64)>,
    pub(super) end: End,
    /// It takes no more than so many bytes of the request.
    pub(super) takes: Option<u64>,
    /// It resets the connection when it has so many bytes of the request.
    pub(super) kills_at: Option<u64>,
    /// How long it keeps the connection afterwards.
    pub(super) keeps: u64,
    /// How long it takes to close one of which it has said that it will.
    pub(super) lingers: u64,
    /// The connection, if a new one is opened for this request, is refused.
    pub(super) refuses: bool,
}

/// How bad a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// Nothing goes wrong.
    Calm,
    /// Some answers are broken.
    Mixed,
    /// Most are.
    Storm,
}

impl Plan {
    pub(super) fn new(random: &mut Random) -> Self {
        let weather = random.pick(&[Weather::Calm, Weather::Mixed, Weather::Mixed, Weather::Storm]);
        let count = 1 + random.length(15) as usize;
        let homes = 1 + random.length(3) as usize;
        let spread = random.pick(&[0, 10 * MILLI, SECOND, 30 * SECOND]);
        let latency = random.pick(&[0, 1, 500, 20 * MILLI, 300 * MILLI]);
        Self {
            per_host: random.pick(&[1, 1, 2, 3, 6]),
            connections: random.pick(&[1, 2, 3, 8, 256]),
            idle_timeout: random.pick(&[1, 100 * MILLI, 60 * SECOND, 60 * SECOND, 60 * SECOND]),
            latency,
            window: random.pick(&[3, 64, 1000, 1000, 64 * 1024]),
            cuts: random.percent(50),
            tasks: (0..count).map(|_| TaskPlan::new(random, weather, spread, homes)).collect(),
        }
    }

    /// The same without what is seen only while it happens: questions, and content that goes on.
    pub(super) fn without_witness(&mut self) {
        for task in &mut self.tasks {
            task.options.asks = Asks::default();
            task.options.is_resuming = false;
            task.options.kind = TaskKind::Data;
            (task.stored, task.sink_fails) = (None, false);
            // What was read from a reader is gone.
            task.options.body_is_replayable &= !task.is_read();
        }
    }
}

impl TaskPlan {
    /// Whether the body comes from a reader, where that makes a difference.
    pub(super) fn is_read(&self) -> bool {
        match self.body {
            BodyLength::None => false,
            BodyLength::Known(length) => self.lacks > 0 || length % 2 == 1,
            BodyLength::Unknown => true,
        }
    }

    fn new(random: &mut Random, weather: Weather, spread: u64, homes: usize) -> Self {
        let method =
            random.pick(&["GET", "GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE"]);
        let body = match method {
            "POST" | "PUT" => match random.below(6) {
                0 => BodyLength::None,
                1 => BodyLength::Known(0),
                2 | 3 => BodyLength::Known(random.length(3000)),
                _ => BodyLength::Unknown,
            },
            _ => BodyLength::None,
        };
        let upload = match body {
            BodyLength::None => 0,
            BodyLength::Known(length) => length,
            BodyLength::Unknown => random.length(3000),
        };
        let has_body = !matches!(body, BodyLength::None | BodyLength::Known(0));
        let is_download = method == "GET" && random.percent(40);
        let is_rough = weather != Weather::Calm;
        let mut hops = hops(random, weather, homes);
        let stored = (is_download && random.percent(50)).then(|| {
            let whole = hops.last().and_then(|hop| hop.replies.first()).map_or(0, |r| r.length);
            if random.percent(15) { whole } else { random.length(whole.max(1)) }
        });
        let last = hops.last_mut().and_then(|hop| hop.replies.first_mut());
        if let Some(last) = last.filter(|_| stored.is_some() && is_rough && random.percent(20)) {
            last.range = random.pick(&[Range::Shifted, Range::Short]);
        }
        Self {
            method,
            body,
            upload,
            piece: random.pick(&[3, 100, 1000, 5000]),
            source_pause: random.pick(&[0, 0, 50 * MILLI, SECOND]),
            lacks: if is_rough && matches!(body, BodyLength::Known(1..)) && random.percent(3) {
                1
            } else {
                0
            },
            expects: random.percent(if has_body { 30 } else { 3 }),
            says_close: random.percent(8),
            has_credentials: random.percent(40),
            options: options(random, weather, is_download, stored.is_some()),
            stored,
            priority: random.pick(&[0, 250, 500, 500, 750, 1000]),
            hint: random.percent(30).then(|| random.length(1 << 30)),
            is_alone: random.percent(10),
            sink_fails: is_rough && random.percent(2),
            hops,
            commands: commands(random, is_rough, spread),
            ponders: random.pick(&[0, 100 * MILLI, 20 * SECOND, 90 * SECOND]),
            agrees: random.pick(&[100, 100, 60]),
            edits: random.pick(&[0, 0, 50]),
        }
    }
}

fn options(
    random: &mut Random,
    weather: Weather,
    is_download: bool,
    is_resuming: bool,
) -> TaskOptions {
    let is_rough = weather != Weather::Calm;
    let follow = |most, allows_downgrade| RedirectPolicy::Follow { most, allows_downgrade };
    let [request_timeout, resource_timeout] = match is_rough {
        true => [
            random.pick(&[300 * MILLI, 5 * SECOND, 60 * SECOND]),
            random.pick(&[SECOND, 20 * SECOND, 500 * SECOND, 7 * 24 * 3600 * SECOND]),
        ],
        false => [3600 * SECOND, 7 * 24 * 3600 * SECOND],
    };
    TaskOptions {
        kind: if is_download { TaskKind::Download } else { TaskKind::Data },
        request_timeout,
        resource_timeout,
        body_is_replayable: random.percent(70),
        redirects: match random.below(10) {
            0 => RedirectPolicy::Deliver,
            1 => follow(random.length(3) as u8, true),
            2..=5 => follow(20, false),
            _ => follow(20, true),
        },
        asks: Asks {
            redirect: random.percent(25),
            disposition: random.percent(20),
            new_body: random.percent(40),
        },
        requires_success: random.percent(10),
        measures_heads: false,
        is_resuming,
        earliest_begin: Instant::from_micros(if random.percent(15) {
            random.below(5 * SECOND)
        } else {
            0
        }),
    }
}

fn commands(random: &mut Random, is_rough: bool, spread: u64) -> Vec<(u64, Command)> {
    let mut at = random.below(spread + 1);
    let mut commands = vec![(at, Command::Resume)];
    if random.percent(60) {
        commands.push((random.below(at + 2), Command::Await));
    }
    let mut suspends: u64 = 0;
    let count = if random.percent(60) { 0 } else { random.length(8) };
    let gap = random.pick(&[10, 5 * MILLI, SECOND, 40 * SECOND]);
    for _ in 0..count {
        at += random.below(gap);
        let command = match random.below(16) {
            0..=3 => Command::Suspend,
            4..=6 => Command::Resume,
            7 => Command::Priority(random.below(1001) as u16),
            8 => Command::EarliestBegin(random.below(SECOND)),
            9 | 10 => Command::Drop,
            11..=13 => Command::Await,
            14 => Command::Flush,
            _ if is_rough && random.percent(50) => Command::Cancel,
            _ => Command::Suspend,
        };
        match command {
            Command::Suspend => suspends += 1,
            Command::Resume => suspends = suspends.saturating_sub(1),
            Command::Cancel
            | Command::Priority(_)
            | Command::EarliestBegin(_)
            | Command::Flush
            | Command::Await
            | Command::Drop => {}
        }
        commands.push((at, command));
    }
    // Nearly always it is resumed in the end; else only its resource timer can end it.
    if !is_rough || random.percent(95) {
        for _ in 0..suspends {
            at += random.below(gap);
            commands.push((at, Command::Resume));
        }
    }
    commands
}

fn hops(random: &mut Random, weather: Weather, homes: usize) -> Vec<Hop> {
    let redirects = match random.below(100) {
        0..70 => 0,
        70..88 => 1,
        88..98 => 1 + random.below(4) as usize,
        _ => 18 + random.below(5) as usize,
    };
    let home = random.index(homes);
    let roams = random.percent(60);
    (0..=redirects)
        .map(|hop| {
            let is_last = hop == redirects;
            let origin = if hop > 0 && roams { random.index(ORIGINS.len()) } else { home };
            let mut replies = vec![reply(random, weather, is_last)];
            // A request that is made again meets an origin that has recovered, or has not.
            for _ in 0..2 {
                let milder = if random.percent(70) { Weather::Calm } else { weather };
                let mut next = reply(random, milder, is_last);
                (next.status, next.length) = (replies[0].status, replies[0].length);
                replies.push(next);
            }
            Hop { origin, replies }
        })
        .collect()
}

fn reply(random: &mut Random, weather: Weather, is_last: bool) -> Reply {
    let chance = match weather {
        Weather::Calm => 0,
        Weather::Mixed => 6,
        Weather::Storm => 30,
    };
    let status = match is_last {
        true => random.pick(&[200, 200, 200, 200, 200, 201, 204, 300, 304, 404, 413, 500, 999]),
        false => random.pick(&[301, 302, 303, 307, 308]),
    };
    let most = random.pick(&[100, 100, 1000, 1000, 1000, 3000, 3000, 20_000]);
    let length = random.length(if is_last { most } else { most.min(20_000) });
    let mut reply = Reply {
        interims: (0..random.length(3)).map(|_| random.pick(&[100, 102, 103])).collect(),
        goes_on: random.percent(70).then(|| random.below(1500 * MILLI)),
        when: match random.below(8) {
            0 => When::Head,
            1 => When::Body(random.length(4000)),
            _ => When::Request,
        },
        thinks: random.pick(&[0, 0, MILLI, 200 * MILLI]),
        status,
        frame: match random.below(8) {
            0..=3 => Frame::Length,
            4..=6 => Frame::Chunked,
            _ => Frame::Close,
        },
        length,
        is_http10: random.percent(6),
        says_close: random.percent(8),
        says_keep_alive: random.percent(20),
        has_excess: random.percent(chance / 4),
        range: random.pick(&[Range::Honored, Range::Honored, Range::Ignored]),
        stalls: Vec::new(),
        end: if random.percent(5) { End::WholeAndClose } else { End::Whole },
        takes: None,
        kills_at: None,
        keeps: random.pick(&[0, 50, 20 * MILLI, SECOND, 100 * SECOND, u64::MAX]),
        lingers: random.pick(&[0, 0, MILLI, SECOND]),
        refuses: random.percent(chance / 4),
    };
    if random.percent(chance) {
        worsen(random, &mut reply);
    }
    reply
}

fn worsen(random: &mut Random, reply: &mut Reply) {
    // Before the first byte, within a head, or within what follows, of which there is some then.
    let place = match random.below(4) {
        0 => 0,
        1 => random.length(HEAD),
        _ => {
            reply.length = reply.length.max(50);
            HEAD + random.below(reply.length)
        }
    };
    match random.below(13) {
        0..=2 => reply.end = End::CloseAt(place),
        3..=5 => reply.end = End::ResetAt(place),
        6 => reply.end = End::SilentFrom(place),
        7 => {
            for _ in 0..1 + random.length(3) {
                let place = random.length(reply.length + 250);
                reply.stalls.push((place, random.length(80 * SECOND)));
            }
        }
        8 => reply.takes = Some(random.length(4000)),
        9 => reply.kills_at = Some(1 + random.length(1000)),
        10 => reply.frame = Frame::Broken(random.below(reply.length + 1)),
        11 => reply.thinks = random.length(80 * SECOND),
        _ => reply.range = random.pick(&[Range::Shifted, Range::Short]),
    }
}
