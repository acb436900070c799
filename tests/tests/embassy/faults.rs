//! Networks that lose, double, delay and hold back frames; names that are not found; and after all
//! of it, as many free sockets as before.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use embassy_futures::join::{join, join3};
use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Instant, Timer as Wait, with_timeout};
use sortie_core::{BodyLength, Error, Request, Timer, Transport, Url};
use sortie_embassy::{Config, ControlBlock, Failure, Resources, Schedule, Session};
use sortie_tests::embassy::{Cable, Heap, Pieces, Served, run, run_served};
use sortie_tests::script::{Body, Script};

use crate::{HELLO, agreed, answers, chunked, content, get, of_length};

const FAULTY: Cable = Cable { delay: 300, ..Cable::COARSE };

#[test]
fn doubled_and_overtaken_frames_change_nothing_but_the_time() {
    let large = content(40_000);
    let get = Script::get().answered(of_length(&large));
    let chunks = Script::get().answered(chunked(&large, 1500));
    let post = Script::new("POST", Body::Bytes(large.clone())).answered(HELLO);
    let mut once = post.clone();
    once.options.body_is_replayable = false;
    for script in [get, chunks, post, once] {
        agreed(&script, Cable { doubles_every: 3, ..FAULTY });
        agreed(&script, Cable { delays_every: 4, ..FAULTY });
        agreed(&script, Cable { loses_every: 9, doubles_every: 7, delays_every: 5, ..FAULTY });
    }
}

#[test]
fn a_cable_that_is_out_for_a_while_is_waited_for() {
    let large = content(40_000);
    let script = Script::get().answered(of_length(&large));
    let cable = Cable { is_out: (5_000, 900_000), ..FAULTY };
    let trace = agreed(&script, cable);
    assert!(trace.ended > 900_000, "{}", trace.ended);
}

#[test]
fn a_cable_that_stays_out_ends_the_task_with_its_deadline() {
    let cable = Cable { is_out: (5_000, u64::MAX), ..FAULTY };
    let run = run(cable, &[answers(of_length(&content(40_000)))], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let mut config = Config::default();
        config.request_timeout = Duration::from_secs(2);
        let session = Session::new(stack, &mut resources, config);
        let request = get("http://192.0.2.1/");
        let cut = session.data(&request, &[], &mut vec![0; 40_000]).await.map(drop);
        let begun = Instant::now();
        let never = session.data(&request, &[], &mut []).await.map(drop);
        (cut.map_err(|failure| failure.error), never.map_err(|failure| failure.error), {
            begun.elapsed().as_millis()
        })
    });
    let timed_out = Err(Error::TimedOut(Timer::Request));
    let (cut, never, took) = run.output;
    assert_eq!((cut, never), (timed_out, timed_out));
    assert!((2000..2200).contains(&took), "the attempt counts as well: {took}");
}

async fn text(session: &Session<'_, 1>, url: &str) -> Result<usize, Error> {
    let mut room = [0; 100];
    let came = session.data(&get(url), &[], &mut room).await;
    came.map(|came| came.content().len()).map_err(|failure| failure.error)
}

#[test]
fn the_search_for_an_address_is_part_of_the_deadline() {
    let run = run_served(Cable::COARSE, &Served::default(), async |stack| {
        let mut resources = Resources::<1, 1024>::new();
        let mut config = Config::default();
        config.request_timeout = Duration::from_millis(700);
        let session = Session::new(stack, &mut resources, config);
        let unknown = text(&session, "http://origin.nowhere/length/5").await;
        let begun = Instant::now();
        let silent = text(&session, "http://origin.silent/length/5").await;
        let took = begun.elapsed().as_millis();
        // What was asked and given up keeps nobody from asking.
        for _ in 0..10 {
            let lookup = text(&session, "http://origin.silent/length/5");
            assert!(with_timeout(Duration::from_millis(5), lookup).await.is_err());
        }
        let known = text(&session, "http://origin.example/length/5").await;
        (unknown, silent, took, known)
    });
    let (unknown, silent, took, known) = run.output;
    assert_eq!(unknown, Err(Error::Transport(Transport::NameNotResolved)));
    assert_eq!(silent, Err(Error::TimedOut(Timer::Request)));
    assert!((700..750).contains(&took), "{took}");
    assert_eq!(known, Ok(5));
}

