//! `sortie upload`: sends a file, or standard input.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use sortie::Session;

use crate::args::Upload;
use crate::crew::{Crew, Outcome};
use crate::job;
use crate::report::{Failure, create, unwritten};
use crate::session;

/// A status from which on an answer is a failure.
pub(crate) const FAILS: u16 = 400;

/// Sends the file. The content of the answer is written, whatever its status.
pub(crate) fn run(options: &Upload) -> ExitCode {
    let common = &options.common;
    let session = match session::open(common) {
        Ok(session) => session,
        Err(status) => return status,
    };
    let mut crew = Crew::new(common, 1);
    let mut status = 0;
    if let Err(failure) = add(options, &session, &mut crew) {
        status = failure.status();
        job::told(common, None, None, Some(&failure), |text| crew.say(text));
    }
    crew.run(1, |crew, member, outcome| {
        let failure = ended(options, outcome);
        status = failure.as_ref().map_or(0, Failure::status);
        let watch = Some(&*member.watch);
        job::told(common, Some(&member.task), watch, failure.as_ref(), |text| crew.say(text));
    });
    ExitCode::from(crew.stopped().unwrap_or(status))
}

fn add(options: &Upload, session: &Session, crew: &mut Crew<'_>) -> Result<(), Failure> {
    let method = options.method.as_deref().unwrap_or("PUT");
    let request = job::request(&options.common, method, &options.url)?;
    let watch = crew.watch();
    let builder = session.upload_task(request, job::source(&options.file));
    let builder = job::configured(builder, &options.common).shared_delegate(watch.clone());
    let task = builder.create()?;
    let name = options.file.file_name().unwrap_or(options.file.as_os_str());
    crew.add(name.to_string_lossy().into_owned(), task, watch);
    Ok(())
}

/// Writes the answer.
fn ended(options: &Upload, outcome: Outcome) -> Option<Failure> {
    let (response, content) = match outcome {
        Ok(answer) => answer,
        Err(failure) => return Some(failure),
    };
    let written = match options.output.as_deref() {
        Some(path) if path != Path::new("-") => create(path).and_then(|mut file| {
            let written = file.write_all(&content);
            written.map_err(|error| unwritten(&path.display().to_string(), error))
        }),
        Some(_) | None if options.common.silent => Ok(()),
        Some(_) | None => {
            let mut out = io::stdout().lock();
            let written = out.write_all(&content).and_then(|()| out.flush());
            written.map_err(|error| unwritten("standard output", error))
        }
    };
    let status = response.status();
    let refused = (status >= FAILS).then(|| Failure::Status { status, url: options.url.clone() });
    refused.or_else(|| written.err())
}
