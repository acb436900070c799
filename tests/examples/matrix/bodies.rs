//! Content in both directions.

use futures_lite::future::block_on;
use futures_lite::io::Cursor;
use sortie::UploadSource;

use crate::{Outcome, Server, Told, bytes, ensure, session};

/// Bytes of a body that a server takes.
const BODY: usize = 1 << 20;

/// Bytes of one that is more than it takes.
const TOO_MUCH: usize = 64 << 20;

pub(crate) const SMALL: &str = "/file/1000";
const LARGE: &str = "/file/16777216";

fn same(what: &str, came: &[u8], wanted: &[u8]) -> Outcome {
    let at = came.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    let (length, whole) = (came.len(), wanted.len());
    ensure!(came == wanted, "{what}: {length} bytes of {whole}, the first wrong one at {at}");
    Ok(())
}

pub(crate) fn get(server: &Server) -> Outcome {
    let (response, content) = session().data_blocking(server.get(SMALL)?)?;
    ensure!(response.status() == 200, "status {}", response.status());
    same("content", &content, &server.file(SMALL)?)?;
    let (response, _) = session().data_blocking(server.get("/nothing")?)?;
    ensure!(response.status() == 404, "status {} for what is not there", response.status());
    Ok(())
}

pub(crate) fn head(server: &Server) -> Outcome {
    let session = session();
    let request = server.request("HEAD", SMALL)?;
    let (response, content) = session.data_blocking(request)?;
    ensure!(response.status() == 200, "status {}", response.status());
    ensure!(response.field("Content-Length") == Some("1000"), "{:?}", response);
    ensure!(content.is_empty(), "{} bytes came", content.len());
    // On the same connection: what follows begins where it should.
    let (_, content) = session.data_blocking(server.get(SMALL)?)?;
    same("the next response", &content, &server.file(SMALL)?)
}

pub(crate) fn post(server: &Server) -> Outcome {
    let body = bytes(BODY);
    let request = server.request("POST", "/echo")?.body(body.clone())?;
    let (response, content) = session().data_blocking(request)?;
    if server.cannot("POST and its echo").is_some() {
        ensure!(response.status() == 501, "status {} instead of 501", response.status());
        return Ok(());
    }
    ensure!(response.status() == 200, "status {}", response.status());
    same("the echo", &content, &body)
}

fn put_and_get(server: &Server, cell: &str, path: &str, source: UploadSource) -> Outcome {
    let session = session();
    let request = server.request("PUT", path)?;
    let (response, _) = block_on(session.upload(request, source))?;
    let status = response.status();
    if server.cannot(cell).is_some() {
        ensure!(status == 501, "status {status} instead of 501");
        return Ok(());
    }
    ensure!(matches!(status, 200 | 201 | 204), "status {status}");
    let (_, content) = session.data_blocking(server.get(path)?)?;
    same("what was put", &content, &bytes(BODY))
}

pub(crate) fn put(server: &Server) -> Outcome {
    let cell = "PUT with a length";
    put_and_get(server, cell, "/put/whole", UploadSource::from(bytes(BODY)))?;
    let reader = UploadSource::sized_reader(Cursor::new(bytes(BODY)), BODY as u64);
    put_and_get(server, cell, "/put/reader", reader)
}

pub(crate) fn put_in_chunks(server: &Server) -> Outcome {
    let reader = UploadSource::reader(Cursor::new(bytes(BODY)));
    put_and_get(server, "PUT in chunks", "/put/chunks", reader)
}

pub(crate) fn large(server: &Server) -> Outcome {
    let to = server.place("large");
    let response = block_on(session().download(server.get(LARGE)?, &to))?;
    ensure!(response.status() == 200, "status {}", response.status());
    same("the file", &std::fs::read(&to)?, &server.file(LARGE)?)
}

pub(crate) fn chunks(server: &Server) -> Outcome {
    if server.cannot("a response in chunks").is_some() {
        let (response, content) = session().data_blocking(server.get("/folder/")?)?;
        ensure!(response.field("Transfer-Encoding").is_none(), "it sends chunks");
        return same("the folder", &content, &server.file("/folder/index.html")?);
    }
    let session = session();
    let (response, content) = session.data_blocking(server.get("/chunked/1000000")?)?;
    let coding = response.field("Transfer-Encoding");
    ensure!(coding == Some("chunked"), "Transfer-Encoding: {coding:?}");
    let file = server.file(LARGE)?;
    same("the content", &content, file.get(..1_000_000).unwrap_or_default())?;
    let (_, content) = session.data_blocking(server.get("/chunked/0")?)?;
    same("empty content", &content, b"")
}

