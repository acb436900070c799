//! Prints the content of a URL: by ureq.

use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: get-ureq URL")?;
    let content = ureq::get(&url).call()?.into_body().read_to_vec()?;
    std::io::stdout().write_all(&content)?;
    Ok(())
}
