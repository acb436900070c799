//! What is known about each exchange and each task: by the network and the origins, not by the
//! client. Against it everything is held that a task says.

use sortie_core::{ByteCounts, Question, RedirectPolicy};

use super::incoming::Incoming;
use super::plan::{End, ORIGINS, Plan, Reply, TaskPlan};
use super::random::{Side, byte_of};

/// One request on one connection.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) task: usize,
    pub(super) hop: usize,
    pub(super) link: usize,
    /// The how many-th of its hop.
    pub(super) attempt: usize,
    pub(super) is_reused: bool,
    pub(super) becomes_get: bool,
    pub(super) is_elsewhere: bool,
    pub(super) is_edited: bool,
    pub(super) asks_range: bool,
    /// What was written.
    pub(super) tap: Incoming,
    /// When the head was wholly written.
    pub(super) head_written: Option<u64>,
    /// Bytes that the origin took.
    pub(super) seen: u64,
    /// It took all of it.
    pub(super) is_request_seen: bool,
    /// Bytes that the origin sends, interim responses included.
    pub(super) sent: u64,
    /// Bytes that the client read.
    pub(super) read: u64,
    /// Behind so many bytes of what is sent, the body has leave to come.
    pub(super) continues_at: Option<u64>,
    pub(super) answer: Option<Answer>,
    /// When its head was wholly read.
    pub(super) answered: Option<u64>,
}

/// A final response.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Where its content begins in the whole.
    pub(super) start: u64,
    /// Where it ends there, as the head says.
    pub(super) stop: u64,
    /// Bytes of content.
    pub(super) content: u64,
    /// Bytes of all of what it is a part of.
    pub(super) whole: u64,
    /// Where its head ends, in bytes of everything that is sent in the exchange.
    pub(super) head: u64,
    /// Bytes of the message.
    pub(super) length: u64,
    /// What the head says of the length.
    pub(super) announced: Option<u64>,
    pub(super) is_bodiless: bool,
    pub(super) is_close_delimited: bool,
    /// It is malformed behind so much content.
    pub(super) broken_behind: Option<u64>,
    /// The head says that the connection does not persist.
    pub(super) closes: bool,
    pub(super) has_excess: bool,
    pub(super) end: End,
}

/// What is known of a task.
#[derive(Debug)]
pub(super) struct Watch {
    /// How many calls of `resume` it takes to run.
    pub(super) suspends: u64,
    pub(super) is_canceled: bool,
    pub(super) result: Option<Result<(), sortie_core::Error>>,
    /// When it was resumed first, and last.
    pub(super) started: Option<u64>,
    pub(super) resumed: u64,
    /// Since when it is idle; not while nothing is expected to move.
    pub(super) active: Option<u64>,
    pub(super) earliest: u64,
    /// It has asked for a connection, or could have.
    pub(super) has_begun: bool,
    /// Everything is received.
    pub(super) is_over: bool,
    pub(super) question: Option<Question>,
    pub(super) questions: usize,
    /// Since when it waits for a connection.
    pub(super) waiting: Option<u64>,
    pub(super) link: Option<usize>,
    pub(super) hop: usize,
    pub(super) becomes_get: bool,
    pub(super) is_elsewhere: bool,
    /// The request is one that the user put in the place of another; or will be, at the next hop.
    pub(super) is_edited: bool,
    pub(super) edits_next: bool,
    /// The user did not want to follow.
    pub(super) refused: bool,
    /// A range was not granted.
    pub(super) is_range_refused: bool,
    /// Attempts at each hop.
    attempts: Vec<usize>,
    /// Stale connections at this hop.
    pub(super) stale: usize,
    /// The latest exchange.
    pub(super) exchange: Option<usize>,
    /// The one whose response was told.
    pub(super) response: Option<usize>,
    /// Content of it that came, and where that began.
    pub(super) content: u64,
    pub(super) offset: u64,
    /// Attempts that were refused.
    pub(super) refusals: usize,
    pub(super) said_no_body: bool,
    /// Its body has nothing more to give before.
    pub(super) source_until: u64,
    /// The deadlines as they were when a connection was given up last.
    pub(super) last_deadlines: [Option<u64>; 2],
    pub(super) counts: ByteCounts,
}

