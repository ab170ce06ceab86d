//! Finds the name that was probably meant where an unknown one stands.

/// The nearest of some names, if it is near: at most a third of its letters are wrong, missing, in excess, or swapped with their
/// neighbour. A name in other letters, large or small, is the nearest.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let names: Vec<&str> = names.collect();
    if let Some(same) = names.iter().copied().find(|name| name.eq_ignore_ascii_case(wrong)) {
        return Some(same);
    }
    let names = names.into_iter();
    let (distance, name) = names.map(|name| (strsim::osa_distance(wrong, name), name)).min()?;
    (distance <= name.chars().count().max(3) / 3).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let names = ["coinbase", "kraken", "yahoo", "jq"];
        assert_eq!(nearest("krakn", names.into_iter()), Some("kraken"));
        assert_eq!(nearest("coin-base", names.into_iter()), Some("coinbase"));
        assert_eq!(nearest("yhaoo", names.into_iter()), Some("yahoo"), "two letters that were swapped are one slip");
        assert_eq!(nearest("desk", names.into_iter()), None);
        assert_eq!(nearest("JQ", names.into_iter()), Some("jq"));
    }
}