/// How many sockets the stack has left: those that can be made until it refuses.
fn free_sockets(stack: Stack<'_>) -> usize {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let made = Cell::new(0);
    let _refused = catch_unwind(AssertUnwindSafe(|| {
        let mut buffers = [[0; 8]; 64];
        let sockets = buffers.each_mut().map(|buffer| {
            let (receive, send) = buffer.split_at_mut(4);
            let socket = TcpSocket::new(stack, receive, send);
            made.set(made.get() + 1);
            socket
        });
        drop(sockets);
    }));
    std::panic::set_hook(hook);
    made.get()
}

#[test]
fn free_sockets_are_counted() {
    let run = run_served(Cable::GOOD, &Served::default(), async |stack| {
        let before = free_sockets(stack);
        let mut resources = Resources::<3, 64>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let during = free_sockets(stack);
        drop(session);
        (before, during, free_sockets(stack))
    });
    let (before, during, after) = run.output;
    assert!(before > 4, "{before}");
    assert_eq!((during, after), (before - 3, before));
}

/// A slot has its socket for ever, in whatever state its last connection left it: so nothing is
/// ever to be reported by `Schedule::open_failed`, by which a desktop's task waits for a
/// descriptor.
#[test]
fn no_task_waits_for_a_socket_though_the_stack_has_none_left() {
    let run = run_served(Cable::GOOD, &Served::default(), async |stack| {
        let (mut resources, mut schedule) = (Resources::<2, 512>::new(), Schedule::new());
        let session = Session::new(stack, &mut resources, Config::default());
        let session = session.scheduled(&mut schedule);
        let mut buffers = vec![[[0; 4]; 2]; free_sockets(stack)];
        let others = buffers.iter_mut();
        let others = others.map(|[receive, send]| TcpSocket::new(stack, receive, send));
        let _others: Vec<_> = others.collect();
        assert_eq!(free_sockets(stack), 0);
        let url = "http://192.0.2.1/length/100";
        for round in 0..40_u64 {
            let (mut one, mut two, mut three) = ([0; 100], [0; 100], [0; 100]);
            let request = get(url);
            // It is dropped anywhere between its begin and its end, with its connection to reset.
            let dropped = session.data(&request, &[], &mut three);
            let dropped = with_timeout(Duration::from_micros(round * 97), dropped);
            let whole = async |room| session.data(&request, &[], room).await.is_ok();
            let ends = join3(whole(&mut one), dropped, whole(&mut two)).await;
            assert!(ends.0 && ends.2, "{round}");
            if round % 2 == 0 {
                // The connections that are still closing are no hindrance either.
                session.close(Duration::from_micros(round)).await;
            }
        }
    });
    let () = run.output;
}

/// Numbers that look random, the same ones each time.
struct Dice(Cell<u32>);

impl Dice {
    fn below(&self, limit: u32) -> u32 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0.set(x);
        x % limit
    }
}

const VERBS: [&str; 8] = ["length", "chunked", "closed", "cut", "slow", "hang", "early", "to"];

/// What a task of the soak may end with: what the server or the network did to it.
fn is_a_fault(verb: &str, error: Error) -> bool {
    match error {
        // The network may be out for longer than anybody waits.
        Error::TimedOut(Timer::Request | Timer::Resource) => true,
        Error::Transport(Transport::NoResponse | Transport::Lost) => true,
        Error::Transport(Transport::ConnectFailed | Transport::Refused) => true,
        Error::BodyExhausted => verb == "to",
        Error::Canceled => true,
        Error::Transport(_)
        | Error::Peer(_)
        | Error::Limit(_)
        | Error::TimedOut(_)
        | Error::Redirect(_)
        | Error::Status(_)
        | Error::Sink
        | Error::Source
        | _ => false,
    }
}

