//! Tasks of every kind that go as they should.

use sortie_embassy::sortie_core::RedirectError;
use sortie_embassy::{BodyLength, Error, Field, Request, Session, Slot, field};

use crate::tools::{Job, Outcome, Reader, Site, Steps, URL, expect, failure, get, same};

/// What `/hello` is, and what is sent.
const HELLO: &[u8] = b"Hello, world!";

/// Bytes of an upload from a reader: many times what the buffers hold.
const UPLOAD: u32 = 100_000;

pub(crate) async fn all<const N: usize>(
    steps: &mut Steps,
    session: &Session<'_, N>,
    job: &Job<'_>,
) {
    let Job { nginx, python, small, large, .. } = job;
    steps.step("GET from nginx", nginx.says(session, "/hello", HELLO)).await;
    steps.step("GET from Python, which closes", python.says(session, "/hello", HELLO)).await;
    steps.step("HEAD", head(session, job)).await;
    steps.step("64 KiB from nginx", nginx.has(session, *small, small.path)).await;
    steps.step("64 KiB from Python", python.has(session, *small, small.path)).await;
    steps.step("64 KiB in chunks", nginx.has(session, *small, "/chunked")).await;
    steps.step("POST from memory", post(session, *nginx)).await;
    steps.step("POST that nobody takes", not_implemented(session, *python)).await;
    steps.step("PUT of known length", put(session, *nginx, "/up/known", &[], true)).await;
    steps.step("PUT in chunks", put(session, *nginx, "/up/chunks", &[], false)).await;
    let expects = [field!("Expect", "100-continue")];
    steps.step("PUT when 100 came", put(session, *nginx, "/up/expected", &expects, false)).await;
    steps.step("redirects", redirects(session, job)).await;
    steps.step("redirects without end", endless(session, *nginx)).await;
    steps.step("keep-alive", keep_alive(session, job)).await;
    steps.step("the large download", nginx.has(session, *large, large.path)).await;
}

/// The head as of a GET, and no content.
async fn head<const N: usize>(session: &Session<'_, N>, job: &Job<'_>) -> Outcome {
    let mut url = [0; URL];
    let url = job.nginx.url(job.large.path, &mut url)?;
    let request = expect("a request", Request::new("HEAD", url, &[], BodyLength::None))?;
    let (mut bytes, mut index, mut content) = ([0; 512], [Slot::EMPTY; 16], [0; 16]);
    let task = session.data_task(&request).head(&mut bytes, &mut index);
    let response = expect("HEAD", task.receive(&mut content).await)?;
    same("status", response.status(), 200)?;
    same("content", response.content().len(), 0)?;
    let length = response.head().value("Content-Length").unwrap_or_default();
    let length = core::str::from_utf8(length).unwrap_or_default().parse();
    same("Content-Length", length, Ok(job.large.length))
}

/// nginx passes it on to an origin that sends it back.
async fn post<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let (mut url, mut content) = ([0; URL], [0; 64]);
    let length = BodyLength::Known(HELLO.len() as u64);
    let url = site.url("/echo", &mut url)?;
    let request = expect("a request", Request::new("POST", url, &[], length))?;
    let task = session.upload_task(&request, HELLO).receive(&mut content);
    let response = expect("POST", task.await)?;
    same("status", response.status(), 200)?;
    same("content", response.content(), HELLO)
}

/// An answer that comes without a look at the body.
async fn not_implemented<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let (mut url, mut content) = ([0; URL], [0; 512]);
    let length = BodyLength::Known(HELLO.len() as u64);
    let url = site.url("/hello", &mut url)?;
    let request = expect("a request", Request::new("POST", url, &[], length))?;
    let task = session.upload_task(&request, HELLO).receive(&mut content);
    let response = expect("POST", task.await)?;
    same("status", response.status(), 501)
}

/// nginx stores it, and `job.py` looks at what it stored.
async fn put<const N: usize>(
    session: &Session<'_, N>,
    site: Site<'_>,
    path: &str,
    fields: &[Field<'_>],
    is_known: bool,
) -> Outcome {
    let (mut url, mut stage, mut content) = ([0; URL], [0; 300], [0; 256]);
    let length = match is_known {
        true => BodyLength::Known(u64::from(UPLOAD)),
        false => BodyLength::Unknown,
    };
    let url = site.url(path, &mut url)?;
    let request = expect("a request", Request::new("PUT", url, fields, length))?;
    let mut reader = Reader::new(UPLOAD);
    let task = session.upload(&request, &mut reader, &mut stage, &mut content);
    let response = expect("PUT", task.await)?;
    same("status", response.status(), 201)
}

/// On one server, from one to another, on another; and from a POST to a GET.
async fn redirects<const N: usize>(session: &Session<'_, N>, job: &Job<'_>) -> Outcome {
    let Job { nginx, python, .. } = job;
    let ways = [
        (nginx, "GET", "/moved", nginx, "/hello"),
        (nginx, "GET", "/away", python, "/hello"),
        (python, "GET", "/folder", python, "/folder/"),
        (nginx, "POST", "/see", nginx, "/hello"),
    ];
    for (from, method, path, to, end) in ways {
        let (mut url, mut end_url, mut urls, mut content) =
            ([0; URL], [0; URL], [0; 2 * URL], [0; 64]);
        let (body, length) = match method {
            "POST" => (HELLO, BodyLength::Known(HELLO.len() as u64)),
            _ => (&[][..], BodyLength::None),
        };
        let url = from.url(path, &mut url)?;
        let request = expect("a request", Request::new(method, url, &[], length))?;
        let task = session.data_task(&request).body(body).target(&mut urls);
        let response = expect(path, task.receive(&mut content).await)?;
        same("status", response.status(), 200)?;
        same("content", response.content(), HELLO)?;
        let end = to.url(end, &mut end_url)?;
        let reached = response.redirected_to().map(|url| url.as_str());
        same("the URL", reached, Some(end.as_str()))?;
    }
    Ok(())
}

/// To itself.
async fn endless<const N: usize>(session: &Session<'_, N>, site: Site<'_>) -> Outcome {
    let (mut url, mut urls, mut content) = ([0; URL], [0; 2 * URL], [0; 64]);
    let request = get(site.url("/loop", &mut url)?)?;
    let task = session.data_task(&request).target(&mut urls).receive(&mut content);
    same("error", failure(task.await)?.error, Error::Redirect(RedirectError::TooMany))
}

/// `job.py` counts the connections that these took: one.
async fn keep_alive<const N: usize>(session: &Session<'_, N>, job: &Job<'_>) -> Outcome {
    for _ in 0..job.times {
        job.nginx.says(session, "/keep", HELLO).await?;
    }
    Ok(())
}
