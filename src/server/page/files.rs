//! The files of the page: its style, its scripts and its icons, as they are in this folder. There is no build step.

use crate::server::embedded::{DRAWING, Embedded, SCRIPT, STYLE};

/// A file of this folder, under its own name.
macro_rules! embedded {
    ($name:literal, $kind:ident) => {
        Embedded { path: concat!("/page/", $name), kind: $kind, text: include_str!($name) }
    };
}

/// All files, those first that are loaded first.
pub(super) const FILES: [Embedded; 18] = [
    embedded!("page.css", STYLE),
    embedded!("page.js", SCRIPT),
    embedded!("asking.js", SCRIPT),
    embedded!("card.js", SCRIPT),
    embedded!("completion.js", SCRIPT),
    embedded!("dom.js", SCRIPT),
    embedded!("events.js", SCRIPT),
    embedded!("following.js", SCRIPT),
    embedded!("looking.js", SCRIPT),
    embedded!("pause.js", SCRIPT),
    embedded!("proof.js", SCRIPT),
    embedded!("question.js", SCRIPT),
    embedded!("sources.js", SCRIPT),
    embedded!("strip.js", SCRIPT),
    embedded!("venues.js", SCRIPT),
    embedded!("words.js", SCRIPT),
    embedded!("favicon.svg", DRAWING),
    embedded!("favicon-simulated.svg", DRAWING),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_folder_that_a_browser_loads_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/page");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let loaded = names.filter(|name| !name.ends_with(".rs") && !name.ends_with(".html"));
        let served: BTreeSet<String> = FILES.iter().map(|file| file.path.replace("/page/", "")).collect();
        assert_eq!(loaded.collect::<BTreeSet<_>>(), served);
    }

    #[test]
    fn every_script_that_another_imports_is_served() {
        for file in FILES {
            for import in file.text.split(" from \"./").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                let path = format!("/page/{import}");
                assert!(FILES.iter().any(|file| file.path == path), "{} imports {import}", file.path);
            }
        }
    }

    #[test]
    fn no_file_sets_markup_or_a_style_from_a_text_or_names_another_host() {
        for Embedded { path, kind, text } in FILES {
            for word in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", ".style", "localStorage"]
            {
                assert!(kind != SCRIPT || !text.contains(word), "{path}: {word}");
            }
            // the namespace of SVG is a name and not an address
            let others = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!others.contains("http://") && !others.contains("https://"), "{path}");
            assert!(kind != DRAWING || !text.contains("<style") && !text.contains("style="), "{path}");
        }
    }
}
