extern crate std;

use super::*;
use crate::limits::{URL_BYTES, VALIDATOR_BYTES};
use crate::resume::lookup::tests::with_head;
use std::{format, string::String, vec, vec::Vec};

const URL: &str = "https://u:p@a.example:81/x?y#z";
const TAG: Validator<'_> = Validator::ETag(b"\"v1\"");
const DATE: Validator<'_> = Validator::LastModified(b"Sun, 06 Nov 1994 08:49:36 GMT");

fn encoded(data: &ResumeData<'_>) -> Vec<u8> {
    let mut output = vec![0; data.encoded_length()];
    assert_eq!(data.encode(&mut output), Ok(output.len()));
    output
}

/// `content` with the check value it must have.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes.extend(crc32(content).to_be_bytes());
    bytes
}

fn samples() -> Vec<ResumeData<'static>> {
    [
        ResumeData::new(URL, TAG, 400, Some(1000)),
        ResumeData::new("http://a", DATE, 0, None),
        ResumeData::new("http://a/", Validator::ETag(b"\"\xff\""), u64::MAX, Some(u64::MAX)),
        ResumeData::new("http://a/", TAG, 0, Some(0)),
    ]
    .map(Result::unwrap)
    .to_vec()
}

#[test]
fn the_byte_form_is_the_documented_one() {
    let data = ResumeData::new("http://a/", TAG, 0x0102, Some(0x0304_0506_0708)).unwrap();
    let mut want = b"\x93SRD\x01\x01\x00\x09\x00\x04".to_vec();
    want.extend(b"\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00\x03\x04\x05\x06\x07\x08");
    want.extend(b"http://a/\"v1\"");
    assert_eq!(encoded(&data), sealed(&want));
    let data = ResumeData::new("http://a/", TAG, 5, None).unwrap();
    let mut want = b"\x93SRD\x01\x00\x00\x09\x00\x04".to_vec();
    want.extend(b"\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00");
    want.extend(b"http://a/\"v1\"");
    assert_eq!(encoded(&data), sealed(&want));
}

#[test]
fn what_is_written_is_read_again() {
    for data in samples() {
        assert_eq!(ResumeData::decode(&encoded(&data)), Ok(data));
    }
}

#[test]
fn the_longest_parts_make_the_longest_byte_form() {
    let url = String::from("http://a/") + &"x".repeat(URL_BYTES - 9);
    let tag = format!("\"{}\"", "x".repeat(VALIDATOR_BYTES - 2));
    let tag = Validator::ETag(tag.as_bytes());
    let data = ResumeData::new(&url, tag, 1, None).unwrap();
    let bytes = encoded(&data);
    assert_eq!(bytes.len(), RESUME_DATA_BYTES);
    assert_eq!(ResumeData::decode(&bytes), Ok(data));
}

#[test]
fn a_buffer_that_is_too_small_is_told_and_left_alone() {
    let data = samples()[0];
    let needed = data.encoded_length();
    for room in 0..needed {
        let mut output = vec![7; room];
        assert_eq!(data.encode(&mut output), Err(BufferTooSmall { needed }));
        assert!(output.iter().all(|byte| *byte == 7));
    }
    let mut output = vec![7; needed + 3];
    assert_eq!(data.encode(&mut output), Ok(needed));
    assert_eq!(output[needed..], [7; 3]);
}

#[test]
fn every_truncation_is_refused_as_one() {
    for data in samples() {
        let bytes = encoded(&data);
        for end in 0..bytes.len() {
            let found = ResumeData::decode(&bytes[..end]);
            assert_eq!(found, Err(ResumeDataError::Truncated), "{end}");
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for data in samples() {
        let bytes = encoded(&data);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                let found = ResumeData::decode(&other).unwrap_err();
                let lengths = [ResumeDataError::Corrupt, ResumeDataError::Truncated];
                match at {
                    0..4 => assert_eq!(found, ResumeDataError::Foreign),
                    4 => assert_eq!(found, ResumeDataError::Version),
                    6..10 => assert!(lengths.contains(&found), "{at} {bit} {found:?}"),
                    _ => assert_eq!(found, ResumeDataError::Corrupt, "{at} {bit}"),
                }
            }
        }
    }
}

