//! The client's own certificate.

use std::cell::Cell;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// Whether the server asked for a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Asked {
    #[default]
    No,
    /// There was none to show.
    InVain,
    /// It was shown.
    Shown,
}

thread_local! {
    // rustls asks within the call that it is given bytes with, and does not say for which
    // connection; a resolver of each connection's own would keep sessions from being resumed.
    static ASKED: Cell<Asked> = const { Cell::new(Asked::No) };
}

/// Whether the bytes that rustls was given last, on this thread, asked for a client certificate.
pub(super) fn take_asked() -> Asked {
    ASKED.take()
}

/// Shows the client certificate of a session, and notes that it was asked for.
#[derive(Debug)]
pub(super) struct Identity {
    client: Option<Arc<CertifiedKey>>,
}

impl Identity {
    pub(super) const fn new(client: Option<Arc<CertifiedKey>>) -> Self {
        Self { client }
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |client: &&Arc<CertifiedKey>| client.key.choose_scheme(schemes).is_some();
        let client = self.client.as_ref().filter(fits).cloned();
        ASKED.set(if client.is_some() { Asked::Shown } else { Asked::InVain });
        client
    }

    fn has_certs(&self) -> bool {
        self.client.is_some()
    }
}
