//! Reads a wrong reply as the real source would, and folds what it says between two sources that are right.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use quotefold::decimal;
use quotefold::derive::derive;
use quotefold::failure::SourceError;
use quotefold::fold::{Basis, Evidence, Exclusion, Price, Verdict, fold};
use quotefold::profile::Profile;
use quotefold::provider::description::Example;
use quotefold::provider::extract::RawReply;
use quotefold::quote::{Origin, Outcome, Quote, Role, Stated};
use quotefold::route::{Rate, Route};
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::Symbol;
use rust_decimal::Decimal;

use super::sent::Sent;
use super::{OVERRULED, SLIPS_THROUGH, changed};

/// When a reply arrives whose quote states no time.
const SOME_FRIDAY: &str = "2026-11-20T14:31:00Z";
/// How long after its quote was observed any other reply arrives.
const A_MOMENT: SignedDuration = SignedDuration::from_secs(2);

/// The factors of the two honest sources: one is a little too low, the other too high by as much.
const HONEST: [(&str, Decimal); 2] = [
    ("honest and low", Decimal::from_parts(9_999, 0, 0, false, 4)),
    ("honest and high", Decimal::from_parts(10_001, 0, 0, false, 4)),
];

/// The sources of the catalogue, with the default settings.
pub(super) struct Company {
    settings: Settings,
    profiles: Vec<Profile>,
}

/// A call to a source: its subject, its time, and the example that shows its reply.
struct Call<'a> {
    source: &'a Profile,
    symbol: Symbol,
    route: Route,
    example: &'a Example,
    now: Timestamp,
}

impl Company {
    pub(super) fn new() -> Self {
        let text = Some(("nothing set".to_owned(), String::new()));
        let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
        let profile = |(source, extractor)| Profile::new(source, extractor, &settings);
        let profiles = crate::providers().into_iter().map(profile).collect();
        Company { settings, profiles }
    }

    /// Where a mistake is noticed: when the reply is read, when its quote is admitted to the fold, as an outlier, or
    /// nowhere.
    ///
    /// # Errors
    /// The mistake changes nothing, or the reply is no good even without it.
    pub(super) fn noticed(&self, sent: &Sent) -> Result<String, String> {
        let call = self.call(sent)?;
        let right = call.read(&call.example.body).map_err(|error| format!("without the mistake: {error}"))?;
        let wrong = match sent.changes {
            [] => Ok(right.clone()),
            changes => call.read(&changed(&call.example.body, changes)?),
        };
        if wrong.as_ref() == Ok(&right) && sent.rate.right == sent.rate.said {
            return Err("it changes nothing".to_owned());
        }
        let (last, book) = (right.price.clone(), [right.bid, right.ask]);
        let right = self.evidence(&call, right, sent.rate.right);
        let (verdict, _) = self.verdict(&call, &right.outcome, right.clone())?;
        if verdict != Verdict::Used {
            return Err(format!("without the mistake: {verdict:?}"));
        }
        match wrong {
            Ok(wrong) => {
                let only_last_differs = [wrong.bid, wrong.ask] == book && wrong.price != last;
                let (verdict, read) =
                    self.verdict(&call, &right.outcome, self.evidence(&call, wrong, sent.rate.said))?;
                let is_overruled = verdict == Verdict::Used && read != Some(Basis::Last) && only_last_differs;
                Ok(if is_overruled { OVERRULED.to_owned() } else { place(verdict) })
            }
            Err(error) => Ok(format!("reading / {}", error.reason())),
        }
    }

