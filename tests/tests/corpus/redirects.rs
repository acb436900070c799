//! Redirects: where they lead, and what goes with them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use sortie_core::{Error, RedirectError};
use sortie_tests::bare::{Drive, places, play, play_all};
use sortie_tests::embassy::{self, Cable};
use sortie_tests::origin::Split;
use sortie_tests::script::{Body, Origin, Part, Script, Step};
use sortie_tests::trace::Trace;
use sortie_tests::{desktop, sockets};

use crate::cases::{array, text};
use crate::cut::Cut;
use crate::judge::{Ended, Verdict};
use crate::{choices, each, read, say};

/// The three origins of the corpus: one, one of another name, and one of another port.
const ORIGINS: [(&str, &str); 3] =
    [("{O}", "192.0.2.1"), ("{O2}", "other.example"), ("{O3}", "192.0.2.1:81")];

/// Redirects of a loop: more than any client follows.
const LOOP: usize = 30;

/// A body of a redirect that is longer than this is not read to its end, and its connection closed.
const READ: usize = 16 * 1024;

/// A chain of redirects, and what is expected of a client.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) id: String,
    script: Script,
    /// Where each connection leads to, and whether it is open.
    connections: Vec<(String, bool)>,
    /// The connection that each request is to come over, and its place there.
    places: Vec<(usize, usize)>,
    hops: usize,
    json: Value,
}

/// All cases of redirects.
pub(crate) fn cases() -> Vec<Case> {
    let text = read("tests/data/corpus/redirects.json");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    array(&file["cases"]).iter().cloned().map(Case::new).collect()
}

/// With the origins put in.
fn filled(text: &str) -> String {
    ORIGINS.iter().fold(text.to_owned(), |text, (name, origin)| text.replace(name, origin))
}

/// Text of which each character is one byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("latin1")).collect()
}

/// A text that is said as it is, or as a piece and how often it comes.
fn long_text(json: &Value, name: &str) -> Option<String> {
    if let Some(text) = json[name].as_str() {
        return Some(text.to_owned());
    }
    let repeat = &json[format!("{name}_repeat")];
    let count = usize::try_from(repeat[1].as_u64()?).expect("a count");
    Some(text(&repeat[0]).repeat(count))
}

/// A field: name and value.
fn field(pair: &Value) -> (String, String) {
    (text(&pair[0]), filled(&text(&pair[1])))
}

