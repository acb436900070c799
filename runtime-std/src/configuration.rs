//! What a session is made with.

mod names;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sortie_core::{Field, RedirectPolicy, TaskOptions};

use crate::background::{Background, Spawner};
use crate::builder::micros;
use crate::connection::Room;
use crate::error::Error;
use crate::session::Session;
use crate::shared::SessionShared;
use crate::system::{Network, System};
#[cfg(feature = "tls")]
use crate::tls::{Tls, TlsConfiguration};

/// What a session is made with. A session copies it when it is made: what is changed later is for
/// the next one.
///
/// ```
/// use std::time::Duration;
///
/// let session = sortie::SessionConfiguration::new()
///     .request_timeout(Duration::from_secs(10))
///     .max_connections_per_host(2)
///     .additional_field("User-Agent", "updater/3")?
///     .build();
/// # Ok::<(), sortie::Error>(())
/// ```
#[derive(Clone)]
pub struct SessionConfiguration {
    options: TaskOptions,
    spawner: Option<Spawner>,
    room: Room,
    fields: Vec<(String, Vec<u8>)>,
    network: Network,
    is_ephemeral: bool,
}

impl SessionConfiguration {
    /// The defaults of URLSession: 60 s without a byte, 7 days for a task, six connections to an
    /// origin, redirects followed, no fields of its own. [`Default`] is the same.
    #[must_use]
    pub fn new() -> Self {
        Self {
            options: TaskOptions::default(),
            spawner: None,
            room: Room::default(),
            fields: Vec::new(),
            network: Network::default(),
            is_ephemeral: false,
        }
    }

    /// The same for a session that leaves nothing on the disk but what it is told to: downloads.
    ///
    /// What every session keeps of servers, their connections and the keys of TLS sessions, is in
    /// memory, its own, and gone with it. So this differs from [`new`](Self::new) in nothing else
    /// yet: there are no cookies, caches or credentials, which an ephemeral session will keep in
    /// memory.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self { is_ephemeral: true, ..Self::new() }
    }

    /// Whether this is for a session that leaves nothing on the disk.
    #[must_use]
    pub const fn is_ephemeral(&self) -> bool {
        self.is_ephemeral
    }

    /// The longest time without a byte sent or received, before a task fails. 60 s if not set.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request_timeout = micros(timeout);
        self
    }

    /// The longest time for a whole task, from its first resume on. 7 days if not set.
    #[must_use]
    pub fn resource_timeout(mut self, timeout: Duration) -> Self {
        self.options.resource_timeout = micros(timeout);
        self
    }

    /// The most connections to one origin that tasks have at a time, at least 1: others wait for
    /// their turn, by priority. 6 if not set.
    #[must_use]
    pub const fn max_connections_per_host(mut self, most: u16) -> Self {
        self.room.per_host = most;
        self
    }

    /// The most connections in all, idle ones included, from 1 to 65,535: 256 if not set.
    #[must_use]
    pub const fn max_connections(mut self, most: u16) -> Self {
        self.room.connections = most;
        self
    }

    /// How long a connection that no task has is kept: 60 s if not set.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.room.idle_timeout = micros(timeout);
        self
    }

    /// What tasks do with redirects, where they say nothing else.
    #[must_use]
    pub const fn redirects(mut self, policy: RedirectPolicy) -> Self {
        self.options.redirects = policy;
        self
    }

    /// A field of every request that has none of this name. `User-Agent` and `Accept` take the
    /// place of those that are sent otherwise. Set again, it is replaced.
    ///
    /// # Errors
    /// The name is not a token, or the value has a control character.
    pub fn additional_field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, Error> {
        let value = value.as_ref();
        Field::new(name, value).map_err(|why| Error::request("", why))?;
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.fields.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Whom to trust on secure connections, and who we are: as the system says, and nobody, if not
    /// set.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, configuration: TlsConfiguration) -> Self {
        self.network.tls = Tls::new(configuration);
        self
    }

    /// Drives tasks that nobody awaits on the user's executor, instead of on a thread: `spawner`
    /// is given a future for each, and must run it to its end.
    ///
    /// ```
    /// let executor = std::sync::Arc::new(async_executor::Executor::new());
    /// let spawner = executor.clone();
    /// let session = sortie::Session::builder()
    ///     .spawner(move |drive| spawner.spawn(drive).detach())
    ///     .build();
    /// ```
    #[must_use]
    pub fn spawner(
        mut self,
        spawner: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.spawner = Some(Arc::new(spawner));
        self
    }

    /// A session.
    #[must_use]
    pub fn build(self) -> Session {
        self.make(false)
    }

    /// A session, or that of the process.
    pub(crate) fn make(self, is_shared: bool) -> Session {
        let background = match &self.spawner {
            Some(spawner) => Background::Spawner(spawner.clone()),
            None => Background::thread(),
        };
        let world = System::new(self.network.clone());
        let fields = self.fields.clone();
        let inner = SessionShared::new(world, self.options, background, self.room, fields);
        Session::of(inner, self, is_shared)
    }
}

impl Default for SessionConfiguration {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SessionConfiguration {
    /// Names of fields only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionConfiguration")
            .field("options", &self.options)
            .field("room", &self.room)
            .field("is_ephemeral", &self.is_ephemeral)
            .field(
                "additional_fields",
                &self.fields.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}