/// Content codings are the caller's: none is asked for unless a field says so, and then content is
/// what was sent, with the fields that tell what it is.
pub(crate) fn gzip(server: &Server) -> Outcome {
    let path = "/text.txt";
    let text = server.file(path)?;
    let (response, content) = session().data_blocking(server.get(path)?)?;
    ensure!(response.field("Content-Encoding").is_none(), "coded without being asked for");
    same("the text as it is", &content, &text)?;
    let request = server.get(path)?.field("Accept-Encoding", "gzip")?;
    let (response, content) = session().data_blocking(request)?;
    let coding = response.field("Content-Encoding");
    if server.cannot("gzip").is_some() {
        ensure!(coding.is_none(), "Content-Encoding: {coding:?}");
        return same("the text as it is", &content, &text);
    }
    ensure!(coding == Some("gzip"), "Content-Encoding: {coding:?}");
    ensure!(content.starts_with(&[0x1f, 0x8b]), "it is not gzip: {:?}", content.get(..8));
    ensure!(content.len() < text.len() / 2, "{} bytes", content.len());
    // It ends with the checksum and the length of what was coded (RFC 1952 §2.3.1).
    let end = [crc32(&text).to_le_bytes(), u32::try_from(text.len())?.to_le_bytes()].concat();
    ensure!(content.ends_with(&end), "another end: {:?}", content.rchunks(8).next());
    Ok(())
}

/// The checksum of gzip, a bit at a time.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    };
    !bytes.iter().fold(!0, step)
}

pub(crate) fn range(server: &Server) -> Outcome {
    let file = server.file(SMALL)?;
    let request = server.get(SMALL)?.field("Range", "bytes=100-299")?;
    let (response, content) = session().data_blocking(request)?;
    let (status, range) = (response.status(), response.field("Content-Range"));
    if server.cannot("a range").is_some() {
        ensure!(status == 200 && range.is_none(), "status {status}, range {range:?}");
        return same("the whole file", &content, &file);
    }
    ensure!(status == 206, "status {status}");
    ensure!(range == Some("bytes 100-299/1000"), "Content-Range: {range:?}");
    same("the range", &content, file.get(100..300).unwrap_or_default())?;
    let request = server.get(SMALL)?.field("Range", "bytes=1000-")?;
    let (response, _) = session().data_blocking(request)?;
    ensure!(response.status() == 416, "status {} beyond the end", response.status());
    Ok(())
}

/// It is suspended when the first bytes are stored, cancelled, and gone on with.
pub(crate) fn resume(server: &Server) -> Outcome {
    let to = server.place("resumed");
    let stopping = Told::stopping();
    let session = session();
    let task = session.download_task(server.get(LARGE)?).to(&to).delegate(stopping.clone());
    let task = task.create()?;
    task.resume();
    let mut changes = task.changes();
    while !stopping.notes().contains(&"wrote".to_owned()) && changes.next_blocking().is_some() {}
    let data = block_on(task.cancel_producing_resume_data()).ok_or("no resume data")?;
    let received = data.received();
    ensure!(received > 0 && received < 16_777_216, "{received} bytes were stored");
    ensure!(!to.exists(), "it has its name already");
    let told = Told::default();
    let task = session.download_task_with_resume_data(&data).delegate(told.clone());
    let (response, _) = task.create()?.wait()?;
    same("the file", &std::fs::read(&to)?, &server.file(LARGE)?)?;
    let (status, notes) = (response.status(), told.notes());
    if server.cannot("a download that goes on").is_some() {
        ensure!(status == 200, "status {status} instead of 200");
        ensure!(!notes.iter().any(|note| note.starts_with("resumed")), "{notes:?}");
        return Ok(());
    }
    ensure!(status == 206, "status {status}");
    ensure!(notes.first() == Some(&format!("resumed at {received}")), "{notes:?}");
    Ok(())
}

fn refused(server: &Server, cell: &str, source: UploadSource) -> Outcome {
    let session = session();
    let told = Told::default();
    let task = session.upload_task(server.request("PUT", "/limited/file")?, source);
    let task = task.delegate(told).create()?;
    let (response, _) = task.clone().wait()?;
    let wanted = if server.cannot(cell).is_some() { 501 } else { 413 };
    ensure!(response.status() == wanted, "status {}", response.status());
    let sent = task.counts().sent;
    ensure!(sent < TOO_MUCH as u64, "all {sent} bytes were sent");
    // What was in the middle of a body is not used again.
    let (_, content) = session.data_blocking(server.get(SMALL)?)?;
    same("the next response", &content, &server.file(SMALL)?)
}

pub(crate) fn early(server: &Server) -> Outcome {
    let body = Cursor::new(vec![b'x'; TOO_MUCH]);
    let source = UploadSource::sized_reader(body, TOO_MUCH as u64);
    refused(server, "413 while a body is sent", source)
}

pub(crate) fn early_in_chunks(server: &Server) -> Outcome {
    let source = UploadSource::reader(Cursor::new(vec![b'x'; TOO_MUCH]));
    refused(server, "413 while chunks are sent", source)
}
