//! Which scripts can be played on embassy, and as what.

use sortie_core::TaskKind;

use super::link::FAR;
use crate::script::{Body, Reply, Say, Script, Step};
use crate::trace::{Released, Trace};

/// In microseconds.
const DAY: u64 = 24 * 3600 * 1_000_000;

/// How exact the times of a network can be, in microseconds.
const EXACT: u64 = 1000;

/// The network that all addresses of scripts are in.
const NETWORK: &str = "192.0.2.";

/// Why a script cannot be played here, whatever comes of it; `None` if it can.
#[must_use]
pub fn lacks(script: &Script) -> Option<&'static str> {
    let options = script.options;
    let is_http = match options.kind {
        TaskKind::Data | TaskKind::Upload => !options.is_resuming,
        TaskKind::Download => true,
        TaskKind::Stream | TaskKind::WebSocket => false,
    };
    let asks_again = options.asks.new_body && !options.body_is_replayable;
    let follows_with = |reply: &Reply| matches!(reply.say, Say::FollowWith(_));
    let mut steps = script.connections.iter().flat_map(|origin| &origin.steps);
    let timeout = options.request_timeout;
    let is_close = |step: &Step| matches!(step, Step::Wait(time) if time.abs_diff(timeout) < EXACT);
    match () {
        () if !is_http => Some("a task kind that it does not have"),
        () if script.replies.iter().any(follows_with) => Some("a request lent by another task"),
        () if asks_again && script.body != Body::None => Some("a second reader for a body"),
        () if options.request_timeout > DAY => Some("a clock that can be stepped so far"),
        () if steps.any(is_close) => Some("a network that takes no time"),
        () => None,
    }
}

/// Why what a script shows on the core cannot be shown here; `None` if it can.
#[must_use]
pub fn does_not_show(trace: &Trace) -> Option<&'static str> {
    let is_there = |to: &&str| {
        let mut words = to.split(' ');
        let (scheme, host) = (words.next(), words.next().unwrap_or_default());
        scheme == Some("http") && (host == FAR.to_string() || host.ends_with(".example"))
    };
    match () {
        () if trace.released().contains(&Released::Upgraded) => {
            Some("a connection handed over to the user")
        }
        () if !trace.destinations().iter().all(is_there) => Some("TLS, and addresses of others"),
        () => None,
    }
}

/// The ports at which the origins of a script are, by what it shows on the core.
///
/// # Panics
/// If a destination has none.
#[must_use]
pub fn ports(trace: &Trace) -> Vec<u16> {
    let port = |to: &str| to.rsplit(' ').next().and_then(|port| port.parse().ok());
    trace.destinations().into_iter().map(|to| port(to).expect("a port")).collect()
}

/// `script` with the far end behind the name of a host instead of another address: there is one
/// address at the other end of the cable.
#[must_use]
pub fn named(script: &Script) -> Script {
    let mut script = script.clone();
    for origin in &mut script.connections {
        for step in &mut origin.steps {
            if let Step::Send(bytes) = step {
                *bytes = with_names(bytes);
            }
        }
    }
    script
}

/// A response whose `Location` has the names of hosts.
fn with_names(response: &[u8]) -> Vec<u8> {
    let lines = response.split_inclusive(|byte| *byte == b'\n');
    let line = |line: &[u8]| match std::str::from_utf8(line) {
        Ok(text) if text.to_ascii_lowercase().starts_with("location:") => renamed(text).into(),
        Ok(_) | Err(_) => line.to_vec(),
    };
    lines.flat_map(line).collect()
}

fn renamed(text: &str) -> String {
    let mut parts = text.split(NETWORK);
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(digits);
        match number {
            "1" => all.push_str(NETWORK),
            _ => all.push_str("host-"),
        }
        all.push_str(number);
        all.push_str(if number == "1" { "" } else { ".example" });
        all.push_str(rest);
    }
    all
}
