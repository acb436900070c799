//! The command line. Where curl has an option for something, ours has its name and letter.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
sortie: fetch over HTTP/1.1

usage:
  sortie get [options] URL...    fetch each URL; all share connections
  sortie demo                    fetch from an origin of its own, on loopback

options of get:
  -o, --output FILE        write content to FILE (once for each URL; default: standard output)
  -i, --include            write the head of the response before its content
  -I, --head               ask for the head only, and write it
  -D, --dump-header FILE   write the heads to FILE ('-': standard output)
  -d, --data DATA          send DATA as a POST ('@FILE': the content of FILE as it is, '@-':
                           of standard input); several are joined by '&'
  -X, --request METHOD     use METHOD
  -H, --header LINE        send the field 'Name: value'
  -s, --silent             say nothing of errors
  -S, --show-error         say them all the same
  -h, --help               this text
  -V, --version            the version

Exit status: 0 only if every response was complete and valid, whatever its status; else that
of the first failure, with curl's numbers: 1 scheme, 2 usage, 3 URL, 6 name, 7 connection,
8 no HTTP, 18 incomplete, 23 write, 26 read, 28 timeout, 35 TLS, 43 request, 52 no answer,
56 malformed body, 63 limit.
";

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    Get(Get),
    Demo,
    Help,
    Version,
}

/// What `get` was told.
#[derive(Debug, Default)]
pub(crate) struct Get {
    pub(crate) urls: Vec<String>,
    pub(crate) outputs: Vec<PathBuf>,
    pub(crate) include: bool,
    pub(crate) head: bool,
    pub(crate) dump_header: Option<PathBuf>,
    pub(crate) data: Vec<OsString>,
    pub(crate) method: Option<String>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) silent: bool,
    pub(crate) show_error: bool,
}

/// Reads the command line.
pub(crate) fn parse() -> Result<Command, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    match parser.next()? {
        Some(Value(command)) if command == "get" => parse_get(&mut parser),
        Some(Value(command)) if command == "demo" => match parser.next()? {
            None => Ok(Command::Demo),
            Some(Short('h') | Long("help")) => Ok(Command::Help),
            Some(argument) => Err(argument.unexpected()),
        },
        Some(Value(command)) => {
            Err(format!("there is no command '{}'", command.to_string_lossy()).into())
        }
        Some(Short('V') | Long("version")) => Ok(Command::Version),
        Some(Short('h') | Long("help")) | None => Ok(Command::Help),
        Some(argument) => Err(argument.unexpected()),
    }
}

fn parse_get(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut get = Get::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('o') | Long("output") => get.outputs.push(parser.value()?.into()),
            Short('i') | Long("include") => get.include = true,
            Short('I') | Long("head") => get.head = true,
            Short('D') | Long("dump-header") => get.dump_header = Some(parser.value()?.into()),
            Short('d') | Long("data") => get.data.push(parser.value()?),
            Short('X') | Long("request") => get.method = Some(parser.value()?.string()?),
            Short('H') | Long("header") => get.fields.push(field(&parser.value()?.string()?)?),
            Short('s') | Long("silent") => get.silent = true,
            Short('S') | Long("show-error") => get.show_error = true,
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(url) => get.urls.push(url.string()?),
            Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    if get.urls.is_empty() {
        return Err("get needs a URL".into());
    }
    if get.outputs.len() > get.urls.len() {
        return Err("more output files than URLs".into());
    }
    if get.head && !get.data.is_empty() {
        return Err("--head and --data exclude each other".into());
    }
    Ok(Command::Get(get))
}

fn field(line: &str) -> Result<(String, String), lexopt::Error> {
    match line.split_once(':') {
        Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
        None => Err(format!("--header '{line}' is not of the form 'Name: value'").into()),
    }
}
