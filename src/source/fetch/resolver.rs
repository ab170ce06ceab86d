//! Looks up the addresses of hosts, each host at most once at a time.
//!
//! A lookup runs on a thread that cannot be stopped: when a name server is silent, it goes on for up to half a minute after
//! the call that wanted it has given up. If every attempt started another lookup, a dead name server would soon hold all the
//! threads that filters need too. So a call joins a lookup of its host that is running, and there are never more lookups than
//! hosts.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

use crate::source::BoxFuture;

/// What a lookup finds: addresses, of which the port does not matter.
pub type Found = io::Result<Vec<SocketAddr>>;

/// The lookups of all sources. Cheap to clone.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    look_up: Box<dyn Fn(String) -> BoxFuture<Found> + Send + Sync>,
    /// The lookups that run. When a lookup ends, its sender is gone.
    running: Mutex<HashMap<String, Weak<Told>>>,
}

/// Where the result of a lookup is told.
type Told = watch::Sender<Option<Result<Vec<SocketAddr>, NotFound>>>;

/// Why a host has no address, for all calls that waited for it.
#[derive(Clone, Debug)]
struct NotFound(Arc<io::Error>);

impl Resolver {
    /// The lookups of the system: `/etc/hosts`, name servers, and whatever else it is set up to use.
    pub(crate) fn of_the_system() -> Self {
        Resolver::by(|host| Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) }))
    }

    /// Any other way of looking hosts up: tests make a name server fail with it.
    pub fn by(look_up: impl Fn(String) -> BoxFuture<Found> + Send + Sync + 'static) -> Self {
        Resolver(Arc::new(Inner { look_up: Box::new(look_up), running: Mutex::default() }))
    }

    /// Whether a host is being looked up right now.
    pub(super) fn is_looking_up(&self, host: &str) -> bool {
        self.0.running.lock().get(host).is_some_and(|told| told.strong_count() > 0)
    }

    /// Joins the lookup of a host, or starts it. It runs to its end, even if all who wait give up.
    fn join(&self, host: &str) -> watch::Receiver<Option<Result<Vec<SocketAddr>, NotFound>>> {
        let mut running = self.0.running.lock();
        if let Some(told) = running.get(host).and_then(Weak::upgrade) {
            return told.subscribe();
        }
        // callers can name any number of hosts, where a symbol is part of one
        running.retain(|_, told| told.strong_count() > 0);
        let (told, end) = watch::channel(None);
        let told = Arc::new(told);
        running.insert(host.to_owned(), Arc::downgrade(&told));
        let finding = (self.0.look_up)(host.to_owned());
        tokio::spawn(async move {
            let found = finding.await;
            told.send_replace(Some(found.map_err(|error| NotFound(Arc::new(error)))));
        });
        end
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let mut end = self.join(name.as_str());
        Box::pin(async move {
            // it is told in any case, unless the lookup panicked
            let found = end.wait_for(Option::is_some).await.map(|found| found.clone());
            let found = found.ok().flatten().ok_or_else(|| io::Error::other("the lookup broke off"))?;
            Ok(Box::new(found?.into_iter()) as Addrs)
        })
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        // the text around this says what was being done
        f.write_str(text.strip_prefix("failed to lookup address information: ").unwrap_or(&text))
    }
}

impl std::error::Error for NotFound {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    /// Lookups that take a second, and how many were begun.
    fn slow(found: fn() -> Found) -> (Resolver, Arc<AtomicUsize>) {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let resolver = Resolver::by(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                sleep(Duration::from_secs(1)).await;
                found()
            })
        });
        (resolver, begun)
    }

    async fn resolve(resolver: &Resolver, host: &str) -> Result<usize, String> {
        let found = resolver.resolve(host.parse().unwrap()).await;
        found.map(Iterator::count).map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_looked_up_once_however_many_want_it_and_give_up() {
        let (resolver, begun) = slow(|| Ok(vec!["127.0.0.1:0".parse().unwrap()]));
        for _ in 0..5 {
            assert!(timeout(Duration::from_millis(100), resolve(&resolver, "a.test")).await.is_err());
        }
        assert!(resolver.is_looking_up("a.test") && !resolver.is_looking_up("b.test"));
        assert_eq!((resolve(&resolver, "a.test").await, begun.load(Ordering::SeqCst)), (Ok(1), 1));
        // what was found is not kept: an address may change
        assert!(!resolver.is_looking_up("a.test"));
        assert_eq!((resolve(&resolver, "a.test").await, begun.load(Ordering::SeqCst)), (Ok(1), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_looked_up_is_forgotten() {
        let (resolver, _) = slow(|| Ok(Vec::new()));
        for number in 0..20 {
            resolve(&resolver, &format!("s{number}.test")).await.unwrap();
        }
        assert_eq!(resolver.0.running.lock().len(), 1, "the last one goes with the next");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_told_why_there_is_no_address() {
        let (resolver, begun) = slow(|| Err(io::Error::other("failed to lookup address information: no such name")));
        let both = tokio::join!(resolve(&resolver, "a.test"), resolve(&resolver, "a.test"));
        let why = || Err("no such name".to_owned());
        assert_eq!((both, begun.load(Ordering::SeqCst)), ((why(), why()), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_panics_is_an_error_and_the_next_one_is_new() {
        let (resolver, begun) = slow(|| panic!("a fault of ours"));
        for times in 1..=2 {
            assert_eq!(resolve(&resolver, "a.test").await, Err("the lookup broke off".to_owned()));
            assert_eq!(begun.load(Ordering::SeqCst), times);
        }
    }
}
