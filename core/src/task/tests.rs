//! What scripts cannot show: calls between an output that is due and its being said.

use super::*;
use crate::{BodyLength, Output, Request, RequestHead, TlsError, Transport, Url};

const NOW: Instant = Instant::EPOCH;

/// A task on a reused connection, with its request sent.
fn waiting() -> Task {
    let url = Url::parse("http://a/").unwrap();
    let request = Request::new("GET", url, &[], BodyLength::None).unwrap();
    let mut task = Task::new(&request, TaskOptions::default());
    task.resume(NOW);
    task.handle_connected(NOW, true).unwrap();
    task.handle_prepared(NOW).unwrap();
    let length = task.encode(&RequestHead::new(&request), &mut [0; 64]).unwrap();
    task.handle_sent(NOW, length).unwrap();
    task
}

#[test]
fn a_new_connection_is_not_taken_before_the_stale_one_is_closed() {
    let mut task = waiting();
    task.handle_end().unwrap();
    assert_eq!(task.handle_connecting(NOW), Err(Misuse::NotAskedFor));
    assert_eq!(task.handle_connected(NOW, false), Err(Misuse::NotAskedFor));
    assert_eq!(task.poll_output(), Output::Close(CloseReason::Stale));
    assert_eq!(task.poll_output(), Output::Connect(Wish::New));
    assert_eq!(task.handle_connected(NOW, false), Ok(()));
}

/// The connection is a new one or not: another would be refused as well.
#[test]
fn a_client_that_is_refused_after_the_handshake_is_told_why_and_does_not_try_again() {
    let why = TlsError::ClientCertificateRequired;
    let error = Error::Transport(Transport::Tls(why));
    let mut reused = waiting();
    let mut new = waiting();
    new.transfer.is_reused = false;
    for task in [&mut reused, &mut new] {
        assert_eq!(task.handle_broken(Broken::Refused(why)), Ok(()));
        assert_eq!(task.poll_output(), Output::Close(CloseReason::Failed));
        assert_eq!(task.poll_output(), Output::Complete(Err(error)));
        assert_eq!(task.handle_broken(Broken::Refused(why)), Err(Misuse::NotAskedFor));
    }
}

#[test]
fn a_refusal_within_a_response_is_a_lost_connection() {
    let mut task = waiting();
    let _ = task.handle_head(NOW, &mut b"HTTP/1.1 200".to_vec(), false, &mut []).unwrap();
    task.handle_broken(Broken::Refused(TlsError::ClientCertificateRejected)).unwrap();
    assert!(matches!(task.poll_output(), Output::Close(_)));
    let lost = Error::Transport(Transport::Lost);
    assert_eq!(task.poll_output(), Output::Complete(Err(lost)));
}

#[test]
fn nothing_is_encoded_while_suspended() {
    let url = Url::parse("http://a/").unwrap();
    let request = Request::new("GET", url, &[], BodyLength::None).unwrap();
    let mut task = Task::new(&request, TaskOptions::default());
    task.resume(NOW);
    task.handle_connected(NOW, false).unwrap();
    task.handle_prepared(NOW).unwrap();
    task.suspend().unwrap();
    let head = RequestHead::new(&request);
    assert_eq!(task.encode(&head, &mut [0; 64]), Err(Misuse::NotAskedFor));
    task.resume(NOW);
    assert!(task.encode(&head, &mut [0; 64]).is_ok());
}

/// Found by the fuzz target `operations`.
#[test]
fn a_body_that_begins_anew_is_told_before_its_head_is_prepared() {
    let url = Url::parse("http://a/").unwrap();
    let request = Request::new("PUT", url, &[], BodyLength::Known(4)).unwrap();
    let mut task = Task::new(&request, TaskOptions::default());
    task.resume(NOW);
    task.handle_connected(NOW, true).unwrap();
    task.handle_prepared(NOW).unwrap();
    let length = task.encode(&RequestHead::new(&request), &mut [0; 64]).unwrap();
    task.handle_sent(NOW, length).unwrap();
    task.handle_sent(NOW, 1).unwrap();
    task.handle_end().unwrap();
    assert_eq!(task.poll_output(), Output::Close(CloseReason::Stale));
    task.handle_connected(NOW, false).unwrap();
    assert_eq!(task.handle_prepared(NOW), Err(Misuse::NotAskedFor));
    assert_eq!(task.poll_output(), Output::Event(crate::Event::BodyRestarted));
    assert_eq!(task.handle_prepared(NOW), Ok(()));
}

#[test]
fn every_byte_of_a_head_that_is_measured_is_counted() {
    let mut task = waiting();
    task.options.measures_heads = true;
    let mut input = *b"HTTP/1.1 200 OK\r\nA: b\r\n";
    let advance = task.handle_head(NOW, &mut input, true, &mut []).unwrap();
    assert_eq!(advance, Advance { drop: 23, head: 0 });
    assert_eq!(task.counts().wire_received, 23);
    assert_eq!(task.handle_body(NOW, &mut b"C: d\r\n\r\nbody".to_vec()), Ok(0));
    assert_eq!((task.counts().wire_received, task.head_needs()), (31, Some(31)));
}
