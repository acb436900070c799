//! Heads, and what is decided by them.

use futures_lite::future::block_on;
use sortie::core::Error as TaskError;
use sortie::{ErrorKind, RedirectPolicy, UploadSource};

use crate::bodies::SMALL;
use crate::{Outcome, Server, Told, bytes, ensure, session};

/// Fields of a large head, and bytes of each value: `matrix_job/servers.py` says the same.
const FIELDS: usize = 60;
const VALUE: usize = 200;

pub(crate) fn proceed(server: &Server) -> Outcome {
    let told = Told::default();
    let body = bytes(100_000);
    let session = session();
    let request = server.request("POST", "/echo")?.field("Expect", "100-continue")?;
    let task = session.upload_task(request, UploadSource::from(body.clone()));
    let (response, content) = task.delegate(told.clone()).create()?.wait()?;
    let notes = told.notes();
    ensure!(notes.first().is_some_and(|note| note == "100"), "no 100 came first: {notes:?}");
    if server.cannot("100-continue").is_some() {
        ensure!(response.status() == 501, "status {}", response.status());
        return Ok(());
    }
    ensure!(notes == ["100", "sent"], "{notes:?}");
    ensure!(response.status() == 200 && content == body, "status {}", response.status());
    Ok(())
}

pub(crate) fn redirect(server: &Server) -> Outcome {
    // Of what it does by itself, http.server redirects to a folder.
    let is_plain = server.name == "http.server";
    let (from, to) = if is_plain { ("/folder", "/folder/index.html") } else { ("/moved", SMALL) };
    let session = session();
    let told = Told::default();
    let task = session.data_task(server.get(from)?).delegate(told.clone()).create()?;
    let (response, content) = task.clone().wait()?;
    ensure!(response.status() == 200 && task.redirect_count() == 1, "{response:?}");
    ensure!(content == server.file(to)?, "{} bytes of other content", content.len());
    ensure!(told.connections() == 1, "{} connections", told.connections());
    let task = session.data_task(server.get(from)?).redirects(RedirectPolicy::Deliver).create()?;
    let (response, _) = task.wait()?;
    ensure!(matches!(response.status(), 301 | 302), "status {}", response.status());
    ensure!(response.field("Location").is_some(), "no Location");
    Ok(())
}

pub(crate) fn redirect_post(server: &Server) -> Outcome {
    let body = bytes(1000);
    let request = server.request("POST", "/moved-post")?.body(body.clone())?;
    let (response, content) = session().data_blocking(request)?;
    if server.cannot("a redirect that keeps POST").is_some() {
        ensure!(response.status() == 501, "status {}", response.status());
        return Ok(());
    }
    ensure!(response.status() == 200, "status {}", response.status());
    ensure!(content == body, "{} bytes of other content", content.len());
    Ok(())
}

pub(crate) fn large(server: &Server) -> Outcome {
    let session = session();
    if server.cannot("a large response head").is_some() {
        let query = "q".repeat(7000);
        let request = server.get(&format!("/folder?{query}"))?;
        let task = session.data_task(request).redirects(RedirectPolicy::Deliver).create()?;
        let (response, _) = task.wait()?;
        let location = response.field("Location").unwrap_or_default();
        ensure!(location.ends_with(&query), "a Location of {} bytes", location.len());
        return Ok(());
    }
    let (response, content) = session.data_blocking(server.get("/large-head")?)?;
    let value = "v".repeat(VALUE);
    for number in 0..FIELDS {
        let name = format!("X-Large-{number}");
        ensure!(response.field(&name) == Some(&value), "{name}: {:?}", response.field(&name));
    }
    ensure!(content == server.file("/large-head")?, "{} bytes of other content", content.len());
    Ok(())
}

/// More fields than are taken: an error, and not a response without some of them.
pub(crate) fn huge(server: &Server) -> Outcome {
    let session = session();
    if server.cannot("a response head beyond the limit").is_some() {
        let request = server.get(&format!("/folder?{}", "q".repeat(8000)))?;
        let task = session.data_task(request).redirects(RedirectPolicy::Deliver).create()?;
        ensure!(task.wait()?.0.status() == 301, "it is not redirected");
        return Ok(());
    }
    match session.data_blocking(server.get("/huge-head")?) {
        Ok((response, _)) => Err(format!("status {}", response.status()).into()),
        Err(why) => {
            let is_limit = matches!(why.kind(), ErrorKind::Task(TaskError::Limit(_)));
            ensure!(is_limit, "{why}");
            // The connection is of no more use, and the session is.
            let (_, content) = session.data_blocking(server.get(SMALL)?)?;
            ensure!(content == server.file(SMALL)?, "the next response is wrong");
            Ok(())
        }
    }
}

/// Servers refuse it, and close: the status comes through, unless their reset overtakes it.
pub(crate) fn large_request(server: &Server) -> Outcome {
    let mut request = server.get(SMALL)?;
    for number in 0..120 {
        request = request.field(&format!("X-Large-{number}"), "v".repeat(2000))?;
    }
    let session = session();
    match block_on(session.data(request)) {
        Ok((response, _)) => {
            let status = response.status();
            ensure!(matches!(status, 400 | 413 | 414 | 431), "status {status}");
        }
        Err(why) => ensure!(why.code() == -1005, "{why}"),
    }
    let (_, content) = session.data_blocking(server.get(SMALL)?)?;
    ensure!(content == server.file(SMALL)?, "the next response is wrong");
    Ok(())
}
