//! ureq-proto, driven as its documentation says.

use http::Request;
use ureq_proto::client::{
    Call, RecvBodyResult, RecvResponseResult, SendRequestResult, state::RecvBody,
};

use super::{Response, Verdict, of_http};

/// What ureq-proto makes of it, and whether it would keep the connection.
///
/// # Panics
/// If it panics, or sends a body that there is not.
#[must_use]
pub fn by_ureq(method: &str, mut input: &[u8]) -> (Verdict, bool) {
    let request = Request::builder().method(method).uri("http://a/").body(()).expect("a request");
    let mut call = Call::new(request).expect("a call").proceed();
    call.write(&mut [0; 256]).expect("room");
    let Ok(Some(SendRequestResult::RecvResponse(mut call))) = call.proceed() else {
        panic!("there is no body");
    };
    let response = loop {
        match call.try_response(input, false) {
            Err(_) | Ok((0, None)) => return (Verdict::Refused, false),
            Ok((interim, None)) => input = &input[interim..],
            Ok((head, Some(response))) => {
                input = &input[head..];
                break of_http(&response);
            }
        }
    };
    match call.proceed() {
        None => panic!("the head was there"),
        Some(RecvResponseResult::Cleanup(call)) => {
            (Verdict::Whole(response), !call.must_close_connection() && input.is_empty())
        }
        Some(RecvResponseResult::Redirect(call)) => {
            (Verdict::Whole(response), !call.must_close_connection() && input.is_empty())
        }
        Some(RecvResponseResult::RecvBody(call)) => body(call, input, response),
    }
}

fn body(mut call: Call<RecvBody>, mut input: &[u8], mut response: Response) -> (Verdict, bool) {
    let mut output = [0; 512];
    loop {
        match call.read(input, &mut output) {
            Err(_) => return (Verdict::Broken(response), false),
            Ok((taken, content)) => {
                response.content.extend(&output[..content]);
                input = &input[taken..];
                if taken == 0 && content == 0 {
                    break;
                }
            }
        }
    }
    let is_closed = match call.proceed() {
        None => return (Verdict::Broken(response), false),
        Some(RecvBodyResult::Cleanup(call)) => call.must_close_connection(),
        Some(RecvBodyResult::Redirect(call)) => call.must_close_connection(),
    };
    (Verdict::Whole(response), !is_closed && input.is_empty())
}
