//! Certificates (RFC 5280), as far as a chain to a root needs them: those with keys of P-256 and
//! signatures by ECDSA with SHA-256. What is not understood is refused.
//!
//! There is a crate for this, which rustls has: rustls-webpki. It was tried here, with the same
//! tests: it takes 18 KB more of flash and 2,300 bytes more of stack, for lists of revoked
//! certificates and constraints of names above all. A certificate with the latter is refused here.

use sortie_core::TlsError;

use crate::tls::verify::{Key, is_signed};

/// Certificates between that of the server and a root. More that it shows are not looked at.
pub(crate) const BETWEEN: usize = 4;

/// Signatures that are looked at for one server: each takes a tenth of a second on a small device.
const SIGNATURES: u8 = 8;

/// Extensions of a certificate: others have a dozen.
const EXTENSION_COUNT: usize = 32;

/// Tags (X.690 §8.1.2).
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// Kinds of names.
const DNS_NAME: u8 = 0x82;
const ADDRESS: u8 = 0x87;

/// `ecdsa-with-SHA256` (RFC 5758 §3.2).
const ALGORITHM: [u8; 10] = [OID, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];

/// What a `SubjectPublicKeyInfo` with a key of P-256 has before it (RFC 5480 §2).
const KEY_INFO: [u8; 24] = [
    SEQUENCE, 0x13, OID, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, OID, 8, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 3, 1, 7, BIT_STRING, 0x42, 0,
];

/// The server's purpose: `id-kp-serverAuth` (RFC 5280 §4.2.1.12).
const SERVER: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 3, 1];

/// Extensions that are known (RFC 5280 §4.2.1), by the last byte of their identifiers.
const KNOWN: [u8; 2] = [0x55, 0x1d];
const KEY_USAGE: u8 = 15;
const ALTERNATIVE_NAMES: u8 = 17;
const BASIC_CONSTRAINTS: u8 = 19;
const NAME_CONSTRAINTS: u8 = 30;
const REVOCATION_LISTS: u8 = 31;
const PURPOSES: u8 = 37;

/// What is to be read of DER (X.690 §10), whose lengths are as short as they can be.
#[derive(Clone, Copy)]
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The next value: its tag and content.
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let [tag, first, rest @ ..] = self.0 else { return None };
        // A tag of several bytes, which no certificate has.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match (*first, rest) {
            (short @ 0..=0x7f, rest) => (usize::from(short), rest),
            (0x81, [length @ 0x80..=0xff, rest @ ..]) => (usize::from(*length), rest),
            (0x82, [high @ 1..=0xff, low, rest @ ..]) => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => return None,
        };
        let (content, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some((*tag, content))
    }

    /// The content of the next value, if it has this tag.
    #[inline(never)] // It is called from twenty places.
    fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The same, where such a value may be left out.
    fn take_if(&mut self, tag: u8) -> Option<Option<&'d [u8]>> {
        match self.0.first() {
            Some(found) if *found == tag => self.take(tag).map(Some),
            Some(_) | None => Some(None),
        }
    }

    /// The next value, which has this tag, with tag and length.
    fn take_whole(&mut self, tag: u8) -> Option<&'d [u8]> {
        let before = self.0;
        self.take(tag)?;
        before.get(..before.len().checked_sub(self.0.len())?)
    }

    /// There is no more.
    const fn end(self) -> Option<()> {
        if self.0.is_empty() { Some(()) } else { None }
    }
}

/// A certificate, in its parts.
pub(crate) struct Certificate<'c> {
    /// What is signed, and how.
    signed: &'c [u8],
    algorithm: &'c [u8],
    signature: &'c [u8],
    issuer: &'c [u8],
    subject: &'c [u8],
    from: u64,
    until: u64,
    /// With tag and length.
    key_info: &'c [u8],
    names: Option<&'c [u8]>,
    /// It may vouch for others, with so many of these between.
    is_authority: bool,
    most_between: Option<u8>,
    /// By bits, from the highest; `None` where that is not said.
    usage: Option<u8>,
    /// It is for servers, or for nothing in particular.
    serves: bool,
}

