//! Runs jq filters in a box: a filter sees one reply and nothing else, it always ends, and it cannot crash the process.
//!
//! The box has four walls. A filter that names anything outside the box is refused at compile time, with its position
//! (`validate`). A body that could overflow the stack or stall the parser is refused before it is parsed (`body`). A
//! filter that does too much is stopped (`fuel`). And if jq still panics, the panic is caught and fails that one call.
//!
//! None of them bounds the memory and time of a single step. So a filter that is not known to be modest runs in a
//! process of its own (`sandbox`).

mod body;
mod definitions;
mod direct;
mod fields;
mod fuel;
pub mod stages;
#[cfg(test)]
mod tests;
mod validate;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};

use jaq_core::load::lex::{Lexer, Token};
use jaq_core::load::parse::Parser;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Compiler, Ctx, Vars};
use jaq_json::{Num, Val};

use self::direct::Flow;
use self::fields::Field;
use self::fuel::{Meter, Metered, OutOfFuel, Program};
use self::words::{first_sign, undefined_name, unexpected, words};

use crate::provider::description::{Layout, Notation};
pub use fuel::{CpuTimer, Fuel};

/// The most rows that are taken from one reply.
pub const MOST_ROWS: usize = 10_000;

/// What a filter can name besides the reply: the HTTP status, and the symbols asked for as the provider spells them.
const VARIABLES: [&str; 2] = ["$status", "$asked"];

/// The longest filter that is read, in bytes: seven times the longest one of the catalogue.
const LONGEST: usize = 8 << 10;

/// The stack that reading an empty filter takes, in bytes.
const STACK: usize = 1 << 20;

/// The stack that each sign or word of a filter may add, in bytes: the parser recurses into brackets.
const STACK_PER_PART: usize = 32 << 10;

/// A compiled filter. It keeps no state between runs, so it may filter several replies at once.
pub struct Filter {
    code: String,
    /// The fields of its rows that its text shows.
    fields: Vec<Field>,
    /// What of it needs no interpreter.
    direct: Flow,
    program: jaq_core::Filter<Metered>,
}

/// Why a text is not a filter that may run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FilterError {
    /// The line within the filter, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
    /// What was found there, why it is refused, and what to write instead.
    pub message: String,
}

/// What a filter made of a reply.
#[derive(Debug)]
pub struct Rows {
    /// The rows, in the filter's order, up to the first error.
    pub rows: Vec<Val>,
    /// Whether the filter gave more than [`MOST_ROWS`].
    pub cut: bool,
    /// Why the filter stopped early; `None` if it did not.
    pub failure: Option<RunError>,
}

/// Why a filter stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The body is not in its notation, or is refused before it is parsed.
    #[error("the body cannot be read as {0}: {1}")]
    Body(Notation, String),
    /// The filter met something it was not written for.
    #[error("the filter stopped: {0}")]
    Filter(String),
    /// The filter was stopped because it took too many steps, too much time or too much memory.
    #[error("the filter was stopped: {0}")]
    OutOfFuel(String),
    /// A bug in jq or in quotefold.
    #[error("the filter panicked; please report this reply")]
    Panic,
}

