//! Every case on real sockets, many at a time, and what it leaves behind.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use async_executor::LocalExecutor;
use futures_lite::future::block_on;
use sortie_core::{Error, TaskKind};
use sortie_tests::faults::{
    Exchange, Expected, Fault, Kind, Recording, STORED, Seen, Side, Tally, exchanges, report,
};

use crate::sockets::{Files, HOME, OTHER, Played, play};

/// A request timer that nothing meets but a fault that stalls.
const LONG: Duration = Duration::from_secs(20);

/// Request timers for those: a machine that is busy may need a longer one to come that far.
const SHORT: [Duration; 3] =
    [Duration::from_millis(150), Duration::from_millis(900), Duration::from_secs(8)];

/// How much later than its timer a task may end, on a machine that is busy.
const LATE: Duration = Duration::from_secs(10);

/// Cases that are played at once, by each thread.
const AT_ONCE: usize = 48;

/// Threads that play.
const THREADS: usize = 2;

struct Case<'r> {
    recording: &'r Recording,
    name: &'static str,
    connection: usize,
    fault: Fault,
}

/// Plays every case.
///
/// # Panics
/// If something else comes of one than must.
pub(crate) fn on_sockets(kinds: &(dyn Fn(usize) -> Vec<Kind> + Sync)) -> Tally {
    let recordings: Vec<_> = exchanges(HOME, OTHER).iter().map(record).collect();
    let mut tally = Tally { exchanges: recordings.len(), ..Tally::default() };
    let mut cases: Vec<VecDeque<Case<'_>>> = (0..THREADS).map(|_| VecDeque::new()).collect();
    for (name, recording) in &recordings {
        for (connection, side, at) in recording.places() {
            tally.places += 1;
            for kind in kinds(at) {
                let fault = Fault { side, at, kind };
                let case = Case { recording, name, connection, fault };
                cases[tally.places % THREADS].push_back(case);
            }
        }
    }
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let threads: Vec<_> =
            cases.into_iter().map(|cases| scope.spawn(move || work(cases))).collect();
        for thread in threads {
            let (classes, bad) = thread.join().expect("cases that can be played");
            all.extend(classes);
            wrong.extend(bad);
        }
    });
    report(&wrong);
    all.into_iter().for_each(|class| tally.add(class));
    tally
}

/// Plays cases, many at a time.
fn work(cases: VecDeque<Case<'_>>) -> (Vec<sortie_tests::faults::Class>, Vec<String>) {
    let cases = RefCell::new(cases);
    let (classes, wrong) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let executor = LocalExecutor::new();
    let one = || async {
        let folder = Folder::new();
        loop {
            let Some(case) = cases.borrow_mut().pop_front() else { return };
            let (class, why) = meet(&case, &folder.0).await;
            classes.borrow_mut().push(class);
            wrong.borrow_mut().extend(why);
        }
    };
    let players: Vec<_> = (0..AT_ONCE).map(|_| executor.spawn(one())).collect();
    block_on(executor.run(async {
        for player in players {
            player.await;
        }
    }));
    drop(executor);
    (classes.into_inner(), wrong.into_inner())
}

/// The exchange without a fault.
fn record(exchange: &Exchange) -> (&'static str, Recording) {
    let folder = Folder::new();
    let played = block_on(play(&exchange.script, LONG, &folder.0));
    let seen = played.seen;
    let requests = split(&exchange.script, &seen);
    (exchange.name, Recording::new(&exchange.script, requests, seen))
}

/// The requests of each connection.
fn split(script: &sortie_tests::script::Script, seen: &Seen) -> Vec<Vec<u8>> {
    let start = format!("{} ", script.method).into_bytes();
    let mut requests = Vec::new();
    for taken in &seen.requests {
        let begins = |at: &usize| taken[*at..].starts_with(&start);
        let mut ends: Vec<_> = (1..taken.len()).filter(begins).collect();
        ends.push(taken.len());
        let mut from = 0;
        for end in ends {
            requests.push(taken[from..end].to_vec());
            from = end;
        }
    }
    requests
}

/// Plays one case, and again with more time where a timer ran out before its time.
async fn meet(case: &Case<'_>, folder: &Path) -> (sortie_tests::faults::Class, Option<String>) {
    let name = format!("{}, connection {}: {:?}", case.name, case.connection, case.fault);
    let patient = judge(case, LONG);
    let stalls = patient.is_anywhere || matches!(patient.seen.result, Err(Error::TimedOut(_)));
    let timeouts = if stalls { &SHORT[..] } else { &[LONG] };
    let mut last = None;
    for timeout in timeouts {
        let expected = judge(case, *timeout);
        let script = case.recording.with(case.connection, case.fault);
        let played = play(&script, *timeout, folder).await;
        let why = check(&name, case, &expected, &played, *timeout);
        let class = case.recording.class(&played.seen);
        clear(folder);
        let is_early = matches!(played.seen.result, Err(Error::TimedOut(_)));
        last = Some((class, why));
        if !is_early || last.as_ref().is_some_and(|(_, why)| why.is_none()) {
            break;
        }
    }
    last.expect("it was played")
}

