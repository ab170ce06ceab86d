//! Reads XML: each element becomes an object with its name, its attributes, its text and its children. All four are
//! always there, so that the shape does not depend on the number of children.

use jaq_json::{Map, Rc, Val};
use roxmltree::{Document, Node, ParsingOptions};

use super::DEEPEST;

/// The most elements and texts that are read.
const MOST_NODES: u32 = 100_000;

/// The most attributes of an element, and the most namespaces of a document. The parser compares each with all the
/// others.
const MOST_ATTRIBUTES: usize = 64;

/// Reads a document, and returns its outermost element.
pub(super) fn read(bytes: &[u8]) -> Result<Val, String> {
    let text = super::text(bytes)?;
    check(text)?;
    // a document type could define entities that grow without end
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
    element(document.root_element(), DEEPEST)
}

/// Refuses texts that would take the parser long, before it reads them.
fn check(text: &str) -> Result<(), String> {
    if text.matches("xmlns").count() > MOST_ATTRIBUTES {
        return Err(format!("more than {MOST_ATTRIBUTES} namespaces"));
    }
    // no attribute contains `<`, so there is at most one element between two of them
    let attributes = text.split('<').map(|element| element.matches('=').count());
    match attributes.max() {
        Some(most) if most > MOST_ATTRIBUTES => {
            Err(format!("more than {MOST_ATTRIBUTES} equals signs between two elements"))
        }
        _ => Ok(()),
    }
}

fn element(node: Node<'_, '_>, levels: usize) -> Result<Val, String> {
    let levels = levels.checked_sub(1).ok_or_else(|| format!("nested deeper than {DEEPEST} levels"))?;
    let text = |text: &str| Val::from(text.to_owned());
    let attributes: Map = node.attributes().map(|one| (text(one.name()), text(one.value()))).collect();
    let texts: String = node.children().filter(Node::is_text).filter_map(|child| child.text()).collect();
    let children = node.children().filter(Node::is_element).map(|child| element(child, levels));
    let fields = [
        ("name", text(node.tag_name().name())),
        ("attributes", Val::Obj(Rc::new(attributes))),
        ("text", text(texts.trim())),
        ("children", children.collect::<Result<Val, String>>()?),
    ];
    Ok(Val::Obj(Rc::new(fields.into_iter().map(|(name, value)| (text(name), value)).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_becomes_its_name_attributes_text_and_children() {
        let body = r#"<?xml version="1.0"?><a:rates xmlns:a="urn:x"><a:day time="2021-01-08">Fri<c n="USD" r="1.2250"/></a:day></a:rates>"#;
        let leaf = r#"{"name":"c","attributes":{"n":"USD","r":"1.2250"},"text":"","children":[]}"#;
        let day = format!(r#"{{"name":"day","attributes":{{"time":"2021-01-08"}},"text":"Fri","children":[{leaf}]}}"#);
        let whole = format!(r#"{{"name":"rates","attributes":{{}},"text":"","children":[{day}]}}"#);
        assert_eq!(read(body.as_bytes()).unwrap().to_string(), whole);
    }

    #[test]
    fn a_document_that_grows_or_nests_without_limit_is_refused() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(read(nested(64).as_bytes()).is_ok());
        assert!(read(nested(65).as_bytes()).unwrap_err().contains("nested deeper"));
        assert!(read(nested(40_000).as_bytes()).is_err());
        assert!(read("<a>".repeat(80_000).as_bytes()).is_err());
        assert!(read(br#"<!DOCTYPE a [<!ENTITY b "cc">]><a>&b;</a>"#).is_err());
        assert!(read(format!("<a>{}</a>", "<b/>".repeat(100_001)).as_bytes()).is_err());
        let attributes: String = (0..65).map(|number| format!(" a{number}=''")).collect();
        assert!(read(format!("<a{attributes}/>").as_bytes()).unwrap_err().contains("equals signs"));
        let namespaces: String = (0..3000).map(|number| format!("<a xmlns:b{number}='c'>")).collect();
        assert!(read(namespaces.as_bytes()).unwrap_err().contains("namespaces"));
        for wrong in ["", "{}", "<a>", "<a></b>", "Too Many Requests"] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
