//! Serves with the stack that holds now, so that the configuration can change while connections are open.

use std::sync::Arc;

use axum::extract::Request;
use parking_lot::RwLock;

use super::app::{Answering, App};
use super::stack::Stack;
use crate::caller::Peer;

/// The stack that holds now. Each request is answered by the one that held when it came. Cheap to clone; all clones change
/// together.
#[derive(Clone, Debug)]
pub struct CurrentStack(Arc<RwLock<Stack>>);

impl CurrentStack {
    /// Begins with a stack.
    pub fn new(stack: Stack) -> Self {
        CurrentStack(Arc::new(RwLock::new(stack)))
    }

    /// The stack that holds now.
    pub fn get(&self) -> Stack {
        self.0.read().clone()
    }

    /// Puts another one in its place.
    pub fn replace(&self, stack: Stack) {
        *self.0.write() = stack;
    }
}

impl App for CurrentStack {
    fn answer(&self, request: Request, peer: Option<Peer>) -> Answering {
        self.get().answer(request, peer)
    }
}
