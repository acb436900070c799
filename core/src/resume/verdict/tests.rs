extern crate std;

use super::*;
use crate::resume::lookup::tests::with_head;
use crate::resume::validator::Validator;
use crate::wire::head::Slot;
use std::{format, vec::Vec};

const URL: &str = "http://a/";
const TAG: Validator<'_> = Validator::ETag(b"\"v1\"");
const DATE: Validator<'_> = Validator::LastModified(b"Sun, 06 Nov 1994 08:49:36 GMT");

fn verdict(data: &ResumeData<'_>, status: u16, lines: &[&str]) -> Verdict {
    with_head(status, lines, |head| judge(data, head))
}

/// 400 bytes of 1000 are stored.
fn known(status: u16, lines: &[&str]) -> Verdict {
    verdict(&ResumeData::new(URL, TAG, 400, Some(1000)).unwrap(), status, lines)
}

/// 400 bytes are stored, of an unknown total.
fn unknown(status: u16, lines: &[&str]) -> Verdict {
    verdict(&ResumeData::new(URL, TAG, 400, None).unwrap(), status, lines)
}

const RANGE: &str = "Content-Range: bytes 400-999/1000";
const REST: Verdict = Verdict::Append { total: Some(1000), last: 999 };

#[test]
fn a_206_that_fits_in_every_respect_is_appended() {
    assert_eq!(known(206, &[RANGE]), REST);
    let lines = [RANGE, "Content-Length: 600", "ETag: \"v1\"", "Content-Type: image/png"];
    assert_eq!(known(206, &lines), REST);
    assert_eq!(unknown(206, &lines), REST);
}

#[test]
fn a_total_is_taken_from_whoever_knows_it() {
    let open = "Content-Range: bytes 400-999/*";
    assert_eq!(known(206, &[open]), REST);
    assert_eq!(unknown(206, &[open]), Verdict::Append { total: None, last: 999 });
    assert_eq!(unknown(206, &[RANGE]), REST);
}

#[test]
fn a_206_of_another_total_is_not_appended() {
    for range in ["400-999/1001", "400-998/999", "400-1000/*", "400-1000/1001"] {
        assert_eq!(
            known(206, &[&format!("Content-Range: bytes {range}")]),
            Verdict::Again,
            "{range}"
        );
    }
}

/// A server that is asked for the rest and answers 206 with everything, once with the range of
/// everything, once with the range it was asked for and the length of everything.
#[test]
fn the_full_body_sent_as_206_is_not_appended() {
    let whole = ["Content-Range: bytes 0-999/1000", "Content-Length: 1000"];
    assert_eq!(known(206, &whole), Verdict::Again);
    assert_eq!(unknown(206, &whole), Verdict::Again);
    assert_eq!(known(206, &[RANGE, "Content-Length: 1000"]), Verdict::Again);
    assert_eq!(known(206, &["Content-Length: 1000"]), Verdict::Again);
}

/// A part of what was asked for is a right answer, and told from the whole rest by its last byte; a
/// content that is shorter than its range is not.
#[test]
fn a_short_206_says_where_it_ends_and_must_be_as_long_as_its_range() {
    let short = "Content-Range: bytes 400-499/1000";
    let part = Verdict::Append { total: Some(1000), last: 499 };
    assert_eq!(known(206, &[short, "Content-Length: 100"]), part);
    assert_eq!(unknown(206, &[short]), part);
    assert_eq!(known(206, &[RANGE, "Content-Length: 599"]), Verdict::Again);
    assert_eq!(known(206, &[RANGE, "Content-Length: 0"]), Verdict::Again);
}

#[test]
fn a_206_that_starts_earlier_or_later_is_not_appended() {
    for first in [0, 1, 399, 401, 999] {
        let range = format!("Content-Range: bytes {first}-999/1000");
        assert_eq!(known(206, &[&range]), Verdict::Again, "{first}");
    }
}

