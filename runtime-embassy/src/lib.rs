#![no_std]
#![allow(
    clippy::manual_async_fn,
    reason = "the future of an `async fn` holds its arguments twice, which is RAM"
)]
//! URLSessionTask for microcontrollers: HTTP/1.1 tasks over [`embassy_net`], without an allocator.
//!
//! The machine behind every task is [`sortie_core`]; this crate carries its bytes over TCP sockets
//! of embassy-net, keeps its time with embassy-time, and gives it memory that the program sets
//! aside. Nothing is spawned and nothing runs beside the program's own tasks: a task is a
//! future, driven by whoever awaits it, and cancelled by dropping it. A [`TaskControl`] suspends,
//! resumes, cancels and watches it from beside.
//!
//! ```
//! use embassy_net::Stack;
//! use sortie_embassy::{BodyLength, Config, Failure, Request, Resources, Session, Url};
//! use static_cell::StaticCell;
//!
//! async fn report(stack: Stack<'static>) -> Result<(), Failure> {
//!     // Two connections with buffers of 1 KiB: 6 KiB of RAM.
//!     static RESOURCES: StaticCell<Resources<2, 1024>> = StaticCell::new();
//!     let resources = RESOURCES.init_with(Resources::new);
//!     let session = Session::new(stack, resources, Config::default());
//!
//!     let body = b"temperature=21";
//!     let url = Url::parse("http://192.0.2.1/readings").unwrap();
//!     let length = BodyLength::Known(body.len() as u64);
//!     let request = Request::new("POST", url, &[], length).unwrap();
//!     let mut content = [0; 256];
//!     let response = session.data(&request, body, &mut content).await?;
//!     if response.status() == 201 {
//!         assert!(!response.content().is_empty());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Tasks
//!
//! - To send bytes, and receive content in a buffer: [`Session::data_task`] or
//!   [`upload_task`](Session::upload_task) with [`DataTask::receive`]; in short [`Session::data`].
//! - To write content to any [`Write`](embedded_io_async::Write): [`Session::download_task`] with
//!   [`DataTask::to`]; in short [`Session::download`].
//! - To send what any [`Read`](embedded_io_async::Read) gives: [`DataTask::from_reader`]; in short
//!   [`Session::upload`].
//! - To read content as it comes: [`DataTask::open`], which gives a [`Body`].
//! - To go on with a download that was cut off: [`DataTask::resume_data`] keeps what that takes,
//!   and [`DataTask::resume_from`] does it.
//!
//! All of them are made by one builder, [`DataTask`], and driven by one driver: what a program does
//! not use of that it does not link.
//!
//! A download that survives a loss of power stores its [`ResumeData`] beside what it has, before it
//! has it:
//!
//! ```
//! # use embedded_io_async::Write;
//! # use sortie_embassy::{Failure, Request, ResumeData, Session};
//! # trait Flash: Write {
//! #     async fn store(&mut self, record: &[u8]);
//! #     async fn begin_at(&mut self, at: u64);
//! # }
//! # async fn update(
//! #     session: &Session<'_, 1>,
//! #     request: &Request<'_>,
//! #     stored: Option<&[u8]>,
//! #     flash: &mut impl Flash,
//! # ) -> Result<(), Failure> {
//! let stored = stored.and_then(|bytes| ResumeData::decode(bytes).ok());
//! let mut record = [0; 256];
//! let mut task = session.download_task(request).require_success().resume_data(&mut record);
//! if let Some(stored) = &stored {
//!     task = task.resume_from(stored);
//! }
//! let mut body = task.open().await?;
//! // Behind what is there if the server goes on, or else at the start.
//! flash.begin_at(body.offset()).await;
//! if let Some(data) = body.resume_data() {
//!     let mut bytes = [0; 256];
//!     if let Ok(length) = data.encode(&mut bytes) {
//!         flash.store(&bytes[..length]).await;
//!     }
//! }
//! body.copy_to(flash).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A task that is watched has a [`ControlBlock`] lent to it. Its properties are those of
//! URLSessionTask; `docs/properties.md` of the repository has a row for each.
//!
//! # Memory
//!
//! | what | where | bytes on a 32-bit device |
//! |---|---|---|
//! | [`Resources<C, R, S, H>`](Resources) | a static | `C * (R + S + H)` |
//! | [`Session<C>`](Session) | a static or a local | 88 + 56 a connection |
//! | [`Schedule<C>`](Schedule), if there is one | a static or a local | 640 for one connection |
//! | future of a task | the future that awaits it | 768 |
//! | future of a task with a lent [`ControlBlock`] | the same | 464 |
//! | [`ControlBlock`] | a static or a local | 312 |
//! | [URLs of redirects](DataTask::target), if any are followed | a local | 1 or 2 URLs |
//!
//! The response is read straight into the caller's buffer and decoded in place. Its head lives in
//! the buffer of the connection, and is gone with the exchange, unless [memory is
//! lent](DataTask::head) for it. The stack needs one socket for each connection, and one for DNS.
//!
//! Which buffers to choose, the stack, what the deadlines mean on a bad link, and what `defmt`
//! shows: `docs/firmware.md` of the repository; its `docs/from-reqwless.md` has the calls of
//! reqwless beside these. A whole program, with an offline queue and a watchdog, is in
//! `examples/boards`.
//!
//! # Connections
//!
//! A session has `CONNECTIONS` sockets for as long as it lives. Each is opened when a task needs
//! it, kept open after an exchange that ended in order, and used again for the same origin. If the
//! server has closed it meanwhile, the task opens another, or retries once if that was noticed only
//! after the request was sent.
//!
//! Tasks for which there is none wait, and start in the order in which they came; 32 of them, and
//! those that come while as many wait get in line as soon as there is room, in no order. The wait
//! does not count as idle time. A task that is dropped while it waits, or just when its turn has
//! come, leaves it to the next. One that is neither dropped nor polled keeps what it was given.
//! A connection that was idle for [`IDLE_TIMEOUT`](sortie_core::limits::IDLE_TIMEOUT) is not used
//! again.
//!
//! A socket that looked for a neighbour on its network which is not there is silent for a second:
//! that is smoltcp's rule. A connection that is opened in the same slot after such an attempt, to
//! whatever address, can begin that much later; a
//! [`request_timeout`](Config::request_timeout) of less fails it.
//!
//! Tasks also use a stream that the program has opened: [`Session::connection_over`].
//!
//! A session with a [`Schedule`] has the order of a desktop's instead: by
//! [priority](DataTask::priority), with a limit for each host, see
//! [`scheduler`](sortie_core::session::scheduler). Eight tasks are in its queue. An idle connection
//! is closed after that timeout, with the next call of the session.
//!
//! # Redirects
//!
//! They are followed, up to 20 of them unless [`Config::redirects`] says otherwise, where the task
//! [brings room](DataTask::target) for their URLs. Without room a redirect is an error, so that its
//! body is not taken for the content that was asked for.
//!
//! ```
//! # use sortie_embassy::{Failure, Request, Response, Session};
//! # async fn f(session: &Session<'_, 1>, request: &Request<'_>) -> Result<(), Failure> {
//! let (mut urls, mut content) = ([0; 256], [0; 512]);
//! let response = session.data_task(request).target(&mut urls).receive(&mut content).await?;
//! let _from = response.redirected_to().unwrap_or(request.url());
//! # Ok(())
//! # }
//! ```
//!
//! A task that [asks](DataTask::asks) leaves the decision to who has its [`TaskControl`].
//!
//! # Cancellation
//!
//! Every future here can be dropped at any time, in a `select` or by a timeout. What that loses is
//! said at each function: always the task, never the session. A connection that was in use is
//! reset, so that nothing of the lost exchange can be taken for another's.
//!
//! # Not supported
//!
//! - TLS without the feature `tls`; with it, TLS in the connections that tasks share. A URL with
//!   `https` or `wss` fails as [`TlsUnavailable`](Transport::TlsUnavailable) there, and nothing is
//!   sent: never in plaintext what was to be secure.
//! - IPv6, and host names that have no IPv4 address.
//! - Challenges: they are delivered as any other response.
//! - A body from a reader in a request that has to be sent again, and content to a sink or a
//!   [`Body`] for a request whose body comes from a reader.
//! - An answer to a redirect by another request: refuse it, and send that.
//! - The fields of interim responses, trailers, and metrics of transactions.
//! - WebSocket and stream tasks, proxies, cookies, caches, content codings.
//! - Use from more than one executor: like the network stack, a session stays on its own.
//!
//! # Features
//!
//! - `medium-ethernet` (default): embassy-net needs a medium to compile. Without default features
//!   the program chooses one itself.
//! - `defmt`: every public type can be formatted, and what tasks do is traced.
//! - `ota`: updates of the firmware that a loss of power cannot break, in the module of that name.
//! - `tls`: connections over TLS 1.3, in the module of that name: one by `Session::connection`, for
//!   several tasks, or one of a task by `Session::secure_data`.
//! - `log`: the same traces through `log`. Both may be on. Neither ever shows a path, the value of
//!   a field, or content.

