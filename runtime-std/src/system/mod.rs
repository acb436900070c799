//! The real world: names through the system's resolver, TCP through async-io's reactor, TLS.

mod clock;
mod errors;
mod names;
mod open;
mod race;
mod tcp;
mod timer;
mod wire;

use std::sync::Arc;

use sortie_core::Instant;

use crate::world::{Connecting, Endpoint, World};

pub(crate) use names::{LookUp, Pattern};
pub(crate) use open::Network;
#[cfg(feature = "tls")]
pub(crate) use tcp::Tcp;
pub(crate) use timer::SystemTimer;
pub(crate) use wire::Wire;

/// The real world.
#[derive(Debug)]
pub(crate) struct System {
    epoch: std::time::Instant,
    network: Arc<Network>,
}

impl System {
    pub(crate) fn new(network: Network) -> Self {
        Self { epoch: std::time::Instant::now(), network: Arc::new(network) }
    }

    /// Forgets what was agreed on with servers.
    pub(crate) fn forget(&self) {
        #[cfg(feature = "tls")]
        self.network.tls.forget();
    }
}

impl World for System {
    type Stream = Wire;
    type Timer = SystemTimer;

    fn now(&self) -> Instant {
        at(self.epoch)
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new(self.epoch)
    }

    fn connect(&self, endpoint: Endpoint) -> Connecting<Wire> {
        Box::pin(open::open(self.network.clone(), self.epoch, endpoint))
    }
}

/// What time it is, counted from `epoch`.
fn at(epoch: std::time::Instant) -> Instant {
    let elapsed = epoch.elapsed();
    let seconds = elapsed.as_secs().saturating_mul(1_000_000);
    Instant::from_micros(seconds).after(u64::from(elapsed.subsec_micros()))
}
