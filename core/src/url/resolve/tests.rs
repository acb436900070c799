extern crate std;
use super::*;
use core::error::Error as _;
use std::borrow::ToOwned;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

const BASE: &str = "http://a/b/c/d;p?q";

/// Resolves into a buffer of just the right size, and sees to it that every smaller one is refused
/// by that size and that what was written is what parsing says it is.
fn resolve(base: &str, reference: &[u8]) -> Result<String, UrlError> {
    let url = Url::parse(base).unwrap();
    let needed = match url.resolve(reference, &mut []) {
        Err(ResolveError::BufferTooSmall { needed }) => needed,
        Err(ResolveError::Url(error)) => {
            let mut large = vec![0; 2 * limits::URL_BYTES];
            assert_eq!(url.resolve(reference, &mut large), Err(error.into()), "with room");
            return Err(error);
        }
        Ok(resolved) => panic!("no URL is empty: {resolved:?}"),
    };
    assert!(needed <= limits::URL_BYTES);
    let mut output = vec![0xff; needed + 1];
    for size in [1, needed / 2, needed - 1] {
        let refused = url.resolve(reference, &mut output[..size]);
        assert_eq!(refused, Err(ResolveError::BufferTooSmall { needed }), "{size} bytes");
    }
    assert!(output.iter().all(|byte| *byte == 0xff), "nothing is written that does not fit");
    for size in [needed, needed + 1] {
        let Resolved { length, parts } = url.resolve(reference, &mut output[..size]).unwrap();
        assert_eq!((length, output[needed]), (needed, 0xff));
        let text = core::str::from_utf8(&output[..length]).unwrap();
        assert_eq!(UrlParts::parse(text), Ok(parts), "{text}");
    }
    output.truncate(needed);
    Ok(String::from_utf8(output).unwrap())
}

#[track_caller]
fn table(base: &str, rows: &[(&str, &str)]) {
    for (reference, want) in rows {
        let got = resolve(base, reference.as_bytes());
        assert_eq!(got.as_deref(), Ok(*want), "{reference:?} against {base}");
    }
}

#[track_caller]
fn refused(base: &str, rows: &[(&[u8], UrlError)]) {
    for (reference, want) in rows {
        let text = String::from_utf8_lossy(reference);
        assert_eq!(resolve(base, reference), Err(*want), "{text:?} against {base}");
    }
}

#[test]
fn normal_examples_of_rfc_3986() {
    // RFC 3986 §5.4.1; its `g:h` is refused, see below.
    table(
        BASE,
        &[
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../", "http://a/"),
            ("../../g", "http://a/g"),
        ],
    );
    refused(BASE, &[(b"g:h", UrlError::UnsupportedScheme)]);
}

#[test]
fn abnormal_examples_of_rfc_3986() {
    // RFC 3986 §5.4.2; of the two readings of `http:g`, the strict one is no URL with a host.
    table(
        BASE,
        &[
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/./x", "http://a/b/c/g#s/./x"),
            ("g#s/../x", "http://a/b/c/g#s/../x"),
        ],
    );
    refused(BASE, &[(b"http:g", UrlError::NoHost)]);
}

#[test]
fn paths_of_every_shape_are_merged() {
    table("http://a", &[("g", "http://a/g"), ("../g", "http://a/g"), ("", "http://a")]);
    table("http://a", &[("?y", "http://a?y"), ("#s", "http://a#s"), (".", "http://a/")]);
    table("http://a?q/r", &[("g", "http://a/g"), ("", "http://a?q/r"), ("?", "http://a?")]);
    table("http://a/", &[("g", "http://a/g"), ("..", "http://a/"), ("/", "http://a/")]);
    table("http://a/b/", &[("g", "http://a/b/g"), ("..", "http://a/"), (".", "http://a/b/")]);
    table("http://a//b", &[("g", "http://a//g"), ("..", "http://a/"), ("../g", "http://a/g")]);
    table("http://a/b?x/y/z", &[("g", "http://a/g")]);
    table(
        BASE,
        &[
            ("/x//../y", "http://a/x/y"),
            ("/..//g", "http://a//g"),
            ("/.//g", "http://a//g"),
            ("/a/b/../../..", "http://a/"),
            ("/a/../b/../c/./", "http://a/c/"),
            ("/...", "http://a/..."),
            ("./a:b", "http://a/b/c/a:b"),
            ("a/b:c", "http://a/b/c/a/b:c"),
            ("/x?a?b", "http://a/x?a?b"),
            ("?=", "http://a/b/c/d;p?="),
            ("?", "http://a/b/c/d;p?"),
            (";", "http://a/b/c/;"),
        ],
    );
}

