//! What a client made of a response, held against what its case expects.

use sortie_core::Error;
use sortie_tests::script::{Body, Part, Script, Step};
use sortie_tests::trace::{Released, Trace};

use crate::cases::{After, Case, Reuse, Want};

/// What a client made of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// As expected.
    Pass,
    /// It fails, and should succeed.
    Rejects,
    /// It succeeds, and should fail.
    Accepts,
    /// It succeeds with another body.
    Body,
    /// It succeeds with other fields, or another status.
    Fields,
    /// It waits for something that does not come.
    Hangs,
    /// It would use a connection again that it must not.
    Reuses,
    /// It would not use a connection again that it could.
    Closes,
    /// It goes on to where it should not, or with what it should not.
    Strays,
    /// It breaks its contract, depends on how the bytes are cut, or differs from other drivers.
    Breaks,
}

/// How a case ended on one driver.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) verdict: Verdict,
    /// It was decided otherwise than recommended.
    pub(crate) is_otherwise: bool,
    /// What happened, where it is not as expected.
    #[expect(dead_code, reason = "shown where a test fails")]
    pub(crate) what: String,
}

impl Ended {
    /// It broke, and why.
    pub(crate) fn broken(what: String) -> Self {
        Self { verdict: Verdict::Breaks, is_otherwise: false, what }
    }
}

/// The exchange of a case.
pub(crate) fn script(case: &Case) -> Script {
    let body = match case.method.as_str() {
        "POST" => Body::Bytes(b"x".into()),
        _ => Body::None,
    };
    let mut steps = vec![Step::Expect(Part::Request), Step::Send(case.response.clone())];
    match case.after {
        After::Keep => {}
        After::Close => steps.push(Step::Close),
        After::Reset => steps.push(Step::Reset),
    }
    Script::new(&case.method, body).origin(steps)
}

/// Whether the connection could carry another exchange, as the core has it. Whether one that the
/// server ended is used again is the scheduler's affair.
pub(crate) fn expects_reuse(case: &Case, trace: &Trace) -> bool {
    trace.released() == [Released::Reuse] && case.after == After::Keep
}

/// Judges what a driver showed of a case.
pub(crate) fn judge(case: &Case, trace: &Trace, is_reused: bool) -> Ended {
    let verdict = verdict(case, trace, is_reused);
    let what = if verdict == Verdict::Pass { String::new() } else { format!("{trace:?}") };
    Ended { verdict, is_otherwise: case.recommends_accept != trace.result.is_ok(), what }
}

fn verdict(case: &Case, trace: &Trace, is_reused: bool) -> Verdict {
    match trace.result {
        Err(Error::TimedOut(_)) => return Verdict::Hangs,
        Err(_) if case.want == Want::Accept => return Verdict::Rejects,
        // Whatever came before, nobody asks over such a connection again.
        Err(_) if is_reused => return Verdict::Reuses,
        Err(_) => return Verdict::Pass,
        Ok(()) if case.want == Want::Reject => return Verdict::Accepts,
        Ok(()) => {}
    }
    let is_body = |body: &Vec<u8>| *body == trace.content;
    if !case.any_body && !case.bodies.iter().any(is_body) {
        return Verdict::Body;
    }
    let status = trace.statuses().last().copied();
    if case.status.is_some_and(|wanted| Some(wanted) != status) || !has_fields(case, trace) {
        return Verdict::Fields;
    }
    match (case.reuse, is_reused) {
        (Reuse::No, true) => Verdict::Reuses,
        (Reuse::Yes, false) if case.after == After::Keep => Verdict::Closes,
        (Reuse::No | Reuse::Yes | Reuse::Either, _) => Verdict::Pass,
    }
}

/// Fields compare with runs of white space as one space.
fn has_fields(case: &Case, trace: &Trace) -> bool {
    let values = |name: &str| -> Vec<String> {
        let values = trace.raw_values(name).into_iter();
        let latin1 = values.map(|value| value.iter().map(|byte| char::from(*byte)).collect());
        latin1.map(|value: String| collapsed(&value)).collect()
    };
    let wanted = |(name, value): &(String, String)| values(name).contains(&collapsed(value));
    case.fields.iter().all(wanted) && case.absent.iter().all(|name| values(name).is_empty())
}

fn collapsed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}
