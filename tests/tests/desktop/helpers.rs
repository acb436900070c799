//! What several files of these tests need.

use std::future::{Future, IntoFuture};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sortie::{
    Disposition, Error, NewBody, RedirectDecision, Request, Response, Task, TaskDelegate,
    TaskMetrics, Transaction,
};

use crate::{Near, PATIENCE};

/// What an origin does on a connection.
pub(crate) type Script = Box<dyn FnOnce(&mut Near) + Send>;

pub(crate) fn script(run: impl FnOnce(&mut Near) + Send + 'static) -> Script {
    Box::new(run)
}

/// Takes a request and answers it.
pub(crate) fn answer(text: impl Into<String>) -> Script {
    let text = text.into();
    script(move |near| {
        near.request();
        near.send(text);
    })
}

/// A folder of the test's own, removed with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("sortie-desktop-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What lies in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Waits for what another thread brings about, and for nothing longer than that.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}: it does not come");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Drives a task once, so that it waits for a connection from now on. The session goes on with it.
pub(crate) fn enqueue(task: &Task) {
    let mut future = task.clone().into_future();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
}

const ALONE: &str = "SORTIE_TESTS_ALONE";

/// Runs a test alone in a process of its own, so that its threads and descriptors can be counted.
/// `true`: this is that process, and the test is to be run.
pub(crate) fn alone(name: &str) -> bool {
    alone_with(name, &[])
}

/// As [`alone`], with these variables of the environment.
pub(crate) fn alone_with(name: &str, variables: &[(&str, PathBuf)]) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    run_alone(command, name, "");
    false
}

/// As [`alone`], with so many descriptors at most. What `outside` gives, such as the URL of an
/// origin that is not to use them up, is what that process gets, and what this one holds meanwhile.
pub(crate) fn alone_within<T>(
    name: &str,
    descriptors: u16,
    outside: impl FnOnce() -> (String, T),
) -> Option<String> {
    if let Ok(given) = std::env::var(ALONE) {
        return Some(given);
    }
    let (given, _held) = outside();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"")]);
    shell.arg(std::env::current_exe().unwrap());
    run_alone(shell, name, &given);
    None
}

/// As [`alone`], with a disk of so many bytes of its own: its folder. `None`, and the test was not
/// run, also where no disk can be mounted: that takes a user namespace.
pub(crate) fn alone_on_disk(name: &str, bytes: usize) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(ALONE) {
        return Some(PathBuf::from(folder));
    }
    let folder = Folder::new();
    let mount = |then: &str| {
        let script = format!("mount -t tmpfs -o size={bytes} tmpfs \"$1\" && {then}");
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &script, "sh"]).arg(&folder.0);
        command
    };
    if !mount("true").output().is_ok_and(|tried| tried.status.success()) {
        eprintln!("{name} is skipped: no disk can be mounted here");
        return None;
    }
    let this = std::env::current_exe().unwrap();
    let command = mount(&format!("shift && exec '{}' \"$@\"", this.display()));
    run_alone(command, name, folder.0.to_str().unwrap());
    None
}

fn run_alone(mut command: Command, name: &str, given: &str) {
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(ALONE, given);
    let output = command.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}\n{errors}");
    assert!(shown.contains("1 passed"), "no test is named {name}: {shown}");
}

/// Threads of this process with the session's name. A thread has the name of the one that starts
/// it, until it gives itself its own.
pub(crate) fn session_threads() -> usize {
    named_threads(|name| name == "sortie\n")
}

/// Threads of this process whose names begin so.
pub(crate) fn threads(begin: &str) -> usize {
    named_threads(|name| name.starts_with(begin))
}

fn named_threads(is_wanted: impl Fn(&str) -> bool) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    tasks.filter_map(|task| name(task).ok()).filter(|name| is_wanted(name)).count()
}

/// The most memory that this process has had resident, in bytes.
pub(crate) fn peak_memory() -> u64 {
    status("VmHWM:")
}

