//! `quotefold get --watch`: looks again and again, and marks what has changed since the last look.
//!
//! On a terminal, each look is drawn over the one before it. Anywhere else, each is a block of lines below the others, and what is
//! not a price goes to stderr.

mod events;
mod following;
mod looks;
mod screen;

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Signal as Kind, getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::ask::{Asker, Trouble};
use super::gave_up;
use super::page::{Before, page};
use crate::cli::Exit;
use crate::cli::lines::Lines;
use crate::cli::print::{complain, write};
use crate::cli::terminal::Terminal;
use crate::clock::Clock;
use crate::text::words::{clock_time, duration};
use looks::{Looks, Seen};
use screen::Screen;

/// Looks until a signal comes, or until no one reads any more. If there is nothing to be seen at first, it ends like a single look.
pub(super) async fn run(asker: &mut Asker, every: Duration) -> io::Result<Exit> {
    let mut signals = Signals::new()?;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looks, mut watch) = (Looks::new(every), Watch::new(every));
    loop {
        let next = async {
            ticks.tick().await;
            looks.look(asker).await
        };
        let looked = tokio::select! {
            looked = next => looked?,
            told = signals.next() => match told {
                Told::End(exit) => return Ok(exit),
                Told::Stop => {
                    watch.stop()?;
                    continue;
                }
            },
        };
        let is_read = match looked {
            Ok(seen) => watch.saw(seen, Clock::system().now().wall)?,
            Err(trouble) if watch.last.is_none() => return Ok(gave_up(&trouble)),
            Err(trouble) => watch.missed(&trouble, Clock::system().now().wall)?,
        };
        if !is_read {
            return Ok(Exit::Done);
        }
    }
}

/// What has been seen so far.
struct Watch {
    every: Duration,
    screen: Screen,
    before: Before,
    last: Option<Look>,
    /// Why the latest look failed, if it did.
    trouble: Option<String>,
}

/// A look that succeeded.
struct Look {
    page: Lines,
    at: Timestamp,
}

impl Watch {
    fn new(every: Duration) -> Self {
        Watch { every, screen: Screen::new(), before: Before::nothing(), last: None, trouble: None }
    }

    /// Shows an answer; says whether anyone reads it.
    fn saw(&mut self, Seen { answer, from }: Seen, now: Timestamp) -> io::Result<bool> {
        let terminal = Terminal::of_stdout();
        let page = page(&answer, Some(&self.before), terminal.as_ref());
        let is_first = self.last.is_none();
        let is_back = self.trouble.take().is_some();
        self.before.becomes(answer);
        self.last = Some(Look { page: page.clone(), at: now });
        match terminal.filter(|terminal| terminal.can_redraw) {
            Some(terminal) => {
                let head = format!("{from}, {}, {}; Ctrl-C ends", clock_time(now, now), self.pace());
                self.screen.draw(below(&head, page, &terminal), &terminal)
            }
            None => {
                if is_first || is_back {
                    complain(&format!("{from}, {}", self.pace()));
                }
                write(block(&page, now).as_bytes())
            }
        }
    }

    /// Says why there is no answer, and shows the last one again; says whether anyone reads it.
    fn missed(&mut self, trouble: &Trouble, now: Timestamp) -> io::Result<bool> {
        let why = trouble.why.clone().unwrap_or_default();
        let is_news = self.trouble.as_ref() != Some(&why);
        self.trouble = Some(why.clone());
        let Some(last) = &self.last else { return Ok(true) };
        let at = clock_time(last.at, now);
        let since = format!("{why}; trying again {}; the last prices are from {at}", self.pace());
        match Terminal::of_stdout().filter(|terminal| terminal.can_redraw) {
            Some(terminal) => self.screen.draw(below(&since, last.page.clone(), &terminal), &terminal),
            None => {
                if is_news {
                    complain(&since);
                }
                Ok(true)
            }
        }
    }

    fn pace(&self) -> String {
        format!("every {}", duration(self.every))
    }

    /// Stops until the shell lets it go on, and leaves the terminal to the shell as it was.
    fn stop(&mut self) -> io::Result<()> {
        self.screen.leave()?;
        kill_process(getpid(), Kind::STOP)?;
        Ok(())
    }
}

/// A page below a sentence about it.
fn below(head: &str, page: Lines, terminal: &Terminal) -> Lines {
    let mut lines = Lines::new();
    lines.sentence(head, Some(terminal.width));
    lines.gap();
    lines.append(page);
    lines
}

/// A page as a block of lines for programs: the time, the page, and an empty line.
fn block(page: &Lines, now: Timestamp) -> String {
    format!("# {now:.0}\n{}\n", page.text())
}

/// The signals that a watch heeds.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    stop: Signal,
}

/// What a signal says.
enum Told {
    End(Exit),
    Stop,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            stop: signal(SignalKind::from_raw(Kind::TSTP.as_raw()))?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::End(Exit::Interrupted),
            _ = self.terminate.recv() => Told::End(Exit::Terminated),
            _ = self.stop.recv() => Told::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_its_time_and_ends_with_an_empty_line() {
        let mut page = Lines::new();
        page.push("SYMBOL  PRICE".to_owned());
        let at = "2026-11-20T14:31:40.729Z".parse().unwrap();
        assert_eq!(block(&page, at), "# 2026-11-20T14:31:40Z\nSYMBOL  PRICE\n\n");
    }
}
