//! Prints the content of a URL: by reqwest.

use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: get-reqwest URL")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let content = runtime.block_on(async { reqwest::get(&url).await?.bytes().await })?;
    std::io::stdout().write_all(&content)?;
    Ok(())
}
