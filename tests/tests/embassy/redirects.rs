//! Redirects: where they lead, in what memory, over which connections.

use embassy_futures::join::join;
use embassy_net::Stack;
use embassy_time::Duration;
use sortie_core::{
    BodyLength, Error, Limit, Question, RedirectError, Request, Slot, Transport, Url, field,
};
use sortie_embassy::{Config, RedirectPolicy, Resources, Session};
use sortie_tests::embassy::{Run, run};
use sortie_tests::script::{Body, Origin, Part, Say, Script, Step};

use crate::{GOOD, HELLO, agreed, answers, get, origin};

const A: &str = "http://192.0.2.1/a";
const B: &str = "http://192.0.2.1/b";

/// What came of a task: status, content, and where it is from.
type Came = Result<(u16, String, Option<String>), Error>;

/// A redirect of this status to there, with a sentence for people.
fn redirect(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Gone There\r\nLocation: {to}\r\nContent-Length: 5\r\n\r\nmoved")
}

/// An origin that answers these one after the other, on one connection.
fn answers_all<const N: usize>(responses: [&str; N]) -> Origin {
    let exchange =
        |response: &str| [Step::Expect(Part::Request), Step::Send(response.into()), Step::Next];
    Origin { steps: responses.into_iter().flat_map(exchange).collect(), ..Origin::default() }
}

/// Runs `request` with `body` and room for URLs of so many bytes.
async fn follow<const N: usize>(
    session: &Session<'_, N>,
    request: &Request<'_>,
    body: &[u8],
    room: usize,
) -> Came {
    let (mut target, mut content) = (vec![0; room], [0; 100]);
    let task = session.data_task(request).body(body).target(&mut target);
    let response = task.receive(&mut content).await.map_err(|failure| failure.error)?;
    let text = String::from_utf8_lossy(response.content()).into_owned();
    let url = response.redirected_to().map(|url| url.as_str().to_owned());
    Ok((response.status(), text, url))
}

fn session<'d>(stack: Stack<'d>, resources: &'d mut Resources<2, 1024>) -> Session<'d, 2> {
    Session::new(stack, resources, Config::default())
}

/// A GET of `/a` with room for URLs of so many bytes.
fn followed(origins: &[Origin], room: usize) -> Run<Came> {
    run(GOOD, origins, async |stack, _| {
        let mut resources = Resources::new();
        follow(&session(stack, &mut resources), &get(A), &[], room).await
    })
}

/// The result of one hop to `to`.
fn hello(to: &str) -> Came {
    Ok((200, "hello".into(), Some(to.into())))
}

/// The requests that one origin took, each.
fn requests(run: &Run<Came>, place: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(&run.requests[place]).into_owned();
    text.split_inclusive("\r\n\r\n").map(str::to_owned).collect()
}

#[test]
fn a_redirect_within_the_origin_is_followed_over_the_same_connection() {
    for status in [301, 302, 303, 307, 308] {
        let run = followed(&[answers_all([&redirect(status, "/b"), HELLO])], 200);
        assert_eq!(run.output, hello(B), "{status}");
        assert_eq!(run.openings(), 1, "{status}");
        let [first, second] = requests(&run, 0).try_into().expect("two requests");
        assert!(first.starts_with("GET /a HTTP/1.1\r\n"), "{first}");
        assert!(second.starts_with("GET /b HTTP/1.1\r\nHost: 192.0.2.1\r\n"), "{second}");
    }
}

#[test]
fn the_body_of_a_redirect_is_read_in_whatever_pieces_it_comes() {
    let coded = "HTTP/1.1 302 There\r\nLocation: /b\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3\r\nmov\r\n2\r\ned\r\n0\r\n\r\n";
    for whole in [redirect(302, "/b"), coded.into()] {
        for cut in 1..whole.len() {
            let (one, two) = whole.split_at(cut);
            let paused = [Step::Send(one.into()), Step::Wait(3000), Step::Send(two.into())];
            let then = [Step::Next, Step::Expect(Part::Request), Step::Send(HELLO.into())];
            let run = followed(&[origin(paused.into_iter().chain(then))], 200);
            assert_eq!((run.output.clone(), run.openings()), (hello(B), 1), "cut at {cut}");
        }
    }
}

#[test]
fn the_body_of_a_redirect_goes_through_the_smallest_buffers() {
    let head = "HTTP/1.1 302 There\r\nLocation: /b\r\nContent-Length: 15000\r\n\r\n";
    let long = [head, &"moved".repeat(3000)].concat();
    for lends_head in [false, true] {
        let run = run(GOOD, &[answers_all([&long, HELLO])], async |stack, _| {
            let mut resources = Resources::<1, 128>::new();
            let session = Session::new(stack, &mut resources, Config::default());
            let (mut target, mut content) = ([0; 18], [0; 5]);
            let (mut head, mut index) = ([0; 300], [Slot::EMPTY; 2]);
            let request = get(A);
            let mut task = session.data_task(&request).target(&mut target);
            if lends_head {
                task = task.head(&mut head, &mut index);
            }
            let response = task.receive(&mut content).await.expect("it is followed");
            (response.content().to_vec(), response.head().fields().count())
        });
        assert_eq!(run.output, (b"hello".to_vec(), usize::from(lends_head)));
        assert_eq!(run.openings(), 1);
    }
}

