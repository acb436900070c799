//! `tls-bare PORT SEED SECONDS FILE PATH` and `tls-pki`: a GET by hand over embedded-tls.
//!
//! The floor for secure clients. `tls-bare` takes any certificate and no proof that the server has
//! its key; `tls-pki` has the check that embedded-tls brings, with `FILE` as the root: it looks
//! neither at who may vouch for whom nor at addresses, so that the name is not compared.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Instant};
use embedded_io_async::Write;
#[cfg(not(feature = "tls-pki"))]
use embedded_tls::UnsecureProvider;
use embedded_tls::{Aes128GcmSha256, TlsConfig, TlsConnection, TlsContext};
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net;
use sortie_firmware::report::{self, Fnv};
use sortie_firmware::secure::Numbers;
use static_cell::ConstStaticCell;

/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// What [`sortie_embassy::tls::Records`] has.
const READ: usize = 16_640;
const WRITE: usize = 1157;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let port = host::port(words.next()?)?;
    let numbers = Numbers::new(words.next()?);
    let seconds = words.next()?;
    let file = words.next()?;
    let path = words.next()?;
    stack.wait_config_up().await;
    let start = Instant::now();
    let (length, hash) = get(stack, port, path, numbers, seconds, file).await?;
    report::took(start.elapsed().as_millis());
    report::body(path, length, hash);
    Some(())
}

/// Fetches one path, and returns the length and hash of what came.
async fn get(
    stack: Stack<'static>,
    port: u16,
    path: &[u8],
    numbers: Numbers,
    _seconds: &[u8],
    _file: &[u8],
) -> Option<(u32, Fnv)> {
    static RECEIVED: ConstStaticCell<[u8; READ]> = ConstStaticCell::new([0; READ]);
    static SENT: ConstStaticCell<[u8; WRITE]> = ConstStaticCell::new([0; WRITE]);

    let (mut receive, mut send) = ([0; net::RECEIVE], [0; net::SEND]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    socket.set_timeout(Some(PATIENCE));
    let found = stack.dns_query("10.0.2.2", DnsQueryType::A).await.ok()?;
    socket.connect((*found.first()?, port)).await.ok()?;

    let config = TlsConfig::new();
    let mut tls = TlsConnection::<_, Aes128GcmSha256>::new(socket, RECEIVED.take(), SENT.take());
    #[cfg(not(feature = "tls-pki"))]
    let provider = UnsecureProvider::new::<Aes128GcmSha256>(numbers);
    #[cfg(feature = "tls-pki")]
    let mut root = [0; 1024];
    #[cfg(feature = "tls-pki")]
    let length = host::read_file(_file, &mut root)?;
    #[cfg(feature = "tls-pki")]
    let provider = pki::provider(numbers, root.get(..length)?, _seconds);
    tls.open(TlsContext::new(&config, provider)).await.ok()?;
    tls.write_all(b"GET ").await.ok()?;
    tls.write_all(path).await.ok()?;
    tls.write_all(b" HTTP/1.1\r\nHost: 10.0.2.2\r\nConnection: close\r\n\r\n").await.ok()?;
    tls.flush().await.ok()?;

    let mut buffer = [0; net::HEAD];
    let mut filled = 0;
    let head = loop {
        let free = buffer.get_mut(filled..)?;
        let read = tls.read(free).await.ok()?;
        if read == 0 {
            return None; // Closed, or the head is larger than the buffer.
        }
        filled += read;
        let seen = buffer.get(..filled)?;
        if let Some(at) = seen.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
    };
    if !buffer.starts_with(b"HTTP/1.1 200 ") {
        return None;
    }

    let mut hash = Fnv::new();
    let mut content = buffer.get(head..filled)?;
    let mut length = 0;
    loop {
        hash.add(content);
        length += content.len() as u32;
        match tls.read(&mut buffer).await {
            Ok(0) | Err(_) => return Some((length, hash)),
            Ok(read) => content = buffer.get(..read)?,
        }
    }
}

#[cfg(feature = "tls-pki")]
mod pki {
    use core::sync::atomic::{AtomicU32, Ordering};

    use embedded_tls::pki::CertVerifier;
    use embedded_tls::{
        Aes128GcmSha256, Certificate, CryptoProvider, CryptoRngCore, TlsClock, TlsError,
        TlsVerifier,
    };
    use sortie_firmware::secure::{Calendar, Numbers};

    static SECONDS: AtomicU32 = AtomicU32::new(0);

    pub(super) struct Clock;

    impl TlsClock for Clock {
        fn now() -> Option<u64> {
            Some(u64::from(SECONDS.load(Ordering::Relaxed)))
        }
    }

    pub(super) struct Provider<'k> {
        numbers: Numbers,
        verifier: CertVerifier<'k, Aes128GcmSha256, Clock, 1024>,
    }

    pub(super) fn provider<'k>(numbers: Numbers, root: &'k [u8], seconds: &[u8]) -> Provider<'k> {
        SECONDS.store(Calendar::new(seconds).seconds() as u32, Ordering::Relaxed);
        Provider { numbers, verifier: CertVerifier::new(Certificate::X509(root)) }
    }

    impl CryptoProvider for Provider<'_> {
        type CipherSuite = Aes128GcmSha256;
        type Signature = [u8; 0];

        fn rng(&mut self) -> impl CryptoRngCore {
            &mut self.numbers
        }

        fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, TlsError> {
            Ok(&mut self.verifier)
        }
    }
}
