//! The check of certificates that devices have, beside that of rustls: whatever ours accepts,
//! rustls-webpki accepts, with the same key. What only theirs accepts is listed, with reasons.

mod cases;
mod chain;
mod der;
mod judge;
mod mutations;
