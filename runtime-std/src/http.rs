//! Conversions to and from the types of the `http` crate.
//!
//! What is given to us is judged by us, and fails as [`Error`]; what leaves us is judged by `http`,
//! and fails as [`http::Error`]. Names of fields are lower case there, which means the same. Fields
//! of the same name keep their order, and none is joined or lost.

use std::borrow::Cow;

use bytes::Bytes;

use crate::error::Error;
use crate::request::Request;
use crate::response::Response;

/// What can be the content of an [`http::Request`] that becomes a [`Request`]. Empty content is
/// none.
pub trait IntoContent {
    /// The content.
    fn into_content(self) -> Vec<u8>;
}

impl IntoContent for () {
    fn into_content(self) -> Vec<u8> {
        Vec::new()
    }
}

impl<T: IntoContent> IntoContent for Option<T> {
    fn into_content(self) -> Vec<u8> {
        self.map(T::into_content).unwrap_or_default()
    }
}

/// Implements it for what a `Vec<u8>` can be made from.
macro_rules! into_content {
    ($($type:ty),*) => {$(
        impl IntoContent for $type {
            fn into_content(self) -> Vec<u8> {
                self.into()
            }
        }
    )*};
}

into_content!(Vec<u8>, &[u8], Box<[u8]>, Cow<'_, [u8]>, String, &str, Bytes);

impl<B: IntoContent> TryFrom<http::Request<B>> for Request {
    type Error = Error;

    /// Method, URL, fields and content. The URI must be absolute. The version is not looked at,
    /// since every request is sent as HTTP/1.1, and extensions are left behind.
    ///
    /// # Errors
    /// The URI is not one that a task can be made for, or the request contradicts itself: see
    /// [`Request::field`] and [`Request::body`].
    fn try_from(request: http::Request<B>) -> Result<Self, Error> {
        let (parts, content) = request.into_parts();
        let content = content.into_content();
        let request = Self::try_from((parts.method, parts.uri))?;
        // Before the fields, of which one may tell its length.
        let request = match content.is_empty() {
            true => request,
            false => request.body(content)?,
        };
        request.with_fields(&parts.headers)
    }
}

impl TryFrom<(http::Method, http::Uri)> for Request {
    type Error = Error;

    /// A request without fields and body.
    fn try_from((method, uri): (http::Method, http::Uri)) -> Result<Self, Error> {
        Self::new(method.as_str(), &uri.to_string())
    }
}

impl TryFrom<&http::Uri> for Request {
    type Error = Error;

    /// As from a URL that is text.
    fn try_from(uri: &http::Uri) -> Result<Self, Error> {
        Self::try_from(uri.to_string().as_str())
    }
}

impl TryFrom<http::Uri> for Request {
    type Error = Error;

    /// As from a URL that is text.
    fn try_from(uri: http::Uri) -> Result<Self, Error> {
        Self::try_from(&uri)
    }
}

impl Request {
    /// Adds the fields of a map, behind those that there are. Those of the same name keep their
    /// order.
    ///
    /// # Errors
    /// As [`field`](Self::field).
    pub fn with_fields(self, fields: &http::HeaderMap) -> Result<Self, Error> {
        fields
            .iter()
            .try_fold(self, |request, (name, value)| request.field(name.as_str(), value.as_bytes()))
    }
}

impl TryFrom<&Request> for http::Request<Vec<u8>> {
    type Error = http::Error;

    /// Method, URL, the fields that the caller set, and the body, if it is in memory: what comes
    /// from the source of an upload task is not here.
    ///
    /// # Errors
    /// The URL, or a field, is none for `http`.
    fn try_from(request: &Request) -> Result<Self, http::Error> {
        let builder = http::Request::builder().method(request.method()).uri(request.url());
        let builder =
            request.fields().fold(builder, |builder, (name, value)| builder.header(name, value));
        builder.body(request.body_from(0).to_vec())
    }
}

impl TryFrom<Request> for http::Request<Vec<u8>> {
    type Error = http::Error;

    fn try_from(request: Request) -> Result<Self, http::Error> {
        Self::try_from(&request)
    }
}

impl TryFrom<&Response> for http::HeaderMap {
    type Error = http::Error;

    /// All fields, in the order in which they came.
    ///
    /// # Errors
    /// A field is none for `http`.
    fn try_from(response: &Response) -> Result<Self, http::Error> {
        let mut fields = Self::with_capacity(response.fields().count());
        for (name, value) in response.fields() {
            let name = http::HeaderName::from_bytes(name.as_bytes())?;
            fields.try_append(name, http::HeaderValue::from_bytes(value)?)?;
        }
        Ok(fields)
    }
}

impl TryFrom<&Response> for http::Response<()> {
    type Error = http::Error;

    /// The head.
    ///
    /// # Errors
    /// A field is none for `http`.
    fn try_from(response: &Response) -> Result<Self, http::Error> {
        response.to_http(())
    }
}

impl TryFrom<Response> for http::Response<()> {
    type Error = http::Error;

    fn try_from(response: Response) -> Result<Self, http::Error> {
        response.to_http(())
    }
}

impl Response {
    /// The same as an [`http::Response`], with this content: what came with it, a
    /// [`Body`](crate::Body), or anything.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let session = sortie::Session::new();
    /// let (response, content) = session.data("http://127.0.0.1:8080/").await?;
    /// let response: http::Response<Vec<u8>> = response.to_http(content)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A field is none for `http`.
    pub fn to_http<B>(&self, content: B) -> Result<http::Response<B>, http::Error> {
        let mut response = http::Response::new(content);
        *response.status_mut() = http::StatusCode::from_u16(self.status())?;
        *response.version_mut() = match self.head().minor_version() {
            0 => http::Version::HTTP_10,
            _ => http::Version::HTTP_11,
        };
        *response.headers_mut() = http::HeaderMap::try_from(self)?;
        Ok(response)
    }
}
