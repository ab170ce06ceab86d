//! `quotefold serve` and `quotefold demo`: the service behind a server, until a signal ends it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::ending::Ending;
use super::print::{complain, print};
use super::{Demo, Exit, Serve, open_files, options, settings, threads};
use crate::clock::Clock;
use crate::demo;
use crate::events::Events;
use crate::hours;
use crate::logging;
use crate::reload::{Reloads, watch_files};
use crate::server::Front;
use crate::server::current::CurrentStack;
use crate::server::drain::{Drain, Stage};
use crate::server::listen::{self, CurrentLimits, Limits, Listener};
use crate::server::routes::Routes;
use crate::service::Quotefold;
use crate::service::current::Current;
use crate::settings::load::LoadOptions;
use crate::settings::{Identity, Settings};
use crate::source::examples::wrong_examples;
use crate::source::sandbox::Program;
use crate::state;
use crate::state::keep::Keeping;
use crate::trace;
use crate::watch::{self, Watched};

/// How long tasks that still run when the server has ended may take to stop; also how long stdout may block.
const LAST_MOMENT: Duration = Duration::from_millis(200);

/// The most connections to the operator's address. They have a limit of their own, so that health and metrics answer
/// even if clients hold all the connections that they may.
const ADMIN_CONNECTIONS: usize = 64;

/// The listeners of the service.
struct Doors {
    public: Listener,
    admin: Option<Listener>,
    /// Whether TLS is spoken at each of them.
    speaks_tls: [bool; 2],
}

/// The service, with everything that it needs to run.
struct Started {
    current: Current,
    keeping: Option<Keeping>,
    doors: Doors,
}

pub(super) fn serve(arguments: &Serve, ending: Ending) -> io::Result<Exit> {
    let options =
        LoadOptions { listen: arguments.listen.clone(), unofficial: arguments.unofficial, ..options(&arguments.file) };
    let hangups = Arc::clone(&ending.reload);
    on_runtimes(
        ending,
        async |work| start(options.clone(), work).await,
        async |started, drain, work| {
            let Started { current, keeping, doors } = started;
            say_ready(doors.ready_line()?).await;
            let sharing = current.get().shared().map(|shared| shared.take_part(work));
            let watched = watch_until_draining(&current, &drain, work);
            let reloads = Reloads::new(options.clone(), &current);
            let exit =
                until_ended(&current, watched, doors, drain, Routes::new(), Some((reloads, hangups)), work).await;
            if let Some(sharing) = sharing {
                sharing.finish().await;
            }
            if let Some(keeping) = keeping {
                keeping.finish().await;
            }
            exit
        },
    )
}

/// Starts the service, up to its listeners.
async fn start(options: LoadOptions, work: &Handle) -> io::Result<Result<Started, Exit>> {
    // a file may be on a disk that hangs, or be a pipe without a writer
    let service = match spawn_blocking(move || set_up(&options)).await.map_err(io::Error::other)? {
        Ok(service) => service,
        Err(exit) => return Ok(Err(exit)),
    };
    let current = Current::new(Arc::clone(&service));
    let profiles = service.sources().iter().map(|source| source.profile.as_ref());
    let wrong_examples = wrong_examples(profiles, &Program::running()).await;
    if !wrong_examples.is_empty() {
        return Ok(Err(wrong(&wrong_examples.join("\n\n"))));
    }
    let keeping = match service.settings().state.path.clone() {
        None => None,
        Some(path) => {
            let kept = current.clone();
            // a disk may be slow, and this thread must not wait
            match work.spawn(async move { state::keep::begin(&kept, &path).await }).await? {
                Ok(keeping) => Some(keeping),
                Err(error) => return Ok(Err(wrong(&error.to_string()))),
            }
        }
    };
    let Some(doors) = Doors::open(service.settings()).await else { return Ok(Err(Exit::Configuration)) };
    Ok(Ok(Started { current, keeping, doors }))
}

