//! Bodies in CSV: as the catalogue's own source reads them, and as one that makes a row of whatever there is.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quotefold_fuzz::{Provider, SECRET, providers, read};

static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let text = format!(
        r#"
[sources.stooq]
key = "{SECRET}"

[sources.own]
classes = ["equity", "crypto"]
url = "https://x.test/{{symbols}}?key={{key}}"
key = "{SECRET}"
batch = 2
reply = "csv"
jq = 'if type == "array" then .[] else {{error: "malformed", detail: .}} end'
"#
    );
    providers(&text, &["AAPL,BTC-USD", "VOD.L"])
});

fuzz_target!(|data: &[u8]| read(&PROVIDERS, data));
