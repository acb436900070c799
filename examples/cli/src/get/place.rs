//! Where the content of `get` goes, and what `-C` makes of it.

use std::fs::OpenOptions;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use sortie::Response;
use sortie::core::ContentRange;

use crate::args::{Continue, Get};
use crate::report::{Failure, create, unread, unwritten};

/// The server has nothing behind the place that was asked for.
const NOT_SATISFIABLE: u16 = 416;
/// It sends a part.
const PARTIAL: u16 = 206;

/// Where content goes.
pub(super) struct Place<'a> {
    /// `None`: standard output.
    output: Option<&'a Path>,
    /// Bytes that are not asked for again; 0 without `-C`.
    offset: u64,
}

/// What is done with the content of a response.
pub(super) enum Going {
    /// It is written there; the name is for messages.
    To(Box<dyn Write>, String),
    /// All of it is there already.
    Nowhere,
}

impl<'a> Place<'a> {
    /// Looks how much is there.
    pub(super) fn new(options: &Get, output: Option<&'a Path>, url: &str) -> Result<Self, Failure> {
        let held = match (options.continues, output) {
            (Some(_), Some(path)) => match std::fs::metadata(path) {
                Ok(found) => found.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(unread(&path.display().to_string(), error)),
            },
            (Some(_) | None, _) => 0,
        };
        let offset = match options.continues {
            None => 0,
            Some(Continue::AtEnd) => held,
            Some(Continue::At(offset)) if output.is_some() && offset > held => {
                let why = format!("cannot go on at {offset}, the file has {held} bytes");
                return Err(Failure::Range { why, url: url.to_owned() });
            }
            Some(Continue::At(offset)) => offset,
        };
        Ok(Self { output, offset })
    }

    /// What is to be asked for, if not all of it.
    pub(super) fn range(&self) -> Option<String> {
        (self.offset > 0).then(|| format!("{}-", self.offset))
    }

    /// Opens it for the content of a response, which has to begin where it was asked to.
    pub(super) fn open(&self, response: &Response, url: &str) -> Result<Going, Failure> {
        if self.offset > 0 {
            let range = response.field("content-range");
            let range = range.and_then(|range| ContentRange::parse(range.as_bytes()));
            match (response.status(), range) {
                (PARTIAL, Some(ContentRange::Bytes { first, .. })) if first == self.offset => {}
                (NOT_SATISFIABLE, Some(ContentRange::Unsatisfied { total }))
                    if total == self.offset =>
                {
                    return Ok(Going::Nowhere);
                }
                (status, _) => {
                    let why = format!("the server does not go on at {}: {status}", self.offset);
                    return Err(Failure::Range { why, url: url.to_owned() });
                }
            }
        }
        let Some(path) = self.output else {
            return Ok(Going::To(Box::new(io::stdout().lock()), "standard output".to_owned()));
        };
        let name = path.display().to_string();
        if self.offset == 0 {
            return Ok(Going::To(Box::new(create(path)?), name));
        }
        let opened = OpenOptions::new().write(true).open(path).and_then(|mut file| {
            file.set_len(self.offset)?;
            file.seek(SeekFrom::Start(self.offset))?;
            Ok(file)
        });
        let file = opened.map_err(|error| unwritten(&name, error))?;
        Ok(Going::To(Box::new(file), name))
    }
}
