//! Limits how many requests are worked on at once, and decides which is next.
//!
//! A request's weight is the number of pairs of symbol and source that it needs and that are not fresh on the board:
//! each must be asked for, waited for and landed. A request for which `server.max_weight` has no room waits in line,
//! and holds only its question in the meantime. One that is heavier than the whole limit runs alone. A request that the
//! board can answer weighs nothing.
//!
//! At most one new request per processor is planned at a time, and at most one admitted request per processor is folded
//! and written. So each is done in time when its turn comes; if all ran at once, all would be late.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// The work that is admitted, and the room for more.
#[derive(Debug)]
pub(crate) struct Workload {
    max_weight: u32,
    /// The weight that is free.
    weight: Semaphore,
    /// The turns of new requests.
    newcomers: Semaphore,
    /// The turns of admitted requests. These have their own, so that they do not wait for new requests, which may yet
    /// be shed.
    admitted: Semaphore,
}

/// A request's weight, held as long as the request is worked on.
#[derive(Debug)]
pub(crate) struct Weight<'w>(Option<SemaphorePermit<'w>>);

/// A request's turn. Nothing that takes processor time is done without one.
#[derive(Debug)]
pub(crate) struct Turn<'w>(#[expect(dead_code, reason = "it only has to be held")] SemaphorePermit<'w>);

/// A request's time was over before its turn came. No work was done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's turn did not come in time")]
pub struct Overloaded;

impl Workload {
    /// A workload of at most `max_weight` pairs of symbol and source at once.
    pub(crate) fn new(max_weight: u32) -> Self {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        let turns = || Semaphore::new(processors);
        Workload { max_weight, weight: Semaphore::new(max_weight as usize), newcomers: turns(), admitted: turns() }
    }

    /// Whether requests wait for others to finish.
    pub(crate) fn is_full(&self) -> bool {
        // the first request in line takes weight as soon as it is released
        self.weight.available_permits() == 0
    }

    /// Admits a weight at once, unless there is no room for it or other requests are waiting.
    pub(crate) fn try_admit(&self, weight: usize) -> Option<Weight<'_>> {
        match self.permits(weight) {
            0 => Some(Weight(None)),
            permits => self.weight.try_acquire_many(permits).ok().map(|permit| Weight(Some(permit))),
        }
    }

    /// Waits until there is room for a weight.
    pub(crate) async fn admit(&self, weight: usize, by: Instant) -> Result<Weight<'_>, Overloaded> {
        match self.permits(weight) {
            0 => Ok(Weight(None)),
            permits => Ok(Weight(Some(in_time(self.weight.acquire_many(permits), by).await?))),
        }
    }

    /// Waits for the turn of a new request.
    pub(crate) async fn turn_of_newcomer(&self, by: Instant) -> Result<Turn<'_>, Overloaded> {
        Ok(Turn(in_time(self.newcomers.acquire(), by).await?))
    }

    /// Waits for the turn of an admitted request, however long that takes, because its outcomes must not be thrown
    /// away.
    pub(crate) async fn turn_of_admitted(&self) -> Option<Turn<'_>> {
        // the semaphore is never closed
        self.admitted.acquire().await.ok().map(Turn)
    }

    /// The permits that a weight takes: at most all of them.
    fn permits(&self, weight: usize) -> u32 {
        u32::try_from(weight).unwrap_or(u32::MAX).min(self.max_weight)
    }
}

impl Weight<'_> {
    /// Releases the surplus if the request turns out to weigh only `weight`.
    pub(crate) fn lighten(&mut self, weight: usize) {
        let Some(permit) = &mut self.0 else { return };
        let surplus = permit.num_permits().saturating_sub(weight);
        drop(permit.split(surplus));
    }
}

