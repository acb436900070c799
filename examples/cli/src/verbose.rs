//! What `-v` shows: events with their times (`*`), requests (`>`) and heads of responses (`<`).

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sortie::core::Url;
use sortie::{Request, Response, ServerTrust, Task, TaskMetrics, Transaction};

use crate::args::pin;

/// Fields whose values are secrets. They are not shown.
const SECRETS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// In place of what is not shown.
const HIDDEN: &str = "(hidden)";

/// When the command began: events are timed from here, so that those of several tasks compare.
static START: OnceLock<Instant> = OnceLock::new();

/// The command begins.
pub(crate) fn start_clock() {
    START.get_or_init(Instant::now);
}

/// Shows lines, all at once. Who reads no further misses the rest.
pub(crate) fn show(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A line about something that happened now. `tag` says to which task, where there are several.
pub(crate) fn event(tag: &str, text: &str) -> String {
    let since = START.get_or_init(Instant::now).elapsed();
    format!("* {:>7.1} ms  {tag}{text}\n", milliseconds(since))
}

/// One more line about the same.
fn more(text: &str) -> String {
    format!("*             {text}\n")
}

/// A server that is to be trusted. Nobody asks where TLS goes on with an earlier connection's.
pub(crate) fn server(trust: &ServerTrust<'_>, is_checked: bool) {
    let host = trust.host();
    let mut text = event(
        "",
        &match (trust.evaluation(), is_checked) {
            (Ok(()), true) => format!("the certificate of {host} is trusted"),
            (Ok(()), false) => format!("the certificate of {host} is NOT CHECKED: --insecure"),
            (Err(why), _) => format!("{host} is not trusted: {why}"),
        },
    );
    if let Some(digest) = trust.key_digest() {
        text += &more(&format!("its key is {}", pin(digest)));
    }
    show(&text);
}

/// How a connection came to be.
pub(crate) fn connection(tag: &str, it: &Transaction) -> String {
    let ends = match (it.remote_address, it.local_address) {
        (Some(remote), Some(local)) => format!(" to {remote} from {local}"),
        (Some(remote), None) => format!(" to {remote}"),
        (None, _) => String::new(),
    };
    let others = it.other_addresses.iter();
    let others: String =
        others.map(|(at, why)| event(tag, &format!("tried {at}: {why}"))).collect();
    let mut text = others
        + &match it.is_reused {
            true => event(tag, &format!("used again: the connection{ends}")),
            false => event(tag, &format!("connected{ends}")) + &more(&steps(it)),
        };
    if let (Some(version), false) = (it.tls_version, it.is_reused) {
        let suite = it.tls_cipher_suite.unwrap_or("a cipher suite without a name");
        let protocol = it.network_protocol_name.unwrap_or("none");
        text += &more(&format!("{version}, {suite}, ALPN: {protocol}"));
    }
    text
}

/// What took how long until there was a connection.
fn steps(it: &Transaction) -> String {
    let between = |start: Option<Duration>, end: Option<Duration>| {
        let (start, end) = start.zip(end)?;
        Some(format!("{:.1} ms", milliseconds(end.saturating_sub(start))))
    };
    let tcp_start = it.domain_lookup_end.or(it.connect_start);
    let tcp_end = it.secure_connection_start.or(it.connect_end);
    let resumed = if it.is_tls_resumed { ", resumed" } else { "" };
    let steps = [
        between(it.domain_lookup_start, it.domain_lookup_end)
            .map(|time| format!("looked up in {time}")),
        between(tcp_start, tcp_end).map(|time| format!("TCP {time}")),
        between(it.secure_connection_start, it.secure_connection_end)
            .map(|time| format!("TLS {time}{resumed}")),
    ];
    steps.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The request as it is sent, but for what resuming adds.
pub(crate) fn request(task: &Task) -> String {
    let request = task.current_request();
    let mut text = request_line(&request);
    let has = |name: &str| request.fields().any(|(it, _)| it.eq_ignore_ascii_case(name));
    if !has("user-agent") {
        text += concat!("> User-Agent: sortie/", env!("CARGO_PKG_VERSION"), "\n");
    }
    if !has("accept") {
        text += "> Accept: */*\n";
    }
    for (name, value) in request.fields() {
        text += &format!("> {name}: {}\n", value_shown(name, value));
    }
    match task.counts().expected_to_send {
        Some(0) => {}
        Some(length) => text += &format!("> Content-Length: {length}\n"),
        None => text += "> Transfer-Encoding: chunked\n",
    }
    text + ">\n"
}

/// With the `Host` that belongs to it.
fn request_line(request: &Request) -> String {
    let (path, authority) = match Url::parse(request.url()) {
        Ok(url) => (url.path_and_query(), url.authority()),
        Err(_) => (request.url(), ""),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut text = format!("> {} {slash}{path} HTTP/1.1\n", request.method());
    if !request.fields().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text += &format!("> Host: {authority}\n");
    }
    text
}

/// The head of a response.
pub(crate) fn response(response: &Response) -> String {
    let head = response.head();
    let reason = String::from_utf8_lossy(head.reason());
    let mut text = format!("< HTTP/1.{} {} {reason}\n", head.minor_version(), head.status());
    for (name, value) in response.fields() {
        text += &format!("< {name}: {}\n", value_shown(name, value));
    }
    text + "<\n"
}

/// The value of a field as it can be shown.
pub(crate) fn value_shown(name: &str, value: &[u8]) -> String {
    if SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name)) {
        return HIDDEN.to_owned();
    }
    let text = String::from_utf8_lossy(value);
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// What a task came to.
pub(crate) fn end(tag: &str, task: &Task, metrics: &TaskMetrics, is_complete: bool) -> String {
    let word = if is_complete { "complete" } else { "failed" };
    let of = |count: fn(&Transaction) -> u64| metrics.transactions.iter().map(count).sum::<u64>();
    let (sent, received) = (of(|it| it.counts.wire_sent), of(|it| it.counts.wire_received));
    let content = task.counts().received;
    let in_all = format!("{sent} sent and {received} received in all");
    event(tag, &format!("{word}: {content} bytes of content, {in_all}"))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
