//! Which task gets a connection that a program lends to its tasks, one after the other.

use super::scheduler::How;
use crate::error::Transport;
use crate::task::output::Wish;
use crate::url::Scheme;

/// How far a connection is that tasks are lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LoanState {
    /// No task had it. Exits: `Used`, `Over`.
    New,
    /// A task has it. Exits: `Idle`, `Over`.
    Used,
    /// It is open, and the last exchange has ended in order. Exits: `Used`, `Over`.
    Idle,
    /// It was closed, broke, or may be in the middle of anything.
    Over,
}

/// What is known of a connection that tasks are lent, when one of them asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Loan {
    /// How far it is.
    pub state: LoanState,
    /// Whether it is secure, or will be when it is opened.
    pub is_secure: bool,
    /// Whether it leads to the origin of the task, or will. Where that is forgotten with the end of
    /// it: whether no redirect has led the task elsewhere, see [`rewrite`](crate::Task::rewrite).
    pub leads_there: bool,
}

impl Loan {
    /// Lends it to a task with a URL of this scheme, as it is or still to be opened.
    ///
    /// # Errors
    /// What the task fails with. Nothing of it may be sent, and the connection stays what it is.
    pub const fn grant(self, wish: Wish, scheme: Scheme) -> Result<How, Transport> {
        match (scheme.is_secure(), self.is_secure) {
            // Never in plaintext what is to be secure.
            (true, false) => return Err(Transport::TlsUnavailable),
            // Nothing else through what is: the server is to see what it is.
            (false, true) => return Err(Transport::OtherOrigin),
            (true, true) | (false, false) => {}
        }
        // Also where it is over: another one to the same origin would not help.
        if !self.leads_there {
            return Err(Transport::OtherOrigin);
        }
        match (self.state, wish) {
            (LoanState::New, Wish::Any | Wish::New) => Ok(How::Open),
            (LoanState::Idle, Wish::Any) => Ok(How::Reuse),
            // There is no other one.
            (LoanState::Idle, Wish::New) => Err(Transport::NoResponse),
            (LoanState::Used | LoanState::Over, Wish::Any | Wish::New) => {
                Err(Transport::NoResponse)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [(Scheme, bool); 4] =
        [(Scheme::Http, false), (Scheme::Https, true), (Scheme::Ws, false), (Scheme::Wss, true)];

    const STATES: [LoanState; 4] =
        [LoanState::New, LoanState::Used, LoanState::Idle, LoanState::Over];

    /// Calls `f` with every loan.
    fn each(mut f: impl FnMut(Loan)) {
        for state in STATES {
            for (is_secure, leads_there) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                f(Loan { state, is_secure, leads_there });
            }
        }
    }

    #[test]
    fn what_is_to_be_secure_is_never_granted_a_connection_that_is_not() {
        each(|loan| {
            for (scheme, is_secure) in SCHEMES {
                for wish in [Wish::Any, Wish::New] {
                    let refused = loan.grant(wish, scheme) == Err(Transport::TlsUnavailable);
                    assert_eq!(refused, is_secure && !loan.is_secure, "{loan:?} {scheme:?}");
                }
            }
        });
    }

    #[test]
    fn a_task_for_another_origin_is_told_so_in_whatever_state_the_connection_is() {
        each(|loan| {
            for (scheme, is_secure) in SCHEMES {
                for wish in [Wish::Any, Wish::New] {
                    let refused = loan.grant(wish, scheme) == Err(Transport::OtherOrigin);
                    let is_other = match is_secure {
                        true => loan.is_secure && !loan.leads_there,
                        false => loan.is_secure || !loan.leads_there,
                    };
                    assert_eq!(refused, is_other, "{loan:?} {scheme:?}");
                }
            }
        });
    }

    #[test]
    fn a_connection_to_the_right_origin_is_granted_until_it_is_over() {
        let wanted = [
            (LoanState::New, Wish::Any, Ok(How::Open)),
            (LoanState::New, Wish::New, Ok(How::Open)),
            (LoanState::Idle, Wish::Any, Ok(How::Reuse)),
            (LoanState::Idle, Wish::New, Err(Transport::NoResponse)),
            (LoanState::Used, Wish::Any, Err(Transport::NoResponse)),
            (LoanState::Used, Wish::New, Err(Transport::NoResponse)),
            (LoanState::Over, Wish::Any, Err(Transport::NoResponse)),
            (LoanState::Over, Wish::New, Err(Transport::NoResponse)),
        ];
        for (state, wish, outcome) in wanted {
            for (scheme, is_secure) in SCHEMES {
                let loan = Loan { state, is_secure, leads_there: true };
                assert_eq!(loan.grant(wish, scheme), outcome, "{loan:?} {wish:?} {scheme:?}");
            }
        }
    }
}
