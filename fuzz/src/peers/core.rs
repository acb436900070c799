//! The core, driven as plainly as can be.

use sortie_core::{
    BodyLength, Error, Event, Instant, Output, Receive, RedirectPolicy, Request, RequestHead,
    ResponseHead, Slot, Task, TaskOptions, Url, limits,
};

use super::{Response, Verdict, sorted};

/// What the core makes of it, with its error, and whether the connection is kept.
///
/// # Panics
/// If the core asks for what it should not.
#[must_use]
pub fn by_core(method: &str, input: &[u8]) -> (Verdict, Option<Error>, bool) {
    let url = Url::parse("http://a/").expect("a URL");
    let request = Request::new(method, url, &[], BodyLength::None).expect("a request");
    let options = TaskOptions { redirects: RedirectPolicy::Deliver, ..TaskOptions::default() };
    let mut task = Task::new(&request, options);
    let now = Instant::EPOCH;
    task.resume(now);
    let (mut held, mut is_read, mut is_kept) = (Vec::new(), false, false);
    let mut index = vec![Slot::EMPTY; limits::HEAD_FIELDS];
    let (mut response, mut is_told) = (None, false);
    loop {
        match task.poll_output() {
            Output::Connect(_) => task.handle_connected(now, false).expect("asked for"),
            Output::Prepare => task.handle_prepared(now).expect("asked for"),
            Output::Exchange => match (task.io(4096).send, task.io(4096).receive) {
                (Some(_), _) => {
                    let head = RequestHead::new(&request);
                    let length = task.encode(&head, &mut [0; 256]).expect("asked for");
                    task.handle_sent(now, length).expect("all of it");
                }
                (None, Some(Receive::Head)) if !is_read => {
                    held = input.to_vec();
                    is_read = true;
                    response = take_head(&mut task, &mut held, &mut index);
                }
                (None, Some(Receive::HeadAgain)) => {
                    response = take_head(&mut task, &mut held, &mut index);
                }
                (None, Some(Receive::Body { .. })) if !held.is_empty() => {
                    let content = task.handle_body(now, &mut held).expect("asked for");
                    let response = response.as_mut().expect("a head came before");
                    response.content.extend(&held[..content]);
                    held.clear();
                }
                (None, Some(_)) => task.handle_end().expect("asked for"),
                (None, None) => panic!("nothing to do"),
            },
            Output::Finish => task.handle_committed().expect("asked for"),
            Output::Event(Event::Response { .. }) => is_told = true,
            Output::Event(_) | Output::Close(_) => {}
            Output::Reuse => is_kept = held.is_empty(),
            Output::Complete(result) => {
                let verdict = match (response.filter(|_| is_told), result) {
                    (None, _) => Verdict::Refused,
                    (Some(response), Err(_)) => Verdict::Broken(response),
                    (Some(response), Ok(())) => Verdict::Whole(response),
                };
                return (verdict, result.err(), is_kept);
            }
            output @ (Output::Inspect | Output::Wait | Output::Upgraded) => panic!("{output:?}"),
        }
    }
}

fn take_head(task: &mut Task, held: &mut Vec<u8>, index: &mut [Slot]) -> Option<Response> {
    let advance = task.handle_head(Instant::EPOCH, held, false, index).expect("asked for");
    let head = ResponseHead::new(&held[..advance.head], index);
    let response = (advance.head > 0).then(|| Response {
        minor_version: u8::from(head.minor_version() != 0),
        status: head.status(),
        fields: sorted(head.fields()),
        content: Vec::new(),
    });
    held.drain(..advance.drop + advance.head);
    response
}
