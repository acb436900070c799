//! Every call of what is made of text and bytes: URLs, requests, responses, chunks.

use core::fmt::{self, Write};
use core::hint::black_box;

use sortie_core::{
    ChunkedDecoder, Error, Field, Request, RequestError, RequestHead, ResponseHead, Run, Scheme,
    Url, UrlError, UrlParts,
};

use crate::{Arguments, call};

pub(crate) fn calls(with: &mut Arguments<'_>) {
    url(with);
    request(with);
    response(with);
    chunks(with);
    errors(with);
    formats(with);
}

fn url(with: &mut Arguments<'_>) {
    call!(with, Url::parse(with.text));
    call!(with, Url::from_ascii(with.bytes));
    call!(with, UrlParts::parse(with.text));
    call!(with, UrlParts::is_same_origin(&with.url_parts, with.bytes, &with.url));
    call!(with, Url::from_parts(with.text, with.url_parts));
    call!(with, Url::parts(&with.url));
    call!(with, Url::as_str(&with.url));
    call!(with, Url::as_bytes(&with.url));
    call!(with, Url::scheme(&with.url));
    call!(with, Url::host(&with.url));
    call!(with, Url::port(&with.url));
    call!(with, Url::authority(&with.url));
    call!(with, Url::user_info(&with.url));
    call!(with, Url::path_and_query(&with.url));
    call!(with, Url::fragment(&with.url));
    call!(with, Url::resolve(&with.url, with.input, with.bytes));
    call!(with, Url::same_origin(&with.url, &with.request.url()));
    call!(with, Scheme::default_port(with.scheme));
    call!(with, Scheme::is_secure(with.scheme));
    call!(with, Scheme::is_http(with.scheme));
}

fn request(with: &mut Arguments<'_>) {
    call!(with, Field::new(with.text, with.input));
    call!(with, Field::name(&with.field));
    call!(with, Field::value(&with.field));
    call!(with, Request::new(with.text, with.url, with.fields, with.body));
    call!(with, Request::method(&with.request));
    call!(with, Request::url(&with.request));
    call!(with, Request::fields(&with.request));
    call!(with, Request::body(&with.request));
    call!(with, RequestHead::new(with.borrowed_request));
}

fn response(with: &mut Arguments<'_>) {
    call!(with, ResponseHead::new(with.input, with.slots));
    call!(with, ResponseHead::list(with.input, with.index));
    call!(with, ResponseHead::as_bytes(&with.response_head));
    call!(with, ResponseHead::status(&with.response_head));
    call!(with, ResponseHead::minor_version(&with.response_head));
    call!(with, ResponseHead::reason(&with.response_head));
    call!(with, ResponseHead::value(&with.response_head, with.text));
    call!(with, "ResponseHead::fields", {
        for field in ResponseHead::fields(&with.response_head) {
            black_box(field);
        }
    });
    call!(with, "ResponseHead::values", {
        for value in ResponseHead::values(&with.response_head, with.text) {
            black_box(value);
        }
    });
}

fn chunks(with: &mut Arguments<'_>) {
    call!(with, with.decoder = ChunkedDecoder::new());
    call!(with, with.decoder = ChunkedDecoder::default());
    call!(with, ChunkedDecoder::is_finished(&with.decoder));
    call!(with, ChunkedDecoder::next_run(&mut with.decoder, with.input));
    call!(with, ChunkedDecoder::decode_in_place(&mut with.decoder, with.bytes));
    call!(with, Run::consumed(with.run));
}

fn errors(with: &mut Arguments<'_>) {
    call!(with, Error::code(with.error));
    call!(with, Error::keeps_content(with.error));
    call!(with, RequestError::code(with.request_error));
    call!(with, UrlError::code(with.url_error));
}

pub(crate) struct Sink;

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        black_box(Ok(()))
    }
}

/// The texts of errors, and the `Debug` that is written by hand and quotes no text: the quotes are
/// of core::fmt, which can panic.
fn formats(with: &mut Arguments<'_>) {
    call!(with, write!(Sink, "{} {:?}", with.error, with.error));
    call!(with, write!(Sink, "{}", with.misuse));
    call!(with, write!(Sink, "{} {:?}", with.inspect_error, with.inspect_error));
    call!(with, write!(Sink, "{}", with.full));
    call!(with, write!(Sink, "{}", with.request_error));
    call!(with, write!(Sink, "{}", with.url_error));
    call!(with, write!(Sink, "{} {:?}", with.resolve_error, with.resolve_error));
    call!(with, write!(Sink, "{:?}", with.field));
    call!(with, write!(Sink, "{:?}", with.url));
}
