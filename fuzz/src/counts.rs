//! What holds of counts at every step.

use sortie_core::ByteCounts;

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
