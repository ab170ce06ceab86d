//! Checks which rung of the ladder decides.

use super::*;
use crate::failure::SourceError;
use crate::fold::testing::{
    HOUR, MINUTE, decimal, equity, failed, fold, of_origin, reference, refused, rule, says, says_at, used, with,
};
use crate::fold::{Price, Unavailable};
use crate::quote::Outcome;

fn status(outcomes: impl IntoIterator<Item = Outcome>) -> Status {
    fold("BTC-USD", outcomes, &rule()).status
}

fn verdicts(price: &Price) -> Vec<Verdict> {
    price.quotes.iter().map(|judged| judged.verdict).collect()
}

fn of_account(outcome: Outcome, account: &str) -> Outcome {
    of_origin(outcome, |origin| origin.account = account.into())
}

fn in_session(outcome: Outcome, session: Session) -> Outcome {
    with(outcome, |quote| quote.session = Some(session))
}

#[test]
fn a_quorum_of_primaries_and_reserves_needs_no_reference() {
    let reserve = of_origin(says("beta", "100"), |origin| origin.role = Role::Reserve);
    let price = fold("BTC-USD", [says("alpha", "100"), reserve, reference("gamma", "99")], &rule());
    assert_eq!((price.status, used(&price)), (Status::Ok, vec!["alpha", "beta"]));
    assert_eq!(price.quotes[2].verdict, Verdict::Excluded(Exclusion::Reference));
    assert_eq!(price.quotes[2].deviation_bps, Some(decimal("-100")));
}

#[test]
fn references_help_out_and_the_price_says_so() {
    let price = fold("BTC-USD", [says("alpha", "100"), reference("gamma", "100.5")], &rule());
    assert_eq!(price.status, Status::Degraded(Degraded::WithReferences));
    assert_eq!(price.folded.unwrap().price, decimal("100.25"));
}

#[test]
fn older_quotes_are_the_next_resort_and_only_up_to_fallback_for() {
    let at = |seconds| status([says("alpha", "100"), says_at("beta", "100", seconds)]);
    assert_eq!(at(60), Status::Ok);
    assert_eq!(at(61), Status::Degraded(Degraded::StaleFallback));
    assert_eq!(at(15 * MINUTE), Status::Degraded(Degraded::StaleFallback));
    assert_eq!(at(15 * MINUTE + 1), Status::Unavailable(Unavailable::NoQuorum));
}

#[test]
fn a_stale_quote_stays_out_while_fresh_ones_suffice() {
    let price = fold("BTC-USD", [says("alpha", "100"), says("beta", "100"), says_at("gamma", "99", 61)], &rule());
    assert_eq!((price.status, used(&price)), (Status::Ok, vec!["alpha", "beta"]));
    assert_eq!(price.quotes[2].verdict, Verdict::Excluded(Exclusion::Stale));
}

#[test]
fn fewer_than_required_give_no_price_where_the_rule_refuses() {
    let price = fold("BTC-USD", [says("alpha", "100"), failed("beta", SourceError::unavailable("503"))], &rule());
    assert_eq!(price.status, Status::Unavailable(Unavailable::NoQuorum));
    assert_eq!(verdicts(&price), [Verdict::Excluded(Exclusion::NotFolded), Verdict::Failed]);
    assert_eq!((price.folded, price.covering), (None, 2));
}

#[test]
fn fewer_than_required_give_a_degraded_price_where_the_rule_degrades() {
    let lenient = Rule { below_quorum: BelowQuorum::Degrade, ..rule() };
    let timeout = || failed("beta", SourceError::unavailable("503"));
    let price = fold("BTC-USD", [says("alpha", "100"), timeout()], &lenient);
    assert_eq!(price.status, Status::Degraded(Degraded::FewSources));
    let price = fold("BTC-USD", [reference("alpha", "100"), timeout()], &lenient);
    assert_eq!(price.status, Status::Degraded(Degraded::FewSources));
    // but a quote that is too old does not become young by being alone
    let price = fold("BTC-USD", [says_at("alpha", "100", 61), timeout()], &lenient);
    assert_eq!(price.status, Status::Unavailable(Unavailable::AllStale));
}

#[test]
fn the_few_sources_that_cover_a_symbol_are_enough_if_all_of_them_answer() {
    let denies = |source| failed(source, SourceError::UnknownSymbol("no such symbol".into()));
    let price = fold("BTC-USD", [says("alpha", "100"), denies("beta")], &rule());
    assert_eq!((price.status, price.covering), (Status::Degraded(Degraded::FewSources), 1));
    let three = Rule { required: 3, ..rule() };
    let silent = failed("beta", SourceError::unavailable("503"));
    let price = fold("BTC-USD", [says("alpha", "100"), silent, denies("gamma")], &three);
    assert_eq!((price.status, price.covering), (Status::Unavailable(Unavailable::NoQuorum), 2));
}

#[test]
fn few_sources_that_disagree_have_no_price_either() {
    let lenient = Rule { required: 3, below_quorum: BelowQuorum::Degrade, ..rule() };
    let price = fold("BTC-USD", [says("alpha", "100"), says("beta", "110")], &lenient);
    assert_eq!(price.status, Status::Unavailable(Unavailable::SourcesDisagree));
}

