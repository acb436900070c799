//! Heads made by hand, decoded by the core and by the strict decoder that the fuzz target `head`
//! compares it with: both must say what is written here.

use sortie_core::limits::{HEAD_BYTES, HEAD_FIELDS};
use sortie_tests::strict::{Head, Verdict, by_core, decode};

/// What both decoders make of a head, wherever it is cut.
fn verdict(input: &[u8]) -> Verdict {
    let strict = decode(input);
    let text = String::from_utf8_lossy(input);
    for cut in 0..=input.len() {
        assert_eq!(by_core(input, cut), strict, "cut at {cut}: {text:?}");
    }
    strict
}

fn head(input: &[u8]) -> Head {
    match verdict(input) {
        Verdict::Head(head) => head,
        other @ (Verdict::Incomplete | Verdict::Refused) => {
            panic!("{:?} is {other:?}", String::from_utf8_lossy(input))
        }
    }
}

/// The field lines of a head that has these lines behind its status-line.
fn fields(lines: &str) -> Vec<(String, String)> {
    let head = head(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n").as_bytes());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    head.fields.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

#[test]
fn status_lines_of_every_allowed_form_are_taken() {
    let cases: [(&str, u8, u16, &str); 11] = [
        ("HTTP/1.1 200 OK", 1, 200, "OK"),
        ("HTTP/1.0 404 Not Found", 0, 404, "Not Found"),
        ("HTTP/1.9 999 x", 9, 999, "x"),
        ("HTTP/1.1 100 Continue", 1, 100, "Continue"),
        ("HTTP/1.1 101 Switching", 1, 101, "Switching"),
        ("HTTP/1.1 204", 1, 204, ""),
        ("HTTP/1.1 204 ", 1, 204, ""),
        ("HTTP/1.1 200  two spaces", 1, 200, "two spaces"),
        ("HTTP/1.1 200 tab\tinside", 1, 200, "tab\tinside"),
        ("HTTP/1.1 200 \t trimmed \t", 1, 200, "trimmed"),
        ("HTTP/1.1 200 Größe", 1, 200, "Größe"),
    ];
    for (line, minor, status, reason) in cases {
        for end in ["\r\n", "\n"] {
            let text = format!("{line}{end}{end}");
            let head = head(text.as_bytes());
            assert_eq!((head.minor_version, head.status), (minor, status), "{line}");
            assert_eq!(head.reason, reason.as_bytes(), "{line}");
            assert_eq!((head.length, head.fields.len()), (text.len(), 0), "{line}");
        }
    }
}

#[test]
fn malformed_status_lines_are_refused() {
    for line in [
        "HTTP/2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/1 200 OK",
        "HTTP/11 200 OK",
        "HTTP/1.x 200 OK",
        "HTTP/1.12 200",
        "http/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\x7fK",
        "HTTP/1.1 200 OK\r",
        "HTTP/1.1 200\rOK",
        "HTTP/1.1 ",
        "HTTP/1.",
        "",
    ] {
        let text = format!("{line}\r\nA: b\r\n\r\n");
        assert_eq!(verdict(text.as_bytes()), Verdict::Refused, "{line:?}");
    }
}

#[test]
fn field_lines_lose_the_space_around_their_values() {
    let cases: [(&str, &[(&str, &str)]); 9] = [
        ("A: b", &[("A", "b")]),
        ("A:b\r\nC:d", &[("A", "b"), ("C", "d")]),
        ("A:\r\nB: \r\nC: \t", &[("A", ""), ("B", ""), ("C", "")]),
        ("A: \t b \t c \t ", &[("A", "b \t c")]),
        ("A: b: c", &[("A", "b: c")]),
        ("!#$%&'*+-.^_`|~09azAZ: x", &[("!#$%&'*+-.^_`|~09azAZ", "x")]),
        ("A: \u{80}é\u{7ff}~!", &[("A", "\u{80}é\u{7ff}~!")]),
        ("A: b\nC: d", &[("A", "b"), ("C", "d")]),
        ("A: 1\r\na: 2", &[("A", "1"), ("a", "2")]),
    ];
    for (lines, want) in cases {
        let found = fields(lines);
        let found: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(found, want, "{lines:?}");
    }
}

#[test]
fn folded_lines_are_joined_by_as_many_spaces_as_bytes_were_there() {
    let cases: [(&str, &str); 7] = [
        ("A: b\r\n c", "b   c"),
        ("A: b\n c", "b  c"),
        ("A: b\r\n\tc\r\n  d", "b  \tc    d"),
        ("A:\r\n b", "b"),
        ("A: b\r\n ", "b"),
        ("A: b\r\n \t\r\n c", "b   \t   c"),
        ("A: b\r\n c: d", "b   c: d"),
    ];
    for (lines, value) in cases {
        assert_eq!(fields(lines), [("A".to_owned(), value.to_owned())], "{lines:?}");
    }
}

#[test]
fn malformed_field_lines_are_refused() {
    for line in [
        "A",
        "A b",
        ":",
        ": b",
        " A: b",
        "\tA: b",
        "A : b",
        "A\t: b",
        "A b: c",
        "A\0: b",
        "A: b\0",
        "A: \x01",
        "A: \x7f",
        "A: b\rc",
        "A: b\r",
        "\rA: b",
        "A\r: b",
        "A(: b",
        "A/: b",
        "A@: b",
        "A[: b",
        "{A: b",
        "\"A\": b",
        "É: b",
        "A: b\r\r\n c",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{line}\r\nB: c\r\n\r\n");
        assert_eq!(verdict(text.as_bytes()), Verdict::Refused, "{line:?}");
    }
}

#[test]
fn a_head_without_its_empty_line_is_incomplete() {
    for text in [
        "",
        "H",
        "HTTP/1.",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK\r",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\n\r",
        "HTTP/1.1 200 OK\r\nA: b\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n \r\n",
        "HTTP/1.1 nonsense\r\nmore of it",
    ] {
        assert_eq!(verdict(text.as_bytes()), Verdict::Incomplete, "{text:?}");
    }
}

#[test]
fn what_follows_a_head_is_not_looked_at() {
    for rest in ["body", "\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "\0"] {
        let text = format!("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{rest}");
        assert_eq!(head(text.as_bytes()).length, text.len() - rest.len(), "{rest:?}");
    }
}

#[test]
fn limits_are_those_of_the_core() {
    let with = |fields: usize, padding: usize| {
        let mut text = "HTTP/1.1 200 OK\r\n".to_owned() + &"A: b\r\n".repeat(fields);
        text += &format!("P: {}\r\n\r\n", "p".repeat(padding));
        text.into_bytes()
    };
    let longest = HEAD_BYTES - with(0, 0).len();
    let cases = [
        (with(HEAD_FIELDS - 1, 0), true),
        (with(HEAD_FIELDS, 0), false),
        (with(0, longest), true),
        (with(0, longest + 1), false),
    ];
    for (input, is_taken) in cases {
        let strict = decode(&input);
        assert_eq!(matches!(strict, Verdict::Head(_)), is_taken);
        for cut in [0, 100, HEAD_BYTES - 1, HEAD_BYTES, input.len()] {
            assert_eq!(by_core(&input, cut), strict, "cut at {cut}");
        }
    }
    assert_eq!(decode(&with(0, longest)[..HEAD_BYTES - 1]), Verdict::Incomplete);
    assert_eq!(decode(&with(0, longest + 1)[..HEAD_BYTES]), Verdict::Refused);
}
