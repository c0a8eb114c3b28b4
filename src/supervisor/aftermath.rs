//! What an ending leads to: each HTTP status that an endpoint may answer the WebSocket upgrade with, and each
//! code that it may close with, in one table. docs/connections.md shows it.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What the end of an attempt or session means for its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// Tried again in the next round, after the back-off.
    Retry,
    /// It asked to be left alone. The group's other endpoints go on, and go first.
    Busy {
        /// For how long (`Retry-After`); `None` for as long as the back-off says.
        after: Option<Duration>,
    },
    /// The token is not accepted (`valid: false` is this, too): tried again only after `connectionInfo.period`.
    Refused,
}

/// What the peer ended an attempt or session with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The upgrade was answered with one of these HTTP statuses instead of 101.
    Upgrade(RangeInclusive<u16>),
    /// Closed with one of these codes before the answer to CONNECT.
    CloseBeforeAnswer(RangeInclusive<u16>),
    /// Closed with one of these codes, before the answer to CONNECT or later.
    Close(RangeInclusive<u16>),
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// What happened.
    pub ending: Ending,
    /// What it leads to.
    pub aftermath: Aftermath,
    /// What it means, and why that follows.
    pub meaning: &'static str,
}

const BUSY: Aftermath = Aftermath::Busy { after: None };

/// The first row that fits counts.
pub const TABLE: &[Row] = &[
    Row {
        ending: Ending::Upgrade(300..=399),
        aftermath: Aftermath::Retry,
        meaning: "A redirect. It is not followed: the token belongs to the endpoint that was added.",
    },
    Row {
        ending: Ending::Upgrade(401..=401),
        aftermath: Aftermath::Refused,
        meaning: "Not authenticated. Asking again with the same token will hardly help.",
    },
    Row { ending: Ending::Upgrade(403..=403), aftermath: Aftermath::Refused, meaning: "Not allowed in; as 401." },
    Row {
        ending: Ending::Upgrade(429..=429),
        aftermath: BUSY,
        meaning: "Too many requests; `Retry-After` may say when to come back.",
    },
    Row {
        ending: Ending::Upgrade(503..=503),
        aftermath: BUSY,
        meaning: "Overloaded or in maintenance; `Retry-After` may say when to come back.",
    },
    Row {
        ending: Ending::Upgrade(0..=u16::MAX),
        aftermath: Aftermath::Retry,
        meaning: "Any other status: a wrong path, a gateway without its application, a server in trouble.",
    },
    Row {
        ending: Ending::CloseBeforeAnswer(1008..=1008),
        aftermath: Aftermath::Refused,
        meaning: "Against the peer's policy before CONNECT was answered: it can only be about who we are.",
    },
    Row { ending: Ending::Close(1000..=1000), aftermath: Aftermath::Retry, meaning: "Finished, as the peer sees it." },
    Row { ending: Ending::Close(1001..=1001), aftermath: Aftermath::Retry, meaning: "The peer is going away." },
    Row { ending: Ending::Close(1005..=1005), aftermath: Aftermath::Retry, meaning: "Closed without a code." },
    Row { ending: Ending::Close(1006..=1006), aftermath: Aftermath::Retry, meaning: "Lost without a close frame." },
    Row {
        ending: Ending::Close(1008..=1008),
        aftermath: Aftermath::Retry,
        meaning: "Against the peer's policy in a session whose token was accepted: about what was sent, then.",
    },
    Row { ending: Ending::Close(1011..=1011), aftermath: Aftermath::Retry, meaning: "An error inside the peer." },
    Row { ending: Ending::Close(1012..=1012), aftermath: Aftermath::Retry, meaning: "The peer is restarting." },
    Row { ending: Ending::Close(1013..=1013), aftermath: BUSY, meaning: "The peer asks to try again later." },
    Row {
        ending: Ending::Close(4401..=4401),
        aftermath: Aftermath::Refused,
        meaning: "Not authenticated, as HTTP 401: the token is not accepted, or no longer.",
    },
    Row { ending: Ending::Close(4403..=4403), aftermath: Aftermath::Refused, meaning: "Not allowed in; as 4401." },
    Row { ending: Ending::Close(0..=u16::MAX), aftermath: Aftermath::Retry, meaning: "Any other code." },
];

impl Aftermath {
    /// Of an upgrade that was answered with this HTTP status; `retry_after` is what the header of that name says.
    pub fn of_upgrade(status: u16, retry_after: Option<Duration>) -> Aftermath {
        let row = TABLE.iter().find(|row| matches!(&row.ending, Ending::Upgrade(range) if range.contains(&status)));
        match row.map(|row| row.aftermath) {
            Some(Aftermath::Busy { .. }) => Aftermath::Busy { after: retry_after },
            other => other.unwrap_or(Aftermath::Retry),
        }
    }

    /// Of a connection that the peer closed with this code; `was_established`: after `valid: true`.
    pub fn of_close(code: u16, was_established: bool) -> Aftermath {
        let fits = |row: &&Row| match &row.ending {
            Ending::Close(range) => range.contains(&code),
            Ending::CloseBeforeAnswer(range) => !was_established && range.contains(&code),
            Ending::Upgrade(_) => false,
        };
        TABLE.iter().find(fits).map_or(Aftermath::Retry, |row| row.aftermath)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_and_code_has_its_aftermath() {
        let after = Some(Duration::from_secs(7));
        for (status, expected) in [
            (200, Aftermath::Retry),
            (302, Aftermath::Retry),
            (400, Aftermath::Retry),
            (401, Aftermath::Refused),
            (403, Aftermath::Refused),
            (404, Aftermath::Retry),
            (426, Aftermath::Retry),
            (429, Aftermath::Busy { after }),
            (500, Aftermath::Retry),
            (503, Aftermath::Busy { after }),
            (504, Aftermath::Retry),
        ] {
            assert_eq!(Aftermath::of_upgrade(status, after), expected, "{status}");
        }
        assert_eq!(Aftermath::of_upgrade(503, None), BUSY);
        for code in [0, 1000, 1001, 1005, 1006, 1011, 1012, 1015, 3000, 4000, 4402, u16::MAX] {
            assert_eq!(Aftermath::of_close(code, true), Aftermath::Retry, "{code}");
            assert_eq!(Aftermath::of_close(code, false), Aftermath::Retry, "{code}");
        }
        for (code, established, expected) in [
            (1008, false, Aftermath::Refused),
            (1008, true, Aftermath::Retry),
            (1013, true, BUSY),
            (4401, false, Aftermath::Refused),
            (4401, true, Aftermath::Refused),
            (4403, true, Aftermath::Refused),
        ] {
            assert_eq!(Aftermath::of_close(code, established), expected, "{code}");
        }
    }

    #[test]
    fn no_row_is_hidden_by_one_before_it() {
        let is_hidden = |row: &Row, before: &Row| match (&row.ending, &before.ending) {
            (Ending::Upgrade(range), Ending::Upgrade(other))
            | (Ending::Close(range) | Ending::CloseBeforeAnswer(range), Ending::Close(other))
            | (Ending::CloseBeforeAnswer(range), Ending::CloseBeforeAnswer(other)) => {
                other.contains(range.start()) && other.contains(range.end())
            }
            _ => false,
        };
        for (index, row) in TABLE.iter().enumerate() {
            assert!(!TABLE[..index].iter().any(|before| is_hidden(row, before)), "{row:?}");
        }
    }
}