mod body;
mod changes;
mod close;
mod connect;
mod connection;
mod control;
mod dedicated;
mod download;
mod driven;
mod driver;
mod event;
mod facts;
mod failure;
#[cfg(feature = "defmt")]
mod format;
mod input;
mod line;
mod log;
mod opened;
#[cfg(feature = "ota")]
pub mod ota;
mod queue;
mod record;
mod reins;
mod resources;
mod schedule;
mod send;
mod session;
mod source;
mod stream;
mod target;
mod task;
mod time;
#[cfg(feature = "tls")]
pub mod tls;
mod turn;
mod upload;

pub use body::Body;
pub use changes::{Changes, Snapshot};
pub use control::{ControlBlock, Seat, TaskControl};
pub use dedicated::Connection;
pub use download::{DownloadFailure, Downloaded};
pub use event::TaskEvent;
pub use opened::OpenedStream;
pub use resources::Resources;
pub use schedule::Schedule;
pub use session::{Config, Session};
pub use sortie_core;
pub use sortie_core::{
    Answer, Asks, BodyLength, ByteCounts, Error, Field, Progress, Question, RedirectPolicy,
    Request, ResponseHead, ResumeData, Rewrite, Slot, TaskState, Token, Transport, Url, Validator,
    field,
};
pub use task::{Alone, DataTask, Failure, Governor, Response, Under};
pub use upload::ReaderTask;
