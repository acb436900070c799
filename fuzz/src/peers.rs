//! What others make of a response: hyper, ureq-proto, and the core beside them.

mod core;
mod hyper;
mod ureq;

pub use self::core::by_core;
pub use self::hyper::by_hyper;
pub use self::ureq::by_ureq;

/// What somebody makes of a response that ends with its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The user gets no response.
    Refused,
    /// The user gets a response, and an error where its content should go on.
    Broken(Response),
    /// The user gets all of it.
    Whole(Response),
}

/// A response, as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub minor_version: u8,
    pub status: u16,
    /// Names in lower case, sorted; fields of one name in their order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// What came of it.
    pub content: Vec<u8>,
}

impl Verdict {
    /// Whether the user is told the same. Content before an error is more or less, as it was cut.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Broken(one), Self::Broken(another)) => {
                let (short, long) = match one.content.len() <= another.content.len() {
                    true => (one, another),
                    false => (another, one),
                };
                let all = Response { content: long.content.clone(), ..short.clone() };
                all == *long && long.content.starts_with(&short.content)
            }
            _ => self == other,
        }
    }

    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        match self {
            Self::Refused => None,
            Self::Broken(response) | Self::Whole(response) => Some(response),
        }
    }
}

fn sorted<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<_> =
        fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
    fields.sort_by(|one, another| one.0.cmp(&another.0));
    fields
}

fn of_http<B>(response: &http::Response<B>) -> Response {
    let fields = response.headers().iter();
    Response {
        minor_version: u8::from(response.version() != http::Version::HTTP_10),
        status: response.status().as_u16(),
        fields: sorted(fields.map(|(name, value)| (name.as_str(), value.as_bytes()))),
        content: Vec::new(),
    }
}
