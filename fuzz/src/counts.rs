//! What holds of a task at every step.

use sortie_core::{ByteCounts, Error, Task};

/// Counts only grow within a hop, and content is never more than what went over the wire.
///
/// # Panics
/// If that is not so.
pub fn assert_monotone(before: &ByteCounts, after: &ByteCounts) {
    let grows = before.sent <= after.sent
        && before.received <= after.received
        && before.delivered <= after.delivered
        && before.wire_sent <= after.wire_sent
        && before.wire_received <= after.wire_received;
    assert!(grows, "{before:?} and then {after:?}");
}

/// Nothing at all has changed; of every eighth `call` not even what no getter shows, which takes
/// longer to see than all else.
///
/// # Panics
/// If something has.
pub fn assert_same(call: usize, before: &Task, after: &Task) {
    let shown = |task: &Task| {
        let timers = (task.deadline(), task.earliest_begin(), task.pending_question());
        (task.state(), *task.counts(), task.io(9), timers, task.redirect_count())
    };
    assert_eq!(shown(before), shown(after));
    if call.is_multiple_of(8) {
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
    }
}

/// What is shown of counts is what they are.
///
/// # Panics
/// If it is not.
pub fn assert_shown(counts: &ByteCounts) {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let (view, send, receive) =
        (counts.url_session(), counts.send_progress(), counts.receive_progress());
    assert_eq!(view.count_of_bytes_sent, signed(counts.sent));
    assert_eq!(view.count_of_bytes_received, signed(counts.received));
    assert_eq!(view.count_of_bytes_expected_to_send, counts.expected_to_send.map_or(-1, signed));
    let expected = counts.expected_to_receive.map_or(-1, signed);
    assert_eq!(view.count_of_bytes_expected_to_receive, expected);
    for (progress, count, all) in [
        (send, counts.sent, counts.expected_to_send),
        (receive, counts.received, counts.expected_to_receive),
    ] {
        assert_eq!((progress.completed, progress.total), (count, all));
        assert_eq!(progress.is_indeterminate(), all.is_none());
        assert_eq!(progress.left(), all.map(|all| all - count));
        let (least, fraction) = (if all == Some(0) { 1.0 } else { 0.0 }, progress.fraction());
        assert!((least..=1.0).contains(&fraction), "{fraction} of {progress:?}");
    }
}

/// An error says something, in one line, and has a code of URLError, of which all are below 0.
///
/// # Panics
/// If it does not.
pub fn assert_told(error: Error) {
    let text = error.to_string();
    assert!(text.len() > 3 && !text.contains('\n') && !text.ends_with('.'), "{text}");
    assert!(error.code() < 0, "{error:?}");
}
