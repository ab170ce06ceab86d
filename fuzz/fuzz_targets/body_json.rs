//! Bodies in JSON, as read by the sources of the catalogue.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quotefold::provider::description::Notation;
use quotefold_fuzz::{Provider, catalogue_of, read, write_seeds};

static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| catalogue_of(Notation::Json));

fuzz_target!(init: write_seeds(&PROVIDERS), |data: &[u8]| read(&PROVIDERS, data));