impl<'c> Certificate<'c> {
    pub(crate) fn parse(bytes: &'c [u8]) -> Option<Self> {
        let mut all = Der(bytes);
        let mut parts = Der(all.take(SEQUENCE)?);
        all.end()?;
        let signed = parts.take_whole(SEQUENCE)?;
        let algorithm = parts.take(SEQUENCE)?;
        let [0, signature @ ..] = parts.take(BIT_STRING)? else { return None };
        parts.end()?;
        let mut inside = Der(Der(signed).take(SEQUENCE)?);
        // Version 3, the only one that says who may vouch.
        if inside.take(VERSION)? != [INTEGER, 1, 2] {
            return None;
        }
        inside.take(INTEGER)?;
        if inside.take(SEQUENCE)? != algorithm {
            return None;
        }
        let issuer = inside.take(SEQUENCE)?;
        let mut validity = Der(inside.take(SEQUENCE)?);
        let (from, until) = (time(&mut validity)?, time(&mut validity)?);
        validity.end()?;
        let subject = inside.take(SEQUENCE)?;
        let key_info = inside.take_whole(SEQUENCE)?;
        let mut this = Self {
            signed,
            algorithm,
            signature,
            issuer,
            subject,
            from,
            until,
            key_info,
            names: None,
            is_authority: false,
            most_between: None,
            usage: None,
            serves: true,
        };
        if let Some(tagged) = inside.take_if(EXTENSIONS)? {
            let mut tagged = Der(tagged);
            let list = Der(tagged.take(SEQUENCE)?);
            tagged.end()?;
            this.extend_by(list)?;
        }
        inside.end()?;
        Some(this)
    }

    /// Takes all extensions. None comes twice (RFC 5280 §4.2).
    fn extend_by(&mut self, mut list: Der<'c>) -> Option<()> {
        let all = list;
        for count in 0..EXTENSION_COUNT {
            if list.end().is_some() {
                break;
            }
            let mut extension = Der(list.take(SEQUENCE)?);
            let kind = extension.take(OID)?;
            let mut earlier = all;
            for _ in 0..count {
                if Der(earlier.take(SEQUENCE)?).take(OID)? == kind {
                    return None;
                }
            }
            self.extend(kind, extension)?;
        }
        list.end()
    }

    /// Takes what follows on the identifier of an extension. One that has to be understood and is
    /// not is no certificate for us.
    fn extend(&mut self, kind: &[u8], mut extension: Der<'c>) -> Option<()> {
        let is_critical = truth(&mut extension)?;
        let content = extension.take(OCTET_STRING)?;
        extension.end()?;
        let mut value = Der(content);
        match kind.strip_prefix(&KNOWN) {
            Some([KEY_USAGE]) => self.usage = Some(flags(value.take(BIT_STRING)?)?),
            Some([ALTERNATIVE_NAMES]) => self.names = Some(value.take(SEQUENCE)?),
            Some([BASIC_CONSTRAINTS]) => {
                let mut inside = Der(value.take(SEQUENCE)?);
                self.is_authority = truth(&mut inside)?;
                self.most_between = match inside.take_if(INTEGER)? {
                    Some([most @ 0..=0x7f]) => Some(*most),
                    Some(_) => return None,
                    None => None,
                };
                inside.end()?;
            }
            Some([PURPOSES]) => {
                let mut purposes = Der(value.take(SEQUENCE)?);
                self.serves = false;
                while purposes.end().is_none() {
                    self.serves |= purposes.take(OID)? == SERVER;
                }
            }
            // Nobody looks at these here.
            Some([NAME_CONSTRAINTS]) => return None,
            _ if is_critical => return None,
            // Nor at this; but who damaged it may have damaged more.
            Some([REVOCATION_LISTS]) => drop(value.take(SEQUENCE)?),
            _ => return Some(()),
        }
        value.end()
    }

