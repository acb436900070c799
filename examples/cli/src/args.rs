//! The command line. Where curl has an option for something, ours has its name and letter.

mod commands;
mod names;
mod tls;

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use lexopt::{Arg, ValueExt};
use sortie::RedirectPolicy;

pub(crate) use commands::{Continue, Download, Get, Upload};
pub(crate) use names::{Elsewhere, Names, Resolved};
pub(crate) use tls::{Tls, pin};

pub(crate) const HELP: &str = include_str!("help.txt");

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    Get(Box<Get>),
    Download(Box<Download>),
    Upload(Box<Upload>),
    Demo,
    Help,
    Version,
}

/// What every command that sends a request may be told.
#[derive(Default)]
pub(crate) struct Common {
    pub(crate) fields: Vec<(String, String)>,
    /// With the `Authorization` that was made of them.
    pub(crate) redirects: RedirectPolicy,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) max_time: Option<Duration>,
    pub(crate) silent: bool,
    pub(crate) show_error: bool,
    pub(crate) verbose: bool,
    pub(crate) json: bool,
    pub(crate) write_out: Option<String>,
    pub(crate) tls: Tls,
    pub(crate) names: Names,
}

impl fmt::Debug for Common {
    /// Without the fields, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Common({} fields, {:?})", self.fields.len(), self.redirects)
    }
}

/// One item of the command line, with an option's name as it is written: `-o` or `--output`.
enum Item {
    Name(String),
    Value(OsString),
}

/// The command line, read item by item.
struct Items {
    parser: lexopt::Parser,
}

impl Items {
    fn next(&mut self) -> Result<Option<Item>, lexopt::Error> {
        Ok(self.parser.next()?.map(|argument| match argument {
            Arg::Short(letter) => Item::Name(format!("-{letter}")),
            Arg::Long(name) => Item::Name(format!("--{name}")),
            Arg::Value(value) => Item::Value(value),
        }))
    }

    fn value(&mut self) -> Result<OsString, lexopt::Error> {
        self.parser.value()
    }

    fn text(&mut self) -> Result<String, lexopt::Error> {
        self.value()?.string()
    }

    fn number<N: std::str::FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &mut self,
    ) -> Result<N, lexopt::Error> {
        self.value()?.parse()
    }

    /// Seconds, with a fraction if one likes.
    fn seconds(&mut self, name: &str) -> Result<Option<Duration>, lexopt::Error> {
        let seconds: f64 = self.number()?;
        let duration = Duration::try_from_secs_f64(seconds);
        let duration = duration.map_err(|_| format!("{name} {seconds} is not a time"))?;
        // As with curl, 0 is no limit.
        Ok(Some(duration).filter(|duration| !duration.is_zero()))
    }
}

/// Reads the command line.
pub(crate) fn parse() -> Result<Command, lexopt::Error> {
    let mut items = Items { parser: lexopt::Parser::from_env() };
    let command = match items.next()? {
        None => return Ok(Command::Help),
        Some(Item::Name(name)) => {
            return match name.as_str() {
                "-h" | "--help" => Ok(Command::Help),
                "-V" | "--version" => Ok(Command::Version),
                _ => Err(lexopt::Error::UnexpectedOption(name)),
            };
        }
        Some(Item::Value(command)) => command,
    };
    let parsed = match command.to_str() {
        Some("get") => commands::get(&mut items)?.map(|get| Command::Get(Box::new(get))),
        Some("download") => {
            commands::download(&mut items)?.map(|it| Command::Download(Box::new(it)))
        }
        Some("upload") => commands::upload(&mut items)?.map(|it| Command::Upload(Box::new(it))),
        Some("demo") => commands::nothing(&mut items)?.map(|()| Command::Demo),
        Some(_) | None => {
            return Err(format!("there is no command '{}'", command.to_string_lossy()).into());
        }
    };
    Ok(parsed.unwrap_or(Command::Help))
}

