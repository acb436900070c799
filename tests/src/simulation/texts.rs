//! The requests of a plan, and what their answers say.

use sortie_core::{BodyLength, Field, Request, ResponseHead, ResumeData, Url, Validator};

use super::origin::{tag, url};
use super::plan::TaskPlan;

/// The value of `X-Custom` in a request, and in one that the user made of it.
pub(super) const KEPT: &str = "kept";
pub(super) const EDITED: &str = "edited";

/// What a request borrows.
pub(super) struct Texts {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) tag: String,
    pub(super) stored: Option<u64>,
    pub(super) fields: Vec<(&'static str, &'static str)>,
    body: BodyLength,
}

impl Texts {
    pub(super) fn new(task: usize, plan: &TaskPlan) -> Self {
        let mut fields = vec![("X-Custom", KEPT)];
        if plan.has_credentials {
            fields.extend([
                ("Authorization", "Basic c2VjcmV0"),
                ("Cookie", "a=secret"),
                ("Proxy-Authorization", "Basic c2VjcmV0"),
            ]);
        }
        if plan.body != BodyLength::None {
            fields.push(("Content-Type", "application/x-noise"));
        }
        if plan.expects {
            fields.push(("Expect", "100-continue"));
        }
        if plan.says_close {
            fields.push(("Connection", "close"));
        }
        let url = url(task, 0, plan.hops[0].origin);
        Self {
            method: plan.method,
            url,
            tag: tag(task),
            stored: plan.stored,
            fields,
            body: plan.body,
        }
    }

    /// A request that the user makes of the one to this hop: a GET without a body, with other
    /// fields.
    pub(super) fn edited(task: usize, plan: &TaskPlan, hop: usize) -> Self {
        let mut edited = Self::new(task, plan);
        edited.fields.retain(|(name, _)| !["X-Custom", "Content-Type", "Expect"].contains(name));
        edited.fields.push(("X-Custom", EDITED));
        (edited.method, edited.body) = ("GET", BodyLength::None);
        edited.url = url(task, hop, plan.hops[hop].origin);
        edited
    }

    pub(super) fn fields(&self) -> Vec<Field<'_>> {
        let field = |(name, value): &(&'static str, &'static str)| {
            Field::new(name, value.as_bytes()).expect("a valid field")
        };
        self.fields.iter().map(field).collect()
    }

    pub(super) fn request<'t>(&'t self, fields: &'t [Field<'t>]) -> Request<'t> {
        let url = Url::parse(&self.url).expect("a valid URL");
        Request::new(self.method, url, fields, self.body).expect("a valid request")
    }

    /// What a download goes on from.
    pub(super) fn resume(&self) -> Option<ResumeData<'_>> {
        let validator = Validator::parse(self.tag.as_bytes()).expect("a validator");
        let stored = self.stored?;
        Some(ResumeData::new(&self.url, validator, stored, None).expect("valid resume data"))
    }
}

/// The exchange that an origin says it answers.
pub(super) fn exchange_of(head: &ResponseHead<'_>) -> usize {
    let value = head.value("x-exchange").expect("a field of every answer");
    std::str::from_utf8(value).expect("ASCII").parse().expect("a number")
}