#[test]
fn dots_of_the_base_go_only_where_its_path_is_merged() {
    let base = "http://a/b/../c/./d";
    table(base, &[("", base), ("?y", "http://a/b/../c/./d?y"), ("g", "http://a/c/g")]);
    table(base, &[("..", "http://a/"), ("/x", "http://a/x")]);
}

#[test]
fn a_reference_with_a_host_keeps_nothing_but_perhaps_the_scheme() {
    let base = "https://u:p@a:8443/b?q";
    table(
        base,
        &[
            ("//g/x/../y?z", "https://g/y?z"),
            ("//g:444", "https://g:444"),
            ("//g?y", "https://g?y"),
            ("http://g", "http://g"),
            ("HTTP://G:81/./x", "HTTP://G:81/x"),
            ("ws://g/", "ws://g/"),
            ("wss://[::1]:9/..", "wss://[::1]:9/"),
            ("http://user:pw@g/x", "http://user:pw@g/x"),
        ],
    );
}

#[test]
fn a_reference_without_a_host_stays_with_host_port_and_user() {
    let base = "WSS://u:p@[::1]:9/b?q";
    table(base, &[("x", "WSS://u:p@[::1]:9/x"), ("/y?z", "WSS://u:p@[::1]:9/y?z")]);
    // What looks like a host or a scheme and is none.
    table(
        BASE,
        &[
            ("\\\\g\\x", "http://a/b/c/\\\\g\\x"),
            ("/\\g", "http://a/\\g"),
            ("..\\g", "http://a/b/c/..\\g"),
            ("1a:b", "http://a/b/c/1a:b"),
            ("127.0.0.1:80/x", "http://a/b/c/127.0.0.1:80/x"),
            (":g", "http://a/b/c/:g"),
            ("-x:g", "http://a/b/c/-x:g"),
            ("a_b:g", "http://a/b/c/a_b:g"),
            ("/http://g/", "http://a/http://g/"),
            ("?http://g/", "http://a/b/c/d;p?http://g/"),
        ],
    );
}

#[test]
fn a_fragment_is_inherited_unless_the_reference_has_one() {
    let base = "http://a/b?q#old/../x";
    table(
        base,
        &[
            ("", base),
            ("/c", "http://a/c#old/../x"),
            ("?y", "http://a/b?y#old/../x"),
            ("https://g/x", "https://g/x#old/../x"),
            ("#new", "http://a/b?q#new"),
            ("/c#", "http://a/c#"),
            ("#a#b?c", "http://a/b?q#a#b?c"),
        ],
    );
}

#[test]
fn a_fragment_is_told_without_its_sign() {
    let fragment = |text| Url::parse(text).unwrap().fragment();
    assert_eq!(fragment("http://a/b?c#d?e#f"), Some("d?e#f"));
    assert_eq!(fragment("http://a#"), Some(""));
    assert_eq!(fragment("http://a/b?c"), None);
    assert_eq!(fragment("http://a"), None);
}

