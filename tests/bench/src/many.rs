//! As many GETs of 13 bytes at once as there are clients, on one thread, each on a connection that
//! is kept. An iteration is one GET.
//!
//! The origin answers together what was asked for within 2 ms: so every client finds about as many
//! answers at once as there are requests.

use crate::get::{ByHand, Gathered, check};
use crate::meter::{Failure, Kind, Meter, Outcome, Row};
use crate::origin::Serves;
use async_executor::LocalExecutor;
use curl::easy::Easy2;
use curl::multi::Multi;
use futures_lite::future;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::hint::black_box;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Requests at once.
const IN_FLIGHT: usize = 64;

/// The rows of this file.
pub(crate) const ROWS: &[Row] = &[
    row("many-by-hand", "floor: 64 connections by hand, each in a task, on async-io", by_hand),
    row("many-hyper", "hyper 1: 64 bare connections on tokio", hyper),
    row("many-reqwest", "reqwest: a client for all on tokio", reqwest),
    Row { is_foreign: true, ..row("many-curl", "libcurl: a multi handle", curl) },
    row("many-sortie", "ours: a session for all on async-io", sortie),
];

const fn row(name: &'static str, what: &'static str, run: fn(&mut Meter) -> Outcome) -> Row {
    let kind = Kind::Time { floor: "many-by-hand", iterations: 500 * IN_FLIGHT };
    let (warm_up, iterations) = (10 * IN_FLIGHT, 20 * IN_FLIGHT);
    let (origin, is_foreign) = (Some(Serves::Answers), false);
    Row { name, what, kind, origin, is_foreign, warm_up, iterations, run }
}

/// Each client does its share, all at once, on async-io.
fn on_async_io<C: 'static>(
    meter: &mut Meter,
    mut clients: Vec<C>,
    get: impl AsyncFn(&mut C) -> Outcome + Copy + 'static,
) -> Outcome {
    let executor = LocalExecutor::new();
    let batch = meter.batch_async(async |times| {
        let share = share(times, &clients);
        let tasks: Vec<_> = clients
            .drain(..)
            .map(|mut client| {
                executor.spawn(async move {
                    for _ in 0..share {
                        get(&mut client).await?;
                    }
                    Ok::<_, Failure>(client)
                })
            })
            .collect();
        for task in tasks {
            clients.push(task.await?);
        }
        Ok(())
    });
    async_io::block_on(executor.run(batch))
}

/// The same on tokio.
async fn on_tokio<C: 'static>(
    meter: &mut Meter,
    mut clients: Vec<C>,
    get: impl AsyncFn(&mut C) -> Outcome + Copy + 'static,
) -> Outcome {
    let executor = LocalSet::new();
    let batch = meter.batch_async(async |times| {
        let share = share(times, &clients);
        let tasks: Vec<_> = clients
            .drain(..)
            .map(|mut client| {
                executor.spawn_local(async move {
                    for _ in 0..share {
                        get(&mut client).await?;
                    }
                    Ok::<_, Failure>(client)
                })
            })
            .collect();
        for task in tasks {
            clients.push(task.await??);
        }
        Ok(())
    });
    executor.run_until(batch).await
}

/// How many GETs each client does.
fn share<C>(times: usize, clients: &[C]) -> usize {
    times / clients.len()
}

fn by_hand(meter: &mut Meter) -> Outcome {
    let origin = meter.origin()?;
    let clients = async_io::block_on(async {
        let mut clients = Vec::new();
        for _ in 0..IN_FLIGHT {
            clients.push(ByHand::connect(origin).await?);
        }
        Ok::<_, Failure>(clients)
    })?;
    on_async_io(meter, clients, async |client| client.get().await)
}

