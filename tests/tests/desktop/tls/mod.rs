//! TLS: who is trusted, what a failure is called, and that bytes come through.

mod bytes;
mod clients;
mod connections;
mod kinds;
mod platform;
mod refusals;
mod server;
mod settings;
mod trust;

use server::{Server, Serves, good, session, trusting};
use sortie::ErrorKind;
use sortie_core::{Error, TlsError, Transport};

/// What a task fails with that is not told more about than this.
fn tls(why: TlsError) -> ErrorKind {
    transport(Transport::Tls(why))
}

fn transport(why: Transport) -> ErrorKind {
    ErrorKind::Task(Error::Transport(why))
}

#[test]
fn a_get_goes_over_tls() {
    let server = Server::once(good().config(), 1);
    let (response, content) = session(trusting()).data_blocking(&server.url()).unwrap();
    assert_eq!((response.status(), content.as_slice()), (200, &b"ok"[..]));
    server.done();
}
