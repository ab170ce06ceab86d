//! Runs the examples of the user's own filters before a configuration takes effect, each in a process like that in which the
//! filter will run.

use super::sandbox::{Program, Sandbox};
use crate::profile::Profile;
use crate::provider::catalogue::has_filter;
use crate::provider::description::Example;
use crate::provider::example;

/// The examples of these sources that do not hold, each as a sentence. Those of the catalogue's filters are not tried: they hold,
/// or the catalogue would not have them.
pub async fn wrong_examples<'p>(profiles: impl Iterator<Item = &'p Profile>, program: &Program) -> Vec<String> {
    let mut wrong = Vec::new();
    for profile in profiles.filter(|profile| !has_filter(&profile.settings.jq)) {
        let source = &profile.settings;
        let sandbox = Sandbox::new(program.clone(), &source.name, &source.jq, source.max_body);
        for example in &source.examples {
            if let Err(difference) = try_out(profile, &sandbox, example).await {
                let name = &source.name;
                wrong.push(format!(
                    "sources.{name}.examples: {:?} does not hold: {difference}; `quotefold check {name}` shows more",
                    example.about
                ));
            }
        }
        sandbox.end().await;
    }
    wrong
}

async fn try_out(profile: &Profile, sandbox: &Sandbox, example: &Example) -> Result<(), String> {
    let asked = example::call(&profile.extractor, &profile.settings, example)?;
    let reply = example::reply(example);
    let rows = match sandbox.run(&profile.extractor.job(&reply, &asked)).await {
        Ok(filtered) => filtered.rows(),
        Err(error) => Err(error),
    };
    let rows = rows.map_err(|error| error.to_string())?;
    example::judge(example, profile.extractor.read_rows(&reply, &asked, &rows))
}
