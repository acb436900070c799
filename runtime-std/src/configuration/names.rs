//! What a session is told about names: where they lead, and who says so.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::SessionConfiguration;
use crate::system::{LookUp, Pattern};

/// Names and addresses.
///
/// A host of a URL that is an address is connected to as it is. Any other is looked up by the
/// system, once for each connection, in the time that a task has for its
/// [request timeout](Self::request_timeout); whether there is such a name is for the system to say,
/// and what it says is the source of the error. Then the addresses race: each gets 250 ms to
/// connect before the next one is tried beside it, or less if it fails, and the families take turns
/// (RFC 8305). A connection is used for what it was opened for, so that these settings hold for all
/// of a session.
impl SessionConfiguration {
    /// Has `host` lead to these addresses, at `port` or at any: the resolver is not asked. As
    /// `--resolve` of curl.
    ///
    /// `Host` and the name that a certificate is for stay those of the URL. Of several that fit,
    /// the one said last counts. Without any address the host is unknown.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    ///
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    /// # let port = listener.local_addr()?.port();
    /// # let origin = std::thread::spawn(move || {
    /// #     let mut stream = listener.accept().unwrap().0;
    /// #     let _ = stream.read(&mut [0; 1024]).unwrap();
    /// #     stream.write_all(b"HTTP/1.1 204 No\r\n\r\n").unwrap();
    /// # });
    /// let session = sortie::Session::builder()
    ///     .resolve("staging.example", None, [Ipv4Addr::LOCALHOST.into()])
    ///     .build();
    /// let (response, _) = session.data_blocking(&format!("http://staging.example:{port}/"))?;
    /// assert_eq!(response.status(), 204);
    /// # origin.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn resolve(
        mut self,
        host: &str,
        port: Option<u16>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let pattern = Pattern::new(Some(host), port);
        self.network.names.resolved.push((pattern, addresses.into_iter().collect()));
        self
    }

    /// Has connections to the host and port `from` lead to the host and port `to`: `None` is any in
    /// `from`, and that of the URL in `to`. As `--connect-to` of curl.
    ///
    /// `Host` and the name that a certificate is for stay those of the URL. Where the connection
    /// leads is resolved as any host is. Of several that fit, the first counts.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    /// # let port = listener.local_addr()?.port();
    /// # let origin = std::thread::spawn(move || {
    /// #     let mut stream = listener.accept().unwrap().0;
    /// #     let _ = stream.read(&mut [0; 1024]).unwrap();
    /// #     stream.write_all(b"HTTP/1.1 204 No\r\n\r\n").unwrap();
    /// # });
    /// // One server of many that have the name.
    /// let session = sortie::Session::builder()
    ///     .connect_to((Some("shop.example"), Some(80)), (Some("127.0.0.1"), Some(port)))
    ///     .build();
    /// let (response, _) = session.data_blocking("http://shop.example/")?;
    /// assert_eq!(response.status(), 204);
    /// # origin.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn connect_to(
        mut self,
        from: (Option<&str>, Option<u16>),
        to: (Option<&str>, Option<u16>),
    ) -> Self {
        let (from, to) = (Pattern::new(from.0, from.1), Pattern::new(to.0, to.1));
        self.network.names.led_elsewhere.push((from, to));
        self
    }

    /// Has names looked up by `resolver` instead of the system: it is given the host and the port,
    /// and says the addresses, the ones to be preferred first. Each is connected to at the port
    /// that it has. It is not asked for addresses, nor for what [`resolve`](Self::resolve) says.
    ///
    /// Its future is dropped when the task gives up the connection: at its request timeout, or when
    /// it is cancelled. An error fails the task as
    /// [`NameNotResolved`](sortie_core::Transport::NameNotResolved) and is its source; so does an
    /// empty list.
    ///
    /// ```
    /// use std::net::{Ipv4Addr, SocketAddr};
    ///
    /// let session = sortie::Session::builder()
    ///     .resolver(|host, port| async move {
    ///         match host.strip_suffix(".test") {
    ///             Some(_) => Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]),
    ///             None => Err(std::io::Error::other("only names of tests are known here")),
    ///         }
    ///     })
    ///     .build();
    /// let error = session.data_blocking("http://shop.example/").unwrap_err();
    /// assert_eq!(error.code(), -1003);
    /// assert!(error.to_string().contains("only names of tests are known here"));
    /// ```
    #[must_use]
    pub fn resolver<F, L>(mut self, resolver: F) -> Self
    where
        F: Fn(String, u16) -> L + Send + Sync + 'static,
        L: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let resolver = move |host, port| -> LookUp { Box::pin(resolver(host, port)) };
        self.network.names.resolver = Some(Arc::new(resolver));
        self
    }
}
