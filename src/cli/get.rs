//! `quotefold get`: one answer, from a running server if there is one, else from the sources themselves; or, with `--watch`,
//! one after the other.

mod ask;
mod page;
mod proof;
mod watch;

use std::io;

use serde_json::Value;

use super::print::{as_it_came, complain, print_json, show};
use super::terminal::Terminal;
use super::{Exit, Format, Get, threads};
pub(super) use ask::KEY_VARIABLE;
use ask::{Answered, Asker, Trouble};

pub(super) fn run(arguments: &Get) -> io::Result<Exit> {
    let runtime = match threads::runtime()? {
        Ok(runtime) => runtime,
        Err(exit) => return Ok(exit),
    };
    let exit = runtime.block_on(get(arguments));
    runtime.shutdown_background();
    exit
}

async fn get(arguments: &Get) -> io::Result<Exit> {
    let mut asker = match Asker::new(arguments) {
        Ok(asker) => asker,
        Err(trouble) => return Ok(gave_up(&trouble)),
    };
    if let Some(every) = arguments.watch {
        return watch::run(&mut asker, every).await;
    }
    match asker.ask().await? {
        Ok(answered) => print_answer(&answered, arguments),
        Err(trouble) => Ok(gave_up(&trouble)),
    }
}

/// Says why there is no answer.
fn gave_up(trouble: &Trouble) -> Exit {
    if let Some(why) = &trouble.why {
        complain(why);
    }
    trouble.exit
}

/// Prints an answer and says where it came from. The exit code follows from the answer's status.
fn print_answer(answered: &Answered, arguments: &Get) -> io::Result<Exit> {
    complain(&answered.from);
    if let Some(format) = arguments.format
        && format != Format::Json
    {
        as_it_came(&answered.body)?;
        return Ok(exit(answered.status.as_deref()));
    }
    let answer: Value = serde_json::from_slice(&answered.body)?;
    if arguments.json || arguments.format.is_some() {
        print_json(&answer)?;
    } else {
        show(&page::page(&answer, None, Terminal::of_stdout().as_ref()))?;
    }
    Ok(exit(answer["status"].as_str()))
}

/// The exit code for an answer of this status.
fn exit(status: Option<&str>) -> Exit {
    match status {
        Some("complete") => Exit::Done,
        Some("degraded" | "partial") => Exit::NotWhole,
        _ => Exit::NoPrice,
    }
}
