//! `quotefold completions`: scripts that let shells complete the command line, made from its definitions.

use std::io;

use clap_complete::generate;

use super::print::write;
use super::{Completions, Exit, known_to_people};

pub(super) fn run(arguments: &Completions) -> io::Result<Exit> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut known_to_people(), "quotefold", &mut script);
    write(&script)?;
    Ok(Exit::Done)
}
