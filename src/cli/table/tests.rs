//! What tables look like, and what is true of every table.

use proptest::prelude::*;

use super::*;
use crate::cli::lines::width;

/// A table with every kind of column, which gives way in every way.
fn fruit(rows: &[[&str; 5]]) -> Table {
    let columns = [
        Column::left("FRUIT"),
        Column::decimal("PRICE"),
        Column::right("LEFT"),
        Column::left("FROM"),
        Column::prose("WHAT IS SAID OF IT"),
    ];
    let steps = [
        Step::Below("WHAT IS SAID OF IT"),
        Step::Head("FROM", "FR"),
        Step::Short("FROM"),
        Step::Cut("FRUIT", 6),
        Step::Drop("LEFT"),
        Step::Ragged("PRICE"),
    ];
    let mut table = Table::new(columns, steps);
    for [name, price, left, from, said] in rows {
        let from = Cell::new(from).short(from.get(..2).unwrap_or_default());
        table.push([Cell::new(name), Cell::new(price), Cell::new(left), from, Cell::new(said)]);
    }
    table
}

fn two() -> Table {
    fruit(&[
        ["apple", "231.495", "12", "Normandy", "keeps until March if it is stored in the dark"],
        ["pear", "1024.5", "7", "Kent", ""],
    ])
}

fn within(table: &Table, width: usize) -> String {
    table.within(width, false).text()
}

#[test]
fn where_there_is_room_every_row_is_a_line_and_decimal_points_stand_below_one_another() {
    let expected = "\
FRUIT     PRICE  LEFT  FROM      WHAT IS SAID OF IT
apple   231.495    12  Normandy  keeps until March if it is stored in the dark
pear   1024.5       7  Kent
";
    assert_eq!(within(&two(), 200), expected);
    assert_eq!(within(&two(), 78), expected);
    assert_eq!(two().on(None).text(), expected, "what is no terminal has room");
}

#[test]
fn a_sentence_is_wrapped_in_its_column_before_it_leaves_it() {
    let expected = "\
FRUIT     PRICE  LEFT  FROM      WHAT IS SAID OF IT
apple   231.495    12  Normandy  keeps until March if it is
                                 stored in the dark
pear   1024.5       7  Kent
";
    assert_eq!(within(&two(), 60), expected);
    let below = "\
FRUIT     PRICE  LEFT  FROM
apple   231.495    12  Normandy
    keeps until March if it is stored in the dark
pear   1024.5       7  Kent
";
    assert_eq!(within(&two(), 50), below);
}

#[test]
fn columns_give_way_in_the_order_of_the_steps() {
    let first = |width: usize| within(&two(), width).lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(first(31), ["FRUIT     PRICE  LEFT  FROM", "apple   231.495    12  Normandy"]);
    assert_eq!(first(30), ["FRUIT     PRICE  LEFT  FR", "apple   231.495    12  No"]);
    assert_eq!(first(24), ["FRUIT     PRICE  FR", "apple   231.495  No"]);
    assert_eq!(first(18), ["FRUIT    PRICE  FR", "apple  231.495  No"]);
}

#[test]
fn what_does_not_fit_side_by_side_is_a_record() {
    let rows = [
        ["a fruit with a long name of several words", "1234567890.0987654321", "1", "Kent", "good"],
        ["fig", "0.00000000000000000000000000012", "12345678901234567890", "Izmir", ""],
    ];
    let shown = within(&fruit(&rows), 40);
    assert_eq!(
        shown,
        "\
a fruit with a long name of several
words
  PRICE
    1234567890.0987654321
  LEFT
    1
  FROM
    Kent
  WHAT IS SAID OF IT
    good

fig
  PRICE
    0.00000000000000000000000000012
  LEFT
    12345678901234567890
  FROM
    Izmir
"
    );
    assert_eq!(within(&fruit(&rows), 10), shown, "nothing is laid out for fewer than 40 columns");
    let without_steps = Table { steps: Vec::new(), ..two() };
    let expected = "\
apple
  PRICE               231.495
  LEFT                12
  FROM                Normandy
  WHAT IS SAID OF IT  keeps until March if it is
                      stored in the dark

pear
  PRICE               1024.5
  LEFT                7
  FROM                Kent
";
    assert_eq!(within(&without_steps, 50), expected);
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let mut table = two();
    table.rows[0][1].tone = Tone::Good;
    table.rows[0][4].tone = Tone::Bad;
    for width in [30, 50, 60, 120] {
        let plain = table.within(width, false);
        let coloured = table.within(width, true).text();
        assert!(
            coloured.contains("\u{1b}[32m231.495\u{1b}[0m") && coloured.contains("\u{1b}[1mPRICE\u{1b}[0m"),
            "{coloured}"
        );
        let codes = ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m"];
        let bare = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(bare, plain.text());
    }
}