#[test]
fn what_is_not_visible_ascii_is_encoded_behind_the_host() {
    let rows: [(&[u8], &str); 9] = [
        (b"/a?b c", "http://a/a?b%20c"),
        (b"/caf\xe9", "http://a/caf%E9"),
        (b"/caf\xc3\xa9/../\xff", "http://a/%FF"),
        (b"x\xa0#\x80 y", "http://a/b/c/x%A0#%80%20y"),
        (b"//g/a b?c d#e f", "http://g/a%20b?c%20d#e%20f"),
        (b"/a|b\"<>\\^`{}", "http://a/a|b\"<>\\^`{}"),
        (b"/a%zz%4%", "http://a/a%zz%4%"),
        (b"/x/%2e%2e/%2E/y%20%e9", "http://a/x/%2e%2e/%2E/y%20%e9"),
        (b"/next%0d%0aX-Evil:%201", "http://a/next%0d%0aX-Evil:%201"),
    ];
    for (reference, want) in rows {
        assert_eq!(resolve(BASE, reference).as_deref(), Ok(want));
    }
}

#[test]
fn space_and_tab_around_are_no_part_of_it() {
    table(BASE, &[(" \t g \t", "http://a/b/c/g"), ("\t http://g/ ", "http://g/"), (" \t ", BASE)]);
    table(BASE, &[(" . ", "http://a/b/c/"), ("x #", "http://a/b/c/x%20#")]);
}

#[test]
fn what_leads_nowhere_is_refused_and_named() {
    let long_host = [b"http://g:0/".as_slice(), &[b'x'; limits::URL_BYTES]].concat();
    refused(
        BASE,
        &[
            (b"/a\tb", UrlError::Character),
            (b"/a\r\nX: y", UrlError::Character),
            (b"/a#\0", UrlError::Character),
            (b"\x7f", UrlError::Character),
            (b"//g\xe9/", UrlError::Character),
            (b"http://g h/", UrlError::Character),
            (b"//u\xe9@g/", UrlError::Character),
            (b"mailto:x@y", UrlError::UnsupportedScheme),
            (b"javascript:alert(1)", UrlError::UnsupportedScheme),
            (b"file:///etc/passwd", UrlError::UnsupportedScheme),
            (b"ftp://g/", UrlError::UnsupportedScheme),
            (b"localhost:80/x", UrlError::UnsupportedScheme),
            (b"x+y-z.1:", UrlError::UnsupportedScheme),
            (b"http:", UrlError::NoHost),
            (b"https:g", UrlError::NoHost),
            (b"http:/g", UrlError::NoHost),
            (b"http:///x", UrlError::NoHost),
            (b"http://", UrlError::NoHost),
            (b"http://#f", UrlError::NoHost),
            (b"//", UrlError::NoHost),
            (b"///g", UrlError::NoHost),
            (b"//?y", UrlError::NoHost),
            (b"//u@/", UrlError::NoHost),
            (b"http://[::1/", UrlError::Host),
            (b"//g\\h/", UrlError::Host),
            (b"//g:65536/", UrlError::Port),
            (b"//g:x", UrlError::Port),
            (&long_host, UrlError::Port),
        ],
    );
}

#[test]
fn only_the_outcome_must_not_be_too_long() {
    let most = limits::URL_BYTES - "http://a/".len();
    let path = |length: usize| [b"/".as_slice(), &vec![b'x'; length]].concat();
    assert_eq!(resolve(BASE, &path(most)).unwrap().len(), limits::URL_BYTES);
    assert_eq!(resolve(BASE, &path(most + 1)), Err(UrlError::TooLong));
    // Encoding makes three bytes of one.
    assert_eq!(resolve(BASE, &[b'\xe9'; limits::URL_BYTES / 3]), Err(UrlError::TooLong));
    // An inherited fragment counts.
    assert_eq!(resolve("http://a/b#f", &path(most - 1)), Err(UrlError::TooLong));
    // What is removed does not, be it as much as a response head holds.
    let up_and_down = [b"x/../".repeat(limits::HEAD_BYTES / 5), b"g".to_vec()].concat();
    assert_eq!(resolve(BASE, &up_and_down).as_deref(), Ok("http://a/b/c/g"));
    let nested = [b"x/".repeat(20_000), b"../".repeat(20_000)].concat();
    assert_eq!(resolve(BASE, &nested).as_deref(), Ok("http://a/b/c/"));
}

