//! One hop of a task: the request as it is lent to the core, where it goes, and what came back.

use sortie_core::{
    Event, Field, InspectError, Inspection, Instant, Limit, RangeFields, RequestHead, ResumeData,
    Url, UrlParts,
};

use crate::request::Request;
use crate::response::Response;
use crate::shared::{Shared, tell};
use crate::world::World;

/// Room for the URL of a redirect that is tried first: nearly all fit.
const URL_ROOM: usize = 512;

/// A URL that a redirect led to.
struct Target {
    text: String,
    parts: UrlParts,
}

/// The current hop.
pub(crate) struct Hop {
    /// Lent to the core: the original one, until the host edits a redirect.
    request: Request,
    /// Where it goes, if not to its own URL.
    target: Option<Box<Target>>,
    /// Where a redirect would lead.
    next: Option<Box<Target>>,
    /// What the host wants instead of the redirect.
    pub(crate) edited: Option<Request>,
    /// What a download goes on from, in the byte form of the core.
    pub(crate) resume: Option<Vec<u8>>,
    /// The head of the latest final response.
    pub(crate) response: Option<Response>,
    /// It came on the connection that the task has now.
    pub(crate) is_answered: bool,
    /// That response is the result: it was told.
    pub(crate) is_delivered: bool,
    /// Interim responses are kept until they are told.
    pub(crate) keeps_interim: bool,
    pub(crate) interim: Option<Response>,
}

impl Hop {
    pub(crate) const fn new(request: Request, keeps_interim: bool) -> Self {
        Self {
            request,
            target: None,
            next: None,
            edited: None,
            resume: None,
            response: None,
            is_answered: false,
            is_delivered: false,
            keeps_interim,
            interim: None,
        }
    }

    /// The current URL.
    pub(crate) fn target(&self) -> Url<'_> {
        match &self.target {
            Some(target) => Url::from_parts(&target.text, target.parts),
            None => self.request.target(),
        }
    }

    pub(crate) const fn request(&self) -> &Request {
        &self.request
    }

    /// The request as it is sent on this hop.
    pub(crate) fn current_request(&self, rewrite: sortie_core::Rewrite) -> Request {
        match &self.target {
            Some(target) => self.request.redirected(&target.text, target.parts, rewrite),
            None => self.request.clone(),
        }
    }

    /// The request that the redirect would send.
    pub(crate) fn next_request(&self, rewrite: sortie_core::Rewrite) -> Option<Request> {
        let next = self.next.as_ref()?;
        Some(self.request.redirected(&next.text, next.parts, rewrite))
    }

    /// Lends the head that is to be sent.
    pub(crate) fn lend_head<R>(
        &self,
        sends_range: bool,
        to: impl FnOnce(&RequestHead<'_>) -> R,
    ) -> Option<R> {
        let target = self.target();
        let lend = |added: &[Field<'_>]| {
            self.request.lend(|request| to(&RequestHead { request, target, added })).ok()
        };
        match self.resume_data().filter(|_| sends_range) {
            Some(data) => lend(&RangeFields::new(&data).fields()),
            None => lend(&[]),
        }
    }

    fn resume_data(&self) -> Option<ResumeData<'_>> {
        self.resume.as_deref().and_then(|bytes| ResumeData::decode(bytes).ok())
    }

    /// Has the core look into the head that came.
    pub(crate) fn inspect<W: World>(&mut self, shared: &Shared<W>, now: Instant) {
        let mut room = vec![0; URL_ROOM];
        let resolved = loop {
            let resume = self.resume_data();
            let Some(response) = &self.response else {
                return tell(shared.core().handle_sink_failed(None));
            };
            let inspected = shared.core().inspect(
                now,
                Inspection {
                    head: response.head(),
                    target: self.target(),
                    next: &mut room,
                    resume: resume.as_ref().map(ResumeData::resumption),
                },
            );
            match inspected {
                Ok(resolved) => break resolved,
                Err(InspectError::BufferTooSmall { needed }) if needed > room.len() => {
                    room.resize(needed, 0);
                }
                Err(InspectError::Misuse(_)) => return,
                Err(_) => return tell(shared.core().handle_sink_failed(Some(Limit::TargetBuffer))),
            }
        };
        self.next = resolved.and_then(|resolved| {
            room.truncate(resolved.length);
            let text = String::from_utf8(room).ok()?;
            Some(Box::new(Target { text, parts: resolved.parts }))
        });
    }

    /// An event is told.
    pub(crate) fn note<W: World>(&mut self, shared: &Shared<W>, event: Event) {
        match event {
            Event::Response { .. } => self.is_delivered = true,
            Event::Redirected { .. } => {
                self.target = self.next.take();
                if let Some(edited) = self.edited.take() {
                    self.request = edited;
                    self.target = None;
                }
                shared.changed();
            }
            Event::InformationalResponse { .. }
            | Event::Resumed
            | Event::BodyRestarted
            | Event::Question(..)
            | _ => {}
        }
    }
}
