//! A download on embassy that meets a fault and is gone on with, on the only socket that there is.

use embassy_net::Stack;
use sortie_core::{BodyLength, Error, Request, ResumeData, Url};
use sortie_embassy::{Config, DownloadFailure, Resources, Session};
use sortie_tests::embassy::{Cable, Heap, run};
use sortie_tests::faults::{Fault, Kind, STORED, WHOLE, exchanges, record};
use sortie_tests::script::{Origin, Part, Script, Step, URL};

/// How a download ended, and behind how many bytes it can be gone on with.
type Ended = (Result<(), Error>, Option<u64>);

/// Downloads into `sink`, from `stored` on; what it can be gone on with is there afterwards.
async fn download(session: &Session<'_, 1>, sink: &mut Heap, stored: &mut Vec<u8>) -> Ended {
    let url = format!("{URL}a");
    let url = Url::parse(&url).expect("a URL");
    let request = Request::new("GET", url, &[], BodyLength::None).expect("a request");
    let from = std::mem::take(stored);
    let from = (!from.is_empty()).then(|| ResumeData::decode(&from).expect("what was stored"));
    let (mut head, mut record) = ([0; 512], [0; 256]);
    let mut index = [sortie_core::Slot::EMPTY; 16];
    let mut task = session.download_task(&request).resume_data(&mut record).require_success();
    task = task.head(&mut head, &mut index);
    if let Some(from) = &from {
        task = task.resume_from(from);
    }
    match task.to(sink).await {
        Ok(_) => (Ok(()), None),
        Err(DownloadFailure { failure, resume_data, .. }) => {
            if let Some(data) = &resume_data {
                stored.resize(data.encoded_length(), 0);
                data.encode(stored).expect("room for it");
            }
            (Err(failure.error), resume_data.map(|data| data.received()))
        }
    }
}

/// A download that is gone on with, or made anew, after the first attempt.
async fn twice(stack: Stack<'_>, timeout: u64) -> (Ended, Vec<u8>, Ended, Vec<u8>) {
    let mut resources = Box::new(Resources::<1, 4096>::new());
    let mut config = Config::default();
    config.request_timeout = embassy_time::Duration::from_micros(timeout);
    let session = Session::new(stack, &mut resources, config);
    let (mut sink, mut stored) = (Heap::default(), Vec::new());
    let first = download(&session, &mut sink, &mut stored).await;
    let came = sink.bytes.clone();
    if stored.is_empty() {
        sink = Heap::default();
    }
    let second = download(&session, &mut sink, &mut stored).await;
    (first, came, second, sink.bytes)
}

/// An origin for the rest behind so many bytes, or for all of it.
fn rest(from: Option<u64>) -> Origin {
    let at = usize::try_from(from.unwrap_or(0)).expect("a short download");
    let (rest, length) = (&WHOLE[at..], WHOLE.len());
    let head = match from {
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
        Some(at) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {at}-{}/{length}\r\n",
            length - 1
        ),
    };
    let head = format!("{head}ETag: \"v1\"\r\nContent-Length: {}\r\n\r\n", rest.len());
    let send = Step::Send([head.as_bytes(), rest].concat());
    let steps = vec![Step::Expect(Part::Request), send];
    Origin { steps, ..Origin::default() }
}

/// The exchange of this name, recorded.
fn recorded(name: &str) -> sortie_tests::faults::Recording {
    let all = exchanges(URL, "http://other.example/");
    let download = all.iter().find(|one| one.name == name).expect("the exchange");
    let play = |script: &Script| sortie_tests::embassy::play(script, Cable::COARSE);
    record(download, &mut |script| play(script))
}

#[test]
fn a_download_that_met_a_fault_is_gone_on_with_on_the_same_socket() {
    let recording = recorded("a download");
    let timeout = recording.script.options.request_timeout;
    let (mut kept, mut all) = (0, 0);
    for (connection, side, at) in recording.places() {
        for kind in Kind::some(at) {
            let fault = Fault { side, at, kind };
            let expected = recording.judge(connection, fault, true);
            let has_failed = expected.seen.result.is_err();
            let from = (has_failed && expected.is_kept).then_some(expected.seen.received);
            // Content of a length that nobody said: there is no rest of it to give.
            if from.is_some_and(|from| from >= WHOLE.len() as u64) {
                continue;
            }
            let mut origins = recording.with(connection, fault).connections;
            // Where all is well the same connection is used again.
            origins[0].steps.push(Step::Next);
            origins[0].steps.extend(rest(None).steps);
            origins.push(rest(from));
            let run = run(Cable::COARSE, &origins, async |stack, _| twice(stack, timeout).await);
            let (first, came, second, whole) = run.output;
            let case = format!("{fault:?}: {first:?}, {second:?}");
            assert_eq!(first, (expected.seen.result, from), "{case}");
            assert_eq!(came, expected.seen.content, "{case}");
            let start = if from.is_some() { came.as_slice() } else { &[] };
            let want = [start, &WHOLE[start.len()..]].concat();
            assert_eq!((second, whole), ((Ok(()), None), want), "{case}");
            (kept, all) = (kept + usize::from(from.is_some()), all + 1);
        }
    }
    assert!(kept > 10 * STORED.len() && all > 700, "{kept} of {all} are gone on with");
}
