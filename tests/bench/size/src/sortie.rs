//! Prints the content of a URL: by Sortie.

use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: get-sortie URL")?;
    let (_, content) = sortie::Session::new().data_blocking(url.as_str())?;
    std::io::stdout().write_all(&content)?;
    Ok(())
}
