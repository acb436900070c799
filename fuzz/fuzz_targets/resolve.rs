//! What a reference resolves to is a URL that parses to the parts that were found, resolves to
//! itself against any other, and does not depend on the buffer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{ResolveError, Resolved, Url, UrlParts, limits};
use sortie_fuzz::Choices;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let own = usize::from(choices.byte());
    let known = choices.of(&BASES);
    // The first bytes are a base, if they are one.
    let own = std::str::from_utf8(choices.bytes(own)).unwrap_or_default();
    let base = Url::parse(own).unwrap_or_else(|_| Url::parse(known).expect("a URL"));
    let reference = choices.rest();
    let mut room = vec![0xff; limits::URL_BYTES];
    match base.resolve(reference, &mut room) {
        Ok(resolved) => is_sound(&base, reference, resolved, &room),
        Err(ResolveError::Url(error)) => {
            // An error of the reference does not depend on the buffer.
            assert_eq!(base.resolve(reference, &mut []), Err(ResolveError::Url(error)));
            assert!(room.iter().all(|byte| *byte == 0xff), "something was written");
        }
        Err(error) => panic!("no URL is longer than {}: {error}", room.len()),
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

fn is_sound(base: &Url<'_>, reference: &[u8], resolved: Resolved, room: &[u8]) {
    let (text, rest) = room.split_at(resolved.length);
    assert!(rest.iter().all(|byte| *byte == 0xff), "something was written behind it");
    let text = std::str::from_utf8(text).expect("ASCII");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
    assert_eq!(UrlParts::parse(text), Ok(resolved.parts), "{text}");
    let url = Url::from_parts(text, resolved.parts);

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
}

fn resolve(base: &Url<'_>, reference: &str) -> String {
    let mut room = vec![0; limits::URL_BYTES];
    match base.resolve(reference.as_bytes(), &mut room) {
        Ok(resolved) => {
            room.truncate(resolved.length);
            String::from_utf8(room).expect("ASCII")
        }
        // An inherited fragment can make it longer than any URL.
        Err(ResolveError::Url(sortie_core::UrlError::TooLong)) => reference.to_owned(),
        Err(error) => panic!("{reference} against {}: {error}", base.as_str()),
    }
}
