//! The telemetry of `examples/boards` over two network stacks in one process, in virtual time.

use std::cell::{Cell, RefCell};

use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_time::{Duration, Instant, Timer};
use sortie_tests::embassy::{Cable, run};
use sortie_tests::script::{Origin, Part, Step};
use telemetry::policy::Counts;
use telemetry::{Memory, Notice, Sender, Settings, Source, Url, Verdict, Watchdog};

/// What is looked at after a run.
type Seen = (Vec<Notice>, Vec<Instant>);

thread_local! {
    static NOTICES: RefCell<Vec<Notice>> = const { RefCell::new(Vec::new()) };
}

/// A reading each second, up to this many; then it hangs, as a sensor does whose bus is stuck.
struct Sensor {
    left: u32,
    taken: i32,
}

impl Source for Sensor {
    async fn read(&mut self) -> i32 {
        if self.left == 0 {
            std::future::pending::<()>().await;
        }
        Timer::after_secs(1).await;
        self.left -= 1;
        self.taken += 1;
        20_000 + self.taken
    }
}

/// When it was fed.
#[derive(Default)]
struct Dog(Vec<Instant>);

impl Watchdog for Dog {
    fn feed(&mut self) {
        self.0.push(Instant::now());
    }
}

fn settings() -> Settings<'static> {
    let url = Url::parse("http://192.0.2.1/readings").expect("a URL");
    let sender = Sender::new("test-1", 0x0123_4567_89ab_cdef).expect("a name");
    let mut settings = Settings::new(url, sender, 7);
    settings.policy.linger = Duration::from_secs(5);
    settings.reading_within = Duration::from_secs(3);
    settings.notice = |notice| NOTICES.with_borrow_mut(|notices| notices.push(notice));
    settings
}

/// Runs the telemetry for so many seconds. Returns what was noticed, and when the dog was fed.
async fn telemetry_for(stack: Stack<'_>, seconds: u64, readings: u32) -> Seen {
    NOTICES.with_borrow_mut(Vec::clear);
    let mut memory = Box::new(Memory::new());
    let (mut sensor, mut dog) = (Sensor { left: readings, taken: 0 }, Dog::default());
    let settings = settings();
    let running = telemetry::run::<32>(stack, &mut memory, &settings, &mut sensor, &mut dog);
    match select(Box::pin(running), Timer::after_secs(seconds)).await {
        Either::First(never) => match never {},
        Either::Second(()) => (NOTICES.take(), dog.0),
    }
}

const SLOW: Cable = Cable { step: 1_000, ..Cable::GOOD };

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The keys of the batches that were sent over a connection, and their bodies.
fn batches(requests: &[u8]) -> Vec<(String, String)> {
    let text = text(requests);
    let posts = text.split("POST ").skip(1);
    let parts = posts.filter_map(|post| {
        let (head, body) = post.split_once("\r\n\r\n")?;
        let key = head.lines().find_map(|line| line.strip_prefix("Idempotency-Key: "))?;
        Some((key.to_owned(), body.to_owned()))
    });
    parts.collect()
}

fn origin(steps: impl Into<Vec<Step>>) -> Origin {
    Origin { steps: steps.into(), ..Origin::default() }
}

fn ask() -> Step {
    Step::Expect(Part::Request)
}

fn answer(head: &str) -> Step {
    Step::Send(format!("HTTP/1.1 {head}\r\nContent-Length: 2\r\n\r\nok").into_bytes())
}

#[test]
fn a_batch_survives_busy_stalling_and_breaking_servers_and_is_sent_as_it_was() {
    let busy = "503 Busy\r\nRetry-After: 4";
    let origins = [
        // Busy; on the same connection silent, until the client's request timeout breaks it.
        origin([ask(), answer(busy), Step::Next, ask()]),
        // Stored, and the connection breaks before the answer.
        origin([ask(), Step::Reset]),
        // Well again, for two batches over one connection.
        origin([ask(), answer("200 OK"), Step::Next, ask(), answer("201 Created")]),
    ];
    let run = run(SLOW, &origins, async |stack, _| telemetry_for(stack, 60, 20).await);
    let (notices, _) = run.output;
    let verdicts: Vec<_> = notices.iter().map(|notice| notice.verdict).collect();
    assert_eq!(&verdicts[..3], [Verdict::Later; 3]);
    assert_eq!(&verdicts[3..5], [Verdict::Accepted; 2]);
    assert_eq!(notices[0].answer, Ok(503));
    assert!(notices[1].answer.is_err() && notices[2].answer.is_err());
    let last = notices.last().expect("notices");
    assert_eq!((last.waiting, last.counts.accepted, last.counts.failures), (0, 20, 3));

    let [first, second, third, ..] = &run.requests[..] else { panic!("{:?}", run.requests) };
    let tries: Vec<_> = [first, second, third].iter().flat_map(|taken| batches(taken)).collect();
    assert_eq!(tries.len(), 5);
    assert!(tries[..4].iter().all(|one| *one == tries[0]), "the same key, and the same bytes");
    assert_ne!(tries[3].0, tries[4].0, "the next batch has another key");
    assert_eq!(tries[0].0, "\"test-1-0123456789abcdef-1\"");
    assert!(tries[0].1.contains("{\"number\":0,\"at\":"), "{}", tries[0].1);
    assert!(tries[0].1.contains("\"value\":20001}"), "{}", tries[0].1);
    assert_eq!(run.frames.iter().filter(|frame| frame.is_opening).count(), 3);
}