#[test]
fn a_206_of_another_representation_is_not_appended() {
    for tag in ["\"v2\"", "W/\"v1\"", "v1", ""] {
        assert_eq!(known(206, &[RANGE, &format!("ETag: {tag}")]), Verdict::Again, "{tag}");
    }
    assert_eq!(known(206, &[RANGE, "ETag: \"v1\"", "ETag: \"v2\""]), Verdict::Again);
    let dated = ResumeData::new(URL, DATE, 400, Some(1000)).unwrap();
    let with = |line| verdict(&dated, 206, &[RANGE, line]);
    assert_eq!(with("Last-Modified: Sun, 06 Nov 1994 08:49:36 GMT"), REST);
    assert_eq!(with("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"), Verdict::Again);
    // It is not what we compare by: nothing is known of the one the stored bytes had.
    assert_eq!(with("ETag: \"v2\""), REST);
    assert_eq!(known(206, &[RANGE, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"]), REST);
}

#[test]
fn a_206_with_a_content_coding_is_not_appended() {
    assert_eq!(known(206, &[RANGE, "Content-Encoding: gzip"]), Verdict::Again);
    assert_eq!(known(206, &[RANGE, "Content-Encoding: identity"]), REST);
}

#[test]
fn a_206_of_several_parts_is_not_appended() {
    for kind in ["multipart/byteranges; boundary=x", "Multipart/ByteRanges;boundary=x"] {
        let kind = format!("Content-Type: {kind}");
        assert_eq!(known(206, &[&kind]), Verdict::Again);
        assert_eq!(known(206, &[RANGE, &kind]), Verdict::Again);
    }
    assert_eq!(known(206, &[RANGE, "Content-Type: multipart/mixed"]), REST);
}

#[test]
fn a_206_needs_one_valid_content_range() {
    for range in ["", "bytes */1000", "bytes 400-/1000", "items 400-999/1000", "bytes 999-400/1000"]
    {
        assert_eq!(known(206, &[&format!("Content-Range: {range}")]), Verdict::Again, "{range}");
    }
    assert_eq!(known(206, &[]), Verdict::Again);
    assert_eq!(known(206, &[RANGE, RANGE]), Verdict::Again);
}

#[test]
fn a_206_with_a_malformed_length_is_not_appended() {
    for length in ["600, 601", "x", "-1", "18446744073709551616"] {
        let length = format!("Content-Length: {length}");
        assert_eq!(known(206, &[RANGE, &length]), Verdict::Again, "{length}");
    }
    assert_eq!(known(206, &[RANGE, "Content-Length: 600, 600"]), REST);
}

#[test]
fn a_200_replaces_what_is_stored() {
    assert_eq!(known(200, &["Content-Length: 1000"]), Verdict::Replace);
    assert_eq!(known(200, &["ETag: \"v2\""]), Verdict::Replace);
    assert_eq!(unknown(200, &[RANGE]), Verdict::Replace);
}

#[test]
fn a_416_on_a_complete_file_means_done() {
    let complete = ResumeData::new(URL, TAG, 1000, Some(1000)).unwrap();
    let lines = ["Content-Range: bytes */1000", "Content-Length: 5", "ETag: \"v1\""];
    assert_eq!(verdict(&complete, 416, &lines), Verdict::Done);
    let open = ResumeData::new(URL, TAG, 1000, None).unwrap();
    assert_eq!(verdict(&open, 416, &lines), Verdict::Done);
    let empty = ResumeData::new(URL, TAG, 0, Some(0)).unwrap();
    assert_eq!(verdict(&empty, 416, &["Content-Range: bytes */0"]), Verdict::Done);
}

#[test]
fn a_416_of_anything_else_means_again() {
    let complete = ResumeData::new(URL, TAG, 1000, Some(1000)).unwrap();
    let total = "Content-Range: bytes */1000";
    for lines in [
        &[][..],
        &["Content-Range: bytes */*"],
        &["Content-Range: bytes */999"],
        &["Content-Range: bytes */1001"],
        &["Content-Range: bytes 0-999/1000"],
        &[total, total],
        &[total, "ETag: \"v2\""],
    ] {
        assert_eq!(verdict(&complete, 416, lines), Verdict::Again, "{lines:?}");
    }
    assert_eq!(known(416, &["Content-Range: bytes */400"]), Verdict::Again, "400 of 1000");
    assert_eq!(known(416, &[total]), Verdict::Again, "400 of 1000");
    assert_eq!(unknown(416, &["Content-Range: bytes */400"]), Verdict::Done);
}

#[test]
fn a_412_means_again() {
    assert_eq!(known(412, &[]), Verdict::Again);
}

#[test]
fn any_other_status_leaves_what_is_stored() {
    for status in (201..=999).filter(|status| ![206, 412, 416].contains(status)) {
        assert_eq!(known(status, &[RANGE]), Verdict::Other, "{status}");
    }
    let data = ResumeData::new(URL, TAG, 400, None).unwrap();
    assert_eq!(judge(&data, &ResponseHead::new(b"", &[])), Verdict::Other, "no head");
}

#[test]
fn a_206_whose_index_is_too_short_is_not_appended() {
    let bytes =
        b"HTTP/1.1 206 X\r\nContent-Range: bytes 400-999/1000\r\nContent-Encoding: br\r\n\r\n";
    let data = ResumeData::new(URL, TAG, 400, None).unwrap();
    for slots in 0..4 {
        let mut index = [Slot::EMPTY; 4];
        let _ = ResponseHead::list(bytes, &mut index[..slots]);
        let head = ResponseHead::new(bytes, &index[..slots]);
        assert_eq!(judge(&data, &head), Verdict::Again, "{slots}");
    }
}

/// Every choice of field lines for each rule at once: appended exactly if each rule alone holds.
#[test]
fn a_206_is_appended_only_if_all_rules_hold() {
    type Choice = (&'static str, bool);
    const RANGES: [Choice; 4] = [
        (RANGE, true),
        ("Content-Range: bytes 399-999/1000", false),
        ("Content-Range: bytes 400-1000/1001", false),
        ("X: y", false),
    ];
    const LENGTHS: [Choice; 3] =
        [("X: y", true), ("Content-Length: 600", true), ("Content-Length: 601", false)];
    const TAGS: [Choice; 3] = [("X: y", true), ("ETag: \"v1\"", true), ("ETag: \"v2\"", false)];
    const CODINGS: [Choice; 2] = [("X: y", true), ("Content-Encoding: gzip", false)];
    const TYPES: [Choice; 2] = [("X: y", true), ("Content-Type: multipart/byteranges", false)];
    let mut counts = [0, 0];
    for range in RANGES {
        for length in LENGTHS {
            for tag in TAGS {
                for coding in CODINGS {
                    for kind in TYPES {
                        let all = [range, length, tag, coding, kind];
                        let lines: Vec<&str> = all.iter().map(|(line, _)| *line).collect();
                        let fits = all.iter().all(|(_, fits)| *fits);
                        let want = if fits { REST } else { Verdict::Again };
                        assert_eq!(known(206, &lines), want, "{lines:?}");
                        counts[usize::from(fits)] += 1;
                    }
                }
            }
        }
    }
    assert_eq!(counts, [140, 4]);
}

/// Random changes of heads: whatever comes, an append is what was asked for.
#[test]
fn a_random_head_is_appended_only_where_the_stored_bytes_end() {
    const HEADS: [&[u8]; 3] = [
        b"HTTP/1.1 206 X\r\nContent-Range: bytes 400-999/1000\r\nContent-Length: 600\r\n\r\n",
        b"HTTP/1.1 206 X\r\nETag: \"v1\"\r\nContent-Range: bytes 400-400/*\r\n\r\n",
        b"HTTP/1.1 416 X\r\nContent-Range: bytes */400\r\nETag: \"v1\"\r\n\r\n",
    ];
    let mut seed: u32 = 0x9e37_79b9;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        usize::try_from(seed).unwrap() % below
    };
    let (mut appended, mut done) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = HEADS[random(HEADS.len())].to_vec();
        for _ in 0..random(4) {
            let at = random(bytes.len());
            bytes[at] = if random(2) == 0 {
                b"0123456789-/*\"W"[random(15)]
            } else {
                bytes[random(at + 1)]
            };
        }
        let mut index = [Slot::EMPTY; 4];
        let _ = ResponseHead::list(&bytes, &mut index);
        let head = ResponseHead::new(&bytes, &index);
        let data = ResumeData::new(URL, TAG, 400, None).unwrap();
        let text = std::string::String::from_utf8_lossy(&bytes);
        match judge(&data, &head) {
            Verdict::Append { last, total } => {
                appended += 1;
                assert!(text.contains(&format!("400-{last}/")), "{text}");
                assert!(total.is_none_or(|total| text.contains(&format!("/{total}"))), "{text}");
            }
            Verdict::Done => {
                done += 1;
                let is_range = |line: &str| line.trim_end().ends_with(" */400");
                assert!(text.lines().any(is_range), "{text}");
            }
            Verdict::Replace | Verdict::Again | Verdict::Other => {}
        }
    }
    assert!(appended > 1000 && done > 1000, "{appended} {done}");
}

#[test]
fn a_head_that_is_not_whole_lists_nothing_and_nothing_is_appended_for_it() {
    let bytes = b"HTTP/1.1 206 Part\r\nContent-Range: bytes 100-199/200\r\nLast: \n";
    let mut index = [Slot::EMPTY; 8];
    assert_eq!(ResponseHead::list(bytes, &mut index), 0);
    assert!(index.iter().all(|slot| *slot == Slot::EMPTY));
    let validator = Validator::ETag(b"\"v1\"");
    let data = ResumeData::new("http://a/b", validator, 100, Some(200)).expect("fit");
    assert_eq!(judge(&data, &ResponseHead::new(bytes, &index)), Verdict::Again);
}