#[test]
fn a_buffer_of_any_size_is_used_to_its_exact_length() {
    let url = Url::parse("http://u@a:81/b/c?q#f").unwrap();
    let want = b"http://u@a:81/d%20e/?y%FF#f";
    let reference = b"x/../.././d e/.?y\xff";
    for size in 0..want.len() {
        let mut output = vec![0; size];
        let error = ResolveError::BufferTooSmall { needed: want.len() };
        assert_eq!(url.resolve(reference, &mut output), Err(error));
        assert!(output.iter().all(|byte| *byte == 0));
    }
    for size in want.len()..want.len() + 3 {
        let mut output = vec![0; size];
        assert_eq!(url.resolve(reference, &mut output).unwrap().length, want.len());
        assert_eq!(output.split_at(want.len()), (&want[..], &vec![0; size - want.len()][..]));
    }
}

#[test]
fn the_outcome_is_a_base_again() {
    let (mut first, mut second) = ([0; 64], [0; 64]);
    let url = Url::parse(BASE).unwrap();
    let Resolved { length, parts } = url.resolve(b"//u@h:81/x/y#f", &mut first).unwrap();
    let next = Url::from_parts(core::str::from_utf8(&first[..length]).unwrap(), parts);
    let Resolved { length, parts } = next.resolve(b"../z", &mut second).unwrap();
    let last = Url::from_parts(core::str::from_utf8(&second[..length]).unwrap(), parts);
    assert_eq!(last.as_str(), "http://u@h:81/z#f");
    assert_eq!((last.user_info(), last.authority()), (Some("u"), "h:81"));
    assert_eq!((last.path_and_query(), last.fragment()), ("/z", Some("f")));
}

#[test]
fn parts_of_another_text_do_no_harm() {
    let parts = Url::parse("http://user@host.example:8080/some/where?q#f").unwrap().parts();
    for text in ["", "x", "äöüß€äöüß€äöüß€äöüß€äöüß€", "http://a b/#?//\n/../..", BASE]
    {
        let mut output = [0; 256];
        for reference in [&b"../g"[..], b"//h", b"", b"?y"] {
            let resolved = Url::from_parts(text, parts).resolve(reference, &mut output);
            if let Ok(Resolved { length, parts }) = resolved {
                let written = core::str::from_utf8(&output[..length]).unwrap();
                assert_eq!(UrlParts::parse(written), Ok(parts));
            }
        }
    }
}

#[test]
fn errors_say_what_is_needed() {
    let small = ResolveError::BufferTooSmall { needed: 120 };
    assert_eq!(small.to_string(), "the buffer is too small for the URL: it takes 120 bytes");
    let error = ResolveError::from(UrlError::NoHost);
    assert_eq!(error.to_string(), UrlError::NoHost.to_string());
    assert!(error.source().is_none());
}

