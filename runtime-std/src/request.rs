//! Requests that own what they are made of.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use sortie_core::{BodyLength, Field, Rewrite, Scheme, Url, UrlError, UrlParts, field};

use crate::error::Error;

/// A request: method, URL, fields and body. Cheap to clone; a task keeps the value it was given.
///
/// ```
/// let request = sortie::Request::new("POST", "http://127.0.0.1/telemetry")?
///     .field("Content-Type", "application/json")?
///     .body(r#"{"celsius":21.5}"#)?;
/// assert_eq!(request.method(), "POST");
/// # Ok::<(), sortie::Error>(())
/// ```
#[derive(Clone)]
pub struct Request {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    method: Cow<'static, str>,
    url: String,
    parts: UrlParts,
    fields: Vec<(String, Vec<u8>)>,
    body: RequestBody,
    /// The method is the caller's choice, not that of whoever gave a URL alone.
    has_method: bool,
    /// Whether the caller set these, so that ours are left out.
    has_user_agent: bool,
    has_accept: bool,
}

/// The body of a request.
#[derive(Clone)]
enum RequestBody {
    None,
    Bytes(Vec<u8>),
    /// From the source of an upload task; its length, if it is known.
    Streamed(Option<u64>),
}

impl RequestBody {
    const fn length(&self) -> BodyLength {
        match self {
            Self::None => BodyLength::None,
            Self::Bytes(bytes) => BodyLength::Known(bytes.len() as u64),
            Self::Streamed(Some(length)) => BodyLength::Known(*length),
            Self::Streamed(None) => BodyLength::Unknown,
        }
    }
}

/// Sent where the caller sets no such field.
const USER_AGENT: Field<'static> =
    field!("User-Agent", concat!("sortie/", env!("CARGO_PKG_VERSION")));
const ACCEPT: Field<'static> = field!("Accept", "*/*");

impl Request {
    /// A request without fields and body.
    ///
    /// # Errors
    /// The method is not a token, or the URL is not one that a task can be made for.
    pub fn new(method: &str, url: &str) -> Result<Self, Error> {
        let parts = UrlParts::parse(url).map_err(|why| Error::url(url, why))?;
        if matches!(Url::from_parts(url, parts).scheme(), Scheme::Ws | Scheme::Wss) {
            // There are no WebSocket tasks here yet; a GET instead would be something else.
            return Err(Error::url(url, UrlError::UnsupportedScheme));
        }
        let request = Self {
            inner: Arc::new(Inner {
                method: Cow::Borrowed("GET"),
                url: url.to_owned(),
                parts,
                fields: Vec::new(),
                body: RequestBody::None,
                has_method: true,
                has_user_agent: false,
                has_accept: false,
            }),
        };
        request.checked(|inner| {
            let checked = sortie_core::Request::new(
                method,
                Url::from_parts(url, parts),
                &[],
                BodyLength::None,
            )?;
            inner.method = Cow::Owned(checked.method().to_owned());
            Ok(())
        })
    }

    /// A `GET` request.
    ///
    /// # Errors
    /// The URL is not one that a task can be made for.
    pub fn get(url: &str) -> Result<Self, Error> {
        Self::new("GET", url)
    }

    /// Adds a field, behind those of the same name.
    ///
    /// # Errors
    /// The name is not a token, the value has a control character, or the field contradicts the
    /// request, such as a second `Host`. The request is lost then; nothing is sent.
    pub fn field(self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, Error> {
        let value = value.as_ref();
        self.checked(|inner| {
            Field::new(name, value)?;
            inner.has_user_agent |= name.eq_ignore_ascii_case(USER_AGENT.name());
            inner.has_accept |= name.eq_ignore_ascii_case(ACCEPT.name());
            inner.fields.push((name.to_owned(), value.to_owned()));
            Ok(())
        })
    }

    /// Sets the body. It is shared, not copied, by the clones of the request.
    ///
    /// # Errors
    /// The method takes no body, or a `Content-Length` that was set contradicts it.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let body = body.into();
        self.checked(|inner| {
            inner.body = RequestBody::Bytes(body);
            Ok(())
        })
    }

    /// Sets a body that comes from elsewhere.
    pub(crate) fn streamed(self, length: Option<u64>) -> Result<Self, Error> {
        self.checked(|inner| {
            inner.body = RequestBody::Streamed(length);
            Ok(())
        })
    }

    /// The request for an upload: a URL alone is posted to.
    pub(crate) fn for_upload(mut self) -> Self {
        if !self.inner.has_method {
            Arc::make_mut(&mut self.inner).method = Cow::Borrowed("POST");
        }
        self
    }

