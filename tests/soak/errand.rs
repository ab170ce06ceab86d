//! What a client asks for, and what must be true of the answer.

use std::time::Duration;

use quotefold::symbol::Symbol;

/// How long a client waits who does not say so: the service's own `timeout`.
const USUAL: Duration = Duration::from_millis(800);

/// Symbols that nobody has.
const INVENTED: [&str; 4] = ["NOSUCH", "ZZZZ9", "NOPE-USD", "QQQ-USDT"];

/// One request, and what must be true of its answer.
pub(crate) struct Errand {
    pub(crate) target: String,
    pub(crate) asked: Vec<String>,
    pub(crate) invented: bool,
    pub(crate) deadline: Duration,
    /// Prices are in their own currency, so they can be judged.
    pub(crate) plain: bool,
}

impl Errand {
    /// What to ask for next: mostly a few symbols, now and then one alone, all of a kind, or one that does not exist.
    pub(crate) fn new(symbols: &[Symbol], chance: &mut fastrand::Rng) -> Self {
        let mut asked = Vec::new();
        for _ in 0..chance.usize(1..6) {
            let name = symbols[chance.usize(0..symbols.len())].to_string();
            if !asked.contains(&name) {
                asked.push(name);
            }
        }
        let invented = chance.u8(..) < 8;
        if invented {
            asked.push(INVENTED[chance.usize(0..INVENTED.len())].to_owned());
        }
        let mut parameters = Vec::new();
        let timeouts = [("300ms", 300), ("1s", 1000), ("2s", 2000)];
        let mut deadline = USUAL;
        if chance.u8(..) < 100 {
            let (text, milliseconds) = timeouts[chance.usize(0..timeouts.len())];
            parameters.push(format!("timeout={text}"));
            deadline = Duration::from_millis(milliseconds);
        }
        let more =
            ["refresh_after=0s", "max_age=3s", "require=all", "require=ok", "quotes=false", "currency=EUR", "", ""];
        parameters.push(more[chance.usize(0..more.len())].to_owned());
        let plain = !parameters.iter().any(|parameter| parameter.starts_with("currency"));
        parameters.retain(|parameter| !parameter.is_empty());
        let target = if let [only] = asked.as_slice() {
            format!("/prices/{only}?{}", parameters.join("&"))
        } else {
            parameters.insert(0, format!("symbols={}", asked.join(",")));
            format!("/prices?{}", parameters.join("&"))
        };
        Errand { target, asked, invented, deadline, plain }
    }
}
