//! The check of certificates that devices have, beside that of rustls: whatever ours accepts,
//! rustls-webpki accepts, with the same key. What only theirs accepts is listed, with reasons.

mod cases;
mod chain;
mod der;
mod mutations;

use chain::Chain;

/// What both think: ours, theirs. That ours accepts what theirs does not is the failure.
fn judge(chain: &Chain, what: &dyn Fn() -> String) -> (bool, bool) {
    let (ours, theirs) = (chain.ours(), chain.theirs());
    match (&ours, &theirs) {
        (Ok(own), Ok(other)) => assert_eq!(own[..], other[..], "{}", what()),
        (Ok(_), Err(why)) => panic!("{}: only ours accepts it, and theirs not: {why}", what()),
        (Err(_), _) => {}
    }
    (ours.is_ok(), theirs.is_ok())
}
