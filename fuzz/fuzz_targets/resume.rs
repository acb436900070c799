//! Resume data are read or refused, and what is read is written as it was; a response is appended
//! exactly where a second, plainer statement of the rules would append it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{
    ResponseHead, ResumeData, Slot, Url, Validator, Verdict, http_date, judge, limits,
    repr_digest_sha256,
};
use sortie_fuzz::Choices;

const URL: &str = "http://host.example/image";

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    match choices.byte() % 4 {
        0 => blob(choices.rest()),
        1 => blob(&sealed(choices.rest())),
        2 => date(choices.rest()),
        _ => answer(choices),
    }
});

/// Bytes with the check value they must have to be looked at further.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    // As a polynomial division from the highest bit on, unlike that of the core.
    let mut remainder = 0_u64;
    let inverted = content.iter().zip([0xff; 4].into_iter().chain(std::iter::repeat(0)));
    let mut message: Vec<u8> = inverted.map(|(byte, mask)| byte ^ mask).collect();
    message.resize(content.len() + 4, 0);
    if content.len() < 4 {
        return bytes;
    }
    for byte in message {
        remainder = remainder << 8 | u64::from(byte.reverse_bits());
        for bit in (32..40).rev() {
            if remainder >> bit & 1 == 1 {
                remainder ^= 0x1_04c1_1db7 << (bit - 32);
            }
        }
    }
    let check = !u32::try_from(remainder).expect("a remainder of 32 bits");
    bytes.extend(check.reverse_bits().to_be_bytes());
    bytes
}

fn blob(bytes: &[u8]) {
    let Ok(data) = ResumeData::decode(bytes) else {
        return;
    };
    assert_eq!(data.encoded_length(), bytes.len());
    assert!(bytes.len() <= limits::RESUME_DATA_BYTES);
    let mut output = vec![0; bytes.len()];
    assert_eq!(data.encode(&mut output), Ok(bytes.len()));
    assert_eq!(output, bytes);
    assert!(data.encode(&mut output[1..]).is_err());
    let scheme = data.url().to_ascii_lowercase();
    assert!(scheme.starts_with("http://") || scheme.starts_with("https://"));
    assert!(Url::parse(data.url()).is_ok());
    assert!(data.total().is_none_or(|total| data.received() <= total));
    match data.validator() {
        Validator::ETag(tag) => assert!(tag.len() >= 2 && is_strong_tag(tag)),
        // An obsolete form would be sent again (RFC 9110 §5.6.7).
        Validator::LastModified(text) => assert!(http_date(text).is_some() && text.len() == 29),
    }
}

fn is_strong_tag(tag: &[u8]) -> bool {
    let quotes = tag.iter().filter(|byte| **byte == b'"').count();
    let visible = tag.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80);
    tag.starts_with(b"\"") && tag.ends_with(b"\"") && quotes == 2 && visible
}

/// A date in the form of today is the one that its moment is written as.
fn date(text: &[u8]) {
    let Some(moment) = http_date(text) else {
        return;
    };
    let leap_second = text.windows(3).any(|three| three == b":60");
    if text.len() == 29 && text[3] == b',' && !leap_second {
        assert_eq!(written(moment).as_bytes(), text);
    }
}

fn written(moment: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [(&str, u64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let (mut left, seconds) = (moment / 86_400, moment % 86_400);
    let weekday = DAYS[usize::try_from(left % 7).expect("below 7")];
    let is_leap = |year: u64| {
        let divides = |by| year.is_multiple_of(by);
        divides(4) && !divides(100) || divides(400)
    };
    let mut year = 1970;
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 0;
    let length = |at: usize| MONTHS[at].1 + u64::from(at == 1 && is_leap(year));
    while left >= length(month) {
        left -= length(month);
        month += 1;
    }
    let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
    let (day, month, second) = (left + 1, MONTHS[month].0, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

fn answer(mut choices: Choices<'_>) {
    let validator = choices.of(&[
        Validator::ETag(b"\"v1\""),
        Validator::LastModified(b"Sun, 06 Nov 1994 08:49:36 GMT"),
    ]);
    let known = choices.flag();
    let received = choices.number();
    let total = known.then(|| received.saturating_add(choices.number()));
    let slots = choices.of(&[64, 64, 64, 3]);
    let data = ResumeData::new(URL, validator, received, total).expect("all parts are fit");
    let input = choices.rest();
    let bytes = &input[..end_of_head(input)];
    // A task gives out nothing else as a head.
    if !bytes.starts_with(b"HTTP/1.") {
        return;
    }
    let mut index = vec![Slot::EMPTY; slots];
    let count = ResponseHead::list(bytes, &mut index);
    let head = ResponseHead::new(bytes, &index);
    let listed = if count > slots { Vec::new() } else { fields(bytes, count) };
    assert_eq!(judge(&data, &head), plain_judge(&data, head.status(), &listed));
    resumable(&head, &listed, received);
    if let Some(digest) = repr_digest_sha256(&head) {
        let text = base64(&digest);
        assert!(bytes.windows(42).any(|part| part == &text.as_bytes()[..42]));
    }
}

/// Behind the first empty line, or at the end.
fn end_of_head(input: &[u8]) -> usize {
    let at = |mark: &[u8]| input.windows(mark.len()).position(|part| part == mark);
    let ends = [at(b"\n\n").map(|at| at + 2), at(b"\n\r\n").map(|at| at + 3)];
    ends.into_iter().flatten().min().unwrap_or(input.len())
}

type Fields = Vec<(String, Vec<u8>)>;

/// The field lines of a well-formed head of so many, with names in lower case.
fn fields(bytes: &[u8], count: usize) -> Fields {
    let lines = bytes.split(|byte| *byte == b'\n').skip(1).take(count);
    lines
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').expect("a field line");
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            (name, line[colon + 1..].trim_ascii().to_vec())
        })
        .collect()
}

fn values<'a>(fields: &'a Fields, name: &str) -> Vec<&'a [u8]> {
    fields.iter().filter(|(other, _)| other == name).map(|(_, value)| &value[..]).collect()
}

