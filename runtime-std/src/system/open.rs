//! Opening a connection, step by step: where it leads, its addresses, TCP, and TLS where the scheme
//! asks for it.
//!
//! A proxy would be one more place that [`reach`] can lead to, and a tunnel through it (`CONNECT`,
//! SOCKS) a step between [`reach`] and [`wire`], over the same `Tcp`: what follows knows only whom
//! the connection is for.

use std::sync::Arc;

#[cfg(not(feature = "tls"))]
use sortie_core::Transport;

use super::at;
use super::names::Names;
use super::race::race;
use super::tcp::Tcp;
use super::wire::Wire;
#[cfg(feature = "tls")]
use crate::tls::{Tls, secure};
use crate::world::{ConnectFailure, Endpoint};

/// How a session reaches its servers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    pub(crate) names: Names,
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
    #[cfg(not(feature = "tls"))]
    if endpoint.scheme.is_secure() {
        return Err(Transport::TlsUnavailable.into());
    }
    let tcp = reach(&network.names, epoch, &endpoint).await?;
    wire(&network, epoch, &endpoint, tcp).await
}

/// TCP to where a connection to `endpoint` is to lead.
async fn reach(
    names: &Names,
    epoch: std::time::Instant,
    endpoint: &Endpoint,
) -> Result<Tcp, ConnectFailure> {
    let (host, port) = names.destination(&endpoint.host, endpoint.port);
    let asked = at(epoch);
    let found = names.find(host, port).await?;
    let times = (asked, at(epoch));
    let mut tcp = race(&found.addresses, epoch).await?;
    tcp.facts.domain_lookup = found.is_looked_up.then_some(times);
    Ok(tcp)
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
