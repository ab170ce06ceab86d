//! Makes one answer for everyone who asks the same at the same time.
//!
//! The answer is made by a task of the service and not by the first caller, so that it comes even if that caller leaves. When
//! the last caller has left, the task is dropped, with every call that no other caller waits for. Those whom the answer does not
//! fit, because something in it concerns the first caller alone, get one of their own: what has landed meanwhile is theirs, too.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinHandle};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::Quotefold;
use super::joining::{Joining, patience};
use crate::gather::Waiting;
use crate::question::Question;

/// The answers in flight, each in one form: `K` tells the forms apart, and `T` is an answer that was written in one. Cheap to
/// clone; all clones are the same.
#[derive(Debug)]
pub struct AnswersInFlight<K, T>(Arc<Mutex<InFlight<K, T>>>);

type InFlight<K, T> = HashMap<Asked<K>, (Arc<Joining>, Weak<Making<T>>)>;

/// What an answer is to others than the caller for whom it was made.
#[derive(Clone, Debug)]
pub enum Made<T> {
    /// The answer of everyone who has joined.
    ForAll(T),
    /// It is for its own caller alone.
    ForOne,
    /// None was made, because its turn did not come in time.
    Refused,
}

/// What is asked for, in which form.
#[derive(Clone, Debug)]
struct Asked<K> {
    question: Arc<Question>,
    form: K,
}

/// An answer in flight. Its task ends with the last one who waits for it.
#[derive(Debug)]
struct Making<T> {
    joining: Arc<Joining>,
    /// Whether it waits for a source.
    waiting: Waiting,
    /// Where it will be, if it is for all who joined. Closed without it if it is not.
    made: watch::Receiver<Option<T>>,
    task: OnceLock<AbortHandle>,
}

/// Takes an answer off the list when its task ends, in whatever way.
struct Listed<K: Eq + Hash, T> {
    answers: AnswersInFlight<K, T>,
    asked: Asked<K>,
    joining: Arc<Joining>,
}

impl<K, T> AnswersInFlight<K, T>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// The reply to a question: out of an answer in flight that fits it, or of one that is made for it.
    ///
    /// `make` answers the question on the runtime. It is passed what lets others join, if they may, and returns the reply to its
    /// own caller, and what the answer is to others, who get a `reply` of their own from it. Dropping the future is leaving.
    pub async fn answer<R: Send + 'static, F: Future<Output = (R, Made<T>)> + Send + 'static>(
        &self,
        service: &Quotefold,
        asked: (&Arc<Question>, K),
        runtime: &Handle,
        make: impl Fn(Option<Arc<Joining>>) -> F,
        reply: impl Fn(T) -> R,
    ) -> R {
        let (question, form) = asked;
        let Some(joining) = service.joining(question) else { return run(runtime, make(None)).await.0 };
        let asked = Asked { question: Arc::clone(question), form };
        if let Some(answer) = self.find(&asked, service) {
            // its calls go on until this one has joined them
            return answer.join(question, || run(runtime, make(None)), reply).await;
        }
        let joining = Arc::new(joining);
        let (sender, made) = watch::channel(None);
        let (waiting, task) = (Waiting::current(), OnceLock::new());
        let answer = Arc::new(Making { joining: Arc::clone(&joining), waiting, made, task });
        self.0.lock().insert(asked.clone(), (Arc::clone(&joining), Arc::downgrade(&answer)));
        let listed = Listed { answers: self.clone(), asked, joining: Arc::clone(&joining) };
        let making = make(Some(joining));
        let task = start(runtime, async move {
            let _listed = listed;
            let (reply, made) = making.await;
            if let Made::ForAll(made) = made {
                sender.send_replace(Some(made));
            }
            reply
        });
        // it is set once
        let _ = answer.task.set(task.abort_handle());
        end_of(task).await
    }

    /// An answer in flight that a question may join.
    fn find(&self, asked: &Asked<K>, service: &Quotefold) -> Option<Arc<Making<T>>> {
        let (joining, answer) = self.0.lock().get(asked).cloned()?;
        service.join(&joining, &asked.question).then(|| answer.upgrade())?
    }
}

impl<T: Clone> Making<T> {
    /// The reply to someone who has joined: out of the answer, or out of one of its own that `make` makes, if this one does not
    /// come soon, or is not for all.
    async fn join<R, F: Future<Output = (R, Made<T>)>>(
        &self,
        question: &Question,
        make: impl FnOnce() -> F,
        reply: impl Fn(T) -> R,
    ) -> R {
        if let Some(made) = self.made(patience(question)).await {
            return reply(made);
        }
        let (own, made) = make().await;
        match made {
            // this answer was admitted before it, and may still come in time
            Made::Refused => self.made(question.deadline()).await.map_or(own, reply),
            Made::ForAll(_) | Made::ForOne => own,
        }
    }

    /// The answer, if it is for all who joined and comes by an instant.
    async fn made(&self, by: Instant) -> Option<T> {
        let mut made = self.made.clone();
        let told = async { made.wait_for(Option::is_some).await.ok().and_then(|made| made.clone()) };
        let waiting = Waiting::current();
        tokio::select! {
            biased;
            told = timeout_at(by, told) => told.ok().flatten(),
            () = self.joining.fits_first_alone() => None,
            never = waiting.waits_with(&self.waiting) => match never {},
        }
    }
}

impl<T> Drop for Making<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl<K: Eq + Hash, T> Drop for Listed<K, T> {
    fn drop(&mut self) {
        let mut answers = self.answers.0.lock();
        // a later answer may have taken its place
        if answers.get(&self.asked).is_some_and(|(joining, _)| Arc::ptr_eq(joining, &self.joining)) {
            answers.remove(&self.asked);
        }
    }
}

impl<K, T> Clone for AnswersInFlight<K, T> {
    fn clone(&self) -> Self {
        AnswersInFlight(Arc::clone(&self.0))
    }
}

impl<K, T> Default for AnswersInFlight<K, T> {
    fn default() -> Self {
        AnswersInFlight(Arc::default())
    }
}

impl<K: Eq> PartialEq for Asked<K> {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form && self.question.asks_the_same_as(&other.question)
    }
}

impl<K: Eq> Eq for Asked<K> {}

impl<K: Hash> Hash for Asked<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.form.hash(state);
        self.question.symbols.hash(state);
    }
}

/// Runs a task on a runtime, and waits for its end. Dropping the future aborts the task.
pub(crate) async fn run<T: Send + 'static>(runtime: &Handle, task: impl Future<Output = T> + Send + 'static) -> T {
    end_of(AbortOnDropHandle::new(start(runtime, task))).await
}

fn start<T: Send + 'static>(runtime: &Handle, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    // the connection learns when the task waits for a source
    runtime.spawn(Waiting::current().scope(task))
}

/// The end of a task.
async fn end_of<T>(task: impl Future<Output = Result<T, JoinError>>) -> T {
    match task.await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            // the layer that catches panics answers
            Ok(panic) => std::panic::resume_unwind(panic),
            // the runtime is shutting down: this request is about to be dropped, too
            Err(_) => std::future::pending().await,
        },
    }
}
