//! Writes families of metrics whose values are text already, so that a price is written as the decimal that it is.

use std::fmt::Write;

/// A family of metrics. The suffix of counters is left out, as OpenMetrics has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) help: &'static str,
}

/// One series of a family: its labels and its value.
pub(super) type Series<'a> = (Vec<(&'static str, &'a str)>, String);

impl Family {
    /// A gauge.
    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Family { name, kind: "gauge", help }
    }

    /// A counter.
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Family { name, kind: "counter", help }
    }

    /// Writes the family with its series.
    pub(super) fn write<'a>(&self, page: &mut String, series: impl IntoIterator<Item = Series<'a>>) {
        let Family { name, kind, help } = self;
        // writing to a text cannot fail
        let _ = writeln!(page, "# HELP {name} {help}.\n# TYPE {name} {kind}");
        let suffix = if *kind == "counter" { "_total" } else { "" };
        for (labels, value) in series {
            let labels: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(page, "{name}{suffix}{labels} {value}");
        }
    }
}

/// A label's value, as the format wants it.
///
/// Source: <https://prometheus.io/docs/specs/om/open_metrics_spec/#escaping>
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_help_its_type_and_a_line_for_each_series() {
        let mut page = String::new();
        let labels = vec![("symbol", "A\"B\\C\nD"), ("currency", "USD")];
        Family::gauge("price", "The price").write(&mut page, [(labels, "1.10".to_owned())]);
        Family::counter("seconds", "Time").write(&mut page, [(Vec::new(), "3".to_owned())]);
        let expected = "# HELP price The price.\n# TYPE price gauge\nprice{symbol=\"A\\\"B\\\\C\\nD\",currency=\"USD\"} 1.10\n\
                        # HELP seconds Time.\n# TYPE seconds counter\nseconds_total 3\n";
        assert_eq!(page, expected);
    }
}