    /// The key.
    pub(crate) fn key(&self) -> Option<Key> {
        key_in(self.key_info)
    }

    /// Whether `by` has signed it. Takes long.
    fn is_signed_by(&self, by: &Certificate<'_>) -> bool {
        let key = by.key().filter(|_| self.algorithm == ALGORITHM);
        key.is_some_and(|key| is_signed(&key, self.signed, self.signature))
    }

    /// Whether it is for a server.
    fn is_for_server(&self) -> Result<(), TlsError> {
        const DIGITAL_SIGNATURE: u8 = 0x80;
        let may_sign = self.usage.is_none_or(|usage| usage & DIGITAL_SIGNATURE != 0);
        let is_for_server = !self.is_authority && self.serves && may_sign;
        is_for_server.then_some(()).ok_or(TlsError::Untrusted)
    }

    /// Whether it may vouch for a server, with so many certificates between.
    fn is_for_authority(&self, between: u8) -> Result<(), TlsError> {
        const CERTIFICATE_SIGNATURE: u8 = 0x04;
        let may_sign = self.usage.is_none_or(|usage| usage & CERTIFICATE_SIGNATURE != 0);
        let is_near = self.most_between.is_none_or(|most| between <= most);
        let is_authority = self.is_authority && is_near && self.serves && may_sign;
        is_authority.then_some(()).ok_or(TlsError::Untrusted)
    }

    /// Whether it may vouch as a root. One that is no authority, as that of a server that has no
    /// other, does so for itself alone.
    fn is_for_root(&self, of: &Certificate<'_>, between: u8) -> Result<(), TlsError> {
        match self.signed == of.signed {
            true => Ok(()),
            false => self.is_for_authority(between),
        }
    }

    /// Whether it is for this host: one of its names or addresses is.
    pub(crate) fn is_for(&self, host: &str) -> Result<(), TlsError> {
        let address = host.parse::<core::net::Ipv4Addr>().ok();
        let host = host.strip_suffix('.').unwrap_or(host).as_bytes();
        let is_name = address.is_none() && is_name(host);
        let mut names = Der(self.names.unwrap_or_default());
        let mut fits = false;
        while names.end().is_none() {
            let (kind, name) = names.next().ok_or(TlsError::Untrusted)?;
            fits |= match (kind, address) {
                (ADDRESS, Some(address)) => name == address.octets(),
                (DNS_NAME, _) => is_name && is_name_of(name, host),
                // Kinds of names that there are (RFC 5280 §4.2.1.6).
                (0xa0 | 0x81 | 0xa3..=0xa5 | 0x86..=0x88, _) => false,
                _ => return Err(TlsError::Untrusted),
            };
        }
        fits.then_some(()).ok_or(TlsError::WrongName)
    }
}

/// The key in a `SubjectPublicKeyInfo`.
pub(crate) fn key_in(info: &[u8]) -> Option<Key> {
    Der(info).take(SEQUENCE)?.strip_prefix(&KEY_INFO)?.try_into().ok()
}

/// Where a certificate of any kind has the `SubjectPublicKeyInfo` of its owner.
pub(crate) fn key_info(certificate: &[u8]) -> Option<&[u8]> {
    let mut inside = Der(Der(Der(certificate).take(SEQUENCE)?).take(SEQUENCE)?);
    inside.take_if(VERSION)?;
    inside.take(INTEGER)?;
    // Algorithm, issuer, validity, subject.
    for _ in 0..4 {
        inside.take(SEQUENCE)?;
    }
    inside.take_whole(SEQUENCE)
}

/// Whether it is true; not if it is left out.
fn truth(from: &mut Der<'_>) -> Option<bool> {
    match from.take_if(BOOLEAN)? {
        Some([0xff]) => Some(true),
        Some([0]) | None => Some(false),
        Some(_) => None,
    }
}