/// The parts of a text by the expression of RFC 3986 appendix B, each without its delimiters.
#[derive(Debug)]
struct Model {
    scheme: Option<String>,
    authority: Option<String>,
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl Model {
    fn parse(text: &str) -> Self {
        let own = |text: &str| text.to_owned();
        let (text, fragment) = text.split_once('#').map_or((text, None), |(a, b)| (a, Some(b)));
        let (text, query) = text.split_once('?').map_or((text, None), |(a, b)| (a, Some(b)));
        let scheme = text.split_once(':').filter(|(name, _)| {
            let rest = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
            name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(rest)
        });
        let text = scheme.map_or(text, |(_, rest)| rest);
        let (authority, path) = match text.strip_prefix("//") {
            None => (None, text),
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
        };
        Self {
            scheme: scheme.map(|(name, _)| own(name)),
            authority: authority.map(own),
            path: own(path),
            query: query.map(own),
            fragment: fragment.map(own),
        }
    }

    /// RFC 3986 §5.2.2 and RFC 9110 §10.2.2, then §5.3 of the former.
    fn resolve(base: Self, reference: Self) -> String {
        let Self { mut scheme, mut authority, mut path, mut query, mut fragment } = reference;
        if scheme.is_some() || authority.is_some() {
            path = without_dots(&path);
        } else if path.is_empty() {
            path = base.path;
            query = query.or(base.query);
        } else if path.starts_with('/') {
            path = without_dots(&path);
        } else if base.path.is_empty() {
            path = without_dots(&format!("/{path}"));
        } else {
            path = without_dots(&(base.path.rsplit_once('/').unwrap().0.to_owned() + "/" + &path));
        }
        if scheme.is_none() && authority.is_none() {
            authority = base.authority;
        }
        scheme = scheme.or(base.scheme);
        fragment = fragment.or(base.fragment);
        let mut text = scheme.unwrap() + "://" + &authority.unwrap() + &encoded(&path);
        for (sign, part) in [('?', query), ('#', fragment)] {
            if let Some(part) = part {
                text.push(sign);
                text += &encoded(&part);
            }
        }
        text
    }
}

/// RFC 3986 §5.2.4 with a stack of segments.
fn without_dots(path: &str) -> String {
    let Some(path) = path.strip_prefix('/') else { return path.to_owned() };
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if path.rsplit('/').next().is_some_and(|last| last == "." || last == "..") {
        kept.push("");
    }
    kept.iter().map(|segment| format!("/{segment}")).collect()
}

fn encoded(text: &str) -> String {
    let byte =
        |b: &u8| if b.is_ascii_graphic() { char::from(*b).into() } else { format!("%{b:02X}") };
    text.as_bytes().iter().map(byte).collect()
}

/// Numbers that are the same in every run (Marsaglia's xorshift).
struct Numbers(u32);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        usize::try_from(self.0).unwrap() % bound
    }

    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| pieces[self.below(pieces.len())]).collect()
    }
}

#[test]
fn any_reference_resolves_as_by_the_book() {
    const PATH: [&str; 12] =
        ["/", "/", "..", ".", "../", "/..", "/.", "a", "%2e", "é", "\\", "b:c"];
    const TAIL: [&str; 8] = ["?", "#", "/../", "x", "?y", "#z", "é é", ":"];
    const START: [&str; 8] = ["", "", "", "", "//h", "https://u@h:1", "WS:", "x:"];
    let mut numbers = Numbers(2_463_534_242);
    let (mut resolved, mut wrong) = (0, 0);
    for _ in 0..20_000 {
        let path = numbers.text(&PATH, 7);
        // Without a path, a tail could run into the host.
        let base = match numbers.text(&TAIL, 2) {
            tail if path.is_empty() => format!("http://a?{tail}"),
            tail => format!("http://a/{path}{tail}"),
        };
        let base = encoded(["http://a", &base][usize::from(numbers.below(20) > 0)]);
        let start = START[numbers.below(START.len())];
        let reference = format!("{start}{}{}", numbers.text(&PATH, 9), numbers.text(&TAIL, 3));
        let (from, to) = (Model::parse(&base), Model::parse(&reference));
        match resolve(&base, reference.as_bytes()) {
            Ok(text) => {
                assert_eq!(text, Model::resolve(from, to), "{reference:?} against {base:?}");
                resolved += 1;
            }
            // A scheme, a host that is none, or no host: the model knows which parts there are.
            Err(error) => {
                let known = ["http", "https", "ws", "wss"];
                let scheme = to.scheme.as_ref().map(|name| name.to_ascii_lowercase());
                let expected = match (scheme, to.authority) {
                    (Some(name), _) if !known.contains(&&*name) => UrlError::UnsupportedScheme,
                    (Some(_), None) => UrlError::NoHost,
                    (_, Some(authority)) if authority.is_empty() => UrlError::NoHost,
                    (_, Some(authority)) if !authority.is_ascii() => UrlError::Character,
                    (_, Some(authority)) => {
                        UrlParts::parse(&format!("http://{authority}")).unwrap_err()
                    }
                    (None, None) => panic!("{error}: {reference:?} against {base:?}"),
                };
                assert_eq!(error, expected, "{reference:?} against {base:?}");
                wrong += 1;
            }
        }
    }
    assert!(resolved > 10_000 && wrong > 2_500, "{resolved} resolved, {wrong} refused");
}
