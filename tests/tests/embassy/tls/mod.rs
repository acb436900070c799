//! Tasks over TLS 1.3, against rustls as a server.
#![allow(clippy::large_futures, reason = "they are polled where they are made")]

mod refusals;
mod server;

use std::sync::LazyLock;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, Timer};
use embedded_io_async::Read;
use rustls::version::TLS13;
use sortie_core::{Error, Timer as Which, TlsError, Transport};
use sortie_embassy::tls::{PinnedKeys, Records, Roots, Tls, Trust};
use sortie_embassy::{Config, ControlBlock, Failure, Request, Resources, Session};
use sortie_tests::authority::{Authority, Leaf};
use sortie_tests::embassy::{Cable, NewYear, Numbers, Run, run_beside};

use crate::{content, get};
use server::{Doing, Server};

/// Whose certificates are trusted.
static TRUSTED: LazyLock<Authority> = LazyLock::new(|| Authority::new("trusted"));

/// The name of the far end.
const HOST: &str = "origin.example";

/// A certificate that is as it should be.
fn good() -> Leaf {
    TRUSTED.leaf(&[HOST])
}

const OTHER_ORIGIN: Error = Error::Transport(Transport::OtherOrigin);

fn config() -> Config {
    let mut config = Config::default();
    config.request_timeout = Duration::from_secs(20);
    config
}

/// Runs `client` with a session and what secure connections are made with.
fn run_with<T: Trust, R>(
    server: &Server,
    trust: T,
    client: impl AsyncFnOnce(&Session<'_, 1>, &mut Tls<'_, Numbers, T>) -> R,
) -> Run<R> {
    run_beside(
        Cable::COARSE,
        async |stack| server.serve(stack).await,
        async |stack| {
            let mut resources = Resources::<1, 4096, 1024, 1024>::new();
            let session = Session::new(stack, &mut resources, config());
            let mut records = Box::new(Records::<16_640, 1157>::new());
            let mut tls = Tls::new(Numbers::FIRST, trust, &mut records);
            let output = client(&session, &mut tls).await;
            session.close(Duration::from_secs(1)).await;
            output
        },
    )
}

