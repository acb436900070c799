//! `sortie download`: stores URLs in files, several at once, and goes on where it was cut off.

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use sortie::Session;
use sortie::core::Url;

use crate::args::Download;
use crate::crew::{Crew, Member, Outcome};
use crate::job;
use crate::report::Failure;
use crate::session;

/// Downloads everything, whatever fails on the way. The status is that of the first failure.
pub(crate) fn run(options: &Download) -> ExitCode {
    let common = &options.common;
    let session = match session::open(common) {
        Ok(session) => session,
        Err(status) => return status,
    };
    let mut crew = Crew::new(common, options.urls.len());
    let mut first = None;
    for (at, url) in options.urls.iter().enumerate() {
        if let Err(failure) = add(options, &session, &mut crew, at, url) {
            first.get_or_insert_with(|| failure.status());
            job::told(common, None, None, Some(&failure), |text| crew.say(text));
        }
    }
    crew.run(options.parallel, |crew, member, outcome| {
        let failure = ended(options, crew, member, outcome);
        if let Some(failure) = &failure {
            first.get_or_insert_with(|| failure.status());
        }
        let watch = Some(&*member.watch);
        job::told(common, Some(&member.task), watch, failure.as_ref(), |text| crew.say(text));
    });
    ExitCode::from(crew.stopped().or(first).unwrap_or(0))
}

fn add(
    options: &Download,
    session: &Session,
    crew: &mut Crew<'_>,
    at: usize,
    url: &str,
) -> Result<(), Failure> {
    let request = job::request(&options.common, "GET", url)?;
    let name = match options.outputs.get(at) {
        Some(output) => output.clone(),
        None => named_by(url).ok_or_else(|| Failure::NoName { url: url.to_owned() })?,
    };
    let destination = match &options.folder {
        Some(folder) => folder.join(&name),
        None => name.clone(),
    };
    let watch = crew.watch();
    let mut builder = session.download_task(request).to(&destination);
    builder = job::configured(builder, &options.common).shared_delegate(watch.clone());
    if options.starts_over {
        builder = builder.starts_over();
    }
    if let Some(digest) = options.sha256 {
        builder = builder.sha256(digest);
    }
    let task = builder.create()?;
    let shown = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned();
    task.set_description(Some(shown.clone()));
    crew.add(shown, task, watch);
    Ok(())
}

/// The end of the URL's path, as it stands there; `None` if that is no name of a file.
fn named_by(url: &str) -> Option<PathBuf> {
    let path = Url::parse(url).ok()?.path_and_query();
    let path = path.split('?').next()?;
    let name = path.rsplit('/').next()?;
    let mut parts = Path::new(name).components();
    // One part that is the whole of it: no separator, no root, and not `..`.
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Some(PathBuf::from(name)),
        _ => None,
    }
}

/// What a download came to, for those who look at no bars.
fn ended(
    options: &Download,
    crew: &Crew<'_>,
    member: &Member,
    outcome: Outcome,
) -> Option<Failure> {
    let common = &options.common;
    match outcome {
        Err(failure) => Some(failure),
        Ok(_) if common.silent || common.json => None,
        Ok(_) => {
            let (bytes, seconds) =
                (member.task.counts().received, member.started.elapsed().as_secs_f64());
            crew.say(&format!("{}: {bytes} bytes, {seconds:.1} s", member.name));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::named_by;

    #[test]
    fn a_file_is_named_after_the_end_of_the_path_and_never_leaves_the_folder() {
        let cases = [
            ("http://h/a/b.iso", Some("b.iso")),
            ("http://h/b.iso?x=/y", Some("b.iso")),
            ("http://h/b.iso#z/", Some("b.iso")),
            ("http://h/..%2Fup", Some("..%2Fup")),
            ("http://h/a/", None),
            ("http://h", None),
            ("http://h/a/..", None),
            ("http://h/.", None),
        ];
        for (url, name) in cases {
            assert_eq!(named_by(url).as_deref(), name.map(std::path::Path::new), "{url}");
        }
    }
}
