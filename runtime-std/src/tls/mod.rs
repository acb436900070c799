//! TLS, by rustls. No other module names a type of it.

mod configuration;
mod errors;
mod identity;
mod pem;
mod stream;
mod verify;
mod words;

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use sortie_core::{Instant, Transport};

pub use configuration::{TlsConfiguration, TlsVersion};
pub use errors::TlsConfigurationError;
pub(crate) use stream::Secure;
pub use verify::{ServerTrust, TrustDecision};

use crate::system::Tcp;
use crate::world::ConnectFailure;

/// What we speak, by its name for ALPN (RFC 7301 §6).
const HTTP_1_1: &[u8] = b"http/1.1";

/// The TLS of one session: made at its first secure connection, and shared by all of them, so that
/// a later one can resume what an earlier one agreed on.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    wanted: TlsConfiguration,
    made: Arc<Made>,
}

#[derive(Debug, Default)]
struct Made {
    config: Mutex<Option<Arc<ClientConfig>>>,
    /// Held while it is made, which may take long.
    making: Mutex<()>,
}

impl Made {
    fn config(&self) -> MutexGuard<'_, Option<Arc<ClientConfig>>> {
        // It is there or not, never half.
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tls {
    pub(crate) fn new(wanted: TlsConfiguration) -> Self {
        Self { wanted, made: Arc::default() }
    }

    /// Forgets what connections agreed on: the next one does not resume any of them.
    pub(crate) fn forget(&self) {
        *self.made.config() = None;
    }

    /// What connections are made with.
    async fn ready(&self) -> Result<Arc<ClientConfig>, ConnectFailure> {
        if let Some(config) = self.made.config().clone() {
            return Ok(config);
        }
        let (wanted, made) = (self.wanted.clone(), self.made.clone());
        let make = move || {
            // Connections that begin at once wait here for the first one's.
            let making = made.making.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(config) = made.config().clone() {
                return Ok(config);
            }
            let config = Arc::new(make(&wanted)?);
            *made.config() = Some(config.clone());
            drop(making);
            Ok(config)
        };
        let config = match self.wanted.needs_platform() {
            // The system's certificates are many files.
            true => blocking::unblock(make).await,
            false => make(),
        };
        config.map_err(|why: rustls::Error| {
            let detail = Some(errors::detail(&why));
            ConnectFailure { why: Transport::TlsUnavailable, detail }
        })
    }
}

impl Clone for Tls {
    /// The same settings for another session, which shares no keys with this one.
    fn clone(&self) -> Self {
        Self::new(self.wanted.clone())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn make(wanted: &TlsConfiguration) -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let verifier = wanted.verifier(&provider)?;
    // Named, and never the default of the process, which another crate may have set.
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&wanted.versions())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(wanted.identity()));
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    config.resumption = Resumption::default();
    Ok(config)
}

/// Secures `tcp`, which leads to `host`: a name, or an address without brackets.
///
/// Dropping the future closes the connection.
pub(crate) async fn secure(
    tls: &Tls,
    tcp: Tcp,
    host: &str,
    now: impl Fn() -> Instant,
) -> Result<Box<Secure>, ConnectFailure> {
    let config = tls.ready().await?;
    let begin = now();
    let connection = server_name(host).and_then(|name| ClientConnection::new(config, name));
    let connection = connection.map_err(|why| errors::failure(&why, identity::Asked::No))?;
    let mut secure = Secure::new(tcp, connection);
    poll_fn(|cx| secure.poll_handshake(cx)).await?;
    secure.note((begin, now()));
    Ok(secure)
}

fn server_name(host: &str) -> Result<ServerName<'static>, rustls::Error> {
    // The zone of a link-local address is this machine's own (RFC 6874 §1).
    let address = host.split('%').next().unwrap_or(host).parse::<IpAddr>();
    match address {
        Ok(address) => Ok(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(host.to_owned()).map_err(|_| {
            rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForName)
        }),
    }
}
