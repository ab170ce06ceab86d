//! Names that the user defined, and what sources call them.

use crate::world::{World, of, says, source, status};

#[tokio::test(start_paused = true)]
async fn a_name_that_the_user_defined_is_asked_only_of_sources_that_have_it() {
    let own = |name: &str| {
        format!("[sources.{name}]\nclasses = [\"equity\", \"fund\"]\nurl = \"http://x.test/{{symbol}}\"\njq = \".\"\n")
    };
    let symbols = "[symbols.WORLD]\nclass = \"fund\"\ncurrency = \"EUR\"\nspelled = { alpha = \"IE00X.EUFUND\", beta = \"0P0X\" }\n";
    let world = World::of(&[own("alpha"), own("beta"), own("gamma"), symbols.to_owned()].concat());
    // a stated currency wins; a quote without one is in the currency that is set
    world.say("alpha", "WORLD", says("101.2").in_unit("EUR")).say("beta", "WORLD", says("101.4"));
    world.say("gamma", "WORLD", says("3"));
    let entry = world.ask_one("symbols=WORLD").await;
    assert_eq!(
        (status(&entry).as_str(), entry["price"].as_str(), &entry["currency"]),
        ("ok", Some("101.3"), &"EUR".into())
    );
    assert_eq!(of(&entry, "beta")["status"], "used");
    assert!(world.asked("gamma").is_empty(), "WORLD is another company's share there");
    let spelled: Vec<_> = world
        .service
        .sources()
        .iter()
        .map(|source| {
            let symbol = quotefold::symbol::Symbol::parse("WORLD").unwrap();
            source.profile.extractor.spelling().spell(&symbol, quotefold::symbol::Class::Fund).unwrap()
        })
        .collect();
    assert_eq!(spelled, ["IE00X.EUFUND", "0P0X", "WORLD"]);
}

#[tokio::test(start_paused = true)]
async fn a_coin_that_the_user_defined_is_not_taken_for_another_of_its_name() {
    let sources = [
        source("alpha", "crypto", ""),
        source("one", "crypto", "currencies = [\"USDT\"]"),
        source("two", "crypto", "currencies = [\"USDT\"]"),
        source("turned", "crypto", "symbols = [\"USD-*\"]"),
    ];
    let own = "[symbols.\"MYC-USD\"]\nspelled = { alpha = \"mycoin\" }\n";
    let world = World::of(&[sources.concat().as_str(), own].concat());
    world.say("alpha", "MYC-USD", says("3")).say("alpha", "USDT-USD", says("1"));
    for source in ["one", "two"] {
        world.say(source, "MYC-USDT", says("0.01"));
    }
    let entry = world.ask_one("symbols=MYC-USD").await;
    assert_eq!((entry["price"].as_str(), entry["quotes"].as_array().unwrap().len()), (Some("3"), 1));
    assert!(["one", "two", "turned"].into_iter().all(|source| world.asked(source).is_empty()));
}
