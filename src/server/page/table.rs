//! The prices as a table, for readers who see the page before its script runs, or without it.

use serde::Deserialize;

use super::markup::escaped;

/// The part of an answer that the table shows.
#[derive(Deserialize)]
struct Answer {
    prices: Vec<Entry>,
}

/// The part of an entry that the table shows.
#[derive(Deserialize)]
pub(super) struct Entry {
    symbol: String,
    status: String,
    detail: Option<String>,
    price: Option<String>,
    plus_minus: Option<String>,
    currency: Option<String>,
}

/// The names of the columns after the first.
const COLUMNS: [&str; 3] = ["Price", "Plus or minus", "Status"];

impl Entry {
    /// The entries of an answer.
    pub(super) fn all(answer: &[u8]) -> serde_json::Result<Vec<Self>> {
        Ok(serde_json::from_slice::<Answer>(answer)?.prices)
    }

    fn row(&self) -> String {
        let figure = match &self.price {
            Some(price) => format!("<span class=\"figure\">{}</span>", escaped(price)),
            None => "<span class=\"figure none\">no price</span>".to_owned(),
        };
        let currency = self.currency.as_deref().filter(|_| self.price.is_some()).unwrap_or_default();
        let detail = self.detail.iter().map(|detail| format!("<span class=\"because\">{}</span>", escaped(detail)));
        let cells = [
            format!("{figure} {}", escaped(currency)),
            escaped(self.plus_minus.as_deref().unwrap_or("–")),
            escaped(&self.status) + &detail.collect::<String>(),
        ];
        let cells: String = COLUMNS.iter().zip(cells).map(|(name, cell)| cell_of(name, &cell)).collect();
        let symbol = escaped(&self.symbol);
        format!("<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">{symbol}</th>{cells}</tr>\n")
    }
}

fn cell_of(name: &str, html: &str) -> String {
    format!("<td role=\"cell\" data-label=\"{name}\">{html}</td>")
}

/// The table. Its roles are stated because a narrow page does not lay it out as one.
pub(super) fn html(entries: &[Entry]) -> String {
    let head = ["Symbol"].into_iter().chain(COLUMNS);
    let head: String = head.map(|name| format!("<th scope=\"col\" role=\"columnheader\">{name}</th>")).collect();
    let rows: String = entries.iter().map(Entry::row).collect();
    format!(
        "<table class=\"first\" role=\"table\">\n<caption class=\"unseen\">Prices</caption>\n\
         <thead role=\"rowgroup\"><tr role=\"row\">{head}</tr></thead>\n\
         <tbody role=\"rowgroup\">\n{rows}</tbody>\n</table>\n\
         <noscript><p class=\"hint\">These prices are from when the page was loaded; load it again for newer ones.</p></noscript>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_price_or_says_why_there_is_none() {
        let body = br#"{"status":"partial","prices":[
            {"symbol":"AAPL","status":"ok","detail":null,"price":"231.5","plus_minus":"0.01","currency":"USD","quotes":null},
            {"symbol":"X-EUR","status":"unavailable","detail":"a & b <1>","price":null,"plus_minus":null,"currency":"EUR"}]}"#;
        let html = html(&Entry::all(body).unwrap());
        let rows: Vec<&str> =
            html.lines().filter(|line| line.starts_with("<tr role=\"row\"><th scope=\"row\"")).collect();
        assert_eq!(rows.len(), 2);
        for words in [">AAPL<", ">231.5</span> USD<", ">0.01<", ">ok<"] {
            assert!(rows[0].contains(words), "{words} is not in {}", rows[0]);
        }
        for words in [">X-EUR<", ">no price</span> <", ">–<", ">unavailable<", ">a &amp; b &lt;1&gt;<"] {
            assert!(rows[1].contains(words), "{words} is not in {}", rows[1]);
        }
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        assert!(Entry::all(b"{\"type\":\"/problems/overloaded\"}").is_err());
    }
}
