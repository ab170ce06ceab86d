//! Rows of any shape: filters that pass on what the body contains, and one that calculates numbers.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quotefold_fuzz::{Provider, SECRET, providers, read};

static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let text = format!(
        r#"
[sources.own]
classes = ["equity", "index", "crypto", "fx", "fund"]
url = "https://x.test/{{symbols}}?key={{key}}"
key = "{SECRET}"
batch = 3
jq = 'if type == "array" then .[] else . end'
units = {{ L = "GBp" }}

[sources.tables]
like = "own"
jq = 'to_entries[] | {{symbol: .key}} + .value'

[sources.texts]
like = "own"
jq = '.[] | fromjson'

[sources.calculating]
like = "own"
jq = '.[] | {{symbol, price: (.price + .bid), bid: .bid[1:], ask: (.ask | tonumber)}}'
"#
    );
    providers(&text, &["AAPL,BTC-USD,VOD.L", "EUR-USD", "VOD.L"])
});

fuzz_target!(|data: &[u8]| read(&PROVIDERS, data));