#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) tasks: Vec<Watch>,
    /// Who got a connection at this instant, to which origin, and since when it had waited.
    pub(super) starts: Vec<(usize, usize, u64)>,
    /// Nobody tells of redirects: that one was followed is seen by what is released.
    pub(super) infers: bool,
}

impl Ledger {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            exchanges: Vec::new(),
            tasks: plan.tasks.iter().map(Watch::new).collect(),
            starts: Vec::new(),
            infers: false,
        }
    }

    /// What the origin does with the next request of `task`.
    pub(super) fn reply<'p>(&self, plan: &'p Plan, task: usize) -> &'p Reply {
        let watch = &self.tasks[task];
        let attempt = watch.attempts[watch.hop];
        let replies = &plan.tasks[task].hops[watch.hop].replies;
        &replies[attempt.min(replies.len() - 1)]
    }

    /// What it does with the request of an exchange.
    pub(super) fn reply_of(&self, plan: &Plan, exchange: usize) -> Reply {
        let Exchange { task, hop, attempt, .. } = self.exchanges[exchange];
        let replies = &plan.tasks[task].hops[hop].replies;
        replies[attempt.min(replies.len() - 1)].clone()
    }

    pub(super) fn origin(&self, plan: &Plan, task: usize) -> usize {
        plan.tasks[task].hops[self.tasks[task].hop].origin
    }

    // What the user does.

    pub(super) fn resumed(&mut self, task: usize, now: u64) {
        let watch = &mut self.tasks[task];
        let was_running = watch.suspends == 0;
        watch.suspends = watch.suspends.saturating_sub(1);
        if watch.suspends == 0 && !was_running {
            watch.started = watch.started.or(Some(now));
            watch.active = watch.active.map(|_| now);
            watch.resumed = now;
            watch.begin(now);
        }
    }

    /// The task begins no earlier than this: it may be put off until it begins, and not after.
    pub(super) fn set_earliest(&mut self, task: usize, at: u64) {
        let watch = &mut self.tasks[task];
        assert!(!watch.has_begun || watch.earliest == at, "task {task} has begun: {watch:?}");
        watch.earliest = at;
    }

    pub(super) fn suspended(&mut self, task: usize) {
        // After it the task queues anew.
        self.tasks[task].waiting = None;
        self.tasks[task].suspends += 1;
    }

    pub(super) fn asked(&mut self, task: usize, question: Question) {
        let watch = &mut self.tasks[task];
        assert_eq!(watch.question, None, "task {task} asks twice");
        watch.question = Some(question);
        watch.questions += 1;
        watch.active = None;
    }

    pub(super) fn answered(&mut self, task: usize, now: u64) {
        let watch = &mut self.tasks[task];
        let moves = watch.question.take() != Some(Question::NewBody) && watch.link.is_some();
        watch.active = moves.then_some(now);
    }

    // What the network sees.

    /// The task gets a connection, be it a new one.
    pub(super) fn started(&mut self, task: usize, origin: usize, now: u64) {
        let since = self.tasks[task].waiting.take().unwrap_or(now);
        self.starts.push((task, origin, since));
    }

    pub(super) fn connecting(&mut self, task: usize, link: usize, now: u64) {
        let watch = &mut self.tasks[task];
        assert!(watch.is_running(), "task {task} connects");
        watch.link = Some(link);
        watch.active = Some(now);
    }

    pub(super) fn refused(&mut self, task: usize) {
        let watch = &mut self.tasks[task];
        watch.refusals += 1;
        watch.attempts[watch.hop] += 1;
    }

    pub(super) fn begin(&mut self, task: usize, link: usize, now: u64, is_reused: bool) -> usize {
        let watch = &mut self.tasks[task];
        let hop = watch.hop;
        self.exchanges.push(Exchange {
            task,
            hop,
            link,
            attempt: watch.attempts[hop],
            is_reused,
            becomes_get: watch.becomes_get,
            is_elsewhere: watch.is_elsewhere,
            is_edited: watch.is_edited,
            asks_range: false,
            tap: Incoming::new(),
            head_written: None,
            seen: 0,
            is_request_seen: false,
            sent: 0,
            read: 0,
            continues_at: None,
            answer: None,
            answered: None,
        });
        let exchange = self.exchanges.len() - 1;
        watch.attempts[hop] += 1;
        watch.link = Some(link);
        watch.exchange = Some(exchange);
        watch.active = Some(now);
        (watch.content, watch.offset) = (0, 0);
        watch.counts = ByteCounts::default();
        exchange
    }

    pub(super) fn wrote(&mut self, plan: &Plan, task: usize, bytes: &[u8], now: u64) {
        let watch = &self.tasks[task];
        assert!(watch.is_running(), "task {task} writes though it does not run");
        let exchange = watch.exchange.expect("it has a connection");
        let it = &mut self.exchanges[exchange];
        let is_refused = it.answer.as_ref().is_some_and(|answer| answer.status >= 300);
        // What was read at this very instant may not be looked at yet.
        let is_known = it.answered.is_some_and(|at| at < now);
        assert!(!is_refused || !is_known, "{exchange} goes on behind an answer that refuses it");
        for byte in bytes {
            let is_first = it.tap.head > 0 && it.tap.count == it.tap.head;
            if is_first {
                let (expects, has_leave) = (plan.tasks[task].expects, it.has_leave());
                let waited =
                    watch.since_held(it).is_some_and(|at| at + super::origin::CONTINUE <= now);
                assert!(!expects || has_leave || waited, "the body of {exchange} has no leave");
            }
            it.tap.take(*byte);
            if it.tap.head > 0 {
                it.head_written = it.head_written.or(Some(now));
                it.asks_range = it.tap.value("range").is_some();
                let may_ask = plan.tasks[task].stored.is_some() && !watch.is_range_refused;
                assert_eq!(it.asks_range, may_ask, "the range of {exchange}");
            }
        }
        // The body waits since its head was written.
        self.touch(task, now);
    }

    pub(super) fn read(&mut self, task: usize, count: u64, now: u64) {
        let watch = &self.tasks[task];
        assert!(watch.is_running(), "task {task} reads though it does not run");
        let it = &mut self.exchanges[watch.exchange.expect("it has a connection")];
        it.read += count;
        if it.is_answered() {
            it.answered = it.answered.or(Some(now));
        }
        self.touch(task, now);
    }

    /// Something moved, or a source had more to be sent in a chunk of its own.
    pub(super) fn touch(&mut self, task: usize, now: u64) {
        let watch = &mut self.tasks[task];
        if watch.question.is_none() {
            watch.active = Some(now);
        }
    }

    /// The task has no connection any more.
    pub(super) fn released(&mut self, plan: &Plan, task: usize) {
        let is_final = self.is_final(plan, task);
        let is_again = |exchange: usize| {
            let it = &self.exchanges[exchange];
            let answer = it.answer.as_ref().filter(|_| it.is_answered());
            answer.is_some_and(|answer| is_again(&plan.tasks[task], it, answer))
        };
        let is_refused = self.tasks[task].exchange.is_some_and(is_again);
        let watch = &mut self.tasks[task];
        watch.last_deadlines = watch.deadlines(&plan.tasks[task]);
        watch.link = None;
        watch.active = None;
        watch.is_over = is_final;
        watch.is_range_refused |= is_refused;
        if self.infers {
            self.infer(plan, task);
        }
    }

    /// A redirect was followed, if it could be.
    fn infer(&mut self, plan: &Plan, task: usize) {
        let watch = &self.tasks[task];
        let Some(it) = watch.exchange.map(|exchange| &self.exchanges[exchange]) else {
            return;
        };
        let answer = it.answer.as_ref().filter(|_| it.is_answered() && it.hop == watch.hop);
        let (plan_of, hop) = (&plan.tasks[task], watch.hop);
        let (Some(answer), Some(next)) = (answer, plan_of.hops.get(hop + 1)) else {
            return;
        };
        let RedirectPolicy::Follow { most, allows_downgrade } = plan_of.options.redirects else {
            return;
        };
        let is_secure = |origin: usize| ORIGINS[origin].starts_with("https");
        let leads_down = is_secure(plan_of.hops[hop].origin) && !is_secure(next.origin);
        let status = answer.status;
        if hop < usize::from(most) && (allows_downgrade || !leads_down) {
            self.redirected(plan, task, status);
        }
    }

    /// Whether the answer of the latest exchange is the result, and whole as far as was read.
    fn is_final(&self, plan: &Plan, task: usize) -> bool {
        let watch = &self.tasks[task];
        let Some(it) = watch.exchange.map(|exchange| &self.exchanges[exchange]) else {
            return false;
        };
        let Some(answer) = it.answer.as_ref().filter(|answer| it.read >= answer.head) else {
            return false;
        };
        !(is_again(&plan.tasks[task], it, answer)
            || follows(&plan.tasks[task], answer.status) && !watch.refused)
    }

    // What the task says.

    /// It goes to the next hop.
    pub(super) fn redirected(&mut self, plan: &Plan, task: usize, status: u16) {
        let watch = &self.tasks[task];
        let it = &self.exchanges[watch.exchange.expect("an exchange")];
        let answer = it.answer.as_ref().expect("an answer that leads elsewhere");
        assert_eq!(answer.status, status, "task {task}");
        assert!(it.read >= answer.head && it.hop == watch.hop, "task {task}");
        let method = plan.tasks[task].method;
        let hops = &plan.tasks[task].hops;
        let becomes_get = match status {
            301 | 302 => method == "POST",
            303 => method != "HEAD",
            _ => false,
        };
        let leaves = hops[watch.hop].origin != hops[watch.hop + 1].origin;
        let watch = &mut self.tasks[task];
        watch.hop += 1;
        watch.stale = 0;
        watch.becomes_get |= becomes_get;
        watch.is_elsewhere |= leaves;
        if std::mem::take(&mut watch.edits_next) {
            // A GET, with all of the fields that the user wrote down.
            (watch.is_edited, watch.becomes_get, watch.is_elsewhere) = (true, true, false);
        }
    }

    /// The final response is there, as of this exchange.
    pub(super) fn responded(&mut self, task: usize, exchange: usize, status: u16) {
        let watch = &mut self.tasks[task];
        assert_eq!(watch.exchange, Some(exchange), "task {task} has the response of another one");
        assert_eq!(watch.response, None, "task {task} has two responses");
        let it = &self.exchanges[exchange];
        let answer = it.answer.as_ref().expect("an answer");
        assert_eq!((it.task, answer.status), (task, status));
        assert!(it.read >= answer.head, "a response before its head was read");
        watch.response = Some(exchange);
    }

    /// It goes on where an earlier download stopped.
    pub(super) fn continued(&mut self, plan: &Plan, task: usize, offset: u64) {
        assert_eq!(plan.tasks[task].stored, Some(offset), "task {task}");
        assert_eq!(self.tasks[task].content, 0, "task {task}");
        self.tasks[task].offset = offset;
    }

    /// Content came: it is the right one, byte for byte.
    pub(super) fn content(&mut self, task: usize, bytes: &[u8]) {
        let watch = &mut self.tasks[task];
        let is_told = bytes.is_empty() || watch.response.is_some();
        assert!(is_told, "content of task {task} without a response");
        let side = Side::Answer(watch.hop);
        for byte in bytes {
            let at = watch.offset + watch.content;
            assert_eq!(*byte, byte_of(task, side, at), "byte {at} of the content of task {task}");
            watch.content += 1;
        }
    }

    /// The counts are those that the network has.
    pub(super) fn counts(&mut self, plan: &Plan, task: usize, is: ByteCounts) {
        let watch = &mut self.tasks[task];
        let Some(exchange) = watch.exchange else {
            assert_eq!((is.sent, is.received, is.wire_sent, is.wire_received), (0, 0, 0, 0));
            return;
        };
        let it = &self.exchanges[exchange];
        let was = std::mem::replace(&mut watch.counts, is);
        if is.wire_sent == 0 && it.tap.count > 0 {
            // A connection was taken and not yet written to.
            assert_eq!((is.sent, is.wire_received), (0, 0), "task {task}");
            watch.counts = ByteCounts::default();
            return;
        }
        assert!(
            was.sent <= is.sent
                && was.received <= is.received
                && was.delivered <= is.delivered
                && was.wire_sent <= is.wire_sent
                && was.wire_received <= is.wire_received,
            "counts of task {task} only grow: {was:?} => {is:?}"
        );
        assert_eq!(is.wire_sent, it.tap.count, "bytes written by task {task}");
        assert_eq!(is.sent, it.tap.content, "content written by task {task}");
        assert!(is.wire_received <= it.read, "bytes read by task {task}: {is:?}, {it:?}");
        if watch.response == Some(exchange) {
            // What is stored counts before it is told that the download goes on.
            let is_untold = it.asks_range && watch.offset + watch.content == 0;
            let is_stored = is_untold && Some(is.received) == plan.tasks[task].stored;
            let is_all = is.received == watch.offset + watch.content;
            assert!(is_all || is_stored, "content of task {task}: {is:?}, {watch:?}");
            assert_eq!(is.delivered, is.received, "content of task {task}");
        }
        if let (Some(expected), Some(answer)) = (is.expected_to_receive, &it.answer) {
            let all = if answer.is_bodiless { 0 } else { answer.start + answer.content };
            let is_known = answer.broken_behind.is_none() && ![206, 416].contains(&answer.status);
            assert!(!is_known || watch.offset > 0 || expected == all, "{is:?}, {answer:?}");
        }
    }
}

