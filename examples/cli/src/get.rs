//! `sortie get`: fetches URLs one after another, over one session.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use sortie::{Body, Request, Response, Session};

use crate::args::Get;
use crate::exit;

/// Content that is read at once.
const BUFFER: usize = 256 * 1024;

/// What went wrong, for the user and for the exit status.
enum Failure {
    Task(sortie::Error),
    /// A file could not be written or, to be sent, not be read.
    File {
        status: u8,
        what: String,
        error: io::Error,
    },
}

/// Fetches everything, whatever fails on the way. The status is that of the first failure.
pub(crate) fn run(options: &Get) -> ExitCode {
    let mut first = None;
    let session = Session::new();
    let mut heads = match open_heads(options) {
        Ok(heads) => heads,
        Err(failure) => return ExitCode::from(report(options, &failure)),
    };
    for (at, url) in options.urls.iter().enumerate() {
        let output = options.outputs.get(at).map(std::path::PathBuf::as_path);
        if let Err(failure) = fetch(options, &session, url, output, heads.as_mut()) {
            let status = report(options, &failure);
            first.get_or_insert(status);
        }
    }
    ExitCode::from(first.unwrap_or(0))
}

/// Says what went wrong. Returns the exit status for it.
fn report(options: &Get, failure: &Failure) -> u8 {
    let (status, text) = match failure {
        Failure::Task(error) => (exit::status(error), error.to_string()),
        Failure::File { status, what, error } => (*status, format!("{what}: {error}")),
    };
    if !options.silent || options.show_error {
        eprintln!("sortie: ({status}) {text}");
    }
    status
}

fn open_heads(options: &Get) -> Result<Option<Box<dyn Write>>, Failure> {
    match &options.dump_header {
        None => Ok(None),
        Some(path) if path == Path::new("-") => Ok(Some(Box::new(io::stdout()))),
        Some(path) => Ok(Some(Box::new(create(path)?))),
    }
}

fn fetch(
    options: &Get,
    session: &Session,
    url: &str,
    output: Option<&Path>,
    heads: Option<&mut Box<dyn Write>>,
) -> Result<(), Failure> {
    let request = request(options, url)?;
    let (response, body) = session.bytes_blocking(request).map_err(Failure::Task)?;
    if let Some(heads) = heads {
        heads.write_all(response.as_bytes()).map_err(|error| unwritten("the heads", error))?;
    }
    match output {
        Some(path) if path != Path::new("-") => {
            write_all(options, &response, body, &mut create(path)?, &path.display().to_string())
        }
        Some(_) | None => {
            write_all(options, &response, body, &mut io::stdout().lock(), "standard output")
        }
    }
}

fn request(options: &Get, url: &str) -> Result<Request, Failure> {
    let default = match (options.head, options.data.is_empty()) {
        (true, _) => "HEAD",
        (false, true) => "GET",
        (false, false) => "POST",
    };
    let method = options.method.as_deref().unwrap_or(default);
    let mut request = Request::new(method, url).map_err(Failure::Task)?;
    let sets_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
    if !options.data.is_empty() && !options.fields.iter().any(sets_type) {
        // As curl does, whatever the method.
        let form = "application/x-www-form-urlencoded";
        request = request.field("Content-Type", form).map_err(Failure::Task)?;
    }
    for (name, value) in &options.fields {
        request = request.field(name, value).map_err(Failure::Task)?;
    }
    if options.data.is_empty() {
        return Ok(request);
    }
    request.body(data(options)?).map_err(Failure::Task)
}

/// All data to be sent, joined as a form is.
fn data(options: &Get) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    for (at, data) in options.data.iter().enumerate() {
        if at > 0 {
            all.push(b'&');
        }
        let bytes = data.as_encoded_bytes();
        match data.to_str().and_then(|text| text.strip_prefix('@')) {
            Some("-") => {
                let read = io::stdin().lock().read_to_end(&mut all);
                read.map_err(|error| unread("standard input", error))?;
            }
            Some(path) => {
                let read = File::open(path).and_then(|mut file| file.read_to_end(&mut all));
                read.map_err(|error| unread(path, error))?;
            }
            None => all.extend_from_slice(bytes),
        }
    }
    Ok(all)
}

fn write_all(
    options: &Get,
    response: &Response,
    mut body: Body,
    to: &mut dyn Write,
    name: &str,
) -> Result<(), Failure> {
    let unwritten = |error| unwritten(name, error);
    if options.include || options.head {
        to.write_all(response.as_bytes()).map_err(unwritten)?;
    }
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = body.read_blocking(&mut buffer);
        match count.map_err(Failure::Task) {
            Ok(0) => return to.flush().map_err(unwritten),
            Ok(count) => {
                to.write_all(&buffer[..count]).map_err(unwritten)?;
                if count < BUFFER {
                    // Nothing more is there at the moment: show what came.
                    to.flush().map_err(unwritten)?;
                }
            }
            // What came is kept.
            Err(failure) => return to.flush().map_err(unwritten).and(Err(failure)),
        }
    }
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| unwritten(&path.display().to_string(), error))
}

fn unread(name: &str, error: io::Error) -> Failure {
    Failure::File { status: exit::READ, what: format!("cannot read {name}"), error }
}

fn unwritten(name: &str, error: io::Error) -> Failure {
    Failure::File { status: exit::WRITE, what: format!("cannot write {name}"), error }
}
