//! Writes the effective settings as TOML that can be read again, with secrets masked.

use serde::Serialize;
use toml::{Table, Value};

use super::Settings;
use crate::provider::description::{Bases, SourceSettings};
use crate::provider::secrets::{mask_url, scrub};

impl Settings {
    /// The settings in use, as a configuration file. Empty sections are left out.
    pub fn to_toml(&self) -> String {
        let mut page = Page(String::new());
        page.section(&["server"], &self.server);
        // a masked key is refused when the page is read again: the mask is public, so it must not become a key
        page.section(&["access"], &self.access);
        for (class, set) in &self.classes {
            let mut lines = lines(set);
            lines.retain(|(key, _)| class.has_books() || key != "book_within");
            page.lines(&["class", class.as_str()], lines);
        }
        let single = self.symbols.iter().map(|(symbol, set)| (symbol.to_string(), set));
        let patterns = self.symbols.patterns().map(|(glob, set)| (glob.to_string(), set));
        for (name, set) in single.chain(patterns) {
            page.section(&["symbols", &name], set);
        }
        page.section(&["state"], &self.state);
        page.section(&["shared"], &self.shared);
        page.section(&["watch"], &self.watch);
        page.section(&["log"], &self.log);
        for source in &self.sources {
            page.section(&["sources", &source.name], &shown(source));
        }
        page.0
    }
}

/// A file under construction.
struct Page(String);

impl Page {
    fn section(&mut self, path: &[&str], section: &impl Serialize) {
        self.lines(path, lines(section));
    }

    fn lines(&mut self, path: &[&str], lines: Vec<(String, Value)>) {
        if lines.is_empty() {
            return;
        }
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.0 += &format!("{gap}[{}]\n", super::load::document::joined(path));
        for (key, value) in lines {
            self.0 += &format!("{key} = {value}\n");
        }
    }
}

/// The keys of a section that have a value, in the order of the section's fields.
pub(super) fn lines(section: &impl Serialize) -> Vec<(String, Value)> {
    // sections hold texts, numbers, and lists and maps of them, which can always be written; the order comes from a
    // JSON object, because a TOML table does not keep the order of its keys
    let mut values = Table::try_from(section).unwrap_or_default();
    let ordered = serde_json::to_value(section).unwrap_or_default();
    let keys = ordered.as_object().into_iter().flat_map(serde_json::Map::keys);
    keys.filter_map(|key| Some((key.clone(), values.remove(key)?))).collect()
}

/// A source in printable form: without secrets, and with its mirrors as a `base_url` list.
fn shown(source: &SourceSettings) -> SourceSettings {
    let without_secrets = |text: &str| scrub(text, &source.hidden);
    let masked = |url: &str| mask_url(&without_secrets(url));
    let mut shown = source.clone();
    shown.base_url = None;
    if !source.mirrors.is_empty() {
        let (url, bases) = Bases::of(&source.urls().collect::<Vec<_>>());
        shown.url = url;
        shown.base_url = Some(Bases(bases.0.iter().map(|base| masked(base)).collect()));
    }
    shown.url = masked(&shown.url);
    if let Some(list) = &mut shown.instruments {
        // at the address before `base_url`, or it would be moved twice when the page is read again
        if !list.mirrors.is_empty() {
            list.url = Bases::of(&list.urls().collect::<Vec<_>>()).0;
        }
        list.url = masked(&list.url);
        list.filter = without_secrets(&list.filter);
    }
    shown.headers.values_mut().for_each(|value| *value = without_secrets(value));
    for text in [&mut shown.about, &mut shown.account, &mut shown.jq] {
        *text = without_secrets(text);
    }
    for text in [&mut shown.ca_file, &mut shown.body, &mut shown.terms, &mut shown.checked].into_iter().flatten() {
        *text = without_secrets(text);
    }
    shown
}

#[cfg(test)]
mod tests {
    use crate::settings::load::{LoadOptions, load};

    #[test]
    fn printed_settings_can_be_read_again_and_print_the_same() {
        let environment = [("FINNHUB_API_KEY".to_owned(), "abcdef".to_owned())].into();
        let options = LoadOptions { environment, unofficial: true, ..LoadOptions::default() };
        let printed = load(&options).unwrap().to_toml();
        assert!(!printed.contains("abcdef") && printed.contains("key = \"***\""));
        let text = Some(("printed.toml".to_owned(), printed.clone()));
        let again = load(&LoadOptions { text, ..LoadOptions::default() });
        assert_eq!(again.unwrap().to_toml(), printed);
    }
}
