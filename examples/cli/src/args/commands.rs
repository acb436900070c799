//! What each command may be told.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::ValueExt;

use super::{Common, Item, Items};

/// Downloads that run at once, if it is not said.
const PARALLEL: usize = 4;

/// What `get` was told.
#[derive(Debug, Default)]
pub(crate) struct Get {
    pub(crate) common: Common,
    pub(crate) urls: Vec<String>,
    pub(crate) outputs: Vec<PathBuf>,
    pub(crate) include: bool,
    pub(crate) head: bool,
    pub(crate) dump_header: Option<PathBuf>,
    pub(crate) data: Vec<OsString>,
    pub(crate) upload: Option<PathBuf>,
    pub(crate) method: Option<String>,
    pub(crate) range: Option<String>,
    pub(crate) continues: Option<Continue>,
    pub(crate) fails: bool,
}

/// Where `-C` goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continue {
    /// Behind what the file has.
    AtEnd,
    /// Behind so many bytes.
    At(u64),
}

/// What `download` was told.
#[derive(Debug, Default)]
pub(crate) struct Download {
    pub(crate) common: Common,
    pub(crate) urls: Vec<String>,
    pub(crate) outputs: Vec<PathBuf>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) parallel: usize,
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) starts_over: bool,
}

/// What `upload` was told.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    pub(crate) common: Common,
    pub(crate) method: Option<String>,
    pub(crate) file: PathBuf,
    pub(crate) url: String,
    pub(crate) output: Option<PathBuf>,
}

/// `None`: the help is wanted.
type Parsed<T> = Result<Option<T>, lexopt::Error>;

pub(super) fn get(items: &mut Items) -> Parsed<Get> {
    let mut get = Get::default();
    while let Some(item) = items.next()? {
        let name = match item {
            Item::Value(url) => {
                get.urls.push(url.string()?);
                continue;
            }
            Item::Name(name) => name,
        };
        match name.as_str() {
            "-h" | "--help" => return Ok(None),
            "-o" | "--output" => get.outputs.push(items.value()?.into()),
            "-i" | "--include" => get.include = true,
            "-I" | "--head" => get.head = true,
            "-D" | "--dump-header" => get.dump_header = Some(items.value()?.into()),
            "-d" | "--data" => get.data.push(items.value()?),
            "-T" | "--upload-file" => get.upload = Some(items.value()?.into()),
            "-X" | "--request" => get.method = Some(items.text()?),
            "-r" | "--range" => get.range = Some(items.text()?),
            "-C" | "--continue-at" => get.continues = Some(continues(&items.text()?)?),
            "-f" | "--fail" => get.fails = true,
            _ if get.common.take(&name, items)? => {}
            _ => return Err(lexopt::Error::UnexpectedOption(name)),
        }
    }
    check_get(get).map(Some)
}

fn check_get(get: Get) -> Result<Get, lexopt::Error> {
    get.common.check()?;
    if get.urls.is_empty() {
        return Err("get needs a URL".into());
    }
    if get.outputs.len() > get.urls.len() {
        return Err("more output files than URLs".into());
    }
    let ways = [get.head, !get.data.is_empty(), get.upload.is_some()];
    if ways.into_iter().filter(|is_told| *is_told).count() > 1 {
        return Err("--head, --data and --upload-file exclude each other".into());
    }
    if get.continues.is_some() && (get.range.is_some() || get.head || get.upload.is_some()) {
        return Err("--continue-at excludes --range, --head and --upload-file".into());
    }
    if get.continues == Some(Continue::AtEnd) && get.outputs.len() < get.urls.len() {
        return Err("--continue-at - needs --output for every URL".into());
    }
    Ok(get)
}

fn continues(text: &str) -> Result<Continue, lexopt::Error> {
    if text == "-" {
        return Ok(Continue::AtEnd);
    }
    let offset = text.parse().map_err(|_| "--continue-at is a number of bytes, or -")?;
    Ok(Continue::At(offset))
}

pub(super) fn download(items: &mut Items) -> Parsed<Download> {
    let mut download = Download { parallel: PARALLEL, ..Download::default() };
    while let Some(item) = items.next()? {
        let name = match item {
            Item::Value(url) => {
                download.urls.push(url.string()?);
                continue;
            }
            Item::Name(name) => name,
        };
        match name.as_str() {
            "-h" | "--help" => return Ok(None),
            "-o" | "--output" => download.outputs.push(items.value()?.into()),
            "-d" | "--output-dir" => download.folder = Some(items.value()?.into()),
            "-j" | "--parallel-max" => download.parallel = items.number()?,
            "--sha256" => download.sha256 = Some(sha256(&items.text()?)?),
            "--no-resume" => download.starts_over = true,
            _ if download.common.take(&name, items)? => {}
            _ => return Err(lexopt::Error::UnexpectedOption(name)),
        }
    }
    download.common.check()?;
    if download.urls.is_empty() {
        return Err("download needs a URL".into());
    }
    if download.outputs.len() > download.urls.len() {
        return Err("more output files than URLs".into());
    }
    if download.sha256.is_some() && download.urls.len() > 1 {
        return Err("--sha256 is for one URL: download the others by themselves".into());
    }
    if download.parallel == 0 {
        return Err("--parallel-max is at least 1".into());
    }
    Ok(Some(download))
}

fn sha256(text: &str) -> Result<[u8; 32], lexopt::Error> {
    let wrong = "--sha256 has 64 hexadecimal digits";
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return Err(wrong.into());
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let digit = |letter: u8| char::from(letter).to_digit(16);
        let value = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low);
        *byte = value.and_then(|value| u8::try_from(value).ok()).ok_or(wrong)?;
    }
    Ok(digest)
}

pub(super) fn upload(items: &mut Items) -> Parsed<Upload> {
    let mut upload = Upload::default();
    let mut file = None;
    let mut values = Vec::new();
    while let Some(item) = items.next()? {
        let name = match item {
            Item::Value(value) => {
                values.push(value);
                continue;
            }
            Item::Name(name) => name,
        };
        match name.as_str() {
            "-h" | "--help" => return Ok(None),
            "-T" | "--upload-file" => file = Some(items.value()?),
            "-X" | "--request" => upload.method = Some(items.text()?),
            "-o" | "--output" => upload.output = Some(items.value()?.into()),
            _ if upload.common.take(&name, items)? => {}
            _ => return Err(lexopt::Error::UnexpectedOption(name)),
        }
    }
    upload.common.check()?;
    let mut values = file.into_iter().chain(values);
    let (Some(file), Some(url), None) = (values.next(), values.next(), values.next()) else {
        return Err("upload needs one file and one URL".into());
    };
    (upload.file, upload.url) = (file.into(), url.string()?);
    Ok(Some(upload))
}

pub(super) fn nothing(items: &mut Items) -> Parsed<()> {
    match items.next()? {
        None => Ok(Some(())),
        Some(Item::Name(name)) if name == "-h" || name == "--help" => Ok(None),
        Some(Item::Name(name)) => Err(lexopt::Error::UnexpectedOption(name)),
        Some(Item::Value(value)) => Err(lexopt::Error::UnexpectedArgument(value)),
    }
}