#[test]
fn nothing_older_or_derived_overrules_a_disagreement() {
    let price = fold(
        "BTC-USD",
        [says("alpha", "100"), says("beta", "110"), reference("gamma", "100"), says_at("delta", "100", 90)],
        &rule(),
    );
    assert_eq!(price.status, Status::Unavailable(Unavailable::SourcesDisagree));
    let left = |exclusion| Verdict::Excluded(exclusion);
    let expected = [Exclusion::NotFolded, Exclusion::NotFolded, Exclusion::Stale, Exclusion::NotFolded].map(left);
    assert_eq!(verdicts(&price), expected);
}

/// A quote that is fresh, and one that is older than `usable_for`.
fn fresh(source: &str, price: &str) -> Outcome {
    says_at(source, price, 1)
}

fn old(source: &str, price: &str) -> Outcome {
    says_at(source, price, 90)
}

fn figures(price: &Price) -> (Status, Option<String>, Vec<&str>) {
    (price.status, price.folded.as_ref().map(|folded| folded.price.to_string()), used(price))
}

#[test]
fn an_old_quote_supports_a_fresh_one_and_never_contradicts_it() {
    let lenient = Rule { below_quorum: BelowQuorum::Degrade, ..rule() };
    let few = Status::Degraded(Degraded::FewSources);
    let lone = |others: Vec<Outcome>| {
        let quotes = || others.clone().into_iter().chain([fresh("live", "105")]);
        assert_eq!(fold("BTC-USD", quotes(), &rule()).status, Status::Unavailable(Unavailable::NoQuorum));
        let price = fold("BTC-USD", quotes(), &lenient);
        assert_eq!(figures(&price), (few, Some("105".to_owned()), vec!["live"]));
        assert!(
            price.quotes[..others.len()].iter().all(|judged| judged.verdict == Verdict::Excluded(Exclusion::Stale))
        );
    };
    lone(vec![old("alpha", "100")]);
    // nor do many old ones, whether they agree among themselves or not
    lone(vec![old("alpha", "100"), old("beta", "100"), old("gamma", "100.1")]);
    lone(vec![old("alpha", "100"), old("beta", "110"), old("gamma", "90")]);
    let stale_fallback = Status::Degraded(Degraded::StaleFallback);
    let supported = fold("BTC-USD", [old("alpha", "104"), fresh("live", "105")], &rule());
    assert_eq!(figures(&supported), (stale_fallback, Some("104.5".to_owned()), vec!["alpha", "live"]));
}

#[test]
fn an_old_quote_supports_a_fresh_one_only_if_it_is_no_outlier_beside_it() {
    for (old_price, supports) in [("98.01", true), ("97.99", false), ("101.99", true), ("102.01", false)] {
        let price = fold("BTC-USD", [fresh("live", "100"), old("b", old_price)], &rule());
        assert_eq!(used(&price).contains(&"b"), supports, "{old_price}");
    }
    // a quote that supports nothing does not count among those that could have made a price
    let price =
        fold("BTC-USD", ["b", "c", "d"].map(|name| old(name, "110")).into_iter().chain([fresh("a", "100")]), &rule());
    assert_eq!(price.status, Status::Unavailable(Unavailable::NoQuorum));
    assert!(price.detail.as_ref().unwrap().starts_with("1 of 2 required sources"), "{:?}", price.detail);
}

#[test]
fn of_several_old_quotes_those_that_agree_with_the_fresh_one_support_it() {
    let stale_fallback = Status::Degraded(Degraded::StaleFallback);
    for others in [vec!["100"], vec!["100", "100"], vec!["100", "99", "120"]] {
        let others = others.iter().zip(["b", "c", "d"]).map(|(price, source)| old(source, price));
        let price = fold("BTC-USD", others.chain([fresh("live", "105"), old("near", "104.5")]), &rule());
        assert_eq!(figures(&price), (stale_fallback, Some("104.75".to_owned()), vec!["live", "near"]));
    }
    // of two that lie on either side of it, too far apart for one price, the nearer one
    let either = [old("above", "102"), old("below", "98.5"), fresh("live", "100")];
    let price = fold("BTC-USD", either, &rule());
    assert_eq!(figures(&price), (stale_fallback, Some("99.25".to_owned()), vec!["below", "live"]));
}

#[test]
fn old_quotes_do_not_decide_between_fresh_ones_that_disagree() {
    let disagree = Status::Unavailable(Unavailable::SourcesDisagree);
    for required in [2, 3] {
        let rule = Rule { required, ..rule() };
        let fresh = [fresh("alpha", "100"), fresh("beta", "105")];
        let old = ["c", "d", "e"].map(|source| old(source, "100"));
        assert_eq!(fold("BTC-USD", fresh.into_iter().chain(old), &rule).status, disagree, "{required}");
    }
    // of three fresh ones, one that is an outlier among them stays one
    let four = Rule { required: 4, ..rule() };
    let old = ["d", "e"].map(|source| old(source, "100"));
    let price =
        fold("BTC-USD", [fresh("a", "100"), fresh("b", "100"), fresh("liar", "105")].into_iter().chain(old), &four);
    assert_eq!(used(&price), ["a", "b", "d", "e"]);
}

