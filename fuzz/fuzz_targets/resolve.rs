//! What a reference resolves to is a URL that parses to the parts that were found, resolves to
//! itself against any other, does not depend on the buffer, and is that which the `url` crate
//! finds, but for the differences that stand here with their reasons.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{ResolveError, Resolved, Url, UrlError, UrlParts, limits};
use sortie_fuzz::{Choices, unfolded};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let own = usize::from(choices.byte());
    // Limits are far away, and a way there in one input of many enough.
    let is_folded = own == 255;
    let known = choices.of(&BASES);
    // The first bytes are a base, if they are one.
    let own = if is_folded { 0 } else { own };
    let own = std::str::from_utf8(choices.bytes(own)).unwrap_or_default();
    if let Err(error) = Url::parse(own) {
        assert!(!error.to_string().is_empty() && error.code() < 0);
    }
    let base = Url::parse(own).unwrap_or_else(|_| Url::parse(known).expect("a URL"));
    let long = if is_folded { unfolded(choices.clone().rest()) } else { Vec::new() };
    let reference = if is_folded { &long[..] } else { choices.rest() };
    let ours = match base.resolve(reference, &mut []) {
        Ok(resolved) => panic!("no URL is empty: {resolved:?}"),
        Err(error @ ResolveError::BufferTooSmall { needed }) => {
            assert!(needed <= limits::URL_BYTES);
            assert!(error.to_string().contains(&needed.to_string()));
            // More than enough, so that it is seen whether more is written.
            let mut room = vec![0xff; needed + 9];
            let resolved = base.resolve(reference, &mut room).expect("it fits");
            assert_eq!(resolved.length, needed);
            Ok(is_sound(&base, reference, resolved, &room))
        }
        Err(ResolveError::Url(error)) => {
            // An error of the reference does not depend on the buffer.
            let mut room = [0xff; 600];
            assert_eq!(base.resolve(reference, &mut room), Err(ResolveError::Url(error)));
            assert!(room.iter().all(|byte| *byte == 0xff), "something was written");
            assert_eq!(ResolveError::Url(error).to_string(), error.to_string());
            assert!(!error.to_string().is_empty() && error.code() < 0);
            Err(error)
        }
        Err(error) => panic!("{error}"),
    };
    if let Ok(reference) = std::str::from_utf8(reference) {
        beside_url(base.as_str(), reference, ours);
    }
});

const BASES: [&str; 6] = [
    "http://a/b/c/d;p?q",
    "https://u:p@host.example:8443/x/../y/./z#part",
    "ws://[2001:db8::1]",
    "http://a?q#f",
    "http://a//b//",
    "https://a/%7e\\b",
];

/// Returns the outcome, of which a few things hold.
fn is_sound(base: &Url<'_>, reference: &[u8], resolved: Resolved, room: &[u8]) -> String {
    let (text, rest) = room.split_at(resolved.length);
    assert!(rest.iter().all(|byte| *byte == 0xff), "something was written behind it");
    let text = std::str::from_utf8(text).expect("ASCII");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
    assert_eq!(UrlParts::parse(text), Ok(resolved.parts), "{text}");
    let url = Url::from_parts(text, resolved.parts);
    assert_eq!(url.parts(), resolved.parts);
    // What is logged of it has no secret in it.
    let secret = url.user_info().map_or_else(|| "@".into(), |user| format!("//{user}@"));
    let shown = format!("{url:?}");
    assert!(url.path_and_query().contains('@') || !shown.contains(&secret), "{shown}");
    assert!(url.port() > 0 && (url.scheme().is_http() || text.to_lowercase().starts_with("ws")));

    // The same in a buffer of its size, and nothing in a smaller one.
    let needed = resolved.length;
    let mut exact = vec![0; needed];
    assert_eq!(base.resolve(reference, &mut exact), Ok(resolved));
    assert_eq!(exact, text.as_bytes());
    let mut small = vec![0xff; needed - 1];
    let refused = base.resolve(reference, &mut small);
    assert_eq!(refused, Err(ResolveError::BufferTooSmall { needed }));
    assert!(small.iter().all(|byte| *byte == 0xff), "something was written");

    // It is absolute: whatever it is resolved against, it is itself. Only a fragment is inherited
    // where it has none, and a path that was the base's keeps its dots until then (RFC 3986
    // §5.2.2). From then on nothing changes any more.
    let keeps_path = matches!(reference.trim_ascii().first(), None | Some(b'?' | b'#'));
    for other in BASES.map(|base| Url::parse(base).expect("a URL")) {
        let once = resolve(&other, text);
        let inherited = match (url.fragment(), other.fragment()) {
            (None, Some(fragment)) => format!("{text}#{fragment}"),
            _ => text.to_owned(),
        };
        assert!(once == inherited || keeps_path, "{once} of {inherited}");
        assert_eq!(resolve(&other, &once), once);
    }
    assert!(Url::parse(&resolve(&url, "")).is_ok_and(|same| same.same_origin(&url)));
    text.to_owned()
}

