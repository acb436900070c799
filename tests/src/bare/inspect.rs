//! The head, lent with room for the URL of a redirect.

use sortie_core::{
    InspectError, Inspection, Limit, ResponseHead, ResumeData, Url, UrlParts, limits,
};

use super::Runner;
use crate::contract::Input;

impl Runner<'_> {
    /// Lends the head, and room for the URL of a redirect.
    pub(super) fn inspect(&mut self) {
        let mut room = self.drive.target;
        loop {
            let mut next = vec![0; room];
            let before = format!("{:?}", self.task);
            let result = self.task.inspect(
                self.at(),
                Inspection {
                    head: ResponseHead::new(&self.head, &self.index),
                    target: Url::parse(&self.target).expect("a target is a URL"),
                    next: &mut next,
                    resume: self.resume.as_ref().map(ResumeData::resumption),
                },
            );
            match result {
                Ok(resolved) => {
                    if let Some(resolved) = resolved {
                        next.truncate(resolved.length);
                        self.next = String::from_utf8(next).expect("a URL is ASCII");
                        let parts = UrlParts::parse(&self.next);
                        assert_eq!(parts, Ok(resolved.parts), "{}", self.next);
                    }
                    return self.contract.took(&self.task, Input::Inspected, self.now);
                }
                Err(InspectError::BufferTooSmall { needed }) => {
                    assert_eq!(format!("{:?}", self.task), before, "nothing changed");
                    assert!(room < needed && needed <= limits::URL_BYTES);
                    if !self.drive.target_grows {
                        let why = Some(Limit::TargetBuffer);
                        let result = self.task.handle_sink_failed(why);
                        return self.reported(result, Input::Other);
                    }
                    room = needed;
                }
                Err(error) => panic!("{error}: {:?}", self.task),
            }
        }
    }
}