/// One task of a random kind, which may be dropped. Returns how it ended, if it did.
async fn one(session: &Session<'_, 3>, dice: &Dice) -> Option<Result<(), Failure>> {
    let verb = VERBS[dice.below(8) as usize];
    let count = dice.below(3000) as usize;
    let url = format!("http://192.0.2.1/{verb}/{count}");
    let url = Url::parse(&url).expect("a URL");
    let kind = dice.below(5);
    let body = content(dice.below(2000) as usize + 1);
    let length = match kind {
        0 | 3 => BodyLength::None,
        1 => BodyLength::Known(body.len() as u64),
        _ => BodyLength::Unknown,
    };
    let request = Request::new("PUT", url, &[], length).expect("a request");
    let expected = content(count);
    let mut target = [0; 200];
    let task = async {
        let (mut room, mut sink) = (vec![0; 3000], Heap { most: 700, ..Heap::default() });
        match kind {
            0 | 1 => {
                let body = if kind == 0 { &[][..] } else { &body[..] };
                let task = session.data_task(&request).body(body).target(&mut target);
                let came = task.receive(&mut room).await?;
                assert_eq!(came.content(), expected, "{verb}");
            }
            2 | 4 => {
                let mut reader = Pieces::new(body.chunks(333).map(<[u8]>::to_vec));
                reader.pause = u64::from(dice.below(300));
                let mut stage = [0; 256];
                let task = session.upload_task(&request, &[]).target(&mut target);
                let came = task.from_reader(&mut reader, &mut stage).receive(&mut room).await?;
                assert_eq!(came.content(), expected, "{verb}");
            }
            _ => {
                let task = session.download_task(&request).target(&mut target);
                task.to(&mut sink).await.map_err(Failure::from)?;
                assert_eq!(sink.bytes, expected, "{verb}");
            }
        }
        Ok::<(), Failure>(())
    };
    let ended = match dice.below(6) {
        0 => {
            let patience = Duration::from_micros(u64::from(dice.below(4000)));
            with_timeout(patience, task).await.ok()
        }
        _ => Some(task.await),
    };
    if let Some(Err(failure)) = ended {
        assert!(is_a_fault(verb, failure.error), "{verb}: {:?}", failure.error);
    }
    ended
}

/// So many tasks on a network with faults, four at a time over three connections.
fn soak(tasks: usize, is_scheduled: bool) -> [usize; 3] {
    let (served, dice) = (Served::default(), Dice(Cell::new(0x5eed_1234)));
    let cable = Cable { loses_every: 43, doubles_every: 31, delays_every: 17, delay: 40, ..FAULTY };
    let cable = Cable { step: 2_000, ..cable };
    let run = run_served(cable, &served, async |stack| {
        let before = free_sockets(stack);
        let (mut resources, mut schedule) = (Resources::<3, 512>::new(), Schedule::new());
        let mut config = Config::default();
        config.request_timeout = Duration::from_millis(900);
        config.resource_timeout = Duration::from_secs(20);
        let mut session = Session::new(stack, &mut resources, config);
        if is_scheduled {
            session = session.scheduled(&mut schedule);
        }
        let ends = [const { Cell::new(0) }; 3];
        let worker = async || {
            while ends.iter().map(Cell::get).sum::<usize>() < tasks {
                let end = match one(&session, &dice).await {
                    Some(Ok(())) => &ends[0],
                    Some(Err(_)) => &ends[1],
                    None => &ends[2],
                };
                end.set(end.get() + 1);
            }
        };
        Box::pin(join(join3(worker(), worker(), worker()), worker())).await;
        // Each of the connections can still be used, all at once.
        Wait::after_secs(5).await;
        let last = async || text_of_three(&session).await;
        let all = Box::pin(join3(last(), last(), last())).await;
        assert_eq!(all, (Some(100), Some(100), Some(100)));
        session.close(Duration::from_secs(5)).await;
        drop(session);
        assert_eq!(free_sockets(stack), before);
        ends.map(Cell::into_inner)
    });
    run.output
}

/// A GET that is tried until the network lets it through; the length of its content.
async fn text_of_three(session: &Session<'_, 3>) -> Option<usize> {
    let mut block = ControlBlock::new();
    let (mut seat, control) = block.split();
    for _ in 0..10 {
        let mut room = [0; 100];
        let request = get("http://192.0.2.1/length/100");
        let task = session.data_task(&request).control(&mut seat).receive(&mut room);
        if task.await.is_ok() {
            return Some(usize::try_from(control.counts().received).expect("a hundred"));
        }
    }
    None
}

#[test]
fn after_ten_thousand_tasks_with_faults_the_free_sockets_are_what_they_were() {
    let [whole, failed, dropped] = soak(8_000, false);
    assert!(whole > 2_000 && failed > 500 && dropped > 500, "{whole} {failed} {dropped}");
    let [whole, failed, dropped] = soak(2_000, true);
    assert!(whole > 500 && failed > 100 && dropped > 100, "{whole} {failed} {dropped}");
}
