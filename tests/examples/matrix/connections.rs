//! Connections: kept, shared, and closed by the server.

use std::time::{Duration, Instant};

use sortie::Session;

use crate::bodies::SMALL;
use crate::{Outcome, Server, Told, configuration, ensure, session};

const REQUESTS: usize = 1000;
const AT_ONCE: usize = 64;
const CONNECTIONS: u16 = 6;

/// Servers close a connection that is idle for 2 s: `matrix_job/servers.py` says so.
const IDLE: Duration = Duration::from_millis(3500);

pub(crate) fn thousand(server: &Server) -> Outcome {
    let session = session();
    let told = Told::default();
    // http.server writes head and content apart: the second one waits for 40 ms until the first is
    // acknowledged. Of a head alone it does not.
    let is_plain = server.name == "http.server";
    let method = if is_plain { "HEAD" } else { "GET" };
    let file = if is_plain { Vec::new() } else { server.file(SMALL)? };
    for number in 0..REQUESTS {
        let request = server.request(method, SMALL)?;
        let task = session.data_task(request).delegate(told.clone()).create()?;
        let (_, content) = task.wait()?;
        ensure!(content == file, "response {number} is wrong: {} bytes", content.len());
    }
    ensure!(told.transactions().len() == REQUESTS, "{} requests", told.transactions().len());
    ensure!(told.connections() == 1, "{} connections", told.connections());
    Ok(())
}

/// Tasks that nobody awaits yet share the connections that there may be.
pub(crate) fn at_once(server: &Server) -> Outcome {
    let session = configuration().max_connections_per_host(CONNECTIONS).build();
    let told = Told::default();
    let file = server.file(SMALL)?;
    let mut tasks = Vec::new();
    for _ in 0..AT_ONCE {
        let task = session.data_task(server.get(SMALL)?).delegate(told.clone()).create()?;
        task.resume();
        tasks.push(task);
    }
    for task in tasks {
        let (_, content) = task.wait()?;
        ensure!(content == file, "{} bytes of other content", content.len());
    }
    let made = told.connections();
    ensure!(made <= usize::from(CONNECTIONS), "{made} connections");
    Ok(())
}

/// Sessions with a connection each that is idle since then.
#[derive(Debug)]
pub(crate) struct Idle {
    since: Instant,
    sessions: [Session; 2],
}

impl Idle {
    pub(crate) fn begin(server: &Server) -> Outcome<Self> {
        let sessions = [session(), session()];
        for session in &sessions {
            session.data_blocking(server.get(SMALL)?)?;
        }
        Ok(Self { since: Instant::now(), sessions })
    }
}

/// By now the server has closed it. A request goes over a new one, and is sent once.
pub(crate) fn idle(server: &Server) -> Outcome {
    let idle = server.idle.as_ref().ok_or("there was no connection")?;
    std::thread::sleep(IDLE.saturating_sub(idle.since.elapsed()));
    let cannot = server.cannot("closed while idle").is_some();
    let requests = [server.get(SMALL)?, server.request("POST", "/echo")?.body("once")?];
    let wanted = [server.file(SMALL)?, b"once".to_vec()];
    for ((session, request), wanted) in idle.sessions.iter().zip(requests).zip(wanted) {
        let told = Told::default();
        let task = session.data_task(request).delegate(told.clone()).create()?;
        let (response, content) = task.wait()?;
        let made = told.connections();
        if cannot {
            ensure!(made == 0, "{made} connections, and the one before was still open");
            continue;
        }
        ensure!(response.status() == 200 && content == wanted, "{response:?}");
        ensure!(made == 1, "{made} connections instead of a new one");
    }
    Ok(())
}
