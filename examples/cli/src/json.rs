//! `--json`: everything about a finished task, as one JSON object on a line (RFC 8259).

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use sortie::{Request, Response, Task, TaskKind, TaskMetrics, TaskState};

use crate::report::{Failure, shown};
use crate::verbose::value_shown;

/// An object that is being written.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    /// A member whose value is JSON already.
    fn raw(&mut self, name: &str, value: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0 += &format!("{}:{value}", string(name));
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        self.raw(name, &value.map_or_else(null, string));
    }

    fn number(&mut self, name: &str, value: Option<u64>) {
        self.raw(name, &value.map_or_else(null, |value| value.to_string()));
    }

    fn seconds(&mut self, name: &str, value: Option<std::time::Duration>) {
        self.raw(name, &value.map_or_else(null, |value| format!("{:.6}", value.as_secs_f64())));
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn null() -> String {
    "null".to_owned()
}

/// A string with all that JSON wants escaped.
fn string(text: &str) -> String {
    let mut all = String::with_capacity(text.len() + 2);
    all.push('"');
    for letter in text.chars() {
        match letter {
            '"' => all += "\\\"",
            '\\' => all += "\\\\",
            '\n' => all += "\\n",
            '\r' => all += "\\r",
            '\t' => all += "\\t",
            // A terminal would obey these, which JSON lets stand.
            _ if letter.is_control() => _ = write!(all, "\\u{:04x}", u32::from(letter)),
            _ => all.push(letter),
        }
    }
    all.push('"');
    all
}

/// The task as it is, with what went wrong and what it took.
pub(crate) fn task(task: &Task, failure: Option<&Failure>, metrics: Option<TaskMetrics>) -> String {
    let mut object = Object::new();
    object.number("identifier", Some(task.identifier()));
    object.raw("kind", kind(task.kind()));
    object.text("description", task.description().as_deref());
    object.raw("state", state(task.state()));
    object.raw("priority", &task.priority().to_string());
    object.raw("progress", &progress(task));
    counts(&mut object, task);
    object.raw("prefers_incremental_delivery", bool(task.prefers_incremental_delivery()));
    object.text("earliest_begin", task.earliest_begin().map(time).as_deref());
    object.number("redirect_count", Some(task.redirect_count().into()));
    object.raw("original_request", &request(task.original_request()));
    object.raw("current_request", &request(&task.current_request()));
    object.raw("response", &task.response().as_ref().map_or_else(null, response));
    object.text("file", task.file().map(|file| file.display().to_string()).as_deref());
    object.raw("error", &failure.map_or_else(null, error));
    object.raw("metrics", &metrics.as_ref().map_or_else(null, self::metrics));
    object.end()
}

const fn kind(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Data => "\"data\"",
        TaskKind::Upload => "\"upload\"",
        TaskKind::Download => "\"download\"",
        TaskKind::Stream => "\"stream\"",
        TaskKind::WebSocket => "\"websocket\"",
    }
}

const fn state(state: TaskState) -> &'static str {
    match state {
        TaskState::Running => "\"running\"",
        TaskState::Suspended => "\"suspended\"",
        TaskState::Canceling => "\"canceling\"",
        TaskState::Completed => "\"completed\"",
    }
}

