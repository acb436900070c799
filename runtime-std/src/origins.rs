//! Numbers for origins: the scheduler knows no names.

use std::collections::HashMap;

use sortie_core::session::scheduler::GrowableScheduler;
use sortie_core::{Scheme, Url};

use crate::world::Endpoint;

/// The origins that tasks and connections have, by number.
#[derive(Default)]
pub(crate) struct Origins {
    by_name: HashMap<String, usize>,
    endpoints: Vec<Option<Endpoint>>,
    free: Vec<usize>,
    /// Asked for last, and most often next.
    last: usize,
}

/// Numbers that are given out before it is looked for unused ones.
const FEW: usize = 64;

impl Origins {
    /// The number of the origin of `url`.
    pub(crate) fn number(&mut self, url: Url<'_>, schedule: &GrowableScheduler) -> usize {
        if let Some(Some(endpoint)) = self.endpoints.get(self.last)
            && endpoint.serves(url)
        {
            return self.last;
        }
        let endpoint = Endpoint::of(url);
        let name = name(&endpoint);
        if let Some(number) = self.by_name.get(&name) {
            self.last = *number;
            return *number;
        }
        let number = self.unused(schedule);
        self.endpoints[number] = Some(endpoint);
        self.by_name.insert(name, number);
        self.last = number;
        number
    }

    /// A number that means no origin. Each time there are twice as many, the ones are looked for
    /// that nobody uses any more.
    fn unused(&mut self, schedule: &GrowableScheduler) -> usize {
        let count = self.endpoints.len();
        if self.free.is_empty() && count >= FEW && count.is_power_of_two() {
            for (number, slot) in self.endpoints.iter_mut().enumerate() {
                if !schedule.is_origin_used(number)
                    && let Some(endpoint) = slot.take()
                {
                    self.by_name.remove(&name(&endpoint));
                    self.free.push(number);
                }
            }
        }
        self.free.pop().unwrap_or_else(|| {
            self.endpoints.push(None);
            count
        })
    }
}

fn name(endpoint: &Endpoint) -> String {
    let scheme = match endpoint.scheme {
        Scheme::Http | Scheme::Ws => "",
        Scheme::Https | Scheme::Wss => "s",
    };
    // What follows the last colon is a number, so that no two have the same name.
    format!("{scheme}:{}:{}", endpoint.host.to_ascii_lowercase(), endpoint.port)
}
