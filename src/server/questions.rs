//! Remembers how queries were read: clients that poll send the same ones again and again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::question::Question;

/// How many queries are remembered at most, in each of two generations.
const MOST: usize = 2_048;

/// A longer query is not remembered.
const LONGEST: usize = 256;

/// The questions that queries were read as. The time at which each arrived, and its caller, are those of the first time.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<Generations>);

/// A query that is not asked again while as many others come is forgotten with the older generation.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<str>, Arc<Question>>,
    old: HashMap<Box<str>, Arc<Question>>,
}

impl Questions {
    /// What a query was read as.
    pub(super) fn known(&self, query: &str) -> Option<Arc<Question>> {
        let mut generations = self.0.lock();
        if let Some(question) = generations.young.get(query) {
            return Some(Arc::clone(question));
        }
        let (query, question) = generations.old.remove_entry(query)?;
        generations.remember(query, Arc::clone(&question));
        Some(question)
    }

    /// Remembers what a query was read as.
    pub(super) fn remember(&self, query: &str, question: &Question) {
        if query.len() <= LONGEST {
            self.0.lock().remember(query.into(), Arc::new(question.clone()));
        }
    }
}

impl Generations {
    fn remember(&mut self, query: Box<str>, question: Arc<Question>) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(query, question);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::question::Bounds;

    fn question() -> Question {
        Question::parse("symbols=AAPL", &Bounds::default(), Clock::system().now()).unwrap()
    }

    #[test]
    fn a_query_that_is_asked_again_is_remembered_however_many_others_come() {
        let (questions, question) = (Questions::default(), question());
        questions.remember("often", &question);
        for number in 0..3 * MOST {
            questions.remember(&format!("once {number}"), &question);
            assert!(number % 100 > 0 || questions.known("often").is_some());
        }
        assert!(questions.known("once 0").is_none());
        let generations = questions.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * MOST);
    }

    #[test]
    fn a_long_query_is_not_remembered() {
        let questions = Questions::default();
        questions.remember(&"x".repeat(LONGEST + 1), &question());
        assert!(questions.known(&"x".repeat(LONGEST + 1)).is_none());
    }
}
