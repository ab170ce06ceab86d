//! Writes the log to stderr without ever making the service wait for whatever reads stderr.
//!
//! A write to a full pipe that no one reads never returns, so no thread of the service writes to stderr itself: lines go into a
//! bounded backlog, which a dedicated thread empties. Lines that find it full are dropped and counted.

mod backlog;
mod repeats;
mod writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, dispatcher};
use tracing_subscriber::filter::{Directive, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry, reload};

use crate::metrics::log_lines_dropped;
use crate::settings::{LogFormat, LogSettings, RequestLog};
use crate::trace;
use repeats::Repeated;
use writer::{Lines, Missing, Queue};

/// The target of request lines: the module that writes them.
pub(crate) const REQUESTS: &str = "quotefold::server::request_log";

/// How long the process waits at its end for lines to be written.
const LAST_LINES: Duration = Duration::from_millis(200);

/// How long to wait for stderr to take an error while no log has been started.
const FIRST_LINES: Duration = Duration::from_secs(1);

/// The messages of the standard library when a panic aborts the process.
const ABORTS: [&str; 2] = ["panic in a function that cannot unwind", "panic in a destructor during cleanup"];

/// The one log of the process, once it has been started.
static LOG: OnceLock<Arc<Queue>> = OnceLock::new();

/// Changes the filter of the log, once the log has been started.
static REFILTER: OnceLock<Refilter> = OnceLock::new();

/// Whether every request gets its own line.
static ALL_REQUESTS: AtomicBool = AtomicBool::new(false);

/// Puts another filter in the place of the one before.
type Refilter = Box<dyn Fn(EnvFilter) + Send + Sync>;

/// Writes messages while no log has been started; `None` if no thread could be started for it.
static BEFORE_LOG: OnceLock<Option<Arc<Queue>>> = OnceLock::new();

/// The format of lines.
#[derive(Clone, Copy)]
struct Format {
    json: bool,
    colours: bool,
}

/// Starts the log. `RUST_LOG` takes precedence over the settings. A panic becomes a line of the log, too: a program that reads
/// JSON lines understands nothing else, and a panic must not wait for stderr either. A second call changes nothing.
///
/// # Errors
/// If the filter cannot be parsed, or the thread cannot be started.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    if LOG.get().is_some() {
        return Ok(());
    }
    let filter = filter(settings)?;
    let colours = io::stderr().is_terminal();
    let json = match settings.format {
        LogFormat::Auto => !colours,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let format = Format { json, colours };
    let queue = writer::start(io::stderr(), line_about_missing_lines(format), log_lines_dropped())
        .map_err(|error| format!("no thread could be started to write the log: {error}"))?;
    // a test may have set up another log; then that one stays
    ALL_REQUESTS.store(settings.requests == RequestLog::All, Ordering::Relaxed);
    let news_only = NewsOnly { queue: Arc::clone(&queue) };
    let (lines, refilter) = format.lines(lines_to(&queue), filter, Some(news_only), true);
    let _ = lines.try_init();
    std::panic::set_hook(Box::new(log_panic));
    let _ = (LOG.set(queue), REFILTER.set(refilter));
    Ok(())
}

/// Logs from now on what these settings say; their format takes a restart.
pub(crate) fn follow(settings: &LogSettings) {
    ALL_REQUESTS.store(settings.requests == RequestLog::All, Ordering::Relaxed);
    if let (Some(refilter), Ok(filter)) = (REFILTER.get(), filter(settings)) {
        refilter(filter);
    }
}

/// What is logged. `RUST_LOG` takes precedence over the settings.
fn filter(settings: &LogSettings) -> Result<EnvFilter, String> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        _ => settings.level.clone(),
    };
    let parsed = EnvFilter::try_new(&filter).map_err(|error| format!("log filter {filter:?}: {error}"))?;
    // what is exported does not depend on what is logged; spans are no lines
    let spans = format!("{}=debug", trace::SPANS).parse::<Directive>();
    Ok(match spans {
        Ok(spans) if trace::is_exporting() => parsed.add_directive(spans),
        _ => parsed,
    })
}

/// Writes a message for people, and a newline: through the log if it has been started, else at once. If stderr does not take it
/// within a second, only the exit code tells what happened. A terminal may take its time: its user may have stopped it to read.
pub fn say(words: &str) {
    let line = format!("{words}\n");
    match LOG.get() {
        Some(queue) => queue.push(line.as_bytes()),
        None if io::stderr().is_terminal() => drop(io::stderr().write_all(line.as_bytes())),
        None => say_at_once(&line),
    }
}