    /// The call whose reply is one of the source's examples.
    fn call(&self, sent: &Sent) -> Result<Call<'_>, String> {
        let symbol = Symbol::parse(sent.symbol).map_err(|error| error.to_string())?;
        let source = self.profiles.iter().find(|source| source.name() == sent.file).ok_or("there is no such file")?;
        let route = Route::find(source, &symbol, &self.settings).ok_or("the source does not price that")?;
        let quoted = source.settings.examples.iter().find_map(|example| {
            let is_it = |text: &str| Symbol::parse(text).as_ref() == Ok(&route.asked);
            let expected = example.expect.iter().find(|one| one.error.is_none() && is_it(&one.symbol))?;
            let stated = expected.book_at.as_deref().or(expected.observed_at.as_deref());
            Some((example, stated.unwrap_or(SOME_FRIDAY)))
        });
        let (example, observed_at) = quoted.ok_or("no example quotes that")?;
        let now = observed_at.parse::<Timestamp>().unwrap() + A_MOMENT + SignedDuration::from_hours(sent.hours_later);
        Ok(Call { source, symbol, route, example, now })
    }

    /// What a reply says about the symbol, derived if the source quotes another pair.
    fn evidence(&self, call: &Call<'_>, quote: Quote, rate: &str) -> Evidence {
        let origin = call.source.origin(self.settings.class(&call.symbol));
        let outcome = Outcome { origin, symbol: call.route.asked.clone(), quote: Some(quote), failure: None };
        let rates = call.route.rates.iter();
        let rates = rates.map(|way| (way.symbol.clone(), Arc::new(self.rate(way, rate, call.now)))).collect();
        derive(&call.symbol, &call.route, outcome, &rates, &self.settings.rule(&call.route.asked, None))
    }

    /// A rate on which all its sources agree.
    fn rate(&self, way: &Rate, said: &str, now: Timestamp) -> Price {
        let quote = Quote::bare(decimal::read(said).unwrap(), now);
        let says = |(name, _)| honest(name, &way.symbol, Role::Primary, quote.clone());
        fold(&way.symbol, HONEST.map(says), &self.settings.rule(&way.symbol, None), now)
    }

    /// The verdict on a quote between two honest ones.
    ///
    /// # Errors
    /// There is no price, or one that is farther off than the honest ones.
    fn verdict(&self, call: &Call<'_>, right: &Outcome, tried: Evidence) -> Result<(Verdict, Option<Basis>), String> {
        let quote = right.quote.clone().unwrap();
        // if there are enough primaries, references do not count
        let role = right.origin.role;
        let says = |(name, factor)| honest(name, &call.symbol, role, times(quote.clone(), factor));
        let [low, high] = HONEST.map(says);
        let price =
            fold(&call.symbol, [low.into(), tried, high.into()], &self.settings.rule(&call.symbol, None), call.now);

        let judged = |name: &str| price.quotes.iter().find(|judged| judged.outcome.origin.source == name).unwrap();
        let [lowest, highest] = HONEST.map(|(name, _)| judged(name).price);
        match &price.folded {
            Some(folded) if (lowest..=highest).contains(&Some(folded.price)) => {
                let tried = judged(call.source.name());
                Ok((tried.verdict, tried.basis))
            }
            _ => Err(format!("the price is not the honest one: {:?}: {:?}", price.status, price.detail)),
        }
    }
}

impl Call<'_> {
    fn read(&self, body: &str) -> Result<Quote, SourceError> {
        let reply = RawReply::bare(self.example.status, body, self.now);
        let asked = std::slice::from_ref(&self.route.asked);
        self.source.extractor.read(&reply, asked, quotefold::clock::cpu::timer)?.outcomes.remove(0).1
    }
}

fn place(verdict: Verdict) -> String {
    match verdict {
        Verdict::Used => SLIPS_THROUGH.to_owned(),
        Verdict::Excluded(Exclusion::Outlier) => "outlier".to_owned(),
        Verdict::Excluded(reason) => format!("admission / {}", reason.as_str()),
        Verdict::Failed => "failed".to_owned(),
    }
}

fn honest(name: &str, symbol: &Symbol, role: Role, quote: Quote) -> Outcome {
    let origin = Origin { source: name.to_owned(), account: name.to_owned(), role, lag_ms: 0, by_isin: false };
    Outcome { origin: Arc::new(origin), symbol: symbol.clone(), quote: Some(quote), failure: None }
}

fn times(quote: Quote, factor: Decimal) -> Quote {
    let price = match quote.price {
        Stated::Number(price) => Stated::Number(price * factor),
        other => other,
    };
    Quote { price, bid: quote.bid.map(|bid| bid * factor), ask: quote.ask.map(|ask| ask * factor), ..quote }
}
