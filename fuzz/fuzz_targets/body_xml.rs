//! Bodies in XML, as read by the sources of the catalogue and by one that makes a row of every element.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quotefold::provider::description::Notation;
use quotefold_fuzz::{Provider, SECRET, catalogue_of, providers, read, write_seeds};

static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let text = format!(
        r#"
[sources.own]
classes = ["equity", "crypto"]
url = "https://x.test/{{symbols}}?key={{key}}"
key = "{SECRET}"
batch = 2
reply = "xml"
jq = '(., .children[]) | {{symbol: .name, price: (.attributes.p // .text), bid: .attributes.b, at: .attributes.t}}'
"#
    );
    let mut all = providers(&text, &["AAPL,BTC-USD", "VOD.L"]);
    all.extend(catalogue_of(Notation::Xml));
    all
});

fuzz_target!(init: write_seeds(&PROVIDERS), |data: &[u8]| read(&PROVIDERS, data));
