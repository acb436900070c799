//! The oracle: how a task may end, from what the network and the user did; and what must not be
//! when nothing can happen any more at an instant.

use sortie_core::{
    Error, PeerError, Question, RedirectError, RedirectPolicy, Timer, Transport, limits,
};

use super::ledger::{Answer, Exchange, Watch, follows};
use super::network::{Ended, Net, Stage};
use super::origin::CONTINUE;
use super::plan::{End, ORIGINS, TaskPlan};

/// A task that has ended, and what is known of it.
struct Case<'n> {
    net: &'n Net,
    task: usize,
    plan: &'n TaskPlan,
    watch: &'n Watch,
    exchange: Option<&'n Exchange>,
}

impl Net {
    /// A task has said that it has ended: once, and rightly so.
    pub(super) fn completed(&mut self, task: usize, result: Result<(), Error>) {
        self.note(|| format!("task {task} ends: {result:?}"));
        let watch = &self.ledger.tasks[task];
        assert_eq!(watch.result, None, "task {task} ends twice, now with {result:?}");
        assert_eq!(watch.link, None, "task {task} ends with a connection");
        let exchange = watch.exchange.map(|exchange| &self.ledger.exchanges[exchange]);
        let case = Case { net: self, task, plan: &self.plan.tasks[task], watch, exchange };
        match result {
            Ok(()) => case.succeeded(),
            Err(why) => assert!(
                case.may_fail(why),
                "task {task} fails with {why:?} for no reason: {watch:?}, {exchange:?}"
            ),
        }
        let watch = &mut self.ledger.tasks[task];
        watch.result = Some(result);
        watch.question = None;
    }

    /// Nothing can happen any more at this instant. Everything that could have happened has.
    pub(super) fn settled(&mut self) {
        let now = self.now;
        self.ledger.tasks.iter_mut().for_each(|watch| watch.begin(now));
        self.check_tasks();
        self.check_order();
        self.sends_nothing_twice();
        let is_stale = |link: &super::network::Link| {
            link.flushed.is_some() && link.holder.is_none() && link.stage == Stage::Open
        };
        assert!(!self.links.iter().any(is_stale), "a connection outlives a flush");
    }

    /// Nobody overtakes one who has waited so much longer for a connection to the same origin.
    fn check_order(&mut self) {
        let steps = u64::from(limits::PRIORITY_MOST) * u64::from(limits::PRIORITY_STEP);
        let most = steps + u64::from(limits::HINT_DELAY);
        for (task, watch) in self.ledger.tasks.iter_mut().enumerate() {
            let waits = watch.is_running() && watch.has_begun && watch.question.is_none();
            let waits = waits && watch.link.is_none() && !watch.is_over;
            watch.waiting = waits.then(|| watch.waiting.unwrap_or(self.now));
            let (Some(since), false) = (watch.waiting, self.ledger.starts.is_empty()) else {
                continue;
            };
            let origin = self.plan.tasks[task].hops[watch.hop].origin;
            for (other, to, added) in &self.ledger.starts {
                let overtakes = *to == origin && *added > since + most;
                assert!(!overtakes, "task {other} of {added} overtakes {task} of {since}");
            }
        }
        self.ledger.starts.clear();
    }

    fn check_tasks(&self) {
        for (task, watch) in self.ledger.tasks.iter().enumerate() {
            let plan = &self.plan.tasks[task];
            for at in watch.deadlines(plan).into_iter().flatten() {
                assert!(at > self.now, "task {task} outlives its deadline {at}: {watch:?}");
            }
            if watch.result.is_some() || watch.suspends > 0 {
                continue;
            }
            assert!(!watch.is_canceled, "task {task} was cancelled and goes on");
            assert!(watch.has_begun || watch.earliest > self.now, "task {task} does not begin");
            match watch.link {
                Some(link) => self.uses(task, link),
                None if watch.has_begun && watch.question.is_none() => self.waits_for_turn(task),
                None => {}
            }
        }
    }

