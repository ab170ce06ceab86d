//! Reads the list of what a vendor trades: body → filter → names with their statuses. Compares it with the list before.

use std::collections::BTreeMap;

use jaq_json::{Map, Val};

use crate::provider::description::{InstrumentSettings, Layout, ListExample, SourceSettings};
use crate::provider::filter::{CpuTimer, Filter, Fuel, MOST_ROWS, Rows};
use crate::provider::spelling::DescriptionError;

/// The longest name or status that is kept, in bytes; longer ones are no symbol's.
const LONGEST: usize = 64;

/// Of this many names, not most are halted one by one.
const SEVERAL: usize = 10;

/// The status of an example's body.
const OK: u16 = 200;

/// What a vendor trades: each name as the vendor spells it, with the vendor's word for its state, if it gives one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstrumentList {
    names: BTreeMap<String, Option<String>>,
}

/// Reads the lists of one source. It keeps no state between them.
pub(crate) struct InstrumentReader {
    filter: Filter,
    layout: Layout,
}

impl InstrumentReader {
    /// Compiles the filter of a source's list; `None` if its list is not asked for.
    pub(super) fn of(source: &SourceSettings) -> Result<Option<Self>, DescriptionError> {
        let Some(list) = &source.instruments else { return Ok(None) };
        let filter = Filter::compile(&list.filter);
        let filter = filter.map_err(|error| DescriptionError::new("instruments.filter", error.to_string()))?;
        Ok(Some(InstrumentReader { filter, layout: source.layout() }))
    }

    /// How the list is laid out.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Reads a list. `timer` measures the CPU time of the filter.
    pub(crate) fn read(&self, body: &[u8], timer: CpuTimer) -> Result<InstrumentList, String> {
        InstrumentList::of_rows(&self.filter.run(body, self.layout, OK, &[], Fuel::most(timer)))
    }
}

impl InstrumentList {
    /// A list of these names, each with its status.
    pub fn new<'n>(rows: impl IntoIterator<Item = (&'n str, Option<&'n str>)>) -> Self {
        let row = |(name, status): (&str, Option<&str>)| (name.to_owned(), status.map(str::to_owned));
        InstrumentList { names: rows.into_iter().map(row).collect() }
    }

    /// Reads the rows that a filter made of a list.
    ///
    /// # Errors
    /// The list is not whole, names nothing, or has a row that is not `{symbol, status}`.
    pub(crate) fn of_rows(run: &Rows) -> Result<Self, String> {
        if let Some(failure) = &run.failure {
            return Err(failure.to_string());
        }
        if run.cut {
            // a name beyond the cut would look like one that is not traded
            return Err(format!("the filter gave more than {MOST_ROWS} rows"));
        }
        let mut names = BTreeMap::new();
        for row in &run.rows {
            let (name, status) = row_of(row)?;
            if name.len() <= LONGEST {
                names.insert(name, status.filter(|status| status.len() <= LONGEST));
            }
        }
        if names.is_empty() { Err("the list names no instrument".to_owned()) } else { Ok(InstrumentList { names }) }
    }

    /// How many names it has.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether it has no name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether it has a name.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The status of a name, if the list gives one.
    pub fn status(&self, name: &str) -> Option<&str> {
        self.names.get(name)?.as_deref()
    }

    /// Its names with their statuses, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.names.iter().map(|(name, status)| (name.as_str(), status.as_deref()))
    }

    /// Whether it can be believed after a `former` list of the same vendor: it names something, and at least half of what that
    /// one named. No vendor stops trading most of its instruments within a day; a list that says so is cut, or another page.
    pub fn is_credible_after(&self, former: &InstrumentList) -> bool {
        let kept = former.names.keys().filter(|name| self.has(name)).count();
        !self.is_empty() && kept * 2 >= former.len()
    }

    /// The same names, with those statuses alone that mean that nothing can be traded. A list of several names, of which over
    /// half are halted, is that of a vendor in a pause, which is over long before the next list: then no status stays.
    pub(crate) fn keeping_halts(mut self, settings: &InstrumentSettings) -> Self {
        let halted = self.names.values().flatten().filter(|word| settings.is_halt(word)).count();
        let is_paused = self.len() >= SEVERAL && halted * 2 > self.len();
        for status in self.names.values_mut() {
            *status = status.take().filter(|word| !is_paused && settings.is_halt(word));
        }
        self
    }
}

/// The name and the status in a row.
fn row_of(row: &Val) -> Result<(String, Option<String>), String> {
    let Val::Obj(fields) = row else {
        return Err(format!("the filter gave {row} where a row {{symbol, status}} is expected"));
    };
    let name = field(fields, "symbol")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| format!("the filter gave the row {row}, which names no symbol"))?;
    Ok((name, field(fields, "status")?))
}

/// The text of a field; `None` if it is left out or null.
fn field(fields: &Map, name: &str) -> Result<Option<String>, String> {
    match fields.get(&Val::from(name.to_owned())) {
        None | Some(Val::Null) => Ok(None),
        Some(Val::TStr(text)) => Ok(Some(String::from_utf8_lossy(text).into_owned())),
        Some(other) => Err(format!("the filter gave the {name} {other}, which is not text")),
    }
}