/// The first eight of the bits of a string (X.690 §11.2): those that are not used are 0.
fn flags(bits: &[u8]) -> Option<u8> {
    let [unused @ 0..=7, first, rest @ ..] = bits else { return None };
    let last = rest.last().unwrap_or(first);
    (last & !(0xff << unused) == 0).then_some(*first)
}

/// Whether a host can be named in a certificate: its labels have letters, digits, and hyphens
/// within (RFC 1034 §3.5), also underscores, as others take them. The last begins with a letter
/// (RFC 1123 §2.1): what begins with a digit is meant as an address by some.
fn is_name(host: &[u8]) -> bool {
    let mut is_text = false;
    for label in host.split(|byte| *byte == b'.') {
        let is_known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let (Some(first), true) = (label.first(), label.iter().all(is_known)) else {
            return false;
        };
        if label.len() > 63 || *first == b'-' || label.ends_with(b"-") {
            return false;
        }
        is_text = first.is_ascii_alphabetic();
    }
    is_text && host.len() <= 253
}

/// Whether a name of a certificate is that of the host (RFC 9525 §6.3): the same, or `*` in the
/// place of its first label, before two others at least.
fn is_name_of(name: &[u8], host: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"*.") else { return name.eq_ignore_ascii_case(host) };
    let dot = host.iter().position(|byte| *byte == b'.');
    let parent = dot.filter(|dot| *dot > 0).and_then(|dot| host.get(dot + 1..));
    rest.contains(&b'.') && parent.is_some_and(|parent| parent.eq_ignore_ascii_case(rest))
}

/// Seconds since 1970 began, of a date in a certificate (RFC 5280 §4.1.2.5). One before that is
/// none.
fn time(from: &mut Der<'_>) -> Option<u64> {
    let (year, rest) = match from.next()? {
        (UTC_TIME, text) => {
            let (year, rest) = two_digits(text)?;
            // Two digits of the year stand for 1950 to 2049.
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (GENERALIZED_TIME, text) => {
            let (high, rest) = two_digits(text)?;
            let (low, rest) = two_digits(rest)?;
            (100 * high + low, rest)
        }
        _ => return None,
    };
    let (month, rest) = two_digits(rest)?;
    let (day, rest) = two_digits(rest)?;
    let (hour, rest) = two_digits(rest)?;
    let (minute, rest) = two_digits(rest)?;
    let (second, rest) = two_digits(rest)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // Long and short months take turns, but for July and August.
    let days = match month {
        2 => 28 + u32::from(is_leap),
        _ => 30 + ((month + month / 8) & 1),
    };
    let is_date = (1..=12).contains(&month) && (1..=days).contains(&day);
    if rest != b"Z" || !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since the first of March in the year 0: the leap day is the last of a year then.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    let days = 365 * year + leaps + (153 * month + 2) / 5 + day - 1;
    let since_1970 = days.checked_sub(719_468)?;
    let in_day = 3600 * hour + 60 * minute + second;
    Some(u64::from(since_1970) * 86_400 + u64::from(in_day))
}

fn two_digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] = text else { return None };
    Some((u32::from(*tens - b'0') * 10 + u32::from(*ones - b'0'), rest))
}

/// A way from the certificate of a server to a root.
pub(crate) struct Way<'w> {
    pub(crate) own: &'w Certificate<'w>,
    /// What may be between.
    pub(crate) between: &'w [&'w [u8]],
    pub(crate) roots: &'w [&'w [u8]],
    /// The date, if it is to be looked at.
    pub(crate) date: Option<u64>,
}

/// A step on it.
#[derive(Clone, Copy)]
struct Step {
    /// How many certificates were passed, and by bits which.
    passed: u8,
    used: u8,
    /// When all of them were valid.
    from: u64,
    until: u64,
}

