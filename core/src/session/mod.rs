//! What tasks of one session share: its connections, and the queue for them.

mod choice;
mod heap;
mod idle;
mod loan;
mod machine;
pub mod scheduler;
mod storage;

pub use choice::{Standing, choose};
pub use loan::{Loan, LoanState};