/// The host of a URL, with its port where that is not 80.
fn authority(url: &str) -> Option<String> {
    let rest = url.strip_prefix("http://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Some(authority.rsplit('@').next().unwrap_or_default().to_owned())
}

impl Case {
    fn new(json: Value) -> Self {
        let body = long_text(&json, "body").map_or(Body::None, |text| Body::Bytes(text.into()));
        let mut script = Script::new(&text(&json["method"]), body);
        script.url = filled(&text(&json["start"]));
        script.fields = array(&json["headers"]).iter().map(field).collect();
        if json["user"] == "user:pass" {
            script.fields.push(("Authorization".into(), "Basic dXNlcjpwYXNz".into()));
        }
        let (id, hops) = (text(&json["id"]), array(&json["hops"]).to_vec());
        let (connections, places) = (Vec::new(), Vec::new());
        let mut case = Self { id, script, connections, places, hops: hops.len(), json };
        let mut at = authority(&case.script.url).expect("an absolute URL");
        let played = if case.is_loop() { LOOP } else { hops.len() };
        for hop in hops.iter().cycle().take(played) {
            let to = case.redirect(&at, hop);
            at = to.unwrap_or(at);
        }
        if !case.is_loop() {
            let mut ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".to_vec();
            if case.script.method != "HEAD" {
                ok.extend(b"ok");
            }
            case.exchange(&at, ok);
        }
        case
    }

    fn is(&self, name: &str) -> bool {
        self.json[name] == true
    }

    fn is_loop(&self) -> bool {
        self.is("loop")
    }

    /// Adds a request to the origin `at` that is redirected. Returns the origin where that leads,
    /// if it is said.
    fn redirect(&mut self, at: &str, hop: &Value) -> Option<String> {
        let fields: Vec<_> = array(&hop["headers"]).iter().map(field).collect();
        let raw = hop["raw"].as_str().map(|raw| latin1(&filled(raw)));
        let body = long_text(hop, "body").unwrap_or_default();
        let mut closes = raw.is_some() || hop["close"] == true;
        let response = raw.unwrap_or_else(|| {
            let mut head =
                format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", hop["status"], body.len());
            for (name, value) in &fields {
                head += &format!("{name}: {value}\r\n");
            }
            head += if closes { "Connection: close\r\n\r\n" } else { "\r\n" };
            head += if self.script.method == "HEAD" { "" } else { &body };
            latin1(&head)
        });
        self.exchange(at, response);
        if closes {
            let (place, _) = *self.places.last().expect("the exchange before");
            self.script.connections[place].steps.push(Step::Close);
        }
        closes |= body.len() > READ;
        if closes {
            self.end(at);
        }
        let to = fields.iter().find(|(name, _)| name == "Location");
        to.and_then(|(_, to)| authority(to)).filter(|to| ORIGINS.iter().any(|(_, at)| at == to))
    }

    /// No request comes any more over the connection that is open to the origin `at`.
    fn end(&mut self, at: &str) {
        for (to, is_open) in &mut self.connections {
            *is_open &= to != at;
        }
    }

    /// Adds a request to the origin `at` and its response, over the connection that is open to it.
    fn exchange(&mut self, at: &str, response: Vec<u8>) {
        let open = self.connections.iter().position(|(to, is_open)| to == at && *is_open);
        let place = open.unwrap_or(self.connections.len());
        if open.is_none() {
            self.connections.push((at.to_owned(), true));
            self.script.connections.push(Origin::default());
        }
        let before = self.places.iter().filter(|(other, _)| *other == place).count();
        self.places.push((place, before));
        let steps = &mut self.script.connections[place].steps;
        if before > 0 {
            steps.push(Step::Next);
        }
        steps.extend([Step::Expect(Part::Request), Step::Send(response)]);
    }

    /// The ports at which the connections come.
    fn ports(&self) -> Vec<u16> {
        let port = |at: &str| at.split_once(':').map_or(80, |(_, port)| port.parse().expect("one"));
        self.connections.iter().map(|(at, _)| port(at)).collect()
    }

    /// The requests that were made, in their order.
    fn requests(&self, trace: &Trace) -> Vec<(String, String)> {
        let request = |(place, number): &(usize, usize)| {
            let to = trace.connections.get(*place)?.to.clone();
            Some((to, trace.requests_on(*place).get(*number)?.clone()))
        };
        self.places.iter().map_while(request).collect()
    }

    fn verdict(&self, trace: &Trace) -> Verdict {
        let expect = &self.json["expect"];
        let requests = self.requests(trace);
        let made = trace.requests().len();
        let goes_on = made > self.hops && !self.is_loop();
        match (trace.result, expect["kind"].as_str().expect("a kind")) {
            (Err(Error::TimedOut(_)), _) => Verdict::Hangs,
            // A misread number of connections would be a fault of this test.
            (_, _) if requests.len() != made => Verdict::Breaks,
            (Err(Error::Redirect(why)), "error") => {
                let is_right = (why == RedirectError::TooMany) == self.is_loop();
                if is_right && !goes_on { Verdict::Pass } else { Verdict::Strays }
            }
            (Err(Error::Redirect(_)), _) if self.is("may_error") && !goes_on => Verdict::Pass,
            (Err(_), _) => Verdict::Rejects,
            (Ok(()), "error") if !self.is("may_final") => Verdict::Accepts,
            (Ok(()), "error") => Verdict::Pass,
            (Ok(()), "nofollow") => {
                let status = trace.statuses().last().copied().map(u64::from);
                let stays = made == 1 && status == expect["status"].as_u64();
                if stays || self.is("may_final") { Verdict::Pass } else { Verdict::Strays }
            }
            (Ok(()), _) => self.verdict_of_the_last(trace, &requests),
        }
    }

    /// The last request, and what none of those before may have had.
    fn verdict_of_the_last(&self, trace: &Trace, requests: &[(String, String)]) -> Verdict {
        let expect = &self.json["expect"];
        let is_head = self.script.method == "HEAD";
        if trace.content != if is_head { b"".as_slice() } else { b"ok" } {
            return Verdict::Body;
        }
        let statuses = array(&self.json["hops"]).iter().map(|hop| hop["status"].as_u64());
        let told = trace.hops().into_iter().map(|(status, _)| Some(u64::from(status)));
        let Some((to, last)) = requests.last().filter(|_| statuses.eq(told)) else {
            return Verdict::Strays;
        };
        let at = filled(&text(&expect["at"]));
        let (host, port) = at.split_once(':').unwrap_or((&at, "80"));
        let mut line = last.split("\r\n").next().unwrap_or_default().split(' ');
        let one_of = |found: Option<&str>, wanted: &Value, others: &Value| {
            found.is_some_and(|found| *wanted == found || array(others).iter().any(|o| *o == found))
        };
        let is_there = requests.len() == self.hops + 1
            && *to == format!("http {host} {port}")
            && one_of(line.next(), &expect["method"], &self.json["alt_methods"])
            && one_of(line.next(), &expect["target"], &self.json["alt_targets"]);
        if !is_there {
            return Verdict::Strays;
        }
        let body = last.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        let is_sent = expect["body_sent"].as_bool().is_none_or(|is_sent| is_sent == (body > 0));
        let is_whole = expect["body_len"].as_u64().is_none_or(|length| length == body as u64);
        let none = serde_json::Map::new();
        let present = expect["present"].as_object().unwrap_or(&none);
        let is_present =
            present.iter().all(|(name, value)| has(last, name, Some(&filled(&text(value)))));
        let mut absent = array(&expect["absent"]).iter().chain(array(&self.json["absent"]));
        let leaks = absent.any(|name| has(last, &text(name), None));
        let hops = self.json["hop_absent"].as_object().unwrap_or(&none);
        let leaks = leaks
            || hops.iter().any(|(hop, names)| {
                let (_, request) = &requests[hop.parse::<usize>().expect("the number of a hop")];
                array(names).iter().any(|name| has(request, &text(name), None))
            });
        match is_sent && is_whole && is_present && !leaks {
            true => Verdict::Pass,
            false => Verdict::Fields,
        }
    }

    fn judged(&self, run: impl FnOnce() -> Trace) -> (String, Ended) {
        let ended = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(trace) => Ended {
                verdict: self.verdict(&trace),
                is_otherwise: false,
                what: format!("{trace:?}"),
            },
            Err(_) => Ended::broken("see the panic above".into()),
        };
        (self.id.clone(), ended)
    }
}

