//! `--write-out`: what a transfer was, in a format of the user's.

use std::time::Duration;

use sortie::core::Url;
use sortie::{Response, Task, TaskMetrics, Transaction};

use crate::report::{Failure, shown};

/// What the variables are taken from.
pub(crate) struct Facts<'a> {
    pub(crate) task: &'a Task,
    pub(crate) failure: Option<&'a Failure>,
    pub(crate) metrics: Option<TaskMetrics>,
    pub(crate) first_head: Option<Duration>,
}

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
        let counts = self.task.counts();
        let response = self.task.response();
        let last = self.metrics.as_ref().and_then(|metrics| metrics.transactions.last());
        let at = |time: fn(&Transaction) -> Option<Duration>| last.and_then(time);
        let total = self.metrics.as_ref().map(|metrics| metrics.duration);
        Some(match name {
            "http_code" | "response_code" => {
                format!("{:03}", response.as_ref().map_or(0, Response::status))
            }
            "size_download" => counts.received.to_string(),
            "size_upload" => counts.sent.to_string(),
            "speed_download" => speed(counts.received, total),
            "speed_upload" => speed(counts.sent, total),
            "time_total" => seconds(total),
            "time_connect" => seconds(at(|it| it.connect_end)),
            "time_pretransfer" => seconds(at(|it| it.request_start)),
            "time_starttransfer" => seconds(self.first_head),
            "num_redirects" => self.task.redirect_count().to_string(),
            "num_connects" => self.metrics.as_ref().map_or(0, connects).to_string(),
            "redirect_url" => self.redirect().unwrap_or_default(),
            "url" => shown(self.task.original_request().url()),
            "url_effective" => shown(self.task.current_request().url()),
            "method" => self.task.current_request().method().to_owned(),
            "content_type" => {
                let field = response.as_ref().and_then(|response| response.field("content-type"));
                field.unwrap_or_default().to_owned()
            }
            "http_version" => response.map_or_else(
                || "0".to_owned(),
                |response| format!("1.{}", response.head().minor_version()),
            ),
            "filename_effective" => {
                self.task.file().map_or_else(String::new, |file| file.display().to_string())
            }
            "exitcode" => self.failure.map_or(0, Failure::status).to_string(),
            "errormsg" => self.failure.map_or_else(String::new, Failure::message),
            _ => return None,
        })
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