#[test]
fn an_old_regular_quote_does_not_shut_out_a_fresh_one_from_after_hours() {
    let post = in_session(says_at("live", "105", 60), Session::Post);
    let stuck = ["alpha", "beta"].map(|source| in_session(says_at(source, "100", 30 * HOUR), Session::Regular));
    let trading = in_session(says_at("delta", "105", 60), Session::Post);
    let price = fold("AAPL", stuck.clone().into_iter().chain([post.clone()]), &equity());
    assert_eq!((price.status, used(&price)), (Status::Degraded(Degraded::FewSources), vec!["live"]));
    let price = fold("AAPL", stuck.into_iter().chain([post, trading]), &equity());
    assert_eq!((price.status, used(&price)), (Status::Ok, vec!["delta", "live"]));
}

#[test]
fn two_quotes_of_one_account_are_one_witness_and_the_newer_one_speaks() {
    let older = of_account(says_at("alpha", "100", 30), "vendor");
    let newer = of_account(says_at("beta", "101", 20), "vendor");
    assert_eq!(status([older.clone(), newer.clone()]), Status::Degraded(Degraded::FewSources));
    let price = fold("BTC-USD", [older.clone(), newer.clone(), says("gamma", "101")], &rule());
    assert_eq!((price.status, used(&price)), (Status::Ok, vec!["beta", "gamma"]));
    assert_eq!(price.quotes[0].verdict, Verdict::Excluded(Exclusion::SameAccount));
    let price = fold("BTC-USD", [older, newer, failed("gamma", SourceError::unavailable("503"))], &rule());
    assert_eq!(price.status, Status::Unavailable(Unavailable::NoQuorum));
    assert_eq!(price.quotes[0].verdict, Verdict::Excluded(Exclusion::SameAccount));
}

#[test]
fn an_accounts_newer_reference_does_not_silence_its_own_exchange() {
    let exchange = of_account(says_at("alpha", "100", 30), "vendor");
    let index = of_account(reference("beta", "100"), "vendor");
    let price = fold("BTC-USD", [exchange, index, says("gamma", "100")], &rule());
    assert_eq!((price.status, used(&price)), (Status::Ok, vec!["alpha", "gamma"]));
}

#[test]
fn regular_quotes_win_over_those_from_before_and_after_hours() {
    let quotes = [
        in_session(says("alpha", "100"), Session::Regular),
        in_session(says("beta", "100"), Session::Closed),
        in_session(says("gamma", "101"), Session::Post),
        says("delta", "100"),
    ];
    let price = fold("AAPL", quotes, &equity());
    assert_eq!((used(&price), price.session), (vec!["alpha", "beta", "delta"], Some(Session::Regular)));
    assert_eq!(price.quotes[3].verdict, Verdict::Excluded(Exclusion::OtherSession));
}

#[test]
fn without_regular_quotes_the_newer_session_wins() {
    let quotes = |post| {
        [
            in_session(says_at("alpha", "100", 60), Session::Pre),
            in_session(says_at("beta", "100", 60), Session::Pre),
            in_session(says_at("gamma", "101", post), Session::Post),
        ]
    };
    let price = fold("AAPL", quotes(61), &equity());
    assert_eq!((used(&price), price.session), (vec!["alpha", "beta"], Some(Session::Pre)));
    let price = fold("AAPL", quotes(59), &equity());
    assert_eq!((used(&price), price.session), (vec!["gamma"], Some(Session::Post)));
}

#[test]
fn a_closed_market_is_said_to_be_closed_unless_a_quote_knows_better() {
    let last = |session| {
        ["alpha", "beta"].map(|source| with(says_at(source, "100", 40 * HOUR), |quote| quote.session = session))
    };
    assert_eq!(fold("AAPL", last(None), &equity()).session, Some(Session::Closed));
    assert_eq!(fold("AAPL", last(Some(Session::Closed)), &equity()).session, Some(Session::Closed));
    assert_eq!(fold("AAPL", last(Some(Session::Post)), &equity()).session, Some(Session::Post));
}

#[test]
fn without_a_price_there_is_no_session_and_no_deviation() {
    let price = fold("BTC-USD", [in_session(says("alpha", "100"), Session::Regular), says("beta", "110")], &rule());
    assert_eq!(price.session, None);
    assert!(price.quotes.iter().all(|judged| judged.deviation_bps.is_none()));
}

#[test]
fn a_quote_whose_refresh_failed_is_folded_as_long_as_it_is_usable() {
    let failing = refused(says("alpha", "100"), SourceError::unavailable("503"));
    let price = fold("BTC-USD", [failing, says("beta", "100")], &rule());
    assert_eq!((price.status, used(&price)), (Status::Ok, vec!["alpha", "beta"]));
    assert!(price.quotes[0].outcome.failure.is_some());
}