#[test]
fn what_follows_is_refused() {
    let mut bytes = encoded(&samples()[0]);
    bytes.push(0);
    assert_eq!(ResumeData::decode(&bytes), Err(ResumeDataError::Corrupt));
    let again = bytes.clone();
    bytes.extend(again);
    assert_eq!(ResumeData::decode(&bytes), Err(ResumeDataError::Corrupt));
}

#[test]
fn other_bytes_are_foreign() {
    for bytes in [&b"bplist00"[..], b"<?xml version", b"\0\0\0\0", b"S", b"\x93SRX", b"{}"] {
        assert_eq!(ResumeData::decode(bytes), Err(ResumeDataError::Foreign), "{bytes:?}");
    }
    assert_eq!(ResumeData::decode(b""), Err(ResumeDataError::Truncated));
}

/// Byte forms that were made with another hand: whole, but with a part that is unfit.
#[test]
fn a_right_check_value_does_not_vouch_for_the_parts() {
    let make = |flags: u8, received: u64, total: u64, url: &[u8], validator: &[u8]| {
        let mut content = b"\x93SRD\x01".to_vec();
        content.push(flags);
        content.extend(u16::try_from(url.len()).unwrap().to_be_bytes());
        content.extend(u16::try_from(validator.len()).unwrap().to_be_bytes());
        content.extend(received.to_be_bytes());
        content.extend(total.to_be_bytes());
        content.extend(url);
        content.extend(validator);
        ResumeData::decode(&sealed(&content)).map(|_| ())
    };
    assert_eq!(make(1, 5, 5, b"http://a/", b"\"a\""), Ok(()));
    assert_eq!(make(1, 6, 5, b"http://a/", b"\"a\""), Err(ResumeDataError::Received));
    assert_eq!(make(0, 6, 5, b"http://a/", b"\"a\""), Err(ResumeDataError::Corrupt));
    for flags in 2..=255 {
        assert_eq!(make(flags, 0, 0, b"http://a/", b"\"a\""), Err(ResumeDataError::Corrupt));
    }
    for url in
        [&b""[..], b"a", b"ftp://a/", b"ws://a/", b"wss://a/", b"http://a/ b", b"http://\xff/"]
    {
        assert_eq!(make(0, 6, 0, url, b"\"a\""), Err(ResumeDataError::Url), "{url:?}");
    }
    for validator in [&b""[..], b"W/\"a\"", b"a", b"\"a\r\nX: y\"", b"1994-11-06"] {
        let found = make(0, 6, 0, b"http://a/", validator);
        assert_eq!(found, Err(ResumeDataError::Validator), "{validator:?}");
    }
    let long = format!("\"{}\"", "x".repeat(VALIDATOR_BYTES));
    let found = make(0, 6, 0, b"http://a/", long.as_bytes());
    assert_eq!(found, Err(ResumeDataError::Validator));
}

#[test]
fn parts_are_checked_when_they_are_put_together() {
    let new = |url, validator, received, total| {
        ResumeData::new(url, validator, received, total).map(|_| ())
    };
    assert_eq!(new("ws://a/", TAG, 0, None), Err(ResumeDataError::Url));
    assert_eq!(new("http://a/", TAG, 2, Some(1)), Err(ResumeDataError::Received));
    for unfit in [
        Validator::ETag(b"\"a\"\r\nX: y"),
        Validator::ETag(b"W/\"a\""),
        Validator::ETag(b"Sun, 06 Nov 1994 08:49:36 GMT"),
        Validator::LastModified(b"\"a\""),
        Validator::LastModified(b"yesterday"),
    ] {
        assert_eq!(new("http://a/", unfit, 0, None), Err(ResumeDataError::Validator));
    }
}

#[test]
fn another_count_is_checked_against_the_total() {
    let data = ResumeData::new(URL, TAG, 400, Some(1000)).unwrap();
    let with = |received, total| {
        let data = data.with_received(received, total)?;
        Some((data.received(), data.total()))
    };
    assert_eq!(with(1000, None), Some((1000, Some(1000))));
    assert_eq!(with(1001, None), None);
    assert_eq!(with(1001, Some(2000)), Some((1001, Some(2000))));
    assert_eq!(with(0, None), Some((0, Some(1000))));
    let open = ResumeData::new(URL, TAG, 400, None).unwrap();
    assert_eq!(open.with_received(u64::MAX, None).unwrap().total(), None);
}

