//! Names currencies, and tells pence from pounds.

use std::fmt;
use std::sync::Arc;

/// A currency's code, in capitals: `USD`, `USDT`, `BTC`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Currency(Arc<str>);

impl Currency {
    /// A currency by its code, in any case. Sub-units (`GBp`) are not currencies: see [`Currency::of_unit`].
    pub fn new(code: &str) -> Self {
        Currency(code.to_ascii_uppercase().into())
    }

    /// The currency of a unit prices are quoted in, and how many decimal places the unit lies below it.
    ///
    /// Pence, agorot and cents are hundredths, fils of Kuwait thousandths. `GBp` is pence and `GBP` pounds: case counts here.
    pub fn of_unit(unit: &str) -> (Self, u32) {
        match unit {
            "GBX" | "GBp" | "GBx" => (Currency::new("GBP"), 2),
            "ILA" | "ILa" | "ILs" => (Currency::new("ILS"), 2),
            "ZAC" | "ZAc" => (Currency::new("ZAR"), 2),
            "KWF" | "KWf" => (Currency::new("KWD"), 3),
            whole => (Currency::new(whole), 0),
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
