//! `quotefold check`: whether the configuration is consistent, whether every source's filter still passes its examples,
//! and, with `--live`, what the sources say right now.

mod compare;
mod examples;
mod explain;
mod known;
mod limits;
mod live;
mod page;
mod survey;
mod trouble;

use std::io;

use tokio::runtime::Runtime;

use super::lines::Lines;
use super::print::{complain, print, show};
use super::terminal::Terminal;
use super::{Check, Exit, open_files, options, say_remarks, settings, threads};
use crate::clock::Clock;
use crate::provider::description::SourceSettings;
use crate::provider::spelling::Spelling;
use crate::service::Quotefold;
use crate::settings::Settings;
use crate::shared::try_store;
use crate::symbol::Symbol;
use crate::text::near::nearest;
use examples::{Proof, prove, unproved};
use survey::Survey;

pub(super) fn run(arguments: &Check) -> io::Result<Exit> {
    let settings = match settings(&options(&arguments.file)) {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    say_remarks(&settings);
    let all = settings.sources.iter().chain(settings.off.iter().map(|off| &off.source));
    match &arguments.source {
        Some(name) => match all.into_iter().find(|source| source.name == *name) {
            Some(source) => check_one(arguments, source, &settings),
            None => {
                let names = settings.sources.iter().chain(settings.off.iter().map(|off| &off.source));
                let near = nearest(name, names.map(|source| source.name.as_str()));
                let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
                complain(&format!("there is no source {name:?}; {near}`quotefold sources` lists all sources"));
                Ok(Exit::Usage)
            }
        },
        None if arguments.live => check_live(settings, arguments.all),
        // sources that are off are checked too: their examples need no key
        None => check_examples(all, &settings, arguments.all),
    }
}

/// Checks the examples of all sources. On a terminal, those that hold are only counted, unless all are wanted.
fn check_examples<'a>(
    sources: impl Iterator<Item = &'a SourceSettings>,
    settings: &Settings,
    with_all: bool,
) -> io::Result<Exit> {
    if let Some(few) = open_files::too_few_for(&settings.server) {
        complain(&format!("note: {few}"));
    }
    if let Some(sources) = limits::without_share(settings) {
        complain(&format!("note: {sources}"));
    }
    if let Some(sources) = limits::asked_by_each(settings) {
        complain(&format!("note: {sources}"));
    }
    let terminal = Terminal::of_stdout().filter(|_| !with_all);
    let (mut holds, mut count, mut examples) = (true, 0, 0);
    for source in sources {
        let proof = prove(source);
        let unproved = unproved(source, settings);
        holds &= proof.holds;
        count += 1;
        examples += proof.examples;
        if terminal.is_none() || !proof.holds || !unproved.is_empty() {
            print(&format!("{}{unproved}", proof.text))?;
        }
    }
    if let Some(terminal) = terminal {
        let verdict = if holds { "all of them hold" } else { "not all of them hold" };
        let more = "`quotefold check --all` shows each source, and how often its limits allow a call";
        let mut lines = Lines::new();
        lines.sentence(&format!("{count} sources, {examples} examples: {verdict}. {more}."), Some(terminal.width));
        show(&lines)?;
    }
    Ok(exit(holds, true))
}