/// The memory that it has resident now, in bytes.
pub(crate) fn memory() -> u64 {
    status("VmRSS:")
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// What the open descriptors of this process are, without those of files that never close.
pub(crate) fn descriptors(kind: &str) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|fd| {
        std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().contains(kind))
    })
    .count()
}

/// An origin that gives every request on any number of connections the same answer.
pub(crate) struct Crowd {
    pub(crate) url: String,
    address: std::net::SocketAddr,
    gate: Arc<Gate>,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Vec<usize>>,
}

/// Holds answers back until it is opened.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap();
        let passed = self.opened.wait_timeout_while(is_open, PATIENCE, |is_open| !*is_open);
        assert!(!passed.unwrap().1.timed_out(), "the test opens the gate");
    }
}

impl Crowd {
    pub(crate) fn answering(response: &'static str) -> Self {
        let crowd = Self::holding(response);
        crowd.open();
        crowd
    }

    /// One that answers nothing before it is opened.
    pub(crate) fn holding(response: &'static str) -> Self {
        Self::begun("", response)
    }

    /// One that begins every answer at once, and goes on with it when it is opened.
    pub(crate) fn begun(beginning: &'static str, rest: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, ends) = (Arc::<Gate>::default(), Arc::new(AtomicBool::new(false)));
        let (held, is_end) = (gate.clone(), ends.clone());
        let thread = thread::spawn(move || {
            let mut connections = Vec::new();
            loop {
                let (stream, _) = listener.accept().unwrap();
                if is_end.load(Ordering::Acquire) {
                    break;
                }
                let gate = held.clone();
                let serve = move || Self::serve(stream, beginning, rest, &gate);
                connections.push(thread::Builder::new().stack_size(64 << 10).spawn(serve).unwrap());
            }
            connections.into_iter().map(|connection| connection.join().unwrap()).collect()
        });
        Self { url: format!("http://{address}/"), address, gate, ends, thread }
    }

    pub(crate) fn open(&self) {
        self.gate.open();
    }

    fn serve(stream: TcpStream, beginning: &str, rest: &str, gate: &Gate) -> usize {
        use std::io::Read;
        let mut near = Near::new(stream);
        let mut served = 0;
        let mut buffer = [0; 4096];
        loop {
            match near.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return served,
                Ok(count) => near.held.extend_from_slice(&buffer[..count]),
            }
            while let Some(end) = near.held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                near.held.drain(..end + 4);
                if near.send_if_wanted(beginning).is_err() {
                    return served;
                }
                gate.pass();
                served += 1;
                if near.send_if_wanted(rest).is_err() {
                    return served;
                }
            }
        }
    }

    /// Ends it, once all its connections are closed. Returns how many requests it answered.
    pub(crate) fn done(self) -> usize {
        self.connections().into_iter().sum()
    }

    /// As that, for each of its connections.
    pub(crate) fn connections(self) -> Vec<usize> {
        self.ends.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        self.thread.join().expect("the origin")
    }
}