#[test]
fn a_text_from_elsewhere_stays_in_its_cell_and_steers_nothing() {
    let table = fruit(&[["ap\nple\u{1b}[2J", "1\u{7}", "\u{202e}2", "\t", "x\r\ny"]]);
    for lines in [table.on(None), table.within(80, false), table.within(40, false)] {
        assert!(!lines.text().replace('\n', "").contains(crate::text::is_unprintable), "{lines:?}");
    }
    assert_eq!(table.on(None).len(), 2);
}

/// A row with figures as they occur: up to 28 digits, and names of any script.
fn a_row() -> impl Strategy<Value = [String; 5]> {
    let name = "[A-Z]{1,12}|[A-Z.-]{1,33}|[株価東京]{1,10}";
    let price = prop_oneof![
        4 => "[1-9][0-9]{0,5}(\\.[0-9]{1,8})?",
        1 => "[1-9][0-9]{0,14}\\.[0-9]{1,13}",
        1 => "0\\.[0-9]{1,27}",
        1 => Just("-".to_owned())
    ];
    let said = "([a-zé]{1,14}|[0-9]{1,4}\\.[0-9]{1,4}){0,1}( ([a-zé,]{1,14}|[0-9]{1,4}\\.[0-9]{1,4})){0,25}";
    (name, price, "[0-9]{1,6}", "[A-Za-z]{2,12}", said)
        .prop_map(|(name, price, left, from, said)| [name, price, left, from, said])
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal_and_every_number_is_whole(
        rows in proptest::collection::vec(a_row(), 1..6), columns in 40_usize..201
    ) {
        let texts: Vec<[&str; 5]> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
        let lines = fruit(&texts).within(columns, false);
        for line in lines.iter() {
            prop_assert!(width(line) <= columns, "{columns}: {line:?}");
        }
        let text = lines.text();
        let words: Vec<&str> = text.split_whitespace().collect();
        for row in &rows {
            prop_assert!(words.contains(&row[1].as_str()), "the price {} is whole: {text}", row[1]);
            for word in row[4].split_whitespace() {
                prop_assert!(words.contains(&word), "{word:?} of the sentence is there: {text}");
            }
        }
        for number in words.iter().filter(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
            let of_some_cell = |row: &[String; 5]| row.iter().any(|cell| cell.split_whitespace().any(|word| word == *number));
            prop_assert!(rows.iter().any(of_some_cell), "{number} is a part of a number: {text}");
        }
    }

    #[test]
    fn decimal_points_stand_below_one_another(
        prices in proptest::collection::vec("[1-9][0-9]{0,5}\\.[0-9]{1,8}", 1..6), columns in 50_usize..201
    ) {
        let rows: Vec<[&str; 5]> = prices.iter().map(|price| ["fig", price, "1", "Izmir", ""]).collect();
        let text = within(&fruit(&rows), columns);
        let points: Vec<_> = text.lines().skip(1).map(|line| line.find('.')).collect();
        prop_assert!(points.windows(2).all(|two| two[0] == two[1] && two[0].is_some()), "{text}");
        prop_assert_eq!(points.len(), prices.len());
    }
}
