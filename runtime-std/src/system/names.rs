//! From the host of a URL to addresses: what the user has said, an address as it is written, or the
//! resolver.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;

use sortie_core::Transport;

use super::errors::is_without_socket;
use crate::world::ConnectFailure;

/// A look-up of a name.
pub(crate) type LookUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up in place of the system.
pub(crate) type Resolver = Arc<dyn Fn(String, u16) -> LookUp + Send + Sync>;

/// Which host and port is meant; `None` for any.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

impl Pattern {
    /// Brackets around an address are taken off, as those in a URL.
    pub(crate) fn new(host: Option<&str>, port: Option<u16>) -> Self {
        Self { host: host.map(|host| without_brackets(host).to_owned()), port }
    }

    fn fits(&self, host: &str, port: u16) -> bool {
        self.host.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(host))
            && self.port.is_none_or(|own| own == port)
    }
}

/// How a session gets from names to addresses.
#[derive(Clone, Default)]
pub(crate) struct Names {
    /// In the order in which they were said.
    pub(crate) resolved: Vec<(Pattern, Vec<IpAddr>)>,
    pub(crate) led_elsewhere: Vec<(Pattern, Pattern)>,
    pub(crate) resolver: Option<Resolver>,
}

/// Where a name leads to.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) addresses: Vec<SocketAddr>,
    /// A resolver was asked.
    pub(super) is_looked_up: bool,
}

impl Names {
    /// Where a connection to this host and port is to lead.
    pub(super) fn destination<'a>(&'a self, host: &'a str, port: u16) -> (&'a str, u16) {
        match self.led_elsewhere.iter().find(|(from, _)| from.fits(host, port)) {
            Some((_, to)) => (to.host.as_deref().unwrap_or(host), to.port.unwrap_or(port)),
            None => (host, port),
        }
    }

    /// The addresses of a host, in the order of RFC 6724 §6 where the system says them.
    ///
    /// Dropping the future waits for nothing. A look-up of the system's goes on in its thread until
    /// the system gives it up, and keeps no other waiting: there are 500 such threads.
    pub(super) async fn find(&self, host: &str, port: u16) -> Result<Found, ConnectFailure> {
        // What was said last, as curl has it.
        if let Some((_, said)) = self.resolved.iter().rev().find(|(from, _)| from.fits(host, port))
        {
            let addresses = said.iter().map(|address| (*address, port).into()).collect();
            return Ok(Found { addresses, is_looked_up: false });
        }
        match Host::of(host) {
            Host::Address(address) => {
                Ok(Found { addresses: vec![(address, port).into()], is_looked_up: false })
            }
            // Only the system knows its interfaces. It looks no name up for that.
            Host::Zoned(text) => {
                let addresses = system(text, port).await.map_err(failure)?;
                Ok(Found { addresses, is_looked_up: false })
            }
            Host::Name => {
                let addresses = match &self.resolver {
                    Some(resolver) => resolver(host.to_owned(), port).await,
                    None => system(host.to_owned(), port).await,
                };
                Ok(Found { addresses: addresses.map_err(failure)?, is_looked_up: true })
            }
        }
    }
}

/// What the host of a URL is.
#[derive(Debug, PartialEq)]
enum Host {
    Address(IpAddr),
    /// An address with an interface, by name or number, such as `fe80::1%eth0`.
    Zoned(String),
    Name,
}

impl Host {
    fn of(host: &str) -> Self {
        if let Ok(address) = host.parse() {
            return Self::Address(address);
        }
        // A zone comes percent-encoded after `%25` (RFC 6874 §2).
        let zoned = host.split_once("%25").and_then(|(address, zone)| {
            address.parse::<Ipv6Addr>().ok()?;
            Some(format!("{address}%{}", decoded(zone)?))
        });
        zoned.map_or(Self::Name, Self::Zoned)
    }
}

/// `text` without percent-encoding; `None` if that is malformed, or no text.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut left = text.as_bytes();
    let mut bytes = Vec::new();
    loop {
        match left {
            [] => return String::from_utf8(bytes).ok(),
            [b'%', high, low, rest @ ..] => {
                bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
                left = rest;
            }
            [b'%', ..] => return None,
            [byte, rest @ ..] => {
                bytes.push(*byte);
                left = rest;
            }
        }
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Asks the system, which blocks.
async fn system(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    blocking::unblock(move || match (host.as_str(), port).to_socket_addrs() {
        Ok(found) => Ok(found.collect()),
        // A resolver that can open no file and no socket may say that the name is unknown.
        Err(why) => Err(missing_socket().unwrap_or(why)),
    })
    .await
}

/// What the system says if it has no socket for anybody.
fn missing_socket() -> Option<io::Error> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).err().filter(is_without_socket)
}

fn failure(why: io::Error) -> ConnectFailure {
    let transport = match is_without_socket(&why) {
        true => Transport::NoSocket,
        false => Transport::NameNotResolved,
    };
    ConnectFailure { why: transport, detail: Some(why) }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("resolved", &self.resolved)
            .field("led_elsewhere", &self.led_elsewhere)
            .field("has_resolver", &self.resolver.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_name() {
        let address = |text: &str| Host::Address(text.parse().unwrap());
        let zoned = |text: &str| Host::Zoned(text.to_owned());
        let cases = [
            ("127.0.0.1", address("127.0.0.1")),
            ("::1", address("::1")),
            ("::ffff:127.0.0.1", address("::ffff:127.0.0.1")),
            ("fe80::1%257", zoned("fe80::1%7")),
            ("fe80::1%25%37", zoned("fe80::1%7")),
            ("fe80::1%25eth0", zoned("fe80::1%eth0")),
            ("fe80::1%25a%2Fb", zoned("fe80::1%a/b")),
            ("fe80::1%25a%2", Host::Name),
            ("fe80::1%25%ff", Host::Name),
            ("127.0.0.1%251", Host::Name),
            ("example.com", Host::Name),
            ("127.0.0.1.example", Host::Name),
            ("1", Host::Name),
        ];
        for (host, want) in cases {
            assert_eq!(Host::of(host), want, "{host}");
        }
    }
}