/// Reads the configuration again whenever a SIGHUP asks for it.
async fn reload_on_hangup(hangups: Arc<Notify>, reloads: Reloads) {
    loop {
        hangups.notified().await;
        // it logs how it went
        let _ = reloads.reload("SIGHUP").await;
    }
}

/// Reads the settings, starts the log, and makes the service.
fn set_up(options: &LoadOptions) -> Result<Arc<Quotefold>, Exit> {
    let settings = prepared(options)?;
    if let Some(why) = settings.shared.why_not() {
        return Err(wrong(&format!("shared.url: {why}")));
    }
    for line in settings.at_the_start() {
        tracing::info!("{line}");
    }
    settings.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
    if let Some(few) = open_files::too_few_for(&settings.server) {
        tracing::warn!("{few}");
    }
    let service = Quotefold::sandboxed(&Program::running(), settings, &Clock::system());
    let service = service.map_err(|error| wrong(&error.to_string()))?;
    note_unknown_holidays(&service);
    Ok(Arc::new(service))
}

/// Logs the markets whose holidays this version no longer knows.
fn note_unknown_holidays(service: &Quotefold) {
    match hours::past_end(service.clock().now().wall) {
        Some(past) if past.everywhere => tracing::warn!("{}", past.sentence),
        // some exchanges announce theirs a year at a time, and few users need them all
        Some(past) => tracing::info!("{}", past.sentence),
        None => {}
    }
}

pub(super) fn demo(arguments: &Demo, ending: Ending) -> io::Result<Exit> {
    let start = async |work: &Handle| {
        let market = TcpListener::bind("127.0.0.1:0").await?;
        let at = market.local_addr()?;
        let options = LoadOptions {
            text: Some(("the demo's settings".to_owned(), demo::settings_text(at) + demo::WATCHED)),
            listen: Some(arguments.listen.clone()),
            ..LoadOptions::default()
        };
        let settings = match prepared(&options) {
            Ok(settings) => settings,
            Err(exit) => return Ok(Err(exit)),
        };
        let venues = {
            let _in_work = work.enter();
            demo::open_venues(market, &settings)
        };
        let service = match demo::service(settings) {
            Ok(service) => Arc::new(service),
            Err(error) => return Ok(Err(wrong(&error.to_string()))),
        };
        let doors = Doors::open(service.settings()).await.ok_or(Exit::Configuration);
        Ok(doors.map(|doors| (service, venues, at, doors)))
    };
    on_runtimes(ending, start, async |(service, venues, at, doors), drain, work| {
        let url = doors.public.shown("http")?;
        say_ready(format!("quotefold demo listens on {url} (simulated market: every price is invented)\n")).await;
        complain(&demo::what_to_try(url.trim_start_matches("http://")));
        if !arguments.quiet {
            work.spawn(demo::narrate(Arc::clone(&service), Arc::clone(&venues)));
        }
        service.metrics().reloaded(true, service.clock().now().wall);
        let current = Current::new(service);
        let watched = watch_until_draining(&current, &drain, work);
        until_ended(&current, watched, doors, drain, demo::controls(&venues, at), None, work).await
    })
}

/// Keeps the watched symbols fresh until the drain begins.
fn watch_until_draining(current: &Current, drain: &Drain, work: &Handle) -> Arc<Watched> {
    let watched = Arc::new(Watched::new(&current.get().settings().watch.symbols));
    let draining = drain.clone();
    let draining = async move { draining.reached(Stage::Draining).await };
    work.spawn(watch::follow(current.clone(), Arc::clone(&watched), fastrand::Rng::new(), draining));
    watched
}

/// Reads the settings, and starts the log as they say.
fn prepared(options: &LoadOptions) -> Result<Settings, Exit> {
    let settings = settings(options)?;
    let remark = trace::start().map_err(|error| wrong(&error))?;
    logging::start(&settings.log).map_err(|error| wrong(&error))?;
    remark.into_iter().for_each(|remark| tracing::warn!("{remark}"));
    Ok(settings)
}

