//! Knows other words of the trade for the names that settings have.

/// Names, each with the words that other programs have for it.
const NAMES: [(&str, &[&str]); 23] = [
    ("access", &["auth", "security", "authentication"]),
    ("log", &["logging", "logs"]),
    ("freshness", &["cache", "ages"]),
    ("listen", &["port", "host", "address", "addr", "bind", "bind_address", "listen_address"]),
    ("path", &["file", "filename", "dir", "directory"]),
    ("every", &["interval", "period", "refresh"]),
    ("required", &["quorum", "min_sources", "minimum", "min_quotes"]),
    ("refresh_after", &["ttl", "cache_ttl", "cache_for"]),
    ("usable_for", &["max_age", "maxage", "stale_after"]),
    ("limits", &["rate", "rate_limit", "rate_limits", "ratelimit", "quota"]),
    ("key", &["api_key", "apikey", "token", "api_token", "access_key"]),
    ("keys", &["api_keys", "tokens", "token", "key"]),
    ("rate", &["limit", "limits", "rate_limit"]),
    ("url", &["endpoint", "uri", "address"]),
    ("jq", &["filter", "query", "transform"]),
    ("filter", &["jq"]),
    ("reserve", &["backup", "fallback", "secondary"]),
    ("fx", &["forex", "currency", "currencies"]),
    ("crypto", &["coin", "coins", "cryptocurrency"]),
    ("equity", &["stock", "stocks", "share", "shares", "etf"]),
    ("price", &["last", "close", "rate", "value", "last_price"]),
    ("at", &["timestamp", "time", "ts", "date", "updated"]),
    ("volume", &["vol", "volume_24h"]),
];

/// The allowed name that a word of the trade stands for.
pub(crate) fn meant<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let mut names = NAMES.iter().filter(|(_, words)| words.contains(&word.as_str())).map(|(name, _)| *name);
    names.find_map(|name| allowed.iter().copied().find(|allowed| *allowed == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_trade_stands_for_a_name_that_is_allowed() {
        assert_eq!(meant("port", &["timeout", "listen"]), Some("listen"));
        assert_eq!(meant("Rate-Limit", &["limits"]), Some("limits"));
        assert_eq!(meant("rate_limit", &["rate"]), Some("rate"));
        assert_eq!(meant("port", &["timeout"]), None);
        assert_eq!(meant("colour", &["listen"]), None);
    }
}
