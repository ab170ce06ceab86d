//! Says at the start what is covered, and what would cover more.

use super::kinds::{US_SHARES, Vendors, counted, without_any};
use crate::settings::{OffSource, Settings};
use crate::text::words::list;

impl Settings {
    /// What the sources that are on cover, and what would cover more: the lines that are logged at the start.
    pub(crate) fn at_the_start(&self) -> Vec<String> {
        if !self.has_default_sources {
            // the file says what is wanted, so only a price that can never be ok is worth a word
            let shares = self.shares().filter(|shares| shares.independent() > 0);
            let lacking = shares.and_then(|shares| self.what_shares_lack(&shares, false));
            return [self.coverage().join(" · ")].into_iter().chain(lacking).collect();
        }
        let on = self.vendors_on();
        let mut lines = vec![covered(&on)];
        let unofficial = self.unofficial();
        lines.extend(self.what_unofficial_adds(&on, &unofficial));
        lines.extend(self.best_key().map(|(key, kinds)| {
            format!("the free key that adds most: {}, for {}", key.switch_on, list(&kinds, kinds.len()))
        }));
        lines.extend(self.shares().and_then(|shares| {
            let with_unofficial = self.vendors_of(&unofficial).into_iter().find(|added| added.kind == US_SHARES);
            let suffices = with_unofficial.is_some_and(|added| shares.and(&added).lacks() == 0);
            self.what_shares_lack(&shares, suffices)
        }));
        lines.push("`quotefold sources` lists every provider, and what switches it on".to_owned());
        lines
    }

    fn shares(&self) -> Option<Vendors<'_>> {
        self.vendors_on().into_iter().find(|vendors| vendors.kind == US_SHARES)
    }

    /// The providers that `--unofficial` would switch on.
    fn unofficial(&self) -> Vec<&OffSource> {
        self.offered().into_iter().filter(|off| off.source.unofficial && off.source.key_from.is_empty()).collect()
    }

    fn what_unofficial_adds(&self, on: &[Vendors<'_>], unofficial: &[&OffSource]) -> Option<String> {
        let added = self.vendors_of(unofficial);
        let both: Vec<_> = on.iter().zip(&added).map(|(on, added)| (on, on.and(added))).collect();
        let more = both.iter().filter(|(on, both)| both.independent() > on.independent()).map(|(_, both)| both);
        Some(counted(more)).filter(|counts| !counts.is_empty()).map(|counts| {
            format!(
                "--unofficial (or QUOTEFOLD_UNOFFICIAL=1) would make it {counts}: from endpoints behind web pages, which their \
                 owners mean for readers and not for programs"
            )
        })
    }

    /// Why a US share has no price that is ok, and which keys change that. `None` if enough vendors are on.
    fn what_shares_lack(&self, shares: &Vendors<'_>, unofficial_suffices: bool) -> Option<String> {
        let (has, required) = (shares.independent(), shares.required);
        let keys = self.keys_for(US_SHARES, shares)?;
        let or = if unofficial_suffices { ", or use --unofficial" } else { "" };
        Some(match has {
            0 => format!("one key alone never makes a US share ok, since {required} vendors must agree: {keys}{or}"),
            _ => {
                format!("US shares have {has} of {required} vendors that must agree, and are not ok before: {keys}{or}")
            }
        })
    }

    /// The free keys that complete a quorum for a kind, and what sets them: half a sentence. `None` if one is there, or if all
    /// keys do not suffice.
    fn keys_for(&self, kind: &str, on: &Vendors<'_>) -> Option<String> {
        let mut so_far = on.clone();
        let mut steps = Vec::new();
        for off in self.offered().into_iter().filter(|off| off.needs_a_key()) {
            let lacked = so_far.lacks();
            let added = self.vendors_of(&[off]).into_iter().find(|vendors| vendors.kind == kind)?;
            let both = so_far.and(&added);
            if both.lacks() < lacked {
                so_far = both;
                steps.push(off.switch_on.as_str());
            }
        }
        (!steps.is_empty() && so_far.lacks() == 0).then(|| steps.join(", and "))
    }
}

fn covered(on: &[Vendors<'_>]) -> String {
    let counts = counted(on.iter());
    match without_any(on) {
        none if none.is_empty() => format!("covered by how many vendors: {counts}"),
        none => format!("covered by how many vendors: {counts}; by none: {none}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::load::{LoadOptions, load};

    fn lines(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let text = Some(("the settings".to_owned(), text.to_owned()));
        load(&LoadOptions { text, environment, ..LoadOptions::default() }).unwrap().at_the_start()
    }

    const UNOFFICIAL: (&str, &str) = ("QUOTEFOLD_UNOFFICIAL", "1");

    #[test]
    fn a_first_start_says_what_is_covered_and_what_would_cover_more() {
        let lines = lines("", &[]);
        assert_eq!(lines.len(), 5, "{lines:#?}");
        assert!(
            lines[0].starts_with("covered by how many vendors: ") && lines[0].contains("; by none: US shares, "),
            "{}",
            lines[0]
        );
        assert!(lines[1].starts_with("--unofficial ") && lines[1].contains(" US shares 4, "), "{}", lines[1]);
        assert!(lines[2].starts_with("the free key that adds most: set TWELVEDATA_API_KEY (https://"), "{}", lines[2]);
        assert!(lines[2].contains("), for US shares, "), "{}", lines[2]);
        let shares = &lines[3];
        assert!(
            shares.starts_with("one key alone never makes a US share ok, since 2 vendors must agree: "),
            "{shares}"
        );
        for words in ["set TWELVEDATA_API_KEY (", "), and set TIINGO_API_KEY (", "), or use --unofficial"] {
            assert!(shares.contains(words), "{shares}");
        }
    }

    #[test]
    fn what_is_on_already_is_not_said_to_be_missing() {
        let unofficial = lines("", &[UNOFFICIAL]).join("\n");
        assert!(!unofficial.contains("--unofficial") && !unofficial.contains("must agree"), "{unofficial}");
        let keyed = lines("", &[("FINNHUB_API_KEY", "abcdef"), ("TWELVEDATA_API_KEY", "abcdef")]).join("\n");
        assert!(keyed.contains("US shares 2") && !keyed.contains("must agree"), "{keyed}");
    }

    #[test]
    fn a_single_vendor_of_shares_is_told_which_second_one_it_takes() {
        let said = lines("", &[("FINNHUB_API_KEY", "abcdef")]).join("\n");
        let expected = "US shares have 1 of 2 vendors that must agree, and are not ok before: set TWELVEDATA_API_KEY (";
        assert!(said.contains(expected) && said.contains("), or use --unofficial"), "{said}");
        let named = lines("[sources.finnhub]\nkey = \"abcdef\"", &[]);
        assert!(named[1].contains("add [sources.twelvedata] to the configuration and set TWELVEDATA"), "{named:#?}");
        // a file that names no source of shares does not want them, and one vendor may be enough
        assert_eq!(lines("[sources.kraken]", &[]).len(), 1);
        assert_eq!(lines("[class.equity]\nrequired = 1\n[sources.finnhub]\nkey = \"abcdef\"", &[]).len(), 1);
    }
}