#[test]
fn a_redirect_with_a_long_body_is_followed_over_a_new_connection() {
    let head = "HTTP/1.1 302 There\r\nLocation: /b\r\nContent-Length: 20000\r\n\r\n";
    let run = followed(&[answers(head), answers(HELLO)], 200);
    assert_eq!((run.output.clone(), run.openings()), (hello(B), 2));
}

#[test]
fn a_redirect_to_another_origin_goes_there_and_takes_no_credentials() {
    let there = "http://origin.example/c?d";
    let home = answers_all([&redirect(302, there), HELLO]);
    let run = run(GOOD, &[home, answers(HELLO)], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let fields = [field!("Authorization", "Basic secret"), field!("X-Kept", "yes")];
        let url = Url::parse(A).expect("a URL");
        let request = Request::new("GET", url, &fields, BodyLength::None).expect("a request");
        let away = follow(&session, &request, &[], 200).await;
        // The first connection is still one to the first origin.
        (away, follow(&session, &get(B), &[], 200).await)
    });
    assert_eq!(run.output, (hello(there), Ok((200, "hello".into(), None))));
    assert_eq!(run.openings(), 2);
    let [home, away] = [0, 1].map(|at| String::from_utf8_lossy(&run.requests[at]).into_owned());
    assert!(home.contains("Authorization: Basic secret\r\n"), "{home}");
    assert!(home.contains("GET /b "), "{home}");
    assert!(away.starts_with("GET /c?d HTTP/1.1\r\nHost: origin.example\r\n"), "{away}");
    assert!(away.contains("X-Kept: yes\r\n") && !away.contains("secret"), "{away}");
}

#[test]
fn a_connection_to_the_target_is_used_again_for_the_target() {
    let there = "http://origin.example/c";
    let away = answers_all([HELLO, HELLO]);
    let home = answers_all([&redirect(302, there), &redirect(302, there)]);
    let run = run(GOOD, &[home, away], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let first = follow(&session, &get(A), &[], 200).await;
        (first, follow(&session, &get(A), &[], 200).await)
    });
    assert_eq!(run.output, (hello(there), hello(there)));
    assert_eq!(run.openings(), 2);
}

#[test]
fn two_urls_fit_beside_each_other_to_the_byte() {
    // Longer, shorter and longer again, so that the next URL overlaps the last one when it moves.
    let urls = ["/bbbbbbbbbb", "/c", "/dddddddddddddddddddddddddddddddddddddddd"];
    let urls = urls.map(|path| format!("http://192.0.2.1{path}"));
    let responses = urls.each_ref().map(|url| redirect(302, url));
    let [one, two, three] = responses.each_ref().map(String::as_str);
    let origins = [answers_all([one, two, three, HELLO])];
    let room = urls[1].len() + urls[2].len();
    assert_eq!(followed(&origins, room).output, hello(&urls[2]));
    let full = Err(Error::Limit(Limit::TargetBuffer));
    assert_eq!(followed(&origins, room - 1).output, full);
}

#[test]
fn a_location_that_does_not_fit_is_a_typed_error() {
    let moved = redirect(302, B);
    let full = Err(Error::Limit(Limit::TargetBuffer));
    let fits = followed(&[answers_all([&moved, HELLO])], B.len());
    assert_eq!(fits.output, hello(B));
    for room in [0, 1, B.len() - 1] {
        let run = followed(&[answers_all([&moved, HELLO])], room);
        assert_eq!((run.output.clone(), requests(&run, 0).len()), (full.clone(), 1), "{room}");
    }
}

#[test]
fn a_redirect_is_delivered_where_the_policy_says_so() {
    let moved = redirect(302, B);
    let run = run(GOOD, &[answers_all([&moved, &moved])], async |stack, _| {
        let mut config = Config::default();
        config.redirects = RedirectPolicy::Deliver;
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, config);
        let delivered = follow(&session, &get(A), &[], 0).await;
        let (mut content, request) = ([0; 100], get(A));
        let task = session.data_task(&request).redirects(RedirectPolicy::default());
        (delivered, task.receive(&mut content).await.map_err(|failure| failure.error).err())
    });
    let full = Some(Error::Limit(Limit::TargetBuffer));
    assert_eq!(run.output, (Ok((302, "moved".into(), None)), full));
}

#[test]
fn a_redirect_without_a_location_is_delivered() {
    let bare = "HTTP/1.1 302 Nowhere\r\nContent-Length: 2\r\n\r\nno";
    assert_eq!(followed(&[answers(bare)], 0).output, Ok((302, "no".into(), None)));
}

