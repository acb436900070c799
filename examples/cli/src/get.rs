//! `sortie get`: fetches URLs one after another, over one session.

mod place;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use sortie::{Body, ErrorKind, Request, Response, Session, Task};

use crate::args::Get;
use crate::job::{self, Guard};
use crate::report::{Failure, create, unread, unwritten};
use crate::session;
use crate::upload::FAILS;
use crate::watch::Watch;
use place::{Going, Place};

/// Content that is read at once.
const BUFFER: usize = 256 * 1024;

/// Fetches everything, whatever fails on the way. The status is that of the first failure.
pub(crate) fn run(options: &Get) -> ExitCode {
    let common = &options.common;
    let say = |text: &str| eprintln!("{text}");
    let mut first = None;
    let session = match session::open(common) {
        Ok(session) => session,
        Err(status) => return status,
    };
    let mut heads = match open_heads(options) {
        Ok(heads) => heads,
        Err(failure) => {
            job::told(common, None, None, Some(&failure), say);
            return ExitCode::from(failure.status());
        }
    };
    for (at, url) in options.urls.iter().enumerate() {
        let watch =
            common.watches().then(|| Arc::new(Watch::new(common.verbose, String::new(), None)));
        let output = options.outputs.get(at).map(PathBuf::as_path);
        let output = output.filter(|path| *path != Path::new("-"));
        let made = Place::new(options, output, url).and_then(|place| {
            let request = request(options, url, &place)?;
            Ok((task(options, &session, request, watch.as_ref())?, place))
        });
        let (task, result) = match made {
            Ok((task, place)) => {
                if let Some(watch) = &watch {
                    watch.starts(&task);
                }
                let result = fetch(options, task.clone(), place, heads.as_mut());
                (Some(task), result)
            }
            Err(failure) => (None, Err(failure)),
        };
        let failure = result.err();
        job::told(common, task.as_ref(), watch.as_deref(), failure.as_ref(), say);
        if let Some(failure) = failure {
            first.get_or_insert_with(|| failure.status());
        }
    }
    ExitCode::from(first.unwrap_or(0))
}

fn open_heads(options: &Get) -> Result<Option<Box<dyn Write>>, Failure> {
    match &options.dump_header {
        None => Ok(None),
        Some(path) if path == Path::new("-") => Ok(Some(Box::new(io::stdout()))),
        Some(path) => Ok(Some(Box::new(create(path)?))),
    }
}

fn request(options: &Get, url: &str, place: &Place<'_>) -> Result<Request, Failure> {
    let default = match (options.head, options.upload.is_some(), options.data.is_empty()) {
        (true, _, _) => "HEAD",
        (false, true, _) => "PUT",
        (false, false, true) => "GET",
        (false, false, false) => "POST",
    };
    let method = options.method.as_deref().unwrap_or(default);
    let mut request = job::request(&options.common, method, url)?;
    if let Some(range) = options.range.clone().or_else(|| place.range()) {
        request = request.field("Range", format!("bytes={range}"))?;
    }
    if options.data.is_empty() {
        return Ok(request);
    }
    if !request.fields().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        // As curl does, whatever the method.
        request = request.field("Content-Type", "application/x-www-form-urlencoded")?;
    }
    Ok(request.body(data(options)?)?)
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

fn task(
    options: &Get,
    session: &Session,
    request: Request,
    watch: Option<&Arc<Watch>>,
) -> Result<Task, Failure> {
    let builder = match &options.upload {
        Some(path) => session.upload_task(request, job::source(path)),
        None => session.data_task(request),
    };
    let mut builder = job::configured(builder, &options.common);
    if let Some(watch) = watch {
        builder = builder.shared_delegate(watch.clone());
    }
    Ok(builder.create()?)
}

/// Runs the task. The body is dropped, and the task ended, before its end is told.
fn fetch(
    options: &Get,
    task: Task,
    place: Place<'_>,
    heads: Option<&mut Box<dyn Write>>,
) -> Result<(), Failure> {
    let url = task.original_request().url().to_owned();
    let limit = options.common.connect_timeout;
    let guard = limit.map(|limit| Guard::new(&task, limit));
    let (response, body) = task.bytes_blocking().map_err(|error| {
        let is_canceled = error.kind() == ErrorKind::Task(sortie::core::Error::Canceled);
        match limit.filter(|_| is_canceled && guard.as_ref().is_some_and(Guard::is_over)) {
            Some(limit) => Failure::Connect { limit, url: url.clone() },
            None => Failure::Task(error),
        }
    })?;
    drop(guard);
    if let Some(heads) = heads {
        heads.write_all(response.as_bytes()).map_err(|error| unwritten("the heads", error))?;
    }
    let status = response.status();
    if options.fails && status >= FAILS {
        return Err(Failure::Status { status, url });
    }
    match place.open(&response, &url)? {
        Going::Nowhere => Ok(()),
        Going::To(mut to, name) => write_all(options, &response, body, &mut *to, &name),
    }
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
