//! Host names that do not exist, and name servers that do not answer.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use quotefold::clock::Clock;
use quotefold::failure::SourceError;
use quotefold::profile::Profile;
use quotefold::provider::extract::Extractor;
use quotefold::source::fetch::Fetch;
use quotefold::source::fetch::connector::Connectors;
use quotefold::source::fetch::resolver::Resolver;
use quotefold::symbol::Symbol;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::sources::{service, source, verdict};
use crate::support::{Upstream, settings};

/// The leaf of a source whose names are looked up in this way.
pub(crate) fn leaf(section: &str, resolver: Resolver) -> Fetch {
    let settings = settings(&format!("[server]\ntimeout = \"8s\"\n{section}"));
    let source = settings.sources[0].clone();
    let connector = Connectors::new(resolver).of(&source).unwrap();
    let extractor = Extractor::new(&source).unwrap();
    let profile = Arc::new(Profile::new(source, extractor, &settings));
    Fetch::new(connector, profile, Clock::system(), Arc::new(Semaphore::new(1)))
}

/// One exchange, and how long it took.
pub(crate) async fn exchange(leaf: &Fetch) -> (Result<u16, SourceError>, Duration) {
    let (symbol, started) = (Symbol::parse("BTC-USD").unwrap(), Instant::now());
    let replied = timeout(Duration::from_secs(10), leaf.exchange(&[symbol])).await;
    (replied.expect("the attempt ran out").map(|reply| reply.status), started.elapsed())
}

#[test]
fn a_name_that_does_not_exist_is_no_connection() {
    let service = service(&[source("desk", "base_url = \"http://quotefold.invalid\"\ntimeout = \"2s\"")]);
    let (verdict, detail) = verdict(&service, "desk");
    assert_eq!(verdict, "failed / connection", "{detail}");
    // what a name server says depends on where this runs, and whether there is one
    assert!(detail.starts_with("cannot reach quotefold.invalid: "), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_name_without_an_address_is_said_to_have_none() {
    let nobody = "failed to lookup address information: Name or service not known";
    let resolver = Resolver::by(move |_| Box::pin(async move { Err(std::io::Error::other(nobody)) }));
    let (replied, took) =
        exchange(&leaf(&source("desk", "base_url = \"https://a.test\"\ntimeout = \"1s\""), resolver)).await;
    let said = "cannot reach a.test: its name has no address (Name or service not known)";
    assert_eq!((replied, took), (Err(SourceError::Connection(said.to_owned())), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_never_answers_is_no_connection_after_three_quarters_of_the_attempt() {
    for base in ["http://a.test", "https://a.test"] {
        let section = source("desk", &format!("base_url = \"{base}\"\ntimeout = \"1s\""));
        let (replied, took) = exchange(&leaf(&section, Resolver::by(|_| Box::pin(pending())))).await;
        let said = "cannot reach a.test: no name server answered within 750 ms";
        assert_eq!(replied, Err(SourceError::Connection(said.to_owned())));
        assert_eq!(took.as_millis(), 750);
    }
}

#[tokio::test(start_paused = true)]
async fn mirrors_have_equal_shares_of_that_and_each_is_named() {
    let section =
        source("desk", "base_url = [\"https://a.test\", \"https://b.test\", \"https://c.test\"]\ntimeout = \"1s\"");
    let (replied, took) = exchange(&leaf(&section, Resolver::by(|_| Box::pin(pending())))).await;
    let why = "no name server answered within 250 ms";
    let said = format!("no address can be reached: a.test: {why}; b.test: {why}; c.test: {why}");
    assert_eq!(replied, Err(SourceError::Connection(said)));
    assert_eq!(took.as_millis(), 750);
}

#[tokio::test]
async fn a_mirror_whose_name_is_known_answers_in_its_own_share() {
    let vendor = Upstream::quoting("100");
    let address = vendor.address;
    let resolver = Resolver::by(move |host| {
        Box::pin(async move { if host == "b.test" { Ok(vec![address]) } else { pending().await } })
    });
    let bases = format!("base_url = [\"http://a.test\", \"http://b.test:{}\"]\ntimeout = \"8s\"", address.port());
    let leaf = leaf(&source("desk", &bases), resolver);
    let (replied, took) = exchange(&leaf).await;
    assert_eq!(replied, Ok(200));
    assert!(took >= Duration::from_secs(3), "{took:?}");
    let (replied, took) = exchange(&leaf).await;
    assert_eq!(replied, Ok(200));
    assert!(took < Duration::from_secs(3), "the first was looked for again: {took:?}");
}
