//! URLSession for Rust desktops: tasks that are created suspended, resumed, suspended, cancelled
//! and awaited.
//!
//! A [`Session`] shares connections and settings; a [`Task`] is one request on its way. Every
//! decision is made by [`sortie_core`], the state machine that also runs on microcontrollers; this
//! crate gives it sockets, names and time.
//!
//! **It needs no runtime.** Whoever awaits a task drives it, on any executor; async-io's reactor
//! does the rest. Blocking calls drive it too. A task that is resumed and that nobody awaits is
//! driven by one thread, which its session starts at need and which ends with it, or by a
//! [spawner](SessionConfiguration::spawner) of the user's. The deadlines of all sessions are kept
//! by one thread more, which sleeps; it starts with the first of them and ends with the last.
//! Files are read and written on the threads of [`blocking`](https://docs.rs/blocking), a pool of
//! the whole process.
//!
//! **What it does:** data, upload and download tasks ([`Session::data_task`],
//! [`upload_task`](Session::upload_task), [`download_task`](Session::download_task)) with
//! one-liners for each; redirects; downloads to a file that go on where they were cut off, also
//! after a crash; priorities; [`Changes`] and [`Progress`] to watch, a [`TaskDelegate`] to decide.
//!
//! **Names** are resolved by the system, or as the [`SessionConfiguration`] says, and their
//! addresses race for the connection. Where the process may open no more descriptors, tasks wait as
//! long as other connections of their session can end.
//!
//! **Bodies.** Content is given whole, or as a [`Body`] that is read as it comes, in any of the
//! usual ways; what is sent comes from bytes, files, readers or streams ([`UploadSource`]). Who
//! is slow slows the other end down.
//!
//! **Features.** `tls` is on by default, everything else off: `http` converts to and from the types
//! of the `http` crate, `json` sends and decodes JSON, `serde` stores resume data.
//!
//! **What it is not:** no HTTP/2; no cookies, caches or proxies.
//!
//! **TLS** is on by default, by the feature `tls`: 1.2 and 1.3, with the roots that the system
//! trusts, or as a [`TlsConfiguration`] says. What is `https` is never sent in plaintext: without
//! the feature it fails.
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

mod background;
mod body;
mod buffers;
mod builder;
mod changes;
mod configuration;
mod connect;
mod connection;
mod content;
mod delegate;
mod download;
mod driver;
mod error;
mod exchange;
mod file;
mod hop;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "json")]
mod json;
mod live;
mod metrics;
mod origins;
mod priority;
mod progress;
mod request;
mod response;
mod resume;
mod ride;
mod seat;
mod session;
mod shared;
mod source;
mod supply;
mod sweeper;
mod system;
mod task;
#[cfg(feature = "tls")]
mod tls;
#[allow(unreachable_pub, reason = "reachable with feature internals")]
mod turn;
#[allow(unreachable_pub, reason = "reachable with feature internals")]
mod world;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;

pub use body::Body;
pub use builder::TaskBuilder;
pub use changes::{Changes, TaskSnapshot};
pub use configuration::SessionConfiguration;
pub use delegate::{Disposition, NewBody, RedirectDecision, TaskDelegate};
pub use error::{Error, ErrorKind};
pub use file::{FileErrorKind, Sha256Digest};
#[cfg(feature = "http")]
pub use http::IntoContent;
#[cfg(feature = "json")]
pub use json::JsonError;
pub use metrics::{TaskMetrics, Transaction};
pub use priority::Priority;
pub use progress::{Progress, ProgressError, ProgressReporting};
pub use request::Request;
pub use response::Response;
pub use resume::ResumeData;
pub use session::Session;
pub use sortie_core as core;
#[cfg(feature = "tls")]
pub use sortie_core::TlsError;
pub use sortie_core::{
    ByteCounts, Misuse, Progress as ProgressValue, RedirectPolicy, ResponseHead, TaskKind,
    TaskState, UrlSessionCounts,
};
pub use source::UploadSource;
pub use task::{Task, TaskFuture};
#[cfg(feature = "tls")]
pub use tls::{ServerTrust, TlsConfiguration, TlsConfigurationError, TlsVersion, TrustDecision};

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