fn wrong(what: &str) -> Exit {
    complain(what);
    Exit::Configuration
}

impl Doors {
    /// Opens every listener; `None` if one cannot be opened, after saying why.
    async fn open(settings: &Settings) -> Option<Self> {
        let public = bind("server.listen", &settings.server.listen, "choose another with --listen").await?;
        let admin = match &settings.access.admin_listen {
            Some(address) => Some(bind("access.admin_listen", address, "choose another").await?),
            None => None,
        };
        let has_certificate = settings.identity.is_some();
        Some(Doors { public, admin, speaks_tls: [has_certificate, has_certificate && settings.access.admin_tls] })
    }

    /// The only line on stdout. The address for clients comes first, so that scripts need not know about the other.
    fn ready_line(&self) -> io::Result<String> {
        let scheme = self.speaks_tls.map(|speaks_tls| if speaks_tls { "https" } else { "http" });
        let public = self.public.shown(scheme[0])?;
        let admin = self.admin.as_ref().map(|admin| admin.shown(scheme[1])).transpose()?;
        let admin = admin.map(|address| format!(" and, for its operator, on {address}")).unwrap_or_default();
        Ok(format!("quotefold listens on {public}{admin}\n"))
    }
}

async fn bind(key: &str, address: &str, cure: &str) -> Option<Listener> {
    let bound = Listener::open(address).await;
    bound.map_err(|error| complain(&format!("{key}: cannot listen on {address}: {error}; {cure}"))).ok()
}

/// Prints the line that says where the service listens. It serves even if stdout is full or not read.
async fn say_ready(line: String) {
    match timeout(LAST_MOMENT, spawn_blocking(move || print(&line))).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!("cannot write to stdout that the service is ready: {error}"),
        Ok(Err(panicked)) => tracing::error!("cannot write to stdout that the service is ready: {panicked}"),
        Err(_) => {
            tracing::warn!("stdout is blocked, so the ready line is delayed; serving anyway");
        }
    }
}

/// Serves until the drain has ended. With `reloads`, and what a SIGHUP notifies, the stacks and limits follow the configuration.
async fn until_ended(
    current: &Current,
    watched: Arc<Watched>,
    doors: Doors,
    drain: Drain,
    extra: Routes,
    reloads: Option<(Reloads, Arc<Notify>)>,
    work: &Handle,
) -> io::Result<Exit> {
    let service = current.get();
    let events = Events::new(current.clone(), work);
    let around = Around { watched, events, drain: drain.clone(), work: work.clone() };
    let front = around.front_of(&service, reloads.as_ref().map(|(reloads, _)| reloads));
    let public = (CurrentStack::new(front.router(extra)), CurrentLimits::from(public_limits(service.settings())));
    let admin = doors.admin.map(|listener| {
        (listener, CurrentStack::new(front.admin_router()), CurrentLimits::from(admin_limits(service.settings())))
    });
    if let Some((reloads, hangups)) = &reloads {
        let admin = admin.as_ref().map(|(_, stack, limits)| (stack.clone(), limits.clone()));
        follow_reloads(reloads, public.clone(), admin, around);
        // only now, so that no reload comes before what it has to change
        work.spawn(reload_on_hangup(Arc::clone(hangups), reloads.clone()));
        work.spawn(watch_files(reloads.clone()));
    }
    // the service before a reload must not live on because of this function
    drop((front, service));
    let public = listen::run(doors.public, public.0, public.1, drain.clone());
    let admin = async {
        let Some((listener, stack, limits)) = admin else { return 0 };
        listen::run(listener, stack, limits, drain.clone()).await.cancelled
    };
    let (public, admin) = tokio::join!(public, admin);
    let cancelled = public.cancelled + admin;
    say_how_it_ended(cancelled);
    Ok(Exit::Done)
}

/// What goes on around a service whenever another one takes its place.
struct Around {
    watched: Arc<Watched>,
    events: Events,
    drain: Drain,
    /// The runtime that prices are worked out in.
    work: Handle,
}

