//! Reads one row of a filter: a quote, or a failure.

use std::borrow::Cow;
use std::time::Duration;

use jaq_json::{Map, Num, Val};
use rust_decimal::Decimal;

use super::factors::Factors;
use super::number::{self, Literal};
use super::time::Times;
use super::{RawReply, YEN_OR_YUAN, status, utf8};
use crate::decimal::{self, DecimalMark, Written};
use crate::failure::SourceError;
use crate::provider::scrub::Scrub;
use crate::quote::{NoMarket, Quote, Session, Sides, Stated};
use crate::symbol::Currency;

/// How many characters are kept of a word in place of a currency's code.
const LONGEST_UNIT: usize = 16;

/// A row of more fields than this has them looked up.
const FEW_FIELDS: usize = 32;

/// What a row is read against.
pub(super) struct Context<'a> {
    /// The body as text: a price must appear in it.
    pub(super) body: Cow<'a, str>,
    /// The notation of the source's texts, if it is stated.
    pub(super) decimal: Option<DecimalMark>,
    pub(super) scrub: &'a Scrub,
    pub(super) reply: &'a RawReply,
}

/// A row as the filter made it. Unknown fields are ignored; a field that is null counts as left out.
pub(super) struct Row<'v> {
    fields: &'v Map,
}

impl<'v> Row<'v> {
    pub(super) fn of(value: &'v Val) -> Result<Self, String> {
        match value {
            Val::Obj(fields) => Ok(Row { fields }),
            other => Err(format!("the filter gave {other} where a row {{symbol, price, …}} is expected")),
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&'v Val> {
        self.named(name).filter(|value| !matches!(value, Val::Null))
    }

    /// The same, be it null.
    fn named(&self, name: &str) -> Option<&'v Val> {
        if self.fields.len() > FEW_FIELDS {
            return self.fields.get(&Val::from(name.to_owned()));
        }
        // comparing some names is quicker than making a key and hashing it
        let is_named = |key: &Val| matches!(key, Val::TStr(text) | Val::BStr(text) if ***text == *name.as_bytes());
        self.fields.iter().find_map(|(key, value)| is_named(key).then_some(value))
    }

    /// The symbol as the provider spells it; `None` if the row does not say.
    pub(super) fn symbol(&self) -> Result<Option<String>, String> {
        match self.field("symbol") {
            None => Ok(None),
            Some(Val::Num(number)) => Ok(Some(number.to_string())),
            Some(value) => match text(value) {
                Some(name) => Ok(Some(name)),
                None => Err(format!("the filter gave the symbol {value}, which is not text")),
            },
        }
    }

    /// The same; but the row may leave its symbol out only if one symbol was `asked` for.
    pub(super) fn symbol_of(&self, asked: usize) -> Result<Option<String>, String> {
        match self.symbol()? {
            None if asked != 1 => Err(format!("the filter gave a row without a symbol, though {asked} were asked for")),
            named => Ok(named),
        }
    }

    /// Whether the row is a failure.
    pub(super) fn is_error(&self) -> bool {
        self.field("error").is_some()
    }

    /// Whether the row is a failure of the whole call: it names no symbol.
    pub(super) fn is_of_call(&self) -> bool {
        self.is_error() && self.field("symbol").is_none()
    }

    /// What the row says that the security is, if it says so and that is neither a share nor a fund.
    pub(super) fn neither_share_nor_fund(&self) -> Option<String> {
        let value = self.field("instrument")?;
        let word = text(value).unwrap_or_else(|| value.to_string());
        (!["share", "fund"].iter().any(|known| word.trim().eq_ignore_ascii_case(known))).then_some(word)
    }

    /// Whether the row states a price or a side of a book.
    pub(super) fn states_a_price(&self) -> bool {
        ["price", "bid", "ask"].iter().any(|name| self.field(name).is_some())
    }

    /// The failure that the row names.
    pub(super) fn failure(&self, context: &Context<'_>) -> Result<SourceError, String> {
        let value = self.field("error").unwrap_or(&Val::Null);
        let reason = text(value).unwrap_or_else(|| value.to_string());
        let detail = self.field("detail").map(|detail| text(detail).unwrap_or_else(|| detail.to_string()));
        let detail = detail.filter(|detail| !detail.trim().is_empty());
        let detail = detail.map(|detail| context.scrub.clean(&detail)).unwrap_or_else(|| format!("it says {reason}"));
        let detail = if reason == "blocked" { status::blocked(&detail, context.scrub) } else { detail };
        let retry_after = status::wait(context.reply, &reason, self.seconds("retry_after"));
        SourceError::from_reason(&reason, detail, retry_after).ok_or_else(|| {
            let allowed = SourceError::NAMED_BY_FILTERS.join(", ");
            format!("the filter names the failure {reason:?}; a filter can name {allowed}")
        })
    }