fn resolve(base: &Url<'_>, reference: &str) -> String {
    let mut room = vec![0; 2 * (base.as_str().len() + reference.len())];
    match base.resolve(reference.as_bytes(), &mut room) {
        Ok(resolved) => {
            room.truncate(resolved.length);
            String::from_utf8(room).expect("ASCII")
        }
        // An inherited fragment can make it longer than any URL.
        Err(ResolveError::Url(UrlError::TooLong)) => reference.to_owned(),
        Err(error) => panic!("{reference} against {}: {error}", base.as_str()),
    }
}

// The same by the `url` crate, which follows the URL Standard of browsers.

/// What became of a reference, here and there.
struct Case<'a> {
    base: &'a str,
    reference: &'a str,
    ours: Result<String, UrlError>,
    theirs: Result<url::Url, url::ParseError>,
}

/// A kind of difference, and how one is known to be of that kind.
struct Class {
    /// What differs, and why we are as we are.
    reason: &'static str,
    is: fn(&Case<'_>) -> bool,
}

const CLASSES: [Class; 10] = [
    Class {
        reason: "a control character is refused: browsers drop some, and so join what was apart",
        is: |case| case.we_say(UrlError::Character),
    },
    Class {
        reason: "a task speaks four schemes",
        is: |case| case.we_say(UrlError::UnsupportedScheme),
    },
    Class {
        reason: "a host stands behind two slashes: RFC 3986 §5.2.2, strictly",
        is: |case| case.we_say(UrlError::NoHost),
    },
    Class {
        reason: "a host is ASCII as it is looked up: nothing in it is decoded or mapped",
        is: |case| case.we_say(UrlError::Host),
    },
    Class { reason: "nobody listens at port 0", is: |case| case.we_say(UrlError::Port) },
    Class { reason: "8192 bytes are enough", is: |case| case.we_say(UrlError::TooLong) },
    Class {
        reason: "no address is looked into before one connects to it, nor a name that stands for \
            another alphabet: then it leads nowhere",
        is: |case| case.ours.is_ok() && case.theirs.is_err() && case.has_odd_host(),
    },
    Class { reason: "a backslash is no slash: RFC 3986 §3.3", is: |case| case.has("\\") },
    Class {
        reason: "dots are dot segments only as they are, and in the base they stay: RFC 3986 §5.2",
        is: |case| case.has_lower("%2e") || case.base.contains("/."),
    },
    Class {
        reason: "a drive letter is a segment like any other, which `..` removes: RFC 3986 §5.2.4",
        is: |case| {
            let mut segments = case.base.split('/').chain(case.reference.split('/'));
            case.has("..") && segments.any(is_drive_letter)
        },
    },
];

fn is_drive_letter(segment: &str) -> bool {
    matches!(segment.as_bytes(), [letter, b':' | b'|'] if letter.is_ascii_alphabetic())
}

fn beside_url(base: &str, reference: &str, ours: Result<String, UrlError>) {
    let Ok(known) = url::Url::parse(base) else { return };
    let mut theirs = known.join(reference);
    // RFC 9110 §10.2.2: without a fragment of its own it inherits that of the base.
    if let (Ok(theirs), false) = (&mut theirs, reference.contains('#')) {
        theirs.set_fragment(known.fragment());
    }
    let case = Case { base, reference, ours, theirs };
    let agrees = match (&case.ours, &case.theirs) {
        // Ours may be written otherwise: as they read it, it is the same.
        (Ok(ours), Ok(theirs)) => url::Url::parse(ours).as_ref() == Ok(theirs),
        (Err(_), Err(_)) => true,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    };
    let is_known =
        agrees || CLASSES.iter().any(|class| !class.reason.is_empty() && (class.is)(&case));
    assert!(
        is_known,
        "{reference:?} against {base:?} is {:?} here and {:?} there",
        case.ours,
        case.theirs.map(String::from),
    );
}

impl Case<'_> {
    fn we_say(&self, error: UrlError) -> bool {
        self.ours == Err(error)
    }

    fn has(&self, text: &str) -> bool {
        self.base.contains(text) || self.reference.contains(text)
    }

    fn has_lower(&self, text: &str) -> bool {
        self.base.to_ascii_lowercase().contains(text)
            || self.reference.to_ascii_lowercase().contains(text)
    }

    /// An IPv6 address, what might be an IPv4 address, or a name in Punycode.
    fn has_odd_host(&self) -> bool {
        let url = Url::parse(self.ours.as_deref().unwrap_or_default());
        url.is_ok_and(|url| {
            let host = url.host().to_ascii_lowercase();
            let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
            let is_number = last.starts_with(|first: char| first.is_ascii_digit());
            is_number || host.contains(':') || host.contains("xn--")
        })
    }
}