impl Common {
    /// Takes an option that all commands share. `false` if it is none.
    fn take(&mut self, name: &str, items: &mut Items) -> Result<bool, lexopt::Error> {
        match name {
            "-H" | "--header" => self.fields.push(field(&items.text()?)?),
            "-A" | "--user-agent" => self.fields.push(("User-Agent".to_owned(), items.text()?)),
            "-u" | "--user" => self.fields.push(basic(&items.text()?)?),
            "-b" | "--cookie" => add_cookies(&mut self.fields, cookie(&items.text()?)?),
            "-L" | "--location" => self.redirects = RedirectPolicy::default(),
            "--no-location" => self.redirects = RedirectPolicy::Deliver,
            "--max-redirs" => {
                let most: i64 = items.number()?;
                // As with curl, -1 is no limit; ours is the widest counter.
                let most = if most == -1 {
                    u8::MAX
                } else {
                    u8::try_from(most)
                        .map_err(|_| "--max-redirs is a number from 0 to 255, or -1")?
                };
                self.redirects = RedirectPolicy::Follow { most, allows_downgrade: false };
            }
            "--connect-timeout" => self.connect_timeout = items.seconds(name)?,
            "-m" | "--max-time" => self.max_time = items.seconds(name)?,
            "-s" | "--silent" => self.silent = true,
            "-S" | "--show-error" => self.show_error = true,
            "-v" | "--verbose" => self.verbose = true,
            "-w" | "--write-out" => self.write_out = Some(items.text()?),
            "--json" => self.json = true,
            _ => return Ok(self.tls.take(name, items)? || self.names.take(name, items)?),
        }
        Ok(true)
    }

    /// Whether what all commands share fits together.
    fn check(&self) -> Result<(), lexopt::Error> {
        self.tls.check()
    }

    /// Whether messages are wanted.
    pub(crate) const fn speaks(&self) -> bool {
        !self.silent || self.show_error
    }

    /// Whether somebody has to watch what a task does.
    pub(crate) const fn watches(&self) -> bool {
        self.verbose || self.json || self.write_out.is_some()
    }
}

fn field(line: &str) -> Result<(String, String), lexopt::Error> {
    match line.split_once(':') {
        Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
        // Not shown: it may be a secret that lacks its name.
        None => Err("--header is not of the form 'Name: value'".into()),
    }
}

/// The field for Basic credentials (RFC 7617).
fn basic(user: &str) -> Result<(String, String), lexopt::Error> {
    if user.chars().any(char::is_control) {
        return Err("--user has a control character, which no name and no password may have".into());
    }
    let colon = if user.contains(':') { "" } else { ":" };
    let coded = base64(format!("{user}{colon}").as_bytes());
    Ok(("Authorization".to_owned(), format!("Basic {coded}")))
}

/// The field for cookies. As with curl nothing is sent for an empty text; what servers set is not
/// kept.
fn cookie(text: &str) -> Result<Option<(String, String)>, lexopt::Error> {
    match (text.is_empty(), text.contains('=')) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(("Cookie".to_owned(), text.to_owned()))),
        (false, false) => Err("--cookie is of the form 'name=value': there are no files".into()),
    }
}

/// All cookies go into one field (RFC 6265 §5.4).
fn add_cookies(fields: &mut Vec<(String, String)>, cookies: Option<(String, String)>) {
    let Some((name, value)) = cookies else { return };
    match fields.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(&name)) {
        Some((_, all)) => *all = format!("{all}; {value}"),
        None => fields.push((name, value)),
    }
}

/// Base64 with padding (RFC 4648 §4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let group = (0..3).fold(0, |all, at| all << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let letter = LETTERS[group >> (18 - 6 * place) & 63];
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{add_cookies, base64, basic, cookie};

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn credentials_are_those_of_rfc_7617_and_without_a_password_still_have_a_colon() {
        let basic = |user| basic(user).unwrap().1;
        assert_eq!(basic("Aladdin:open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic("a"), basic("a:"));
    }

    #[test]
    fn credentials_with_a_control_character_are_refused() {
        for user in ["a\nb:c", "a:b\0", "a:\x7f", "a:\u{85}"] {
            assert!(basic(user).is_err(), "{user:?}");
        }
    }

    #[test]
    fn all_cookies_go_into_one_field() {
        let mut fields = vec![("cookie".to_owned(), "a=1".to_owned())];
        for text in ["b=2", "", "c=3; d=4"] {
            add_cookies(&mut fields, cookie(text).unwrap());
        }
        assert_eq!(fields, [("cookie".to_owned(), "a=1; b=2; c=3; d=4".to_owned())]);
    }

    #[test]
    fn cookies_are_pairs_and_files_are_refused() {
        assert!(cookie("").unwrap().is_none());
        assert_eq!(cookie("a=b").unwrap().unwrap().1, "a=b");
        assert!(cookie("jar.txt").is_err());
    }
}
