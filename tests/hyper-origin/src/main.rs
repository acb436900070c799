//! An origin on hyper for `tests/main-job.py`: it answers in chunks, with bytes that the client
//! of the test can compute.
//!
//! `GET /chunked/N?chunk=K` brings N bytes in chunks of K bytes, or of 1 to 65,536 where K is
//! `random`. The first line it prints is its port, on 127.0.0.1. It ends when its standard input
//! does, and after ten minutes at the latest.

mod content;
mod socket;

use std::convert::Infallible;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use content::{Chunks, Content};
use socket::Socket;

/// The longest life of this process.
const LIFE: Duration = Duration::from_secs(600);

fn main() -> io::Result<()> {
    std::thread::spawn(|| end_after(LIFE));
    std::thread::spawn(end_with_input);
    Builder::new_current_thread().enable_io().build()?.block_on(serve())
}

fn end_after(life: Duration) {
    std::thread::sleep(life);
    eprintln!("hyper-origin: nobody ended it within {} s", life.as_secs());
    std::process::exit(1);
}

fn end_with_input() {
    let mut input = io::stdin().lock();
    while matches!(input.read(&mut [0; 64]), Ok(1..)) {}
    std::process::exit(0);
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let period = content::period();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let period = period.clone();
        let service = service_fn(move |request| {
            let response = answer(&request, &period);
            async { Ok::<_, Infallible>(response) }
        });
        // A client that goes away early is part of some tests, and no failure of this server.
        tokio::spawn(http1::Builder::new().serve_connection(Socket(stream), service));
    }
}

fn answer(request: &Request<Incoming>, period: &Bytes) -> Response<Content> {
    let (status, content) = match (request.method(), wanted(request.uri())) {
        (&Method::GET, Some((length, chunks))) => {
            (StatusCode::OK, Content::new(period, length, chunks))
        }
        (&Method::GET, None) => (StatusCode::NOT_FOUND, Content::empty()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, Content::empty()),
    };
    let mut response = Response::new(content);
    *response.status_mut() = status;
    response
}

/// Length and chunks that a URL asks for.
fn wanted(uri: &Uri) -> Option<(u64, Chunks)> {
    let length = uri.path().strip_prefix("/chunked/")?.parse().ok()?;
    let chunks = match uri.query()?.strip_prefix("chunk=")? {
        "random" => Chunks::random(),
        size => Chunks::of(size.parse().ok()?)?,
    };
    Some((length, chunks))
}
