//! `--write-out`: what a transfer was, in a format of the user's.

use std::net::SocketAddr;
use std::time::Duration;

use sortie::core::Url;
use sortie::{Response, Task, TaskMetrics, Transaction};

use crate::exit;
use crate::report::{Failure, shown};

/// What the variables are taken from.
pub(crate) struct Facts<'a> {
    pub(crate) task: &'a Task,
    pub(crate) failure: Option<&'a Failure>,
    pub(crate) metrics: Option<TaskMetrics>,
    pub(crate) first_head: Option<Duration>,
    /// Every certificate was to be accepted.
    pub(crate) accepts_any: bool,
}

/// In front of the name of a field, as in `%header{server}`.
const FIELD: &str = "header{";

/// The text for a format. A variable that is not known is kept as it stands, with a warning.
pub(crate) fn text(format: &str, facts: &Facts<'_>) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        let tail = &rest[letter.len_utf8()..];
        let end = tail.find('}');
        (text, rest) = match (letter, tail.chars().next(), end) {
            ('\\', Some(escaped @ ('n' | 't' | 'r' | '\\')), _) => {
                let plain = match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    _ => '\\',
                };
                (text + &plain.to_string(), &tail[1..])
            }
            ('%', Some('%'), _) => (text + "%", &tail[1..]),
            ('%', Some('h'), Some(end)) if tail.starts_with(FIELD) => {
                (text + &facts.field(tail[..end].trim_start_matches(FIELD)), &tail[end + 1..])
            }
            ('%', Some('{'), Some(end)) => {
                let name = &tail[1..end];
                let value = facts.value(name).unwrap_or_else(|| {
                    eprintln!("sortie: there is no variable '{name}' for --write-out");
                    format!("%{{{name}}}")
                });
                (text + &value, &tail[end + 1..])
            }
            _ => (text + &letter.to_string(), tail),
        };
    }
    text
}

impl Facts<'_> {
    /// A variable of curl's.
    fn value(&self, name: &str) -> Option<String> {
        self.of_request(name)
            .or_else(|| self.of_response(name))
            .or_else(|| self.of_connection(name))
            .or_else(|| self.of_time(name))
    }

    /// What was asked for, and how it ended.
    fn of_request(&self, name: &str) -> Option<String> {
        let current = self.task.current_request();
        Some(match name {
            "url" => shown(self.task.original_request().url()),
            "url_effective" => shown(current.url()),
            "method" => current.method().to_owned(),
            "scheme" => scheme(current.url()),
            "num_redirects" => self.task.redirect_count().to_string(),
            "redirect_url" => self.redirect().unwrap_or_default(),
            "filename_effective" => {
                self.task.file().map_or_else(String::new, |file| file.display().to_string())
            }
            "exitcode" => self.failure.map_or(0, Failure::status).to_string(),
            "errormsg" => self.failure.map_or_else(String::new, Failure::message),
            _ => return None,
        })
    }

    fn of_response(&self, name: &str) -> Option<String> {
        let counts = self.task.counts();
        let response = self.task.response();
        let response = response.as_ref();
        Some(match name {
            "http_code" | "response_code" => format!("{:03}", response.map_or(0, Response::status)),
            "http_version" => response.map_or_else(
                || "0".to_owned(),
                |response| format!("1.{}", response.head().minor_version()),
            ),
            "content_type" => self.field("content-type"),
            "num_headers" => response.map_or(0, |it| it.fields().count()).to_string(),
            "size_header" => response.map_or(0, |it| it.as_bytes().len()).to_string(),
            "size_download" => counts.received.to_string(),
            "size_upload" => counts.sent.to_string(),
            "speed_download" => speed(counts.received, self.total()),
            "speed_upload" => speed(counts.sent, self.total()),
            _ => return None,
        })
    }

    fn of_connection(&self, name: &str) -> Option<String> {
        let (remote, local) = (
            self.last().and_then(|it| it.remote_address),
            self.last().and_then(|it| it.local_address),
        );
        let ip = |at: Option<SocketAddr>| at.map_or_else(String::new, |at| at.ip().to_string());
        let port = |at: Option<SocketAddr>| at.map_or(0, |at| at.port()).to_string();
        Some(match name {
            "num_connects" => self.metrics.as_ref().map_or(0, connects).to_string(),
            "remote_ip" => ip(remote),
            "remote_port" => port(remote),
            "local_ip" => ip(local),
            "local_port" => port(local),
            "ssl_verify_result" => u8::from(self.is_unverified()).to_string(),
            _ => return None,
        })
    }

    fn of_time(&self, name: &str) -> Option<String> {
        let at = |time: fn(&Transaction) -> Option<Duration>| self.last().and_then(time);
        Some(seconds(match name {
            "time_namelookup" => at(|it| it.domain_lookup_end),
            // Without TLS, that is all there is to a connection.
            "time_connect" => at(|it| it.secure_connection_start.or(it.connect_end)),
            "time_appconnect" => at(|it| it.secure_connection_end),
            "time_pretransfer" => at(|it| it.request_start),
            "time_starttransfer" => self.first_head,
            "time_redirect" => at(|it| it.connect_start.or(it.request_start))
                .filter(|_| self.task.redirect_count() > 0),
            "time_total" => self.total(),
            _ => return None,
        }))
    }

    /// The last request and response.
    fn last(&self) -> Option<&Transaction> {
        self.metrics.as_ref()?.transactions.last()
    }

    fn total(&self) -> Option<Duration> {
        self.metrics.as_ref().map(|metrics| metrics.duration)
    }

    /// A field of the last response; empty if it has none.
    fn field(&self, name: &str) -> String {
        let response = self.task.response();
        let value = response.as_ref().and_then(|response| response.field(name));
        value.unwrap_or_default().to_owned()
    }

    /// Whether the server may be somebody else, although the URL asks for TLS.
    fn is_unverified(&self) -> bool {
        let is_secure = scheme(self.task.current_request().url()) == "https";
        let was_refused = self.failure.is_some_and(|it| it.status() == exit::UNTRUSTED);
        is_secure && (self.accepts_any || was_refused)
    }

    /// Where the last response leads, if it was not followed.
    fn redirect(&self) -> Option<String> {
        let response = self.task.response()?;
        let location = response.field("location").filter(|_| response.status() / 100 == 3)?;
        let request = self.task.current_request();
        let base = Url::parse(request.url()).ok()?;
        let mut room = vec![0; sortie::core::limits::URL_BYTES];
        let length = base.resolve(location.as_bytes(), &mut room).ok()?.length;
        room.truncate(length);
        String::from_utf8(room).ok().map(|url| shown(&url))
    }
}

fn scheme(url: &str) -> String {
    url.split(':').next().unwrap_or_default().to_ascii_lowercase()
}

fn connects(metrics: &TaskMetrics) -> usize {
    metrics.transactions.iter().filter(|it| !it.is_reused).count()
}

/// As curl writes times; 0 for what did not happen.
fn seconds(duration: Option<Duration>) -> String {
    format!("{:.6}", duration.unwrap_or_default().as_secs_f64())
}

/// Bytes a second.
fn speed(bytes: u64, duration: Option<Duration>) -> String {
    let micros = duration.unwrap_or_default().as_micros();
    let rate = (u128::from(bytes) * 1_000_000).checked_div(micros);
    rate.unwrap_or(0).to_string()
}
