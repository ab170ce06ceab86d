//! Writes HTML: escapes texts, and fills a template.

/// A text as HTML shows it, in an element and in a quoted attribute.
///
/// This is the only way in which a text gets into the page.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // HTML has no way to show it, and a parser replaces it, too
            '\0' => html.push('\u{fffd}'),
            character => html.push(character),
        }
    }
    html
}

/// A template in which each `{{name}}` is replaced by what `value` returns for the name. What is filled in is not looked at
/// again.
pub(super) fn filled(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut html = String::with_capacity(2 * template.len());
    let mut rest = template;
    while let Some((before, place)) = rest.split_once("{{") {
        let Some((name, after)) = place.split_once("}}") else { break };
        html.push_str(before);
        html.push_str(&value(name));
        rest = after;
    }
    html.push_str(rest);
    html
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a browser reads the HTML as.
    fn unescaped(html: &str) -> String {
        let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        named.into_iter().fold(html.to_owned(), |html, (name, sign)| html.replace(name, sign))
    }

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escaped("<img src=x onerror='a(\"b\")'>"), "&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;");
        assert_eq!(escaped("M&M.NS &lt; ü €"), "M&amp;M.NS &amp;lt; ü €");
        assert_eq!(escaped("a\0b"), "a\u{fffd}b");
    }

    #[test]
    fn a_place_is_filled_once_and_its_text_is_not_looked_at() {
        let value = |name: &str| format!("<{name}>{{{{b}}}}");
        assert_eq!(filled("1 {{a}} 2 {{b}}{{a}} 3", value), "1 <a>{{b}} 2 <b>{{b}}<a>{{b}} 3");
        assert_eq!(filled("no end {{a", value), "no end {{a");
        assert_eq!(filled("", value), "");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_itself_and_has_no_sign_of_markup(text in "[^\0]*") {
            let html = escaped(&text);
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
            let is_named = |rest: &str| ["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|name| rest.starts_with(name));
            prop_assert!(html.split('&').skip(1).all(is_named));
            prop_assert_eq!(unescaped(&html), text);
        }
    }
}