impl Filter {
    /// Compiles a filter, if everything it names is in the box.
    ///
    /// # Errors
    /// The first thing that is wrong, with its position.
    pub fn compile(code: &str) -> Result<Self, FilterError> {
        if code.len() > LONGEST {
            let message = format!("the filter has {} bytes; {LONGEST} are allowed", code.len());
            return Err(FilterError::at(code, code, message));
        }
        std::thread::scope(|scope| {
            let stack = STACK + parts(code) * STACK_PER_PART;
            let reading = std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, || Self::read(code));
            let read = reading.map_err(|error| no_thread(stack, &error));
            let read =
                read.and_then(|reading| reading.join().map_err(|_| "jq panicked; please report this filter".into()));
            read.unwrap_or_else(|why| Err(FilterError::at(code, code, why)))
        })
    }

    fn read(code: &str) -> Result<Self, FilterError> {
        let tokens = Lexer::new(code).lex().map_err(|errors| match errors.first() {
            Some((expected, found)) => FilterError::at(code, found, unexpected(expected.as_str(), found)),
            None => FilterError::at(code, code, "this is not a jq filter".to_owned()),
        })?;
        let term = Parser::new(&tokens).parse(Parser::term).map_err(|errors| match errors.first() {
            Some((expected, found)) => {
                let found = Token::opt_as_str(*found, code);
                FilterError::at(code, found, unexpected(expected.as_str(), found))
            }
            None => FilterError::at(code, code, "this is not a jq filter".to_owned()),
        })?;
        validate::check(&term).map_err(|refused| {
            // the parser keeps no position for a sign
            let is_sign = matches!(refused.part, ".." | "*");
            let part = if is_sign { first_sign(&tokens, refused.part).unwrap_or(code) } else { refused.part };
            FilterError::at(code, part, refused.message)
        })?;
        let place = |name: &str| {
            let (line, column) = position(code, name);
            Field { name: name.to_owned(), line, column }
        };
        let fields = fields::named(&term).into_iter().map(place).collect();
        let direct = Flow::of(&term, &mut VARIABLES.to_vec());
        let arena = Arena::default();
        let modules = Loader::new(definitions::needed_by(&term)).load(&arena, File { code, path: () });
        let modules = modules.map_err(|_| FilterError::at(code, code, "this is not a jq filter".to_owned()))?;
        let compiler = Compiler::default().with_funs(functions()).with_global_vars(VARIABLES);
        let program = compiler.compile(modules).map_err(|errors| {
            match errors.into_iter().flat_map(|(_, undefined)| undefined).next() {
                Some((name, kind)) => FilterError::at(code, name, undefined_name(name, kind.as_str())),
                None => FilterError::at(code, code, "this filter does not compile".to_owned()),
            }
        })?;
        Ok(Filter { code: code.to_owned(), fields, direct, program })
    }

    /// Filters a reply's body: row by row, up to the first error or to [`MOST_ROWS`].
    pub fn run(&self, body: &[u8], layout: impl Into<Layout>, status: u16, asked: &[&str], fuel: Fuel) -> Rows {
        let layout = layout.into();
        let mut rows = Rows { rows: Vec::new(), cut: false, failure: None };
        let meter = fuel.meter();
        // only the rows taken so far outlive a panic, and each of those is whole
        let ended = catch_unwind(AssertUnwindSafe(|| self.collect(body, layout, status, asked, &meter, &mut rows)));
        rows.failure = match ended {
            Ok(result) => result.err(),
            Err(panic) => Some(panic.downcast().map_or(RunError::Panic, |out| {
                let OutOfFuel(why) = *out;
                RunError::OutOfFuel(why)
            })),
        };
        rows
    }

    fn collect(
        &self,
        body: &[u8],
        layout: Layout,
        status: u16,
        asked: &[&str],
        meter: &Meter,
        rows: &mut Rows,
    ) -> Result<(), RunError> {
        let input = match body::read(body, layout) {
            Ok(input) => input,
            // a refusal in plain words: the filter may know them; if not, the status decides
            Err(_) if !(200..300).contains(&status) => Val::from(String::from_utf8_lossy(body).trim().to_owned()),
            Err(why) => return Err(RunError::Body(layout.notation, why)),
        };
        let status = Val::Num(Num::Int(isize::try_from(status).unwrap_or_default()));
        let asked: Val = asked.iter().map(|symbol| Val::from((*symbol).to_owned())).collect();
        if !self.direct.is_other() {
            let variables = vec![status.clone(), asked.clone()];
            if self.direct.walk(&input, variables, meter, rows) {
                return Ok(());
            }
            rows.rows.clear();
            meter.restart();
        }
        let program = Program { lut: &self.program.lut, meter };
        let context = Ctx::<Metered>::new(program, Vars::new([status, asked]));
        for row in self.program.id.run((context, input)) {
            // jaq's own conversion of an exception may end the process, so it is not used
            let row = row.map_err(|exception| match exception.get_err() {
                Ok(error) => RunError::Filter(words(error)),
                Err(_) => RunError::Filter("it tried to exit, which a filter cannot do".to_owned()),
            })?;
            if rows.rows.len() == MOST_ROWS {
                rows.cut = true;
                break;
            }
            rows.rows.push(row);
        }
        Ok(())
    }
}

impl FilterError {
    fn at(code: &str, part: &str, message: String) -> Self {
        let (line, column) = position(code, part);
        FilterError { line, column, message }
    }
}

/// The line and column of a part of a filter, from 1.
fn position(code: &str, part: &str) -> (usize, usize) {
    let before = code.get(..offset(code, part)).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// How many bytes of a filter precede a part of it.
fn offset(code: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(code.as_ptr() as usize)
}

/// How many signs and words a filter has: its nesting cannot be deeper than that.
fn parts(code: &str) -> usize {
    let mut is_in_word = false;
    let begins = |c: &char| {
        let is_word = c.is_alphanumeric() || *c == '_';
        let begins = !(c.is_whitespace() || is_word && is_in_word);
        is_in_word = is_word;
        begins
    };
    code.chars().filter(begins).count()
}

fn no_thread(stack: usize, error: &std::io::Error) -> String {
    let need = stack.div_ceil(1 << 20);
    format!(
        "reading this filter takes a thread with a stack of {need} MiB, which the system refuses ({error}); allow this \
         process more memory or threads (ulimit -v, ulimit -u), or write a shorter filter"
    )
}

/// jq's native functions, without those that lead out of the box, and with our own `fromjson`: the built-in one
/// overflows the stack on deep nesting and repeats an error for ever.
fn functions() -> impl Iterator<Item = Fun<Metered>> {
    let all = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let kept = all.filter(|(name, arguments, _)| {
        *name != "fromjson" && (*name == "range" || validate::reason(name, arguments.len()).is_none())
    });
    kept.chain([run::<Metered>(("fromjson", v(0), |cv| bome(body::from_json(&cv.1))))])
}