    /// The quote in the row, of a base that the source lists as a `multiple`. `unit` turns the unit that the row states
    /// into a currency, and says how many decimal places below that currency the row's figures are.
    pub(super) fn quote(
        &self,
        context: &Context<'_>,
        multiple: u64,
        unit: impl FnOnce(Option<&str>) -> (Option<Currency>, u32),
    ) -> Result<Quote, String> {
        let (currency, places) = unit(self.unit(context.scrub)?.or_else(|| self.sign()).as_deref());
        let factors = Factors::of(self, context, multiple)?;
        let price = self.number("price", context, factors.scale)?;
        let (bid, ask) = (self.side("bid", context, factors)?, self.side("ask", context, factors)?);
        let volume = self.volume(context)?;
        let times = Times::of(self)?;
        let no_market = self.no_market()?.or_else(|| without_orders(bid, ask, volume, times));
        let stated = Sides { last: price.decimal(), bid: bid.number(), ask: ask.number() };
        let named = |name: &str, why: String| format!("`{name}` {why}");
        let prices = stated.try_map(|name, figure| factors.price(figure).map_err(|why| named(name, why)))?;
        let prices = prices.map(|value| number::shifted(value, places));
        let figures = || stated.try_map(|name, figure| factors.for_one(figure).map_err(|why| named(name, why)));
        let figures = factors.inverse.then(figures).transpose()?;
        // a hundred pence are one pound, so the inverse of a price in pence is scaled the other way
        let inverse_of = figures.map(|figures| figures.map(|value| number::raised(value, places)));
        let (bid, ask) = if factors.inverse { (prices.ask, prices.bid) } else { (prices.bid, prices.ask) };
        Ok(Quote {
            price: match (price, prices.last) {
                (Literal::NotANumber(text), _) => Stated::NotANumber(context.scrub.clean(&text)),
                (_, Some(value)) => Stated::Number(value),
                (_, None) => Stated::Absent,
            },
            bid,
            ask,
            inverse_of: inverse_of.map(Box::new),
            volume: volume.and_then(|volume| factors.volume(volume)),
            currency,
            session: self.field("session").and_then(text).and_then(|name| session(&name)),
            no_market,
            observed_at: times.at,
            book_at: times.book_at,
            received_at: context.reply.received_at,
            latency: context.reply.latency,
        })
    }

    /// A number of the row with its decimal point moved.
    fn number(&self, name: &str, context: &Context<'_>, scale: i32) -> Result<Literal, String> {
        let Some(value) = self.field(name) else { return Ok(Literal::Absent) };
        number::read(value, context, scale).map_err(|why| format!("`{name}` {why}"))
    }

    /// The volume. One whose notation is ambiguous is left out, like any other that cannot be read: no price depends on
    /// it.
    fn volume(&self, context: &Context<'_>) -> Result<Option<Decimal>, String> {
        let is_ambiguous = |text: String| decimal::written(&text, context.decimal) == Written::Ambiguous;
        if self.field("volume").and_then(text).is_some_and(is_ambiguous) {
            return Ok(None);
        }
        Ok(self.number("volume", context, 0)?.decimal())
    }

    /// What the row says about one side of the book.
    fn side(&self, name: &str, context: &Context<'_>, factors: Factors) -> Result<Side, String> {
        let Some(value) = self.named(name) else { return Ok(Side::NotNamed) };
        if matches!(value, Val::Null) {
            return Ok(Side::Null);
        }
        Ok(match self.number(name, context, factors.scale)? {
            Literal::Absent => Side::Empty,
            Literal::Number(zero) if zero.is_zero() => Side::Empty,
            Literal::Number(value) => Side::Number(value),
            Literal::NotANumber(_) => Side::Unreadable,
        })
    }

