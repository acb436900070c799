//! What may be said about names: where they lead, in place of what a resolver says.

use std::net::IpAddr;

use super::Items;

/// Where names lead.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) resolved: Vec<Resolved>,
    pub(crate) elsewhere: Vec<Elsewhere>,
}

/// `--resolve`: a host has these addresses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) addresses: Vec<IpAddr>,
}

/// `--connect-to`: connections to one place lead to another. `None`: any, and the same.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    pub(crate) from: Place,
    pub(crate) to: Place,
}

/// A host and a port, where they are said.
pub(crate) type Place = (Option<String>, Option<u16>);

impl Names {
    /// Takes an option about names. `false` if it is none.
    pub(super) fn take(&mut self, name: &str, items: &mut Items) -> Result<bool, lexopt::Error> {
        match name {
            "--resolve" => self.resolved.push(resolved(&items.text()?)?),
            "--connect-to" => self.elsewhere.push(elsewhere(&items.text()?)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn resolved(text: &str) -> Result<Resolved, lexopt::Error> {
    let wrong = "--resolve is of the form HOST:PORT:ADDRESS[,ADDRESS]...";
    // As curl's, for which it is a matter of how long that holds.
    let text = text.strip_prefix('+').unwrap_or(text);
    let ((Some(host), Some(port)), addresses) = place(text).ok_or(wrong)? else {
        return Err(wrong.into());
    };
    if host == "*" {
        return Err("--resolve needs a host: for any, --connect-to ::ADDRESS: is right".into());
    }
    let addresses = addresses.ok_or(wrong)?.split(',').map(|address| {
        let plain = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        plain.unwrap_or(address).parse().ok()
    });
    let addresses = addresses.collect::<Option<_>>().ok_or(wrong)?;
    Ok(Resolved { host, port, addresses })
}

fn elsewhere(text: &str) -> Result<Elsewhere, lexopt::Error> {
    let wrong = "--connect-to is of the form HOST1:PORT1:HOST2:PORT2, each of which may be empty";
    let (from, rest) = place(text).ok_or(wrong)?;
    let (to, rest) = place(rest.ok_or(wrong)?).ok_or(wrong)?;
    match rest {
        None => Ok(Elsewhere { from, to }),
        Some(_) => Err(wrong.into()),
    }
}

/// `HOST:PORT`, and what is behind the next colon if there is one. An IPv6 address stands in
/// brackets.
fn place(text: &str) -> Option<(Place, Option<&str>)> {
    let end = match text.starts_with('[') {
        true => text.find(']')? + 1,
        false => text.find(':')?,
    };
    let (host, rest) = text.split_at(end);
    let rest = rest.strip_prefix(':')?;
    let (port, rest) = match rest.split_once(':') {
        Some((port, rest)) => (port, Some(rest)),
        None => (rest, None),
    };
    let host = Some(host.to_owned()).filter(|host| !host.is_empty());
    let port = match port {
        "" => None,
        port => Some(port.parse().ok()?),
    };
    Some(((host, port), rest))
}

#[cfg(test)]
mod tests {
    use super::{Elsewhere, IpAddr, elsewhere, resolved};

    #[test]
    fn addresses_of_a_host_are_read() {
        let cases = [
            ("a:443:127.0.0.1", "a", &["127.0.0.1"][..]),
            ("+a:443:127.0.0.1,[::1]", "a", &["127.0.0.1", "::1"]),
            ("a:443:::1,127.0.0.1", "a", &["::1", "127.0.0.1"]),
            ("[::2]:443:::1", "[::2]", &["::1"]),
        ];
        for (text, host, addresses) in cases {
            let got = resolved(text).unwrap();
            assert_eq!((got.host.as_str(), got.port), (host, 443), "{text}");
            let want: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            assert_eq!(got.addresses, want, "{text}");
        }
        let wrong = ["", "a", "a:443", "a:443:", "a::127.0.0.1", ":443:127.0.0.1", "*:443:::1"];
        for text in wrong.into_iter().chain(["-a:443", "a:443:b", "a:66666:::1", "a:443:::1,"]) {
            assert!(resolved(text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_places_are_read_and_may_be_empty() {
        let place = |host: &str, port: u16| {
            let host = (!host.is_empty()).then(|| host.to_owned());
            (host, (port > 0).then_some(port))
        };
        let cases = [
            ("a:1:b:2", ("a", 1), ("b", 2)),
            ("::b:2", ("", 0), ("b", 2)),
            ("a:1::2", ("a", 1), ("", 2)),
            ("a:1:b:", ("a", 1), ("b", 0)),
            ("[::1]:1:[::2]:2", ("[::1]", 1), ("[::2]", 2)),
        ];
        for (text, from, to) in cases {
            let want = Elsewhere { from: place(from.0, from.1), to: place(to.0, to.1) };
            assert_eq!(elsewhere(text).unwrap(), want, "{text}");
        }
        for text in ["", "a:1", "a:1:b", "a:1:b:2:3", "a:x:b:2", "[a:1:b:2"] {
            assert!(elsewhere(text).is_err(), "{text}");
        }
    }
}
