//! Says what was probably meant by a path at which nothing is served.

use crate::symbol::{Names, shown};

/// One sentence about a path at which nothing is served. It names no path at which this listener does not serve anything:
/// `is_served` says where it does.
pub(super) fn detail(path: &str, is_served: impl Fn(&str) -> bool) -> String {
    meant(path, is_served)
        .unwrap_or_else(|| "nothing is served at this path; prices are at /prices and /prices/{symbol}".to_owned())
}

fn meant(path: &str, is_served: impl Fn(&str) -> bool) -> Option<String> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if let ["prices", legs @ ..] = segments.as_slice()
        && legs.len() > 1
    {
        return Some(slash_in_symbol(legs));
    }
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
    use crate::server::routes::matches;

    /// What is said where these paths are served.
    fn said_beside(served: &[&str], path: &str) -> String {
        detail(path, |path| served.iter().any(|served| matches(served, path)))
    }

    fn said(path: &str) -> String {
        said_beside(&["/prices", "/prices/{symbol}", "/sources", "/health", "/health/ready", "/docs"], path)
    }

    #[test]
    fn a_pair_with_a_slash_is_told_how_to_be_written() {
        let said = said("/prices/BTC/USD");
        assert!(said.contains("Write /prices/BTC-USD or /prices/BTC%2FUSD;"), "{said}");
        assert!(super::tests::said("/prices/a/b/c").contains("Write /prices/a%2Fb%2Fc;"));
    }

    #[test]
    fn a_prefix_that_a_proxy_left_in_the_path_is_named() {
        for (path, served, prefix) in [
            ("/api/v1/prices", "/prices", "/api/v1"),
            ("/quotefold/prices/AAPL", "/prices/AAPL", "/quotefold"),
            ("/x/health/ready", "/health/ready", "/x"),
            ("/quotes/docs", "/docs", "/quotes"),
        ] {
            let said = said(path);
            assert!(
                said.contains(&format!("but at {served};")) && said.contains(&format!("remove {prefix} from")),
                "{said}"
            );
        }
    }

    #[test]
    fn slashes_too_many_are_pointed_out() {
        for path in ["/prices/", "//prices", "/prices//AAPL", "/health/ready/"] {
            assert!(said(path).contains("without further slashes"), "{path}: {}", said(path));
        }
    }

    #[test]
    fn any_other_path_is_told_where_prices_are() {
        for path in ["/", "/price", "/prices%2FAAPL", "/admin", "/.env"] {
            assert!(said(path).ends_with("prices are at /prices and /prices/{symbol}"), "{path}: {}", said(path));
        }
        let long = said(&format!("/{}/prices", "x".repeat(10_000)));
        assert!(long.len() < 500, "{long}");
    }

    #[test]
    fn nothing_is_named_that_this_address_does_not_serve() {
        let served = ["/prices", "/prices/{symbol}", "/health"];
        for path in ["/x/sources", "/sources/", "//metrics", "/sources", "/x/page/page.js", "/health/ready/"] {
            let said = said_beside(&served, path);
            assert!(said.ends_with("prices are at /prices and /prices/{symbol}"), "{path}: {said}");
        }
    }
}
