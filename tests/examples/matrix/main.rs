//! The library against one real server that `tests/matrix-job.py` has started: all that clients ask
//! of servers, one cell of the matrix each.
//!
//! `matrix SERVER ADDRESS FILES WORK` asks the server at ADDRESS, which serves what is in the
//! folder FILES, and puts what it downloads into WORK. It prints a row for each cell, and last how
//! many were right; the exit status says whether all were. What a server cannot do stands in
//! `Server::cannot` with the reason, and then what it does instead is asserted.

mod bodies;
mod connections;
mod heads;
mod told;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sortie::{Request, Session, SessionConfiguration};

use connections::Idle;
use told::Told;

/// Whatever went wrong.
pub(crate) type Failure = Box<dyn Error>;

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// How long a server may be silent, so that a fault ends a cell instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fails a cell unless it is so.
macro_rules! ensure {
    ($is_so:expr, $($words:tt)+) => {
        if !$is_so {
            return Err(format!($($words)+).into());
        }
    };
}
pub(crate) use ensure;

/// The server that is asked.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    address: String,
    files: PathBuf,
    work: PathBuf,
    /// Connections that are idle since before the first cell.
    idle: Option<Idle>,
}

type Cell = (&'static str, fn(&Server) -> Outcome);

const CELLS: &[Cell] = &[
    ("GET", bodies::get),
    ("HEAD", bodies::head),
    ("POST and its echo", bodies::post),
    ("PUT with a length", bodies::put),
    ("PUT in chunks", bodies::put_in_chunks),
    ("a large file", bodies::large),
    ("a response in chunks", bodies::chunks),
    ("gzip", bodies::gzip),
    ("a range", bodies::range),
    ("a download that goes on", bodies::resume),
    ("100-continue", heads::proceed),
    ("redirects", heads::redirect),
    ("a redirect that keeps POST", heads::redirect_post),
    ("a large response head", heads::large),
    ("a response head beyond the limit", heads::huge),
    ("a large request head", heads::large_request),
    ("413 while a body is sent", bodies::early),
    ("413 while chunks are sent", bodies::early_in_chunks),
    ("1,000 requests on a connection", connections::thousand),
    ("64 requests at once", connections::at_once),
    ("closed while idle", connections::idle),
];

impl Server {
    /// What it cannot do, and why.
    pub(crate) fn cannot(&self, cell: &str) -> Option<&'static str> {
        let reasons: &[(&str, &str)] = match self.name.as_str() {
            // As it comes, `python -m http.server` serves files, and nothing else.
            "http.server" => &[
                ("POST and its echo", "it knows GET and HEAD alone"),
                ("PUT with a length", "it knows GET and HEAD alone"),
                ("PUT in chunks", "it knows GET and HEAD alone"),
                ("a response in chunks", "it knows the length of all it sends"),
                ("gzip", "it codes nothing"),
                ("a range", "it knows no ranges"),
                ("a download that goes on", "it knows no ranges"),
                ("100-continue", "it says 100, and refuses the method then"),
                ("a redirect that keeps POST", "it redirects to folders alone"),
                ("a large response head", "only its Location grows"),
                ("a response head beyond the limit", "it takes no URL that would make one"),
                ("413 while a body is sent", "it refuses the method instead"),
                ("413 while chunks are sent", "it refuses the method instead"),
                ("closed while idle", "it waits for ever"),
            ],
            _ => &[],
        };
        reasons.iter().find(|(name, _)| *name == cell).map(|(_, why)| *why)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A file as it lies in the folder.
    pub(crate) fn file(&self, path: &str) -> Outcome<Vec<u8>> {
        let path = self.files.join(path.trim_start_matches('/'));
        std::fs::read(&path).map_err(|why| format!("{}: {why}", path.display()).into())
    }

    /// A place for a download that nothing is at.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.work.join(format!("{}-{name}", self.name))
    }

    pub(crate) fn get(&self, path: &str) -> Outcome<Request> {
        Ok(Request::get(&self.url(path))?)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Outcome<Request> {
        Ok(Request::new(method, &self.url(path))?)
    }
}

pub(crate) fn configuration() -> SessionConfiguration {
    Session::builder().request_timeout(PATIENCE)
}

/// A session of a cell's own.
pub(crate) fn session() -> Session {
    configuration().build()
}

/// `length` bytes that no buffer would make up.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mix = |n: usize| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[1];
    (0..length).map(mix).collect()
}

/// Tries every cell. Whether all were right.
fn judge(mut server: Server) -> bool {
    match Idle::begin(&server) {
        Ok(idle) => server.idle = Some(idle),
        Err(why) => println!("{}: {why}", server.name),
    }
    let mut right = 0;
    for (name, cell) in CELLS {
        let began = Instant::now();
        let outcome = cell(&server);
        right += usize::from(outcome.is_ok());
        let verdict = if outcome.is_ok() { "yes" } else { "NO" };
        let seconds = began.elapsed().as_secs_f64();
        let note = server.cannot(name).map(|why| format!("cannot: {why}")).unwrap_or_default();
        let row = format!("{:12}{name:36}{seconds:8.2}  {verdict:4} {note}", server.name);
        println!("{}", row.trim_end());
        if let Err(why) = outcome {
            println!("    {why}");
        }
    }
    println!("{right} of {}", CELLS.len());
    right == CELLS.len()
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().unwrap_or_default();
    let (name, address) = (next(), next());
    let (files, work) = (PathBuf::from(next()), PathBuf::from(next()));
    if !files.is_dir() || !work.is_dir() {
        eprintln!("usage: matrix SERVER ADDRESS FILES WORK");
        return ExitCode::from(2);
    }
    match judge(Server { name, address, files, work, idle: None }) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