/// A POST of "body" to `/a`, with a redirect of this status to `/b`. Returns the second request.
fn posted(status: u16) -> String {
    let run = run(GOOD, &[answers_all([&redirect(status, "/b"), HELLO])], async |stack, _| {
        let mut resources = Resources::new();
        let url = Url::parse(A).expect("a URL");
        let request = Request::new("POST", url, &[], BodyLength::Known(4)).expect("a request");
        follow(&session(stack, &mut resources), &request, b"body", 200).await
    });
    assert_eq!(run.output, hello(B));
    let text = String::from_utf8_lossy(&run.requests[0]).into_owned();
    let (first, second) = text.split_once("body").expect("the first body");
    assert!(first.starts_with("POST /a "), "{first}");
    second.to_owned()
}

#[test]
fn a_body_is_sent_again_where_the_method_stays() {
    for status in [307, 308] {
        let second = posted(status);
        assert!(second.starts_with("POST /b ") && second.ends_with("\r\n\r\nbody"), "{second}");
    }
    for status in [301, 302, 303] {
        let second = posted(status);
        assert!(second.starts_with("GET /b ") && second.ends_with("\r\n\r\n"), "{second}");
    }
}

#[test]
fn a_location_behind_many_fields_is_found() {
    let fields = "A: b\r\nLocation-Of: /c\r\n".repeat(40);
    let head = "HTTP/1.1 302 There\r\nContent-Length: 0\r\n";
    for location in ["Location: /b", "location:/b ", "LOCATION:\t/b\t"] {
        let head = format!("{head}{fields}{location}\r\n\r\n");
        let found = followed(&[answers_all([&head, HELLO])], 200);
        assert_eq!(found.output, hello(B));
    }
}

#[test]
fn the_wait_for_the_next_connection_is_no_idle_time() {
    let there = "http://origin.example/c";
    let bytes = HELLO.as_bytes().chunks(8);
    let slow = bytes.flat_map(|piece| [Step::Wait(20_000), Step::Send(piece.into())]);
    let moved = [Step::Send(redirect(302, there).into()), Step::Next, Step::Expect(Part::Request)];
    let home = origin(moved.into_iter().chain(slow));
    let run = run(GOOD, &[home, answers(HELLO)], async |stack, _| {
        let mut config = Config::default();
        config.request_timeout = Duration::from_millis(50);
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, config);
        let (a, b) = (get(A), get(B));
        join(follow(&session, &a, &[], 200), follow(&session, &b, &[], 200)).await
    });
    // The other one had the only connection meanwhile.
    assert_eq!(run.output, (hello(there), Ok((200, "hello".into(), None))));
    assert!(run.ended > 100_000, "{}", run.ended);
}

#[test]
fn a_redirect_to_https_is_refused_and_nothing_more_is_sent() {
    let run = followed(&[answers(redirect(301, "https://192.0.2.1:80/"))], 200);
    assert_eq!(run.output, Err(Error::Transport(Transport::TlsUnavailable)));
    assert_eq!((run.openings(), requests(&run, 0).len()), (1, 1));
}

#[test]
fn only_success_is_taken_where_it_is_required() {
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
    let run = run(GOOD, &[answers(missing), answers(HELLO)], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let (mut content, request) = ([0; 100], get(A));
        let task = session.data_task(&request).require_success();
        let failure = task.receive(&mut content).await.expect_err("not found");
        let task = session.data_task(&request).require_success();
        let found = task.receive(&mut content).await.map(|response| response.status());
        (failure.error, failure.status, found)
    });
    assert_eq!(run.output, (Error::Status(404), Some(404), Ok(200)));
}

#[test]
fn scripts_of_several_hops_show_what_they_show_on_the_core() {
    let moved = redirect(302, "/b");
    let away = redirect(307, "http://origin.example/c#d");
    let back = redirect(301, "http://192.0.2.1/e");
    let hops = Script::get().exchanges([&moved, &away, HELLO]).exchanges([&back]);
    let trace = agreed(&hops, GOOD);
    assert_eq!((trace.hops().len(), trace.connections.len(), trace.result), (3, 2, Ok(())));
    let post = Script::new("POST", Body::Bytes(b"body".into())).exchanges([&away]).answered(HELLO);
    assert_eq!(agreed(&post, GOOD).text(), "hello");
    let round = redirect(302, "/round");
    let round = Script::get().exchanges([round.as_str(); 21]);
    assert_eq!(agreed(&round, GOOD).result, Err(Error::Redirect(RedirectError::TooMany)));

    let asked = Script::get().asks(Question::Redirect).asks(Question::Disposition);
    let asked = asked.reply(30_000, Say::Follow).reply(30_000, Say::Allow);
    assert!(agreed(&asked.exchanges([&moved, HELLO]), GOOD).ended > 60_000);
    let refused = Script::get().asks(Question::Redirect).reply(0, Say::Refuse);
    assert_eq!(agreed(&refused.answered(moved.clone()), GOOD).statuses(), [302]);

    let rest = "HTTP/1.1 206 Rest\r\nContent-Range: bytes 5-10/11\r\n\r\n world";
    let rest = rest.replace("\r\n\r\n", "\r\nContent-Length: 6\r\n\r\n");
    let resumed = Script::get().resumes("\"v1\"", 5, None).exchanges([&moved, &rest]);
    assert_eq!(agreed(&resumed, GOOD).text(), " world");
}