/// Total, if such a response can be resumed.
fn of(status: u16, lines: &[&str], received: u64) -> Option<Option<u64>> {
    with_head(status, lines, |head| {
        let data = ResumeData::of(URL, head, received)?;
        assert_eq!((data.url(), data.validator(), data.received()), (URL, TAG, received));
        Some(data.total())
    })
}

#[test]
fn a_200_is_resumable_with_the_length_it_is_framed_by() {
    let tag = "ETag: \"v1\"";
    assert_eq!(of(200, &[tag, "Content-Length: 10"], 4), Some(Some(10)));
    assert_eq!(of(200, &[tag, "Content-Length: 10"], 10), Some(Some(10)));
    assert_eq!(of(200, &[tag, "Content-Length: 10"], 11), None);
    assert_eq!(of(200, &[tag], 4), Some(None));
    assert_eq!(of(200, &[tag, "Transfer-Encoding: chunked"], 4), Some(None));
    let both = [tag, "Transfer-Encoding: chunked", "Content-Length: 3"];
    assert_eq!(of(200, &both, 4), Some(None));
    assert_eq!(of(200, &[tag, "Content-Length: 10, 11"], 4), None);
}

#[test]
fn a_206_is_resumable_from_within_its_range() {
    let part = |received| of(206, &["ETag: \"v1\"", "Content-Range: bytes 4-7/10"], received);
    assert_eq!(
        [3, 4, 7, 8, 9].map(part),
        [None, Some(Some(10)), Some(Some(10)), Some(Some(10)), None]
    );
    assert_eq!(of(206, &["ETag: \"v1\"", "Content-Range: bytes 4-7/*"], 5), Some(None));
    assert_eq!(of(206, &["ETag: \"v1\""], 0), None);
    assert_eq!(of(206, &["ETag: \"v1\"", "Content-Range: bytes */7"], 0), None);
    let twice = ["ETag: \"v1\"", "Content-Range: bytes 4-7/10", "Content-Range: bytes 4-7/10"];
    assert_eq!(of(206, &twice, 5), None);
}

#[test]
fn a_veto_makes_a_response_unresumable() {
    let with = |line| of(200, &["ETag: \"v1\"", line], 4);
    assert_eq!(with("Accept-Ranges: bytes"), Some(None));
    assert_eq!(with("Accept-Ranges: none"), None);
    assert_eq!(with("accept-ranges: None"), None);
    assert_eq!(with("Content-Encoding: identity"), Some(None));
    assert_eq!(with("Content-Encoding: gzip"), None);
    assert_eq!(with("Content-Encoding: identity, br"), None);
}

#[test]
fn no_validator_or_another_status_makes_a_response_unresumable() {
    assert_eq!(of(200, &["Content-Length: 10"], 4), None);
    assert_eq!(of(200, &["ETag: W/\"v1\""], 4), None);
    for status in [201, 203, 204, 304, 404, 416, 500] {
        assert_eq!(of(status, &["ETag: \"v1\""], 4), None, "{status}");
    }
}

#[test]
fn debug_shows_neither_url_nor_validator() {
    assert_eq!(format!("{:?}", samples()[0]), "ResumeData(400 of 1000)");
    assert_eq!(format!("{:?}", samples()[1]), "ResumeData(0 of unknown)");
}

#[test]
fn random_bytes_are_refused_or_are_what_they_would_be_written_as() {
    let mut seed: u32 = 0x2545_f491;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed
    };
    let sample = encoded(&samples()[0]);
    for _ in 0..20_000 {
        // Random bytes alone, or a sample with some of them; with a right check value or not.
        let length = usize::try_from(random() % 80).unwrap();
        let mut bytes: Vec<u8> = if random() & 1 == 0 {
            (0..length).map(|_| random().to_le_bytes()[0]).collect()
        } else {
            sample.clone()
        };
        for _ in 0..random() % 3 {
            let at = usize::try_from(random()).unwrap() % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random().to_le_bytes()[0];
            }
        }
        if random() & 1 == 0 {
            bytes.truncate(bytes.len().saturating_sub(END));
            bytes = sealed(&bytes);
        }
        if let Ok(data) = ResumeData::decode(&bytes) {
            assert_eq!(encoded(&data), bytes);
        }
    }
}
