//! Scripts of `https`, played on `sortie-embassy`: over a connection with TLS 1.3, with rustls at
//! the far end.
#![allow(clippy::large_futures, reason = "they are polled where they are made")]

use std::sync::{Arc, LazyLock};

use embassy_futures::select::select;
use rustls::ServerConfig;
use rustls::version::TLS13;
use sortie_core::TaskKind;
use sortie_embassy::tls::{Records, Roots, Tls};
use sortie_embassy::{Resources, Session};

use super::executor::now;
use super::far::Far;
use super::player::{
    CONTENT, Lent, Seen, before, config, dressed, is_read, trace, user, watched, whole,
};
use super::trust::{NewYear, Numbers};
use super::{Beginning, Cable, FAR, run_on};
use crate::authority::Authority;
use crate::script::Script;
use crate::trace::Trace;

/// Who vouches for the far end, and what that does.
static TRUSTED: LazyLock<(Authority, Arc<ServerConfig>)> = LazyLock::new(|| {
    let authority = Authority::new("root");
    let leaf = authority.leaf(&[&FAR.to_string()]);
    (authority, Arc::new(leaf.serving(&[&TLS13])))
});

/// Whether one new connection will do for a script, and a body in a slice.
pub(super) fn plays(script: &Script) -> bool {
    let is_new = matches!(script.connections.as_slice(), [only] if !only.is_reused);
    is_new && !is_read(script)
}

/// Plays `script`, whose URLs are all of one origin of `https`, to its end, with that origin at the
/// first of these ports. The content goes into one buffer.
///
/// # Panics
/// If nothing can happen any more, or if one new connection will not do.
#[must_use]
pub fn play_secure(ports: &[u16], script: &Script, cable: Cable) -> Trace {
    assert!(plays(script), "more than one connection with TLS can do");
    let far = Far::secure(ports, TRUSTED.1.clone());
    let run = run_on(&far, cable, &script.connections, async |stack, beginning| {
        client(script, stack, beginning).await
    });
    trace(script, run.output, &run.requests)
}

async fn client(script: &Script, stack: embassy_net::Stack<'_>, beginning: Beginning<'_>) -> Seen {
    let mut resources = Box::new(Resources::<1, 8192>::new());
    let session = Session::new(stack, &mut resources, config(script));
    let root = TRUSTED.0.der();
    let roots = [root.as_ref()];
    let mut records = Box::new(Records::<16_640, 1157>::new());
    let mut tls = Tls::new(Numbers::FIRST, Roots::new(&roots, NewYear), &mut records);
    let fields = script.checked_fields();
    let (request, body) = (script.request(&fields), script.body.bytes());
    beginning.begin();
    let mut block = watched();
    let (mut seat, control) = block.split();
    let (start, mut lent, mut content) = (now(), Lent::new(), Vec::new());
    let rest = before(control, &script.commands, start).await;
    let resume = script.resume_data();
    let result = session
        .connection(&mut tls, async |connection| {
            let made = match script.options.kind {
                TaskKind::Download => connection.download_task(&request).body(&body),
                TaskKind::Upload => connection.upload_task(&request, &body),
                TaskKind::Data | TaskKind::Stream | TaskKind::WebSocket => {
                    connection.data_task(&request).body(&body)
                }
            };
            let task = dressed(made, script, start, resume.as_ref(), &mut lent, &mut seat);
            let mut room = vec![0; CONTENT];
            let task = async {
                let came = task.receive(&mut room).await;
                let came = came.map(|response| response.content().len());
                whole(came, room, &mut content)
            };
            select(task, user(control, script, rest, start)).await
        })
        .await;
    lent.seen(control, start, result, content)
}
