//! Prints the content of a URL: by hyper, on a connection of its own.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: get-hyper URL")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let content = runtime.block_on(get(&url))?;
    std::io::stdout().write_all(&content)?;
    Ok(())
}

async fn get(url: &str) -> Result<Bytes, Box<dyn Error>> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().ok_or("no authority")?;
    let address = (authority.host(), authority.port_u16().unwrap_or(80));
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header("host", authority.as_str())
        .body(Empty::<Bytes>::new())?;
    let content = sender.send_request(request).await?.collect().await?.to_bytes();
    drop(sender);
    connection.await??;
    Ok(content)
}