/// What a delegate was told, in order; runs of the same call are one.
#[derive(Clone, Default)]
pub(crate) struct Log {
    inner: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Log {
    pub(crate) fn note(&self, call: impl Into<String>) {
        let call = call.into();
        let mut calls = self.inner.0.lock().unwrap();
        if calls.last() != Some(&call) {
            calls.push(call);
        }
        self.inner.1.notify_all();
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.inner.0.lock().unwrap().clone()
    }

    /// Waits for a call that begins so.
    pub(crate) fn wait_for(&self, begin: &str) {
        let calls = self.inner.0.lock().unwrap();
        let is_missing =
            |calls: &mut Vec<String>| !calls.iter().any(|call| call.starts_with(begin));
        let (calls, waited) = self.inner.1.wait_timeout_while(calls, PATIENCE, is_missing).unwrap();
        assert!(!waited.timed_out(), "no {begin} among {calls:?}");
    }
}

type Answering<D> = Box<dyn Fn(D) + Send + Sync>;
type AnsweringRedirect = Box<dyn Fn(RedirectDecision, &Request) + Send + Sync>;
type Finishing = Box<dyn Fn(&Task) + Send + Sync>;

/// A delegate that notes all calls and answers as it is told to.
#[derive(Default)]
pub(crate) struct Noting {
    pub(crate) log: Log,
    pub(crate) data: Arc<Mutex<Vec<u8>>>,
    /// Bytes of every call about sent and written bytes, added up.
    pub(crate) sum: Arc<AtomicU64>,
    /// The last total and expected bytes that were told.
    pub(crate) last: Arc<Mutex<(u64, Option<u64>)>>,
    pub(crate) metrics: Arc<Mutex<Option<TaskMetrics>>>,
    /// The connections that were told, as they were known then.
    pub(crate) connections: Arc<Mutex<Vec<Transaction>>>,
    pub(crate) on_redirect: Option<AnsweringRedirect>,
    pub(crate) on_response: Option<Answering<Disposition>>,
    pub(crate) on_body: Option<Answering<NewBody>>,
    pub(crate) on_finish: Option<Finishing>,
}

impl Noting {
    pub(crate) fn log(&self) -> Log {
        self.log.clone()
    }
}

impl TaskDelegate for Noting {
    fn did_connect(&self, _: &Task, transaction: &Transaction) {
        self.connections.lock().unwrap().push(transaction.clone());
    }

    fn did_receive_informational_response(&self, _: &Task, response: &Response) {
        let link = response.field("Link").unwrap_or_default();
        self.log.note(format!("informational {} {link}", response.status()));
    }

    fn will_redirect(
        &self,
        _: &Task,
        response: &Response,
        request: &Request,
        decision: RedirectDecision,
    ) {
        let path = request.url().splitn(4, '/').nth(3).unwrap_or_default();
        self.log.note(format!("redirect {} {} /{path}", response.status(), request.method()));
        match &self.on_redirect {
            Some(answer) => answer(decision, request),
            None => decision.follow(),
        }
    }

    fn did_receive_response(&self, _: &Task, response: &Response, decision: Disposition) {
        self.log.note(format!("response {}", response.status()));
        match &self.on_response {
            Some(answer) => answer(decision),
            None => decision.allow(),
        }
    }

    fn need_new_body(&self, _: &Task, decision: NewBody) {
        self.log.note("new body");
        match &self.on_body {
            Some(answer) => answer(decision),
            None => decision.none(),
        }
    }

    fn did_send_body_data(&self, _: &Task, bytes: u64, total: u64, expected: Option<u64>) {
        self.sum.fetch_add(bytes, Ordering::AcqRel);
        *self.last.lock().unwrap() = (total, expected);
        self.log.note("sent");
    }

    fn did_receive_data(&self, _: &Task, data: &[u8]) {
        self.data.lock().unwrap().extend_from_slice(data);
        self.log.note("data");
    }

    fn did_resume_at_offset(&self, _: &Task, offset: u64, expected: Option<u64>) {
        self.log.note(format!("resumed at {offset} of {expected:?}"));
    }

    fn did_write_data(&self, _: &Task, bytes: u64, total: u64, expected: Option<u64>) {
        self.sum.fetch_add(bytes, Ordering::AcqRel);
        *self.last.lock().unwrap() = (total, expected);
        self.log.note("wrote");
    }

    fn did_finish_downloading(&self, task: &Task, file: &Path) {
        assert!(file.is_file(), "the file is in its place: {}", file.display());
        self.log.note("finished");
        if let Some(answer) = &self.on_finish {
            answer(task);
        }
    }

    fn did_finish_collecting_metrics(&self, _: &Task, metrics: &TaskMetrics) {
        *self.metrics.lock().unwrap() = Some(metrics.clone());
        self.log.note("metrics");
    }

    fn did_complete(&self, task: &Task, result: Result<(), Error>) {
        assert_eq!(task.state(), sortie::TaskState::Completed);
        self.log.note(match result {
            Ok(()) => "complete".to_owned(),
            Err(why) => format!("complete {}", why.code()),
        });
    }
}