const fn bool(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn progress(task: &Task) -> String {
    let progress = task.snapshot().progress;
    let mut object = Object::new();
    object.number("completed_unit_count", Some(progress.completed));
    object.number("total_unit_count", progress.total);
    object.raw("fraction_completed", &format!("{:.4}", progress.fraction()));
    object.raw("is_indeterminate", bool(progress.is_indeterminate()));
    object.end()
}

fn counts(object: &mut Object, task: &Task) {
    let counts = task.counts();
    object.number("count_of_bytes_sent", Some(counts.sent));
    object.number("count_of_bytes_received", Some(counts.received));
    object.number("count_of_bytes_delivered", Some(counts.delivered));
    object.number("count_of_bytes_expected_to_send", counts.expected_to_send);
    object.number("count_of_bytes_expected_to_receive", counts.expected_to_receive);
    object.number("count_of_bytes_sent_on_the_wire", Some(counts.wire_sent));
    object.number("count_of_bytes_received_on_the_wire", Some(counts.wire_received));
    let expects = task.count_of_bytes_client_expects_to_send();
    object.number("count_of_bytes_client_expects_to_send", expects);
    let expects = task.count_of_bytes_client_expects_to_receive();
    object.number("count_of_bytes_client_expects_to_receive", expects);
}

fn request(request: &Request) -> String {
    let mut object = Object::new();
    object.text("method", Some(request.method()));
    object.text("url", Some(&shown(request.url())));
    object.raw("fields", &fields(request.fields()));
    object.end()
}

fn response(response: &Response) -> String {
    let head = response.head();
    let mut object = Object::new();
    object.number("status", Some(response.status().into()));
    object.text("reason", Some(&String::from_utf8_lossy(head.reason())));
    object.text("version", Some(&format!("HTTP/1.{}", head.minor_version())));
    object.raw("fields", &fields(response.fields()));
    object.end()
}

/// Name and value of each, in their order: a name may come several times.
fn fields<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let pairs = fields
        .map(|(name, value)| format!("[{},{}]", string(name), string(&value_shown(name, value))));
    format!("[{}]", pairs.collect::<Vec<_>>().join(","))
}

fn error(failure: &Failure) -> String {
    let mut object = Object::new();
    object.number("exit_status", Some(failure.status().into()));
    object.raw("code", &failure.error().map_or_else(null, |error| error.code().to_string()));
    object.text("message", Some(&failure.message()));
    let url = failure.error().map(|error| shown(error.failing_url()));
    object.text("failing_url", url.as_deref());
    let data = failure.error().and_then(sortie::Error::resume_data);
    object.number("resumable_bytes", data.map(sortie::ResumeData::received));
    object.end()
}

fn metrics(metrics: &TaskMetrics) -> String {
    let transactions = metrics.transactions.iter().map(|it| {
        let mut object = Object::new();
        object.text("url", Some(&shown(&it.url)));
        object.number("status", it.status.map(u64::from));
        object.raw("is_reused", bool(it.is_reused));
        object.seconds("domain_lookup_start", it.domain_lookup_start);
        object.seconds("domain_lookup_end", it.domain_lookup_end);
        object.seconds("connect_start", it.connect_start);
        object.seconds("secure_connection_start", it.secure_connection_start);
        object.seconds("secure_connection_end", it.secure_connection_end);
        object.seconds("connect_end", it.connect_end);
        object.seconds("request_start", it.request_start);
        object.seconds("response_end", it.response_end);
        let address = |it: Option<std::net::SocketAddr>| it.map(|it| it.to_string());
        let others = it.other_addresses.iter();
        let others =
            others.map(|(at, why)| format!("[{},{}]", string(&at.to_string()), string(why)));
        object.raw("other_addresses", &format!("[{}]", others.collect::<Vec<_>>().join(",")));
        object.text("remote_address", address(it.remote_address).as_deref());
        object.text("local_address", address(it.local_address).as_deref());
        object.text("tls_version", it.tls_version);
        object.text("tls_cipher_suite", it.tls_cipher_suite);
        object.raw("is_tls_resumed", bool(it.is_tls_resumed));
        object.text("network_protocol_name", it.network_protocol_name);
        object.end()
    });
    let transactions = transactions.collect::<Vec<_>>().join(",");
    let mut object = Object::new();
    object.seconds("duration", Some(metrics.duration));
    object.raw("transactions", &format!("[{transactions}]"));
    object.end()
}

/// Seconds since 1970.
fn time(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:.3}", since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Object, string};

    #[test]
    fn strings_are_escaped_as_rfc_8259_has_it() {
        assert_eq!(string("a\"b\\c\n\u{1}\u{9b}ä"), "\"a\\\"b\\\\c\\n\\u0001\\u009bä\"");
    }

    #[test]
    fn members_are_parted_by_commas() {
        let mut object = Object::new();
        object.number("a", Some(1));
        object.text("b", None);
        assert_eq!(object.end(), "{\"a\":1,\"b\":null}");
    }
}