/// A permit, if it comes before an instant. One that comes later is not used, even if it is available by now.
async fn in_time<'w>(
    permit: impl Future<Output = Result<SemaphorePermit<'w>, tokio::sync::AcquireError>>,
    by: Instant,
) -> Result<SemaphorePermit<'w>, Overloaded> {
    let permit = timeout_at(by, permit).await.map_err(|_| Overloaded)?;
    // the semaphore is never closed
    permit.ok().filter(|_| Instant::now() < by).ok_or(Overloaded)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::task::LocalSet;
    use tokio::time::sleep;

    use super::*;

    const MAX: u32 = 100;

    #[derive(Clone, Copy, Debug)]
    struct Request {
        arrives_ms: u64,
        weight: usize,
        works_ms: u64,
        waits_ms: u64,
    }

    fn request() -> impl Strategy<Value = Request> {
        (0_u64..1000, 0_usize..250, 0_u64..500, 50_u64..1000)
            .prop_map(|(arrives_ms, weight, works_ms, waits_ms)| Request { arrives_ms, weight, works_ms, waits_ms })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn admitted_requests_never_exceed_the_limit_and_others_fail_at_their_deadline(
            requests in prop::collection::vec(request(), 1..40),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let workload = Rc::new(Workload::new(MAX));
                let (running, alone, refused) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
                let task = |request: Request| {
                    let workload = Rc::clone(&workload);
                    let (running, alone, refused) = (Rc::clone(&running), Rc::clone(&alone), Rc::clone(&refused));
                    async move {
                    sleep(Duration::from_millis(request.arrives_ms)).await;
                    let by = Instant::now() + Duration::from_millis(request.waits_ms);
                    let admitted = match workload.try_admit(request.weight) {
                        Some(admitted) => Ok(admitted),
                        None => workload.admit(request.weight, by).await,
                    };
                    let Ok(_admitted) = admitted else {
                        assert_eq!(Instant::now(), by, "it is refused at its deadline");
                        refused.set(refused.get() + 1);
                        return;
                    };
                    assert!(Instant::now() < by || request.weight == 0);
                    let before = running.replace(running.get() + request.weight);
                    assert!(!alone.get() || request.weight == 0, "another request runs, but must run alone");
                    let is_heavy = request.weight > MAX as usize;
                    assert!(if is_heavy { before == 0 } else { running.get() <= MAX as usize || request.weight == 0 });
                    alone.set(alone.get() || is_heavy);
                    sleep(Duration::from_millis(request.works_ms)).await;
                    running.set(running.get() - request.weight);
                    alone.set(alone.get() && !is_heavy);
                    }
                };
                let tasks: Vec<_> = requests.iter().map(|request| tokio::task::spawn_local(task(*request))).collect();
                for task in tasks {
                    task.await.unwrap();
                }
                assert_eq!(workload.weight.available_permits(), MAX as usize, "all of the weight is released");
                if requests.len() == 1 {
                    assert_eq!(refused.get(), 0, "no request is refused for its size");
                }
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_light_request_does_not_overtake_a_heavy_one_that_waits() {
        let workload = Workload::new(MAX);
        let by = Instant::now() + Duration::from_secs(1);
        let first = workload.try_admit(60).unwrap();
        let heavy = async {
            let _heavy = workload.admit(500, by).await.unwrap();
            sleep(Duration::from_millis(10)).await;
            Instant::now()
        };
        let light = async {
            tokio::task::yield_now().await;
            assert!(workload.try_admit(1).is_none());
            assert!(workload.try_admit(0).is_some(), "a request that the board can answer does not wait");
            let _light = workload.admit(1, by).await.unwrap();
            Instant::now()
        };
        let ending = async {
            sleep(Duration::from_millis(5)).await;
            drop(first);
        };
        let (heavy, light, ()) = tokio::join!(heavy, light, ending);
        assert_eq!(heavy, light, "it is admitted when the heavy one ends");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_turns_out_lighter_gives_back_the_rest() {
        let workload = Workload::new(MAX);
        let mut admitted = workload.try_admit(500).unwrap();
        assert!(workload.try_admit(1).is_none());
        admitted.lighten(30);
        assert!(workload.try_admit(70).is_some());
        admitted.lighten(80);
        drop(admitted);
        assert_eq!(workload.weight.available_permits(), MAX as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_comes_at_the_deadline_is_not_taken() {
        let workload = Workload::new(MAX);
        assert_eq!(workload.turn_of_newcomer(Instant::now()).await.err(), Some(Overloaded));
        assert_eq!(workload.admit(1, Instant::now()).await.err(), Some(Overloaded));
        assert_eq!(workload.newcomers.available_permits(), available_parallelism().unwrap().get());
        assert_eq!(workload.weight.available_permits(), MAX as usize);
    }
}
