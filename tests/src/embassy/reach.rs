//! Which scripts can be played on embassy, and as what.

use sortie_core::{Question, TaskKind};

use super::link::Cable;
use super::secure::plays;
use crate::script::{Command, Origin, Reply, Say, Script, Step, When};
use crate::trace::{Released, Told, Trace};

/// In microseconds.
const DAY: u64 = 24 * 3600 * 1_000_000;

/// How exact the times of a network can be, in microseconds.
const EXACT: i128 = 1000;

/// The network that all addresses of scripts are in.
const NETWORK: &str = "192.0.2.";

/// Why a script is not played here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// A stream or a WebSocket: there are no such tasks.
    Kind,
    /// Another request in answer to a redirect: all that a task sends is lent to it before it
    /// begins. Who wants that refuses the redirect, and sends the other one.
    FollowWith,
    /// The question for a second body: a reader is borrowed for as long as its task runs, so that
    /// nobody could bring it back to its start. Nobody is asked, and the task ends without.
    NewBody,
    /// A connection that goes on in another protocol: the 101 is told, and the connection reset.
    Upgraded,
    /// TLS, but for one new connection that all of a task goes over. A task whose first connection
    /// is plain is led to no other, and one that was lent a connection with TLS has only that.
    Tls,
    /// An address of IPv6, of which the runtime speaks nothing.
    Ipv6,
    /// An answer that is sent within a millisecond before the request timeout: it comes too late,
    /// since the way there and back takes its time. `embassy/left_out.rs` finds the last moment.
    JustInTime,
    /// A time that the clock cannot be brought to: it goes step by step, and the network stack
    /// counts microseconds up to 2^63 only.
    Clock,
}

/// Why a script cannot be played here, whatever comes of it; `None` if it can.
#[must_use]
pub fn lacks(script: &Script) -> Option<LeftOut> {
    let options = script.options;
    let is_http = match options.kind {
        TaskKind::Data | TaskKind::Upload => !options.is_resuming,
        TaskKind::Download => true,
        TaskKind::Stream | TaskKind::WebSocket => false,
    };
    let follows_with = |reply: &Reply| matches!(reply.say, Say::FollowWith(_));
    let is_far = |command: &Command| matches!(command.when, When::At(time) if time > DAY);
    match () {
        () if !is_http => Some(LeftOut::Kind),
        () if script.replies.iter().any(follows_with) => Some(LeftOut::FollowWith),
        () if script.commands.iter().any(is_far) => Some(LeftOut::Clock),
        () if waits(script).any(|off| (-EXACT..0).contains(&off)) => Some(LeftOut::JustInTime),
        () => None,
    }
}

/// How much longer each wait of the origins is than the request timeout, in microseconds.
fn waits(script: &Script) -> impl Iterator<Item = i128> {
    let timeout = i128::from(script.options.request_timeout);
    let steps = script.connections.iter().flat_map(|origin| &origin.steps);
    steps.filter_map(move |step| match step {
        Step::Wait(time) => Some(i128::from(*time) - timeout),
        Step::Expect(_) | Step::Send(_) | Step::Close | Step::Reset | Step::Refuse | Step::Next => {
            None
        }
    })
}

/// The cable for a script: one that is exact where its times are.
#[must_use]
pub fn cable(script: &Script) -> Cable {
    match waits(script).any(|off| (0..EXACT).contains(&off)) {
        true => Cable::GOOD,
        false => Cable::COARSE,
    }
}

/// Why what a script shows on the core cannot be shown here; `None` if it can.
#[must_use]
pub fn does_not_show(trace: &Trace) -> Option<LeftOut> {
    let to = trace.destinations();
    match () {
        () if trace.events.contains(&Told::Asked(Question::NewBody)) => Some(LeftOut::NewBody),
        () if trace.released().contains(&Released::Upgraded) => Some(LeftOut::Upgraded),
        () if to.iter().any(|to| to.contains("::")) => Some(LeftOut::Ipv6),
        () if to.len() > 1 && to.iter().any(|to| is_secure(to)) => Some(LeftOut::Tls),
        () => None,
    }
}

/// Whether a URL, or a destination, is one of TLS.
#[must_use]
pub fn is_secure(to: &str) -> bool {
    to.starts_with("https")
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
    with_locations(script, renamed)
}

/// `script` with `https` in the place of `http`, if that makes a difference, one new connection
/// will do, and that can be opened.
#[must_use]
pub fn secured(script: &Script) -> Option<Script> {
    let is_there = |origin: &Origin| !origin.refuses();
    let is_plain = !is_secure(&script.url);
    if !is_plain || !plays(script) || !script.connections.iter().all(is_there) {
        return None;
    }
    let mut script = with_locations(script, over_tls);
    script.url = over_tls(&script.url);
    Some(script)
}

/// `script` with other values of `Location` in its responses.
fn with_locations(script: &Script, change: fn(&str) -> String) -> Script {
    let mut script = script.clone();
    for origin in &mut script.connections {
        for step in &mut origin.steps {
            if let Step::Send(bytes) = step {
                let lines = bytes.split_inclusive(|byte| *byte == b'\n');
                let line = |line: &[u8]| match std::str::from_utf8(line) {
                    Ok(text) if text.to_ascii_lowercase().starts_with("location:") => {
                        change(text).into()
                    }
                    Ok(_) | Err(_) => line.to_vec(),
                };
                *bytes = lines.flat_map(line).collect();
            }
        }
    }
    script
}

/// With the scheme of TLS, and its default port.
fn over_tls(text: &str) -> String {
    text.replace("http://", "https://").replace(":80/", ":443/")
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
