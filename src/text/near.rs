//! Finds the name somebody probably meant.

/// The nearest of some names, if it is near: at most a third of its letters are other ones.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|name| (distance(wrong, name), name)).min()?;
    (near.0 <= near.1.chars().count().max(3) / 3).then_some(near.1)
}

/// How many letters must be put in, taken out or replaced to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (column, with) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *with);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let names = ["coinbase", "kraken", "yahoo"];
        assert_eq!(nearest("krakn", names.into_iter()), Some("kraken"));
        assert_eq!(nearest("coin-base", names.into_iter()), Some("coinbase"));
        assert_eq!(nearest("desk", names.into_iter()), None);
    }
}