    /// A `GET`, where nobody named a method.
    fn of_url(url: &str) -> Result<Self, Error> {
        let mut request = Self::get(url)?;
        Arc::make_mut(&mut request.inner).has_method = false;
        Ok(request)
    }

    pub(crate) fn is_streamed(&self) -> bool {
        matches!(self.inner.body, RequestBody::Streamed(_))
    }

    /// The request as redirects have made it, to where the last one led.
    pub(crate) fn redirected(&self, url: &str, parts: UrlParts, rewrite: Rewrite) -> Self {
        let mut request = self.clone();
        let inner = Arc::make_mut(&mut request.inner);
        inner.url = url.to_owned();
        inner.parts = parts;
        if rewrite.becomes_get {
            inner.method = Cow::Borrowed("GET");
            inner.body = RequestBody::None;
        }
        inner.fields.retain(|(name, value)| {
            Field::new(name, value).is_ok_and(|field| rewrite.keeps(&field))
        });
        request
    }

    /// The fields that the caller set, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.inner.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// With those of `fields` whose names it has not.
    pub(crate) fn with_additional(mut self, fields: &[(String, Vec<u8>)]) -> Result<Self, Error> {
        for (name, value) in fields {
            if !self.fields().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                self = self.field(name, value)?;
            }
        }
        Ok(self)
    }

    /// Another request to `url`, with everything else as it is.
    ///
    /// # Errors
    /// The URL is not one that a task can be made for.
    pub fn with_url(mut self, url: &str) -> Result<Self, Error> {
        let parts = UrlParts::parse(url).map_err(|why| Error::url(url, why))?;
        let inner = Arc::make_mut(&mut self.inner);
        inner.url = url.to_owned();
        inner.parts = parts;
        Ok(self)
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.inner.method
    }

    /// The URL, as text.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    pub(crate) fn target(&self) -> Url<'_> {
        Url::from_parts(&self.inner.url, self.inner.parts)
    }

    /// The bytes of the body from `from` on.
    pub(crate) fn body_from(&self, from: u64) -> &[u8] {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        match &self.inner.body {
            RequestBody::Bytes(body) => body.get(from..).unwrap_or_default(),
            RequestBody::None | RequestBody::Streamed(_) => &[],
        }
    }

    /// Lends the request to the core, with our own fields before the caller's.
    pub(crate) fn lend<R>(
        &self,
        to: impl FnOnce(&sortie_core::Request<'_>) -> R,
    ) -> Result<R, sortie_core::RequestError> {
        const FEW: usize = 8;
        let inner = &*self.inner;
        let body = inner.body.length();
        let lend = |fields: &[Field<'_>]| {
            sortie_core::Request::new(&inner.method, self.target(), fields, body)
                .map(|request| to(&request))
        };
        if inner.fields.is_empty() {
            return lend(&[USER_AGENT, ACCEPT]);
        }
        // Few fields, as nearly always, need no allocation.
        let mut few = [ACCEPT; FEW];
        let fields = self.all_fields();
        if inner.fields.len() + 2 > FEW {
            return lend(&fields.collect::<Result<Vec<_>, _>>()?);
        }
        let mut count = 0;
        for (slot, field) in few.iter_mut().zip(fields) {
            *slot = field?;
            count += 1;
        }
        lend(&few[..count])
    }

    fn all_fields(&self) -> impl Iterator<Item = Result<Field<'_>, sortie_core::RequestError>> {
        let inner = &*self.inner;
        let user_agent = (!inner.has_user_agent).then_some(Ok(USER_AGENT));
        let accept = (!inner.has_accept).then_some(Ok(ACCEPT));
        let own = inner.fields.iter().map(|(name, value)| Field::new(name, value));
        user_agent.into_iter().chain(accept).chain(own)
    }

    /// Changes the request and checks the outcome, at the door.
    fn checked(
        mut self,
        change: impl FnOnce(&mut Inner) -> Result<(), sortie_core::RequestError>,
    ) -> Result<Self, Error> {
        let changed = change(Arc::make_mut(&mut self.inner));
        match changed.and_then(|()| self.lend(|_| ())) {
            Ok(()) => Ok(self),
            Err(why) => Err(Error::request(&self.inner.url, why)),
        }
    }
}

impl fmt::Debug for Request {
    /// Method and host; fields, query and body may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {:?})", self.method(), self.target().authority())
    }
}

impl TryFrom<&str> for Request {
    type Error = Error;

    fn try_from(url: &str) -> Result<Self, Error> {
        Self::of_url(url)
    }
}

impl TryFrom<&String> for Request {
    type Error = Error;

    fn try_from(url: &String) -> Result<Self, Error> {
        Self::of_url(url)
    }
}

impl From<&Self> for Request {
    fn from(request: &Self) -> Self {
        request.clone()
    }
}