fn elements(fields: &Fields, name: &str) -> Vec<String> {
    let lines = values(fields, name).into_iter().map(String::from_utf8_lossy);
    let split = |line: std::borrow::Cow<'_, str>| {
        let item = |item: &str| item.trim_matches([' ', '\t']).to_ascii_lowercase();
        line.split(',').map(item).collect::<Vec<_>>()
    };
    lines.flat_map(split).collect()
}

fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn is_coded(fields: &Fields) -> bool {
    elements(fields, "content-encoding").iter().any(|item| !item.is_empty() && item != "identity")
}

/// The rules once more, with all that std has to offer.
fn plain_judge(data: &ResumeData<'_>, status: u16, fields: &Fields) -> Verdict {
    match status {
        200 => Verdict::Replace,
        206 => plain_append(data, fields).unwrap_or(Verdict::Again),
        416 if plain_done(data, fields).is_some() => Verdict::Done,
        412 | 416 => Verdict::Again,
        _ => Verdict::Other,
    }
}

/// What stands before and behind the slash of the one `Content-Range`.
fn range(data: &ResumeData<'_>, fields: &Fields) -> Option<(String, String)> {
    let name = match data.validator() {
        Validator::ETag(_) => "etag",
        Validator::LastModified(_) => "last-modified",
    };
    let validators = values(fields, name);
    if validators.len() > 1 || validators.iter().any(|v| *v != data.validator().as_field_value()) {
        return None;
    }
    let ranges = values(fields, "content-range");
    let text = String::from_utf8(ranges.first()?.to_vec()).ok()?;
    let (unit, rest) = text.split_once(' ')?;
    let (positions, total) = rest.split_once('/')?;
    let is_one = ranges.len() == 1 && unit.eq_ignore_ascii_case("bytes");
    is_one.then(|| (positions.to_owned(), total.to_owned()))
}

fn plain_append(data: &ResumeData<'_>, fields: &Fields) -> Option<Verdict> {
    let (positions, total) = range(data, fields)?;
    let (first, last) = positions.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let named = if total == "*" { None } else { Some(number(&total)?) };
    let starts = first == data.received() && first <= last && last != u64::MAX;
    let within = [named, data.total()].into_iter().flatten().all(|total| last < total);
    let same = named.is_none() || data.total().is_none() || named == data.total();
    let length = (u128::from(last) + 1).saturating_sub(first.into()).to_string();
    let stripped = |text: &String| text.trim_start_matches('0').to_owned();
    let lengths = elements(fields, "content-length");
    let fits = lengths.iter().all(|item| number(item).is_some() && stripped(item) == length);
    let parts = values(fields, "content-type").into_iter().any(|value| {
        let text = String::from_utf8_lossy(value).to_ascii_lowercase();
        text.split(';').next().map(|kind| kind.trim_matches([' ', '\t']))
            == Some("multipart/byteranges")
    });
    let all = starts && within && same && fits && !parts && !is_coded(fields);
    all.then(|| Verdict::Append { total: data.total().or(named), last })
}

fn plain_done(data: &ResumeData<'_>, fields: &Fields) -> Option<()> {
    let (positions, total) = range(data, fields)?;
    let total = number(&total)?;
    let known = data.total().unwrap_or(total);
    (positions == "*" && total == data.received() && total == known).then_some(())
}

/// What is resumable can be: its validator is in the head, and nothing in it forbids.
fn resumable(head: &ResponseHead<'_>, fields: &Fields, received: u64) {
    let Some(data) = ResumeData::of(URL, head, received) else {
        return;
    };
    assert!(matches!(head.status(), 200 | 206));
    assert!(!elements(fields, "accept-ranges").contains(&"none".to_owned()) && !is_coded(fields));
    assert!(data.total().is_none_or(|total| received <= total));
    let value = data.validator().as_field_value();
    let tags = values(fields, "etag");
    match data.validator() {
        Validator::ETag(_) => assert!(tags == [value] && is_strong_tag(value)),
        Validator::LastModified(_) => {
            assert!(tags.is_empty());
            assert_eq!(values(fields, "last-modified"), [value]);
            let [made] = values(fields, "date")[..] else { panic!("no Date, or several") };
            assert!(http_date(made) > http_date(value) && http_date(value).is_some());
        }
    }
    blob_of(&data);
}

fn blob_of(data: &ResumeData<'_>) {
    let mut output = vec![0; data.encoded_length()];
    assert_eq!(data.encode(&mut output), Ok(output.len()));
    assert_eq!(ResumeData::decode(&output), Ok(*data));
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digit = |six: &[u8]| {
        let value = (0..6).fold(0, |value, at| value << 1 | six.get(at).copied().unwrap_or(0));
        char::from(DIGITS[usize::from(value)])
    };
    bits.chunks(6).map(digit).collect()
}