impl Way<'_> {
    /// Whether there is one.
    pub(crate) fn leads(&self) -> Result<(), TlsError> {
        let own = self.own;
        own.is_for_server()?;
        let step = Step { passed: 0, used: 0, from: 0, until: u64::MAX };
        let mut signatures = SIGNATURES;
        match self.go_on(own, step, &mut signatures) {
            Err(TlsError::UnknownRoot) if own.issuer == own.subject => Err(TlsError::SelfSigned),
            result => result,
        }
    }

    fn go_on(
        &self,
        from: &Certificate<'_>,
        mut step: Step,
        signatures: &mut u8,
    ) -> Result<(), TlsError> {
        step.from = step.from.max(from.from);
        step.until = step.until.min(from.until);
        match self.date {
            Some(date) if date < from.from => return Err(TlsError::NotYetValid),
            Some(date) if date > from.until => return Err(TlsError::Expired),
            // There was never a time at which all were valid.
            None if step.from > step.until => return Err(TlsError::Expired),
            Some(_) | None => {}
        }
        let mut result = Err(TlsError::UnknownRoot);
        for root in self.roots {
            let root = Certificate::parse(root).filter(|root| root.subject == from.issuer);
            let Some(root) = root else { continue };
            match root.is_for_root(from, step.passed) {
                Ok(()) if is_proved(from, &root, signatures)? => return Ok(()),
                Ok(()) => {}
                Err(why) => result = Err(why),
            }
        }
        for (number, next) in self.between.iter().enumerate() {
            let bit = 1 << number;
            let Some(next) = Certificate::parse(next).filter(|_| step.used & bit == 0) else {
                continue;
            };
            // With the name and the key of the server's own, the server would vouch for itself: no
            // way goes round (RFC 4158 §5.2).
            let is_own = next.subject == self.own.subject && next.key_info == self.own.key_info;
            if next.subject != from.issuer || is_own {
                continue;
            }
            let led = match next.is_for_authority(step.passed) {
                Ok(()) if is_proved(from, &next, signatures)? => {
                    let step = Step { passed: step.passed + 1, used: step.used | bit, ..step };
                    self.go_on(&next, step, signatures)
                }
                Ok(()) => Err(TlsError::Untrusted),
                Err(why) => Err(why),
            };
            match led {
                Ok(()) => return Ok(()),
                Err(TlsError::UnknownRoot) => {}
                Err(why) => result = Err(why),
            }
        }
        result
    }
}