#[test]
fn retry_after_as_a_date_is_kept_to_by_the_clock_of_the_server() {
    let busy = "429 Too Many\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                Retry-After: Sun, 06 Nov 1994 08:50:07 GMT";
    let origins = [origin([ask(), answer(busy), Step::Next, ask(), answer("204 Stored")])];
    let run = run(SLOW, &origins, async |stack, _| telemetry_for(stack, 50, 3).await);
    let sent = run.frames.iter().filter(|frame| frame.is_outbound && frame.length > 200);
    let at: Vec<_> = sent.map(|frame| frame.at / 1_000_000).collect();
    assert_eq!(run.output.0.len(), 2);
    let [first, second] = at[..] else { panic!("two segments with requests, not {at:?}") };
    assert!((30..=32).contains(&(second - first)), "asked at {first} s and {second} s");
}

#[test]
fn what_the_server_refuses_is_dropped_counted_and_told_with_the_next() {
    let origins = [origin([ask(), answer("422 No"), Step::Next, ask(), answer("200 OK")])];
    let run = run(SLOW, &origins, async |stack, _| telemetry_for(stack, 30, 12).await);
    let (notices, _) = run.output;
    assert_eq!(notices[0].verdict, Verdict::Refused);
    let Counts { accepted, dropped, refused, .. } = notices[1].counts;
    assert_eq!((accepted + refused, dropped), (12, 0));
    assert!(refused > 0);
    let sent = batches(&run.requests[0]);
    assert!(sent[1].1.contains(&format!("\"refused\":{refused},")), "{}", sent[1].1);
}

#[test]
fn while_nobody_answers_the_oldest_readings_make_room() {
    // The origin takes a batch and is silent for ever, each time; 32 readings have room.
    let origins: Vec<_> = (0..40).map(|_| origin([ask()])).collect();
    let run = run(SLOW, &origins, async |stack, _| telemetry_for(stack, 200, 150).await);
    let (notices, _) = run.output;
    let last = notices.last().expect("notices");
    assert_eq!(last.waiting, 32);
    assert!(last.counts.dropped > 80, "{last:?}");
    let sent: Vec<_> = run.requests.iter().flat_map(|taken| batches(taken)).collect();
    assert!(sent.len() > 3 && sent.iter().all(|one| *one == sent[0]), "all attempts are equal");
}

#[test]
fn the_watchdog_is_fed_while_the_server_hangs_and_bites_when_the_sensor_does() {
    let origins: Vec<_> = (0..40).map(|_| origin([ask()])).collect();
    let run = run(SLOW, &origins, async |stack, _| telemetry_for(stack, 120, 60).await);
    let (_, fed) = run.output;
    // The sensor hangs from 60 s on; three seconds are what it may take, two are slack.
    let last = fed.last().expect("it was fed").as_secs();
    assert!((64..=66).contains(&last), "fed last at {last} s");
    let gap = fed.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).max();
    assert!(gap.is_some_and(|gap| gap < 1_500), "{gap:?} ms without food");
}

#[test]
fn a_cable_that_is_out_costs_no_reading() {
    let seen = Cell::new(0);
    let out = Cable { is_out: (4_000_000, 40_000_000), ..SLOW };
    let well = || origin([ask(), answer("200 OK"), Step::Next, ask(), answer("200 OK")]);
    let origins: Vec<_> = (0..20).map(|_| well()).collect();
    let run = run(out, &origins, async |stack, _| {
        let (notices, _) = telemetry_for(stack, 120, 30).await;
        seen.set(notices.len());
        notices.last().copied()
    });
    let last = run.output.expect("notices");
    assert_eq!((last.counts.accepted, last.waiting), (30, 0), "{last:?}");
    assert!(seen.get() > 2 && last.counts.failures > 0);
}
