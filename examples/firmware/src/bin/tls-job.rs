//! `tls-job PORT TRUST SEED SECONDS FILE PATH...`: each path fetched over one secure connection,
//! and what became of it said in words. `tls.py` runs it against servers that are to be refused.
//!
//! `TRUST` is `roots`, where `FILE` is the certificate of a root in DER and `SECONDS` the date;
//! `undated`, the same without a date; `pin`, where it is the digest of a key; `shared`, where it
//! is a key of both sides; or `none`, for tasks of a session that knows of no TLS.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::Duration;
use sortie_core::TlsError;
use sortie_embassy::tls::{NoClock, PinnedKeys, PreSharedKey, Records, Roots, Tls, Trust};
use sortie_embassy::{
    BodyLength, Config, Error, Failure, Request, Resources, Response, Session, Transport, Url,
};
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net::{self, HEAD, RECEIVE, SEND};
use sortie_firmware::report::{self, Fnv, Line};
use sortie_firmware::secure::{Calendar, Numbers};
use static_cell::{ConstStaticCell, StaticCell};

/// The longest time without a byte.
const PATIENCE: Duration = Duration::from_secs(8);

/// The most content that is taken.
const CONTENT: usize = 4096;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

/// What all kinds of trust have in common.
struct Job<'j> {
    session: &'j Session<'static, 1>,
    arguments: &'j Arguments,
    numbers: Numbers,
    records: &'static mut Records,
    content: &'static mut [u8; CONTENT],
}

async fn run(stack: Stack<'static>) -> Option<()> {
    static RESOURCES: StaticCell<Resources<1, RECEIVE, SEND, HEAD>> = StaticCell::new();
    static RECORDS: ConstStaticCell<Records> = ConstStaticCell::new(Records::new());
    static CONTENT_: ConstStaticCell<[u8; CONTENT]> = ConstStaticCell::new([0; CONTENT]);
    static FILE: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);

    let mut config = Config::default();
    config.request_timeout = PATIENCE;
    let session = Session::new(stack, RESOURCES.init_with(Resources::new), config);
    let arguments = Arguments::read();
    let mut words = arguments.words().skip(1);
    let trust = words.next()?;
    let numbers = Numbers::new(words.next()?);
    let clock = Calendar::new(words.next()?);
    let file = FILE.take();
    let length = host::read_file(words.next()?, file)?;
    let file = file.get(..length)?;
    stack.wait_config_up().await;
    let (records, content) = (RECORDS.take(), CONTENT_.take());
    let job = Job { session: &session, arguments: &arguments, numbers, records, content };
    match trust {
        b"roots" => fetch(job, Roots::new(&[file], clock)).await,
        b"undated" => fetch(job, Roots::new(&[file], NoClock)).await,
        b"pin" => fetch(job, PinnedKeys::new(&[*file.first_chunk()?])).await,
        b"shared" => fetch(job, PreSharedKey::new(b"device", file)).await,
        b"none" => fetch_plainly(job).await,
        _ => None,
    }
}

async fn fetch<T: Trust>(job: Job<'_>, trust: T) -> Option<()> {
    let Job { session, arguments, numbers, records, content } = job;
    let port = arguments.words().next()?;
    let mut tls = Tls::new(numbers, trust, records);
    session
        .connection(&mut tls, async |connection| {
            for path in arguments.words().skip(5) {
                let mut url = [0; 48];
                let url = Url::from_ascii(net::secure_url(port, path, &mut url)?).ok()?;
                let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
                tell(path, connection.data(&request, &[], &mut content[..]).await);
            }
            Some(())
        })
        .await
}

/// A task with a URL of `https` and nothing to make it secure.
async fn fetch_plainly(job: Job<'_>) -> Option<()> {
    let port = job.arguments.words().next()?;
    for path in job.arguments.words().skip(5) {
        let mut url = [0; 48];
        let url = Url::from_ascii(net::secure_url(port, path, &mut url)?).ok()?;
        let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
        tell(path, job.session.data(&request, &[], &mut job.content[..]).await);
    }
    Some(())
}

/// Says what became of it.
fn tell(path: &[u8], result: Result<Response<'_>, Failure>) {
    match result {
        Ok(response) => {
            let mut hash = Fnv::new();
            hash.add(response.content());
            report::body(path, response.content().len() as u32, hash);
        }
        Err(failure) => {
            Line::new()
                .text(path)
                .text(b" refused: ")
                .text(name(failure.error))
                .text(b", received ")
                .decimal(failure.received as u32)
                .print();
        }
    }
}

fn name(error: Error) -> &'static [u8] {
    match error {
        Error::Transport(Transport::Tls(why)) => match why {
            TlsError::Expired => b"Expired",
            TlsError::NotYetValid => b"NotYetValid",
            TlsError::WrongName => b"WrongName",
            TlsError::UnknownRoot => b"UnknownRoot",
            TlsError::SelfSigned => b"SelfSigned",
            TlsError::Untrusted => b"Untrusted",
            TlsError::KeyNotPinned => b"KeyNotPinned",
            TlsError::Handshake => b"Handshake",
            _ => b"another error of TLS",
        },
        Error::Transport(Transport::TlsUnavailable) => b"TlsUnavailable",
        Error::Transport(Transport::OtherOrigin) => b"OtherOrigin",
        Error::Transport(Transport::Lost) => b"Lost",
        Error::Transport(Transport::NoResponse) => b"NoResponse",
        Error::TimedOut(_) => b"TimedOut",
        _ => b"another error",
    }
}