/// Whether one has signed the other, if there may be another look at a signature.
fn is_proved(
    from: &Certificate<'_>,
    by: &Certificate<'_>,
    signatures: &mut u8,
) -> Result<bool, TlsError> {
    *signatures = signatures.checked_sub(1).ok_or(TlsError::Untrusted)?;
    Ok(from.is_signed_by(by))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
        let bytes = [&[tag, text.len() as u8][..], text].concat();
        time(&mut Der(&bytes))
    }

    #[test]
    fn dates_are_seconds_since_1970() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "260101000000Z", 1_767_225_600),
            (UTC_TIME, "491231235959Z", 2_524_607_999),
            (GENERALIZED_TIME, "20500101000000Z", 2_524_608_000),
            (GENERALIZED_TIME, "20000229120000Z", 951_825_600),
            (GENERALIZED_TIME, "20000301000000Z", 951_868_800),
            (GENERALIZED_TIME, "21000301000000Z", 4_107_542_400),
            (GENERALIZED_TIME, "99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), Some(expected), "{text}");
        }
        for (tag, text) in [
            (UTC_TIME, "2601010000Z"),
            (UTC_TIME, "260101000000"),
            (UTC_TIME, "260101000000+0100"),
            (UTC_TIME, "261301000000Z"),
            (UTC_TIME, "260100000000Z"),
            (UTC_TIME, "260101240000Z"),
            (UTC_TIME, "26 101000000Z"),
            (UTC_TIME, "260431000000Z"),
            (UTC_TIME, "260229000000Z"),
            (UTC_TIME, "260101006000Z"),
            (UTC_TIME, "260101000060Z"),
            (UTC_TIME, "691231235959Z"),
            (UTC_TIME, "500101000000Z"),
            (GENERALIZED_TIME, "00000101000000Z"),
            (GENERALIZED_TIME, "21000229000000Z"),
            (GENERALIZED_TIME, "20260101000000.5Z"),
            (GENERALIZED_TIME, "260101000000Z"),
            (INTEGER, "260101000000Z"),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_one_label_before_two_others() {
        for (name, host, fits) in [
            ("a.example", "a.example", true),
            ("A.example", "a.EXAMPLE", true),
            ("a.example", "b.example", false),
            ("*.b.example", "a.b.example", true),
            ("*.b.example", "b.example", false),
            ("*.b.example", "a.a.b.example", false),
            ("*.b.example", ".b.example", false),
            ("*.example", "a.example", false),
            ("a*.b.example", "aa.b.example", false),
            ("*", "a", false),
            ("", "a", false),
        ] {
            assert_eq!(is_name_of(name.as_bytes(), host.as_bytes()), fits, "{name} {host}");
        }
    }

    #[test]
    fn a_host_that_is_no_name_of_a_machine_fits_no_certificate() {
        for host in ["a.example", "a-b.example", "_a.example", "a", "1.2.3.a4", "a.0.b", "0.b-0"] {
            assert!(is_name(host.as_bytes()), "{host}");
        }
        let (long, longer) = ("a".repeat(63), "a".repeat(64));
        assert!(is_name(long.as_bytes()));
        assert!(!is_name(longer.as_bytes()));
        assert!(!is_name([&long[..]; 4].join(".").as_bytes()));
        for host in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a.-b",
            "*.b.example",
            "a b",
            "a%62",
            "1.2.3",
            "a.1",
            "0x7f",
            "a.0X",
            "[::1]",
            "\u{e9}.example",
            "1.2.3.4",
        ] {
            assert!(!is_name(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn bits_that_are_not_used_are_zero() {
        for (bits, expected) in [
            (&[7, 0x80][..], Some(0x80)),
            (&[0, 0x81], Some(0x81)),
            (&[7, 0x80, 0x80], Some(0x80)),
            (&[7, 0x81], None),
            (&[7, 0x80, 0x81], None),
            (&[8, 0x80], None),
            (&[0], None),
            (&[], None),
        ] {
            assert_eq!(flags(bits), expected, "{bits:?}");
        }
    }

    #[test]
    fn a_tag_of_several_bytes_is_none() {
        for tag in [0x1f, 0x3f, 0x9f, 0xbf, 0xdf, 0xff] {
            assert!(Der(&[tag, 1, 0]).next().is_none());
        }
    }

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        let long = [&[4, 0x81, 0x80][..], &[0; 0x80]].concat();
        assert!(Der(&long).next().is_some());
        let longer = [&[4, 0x82, 1, 0][..], &[0; 0x100]].concat();
        assert!(Der(&longer).next().is_some());
        for bytes in [&[4, 0x81, 1, 0][..], &[4, 0x82, 0, 0x80], &[4, 0x80], &[4, 0x83, 1, 0, 0]] {
            let padded = [bytes, &[0; 0x100]].concat();
            assert!(Der(&padded).next().is_none(), "{bytes:?}");
        }
        for length in 0..longer.len() {
            assert!(Der(&longer[..length]).next().is_none());
        }
    }

    #[test]
    fn a_key_is_found_behind_six_values_and_nowhere_else() {
        let key = [&[0x30, 3][..], &[1, 2, 3]].concat();
        let six = |inside: &[u8]| {
            let values =
                [&[VERSION, 0][..], &[INTEGER, 0, 0x30, 0, 0x30, 0, 0x30, 0, 0x30, 0], inside];
            let inside = values.concat();
            let inside = [&[0x30, inside.len() as u8][..], &inside].concat();
            [&[0x30, inside.len() as u8][..], &inside].concat()
        };
        assert_eq!(key_info(&six(&key)), Some(&key[..]));
        assert_eq!(key_info(&six(&[4, 0])), None);
        let whole = six(&key);
        for length in 0..whole.len() {
            assert_eq!(key_info(&whole[..length]), None);
        }
    }
}
