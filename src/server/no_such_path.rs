//! Says what was probably meant by a path at which nothing is served.

use super::routes::matches;
use crate::symbol::{Names, shown};

/// The paths that clients, and the proxies before them, write in other ways.
const SERVED: [&str; 7] =
    ["/prices", "/prices/{symbol}", "/symbols", "/sources", "/health", "/health/{kind}", "/metrics"];

/// One sentence about a path at which nothing is served.
pub(super) fn detail(path: &str) -> String {
    meant(path)
        .unwrap_or_else(|| "nothing is served at this path; prices are at /prices and /prices/{symbol}".to_owned())
}

fn meant(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if let ["prices", legs @ ..] = segments.as_slice()
        && legs.len() > 1
    {
        return Some(slash_in_symbol(legs));
    }
    let is_served = |path: &str| SERVED.iter().any(|served| matches(served, path));
    let bare = format!("/{}", segments.join("/"));
    if is_served(&bare) && bare != path {
        return Some(format!("nothing is served at this path; write {} without further slashes", shown(&bare)));
    }
    // the longest rest of the path that is served, such as /prices of /quotes/prices
    let (prefix, rest) = (1..segments.len()).find_map(|first| {
        let (prefix, rest) = (&segments[..first], format!("/{}", segments[first..].join("/")));
        is_served(&rest).then(|| (format!("/{}", prefix.join("/")), rest))
    })?;
    Some(format!(
        "nothing is served at this path, but at {}; if a proxy passes requests on, have it remove {} from their paths",
        shown(&rest),
        shown(&prefix)
    ))
}

/// A pair that is written with a slash, which a path takes for the next segment.
fn slash_in_symbol(legs: &[&str]) -> String {
    let escaped = legs.join("%2F");
    let symbol = Names::default().read(&legs.join("/"));
    let instead = symbol.map_or_else(|_| String::new(), |symbol| format!("/prices/{symbol} or "));
    format!(
        "nothing is served at this path: the symbol is one segment of it. Write {instead}/prices/{}; where a proxy turns %2F into \
         a slash, write the symbol in the query, as in /prices?symbols={}",
        shown(&escaped),
        shown(&escaped)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_with_a_slash_is_told_how_to_be_written() {
        let said = detail("/prices/BTC/USD");
        assert!(said.contains("Write /prices/BTC-USD or /prices/BTC%2FUSD;"), "{said}");
        assert!(detail("/prices/a/b/c").contains("Write /prices/a%2Fb%2Fc;"));
    }

    #[test]
    fn a_prefix_that_a_proxy_left_in_the_path_is_named() {
        for (path, served, prefix) in [
            ("/api/v1/prices", "/prices", "/api/v1"),
            ("/quotefold/prices/AAPL", "/prices/AAPL", "/quotefold"),
            ("/x/health/ready", "/health/ready", "/x"),
        ] {
            let said = detail(path);
            assert!(
                said.contains(&format!("but at {served};")) && said.contains(&format!("remove {prefix} from")),
                "{said}"
            );
        }
    }

    #[test]
    fn slashes_too_many_are_pointed_out() {
        for path in ["/prices/", "//prices", "/prices//AAPL", "/health/ready/"] {
            assert!(detail(path).contains("without further slashes"), "{path}: {}", detail(path));
        }
    }

    #[test]
    fn any_other_path_is_told_where_prices_are() {
        for path in ["/", "/price", "/prices%2FAAPL", "/admin", "/.env"] {
            assert!(detail(path).ends_with("prices are at /prices and /prices/{symbol}"), "{path}: {}", detail(path));
        }
        let long = detail(&format!("/{}/prices", "x".repeat(10_000)));
        assert!(long.len() < 500, "{long}");
    }
}
