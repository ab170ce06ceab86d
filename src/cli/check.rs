//! `quotefold check`: whether the configuration holds together, and every source still means what its examples say.

mod live;

use std::io;

use super::print::{complain, print};
use super::{Check, Exit, options, settings};
use crate::settings::Settings;
use crate::settings::source::{Cost, SourceSettings};
use crate::settings::units::Limit;
use crate::source::example;
use crate::source::extract::Extractor;
use crate::source::spelling::Spelling;
use crate::symbol::Symbol;

pub(super) fn run(arguments: &Check) -> io::Result<Exit> {
    let settings = match settings(&options(&arguments.file)) {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    let all = settings.sources.iter().chain(settings.off.iter().map(|off| &off.source));
    let chosen: Vec<&SourceSettings> = match &arguments.source {
        Some(name) => all.filter(|source| source.name == *name).collect(),
        // what is off is checked too: its examples need no key
        None if !arguments.live => all.collect(),
        None => settings.sources.iter().collect(),
    };
    if let (Some(name), true) = (&arguments.source, chosen.is_empty()) {
        complain(&format!("there is no source {name:?}; `quotefold sources` lists those there are"));
        return Ok(Exit::Usage);
    }
    let (mut whole, mut priced) = (true, true);
    for source in &chosen {
        whole &= check(source)?;
        if !arguments.live && arguments.symbols.is_empty() {
            continue;
        }
        let symbols = match symbols(arguments, source, &settings) {
            Ok(symbols) => symbols,
            Err(error) => {
                complain(&error);
                return Ok(Exit::Usage);
            }
        };
        if arguments.live {
            priced &= live::look(&settings, source, &symbols)?;
        } else {
            spellings(&settings, source, &symbols)?;
        }
    }
    Ok(match (whole, priced) {
        (false, _) => Exit::Configuration,
        (true, false) => Exit::NotWhole,
        (true, true) => Exit::Done,
    })
}

/// Runs a source's examples, and says in words what its limits bear.
fn check(source: &SourceSettings) -> io::Result<bool> {
    let extractor = match Extractor::new(source) {
        Ok(extractor) => extractor,
        Err(error) => {
            print(&format!("{}: sources.{}.{error}\n", source.name, source.name))?;
            return Ok(false);
        }
    };
    let mut wrong = Vec::new();
    for example in &source.examples {
        if let Err(difference) = example::check(&extractor, source, example) {
            wrong.push(format!("  example \"{}\": {difference}\n", example.about));
        }
    }
    let verdict = if wrong.is_empty() { "ok" } else { "WRONG" };
    let limits: String = source.limits.iter().map(|limit| format!("  {}\n", bears(source, *limit))).collect();
    let count = source.examples.len();
    print(&format!("{}: {verdict}, {count} examples\n{limits}{}", source.name, wrong.concat()))?;
    Ok(wrong.is_empty())
}

/// What a limit means for those who poll: "25/day bears one symbol every 58 min", "20/2s bears 10 symbols a second".
fn bears(source: &SourceSettings, limit: Limit) -> String {
    let (calls, period) = (u64::from(limit.calls), limit.period.as_secs());
    let (one, many) = match (source.cost, source.batch) {
        (Cost::Call, batch @ 2..) => {
            (format!("a call of up to {batch} symbols"), format!("calls of up to {batch} symbols"))
        }
        _ => ("one symbol".to_owned(), "symbols".to_owned()),
    };
    if calls >= 2 * period {
        return format!("{limit} bears {} {many} a second", calls / period);
    }
    let seconds = period.div_ceil(calls);
    let often = match seconds {
        1 => "second".to_owned(),
        2..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    };
    format!("{limit} bears {one} every {often}")
}

/// What to ask a source for: what the caller says, else what its first example asks for. What the service would never ask
/// it for is refused: the call would be another one than the service makes.
fn symbols(arguments: &Check, source: &SourceSettings, settings: &Settings) -> Result<Vec<Symbol>, String> {
    let texts = match (arguments.symbols.is_empty(), source.examples.first()) {
        (true, Some(example)) => &example.asked,
        (true, None) => return Err(format!("{} has no examples; say which symbol to ask for", source.name)),
        (false, _) => &arguments.symbols,
    };
    let read = |text: &String| {
        let symbol = Symbol::parse(text).map_err(|error| error.to_string())?;
        if source.covers(&symbol, settings.class(&symbol)) {
            return Ok(symbol);
        }
        let classes: Vec<_> = source.classes.iter().map(|class| class.as_str()).collect();
        let (name, class, classes) = (&source.name, settings.class(&symbol), classes.join(", "));
        Err(format!("{name} does not cover {symbol} ({class}); ask it for another symbol of {classes}"))
    };
    texts.iter().take(source.batch).map(read).collect()
}

/// What the source calls the symbols, without asking it.
fn spellings(settings: &Settings, source: &SourceSettings, symbols: &[Symbol]) -> io::Result<()> {
    let Ok(spelling) = Spelling::new(source) else { return Ok(()) };
    let spelled = |symbol: &Symbol| spelling.spell(symbol, settings.class(symbol)).unwrap_or_default();
    let lines = symbols.iter().map(|symbol| format!("  {symbol}: asked for as {:?}\n", spelled(symbol)));
    print(&lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::catalogue::catalogue;

    #[test]
    fn what_a_limit_bears_is_said_in_words() {
        let source = |name: &str| catalogue()[name].clone().resolve(name).unwrap();
        let bears = |name: &str, limit: &str| bears(&source(name), Limit::try_from(limit.to_owned()).unwrap());
        assert_eq!(bears("finnhub", "25/day"), "25/day bears one symbol every 58 min");
        assert_eq!(bears("finnhub", "60/min"), "60/min bears one symbol every second");
        assert_eq!(bears("coinbase", "10/s"), "10/s bears 10 symbols a second");
        assert_eq!(bears("twelvedata", "8/min"), "8/min bears one symbol every 8 s");
        assert_eq!(bears("kraken", "1/s"), "1/s bears a call of up to 20 symbols every second");
        assert_eq!(bears("kraken", "3000/min"), "3000/min bears 50 calls of up to 20 symbols a second");
    }
}