    /// Why trading is not possible, if the row says so.
    fn no_market(&self) -> Result<Option<NoMarket>, String> {
        let Some(value) = self.field("market") else { return Ok(None) };
        let word = text(value).unwrap_or_else(|| value.to_string());
        market(&word)
            .ok_or_else(|| format!("`market` is {word:?}; a filter can say open, halted, cancel_only or delisted"))
    }

    /// The unit that the row states: a currency's code, a part of a currency such as `GBp`, or any other word. The fold
    /// decides whether it is a currency's code.
    fn unit(&self, scrub: &Scrub) -> Result<Option<String>, String> {
        let Some(value) = self.field("currency") else { return Ok(None) };
        let unit = match value {
            Val::Num(number) => number.to_string(),
            other => text(other).ok_or_else(|| format!("`currency` is {other}, which is not text"))?,
        };
        let unit = scrub.clean(unit.trim());
        Ok((!unit.is_empty()).then(|| unit.chars().take(LONGEST_UNIT).collect()))
    }

    /// The currency that the sign before or after a price means, for a row that names no currency: `€71` is not in
    /// dollars. A `$` says nothing, because many currencies are written with it.
    fn sign(&self) -> Option<String> {
        let texts = ["price", "bid", "ask"].into_iter().filter_map(|name| text(self.field(name)?));
        let mut signs = texts.flat_map(|text| [text.trim().chars().next(), text.trim().chars().next_back()]).flatten();
        signs
            .find_map(|sign| {
                Some(match sign {
                    '€' => "EUR",
                    '£' => "GBP",
                    '₹' => "INR",
                    '₩' => "KRW",
                    '₿' => "BTC",
                    '¥' => YEN_OR_YUAN,
                    _ => return None,
                })
            })
            .map(str::to_owned)
    }

    /// A length of time in seconds, as a number or as text. Unlike a price, the filter may calculate it.
    fn seconds(&self, name: &str) -> Option<Duration> {
        let value = self.field(name)?;
        let stated = match value {
            Val::Num(Num::Float(seconds)) if !seconds.is_finite() => return None,
            Val::Num(number) => number.to_string(),
            other => text(other)?,
        };
        let milliseconds = decimal::read(stated.trim())?.checked_mul(Decimal::ONE_THOUSAND)?.trunc();
        let milliseconds = u64::try_from(milliseconds).ok()?;
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }
}

/// What a row says about one side of a book.
#[derive(Clone, Copy)]
enum Side {
    /// The row has no such field.
    NotNamed,
    /// The field is null: the source has no such figure, or there are no orders.
    Null,
    /// There are no orders: the field is zero, or a text such as `N/A`.
    Empty,
    /// The price of the best order.
    Number(Decimal),
    /// Something else.
    Unreadable,
}

impl Side {
    fn number(self) -> Option<Decimal> {
        match self {
            Side::Number(value) => Some(value),
            Side::NotNamed | Side::Null | Side::Empty | Side::Unreadable => None,
        }
    }
}

/// A text's characters; `None` for anything else.
pub(super) fn text(value: &Val) -> Option<String> {
    match value {
        Val::TStr(bytes) => Some(utf8(bytes).into_owned()),
        _ => None,
    }
}

fn session(name: &str) -> Option<Session> {
    [Session::Pre, Session::Regular, Session::Post, Session::Closed]
        .into_iter()
        .find(|session| session.as_str() == name)
}

/// Why there is no market if there are neither bids nor asks, and no sign of a trade. Two nulls alone say nothing: a
/// filter also gives them if the source has no book.
fn without_orders(bid: Side, ask: Side, volume: Option<Decimal>, times: Times) -> Option<NoMarket> {
    let is_without = |side| matches!(side, Side::Null | Side::Empty);
    let is_said = matches!(bid, Side::Empty) || matches!(ask, Side::Empty);
    if !is_without(bid) || !is_without(ask) {
        None
    } else if volume.is_some_and(|volume| volume.is_zero()) {
        Some(NoMarket::NothingTraded)
    } else {
        (is_said && times.at.is_none()).then_some(NoMarket::NoTradeStated)
    }
}

/// What a word of `market` means; `None` if the word is unknown.
fn market(word: &str) -> Option<Option<NoMarket>> {
    Some(match word {
        "open" => None,
        "halted" => Some(NoMarket::Halted),
        "cancel_only" => Some(NoMarket::CancelOnly),
        "delisted" => Some(NoMarket::Delisted),
        _ => return None,
    })
}