    /// A task that has a connection reads what can be read, and writes what can be written.
    fn uses(&self, task: usize, link: usize) {
        let (watch, it) = (&self.ledger.tasks[task], &self.links[link]);
        assert_ne!(it.stage, Stage::Refused, "task {task} does not see that it is refused");
        let Some(exchange) = it.exchange.map(|exchange| &self.ledger.exchanges[exchange]) else {
            assert_eq!(it.stage, Stage::Opening, "task {task} does not use its connection");
            return;
        };
        let reads = watch.question.is_none();
        assert!(!reads || !self.is_readable(link), "task {task} does not read: {watch:?}");
        let is_held = self.plan.tasks[task].expects
            && exchange.head_written.is_some()
            && exchange.tap.content == 0
            && !exchange.has_leave()
            && watch.since_held(exchange).is_some_and(|at| at + CONTINUE > self.now);
        let is_stopped = it.is_end_seen
            || exchange.is_answered()
                && exchange
                    .answer
                    .as_ref()
                    .is_some_and(|answer| answer.status >= 300 || self.plan.tasks[task].expects);
        let is_dry = watch.source_until > self.now;
        let writes = !exchange.tap.is_done() && !is_held && !is_stopped && !is_dry;
        assert!(!writes || self.room(link) == 0, "task {task} does not write: {exchange:?}");
    }

    /// A task without a connection waits for one that others have.
    fn waits_for_turn(&self, task: usize) {
        let origin = self.ledger.origin(&self.plan, task);
        let held = |link: &&super::network::Link| link.holder.is_some();
        let all = self.links.iter().filter(held).count();
        let here = self.links.iter().filter(held).filter(|link| link.origin == origin).count();
        let is_full =
            all >= usize::from(self.plan.connections) || here >= usize::from(self.plan.per_host);
        let watch = &self.ledger.tasks[task];
        assert!(watch.is_over || is_full, "task {task} has no connection, and could: {watch:?}");
    }

    /// What is not idempotent is made once, if an origin saw anything of it; anything else is made
    /// again once, and once more where a range is not granted.
    fn sends_nothing_twice(&self) {
        for exchange in self.ledger.exchanges.iter().rev().take(4) {
            let again = |other: &&Exchange| {
                (other.task, other.hop) == (exchange.task, exchange.hop) && other.seen > 0
            };
            let times = self.ledger.exchanges.iter().filter(again).count();
            let method = self.plan.tasks[exchange.task].method;
            let most = match method {
                "POST" if !exchange.becomes_get => 1,
                _ => 2 + usize::from(self.plan.tasks[exchange.task].stored.is_some()),
            };
            assert!(times <= most, "{method} {times} times: {exchange:?}");
        }
    }
}

