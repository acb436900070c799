//! Every call for the resumption of downloads.

use core::fmt::Write;

use sortie_core::{
    ContentRange, RangeFields, ResumeData, ResumeDataError, Resumption, Validator, http_date,
    judge, repr_digest_sha256,
};

use crate::messages::Sink;
use crate::{Arguments, call};

pub(crate) fn calls(with: &mut Arguments<'_>) {
    fields(with);
    data(with);
    formats(with);
}

fn fields(with: &mut Arguments<'_>) {
    call!(with, http_date(with.input));
    call!(with, repr_digest_sha256(&with.response_head));
    call!(with, ContentRange::parse(with.input));
    call!(with, Validator::of(&with.response_head));
    call!(with, Validator::parse(with.input));
    call!(with, Validator::as_field_value(&with.validator));
    call!(with, with.range_fields = RangeFields::new(&with.resume_data));
    call!(with, RangeFields::range(&with.range_fields));
    call!(with, RangeFields::fields(&with.range_fields));
    call!(with, judge(&with.resume_data, &with.response_head));
}

fn data(with: &mut Arguments<'_>) {
    call!(with, ResumeData::new(with.text, with.validator, with.count, with.total));
    call!(with, ResumeData::of(with.text, &with.response_head, with.count));
    call!(with, ResumeData::with_received(with.resume_data, with.count, with.total));
    call!(with, ResumeData::url(&with.resume_data));
    call!(with, ResumeData::validator(&with.resume_data));
    call!(with, ResumeData::received(&with.resume_data));
    call!(with, ResumeData::total(&with.resume_data));
    call!(with, Resumption::data(&ResumeData::resumption(&with.resume_data)));
    call!(with, ResumeData::encoded_length(&with.resume_data));
    call!(with, ResumeData::encode(&with.resume_data, with.bytes));
    call!(with, ResumeData::decode(with.input));
    call!(with, ResumeDataError::code(with.resume_data_error));
}

fn formats(with: &mut Arguments<'_>) {
    call!(with, write!(Sink, "{} {:?}", with.resume_data_error, with.resume_data_error));
    call!(with, write!(Sink, "{}", with.buffer_too_small));
    call!(with, write!(Sink, "{:?}", with.validator));
    call!(with, write!(Sink, "{:?}", with.resume_data));
    call!(with, write!(Sink, "{:?}", with.resume_data.resumption()));
    call!(with, write!(Sink, "{:?}", with.range_fields));
}
