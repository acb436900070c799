//! Both programs against an origin on loopback that does exactly what it is told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

const PROGRAMS: [&str; 2] = [env!("CARGO_BIN_EXE_get-blocking"), env!("CARGO_BIN_EXE_get-tokio")];

/// How long an origin waits for a client, so that a fault ends a test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an origin does with a connection, once a request came.
#[derive(Clone)]
enum Answer {
    /// Sends this in these many bytes at a time, and closes.
    Send(String, usize),
    /// Sends this, and waits until the client closes.
    SendAndWait(String),
}

/// Runs `program` against an origin that gives these answers, each on a connection of its own.
/// Returns what it printed, and the requests.
fn run(program: &str, answers: &[Answer], arguments: &[&str]) -> (Output, Vec<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/begin?a=b#there", listener.local_addr().unwrap());
    let answers = answers.to_vec();
    let origin = thread::spawn(move || {
        let serve = |answer| serve(listener.accept().unwrap().0, answer);
        answers.into_iter().map(serve).collect()
    });
    let output = Command::new(program).arg(url).args(arguments).output().unwrap();
    (output, origin.join().expect("the origin"))
}

fn serve(mut stream: TcpStream, answer: Answer) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a whole request");
        request.push(byte[0]);
    }
    match answer {
        Answer::Send(text, at_once) => {
            for piece in text.as_bytes().chunks(at_once) {
                stream.write_all(piece).expect("the client reads");
            }
        }
        Answer::SendAndWait(text) => {
            stream.write_all(text.as_bytes()).expect("the client reads");
            assert_eq!(stream.read(&mut byte).expect("an end"), 0, "the client closes");
        }
    }
    String::from_utf8(request).unwrap()
}

fn whole(text: &str) -> Answer {
    Answer::Send(text.to_owned(), usize::MAX)
}

/// The program succeeded and printed this.
#[track_caller]
fn assert_printed(output: &Output, content: &str, status: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), content);
    assert_eq!(errors.trim(), status);
}

/// It failed with this error, and printed what came before it.
#[track_caller]
fn assert_failed(output: &Output, content: &str, error: &str) {
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), content);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains(error), "{errors}");
}

#[test]
fn content_of_known_length_is_printed() {
    for program in PROGRAMS {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let (output, requests) = run(program, &[Answer::SendAndWait(answer.to_owned())], &[]);
        assert_printed(&output, "hello", "200");
        let [request] = &requests[..] else { panic!("one request") };
        assert!(request.starts_with("GET /begin?a=b HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
    }
}

#[test]
fn content_in_chunks_is_printed_however_it_is_cut() {
    let chunks: String = (0..200).map(|n| format!("5\r\n{n:05}\r\n")).collect();
    let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let content: String = (0..200).map(|n| format!("{n:05}")).collect();
    for program in PROGRAMS {
        for at_once in [1, 7, usize::MAX] {
            let (output, _) = run(program, &[Answer::Send(text.clone(), at_once)], &[]);
            assert_printed(&output, &content, "200");
        }
    }
}

#[test]
fn much_content_that_ends_with_the_connection_is_printed() {
    let content = "0123456789abcdef".repeat(100_000);
    for program in PROGRAMS {
        let (output, _) = run(program, &[whole(&format!("HTTP/1.0 200 OK\r\n\r\n{content}"))], &[]);
        assert!(output.status.success());
        assert_eq!(output.stdout.len(), content.len());
        assert!(output.stdout == content.as_bytes());
    }
}

#[test]
fn redirects_are_followed_and_their_bodies_are_not_printed() {
    let to = |location: &str| {
        whole(&format!(
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 5\r\n\r\nmoved"
        ))
    };
    for program in PROGRAMS {
        let end = whole("HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\ngone");
        let (output, requests) = run(program, &[to("/a/b?c"), to("../d"), end], &[]);
        assert_printed(&output, "gone", "404");
        let lines: Vec<_> = requests.iter().filter_map(|request| request.lines().next()).collect();
        assert_eq!(lines, ["GET /begin?a=b HTTP/1.1", "GET /a/b?c HTTP/1.1", "GET /d HTTP/1.1"]);
    }
}

#[test]
fn an_interim_response_is_not_the_answer() {
    for program in PROGRAMS {
        let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(2);
        let (output, _) = run(program, &[whole(&format!("{early}HTTP/1.1 204 No\r\n\r\n"))], &[]);
        assert_printed(&output, "", "204");
    }
}

#[test]
fn content_that_is_cut_short_is_an_error() {
    for program in PROGRAMS {
        let answer = whole("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        assert_failed(&run(program, &[answer], &[]).0, "hello", "Lost");
        let answer = whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        assert_failed(&run(program, &[answer], &[]).0, "hello", "Lost");
    }
}

#[test]
fn a_server_that_stops_is_given_up_after_the_timeout() {
    for program in PROGRAMS {
        for (begin, content) in
            [("", ""), ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "hello")]
        {
            let answer = Answer::SendAndWait(begin.to_owned());
            assert_failed(&run(program, &[answer], &["300"]).0, content, "TimedOut(Request)");
        }
    }
}

#[test]
fn what_is_no_http_is_an_error() {
    for program in PROGRAMS {
        let answer = whole("SSH-2.0-OpenSSH_9.6\r\n");
        assert_failed(&run(program, &[answer], &[]).0, "", "Peer(NotHttp)");
    }
}

#[test]
fn nothing_is_sent_in_plaintext_that_should_be_secure() {
    for program in PROGRAMS {
        let answer = whole("HTTP/1.1 301 X\r\nLocation: https://127.0.0.1:1/\r\n\r\n");
        assert_failed(&run(program, &[answer], &[]).0, "", "Transport(TlsUnavailable)");
    }
}

#[test]
fn a_server_that_refuses_is_an_error() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    for program in PROGRAMS {
        let output = Command::new(program).arg(&url).output().unwrap();
        assert_failed(&output, "", "Transport(ConnectFailed)");
    }
}

/// People copy them: each is to be read at one sitting.
#[test]
fn each_program_has_less_than_150_lines() {
    for text in [include_str!("../src/blocking.rs"), include_str!("../src/tokio.rs")] {
        assert!(text.lines().count() < 150);
    }
}
