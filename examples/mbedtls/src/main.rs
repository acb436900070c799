//! Tasks of `sortie-embassy` over TLS of mbedtls-rs: GETs over one connection.
//!
//! `over-mbedtls ADDRESS CA.der URL...`: the URLs are of one origin, which is at ADDRESS, and whose
//! certificate is from that authority. Prints status and length of each.
//!
//! It runs on a computer, with a socket of its system; on a device the socket is one of
//! embassy-net, and the rest is the same. Dates of certificates are checked only with the feature
//! `hook-wall-clock` of mbedtls-rs and a clock for it: as it is here, an expired one is taken.

mod socket;

use std::error::Error;
use std::ffi::CString;

use embassy_net::{Config as NetConfig, StackResources};
use embassy_net_driver_channel::driver::HardwareAddress;
use embassy_net_driver_channel::{State, new};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use mbedtls_rs::{
    Certificate, ClientSessionConfig, Session as TlsSession, SessionConfig, Tls, X509,
};
use sortie_embassy::{BodyLength, Config, OpenedStream, Request, Resources, Session, Url};

use socket::Socket;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, authority, urls @ ..] = &arguments[..] else {
        return Err("over-mbedtls ADDRESS CA.der URL...".into());
    };
    let authority = std::fs::read(authority)?;
    // A session has a network stack for connections of its own. It has none here, and this one is
    // connected to nothing.
    let mut state = State::<1514, 1, 1>::new();
    let (_runner, device) = new(&mut state, HardwareAddress::Ethernet([2, 0, 0, 0, 0, 1]));
    let mut sockets = StackResources::<2>::new();
    let (stack, _) = embassy_net::new(device, NetConfig::default(), &mut sockets, 0);
    let mut own = Resources::<1, 64>::new();
    let session = Session::new(stack, &mut own, Config::default());
    async_io::block_on(get_all(&session, address, &authority, urls))
}

async fn get_all(
    session: &Session<'_, 1>,
    address: &str,
    authority: &[u8],
    urls: &[String],
) -> Result<(), Box<dyn Error>> {
    let first = urls.first().ok_or("a URL is missing")?;
    let origin = Url::parse(first).map_err(|error| format!("{first}: {error:?}"))?;
    let name = CString::new(origin.host())?;

    let generator: &'static mut UnwrapErr<SysRng> = Box::leak(Box::new(UnwrapErr(SysRng)));
    let tls = Tls::new(generator).map_err(|error| format!("{error:?}"))?;
    let config = SessionConfig::Client(ClientSessionConfig {
        ca_chain: Some(Certificate::new(X509::DER(authority))?),
        server_name: Some(&name),
        ..ClientSessionConfig::new()
    });
    let socket = Socket::connect(address).await?;
    let mut secure = TlsSession::new(tls.reference(), socket, &config)?;

    // The handshake: from here on the stream is what it is said to be.
    let (reader, writer) = secure.split().await?;
    let stream = OpenedStream::secure(origin, reader, writer);
    let mut resources = Resources::<1, 4096, 1024, 1024>::new();
    let done = session
        .connection_over(stream, &mut resources, async |connection| {
            let mut content = vec![0; 1 << 20];
            for text in urls {
                let url = Url::parse(text).map_err(|error| format!("{text}: {error:?}"))?;
                let request = Request::new("GET", url, &[], BodyLength::None)
                    .map_err(|error| format!("{text}: {error:?}"))?;
                let response = connection
                    .data(&request, &[], &mut content)
                    .await
                    .map_err(|failure| format!("{text}: {failure:?}"))?;
                println!("{} {}", response.status(), response.content().len());
            }
            Ok::<_, String>(())
        })
        .await;
    // The stream is ours again: the server is told that nothing more comes.
    secure.close().await?;
    Ok(done?)
}
