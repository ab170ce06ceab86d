//! Turns a page in the OpenMetrics format into Prometheus' older text format, version 0.0.4, for scrapers that ask for that.

/// The page in the older format. There the name of a counter's family ends in `_total` like its series, and nothing marks the end.
///
/// Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>
pub(super) fn plain(open_metrics: &str) -> String {
    let lines: Vec<&str> = open_metrics.lines().filter(|line| *line != "# EOF").collect();
    let counters: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut plain = String::with_capacity(open_metrics.len());
    for line in lines {
        let described = ["# HELP ", "# TYPE "].iter().find_map(|mark| Some((*mark, line.strip_prefix(mark)?)));
        match described.and_then(|(mark, rest)| Some((mark, rest.split_once(' ')?))) {
            Some((mark, (family, rest))) if counters.contains(&family) => {
                plain.extend([mark, family, "_total ", rest, "\n"]);
            }
            _ => plain.extend([line, "\n"]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_described_under_the_name_of_their_series() {
        let page = "# HELP a_b Of a.\n# TYPE a_b counter\na_b_total{x=\"# TYPE a_b counter\"} 1\n# HELP g G.\n# TYPE g gauge\n\
                    g 2\n# EOF\n";
        let expected = "# HELP a_b_total Of a.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE a_b counter\"} 1\n# HELP g G.\n\
                        # TYPE g gauge\ng 2\n";
        assert_eq!(plain(page), expected);
    }
}
