//! URLSession for Rust desktops: tasks that are created suspended, resumed, suspended, cancelled
//! and awaited.
//!
//! A [`Session`] shares connections and settings; a [`Task`] is one request on its way. Every
//! decision is made by [`sortie_core`], the state machine that also runs on microcontrollers; this
//! crate gives it sockets, names and time.
//!
//! **It needs no runtime.** Whoever awaits a task drives it, on any executor; async-io's reactor
//! does the rest. Blocking calls drive it too.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
//! # let url = format!("http://{}/", listener.local_addr()?);
//! # let origin = std::thread::spawn(move || {
//! #     let mut stream = listener.accept().unwrap().0;
//! #     let _ = stream.read(&mut [0; 1024]).unwrap();
//! #     stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
//! # });
//! let session = sortie::Session::new();
//! let task = session.task(&url)?;
//! assert_eq!(task.state(), sortie::TaskState::Suspended);
//!
//! let watched = task.clone(); // the same task
//! let (response, content) = task.wait()?; // or .await
//! assert_eq!((response.status(), content.as_slice()), (200, &b"hello"[..]));
//! assert_eq!(watched.counts().received, 5);
//! assert_eq!(watched.state(), sortie::TaskState::Completed);
//! # origin.join().unwrap();
//! # Ok(()) }
//! ```
//!
//! Any status is a success: it is the server's answer. An [`Error`] says that there is no complete
//! and valid answer, which URL was asked for, and its URLError code.

mod body;
mod connect;
mod connection;
mod driver;
mod error;
mod exchange;
#[cfg_attr(not(test), expect(dead_code, reason = "tasks do not use files yet"))]
mod file;
mod request;
mod response;
mod ride;
mod session;
mod shared;
mod task;
#[allow(unreachable_pub, reason = "reachable with feature internals")]
mod world;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;

pub use body::Body;
pub use error::{Error, ErrorKind};
pub use request::Request;
pub use response::Response;
pub use session::{Session, SessionBuilder};
pub use sortie_core as core;
pub use sortie_core::{ByteCounts, Progress, ResponseHead, TaskState};
pub use task::{Task, TaskFuture};

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