/// Reads an example's body as if it had come from the vendor, and compares every name and status.
///
/// # Errors
/// The first difference, as half a sentence.
pub fn check(source: &SourceSettings, example: &ListExample, timer: CpuTimer) -> Result<(), String> {
    let reader = InstrumentReader::of(source).map_err(|error| error.to_string())?;
    let Some(reader) = reader else { return Err("the source has no list".to_owned()) };
    let list = reader.read(example.body.as_bytes(), timer)?;
    for (name, status) in &example.expect {
        if !list.has(name) {
            return Err(format!("{name} is not in the list"));
        }
        let found = list.status(name).unwrap_or_default();
        if found != status {
            return Err(format!("the status of {name} is {found:?}, expected {status:?}"));
        }
    }
    match list.iter().find(|(name, _)| !example.expect.contains_key(*name)) {
        Some((name, _)) => Err(format!("{name} is in the list, but not in `expect`")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::cpu;

    fn read(filter: &str, body: &str) -> Result<InstrumentList, String> {
        let instruments = InstrumentSettings { filter: filter.to_owned(), ..InstrumentSettings::default() };
        let source = SourceSettings { instruments: Some(instruments), ..SourceSettings::default() };
        InstrumentReader::of(&source).unwrap().unwrap().read(body.as_bytes(), cpu::timer)
    }

    #[test]
    fn a_list_is_read_as_names_with_their_statuses() {
        let body = r#"{"a":[{"id":"BTCUSD","state":"open"},{"id":"ETHUSD"}]}"#;
        let list = read(".a[] | {symbol: .id, status: .state}", body).unwrap();
        assert_eq!(list, InstrumentList::new([("BTCUSD", Some("open")), ("ETHUSD", None)]));
    }

    #[test]
    fn a_list_that_is_empty_cut_or_not_of_names_is_refused() {
        let wrong = [
            (".[]", "[]", "names no instrument"),
            (".[]", "[1]", "where a row"),
            (".[]", r#"[{"status":"open"}]"#, "names no symbol"),
            (".[]", r#"[{"symbol":"A","status":true}]"#, "which is not text"),
            (".[]", r#"[{"symbol":"A"}"#, "cannot be read as JSON"),
            (".x[] | {symbol: .}", r#"{"y":1}"#, "the filter stopped"),
        ];
        for (filter, body, why) in wrong {
            let error = read(filter, body).unwrap_err();
            assert!(error.contains(why), "{body}: {error}");
        }
        let many: Vec<String> = (0..=MOST_ROWS).map(|number| format!("\"N{number}\"")).collect();
        let error = read(".[] | {symbol: .}", &format!("[{}]", many.join(","))).unwrap_err();
        assert!(error.contains("more than 10000"), "{error}");
    }

    #[test]
    fn a_name_that_no_symbol_can_have_is_left_out() {
        let body = format!(r#"["{}","BTCUSD"]"#, "A".repeat(LONGEST + 1));
        assert_eq!(read(".[] | {symbol: .}", &body).unwrap(), InstrumentList::new([("BTCUSD", None)]));
    }

    fn list_of(names: &[u8]) -> InstrumentList {
        let names: Vec<String> = names.iter().map(u8::to_string).collect();
        InstrumentList::new(names.iter().map(|name| (name.as_str(), None)))
    }

    #[test]
    fn halts_are_kept_unless_the_whole_vendor_pauses() {
        let settings = InstrumentSettings { halted: vec!["halt".to_owned()], ..InstrumentSettings::default() };
        let halts = |of: usize, halted: usize| {
            let names: Vec<String> = (0..of).map(|number| format!("N{number}")).collect();
            let status = |place: usize| Some(if place < halted { "halt" } else { "open" });
            let rows = names.iter().enumerate().map(|(place, name)| (name.as_str(), status(place)));
            InstrumentList::new(rows).keeping_halts(&settings).iter().filter(|(_, status)| status.is_some()).count()
        };
        assert_eq!([halts(1, 1), halts(9, 9), halts(20, 10), halts(20, 11), halts(20, 20)], [1, 9, 10, 0, 0]);
    }

    proptest! {
        #[test]
        fn a_damaged_body_is_refused_or_a_list_and_never_a_panic(
            body in r#"[\[\]{}",:a-c0-9 \\n\x00]{0,60}"#,
            cut in 0_usize..60,
        ) {
            let whole = r#"[{"id":"BTCUSD","state":"open"},{"id":"ETHUSD","state":"halt"}]"#;
            for text in [body, whole.chars().take(cut).collect()] {
                if let Ok(list) = read(".[] | {symbol: .id, status: .state}", &text) {
                    prop_assert!(!list.is_empty());
                }
            }
        }

        #[test]
        fn a_list_is_believed_if_it_keeps_half_of_the_former_names(
            former in proptest::collection::btree_set(0_u8..40, 0..30),
            latter in proptest::collection::btree_set(0_u8..40, 0..30),
        ) {
            let kept = former.intersection(&latter).count();
            let [before, after] = [&former, &latter].map(|set| list_of(&set.iter().copied().collect::<Vec<_>>()));
            let is_expected = !latter.is_empty() && 2 * kept >= former.len();
            prop_assert_eq!(after.is_credible_after(&before), is_expected);
        }
    }
}
