//! The text of a configuration: it gives errors with their lines, or settings that can be printed and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotefold::provider::extract::Extractor;
use quotefold::settings::load::{LoadOptions, load};
use quotefold_fuzz::SECRET;

fuzz_target!(|text: &str| {
    // what the text itself contains is no secret, and no file is read
    if text.contains(SECRET) || text.contains("file:") {
        return;
    }
    let environment = [("TOKEN".to_owned(), SECRET.to_owned()), ("EMPTY".to_owned(), String::new())].into();
    let options =
        LoadOptions { text: Some(("fuzz.toml".to_owned(), text.to_owned())), environment, ..LoadOptions::default() };
    match load(&options) {
        Ok(settings) => {
            for source in &settings.sources {
                assert!(Extractor::new(source).is_ok(), "{}", source.name);
            }
            let printed = settings.to_toml();
            assert!(!printed.contains(SECRET), "a key is shown: {printed}");
            let options = LoadOptions { text: Some(("printed.toml".to_owned(), printed.clone())), ..options };
            let again = load(&options).unwrap_or_else(|errors| panic!("{errors}\nof\n{printed}"));
            assert_eq!(again.to_toml(), printed);
        }
        Err(errors) => {
            assert!(!errors.0.is_empty());
            let lines = text.split('\n').count();
            for error in &errors.0 {
                assert!(error.line.is_none_or(|line| (1..=lines).contains(&line)), "{error}");
                assert!(!error.message.is_empty(), "{error}");
            }
            assert!(!errors.to_string().contains(SECRET), "a key is shown: {errors}");
        }
    }
});
