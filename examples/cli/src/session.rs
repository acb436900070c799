//! The session of a command, made as its options say.

use std::path::Path;
use std::process::ExitCode;

use sortie::{Error, Session, SessionConfiguration, TlsConfiguration, TrustDecision};

use crate::args::{Common, Elsewhere, Names, Resolved, Tls};
use crate::exit;
use crate::job;
use crate::report::Failure;
use crate::verbose;

/// The session for all URLs of one call. If there can be none, that is told, and the command ends
/// with this status.
///
/// Keep it until the last task has ended: tasks that have not begun go with it.
pub(crate) fn open(common: &Common) -> Result<Session, ExitCode> {
    new(common).map_err(|failure| {
        job::told(common, None, None, Some(&failure), |text| eprintln!("{text}"));
        ExitCode::from(failure.status())
    })
}

fn new(common: &Common) -> Result<Session, Failure> {
    let mut tls = tls(&common.tls)?;
    if common.verbose {
        let is_checked = !common.tls.accepts_any;
        tls = tls.server_trust(move |trust| {
            verbose::server(trust, is_checked);
            TrustDecision::Default
        });
    }
    Ok(named(SessionConfiguration::new().tls(tls), &common.names).build())
}

fn named(mut configuration: SessionConfiguration, names: &Names) -> SessionConfiguration {
    for Resolved { host, port, addresses } in &names.resolved {
        configuration = configuration.resolve(host, Some(*port), addresses.iter().copied());
    }
    for Elsewhere { from, to } in &names.elsewhere {
        let (from, to) = ((from.0.as_deref(), from.1), (to.0.as_deref(), to.1));
        configuration = configuration.connect_to(from, to);
    }
    configuration
}

fn tls(wanted: &Tls) -> Result<TlsConfiguration, Failure> {
    let mut tls = TlsConfiguration::new().pinned_keys(wanted.pins.iter().copied());
    if let Some(path) = &wanted.roots {
        let roots = read(path, exit::ROOTS)?;
        tls = tls.trusted_roots_pem(&roots).map_err(|error| refused(path, error))?;
    }
    if let Some(path) = &wanted.certificate {
        let certificate = read(path, exit::IDENTITY)?;
        let (path, key) = match &wanted.key {
            Some(path) => (path, read(path, exit::IDENTITY)?),
            None => (path, certificate.clone()),
        };
        let made = tls.client_certificate_pem(&certificate, &key);
        tls = made.map_err(|error| refused(path, error))?;
    }
    if wanted.accepts_any {
        tls = tls.accept_any_certificate();
    }
    if let Some(version) = wanted.minimum {
        tls = tls.minimum_version(version);
    }
    if let Some(version) = wanted.maximum {
        tls = tls.maximum_version(version);
    }
    Ok(tls)
}

fn read(path: &Path, status: u8) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        let what = format!("cannot read {}", path.display());
        Failure::File { status, what, error }
    })
}

fn refused(path: &Path, error: Error) -> Failure {
    Failure::Settings { what: path.display().to_string(), error }
}
