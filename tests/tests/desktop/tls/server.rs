//! Servers with certificates of the tests' own.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use sortie::{Session, SessionConfiguration, TlsConfiguration};

use crate::PATIENCE;
pub(super) use sortie_tests::authority::{Authority, Leaf};

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Whose certificates the sessions of the tests trust.
pub(super) static TRUSTED: LazyLock<Authority> = LazyLock::new(|| Authority::new("trusted"));

/// Whose they do not.
pub(super) static OTHER: LazyLock<Authority> = LazyLock::new(|| Authority::new("other"));

/// What a server that speaks HTTP does with a certificate.
pub(super) trait Serves {
    /// With all versions of TLS.
    fn config(&self) -> ServerConfig {
        self.config_of(rustls::ALL_VERSIONS, false)
    }

    /// Likewise, with these versions; `asks` demands a certificate of [`TRUSTED`] from clients.
    fn config_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        asks: bool,
    ) -> ServerConfig;
}

impl Serves for Leaf {
    fn config_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        asks: bool,
    ) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = match asks {
            false => builder.with_no_client_auth(),
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(TRUSTED.der()).unwrap();
                let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(clients.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(self.chain.clone(), self.key_der()).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

/// What most servers have.
pub(super) fn good() -> Leaf {
    TRUSTED.leaf(&["localhost", "127.0.0.1"])
}

/// What sessions have that trust [`TRUSTED`].
pub(super) fn trusting() -> TlsConfiguration {
    TlsConfiguration::new().trusted_roots_pem(TRUSTED.pem().as_bytes()).unwrap()
}

pub(super) fn session(tls: TlsConfiguration) -> Session {
    SessionConfiguration::new().tls(tls).request_timeout(PATIENCE).build()
}

pub(super) type Script = Box<dyn FnOnce(&mut Peer) + Send>;

pub(super) fn script(run: impl FnOnce(&mut Peer) + Send + 'static) -> Script {
    Box::new(run)
}

/// A server on loopback whose connections run a closure each, one after another.
pub(super) struct Server {
    pub(super) port: u16,
    thread: JoinHandle<()>,
}

impl Server {
    pub(super) fn new(config: ServerConfig, scripts: Vec<Script>) -> Self {
        let config = Arc::new(config);
        let run = |script: Script| {
            let config = config.clone();
            move |stream: TcpStream| script(&mut Peer::new(stream, config))
        };
        Self::raw(scripts.into_iter().map(run).collect())
    }

    /// What comes over TCP is up to the closures.
    pub(super) fn raw<F: FnOnce(TcpStream) + Send + 'static>(scripts: Vec<F>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            for script in scripts {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                stream.set_nodelay(true).unwrap();
                script(stream);
            }
        });
        Self { port, thread }
    }

    /// Answers one request on each of so many connections, whatever becomes of them.
    pub(super) fn once(config: ServerConfig, connections: usize) -> Self {
        let answer = |peer: &mut Peer| {
            if peer.shakes_hands() {
                let _ = peer.answer();
                peer.close();
            }
        };
        Self::new(config, (0..connections).map(|_| script(answer)).collect())
    }

    /// All scripts ran to their end.
    pub(super) fn done(self) {
        self.thread.join().expect("the server's scripts");
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}/", self.port)
    }
}

/// The server's end of a connection.
pub(super) struct Peer {
    pub(super) tls: StreamOwned<ServerConnection, TcpStream>,
    held: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream, config: Arc<ServerConfig>) -> Self {
        let tls = ServerConnection::new(config).unwrap();
        Self { tls: StreamOwned::new(tls, stream), held: Vec::new() }
    }

    /// Whether the handshake goes through, as far as the server can tell.
    pub(super) fn shakes_hands(&mut self) -> bool {
        while self.tls.conn.is_handshaking() {
            if self.tls.conn.complete_io(&mut self.tls.sock).is_err() {
                return false;
            }
        }
        true
    }

    /// Takes one request without a body, or the head of one with a body.
    pub(super) fn request(&mut self) -> String {
        self.try_request().expect("a request in time")
    }

    fn try_request(&mut self) -> io::Result<String> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(end) = self.held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.held.drain(..end + 4).collect();
                return Ok(String::from_utf8(head).unwrap());
            }
            match self.tls.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.held.extend_from_slice(&buffer[..count]),
            }
        }
    }

    fn answer(&mut self) -> io::Result<()> {
        self.try_request()?;
        self.tls.write_all(OK.as_bytes())?;
        self.tls.flush()
    }

    /// Takes exactly so many bytes, in small reads.
    pub(super) fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut buffer = [0; 1500];
        while self.held.len() < count {
            let more = self.tls.read(&mut buffer).expect("more in time");
            assert!(more > 0, "the client closed too early");
            self.held.extend_from_slice(&buffer[..more]);
        }
        self.held.drain(..count).collect()
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.tls.write_all(bytes.as_ref()).expect("the client reads");
        self.tls.flush().expect("the client reads");
    }

    /// Takes a chunked body: its content.
    pub(super) fn chunked(&mut self) -> Vec<u8> {
        let mut content = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(self.exactly(1));
            }
            let size = String::from_utf8(line).unwrap();
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let mut data = self.exactly(size + 2);
            assert!(data.ends_with(b"\r\n"));
            data.truncate(size);
            content.extend(data);
            if size == 0 {
                return content;
            }
        }
    }

    /// Takes the client's first flight and answers it with ours.
    pub(super) fn first_flight(&mut self) {
        while !self.tls.conn.wants_write() {
            self.tls.conn.read_tls(&mut self.tls.sock).unwrap();
            self.tls.conn.process_new_packets().unwrap();
        }
        self.send_unread("");
    }

    /// Sends without reading anything first.
    pub(super) fn send_unread(&mut self, bytes: impl AsRef<[u8]>) {
        self.tls.conn.writer().write_all(bytes.as_ref()).unwrap();
        while self.tls.conn.wants_write() {
            self.tls.conn.write_tls(&mut self.tls.sock).unwrap();
        }
    }

    /// Takes a request, and sends nothing on the way, such as tickets.
    pub(super) fn request_silently(&mut self) {
        let mut buffer = [0; 4096];
        while !self.held.ends_with(b"\r\n\r\n") {
            self.tls.conn.read_tls(&mut self.tls.sock).unwrap();
            self.tls.conn.process_new_packets().unwrap();
            if let Ok(count) = self.tls.conn.reader().read(&mut buffer) {
                self.held.extend_from_slice(&buffer[..count]);
            }
        }
        self.held.clear();
    }

    /// Ends the connection in order, as far as the client is still there.
    pub(super) fn close(&mut self) {
        self.tls.conn.send_close_notify();
        let _ = self.tls.flush();
        let _ = self.tls.sock.shutdown(Shutdown::Write);
    }

    /// Ends the connection without notice.
    pub(super) fn cut(&mut self) {
        self.tls.sock.shutdown(Shutdown::Write).unwrap();
    }

    /// Waits until the client ends the connection, which it does with notice.
    pub(super) fn ended(&mut self) {
        assert_eq!(self.tls.read(&mut [0; 64]).expect("close_notify"), 0);
    }
}
