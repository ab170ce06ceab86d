//! Reads what turns a row's figures into prices of one unit: a power of ten, and how many units they are for.

use jaq_json::{Num, Val};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::row::{self, Context, Row};
use crate::decimal::{self, Written};

/// The largest power of ten, up or down: a price has at most 28 digits.
const MOST_PLACES: i64 = 30;

/// The most units that a price may be for.
const MOST_UNITS: i64 = 1_000_000_000_000_000_000;

/// What is done to the price, bid and ask of a row.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    /// The power of ten that they have to be multiplied with: −30 to 30.
    pub(super) scale: i32,
    /// The number of units that they are for: 1 to 10^18.
    pub(super) per: u64,
    /// How many of the pair's base one of these units is: 1, unless the source lists the base as a multiple.
    pub(super) multiple: u64,
    /// Whether they are 1/price.
    pub(super) inverse: bool,
}

impl Factors {
    /// What a row states, for a base that the source lists as this multiple.
    pub(super) fn of(row: &Row<'_>, context: &Context<'_>, multiple: u64) -> Result<Self, String> {
        let scale = match row.field("scale") {
            None => 0,
            // a whole number as small as that is exact, even if the filter calculated it
            Some(value) => whole(value, context, true)
                .filter(|scale| (-MOST_PLACES..=MOST_PLACES).contains(scale))
                .and_then(|scale| i32::try_from(scale).ok())
                .ok_or_else(|| format!("`scale` is {value}; it has to be a whole number from -30 to 30"))?,
        };
        let per = match row.field("per") {
            None => 1,
            Some(value) => whole(value, context, false)
                .filter(|per| (1..=MOST_UNITS).contains(per))
                .and_then(|per| u64::try_from(per).ok())
                .ok_or_else(|| {
                    format!("`per` is {value}; it has to be a whole number from 1 to 10^18 that the filter did not calculate")
                })?,
        };
        let inverse = match row.field("inverse") {
            None | Some(Val::Bool(false)) => false,
            Some(Val::Bool(true)) => true,
            Some(other) => return Err(format!("`inverse` is {other}, neither true nor false")),
        };
        Ok(Factors { scale, per, multiple, inverse })
    }

    /// The price of one unit that a figure of the row states.
    pub(super) fn price(self, figure: Decimal) -> Result<Decimal, String> {
        match self {
            Factors { inverse: false, .. } => self.for_one(figure),
            Factors { scale: 0, per: 1, multiple: 1, .. } => Ok(decimal::inverse(figure)),
            Factors { per, multiple, .. } => times(figure, multiple)
                .and_then(|figure| decimal::ratio(per, figure))
                .ok_or_else(|| self.out_of_range(figure)),
        }
    }

    /// A figure of the row as it would be if it were for one unit: the price, or 1/price.
    pub(super) fn for_one(self, figure: Decimal) -> Result<Decimal, String> {
        let Factors { per, multiple, .. } = self;
        let for_one = match self.inverse {
            false => per.checked_mul(multiple).map_or_else(
                || decimal::divided(figure, per).and_then(|figure| decimal::divided(figure, multiple)),
                |units| decimal::divided(figure, units),
            ),
            true => times(figure, multiple).and_then(|figure| decimal::divided(figure, per)),
        };
        for_one.ok_or_else(|| self.out_of_range(figure))
    }

    /// A volume in units of the base.
    pub(super) fn volume(self, volume: Decimal) -> Option<Decimal> {
        times(volume, self.multiple)
    }

    fn out_of_range(self, figure: Decimal) -> String {
        let units = u128::from(self.per) * u128::from(self.multiple);
        format!("is {figure} for {units} units, which is too little or too much for a price of one")
    }
}

/// The product; `None` if no decimal holds it.
fn times(value: Decimal, multiple: u64) -> Option<Decimal> {
    if multiple == 1 { Some(value) } else { value.checked_mul(Decimal::from(multiple)) }
}

/// A whole number out of the body or the filter; of those that the filter calculated with binary fractions, only if
/// that is allowed.
fn whole(value: &Val, context: &Context<'_>, may_be_calculated: bool) -> Option<i64> {
    let text = match value {
        Val::Num(Num::Float(number)) if !may_be_calculated || !number.is_finite() => return None,
        Val::Num(number) => number.to_string(),
        other => match decimal::written(&row::text(other)?, context.decimal) {
            Written::Number(number) => number,
            Written::Missing | Written::Ambiguous | Written::NotANumber => return None,
        },
    };
    decimal::read(&text).filter(Decimal::is_integer)?.to_i64()
}
