//! Opening a connection: name, addresses, TCP, and TLS where the scheme asks for it.

use std::io;
use std::sync::Arc;

use sortie_core::Transport;

use super::at;
use super::tcp::Tcp;
use super::wire::Wire;
#[cfg(feature = "tls")]
use crate::tls::{Tls, secure};
use crate::world::{ConnectFailure, Endpoint};

/// How a session reaches its servers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    #[cfg(feature = "tls")]
    pub(crate) tls: Tls,
}

/// Opens a connection to `endpoint`.
pub(super) async fn open(
    network: Arc<Network>,
    epoch: std::time::Instant,
    endpoint: Endpoint,
) -> Result<Wire, ConnectFailure> {
    // Before anything is looked up: there is nobody to talk to.
    if cfg!(not(feature = "tls")) && endpoint.scheme.is_secure() {
        return Err(Transport::TlsUnavailable.into());
    }
    let asked = at(epoch);
    let name = (endpoint.host.as_str(), endpoint.port);
    let addresses = async_net::resolve(name).await;
    let addresses = addresses.map_err(|_| Transport::NameNotResolved)?;
    let domain_lookup = Some((asked, at(epoch)));
    let mut last = Transport::NameNotResolved;
    for address in addresses {
        match Tcp::connect(address).await {
            Ok(mut tcp) => {
                tcp.facts.domain_lookup = domain_lookup;
                return wire(&network, epoch, &endpoint, tcp).await;
            }
            Err(error) => last = connect_error(&error),
        }
    }
    Err(last.into())
}

/// What goes over `tcp` to `endpoint`: never plaintext if that is secure.
async fn wire(
    network: &Network,
    epoch: std::time::Instant,
    endpoint: &Endpoint,
    tcp: Tcp,
) -> Result<Wire, ConnectFailure> {
    if !endpoint.scheme.is_secure() {
        return Ok(Wire::Plain(tcp));
    }
    #[cfg(feature = "tls")]
    return secure(&network.tls, tcp, &endpoint.host, || at(epoch)).await.map(Wire::Secure);
    #[cfg(not(feature = "tls"))]
    {
        let _ = (network, epoch, tcp);
        Err(Transport::TlsUnavailable.into())
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the standard library adds kinds at will")]
fn connect_error(error: &io::Error) -> Transport {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Transport::Refused,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
            Transport::Unreachable
        }
        _ => Transport::ConnectFailed,
    }
}