/// Whether a task goes where a response of this status leads.
pub(super) fn follows(task: &TaskPlan, status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
        && matches!(task.options.redirects, RedirectPolicy::Follow { .. })
}

/// Whether the request is made again, without the range that was not granted.
fn is_again(task: &TaskPlan, it: &Exchange, answer: &Answer) -> bool {
    let Some(stored) = task.stored.filter(|_| it.asks_range) else {
        return false;
    };
    match answer.status {
        // Where it ends before the whole does, only a length can tell that it has ended.
        206 => answer.start != stored || answer.stop < answer.whole && answer.announced.is_none(),
        416 => answer.whole != stored,
        _ => false,
    }
}

impl Exchange {
    /// Whether the body may come: it was read that it may.
    pub(super) fn has_leave(&self) -> bool {
        self.continues_at.is_some_and(|at| self.read >= at)
    }

    /// Whether the final head was read.
    pub(super) fn is_answered(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| self.read >= answer.head)
    }
}

impl Watch {
    fn new(task: &TaskPlan) -> Self {
        Self {
            suspends: 1,
            is_canceled: false,
            result: None,
            started: None,
            resumed: 0,
            active: None,
            earliest: task.options.earliest_begin.as_micros(),
            has_begun: false,
            is_over: false,
            question: None,
            questions: 0,
            waiting: None,
            link: None,
            hop: 0,
            becomes_get: false,
            is_elsewhere: false,
            is_edited: false,
            edits_next: false,
            refused: false,
            is_range_refused: false,
            attempts: vec![0; task.hops.len()],
            stale: 0,
            exchange: None,
            response: None,
            content: 0,
            offset: 0,
            refusals: 0,
            said_no_body: false,
            source_until: 0,
            last_deadlines: [None; 2],
            counts: ByteCounts::default(),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.suspends == 0 && !self.is_canceled && self.result.is_none()
    }

    /// From now on it may ask for a connection.
    pub(super) fn begin(&mut self, now: u64) {
        self.has_begun |= self.started.is_some() && self.suspends == 0 && self.earliest <= now;
    }

    /// Since when a body is held back.
    pub(super) fn since_held(&self, it: &Exchange) -> Option<u64> {
        it.head_written.map(|at| at.max(self.resumed))
    }

    /// When a timer ends the task, with the rules of the documentation.
    pub(super) fn deadlines(&self, task: &TaskPlan) -> [Option<u64>; 2] {
        if self.result.is_some() || self.is_over && self.question.is_none() {
            return [None, None];
        }
        let options = &task.options;
        let after = |at: u64, timeout: u64| at.saturating_add(timeout);
        let resource = self.started.map(|at| after(at, options.resource_timeout));
        let idle = self.active.filter(|_| self.suspends == 0);
        [idle.map(|at| after(at, options.request_timeout)), resource]
    }
}