/// Writes a line on a thread that may never finish, and waits for it, unless an earlier line is still waiting.
fn say_at_once(line: &str) {
    let no_line = |_| Vec::new();
    match BEFORE_LOG.get_or_init(|| writer::start(io::stderr(), no_line, Counter::default()).ok()) {
        Some(queue) => {
            let longest = if queue.is_settled() { FIRST_LINES } else { Duration::ZERO };
            queue.push(line.as_bytes());
            queue.flush(longest);
        }
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Flushes the log when it is dropped, for at most 200 ms. The process holds one until its end.
#[derive(Debug)]
pub struct FlushedAtEnd;

impl Drop for FlushedAtEnd {
    fn drop(&mut self) {
        flush();
    }
}

fn flush() {
    if let Some(queue) = LOG.get() {
        queue.flush(LAST_LINES);
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let words = panic.payload_as_str().unwrap_or("no message");
    let at = panic.location().map(ToString::to_string);
    // captures one only if RUST_BACKTRACE is set
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(panic = words, at, backtrace, "a thread panicked");
    if ABORTS.contains(&words) {
        flush();
    }
}

impl Format {
    /// A subscriber that turns events into lines of this format, and what changes its filter. It may also hand spans to what
    /// exports them.
    fn lines<W>(self, writer: W, filter: EnvFilter, news_only: Option<NewsOnly>, exports: bool) -> (Dispatch, Refilter)
    where
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        let lines = fmt::layer()
            .with_writer(writer)
            .with_ansi(self.colours)
            // it would report them on stderr, and so wait for stderr
            .log_internal_errors(false);
        if self.json {
            let lines = registry().with(lines.json().flatten_event(true).with_span_list(false));
            filtered(lines, filter, news_only, exports)
        } else {
            filtered(registry().with(lines), filter, news_only, exports)
        }
    }
}

/// A subscriber that writes lines, with what decides which, and with what exports spans if that is wanted and started.
fn filtered<S>(lines: S, filter: EnvFilter, news_only: Option<NewsOnly>, exports: bool) -> (Dispatch, Refilter)
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let (filter, handle) = reload::Layer::new(filter);
    let lines = lines.with(filter).with(filter_fn(is_harmless)).with(news_only);
    let lines = match trace::layer().filter(|_| exports) {
        Some(spans) => lines.with(spans).into(),
        None => lines.into(),
    };
    // changing the filter fails only once the subscriber has gone, and this one stays for good
    (lines, Box::new(move |filter| drop(handle.reload(filter))))
}

/// Whether an event may be logged, whatever the filter says. Below `info`, libraries log hosts, headers and bodies verbatim,
/// including keys.
fn is_harmless(event: &Metadata<'_>) -> bool {
    is_ours(event.target()) || *event.level() <= Level::INFO
}

/// A writer that puts lines into a queue.
fn lines_to(queue: &Arc<Queue>) -> impl Fn() -> Lines + Send + Sync + 'static {
    let queue = Arc::clone(queue);
    move || Lines(Arc::clone(&queue))
}

fn is_ours(target: &str) -> bool {
    target.split("::").next() == Some(env!("CARGO_PKG_NAME"))
}

/// Makes the line that reports missing lines. It has the format of the others, and no level hides it: otherwise a log could lack
/// lines without saying so.
fn line_about_missing_lines(format: Format) -> impl Fn(Missing) -> Vec<u8> + Send + 'static {
    let page = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&page);
    let filter = EnvFilter::default().add_directive(Level::INFO.into());
    let (lines, _) = format.lines(move || Page(Arc::clone(&kept)), filter, None, false);
    move |missing| {
        dispatcher::with_default(&lines, || match missing {
            Missing::Dropped(dropped) => {
                tracing::warn!(dropped, "lines of this log are missing here: stderr did not take them in time");
            }
            Missing::Repeated(Repeated { level, words, about, times }) => {
                let repeated = times;
                match level {
                    Level::ERROR => tracing::error!(repeated, about, "repeated within a second: {words}"),
                    Level::WARN => tracing::warn!(repeated, about, "repeated within a second: {words}"),
                    _ => tracing::info!(repeated, about, "repeated within a second: {words}"),
                }
            }
        });
        std::mem::take(&mut *page.lock())
    }
}

/// Suppresses and counts lines that repeat what was logged in the same second.
struct NewsOnly {
    queue: Arc<Queue>,
}

impl<S: Subscriber> Layer<S> for NewsOnly {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let (level, target) = (event.metadata().level(), event.metadata().target());
        // a user who sets a level below `info` wants to see everything
        let may_repeat =
            *level > Level::INFO || !is_ours(target) || target == REQUESTS && ALL_REQUESTS.load(Ordering::Relaxed);
        may_repeat || self.queue.is_new(event)
    }
}

/// Collects a line.
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
