//! One task and the origins that it meets, written down once and replayed on every driver.
//!
//! A [`Script`] says what the user asks for and does, and what each origin does. A runner plays it
//! on one driver, in virtual time, and returns a [`Trace`](crate::trace::Trace) of everything that
//! can be seen from outside. Two runners, or two ways of cutting the same bytes, must give equal
//! traces.

use sortie_core::{
    BodyLength, Field, Question, Request, ResumeData, TaskKind, TaskOptions, Url, Validator,
};

use crate::faults::Fault;

/// The URL of every script that does not say otherwise. The address is one for documentation, so
/// that no driver has a name to resolve.
pub const URL: &str = "http://192.0.2.1/";

/// One task and its world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The method of the request.
    pub method: String,
    /// Its URL.
    pub url: String,
    /// Its fields.
    pub fields: Vec<(String, String)>,
    /// Its body.
    pub body: Body,
    /// How the task behaves.
    pub options: TaskOptions,
    /// What the user does, in the order in which it is done. A script in which the user does
    /// nothing is resumed at time 0.
    pub commands: Vec<Command>,
    /// What the user answers, in the order in which questions are asked. A question for which
    /// nothing is left is never answered.
    pub replies: Vec<Reply>,
    /// What the download goes on from, if it does.
    pub resume: Option<Stored>,
    /// The origins, in the order in which the task opens connections to them.
    pub connections: Vec<Origin>,
}

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// How long after the question, in microseconds.
    pub after: u64,
    /// The answer.
    pub say: Say,
}

/// [`sortie_core::Answer`], without borrowing anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// `Follow`.
    Follow,
    /// `FollowWith` this request.
    FollowWith(Edited),
    /// `Refuse`.
    Refuse,
    /// `Allow`.
    Allow,
    /// `BecomeDownload`.
    BecomeDownload,
    /// `Cancel`.
    Cancel,
    /// `Body`.
    Body,
    /// `NoBody`.
    NoBody,
}

/// A request that the user puts in the place of a redirected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// Its method.
    pub method: String,
    /// Its URL.
    pub url: String,
    /// Its fields.
    pub fields: Vec<(String, String)>,
    /// Its body.
    pub body: Body,
}

/// The start of a download that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What `If-Range` sends.
    pub validator: String,
    /// Bytes that are stored.
    pub received: u64,
    /// Bytes of the whole, where that is known.
    pub total: Option<u64>,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// No body.
    None,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A body whose length is not known beforehand, in the pieces in which its source gives it.
    Pieces(Vec<Vec<u8>>),
}

/// Something that the user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// When.
    pub when: When,
    /// What.
    pub what: What,
}

/// When a command is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At this virtual time, in microseconds.
    At(u64),
    /// As soon as so many bytes of content were received.
    Received(u64),
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// `Task::resume`.
    Resume,
    /// `Task::suspend`.
    Suspend,
    /// `Task::cancel`.
    Cancel,
}

/// What the origin at the other end of one connection does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The connection is handed over as one that carried an exchange before.
    pub is_reused: bool,
    /// The steps, in order. Behind the last one the origin is silent and takes nothing more, and
    /// the connection stays open.
    pub steps: Vec<Step>,
    /// What goes wrong between the client and this origin, if anything does.
    pub fault: Option<Fault>,
}

/// One step of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Take bytes of the request, until this much is there.
    Expect(Part),
    /// Send these bytes.
    Send(Vec<u8>),
    /// Do nothing for so many microseconds.
    Wait(u64),
    /// Close the connection in order: what was sent is read first, writes fail.
    Close,
    /// Break the connection: what was sent is read first, writes fail.
    Reset,
    /// As the first step: refuse the connection.
    Refuse,
    /// The exchange is over: what comes next is another request.
    Next,
}

/// How much of a request an origin takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The head, with its empty line.
    Head,
    /// The whole request, as its head frames it.
    Request,
    /// So many bytes more.
    Bytes(usize),
}

impl Script {
    /// A request to [`URL`] with this method and body, and no origin yet.
    #[must_use]
    pub fn new(method: &str, body: Body) -> Self {
        Self {
            method: method.into(),
            url: URL.into(),
            fields: Vec::new(),
            body,
            options: TaskOptions::default(),
            commands: Vec::new(),
            replies: Vec::new(),
            resume: None,
            connections: Vec::new(),
        }
    }

    /// A GET.
    #[must_use]
    pub fn get() -> Self {
        Self::new("GET", Body::None)
    }

    /// Adds a field to the request.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Makes the task one of this kind.
    #[must_use]
    pub fn kind(mut self, kind: TaskKind) -> Self {
        self.options.kind = kind;
        self
    }

    /// Adds a command.
    #[must_use]
    pub fn command(mut self, when: When, what: What) -> Self {
        self.commands.push(Command { when, what });
        self
    }

    /// Adds an answer, given so many microseconds after its question.
    #[must_use]
    pub fn reply(mut self, after: u64, say: Say) -> Self {
        self.replies.push(Reply { after, say });
        self
    }

    /// Makes the task ask `question`.
    #[must_use]
    pub fn asks(mut self, question: Question) -> Self {
        match question {
            Question::Redirect => self.options.asks.redirect = true,
            Question::Disposition => self.options.asks.disposition = true,
            Question::NewBody => self.options.asks.new_body = true,
        }
        self
    }

