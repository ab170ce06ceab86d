//! Checks that status, header and `Retry-After` come from one table, which is also the documentation.

use super::*;
use crate::fold::Unavailable;

type Row = (&'static str, fn(&[Status]) -> bool, [u16; 3]);

/// The documentation: how complete the answer is, and the code for `any`, `all` and `ok`.
const TABLE: [Row; 6] = [
    ("every symbol ok", |all| all.iter().all(|one| *one == Status::Ok), [200, 200, 200]),
    ("every symbol priced, some degraded", |all| all.iter().all(is_priced), [200, 200, 503]),
    ("some priced, a missing one may heal", |all| all.iter().any(is_priced) && heals(all), [200, 503, 503]),
    ("some priced, no missing one may heal", |all| all.iter().any(is_priced), [200, 404, 404]),
    ("none priced, one may heal", heals, [503, 503, 503]),
    ("none priced, all unknown or not covered", |_| true, [404, 404, 404]),
];

fn is_priced(status: &Status) -> bool {
    matches!(status, Status::Ok | Status::Degraded(_))
}

fn heals(statuses: &[Status]) -> bool {
    let heals = |status: &Status| matches!(status, Status::Unavailable(why) if *why != Unavailable::NotCovered);
    statuses.iter().any(heals)
}

#[test]
fn every_status_comes_from_one_table() {
    let mut seen = [0; TABLE.len()];
    for first in Status::ALL {
        for second in Status::ALL {
            for third in Status::ALL {
                let statuses = [first, second, third];
                let row = TABLE.iter().position(|(_, applies, _)| applies(&statuses)).unwrap();
                seen[row] += 1;
                let codes = [Require::Any, Require::All, Require::Ok].map(|require| code(&statuses, require));
                assert_eq!(codes, TABLE[row].2, "{}: {statuses:?}", TABLE[row].0);
                let expected = [
                    Completeness::Complete,
                    Completeness::Degraded,
                    Completeness::Partial,
                    Completeness::Partial,
                    Completeness::None,
                    Completeness::None,
                ];
                assert_eq!(Completeness::of(&statuses), expected[row]);
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "every row was met: {seen:?}");
}
