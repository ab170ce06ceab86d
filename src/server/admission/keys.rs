//! Compares the key of a request with those that are set, in a time that reveals nothing about them.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use subtle::{ConditionallySelectable, ConstantTimeEq};

/// Which key a request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Shown {
    /// The server has no keys, so none is required.
    NoneRequired,
    /// No key, or a credential of another kind.
    Nothing,
    /// A key that is not one of the server's.
    Wrong,
    /// The key with this number.
    Known(u32),
}

impl Shown {
    /// Whether a request that shows it may ask for prices.
    pub(in crate::server) fn is_admitted(self) -> bool {
        matches!(self, Shown::NoneRequired | Shown::Known(_))
    }
}

/// The keys that are set.
#[derive(Debug)]
pub(in crate::server) struct Keys(Vec<SecretString>);

impl Keys {
    pub(in crate::server) fn new(keys: Vec<SecretString>) -> Self {
        Keys(keys)
    }

    /// Whether others are the same, in the same order.
    pub(in crate::server) fn are_those_of(&self, others: &Keys) -> bool {
        self.0.iter().map(ExposeSecret::expose_secret).eq(others.0.iter().map(ExposeSecret::expose_secret))
    }

    /// Reads `Authorization: Bearer KEY` (RFC 6750, section 2.1).
    pub(in crate::server) fn shown(&self, headers: &HeaderMap) -> Shown {
        if self.0.is_empty() {
            return Shown::NoneRequired;
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => bearer(value.as_bytes()).map_or(Shown::Nothing, |key| self.compare(key)),
            (None, _) => Shown::Nothing,
            // A proxy in front might pick the other one of the two.
            (Some(_), Some(_)) => Shown::Wrong,
        }
    }

    /// Compares every key to its end, so the time does not reveal how much of which key was right. It may reveal that a length
    /// was right, which does no harm: the length is not secret.
    fn compare(&self, shown: &[u8]) -> Shown {
        let mut found = u32::MAX;
        for (number, key) in (0..u32::MAX).zip(&self.0) {
            found.conditional_assign(&number, key.expose_secret().as_bytes().ct_eq(shown));
        }
        if found == u32::MAX { Shown::Wrong } else { Shown::Known(found) }
    }
}

/// The credential after the scheme; the name of the scheme is case-insensitive (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer".len())?;
    let key = rest.trim_ascii();
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && rest.starts_with(b" ") && !key.is_empty();
    is_bearer.then_some(key)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn shown(values: &[&str]) -> Shown {
        let keys = Keys::new(["the-first-of-the-keys", "the-second-of-them-all"].map(Into::into).into());
        let values = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()));
        keys.shown(&values.collect())
    }

    #[test]
    fn any_key_is_known_under_any_spelling_of_the_scheme() {
        for (value, number) in [
            ("Bearer the-first-of-the-keys", 0),
            ("bearer the-second-of-them-all", 1),
            ("BEARER   the-second-of-them-all ", 1),
        ] {
            assert_eq!(shown(&[value]), Shown::Known(number), "{value}");
        }
    }

    #[test]
    fn what_is_nearly_a_key_is_not_a_key() {
        for value in [
            "Bearer the-first-of-the-key",
            "Bearer the-first-of-the-keys2",
            "Bearer THE-FIRST-OF-THE-KEYS",
            "Bearer the-first-of-the-keys the-second-of-them-all",
            "Bearer x",
        ] {
            assert_eq!(shown(&[value]), Shown::Wrong, "{value}");
        }
        assert_eq!(shown(&["Bearer the-first-of-the-keys", "Bearer x"]), Shown::Wrong);
        for value in ["", "Bearer", "Bearer ", "Bearerthe-first-of-the-keys", "Basic dGhlLWZpcnN0LW9mLXRoZS1rZXlz"] {
            assert_eq!(shown(&[value]), Shown::Nothing, "{value}");
        }
        assert_eq!(shown(&[]), Shown::Nothing);
        assert_eq!(Keys::new(Vec::new()).shown(&HeaderMap::new()), Shown::NoneRequired);
    }
}