/// One session, whose tasks are driven where they are awaited.
fn sortie(meter: &mut Meter) -> Outcome {
    let request = sortie::Request::get(&format!("http://{}/", meter.origin()?))?;
    let session = sortie::Session::builder().max_connections_per_host(IN_FLIGHT as u16).build();
    let clients = vec![(session, request); IN_FLIGHT];
    on_async_io(meter, clients, async |(session, request)| {
        let (response, content) = session.data(black_box(&*request).clone()).await?;
        black_box(&response);
        check(&content)
    })
}

/// A connection of hyper, polled beside the request by the same task.
#[derive(Debug)]
struct Bare {
    sender: SendRequest<Empty<Bytes>>,
    connection: Pin<Box<Connection<TokioIo<TcpStream>, Empty<Bytes>>>>,
    request: Request<Empty<Bytes>>,
}

impl Bare {
    async fn connect(origin: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(origin).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let host = HeaderValue::try_from(origin.to_string())?;
        let request = Request::get("/").header("host", host).body(Empty::new())?;
        Ok(Self { sender, connection: Box::pin(connection), request })
    }

    async fn get(&mut self) -> Outcome {
        let Self { sender, connection, request } = self;
        let get = async {
            sender.ready().await?;
            let mut response = sender.send_request(black_box(&*request).clone()).await?;
            let content = response.frame().await.ok_or("no content")??;
            check(content.data_ref().map_or(&[], |bytes| bytes))?;
            match response.frame().await {
                None => Ok(()),
                Some(_) => Err("more content than there is".into()),
            }
        };
        future::or(get, async {
            connection.as_mut().await?;
            Err("hyper closed the connection".into())
        })
        .await
    }
}

fn hyper(meter: &mut Meter) -> Outcome {
    let origin = meter.origin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..IN_FLIGHT {
            clients.push(Bare::connect(origin).await?);
        }
        on_tokio(meter, clients, async |client| client.get().await).await
    })
}

/// One client with its pool; its connections are tasks of their own.
fn reqwest(meter: &mut Meter) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{}/", meter.origin()?);
    let clients: Vec<_> = (0..IN_FLIGHT)
        .map(|_| Ok::<_, reqwest::Error>((client.clone(), client.get(&url).build()?)))
        .collect::<Result<_, _>>()?;
    runtime.block_on(on_tokio(meter, clients, async |(client, request)| {
        let request = black_box(&*request).try_clone().ok_or("the request cannot be cloned")?;
        check(&client.execute(request).await?.bytes().await?)
    }))
}

/// Handles that are set up once, and added again for every GET; libcurl keeps their connections.
fn curl(meter: &mut Meter) -> Outcome {
    let url = format!("http://{}/", meter.origin()?);
    let multi = Multi::new();
    let mut idle = Vec::new();
    for _ in 0..IN_FLIGHT {
        let mut easy = Easy2::new(Gathered::default());
        easy.url(&url)?;
        easy.proxy("")?;
        idle.push(easy);
    }
    meter.batch(|times| {
        let (mut to_start, mut left) = (times, times);
        let mut active: Vec<_> = (0..IN_FLIGHT).map(|_| None).collect();
        let mut done = Vec::new();
        loop {
            while to_start > 0
                && let Some(easy) = idle.pop()
            {
                let free = active.iter().position(Option::is_none).ok_or("no room")?;
                let mut handle = multi.add2(easy)?;
                handle.set_token(free)?;
                active[free] = Some(handle);
                to_start -= 1;
            }
            multi.perform()?;
            multi.messages(|message| done.push((message.token(), message.result())));
            for (token, result) in done.drain(..) {
                result.ok_or("a handle that is not done")??;
                let handle = active[token?].take().ok_or("a handle that was not added")?;
                let mut easy = multi.remove2(handle)?;
                check(&easy.get_ref().0)?;
                easy.get_mut().0.clear();
                idle.push(easy);
                left -= 1;
            }
            if left == 0 {
                return Ok(());
            }
            if idle.is_empty() || to_start == 0 {
                multi.poll(&mut [], Duration::from_secs(1))?;
            }
        }
    })
}