/// What a listener serves, and within which limits.
type Served = (CurrentStack, CurrentLimits);

/// Lets each reload change what the listeners serve: for clients, and for the operator if there is an address for that.
fn follow_reloads(reloads: &Reloads, public: Served, admin: Option<Served>, around: Around) {
    let again = reloads.clone();
    reloads.serve_with(Box::new(move |next| {
        let (front, settings) = (around.front_of(next, Some(&again)), next.settings());
        let mut changes = vec![(public.clone(), front.router(Routes::new()), public_limits(settings))];
        changes.extend(admin.clone().map(|admin| (admin, front.admin_router(), admin_limits(settings))));
        Box::new(move || {
            for ((stack, limits), new, new_limits) in changes {
                stack.replace(new.after(&stack.get()));
                limits.set(new_limits);
            }
        })
    }));
}

impl Around {
    /// The front of a service.
    fn front_of(&self, service: &Arc<Quotefold>, reloads: Option<&Reloads>) -> Front {
        let front = Front::new(service, Arc::clone(&self.watched), &self.drain, &self.work).streaming(&self.events);
        match reloads {
            Some(reloads) => front.reloading(reloads),
            None => front,
        }
    }
}

/// The limits of the address for clients.
fn public_limits(settings: &Settings) -> Limits {
    let server = &settings.server;
    Limits {
        max_connections: server.max_connections,
        max_connections_per_client: Some(server.max_connections_per_client).filter(|cap| *cap > 0),
        proxies: settings.access.trusted_proxies.as_slice().into(),
        proxy_protocol: server.proxy_protocol,
        tls: settings.identity.as_ref().map(Identity::tls),
        idle_timeout: server.idle_timeout,
        drain_delay: server.drain_delay,
        drain_timeout: server.drain_timeout,
        ..Limits::default()
    }
}

/// The limits of the operator's address.
fn admin_limits(settings: &Settings) -> Limits {
    Limits {
        max_connections: ADMIN_CONNECTIONS,
        max_connections_per_client: None,
        proxy_protocol: settings.access.admin_proxy_protocol,
        tls: settings.identity.as_ref().filter(|_| settings.access.admin_tls).map(Identity::tls),
        ..public_limits(settings)
    }
}

fn say_how_it_ended(cancelled: usize) {
    match cancelled {
        0 => tracing::info!(cancelled, "ended; every connection was finished"),
        1 => tracing::warn!(cancelled, "ended; one connection did not finish in time and was dropped"),
        _ => tracing::warn!(cancelled, "ended; {cancelled} connections did not finish in time and were dropped"),
    }
}

/// Runs `start`, and then `serve` until the end. A signal during the start ends the program at once: no client can be
/// waiting yet.
///
/// There are two runtimes. The front one, on this thread, only accepts connections, reads, writes and answers health.
/// Prices are worked out in the other.
///
/// Calls without a caller, filters that still run, and a start that hangs do not delay the exit.
fn on_runtimes<S>(
    ending: Ending,
    start: impl AsyncFnOnce(&Handle) -> io::Result<Result<S, Exit>>,
    serve: impl AsyncFnOnce(S, Drain, &Handle) -> io::Result<Exit>,
) -> io::Result<Exit> {
    let Ending { front, drain, reload: _ } = ending;
    let work = match threads::runtime()? {
        Ok(work) => work,
        Err(exit) => return Ok(exit),
    };
    let exit = front.block_on(async {
        let started = tokio::select! {
            started = start(work.handle()) => started?,
            () = drain.reached(Stage::Draining) => {
                tracing::info!("shutdown requested before it was ready");
                Err(Exit::Done)
            }
        };
        match started {
            Ok(started) => serve(started, drain, work.handle()).await,
            Err(exit) => Ok(exit),
        }
    });
    work.shutdown_timeout(LAST_MOMENT);
    // what still ran has ended, and with it the last spans
    trace::finish();
    front.shutdown_background();
    exit
}