/// Checks one source in detail: its examples, and the spelling of the symbols or, live, its reply.
fn check_one(arguments: &Check, source: &SourceSettings, settings: &Settings) -> io::Result<Exit> {
    let proof = prove(source);
    print(&proof.text)?;
    if !arguments.live {
        print(&unproved(source, settings))?;
    }
    if !arguments.live && arguments.symbols.is_empty() {
        return Ok(exit(proof.holds, true));
    }
    let symbols = match symbols(arguments, source, settings) {
        Ok(symbols) => symbols,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    let priced = if arguments.live {
        live::look(settings, source, &symbols)?
    } else {
        spellings(settings, source, &symbols)?;
        true
    };
    Ok(exit(proof.holds, priced))
}

/// Checks every source that is on, on one screen: first the examples that fail, then what all of them say.
fn check_live(settings: Settings, with_all: bool) -> io::Result<Exit> {
    let proofs: Vec<Proof> = settings.sources.iter().map(prove).collect();
    let wrong: Vec<&Proof> = proofs.iter().filter(|proof| !proof.holds).collect();
    print(&wrong.iter().map(|proof| format!("{}\n", proof.text)).collect::<String>())?;
    let service = match Quotefold::new(settings.for_one_answer(), &Clock::system()) {
        Ok(service) => service,
        Err(error) => {
            complain(&error.to_string());
            return Ok(Exit::Configuration);
        }
    };
    let runtime = match threads::runtime()? {
        Ok(runtime) => runtime,
        Err(exit) => return Ok(exit),
    };
    let is_store_usable = check_store(&service, &runtime)?;
    let survey = Survey::new(service, runtime);
    show(&survey.page(with_all, Terminal::of_stdout().as_ref()))?;
    Ok(exit(wrong.is_empty(), survey.is_all_priced() && survey.agrees() && is_store_usable))
}

/// Tries the store that replicas share, if there is one, and says what of it cannot be used. Returns whether all of it can.
fn check_store(service: &Quotefold, runtime: &Runtime) -> io::Result<bool> {
    let Some(tried) = runtime.block_on(try_store(&service.settings().shared)) else { return Ok(true) };
    let said = match &tried {
        Ok(version) => format!("shared store: ok (compatible with Redis {version})\n"),
        Err(faults) => format!("shared store: it cannot be used\n  {}\n", faults.join("\n  ")),
    };
    print(&said)?;
    Ok(tried.is_ok())
}

fn exit(holds: bool, priced: bool) -> Exit {
    match (holds, priced) {
        (false, _) => Exit::Configuration,
        (true, false) => Exit::NotWhole,
        (true, true) => Exit::Done,
    }
}

/// The symbols to ask a source for: those of the command line, else one that it is known to have. A symbol that the
/// service would never ask it for is refused, since the check would then show a call that the service does not make.
fn symbols(arguments: &Check, source: &SourceSettings, settings: &Settings) -> Result<Vec<Symbol>, String> {
    if arguments.symbols.is_empty() {
        let known = known::first(source, settings).map(|symbol| vec![symbol]);
        return known.ok_or_else(|| format!("no symbol is known that {} has; say which one to ask for", source.name));
    }
    let read = |text: &String| {
        let symbol = settings.names().read(text).map_err(|error| error.to_string())?;
        if source.covers(&symbol, settings.class(&symbol)) {
            return Ok(symbol);
        }
        let classes: Vec<_> = source.classes.iter().map(|class| class.as_str()).collect();
        let (name, class, classes) = (&source.name, settings.class(&symbol), classes.join(", "));
        Err(format!("{name} does not cover {symbol} ({class}); ask it for another symbol of {classes}"))
    };
    let symbols: Vec<Symbol> = arguments.symbols.iter().map(read).collect::<Result<_, _>>()?;
    let (name, most) = (&source.name, source.batch);
    match symbols.len() {
        // without a call, any number can be spelled
        count if arguments.live && count > most => Err(format!(
            "one call to {name} takes at most {most} of these {count} symbols; check them in several calls"
        )),
        _ => Ok(symbols),
    }
}

/// Prints what the source calls the symbols, without a call.
fn spellings(settings: &Settings, source: &SourceSettings, symbols: &[Symbol]) -> io::Result<()> {
    let Ok(spelling) = Spelling::new(source) else { return Ok(()) };
    let spelled = |symbol: &Symbol| spelling.spell(symbol, settings.class(symbol)).unwrap_or_default();
    let lines = symbols.iter().map(|symbol| format!("  {symbol}: asked for as {:?}\n", spelled(symbol)));
    print(&lines.collect::<String>())
}
