//! TLS: who is trusted, what a failure is called, and that bytes come through.

mod server;

use server::{Server, good, session, trusting};

#[test]
fn a_get_goes_over_tls() {
    let server = Server::once(good().config(), 1);
    let (response, content) = session(trusting()).data_blocking(&server.url()).unwrap();
    assert_eq!((response.status(), content.as_slice()), (200, &b"ok"[..]));
    server.done();
}
