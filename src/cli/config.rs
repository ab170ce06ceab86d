//! `quotefold config`: the settings in use, and where they were read.

use super::print::print;
use super::{Config, Exit, options, settings};
use crate::settings::load::find::DEFAULT;
use std::io;

pub(super) fn run(arguments: &Config) -> io::Result<Exit> {
    if arguments.default {
        print(DEFAULT)?;
        return Ok(Exit::Done);
    }
    let settings = match settings(&options(&arguments.file)) {
        Ok(settings) => settings,
        Err(exit) => return Ok(exit),
    };
    let read: String = settings.read.iter().map(|from| format!("#   {from}\n")).collect();
    let covered: String = settings.coverage().iter().map(|line| format!("#   {line}\n")).collect();
    let head = format!("# The settings in use; secrets are masked. Read from:\n{read}# Sources per class:\n{covered}");
    print(&format!("{head}\n{}", settings.to_toml()))?;
    Ok(Exit::Done)
}