    /// Makes the task a download that goes on behind `received` bytes of `total`.
    #[must_use]
    pub fn resumes(mut self, validator: &str, received: u64, total: Option<u64>) -> Self {
        self.options.kind = TaskKind::Download;
        self.options.is_resuming = true;
        self.resume = Some(Stored { validator: validator.into(), received, total });
        self
    }

    /// Adds an origin on a new connection.
    #[must_use]
    pub fn origin(mut self, steps: impl Into<Vec<Step>>) -> Self {
        self.connections.push(Origin { steps: steps.into(), ..Origin::default() });
        self
    }

    /// Adds an origin on a connection that carried an exchange before.
    #[must_use]
    pub fn reused_origin(mut self, steps: impl Into<Vec<Step>>) -> Self {
        let origin = Origin { is_reused: true, steps: steps.into(), ..Origin::default() };
        self.connections.push(origin);
        self
    }

    /// Adds an origin that takes the request, sends `response` and leaves the connection open.
    #[must_use]
    pub fn answered(self, response: impl Into<Vec<u8>>) -> Self {
        self.origin([Step::Expect(Part::Request), Step::Send(response.into())])
    }

    /// Adds an origin that takes the request, sends `response` and closes.
    #[must_use]
    pub fn answered_and_closed(self, response: impl Into<Vec<u8>>) -> Self {
        self.origin([Step::Expect(Part::Request), Step::Send(response.into()), Step::Close])
    }

    /// Adds an origin that takes one request after another on a new connection, and sends these
    /// responses to them. It stays open.
    #[must_use]
    pub fn exchanges<const N: usize>(self, responses: [&str; N]) -> Self {
        let mut steps = Vec::new();
        for response in responses {
            steps.extend([Step::Expect(Part::Request), Step::Send(response.into()), Step::Next]);
        }
        self.origin(steps)
    }

    /// The fields of the request, checked.
    ///
    /// # Panics
    /// If one is not valid.
    #[must_use]
    pub fn checked_fields(&self) -> Vec<Field<'_>> {
        checked(&self.fields)
    }

    /// What the download goes on from, for the core.
    ///
    /// # Panics
    /// If it is not valid.
    #[must_use]
    pub fn resume_data(&self) -> Option<ResumeData<'_>> {
        let stored = self.resume.as_ref()?;
        let validator = Validator::parse(stored.validator.as_bytes()).expect("a validator");
        let data = ResumeData::new(&self.url, validator, stored.received, stored.total);
        Some(data.expect("valid resume data"))
    }

    /// The request, of `fields` as [`checked_fields`](Self::checked_fields) gave them.
    ///
    /// # Panics
    /// If the core refuses it.
    #[must_use]
    pub fn request<'a>(&'a self, fields: &'a [Field<'a>]) -> Request<'a> {
        let url = Url::parse(&self.url).expect("a valid URL");
        Request::new(&self.method, url, fields, self.body.length()).expect("a valid request")
    }
}

impl Edited {
    /// A request of this method to `url`, without fields and body.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self { method: method.into(), url: url.into(), fields: Vec::new(), body: Body::None }
    }

    /// Its fields, checked.
    ///
    /// # Panics
    /// If one is not valid.
    #[must_use]
    pub fn checked_fields(&self) -> Vec<Field<'_>> {
        checked(&self.fields)
    }

    /// The request, of `fields` as [`checked_fields`](Self::checked_fields) gave them.
    ///
    /// # Panics
    /// If the core refuses it.
    #[must_use]
    pub fn request<'a>(&'a self, fields: &'a [Field<'a>]) -> Request<'a> {
        let url = Url::parse(&self.url).expect("a valid URL");
        Request::new(&self.method, url, fields, self.body.length()).expect("a valid request")
    }
}

fn checked(fields: &[(String, String)]) -> Vec<Field<'_>> {
    fields
        .iter()
        .map(|(name, value)| Field::new(name, value.as_bytes()).expect("a valid field"))
        .collect()
}

impl Origin {
    /// Whether the connection is refused.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.steps.first() == Some(&Step::Refuse)
    }

    /// Everything that it sends, joined.
    #[must_use]
    pub fn sent(&self) -> Vec<u8> {
        let sent = self.steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes.as_slice()),
            Step::Expect(_)
            | Step::Wait(_)
            | Step::Close
            | Step::Reset
            | Step::Refuse
            | Step::Next => None,
        });
        sent.collect::<Vec<_>>().concat()
    }
}

impl Body {
    /// A body of unknown length, in these pieces.
    #[must_use]
    pub fn pieces<const N: usize>(pieces: [&str; N]) -> Self {
        Self::Pieces(pieces.map(|piece| piece.as_bytes().to_vec()).into())
    }

    /// Its length, as a request says it.
    #[must_use]
    pub fn length(&self) -> BodyLength {
        match self {
            Self::None => BodyLength::None,
            Self::Bytes(bytes) => BodyLength::Known(bytes.len() as u64),
            Self::Pieces(_) => BodyLength::Unknown,
        }
    }

    /// All of its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Pieces(pieces) => pieces.concat(),
        }
    }

    /// How many bytes its source has at hand from offset `from` on, in one piece; 0 at the end.
    #[must_use]
    pub fn at_hand(&self, from: u64) -> usize {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let pieces = match self {
            Self::None => return 0,
            Self::Bytes(bytes) => return bytes.len().saturating_sub(from),
            Self::Pieces(pieces) => pieces,
        };
        let mut end = 0;
        for piece in pieces {
            end += piece.len();
            if end > from {
                return end - from;
            }
        }
        0
    }
}