impl Case<'_> {
    fn succeeded(&self) {
        let Case { task, plan, watch, .. } = self;
        assert!(!watch.is_canceled, "task {task} was cancelled and succeeds");
        let exchange = self.exchange.expect("an exchange");
        assert_eq!(watch.response, watch.exchange, "task {task}");
        let answer = exchange.answer.as_ref().expect("an answer");
        let is_success = (200..300).contains(&answer.status);
        assert!(is_success || !plan.options.requires_success || answer.status == 416);
        assert!(!follows(plan, answer.status) || watch.refused, "{answer:?} leads elsewhere");
        let all = match (answer.is_close_delimited, answer.end) {
            (true, End::CloseAt(place)) => {
                let head = answer.length - answer.content;
                answer.content.min(place.saturating_sub(head))
            }
            _ => answer.content,
        };
        let is_known = answer.status == 416 && exchange.asks_range;
        if is_known {
            assert_eq!((watch.content, Some(watch.offset)), (0, plan.stored), "task {task}");
        } else {
            assert_eq!(watch.content, all, "content of task {task}, {answer:?}");
            assert_eq!(watch.offset, answer.start, "task {task}");
            assert!(answer.broken_behind.is_none(), "task {task} takes {answer:?}");
            let wire = exchange.sent - (answer.content - all);
            assert!(exchange.read >= wire, "task {task} takes {answer:?} before its end");
        }
        if answer.status == 206 {
            let reply = self.net.ledger.reply_of(&self.net.plan, watch.exchange.unwrap_or(0));
            assert_eq!(watch.offset + watch.content, reply.length, "task {task}");
        }
        assert!(!plan.sink_fails, "task {task} stores what cannot be stored");
    }

    fn may_fail(&self, why: Error) -> bool {
        let Case { plan, watch, .. } = self;
        match why {
            Error::Canceled => watch.is_canceled,
            Error::TimedOut(Timer::Request) => self.is_time(0),
            Error::TimedOut(Timer::Resource) => self.is_time(1),
            Error::Transport(Transport::Refused) => {
                watch.refusals > 0 && watch.exchange.is_none_or(|_| self.is_between())
            }
            Error::Transport(Transport::NoResponse) => self.is_dead() && !self.may_retry(),
            Error::Transport(Transport::Lost) => self.is_lost(),
            Error::Redirect(why) => self.may_not_follow(why),
            Error::Status(status) => self.answer().is_some_and(|answer| {
                let is_error = !(200..300).contains(&status) && plan.options.requires_success;
                // What is stored is worth more than any other answer.
                let is_other = self.keeps_stored() && ![200, 206, 416].contains(&status);
                answer.status == status && (is_error || is_other)
            }),
            Error::Peer(PeerError::ChunkSize) => self.answer().is_some_and(|answer| {
                let content = match self.net.ledger.infers {
                    true => watch.counts.received,
                    false => watch.content,
                };
                answer.broken_behind == Some(content) && answer.end != End::CloseAt(0)
            }),
            Error::BodyExhausted => {
                let has_body = plan.upload > 0 && !watch.becomes_get;
                let is_asked = watch.said_no_body || !plan.options.asks.new_body;
                has_body && is_asked && !plan.options.body_is_replayable
            }
            Error::Source => plan.lacks > 0,
            Error::Sink => plan.sink_fails,
            Error::Peer(_) | Error::Limit(_) | Error::Transport(_) | Error::TimedOut(_) | _ => {
                false
            }
        }
    }

    /// The answer of the latest exchange, as far as its head was read.
    fn answer(&self) -> Option<&Answer> {
        self.exchange.filter(|it| it.is_answered())?.answer.as_ref()
    }

    fn keeps_stored(&self) -> bool {
        self.exchange.is_some_and(|it| it.asks_range)
    }

    /// A timer has run out at this very instant. The deadline was noted before the connection was
    /// given up.
    fn is_time(&self, which: usize) -> bool {
        let now = Some(self.net.now);
        self.watch.deadlines(self.plan)[which] == now || self.watch.last_deadlines[which] == now
    }

    /// The latest exchange is over, and another was to come.
    fn is_between(&self) -> bool {
        let Some(it) = self.exchange else { return false };
        it.hop < self.watch.hop || self.is_dead() || self.watch.is_range_refused
    }

    /// The connection ended before a byte of an answer was read.
    fn is_dead(&self) -> bool {
        self.exchange.is_some_and(|it| {
            let link = &self.net.links[it.link];
            it.read == 0 && link.is_end_seen
        })
    }

    /// A request on a stale connection is made again, where that is safe.
    fn may_retry(&self) -> bool {
        let Some(it) = self.exchange else { return false };
        let (plan, asks) = (self.plan, &self.plan.options.asks);
        let method = if it.becomes_get { "GET" } else { plan.method };
        let is_safe = method != "POST" || it.tap.count == 0;
        let has_body = plan.options.body_is_replayable || asks.new_body || it.tap.content == 0;
        let retries = usize::from(limits::STALE_RETRIES);
        it.is_reused && is_safe && has_body && self.watch.stale < retries
    }

    /// The connection ended within an answer, or the answer is not all of what it should be.
    fn is_lost(&self) -> bool {
        let Some(it) = self.exchange else { return false };
        let link = &self.net.links[it.link];
        let is_whole = it.answer.as_ref().is_some_and(|answer| {
            let is_orderly = link.ended == Some(Ended::Orderly) && answer.is_close_delimited;
            it.read >= it.sent && (!answer.is_close_delimited || is_orderly)
        });
        let is_short = it.answer.as_ref().is_some_and(|answer| answer.status == 206 && is_whole);
        it.read > 0 && (link.is_end_seen && !is_whole || is_short)
    }

    fn may_not_follow(&self, why: RedirectError) -> bool {
        if !self.answer().is_some_and(|answer| follows(self.plan, answer.status)) {
            return false;
        }
        let RedirectPolicy::Follow { most, allows_downgrade } = self.plan.options.redirects else {
            return false;
        };
        let hops = &self.plan.hops;
        let secure = |hop: usize| hops.get(hop).map(|hop| ORIGINS[hop.origin].starts_with("https"));
        let hop = self.watch.hop;
        let leads_down = secure(hop) == Some(true) && secure(hop + 1) == Some(false);
        match why {
            RedirectError::TooMany => hop == usize::from(most),
            RedirectError::Downgrade => leads_down && !allows_downgrade,
            RedirectError::Scheme | RedirectError::Location | _ => false,
        }
    }
}

/// The question that a task may ask.
pub(super) fn asks(plan: &TaskPlan, question: Question) -> bool {
    match question {
        Question::Redirect => plan.options.asks.redirect,
        Question::Disposition => plan.options.asks.disposition,
        Question::NewBody => plan.options.asks.new_body,
    }
}
