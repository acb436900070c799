//! What went wrong, for the user and for the exit status.

use std::io;
use std::path::Path;
use std::time::Duration;

use sortie::{Error, ErrorKind};

use crate::exit;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    Task(Error),
    /// A file could not be written or, to be sent, not be read.
    File {
        status: u8,
        what: String,
        error: io::Error,
    },
    /// A file with certificates or a key is not what it should be.
    Settings {
        what: String,
        error: Error,
    },
    /// The status is 400 or more, and success was wanted.
    Status {
        status: u16,
        url: String,
    },
    /// `-C` does not fit what is there or what came.
    Range {
        why: String,
        url: String,
    },
    /// No connection within `--connect-timeout`.
    Connect {
        limit: Duration,
        url: String,
    },
    /// No file can be named after the URL.
    NoName {
        url: String,
    },
    /// A signal came; the exit status says which.
    Stopped {
        status: u8,
        error: Option<Error>,
        url: String,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Task(error)
    }
}

impl Failure {
    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Task(error) | Self::Settings { error, .. } => exit::status(error),
            Self::File { status, .. } | Self::Stopped { status, .. } => *status,
            Self::Status { .. } => exit::STATUS,
            Self::Range { .. } => exit::RANGE,
            Self::Connect { .. } => exit::TIMEOUT,
            Self::NoName { .. } => exit::USAGE,
        }
    }

    /// The error of the library, if it is one.
    pub(crate) const fn error(&self) -> Option<&Error> {
        match self {
            Self::Task(error)
            | Self::Settings { error, .. }
            | Self::Stopped { error: Some(error), .. } => Some(error),
            Self::File { .. }
            | Self::Status { .. }
            | Self::Range { .. }
            | Self::Connect { .. }
            | Self::NoName { .. }
            | Self::Stopped { error: None, .. } => None,
        }
    }

    /// What happened, to which URL, and what to do.
    pub(crate) fn message(&self) -> String {
        let advice = exit::advice(self.status());
        match self {
            Self::Task(error) => match (kept(error), error.kind()) {
                (Some(kept), _) => format!("{error}: {kept}"),
                // These say it themselves.
                (None, ErrorKind::File(_) | ErrorKind::Url(_) | ErrorKind::Request(_)) => {
                    error.to_string()
                }
                (None, _) => format!("{error}: {}", exit::advice_on(error)),
            },
            Self::File { what, error, .. } => format!("{what}: {error}"),
            Self::Settings { what, error } => format!("{what}: {error}"),
            Self::Status { status, url } => {
                format!("the server answered {status}: {}: {advice}", shown(url))
            }
            Self::Range { why, url } => format!("{why}: {}: {advice}", shown(url)),
            Self::Connect { limit, url } => {
                let seconds = limit.as_secs_f64();
                format!("no connection within {seconds} s: {}: {advice}", shown(url))
            }
            Self::NoName { url } => {
                format!("the URL ends in no name for a file: {}: name one with -o", shown(url))
            }
            Self::Stopped { error, url, .. } => match error.as_ref().and_then(kept) {
                Some(kept) => format!("stopped: {}: {kept}", shown(url)),
                None => format!("stopped: {}: run the command again", shown(url)),
            },
        }
    }
}

/// What is kept of a download that failed.
fn kept(error: &Error) -> Option<String> {
    let data = error.resume_data()?;
    let of = data.total().map_or_else(String::new, |total| format!(" of {total}"));
    Some(format!("{}{of} bytes are kept: run the command again to go on", data.received()))
}

/// A URL without user information, which may hold a password, and without control characters.
pub(crate) fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let colon = if scheme.is_empty() { "" } else { "://" };
    let text = format!("{scheme}{colon}{host}{tail}");
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

pub(crate) fn unread(name: &str, error: io::Error) -> Failure {
    Failure::File { status: exit::READ, what: format!("cannot read {name}"), error }
}

pub(crate) fn unwritten(name: &str, error: io::Error) -> Failure {
    Failure::File { status: exit::WRITE, what: format!("cannot write {name}"), error }
}

/// Opens a file to be written anew.
pub(crate) fn create(path: &Path) -> Result<std::fs::File, Failure> {
    std::fs::File::create(path).map_err(|error| unwritten(&path.display().to_string(), error))
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_url_is_shown_without_user_information_and_control_characters() {
        let cases = [
            ("http://u:p@h:1/x@y?q", "http://h:1/x@y?q"),
            ("http://h", "http://h"),
            ("h/\u{1b}[2J", "h/\u{fffd}[2J"),
        ];
        for (url, text) in cases {
            assert_eq!(shown(url), text);
        }
    }
}