fn judge(case: &Case<'_>, timeout: Duration) -> Expected {
    let mut recording = case.recording.clone();
    recording.script.options.request_timeout = u64::try_from(timeout.as_micros()).expect("short");
    let mut expected = recording.judge(case.connection, case.fault, true);
    // On a machine that is busy the second may be over in which a body waits for an answer.
    expected.may_send |= recording.script.fields.iter().any(|(name, _)| name == "Expect");
    expected
}

fn check(
    name: &str,
    case: &Case<'_>,
    expected: &Expected,
    played: &Played,
    timeout: Duration,
) -> Option<String> {
    let mut seen = played.seen.clone();
    if let Some(why) = tells_secrets(case, &seen) {
        return Some(format!("{name}: {why}"));
    }
    let script = &case.recording.script;
    if script.options.kind == TaskKind::Download {
        // Its content is in files.
        seen.content.clone_from(&expected.seen.content);
        let files = files(case, expected);
        if played.files != files && !expected.is_anywhere {
            return Some(format!("{name}: {:?}, must be {files:?} of {seen:?}", played.files));
        }
    } else if played.files != Files::default() {
        return Some(format!("{name}: {:?}", played.files));
    }
    if matches!(seen.result, Err(Error::TimedOut(_))) {
        let is_there = timeout..timeout + LATE + Duration::from_secs(1);
        if !is_there.contains(&played.took) {
            return Some(format!("{name}: {timeout:?} became {:?}", played.took));
        }
    }
    expected.check(name, &seen).err()
}

/// The request, if there is one, that names a secret to another origin than the first: wherever a
/// `Location` leads that was corrupted. What is corrupted on its way there tells nothing.
fn tells_secrets(case: &Case<'_>, seen: &Seen) -> Option<String> {
    if case.fault.side == Side::Request {
        return None;
    }
    let home = HOME.trim_start_matches("http://").trim_end_matches('/');
    for taken in &seen.requests {
        for head in String::from_utf8_lossy(taken).split("\r\n\r\n") {
            let fields: Vec<_> = head.lines().filter_map(|line| line.split_once(": ")).collect();
            let is_home = fields.contains(&("Host", home));
            let is_secret = |name: &str| matches!(name, "Authorization" | "Cookie");
            if !is_home && fields.iter().any(|(name, _)| is_secret(name)) {
                return Some(head.to_owned());
            }
        }
    }
    None
}

/// What must be on the disk.
fn files(case: &Case<'_>, expected: &Expected) -> Files {
    let Expected { seen, is_kept, .. } = expected;
    let goes_on = seen.received > seen.content.len() as u64;
    let came = match goes_on {
        true => [STORED, &seen.content].concat(),
        false => seen.content.clone(),
    };
    let was_stored = case.recording.script.resume.is_some();
    match seen.result {
        Ok(()) => Files { whole: Some(came), part: None, resumes: None, count: 1 },
        Err(_) if *is_kept => {
            let resumes = Some(came.len() as u64);
            Files { whole: None, part: Some(came), resumes, count: 2 }
        }
        Err(_) if was_stored => {
            let resumes = Some(STORED.len() as u64);
            Files { whole: None, part: Some(STORED.to_vec()), resumes, count: 2 }
        }
        Err(_) => Files::default(),
    }
}

/// A folder of a test's own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("sortie-faults-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a new folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes what a case left.
fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the folder of a case").flatten() {
        fs::remove_file(entry.path()).expect("a file that was left");
    }
}

/// The open sockets and files of this process, and the threads of sessions.
pub(crate) fn held() -> [usize; 3] {
    let open = fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    let open: Vec<_> = open.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
    let is_socket = |path: &&PathBuf| path.to_string_lossy().starts_with("socket:");
    let sockets = open.iter().filter(is_socket).count();
    // What a test has stored is below there, be it removed meanwhile.
    let temporary = std::env::temp_dir();
    let files = open.iter().filter(|path| path.starts_with(&temporary)).count();
    let tasks = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let name = |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm"));
    let threads = tasks.filter(|task| name(task).is_ok_and(|name| name == "sortie\n")).count();
    [sockets, files, threads]
}