/// Whether a request has a field of this name, and of this value if one is given.
fn has(request: &str, name: &str, value: Option<&str>) -> bool {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n").skip(1).filter_map(|line| line.split_once(": ")).any(|(other, is)| {
        other.eq_ignore_ascii_case(name) && value.is_none_or(|value| value == is)
    })
}

fn check(driver: &str, runs: usize, ended: impl IntoIterator<Item = (String, Ended)>) {
    let ended: BTreeMap<_, _> = crate::responses::worst(ended);
    say(&format!("{driver}: {} redirects, {runs} runs", ended.len()));
    choices::check_chosen(driver, &ended);
}

/// What the core shows as the desktop runtime asks for it, or as it stands.
fn on_core(script: &Script, is_desktop: bool) -> Trace {
    match is_desktop {
        true => play(&desktop::dressed(script), Drive::default()),
        false => play(script, Drive::default()),
    }
}

#[test]
fn every_redirect_leads_alike_in_memory_whole_bytewise_and_at_every_split() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let ended = each(&cases, 2, |case| {
        case.judged(|| {
            let trace = play_all(&case.script);
            let same = on_core(&case.script, true).normalized();
            let cuts = case.script.connections.iter().flat_map(|origin| places(&origin.sent()));
            for place in cuts {
                let cut = desktop::play(&case.script, Split::At(place)).normalized();
                assert_eq!(cut, same, "the desktop driver, cut at {place}");
            }
            trace
        })
    });
    check("in memory", ended.len(), ended);
}

#[test]
fn every_redirect_leads_alike_on_sockets_of_the_desktop() {
    let cases = cases();
    let jobs = cases.iter().flat_map(|case| Cut::ALL.map(|cut| (case, cut)));
    let jobs: Vec<_> = jobs.collect();
    let ended = each(&jobs, 24, |(case, cut)| {
        case.judged(|| {
            let trace = sockets::play(&cut.apply(&case.script), cut.split());
            let core = sockets::comparable(on_core(&case.script, true));
            assert_eq!(trace, core, "the core differs, {cut:?}");
            trace
        })
    });
    check("sockets of the desktop", jobs.len(), ended);
}

#[test]
fn every_redirect_leads_alike_on_sockets_of_embassy() {
    let cases = cases();
    let jobs = cases.iter().flat_map(|case| Cut::ALL.map(|cut| (case, cut)));
    let ended = jobs.map(|(case, cut)| {
        case.judged(|| {
            let script = cut.apply(&case.script);
            let trace = embassy::play_on(&case.ports(), &script, Cable::COARSE);
            let core = on_core(&case.script, false).normalized().timeless();
            assert_eq!(trace.clone().normalized().timeless(), core, "the core differs, {cut:?}");
            trace
        })
    });
    let ended: Vec<_> = ended.collect();
    check("sockets of embassy", ended.len(), ended);
}