/// The same with the roots that are trusted.
fn run<R>(
    server: &Server,
    client: impl AsyncFnOnce(&Session<'_, 1>, &mut Tls<'_, Numbers, Roots<'_, NewYear>>) -> R,
) -> Run<R> {
    let root = TRUSTED.der();
    let roots = [root.as_ref()];
    run_with(server, Roots::new(&roots, NewYear), client)
}

fn serves(leaf: &Leaf) -> Server {
    Server::new(leaf.serving(&[&TLS13]), [Doing::Serves])
}

/// One GET over a connection of its own.
async fn fetch<T: Trust>(
    session: &Session<'_, 1>,
    tls: &mut Tls<'_, Numbers, T>,
    path: &str,
) -> Result<Vec<u8>, Failure> {
    let url = format!("https://{HOST}{path}");
    let (mut bytes, request) = (vec![0; 100_000], get(&url));
    let response = session.secure_data(tls, &request, &[], &mut bytes).await?;
    Ok(response.content().to_vec())
}

#[test]
fn a_task_opens_a_secure_connection_and_closes_it() {
    let server = serves(&good());
    let run = run(&server, async |session, tls| fetch(session, tls, "/length/5").await);
    assert_eq!(run.output, Ok(content(5)));
    let seen = server.seen.borrow();
    assert_eq!((seen.connections, seen.goodbyes), (1, 1));
    assert_eq!(seen.requests, ["GET /length/5 HTTP/1.1"]);
    assert_eq!(seen.names, [Some(HOST.to_owned())]);
}

#[test]
fn content_of_many_records_is_read_in_any_pieces() {
    let server = serves(&good());
    let run = run(&server, async |session, tls| {
        let whole = fetch(session, tls, "/length/70000").await;
        let closed = fetch(session, tls, "/closed/40000").await;
        let url = format!("https://{HOST}/length/40000");
        let request = get(&url);
        let sunk = session
            .connection(tls, async |connection| {
                let mut sink = sortie_tests::embassy::Heap::default();
                let done = connection.download_task(&request).to(&mut sink).await;
                done.map(|done| done.received()).map_err(|failure| failure.failure)
            })
            .await;
        (whole, closed, sunk)
    });
    assert_eq!(run.output, (Ok(content(70_000)), Ok(content(40_000)), Ok(40_000)));
}

/// Two tasks over one connection, the second to `second`.
async fn twice<T: Trust>(
    session: &Session<'_, 1>,
    tls: &mut Tls<'_, Numbers, T>,
    first: &str,
    second: &str,
) -> [Result<usize, Error>; 2] {
    let (first, second) = (get(first), get(second));
    session
        .connection(tls, async |connection| {
            let mut results = [Ok(0), Ok(0)];
            for (request, result) in [&first, &second].into_iter().zip(&mut results) {
                let mut bytes = [0; 1000];
                let done = connection.data(request, &[], &mut bytes).await;
                let length = done.map(|response| response.content().len());
                *result = length.map_err(|failure| failure.error);
            }
            results
        })
        .await
}

#[test]
fn tasks_use_one_connection_one_after_the_other() {
    let server = serves(&good());
    let run = run(&server, async |session, tls| {
        let mut lengths = Vec::new();
        session
            .connection(tls, async |connection| {
                for count in [5, 700, 30_000, 1] {
                    let url = format!("https://{HOST}/length/{count}");
                    let (mut bytes, request) = (vec![0; 40_000], get(&url));
                    let response = connection.data(&request, &[], &mut bytes).await?;
                    assert!(response.content() == content(count));
                    lengths.push(response.content().len());
                    assert!(connection.is_usable());
                }
                Ok::<_, Failure>(())
            })
            .await
            .map(|()| lengths)
    });
    assert_eq!(run.output, Ok(vec![5, 700, 30_000, 1]));
    let seen = server.seen.borrow();
    assert_eq!((seen.connections, seen.requests.len(), seen.goodbyes), (1, 4, 1));
}

#[test]
fn a_connection_that_the_server_closed_is_not_used_again() {
    for path in ["last", "closed"] {
        let server = serves(&good());
        let run = run(&server, async |session, tls| {
            let first = format!("https://{HOST}/{path}/5");
            let both = twice(session, tls, &first, &format!("https://{HOST}/length/5")).await;
            // And the next one is a new one.
            (both, fetch(session, tls, "/length/6").await)
        });
        let gone = Err(Error::Transport(Transport::NoResponse));
        assert_eq!(run.output, ([Ok(5), gone], Ok(content(6))), "{path}");
        assert_eq!(server.seen.borrow().requests.len(), 2);
    }
}

#[test]
fn a_connection_is_for_one_origin_and_stays_usable_when_another_is_refused() {
    let there = "https://origin.example/length/5";
    for other in [
        "https://other.example/length/5",
        "https://origin.example:444/length/5",
        // Not even through what is secure: the server is to see what it is.
        "http://origin.example/length/5",
        // The first response is no more than where the task is led to.
        "https://origin.example/away/5",
    ] {
        let server = serves(&good());
        let run = run(&server, async |session, tls| {
            session
                .connection(tls, async |connection| {
                    let mut results = Vec::new();
                    for text in [there, other, "https://ORIGIN.example/length/7"] {
                        let (mut urls, mut bytes, request) = ([0; 200], [0; 10], get(text));
                        let task = connection.data_task(&request).target(&mut urls);
                        let done = task.receive(&mut bytes).await;
                        let length = done.map(|response| response.content().len());
                        results.push(length.map_err(|failure| failure.error));
                        assert!(connection.is_usable());
                    }
                    results
                })
                .await
        });
        assert_eq!(run.output, [Ok(5), Err(OTHER_ORIGIN), Ok(7)], "{other}");
        let seen = server.seen.borrow();
        let requests = if other.contains("/away/") { 3 } else { 2 };
        assert_eq!((seen.connections, seen.requests.len(), seen.goodbyes), (1, requests, 1));
    }
}

#[test]
fn who_is_led_elsewhere_is_told_so_also_where_the_connection_has_ended_with_that() {
    let server = serves(&good());
    let run = run(&server, async |session, tls| {
        session
            .connection(tls, async |connection| {
                let (mut urls, mut bytes) = ([0; 200], [0; 10]);
                let request = get("https://origin.example/leave/5");
                let task = connection.data_task(&request).target(&mut urls);
                let led = task.receive(&mut bytes).await.map(drop).unwrap_err().error;
                let is_usable = connection.is_usable();
                // And then there is no connection any more, wherever to.
                let next = connection.data(&request, &[], &mut bytes).await.map(drop);
                (led, is_usable, next.unwrap_err().error)
            })
            .await
    });
    let gone = Error::Transport(Transport::NoResponse);
    assert_eq!(run.output, (OTHER_ORIGIN, false, gone));
    assert_eq!(server.seen.borrow().requests, ["GET /leave/5 HTTP/1.1"]);
}

#[test]
fn what_is_to_be_secure_is_never_sent_in_plaintext() {
    let server = serves(&good());
    let run = run(&server, async |session, tls| {
        let (mut bytes, request) = ([0; 100], get("https://origin.example:443/length/5"));
        let without = session.data(&request, &[], &mut bytes).await.map(drop);
        let request = get("http://origin.example:443/length/5");
        let with = session.secure_data(tls, &request, &[], &mut bytes).await.map(drop);
        [without, with].map(|result| result.map_err(|failure| failure.error))
    });
    let unavailable = Err(Error::Transport(Transport::TlsUnavailable));
    assert_eq!(run.output, [unavailable, Err(OTHER_ORIGIN)]);
    assert_eq!(server.seen.borrow().connections, 0);
}

#[test]
fn each_connection_has_numbers_of_its_own() {
    let server = serves(&good());
    let run = run(&server, async |session, tls| {
        for _ in 0..3 {
            assert!(fetch(session, tls, "/length/5").await.is_ok());
        }
    });
    assert_eq!(run.output, ());
    let seen = server.seen.borrow();
    let mut randoms: Vec<_> = seen.hellos.iter().map(|hello| &hello[..32]).collect();
    randoms.sort();
    randoms.dedup();
    assert_eq!(randoms.len(), 3);
}

#[test]
fn content_that_is_cut_off_is_no_content() {
    let lost = Error::Transport(Transport::Lost);
    for path in ["/cut/2000", "/short/2000"] {
        let server = serves(&good());
        let run = run(&server, async |session, tls| fetch(session, tls, path).await);
        let failure = run.output.unwrap_err();
        let came = if path == "/cut/2000" { 2000 } else { 1000 };
        assert_eq!((failure.error, failure.status), (lost, Some(200)), "{path}");
        // What came is kept.
        assert_eq!(failure.received, came);
    }
}

#[test]
fn who_stands_between_can_neither_end_a_connection_nor_break_the_device() {
    let records: [&[u8]; 5] = [
        // close_notify, in the clear.
        &[21, 3, 3, 0, 2, 1, 0],
        // A hello, of which embedded-tls would panic, and a request for a certificate.
        &[22, 3, 3, 0, 4, 2, 0, 0, 0],
        &[22, 3, 3, 0, 7, 13, 0, 0, 3, 0, 0, 0],
        // Encrypted nothing, of which it would panic, too, were it encrypted.
        &[23, 3, 3, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        // Content that is not what it claims.
        &[23, 3, 3, 0, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18],
    ];
    for record in records {
        let server = Server::new(good().serving(&[&TLS13]), [Doing::Injects(record.to_vec())]);
        let run = run(&server, async |session, tls| fetch(session, tls, "/closed/5").await);
        let error = run.output.unwrap_err().error;
        assert_eq!(error, Error::Transport(Transport::NoResponse), "{record:?}");
    }
}

#[test]
fn a_deadline_holds_in_the_handshake_and_within_a_record() {
    let timed_out = Error::TimedOut(Which::Request);
    for bytes in [0, 3, 100, 300, 700] {
        let server = Server::new(good().serving(&[&TLS13]), [Doing::Hangs(bytes), Doing::Serves]);
        let run = run(&server, async |session, tls| {
            let start = Instant::now();
            let error = fetch(session, tls, "/length/5").await.unwrap_err().error;
            let took = start.elapsed().as_millis();
            // The slot is free again, and what is left of the first connection is gone.
            (error, took, fetch(session, tls, "/length/5").await)
        });
        let (error, took, next) = run.output;
        assert_eq!((error, next), (timed_out, Ok(content(5))), "{bytes}");
        assert!((20_000..20_500).contains(&took), "{took}");
    }
    let server = serves(&good());
    let run = run(&server, async |session, tls| {
        let first = fetch(session, tls, "/torn/5000").await.unwrap_err();
        (first.error, first.status, fetch(session, tls, "/length/5").await)
    });
    assert_eq!(run.output, (timed_out, Some(200), Ok(content(5))));
}

#[test]
fn a_task_can_be_cancelled_or_dropped_within_a_record() {
    let server = serves(&good());
    let url = format!("https://{HOST}/torn/5000");
    let run = run(&server, async |session, tls| {
        let request = get(&url);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let cancelled = session
            .connection(tls, async |connection| {
                let mut bytes = [0; 6000];
                let task = connection.data_task(&request).control(&mut seat);
                let cancel = async {
                    Timer::after_secs(1).await;
                    control.cancel();
                    std::future::pending::<()>().await;
                };
                match select(task.receive(&mut bytes), cancel).await {
                    Either::First(result) => result.map(drop).map_err(|failure| failure.error),
                    Either::Second(()) => unreachable!("it waits for ever"),
                }
            })
            .await;
        let start = Instant::now();
        let dropped = {
            let mut bytes = [0; 6000];
            let task = session.secure_data(tls, &request, &[], &mut bytes);
            matches!(select(task, Timer::after_secs(1)).await, Either::Second(()))
        };
        let took = start.elapsed().as_secs();
        (cancelled, dropped, took, fetch(session, tls, "/length/5").await)
    });
    assert_eq!(run.output, (Err(Error::Canceled), true, 1, Ok(content(5))));
    assert_eq!(server.seen.borrow().goodbyes, 1);
}

#[test]
fn a_read_that_has_begun_runs_to_its_end_and_a_suspended_task_takes_nothing_of_it() {
    let server = serves(&good());
    let url = format!("https://{HOST}/late/5000");
    let run = run(&server, async |session, tls| {
        let request = get(&url);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        session
            .connection(tls, async |connection| {
                let mut bytes = [0; 6000];
                let task = connection.data_task(&request).control(&mut seat);
                let command = async {
                    // Half a record is here, and the rest comes in the meantime.
                    Timer::after_millis(500).await;
                    control.suspend().unwrap();
                    let counts = control.counts();
                    Timer::after_secs(5).await;
                    assert_eq!(control.counts(), counts);
                    control.resume();
                    std::future::pending::<()>().await;
                };
                match select(task.receive(&mut bytes), command).await {
                    Either::First(result) => result.map(|response| response.content().to_vec()),
                    Either::Second(()) => unreachable!("it waits for ever"),
                }
            })
            .await
    });
    assert_eq!(run.output, Ok(content(5000)));
}

#[test]
fn an_early_answer_is_received_though_the_server_takes_no_more_of_the_body() {
    let server = serves(&good());
    let run = run(&server, async |session, tls| {
        let url = format!("https://{HOST}/early/7");
        let url = sortie_embassy::Url::parse(&url).unwrap();
        let body = content(200_000);
        let length = sortie_embassy::BodyLength::Known(body.len() as u64);
        let request = Request::new("POST", url, &[], length).unwrap();
        let mut bytes = [0; 100];
        let done = session.secure_data(tls, &request, &body, &mut bytes).await;
        done.map(|response| (response.status(), response.content().to_vec()))
    });
    assert_eq!(run.output, Ok((413, content(7))));
}

#[test]
fn a_body_of_any_length_is_sent_in_records() {
    let server = serves(&good());
    let run = run(&server, async |session, tls| {
        let mut lengths = Vec::new();
        for count in [1, 1000, 1024, 1025, 50_000] {
            let url = format!("https://{HOST}/length/5");
            let url = sortie_embassy::Url::parse(&url).unwrap();
            let body = vec![b'x'; count];
            let length = sortie_embassy::BodyLength::Known(count as u64);
            let request = Request::new("POST", url, &[], length).unwrap();
            let mut bytes = [0; 100];
            let done = session.secure_data(tls, &request, &body, &mut bytes).await;
            lengths.push(done.map(|response| response.content().len()));
        }
        lengths
    });
    assert_eq!(run.output, [Ok(5); 5]);
    let heads: usize = server.seen.borrow().requests.len();
    assert_eq!(heads, 5);
    assert!(server.seen.borrow().content > 53_050);
}

#[test]
fn a_read_that_is_dropped_within_a_record_breaks_the_connection_and_nothing_else() {
    let server = serves(&good());
    let url = format!("https://{HOST}/late/5000");
    let run = run(&server, async |session, tls| {
        let request = get(&url);
        let broken = session
            .connection(tls, async |connection| {
                let mut body = connection.data_task(&request).open().await?;
                let mut bytes = [0; 100];
                let read = select(body.read(&mut bytes), Timer::after_millis(500)).await;
                assert!(matches!(read, Either::Second(())));
                Timer::after_secs(2).await;
                body.read(&mut bytes).await
            })
            .await;
        (broken.map_err(|failure| failure.error), fetch(session, tls, "/length/5").await)
    });
    assert_eq!(run.output, (Err(Error::Transport(Transport::Lost)), Ok(content(5))));
}

#[test]
fn a_read_that_is_dropped_between_records_loses_nothing() {
    let server = serves(&good());
    let url = format!("https://{HOST}/slow/5000");
    let run = run(&server, async |session, tls| {
        let request = get(&url);
        session
            .connection(tls, async |connection| {
                let mut body = connection.data_task(&request).open().await?;
                let (mut bytes, mut came) = ([0; 100], Vec::new());
                loop {
                    let read = select(body.read(&mut bytes), Timer::after_millis(100)).await;
                    match read {
                        Either::First(count) => match count? {
                            0 => return Ok::<_, Failure>(came),
                            count => came.extend(&bytes[..count]),
                        },
                        Either::Second(()) => {}
                    }
                }
            })
            .await
    });
    assert_eq!(run.output, Ok(content(5000)));
}
